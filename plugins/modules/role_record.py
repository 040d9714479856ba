#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_record
short_description: Keep or drop the record of what came in with a role
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the roles of this collection.
  - Keeps a JSON file below C(/var/lib/navilab), written before a role acts, so that an interrupted run can still be
    removed and a removal takes out nothing else.
  - Directory and file are root's, with mode 0755 and 0644. The file is replaced in one step.
extends_documentation_fragment:
  - navilab.webui.attributes.writes
options:
  name:
    description:
      - Name of the record, the role's own.
    type: str
    required: true
  content:
    description:
      - The record. Without it, or with an empty one, the record is dropped.
    type: dict
    default: {}
seealso:
  - module: navilab.webui.host_info
  - module: navilab.webui.host_files
"""

EXAMPLES = r"""
- name: Keep the record of what comes in
  navilab.webui.role_record:
    name: firmware
    content:
      packages: [firmware-amd-graphics]
  become: true
"""

RETURN = r"""
path:
  description:
    - The file.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish
from ansible_collections.navilab.webui.plugins.module_utils._records import ARGUMENTS, role_record


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, role_record(module.params, module.check_mode))


if __name__ == "__main__":
    main()
