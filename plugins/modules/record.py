#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: record
short_description: Record a host in a small archive that can be evaluated on another machine
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Reads what M(navilab.webui.host_info) would read of the host for the plans of all roles, and writes just that into
    one archive of less than 256 KiB on the controller, in one round trip.
  - Personal details are replaced, each by the same word everywhere. Those are names of the host, its domain, its people
    and of servers that not everybody knows, addresses, serial numbers, UUIDs, machine ids, keys, passwords, tokens and
    logins. Comments in files of C(/etc) are left out. The variables of the roles that differ from their defaults are in
    it, too.
  - RV(said) lists all that is inside. Read it, and look into the archive, before it is sent to anybody.
  - What apt and dockerd would say to an intended change is not in it, since that is asked after the plan is made.
  - Changes nothing on the host. M(navilab.webui.plan) judges the archive in place of a host, with the variable
    C(navilab_recorded).
extends_documentation_fragment:
  - navilab.webui.attributes
options:
  path:
    description:
      - Where the archive goes on the controller, mode V(0600). In a directory it gets a name that tells nothing of the
        host. Of several hosts, a directory is needed.
    type: path
    default: .
  wants:
    description:
      - What is wanted of M(navilab.webui.host_info), as its options. The action plugin fills it in from the roles'
        variables.
    type: dict
    default: {}
  settings:
    description:
      - The roles' variables as JSON. The action plugin fills it in.
    type: str
    default: "{}"
  secrets:
    description:
      - Texts that nobody else may know, as JSON. The action plugin fills in what is vaulted or named as a secret, where
        a variable of the roles or of the connection holds it; all others stay on the controller.
    type: str
    default: "[]"
  names:
    description:
      - Names that are to be replaced beside those that the host knows of itself, by their kind (C(host), C(domain),
        C(user), C(name), C(server)). The action plugin fills it in from how Ansible reaches the host.
    type: dict
    default: {}
notes:
  - Root sees more than others do; see M(navilab.webui.host_info).
seealso:
  - module: navilab.webui.host_info
  - module: navilab.webui.plan
"""

EXAMPLES = r"""
- name: Record the host
  navilab.webui.record:
    path: /tmp
  become: true
  register: recorded

- name: Show what is in the recording
  ansible.builtin.debug:
    msg: "{{ recorded.said }}"
"""

RETURN = r"""
path:
  description:
    - Where the archive is on the controller.
  returned: success
  type: str
bytes:
  description:
    - Its size.
  returned: success
  type: int
said:
  description:
    - What is in the archive, its files, the questions that it has answers to, and what was replaced, as lines for a
      person.
  returned: success
  type: list
  elements: str
replaced:
  description:
    - By kind of personal detail, how many different ones were replaced.
  returned: success
  type: dict
  sample:
    host: 1
    user: 2
    ipv4: 3
calls:
  description:
    - How often the host was asked.
  returned: always
  type: int
"""

import base64
import json

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.navilab.webui.plugins.module_utils._gather import ARGUMENTS
from ansible_collections.navilab.webui.plugins.module_utils._recording import record

WANTS = {name: spec for name, spec in ARGUMENTS.items() if name != "root"}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "."},
            "wants": {"type": "dict", "default": {}},
            # As one text: what is under no_log is searched for in all that is returned.
            "settings": {"type": "str", "default": "{}", "no_log": True},
            "secrets": {"type": "str", "default": "[]", "no_log": True},
            "names": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    arguments = module.params
    names = {**arguments["names"], "secret": json.loads(arguments["secrets"])}
    wants = ArgumentSpecValidator(WANTS).validate(arguments["wants"])
    if wants.error_messages:
        module.fail_json(msg="wants: " + "; ".join(wants.error_messages))
    found = record(json.loads(arguments["settings"]), names, wants.validated_parameters)
    module.exit_json(
        changed=False,
        archive=base64.b64encode(found.data).decode("ascii"),
        files=found.files,
        answers=found.answers,
        replaced=found.replaced,
        cut=found.cut,
    )


if __name__ == "__main__":
    main()
