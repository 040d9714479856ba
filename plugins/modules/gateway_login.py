#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_login
short_description: Ensure the gateway has its login
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role gateway.
  - Writes the hash of the password that nginx compares with, and what tells it a client that has logged in before.
  - Where both are good for this login they stay as they are. The password itself is kept nowhere.
extends_documentation_fragment:
  - navilab.webui.attributes.changes
options:
  user:
    description:
      - Name of the login.
    type: str
    required: true
  password:
    description:
      - Its password.
    type: str
    required: true
seealso:
  - module: navilab.webui.registry_login
"""

EXAMPLES = r"""
- name: Ensure the gateway has its login
  navilab.webui.gateway_login:
    user: lab
    password: "{{ vault_gateway_password }}"
  become: true
"""

RETURN = r"""
made:
  description:
    - Digests of the files of the gateway that are made on the host, as C(sha256sum) writes them.
  returned: success
  type: list
  elements: str
"""

import grp

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._gateway import HTPASSWD, MADE, login
from ansible_collections.navilab.webui.plugins.module_utils._secret_files import digests_of, ensure, read


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        wanted = login(module.params["user"], module.params["password"], read(HTPASSWD))
        changed = ensure(wanted, _gid(), module.check_mode)
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"the login can't be made: {error}")
    module.exit_json(changed=changed, made=digests_of(MADE))


def _gid() -> int:
    return grp.getgrnam("www-data").gr_gid


if __name__ == "__main__":
    main()
