#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_login
short_description: Make the login with which the lab's registry is written to
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role registry.
  - Makes a password on the host and keeps it there, in a C(config.json) as docker has it, which root alone can read. Of
    it the registry gets a bcrypt hash. No command line, log or result has the password.
  - A login that is good is kept.
  - Makes the secret of the registry's uploads, too.
extends_documentation_fragment:
  - navilab.webui.attributes.changes
options:
  port:
    description:
      - Port of the instance that is written to.
    type: int
    required: true
  group:
    description:
      - Group of the registry, which may read the hash.
    type: str
    default: docker-registry
seealso:
  - module: navilab.webui.registry_published
"""

EXAMPLES = r"""
- name: Ensure the registry has a login to write with
  navilab.webui.registry_login:
    port: 5001
  become: true
"""

RETURN = r"""
made:
  description:
    - Digests of the files of the registry that are made on the host, as C(sha256sum) writes them.
  returned: success
  type: list
  elements: str
"""

import grp

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import (
    ENVIRONMENT,
    HTPASSWD,
    LOGIN,
    digests,
    login,
)
from ansible_collections.navilab.webui.plugins.module_utils._secret_files import ensure, read


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "port": {"type": "int", "required": True},
            "group": {"type": "str", "default": "docker-registry"},
        },
        supports_check_mode=True,
    )
    try:
        wanted = login(module.params["port"], *map(read, (LOGIN, HTPASSWD, ENVIRONMENT)))
        changed = ensure(wanted, _gid(module.params["group"]), module.check_mode)
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"the login can't be made: {error}")
    module.exit_json(changed=changed, made=digests())


def _gid(group: str) -> int:
    return grp.getgrnam(group).gr_gid


if __name__ == "__main__":
    main()
