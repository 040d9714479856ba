#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Keep records, make directories and write files, in one round trip
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the roles of this collection.
  - First the host is held for this run, as M(navilab.webui.host_lock) does, then each record is kept, as
    M(navilab.webui.role_record) does, then directories are made and files written, each in one step.
  - The C(daemon.json) that was there is kept in C(/var/lib/navilab), for root alone, until
    M(navilab.webui.engine_service) has seen the engine come up.
  - Plans are shown, so that they have masks in place of secrets (a proxy's login, that of a mirror, a token). The host
    puts them in, from O(values), O(proxy), its own sources and the C(daemon.json) that it has.
  - This is an action plugin too, which holds the host unless this run does, and tells the host's facts of the records.
extends_documentation_fragment:
  - navilab.webui.attributes.writes
  - navilab.webui.lock
attributes:
  diff_mode:
    details:
      - Secrets are masked, and a file that is one is not shown.
options:
  records:
    description:
      - Records by name.
    type: dict
    default: {}
  directories:
    description:
      - Directories, made with those above them, with mode 0755. They are root's, and those that are there stay as they
        are, where no O(owner) is given.
    type: list
    elements: str
    default: []
  owner:
    description:
      - Number of the account that O(directories) belong to.
    type: int
  group:
    description:
      - Number of its group.
    type: int
  files:
    description:
      - The files, as a plan has them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The file. A C(daemon.json) that is a link stays one.
        type: str
        required: true
      content:
        description:
          - The text that it is to have, that of C(daemon.json) a JSON object.
        type: str
        required: true
      mode:
        description:
          - Octal mode of the file. Without it a file keeps its own, and a new one is V(0644). A source of apt has
            V(0600) with a login in it, else V(0644).
        type: str
      kind:
        description:
          - V(text) is written as it is, V(daemon) is C(daemon.json), V(proxy) has O(proxy) for its text, and V(source)
            is one of apt's sources.
        type: str
        choices: [text, daemon, proxy, source]
        default: text
  lists:
    description:
      - Configuration of apt with the lists that M(navilab.webui.host_answers) has kept.
    type: path
    default: ""
  values:
    description:
      - Values of keys of C(daemon.json) that hold a secret.
    type: dict
    default: {}
  proxy:
    description:
      - The unit file with the engine's proxy, whose address may hold a password.
    type: str
    default: ""
seealso:
  - module: navilab.webui.engine_service
  - module: navilab.webui.host_lock
  - module: navilab.webui.role_record
"""

EXAMPLES = r"""
- name: Keep a record, then add a component of Debian
  navilab.webui.host_files:
    records:
      firmware:
        packages: [firmware-amd-graphics]
    files:
      - path: /etc/apt/sources.list.d/navilab-firmware.list
        content: |
          deb http://deb.debian.org/debian bookworm non-free-firmware
        kind: source
  become: true

- name: Set the log driver
  navilab.webui.host_files:
    files:
      - path: /etc/docker/daemon.json
        content: '{"log-driver": "local"}'
        kind: daemon
  become: true
"""

RETURN = r"""
paths:
  description:
    - What was made or written, or would be.
  returned: success
  type: list
  elements: str
lists:
  description:
    - O(lists) where it is there, not older than ten minutes and not older than any source of apt, else empty.
  returned: success
  type: str
held:
  description:
    - Whether this run holds the host now.
  returned: success
  type: bool
lock:
  description:
    - Another run that holds it; nothing was written then.
  returned: success
  type: dict
problem:
  description:
    - Why the lock could not be kept, empty where it could.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish
from ansible_collections.navilab.webui.plugins.module_utils._host_files import ARGUMENTS, host_files


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, host_files(module.params, module.check_mode))


if __name__ == "__main__":
    main()
