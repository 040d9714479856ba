#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_published
short_description: Tell what the lab's registry on this host serves
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role registry and the playbooks.
  - Reads from the record of the role C(registry) where its instances are, and asks them on the host itself, over TLS as
    their clients do.
  - Where there is no registry, all that it returns is empty. One that does not answer is told in RV(error), and fails
    nothing.
extends_documentation_fragment:
  - navilab.webui.attributes
options:
  timeout:
    description:
      - Seconds to wait until it serves, 0 to ask once.
    type: int
    default: 0
notes:
  - Whether the login of the instance C(push) is good is seen by root alone.
"""

EXAMPLES = r"""
- name: Read what the lab's registry serves
  navilab.webui.registry_published:
  become: true
  register: published
"""

RETURN = r"""
address:
  description:
    - What references to it begin with, empty where there is none.
  returned: success
  type: str
  sample: 192.0.2.11:5000
ca:
  description:
    - Certificate in PEM of the CA that its clients need, empty where the system's authorities do.
  returned: success
  type: str
images:
  description:
    - Digests of the images C(navilab/webui), by tag. Of one that does not serve they are read from its store, as are
      the models, since a mirror of it may serve them.
  returned: success
  type: dict
  sample:
    cpu-0123456789ab: sha256:be26779ad3359893648fbf1509188495fa2297af429dd63cc9bc5b81d3f45668
models:
  description:
    - SHA-256 of the models, in hex. Each is a blob of C(navilab/models).
  returned: success
  type: list
  elements: str
error:
  description:
    - Why it does not serve, empty if it does.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import published


def main() -> None:
    module = AnsibleModule(argument_spec={"timeout": {"type": "int", "default": 0}}, supports_check_mode=True)
    module.exit_json(changed=False, **published(max(0, module.params["timeout"])))


if __name__ == "__main__":
    main()
