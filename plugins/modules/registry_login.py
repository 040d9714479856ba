#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_login
short_description: Make the login with which the lab's registry is written to
version_added: "0.2.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Makes a password on the host and keeps it there, in a C(config.json) as docker has it, which root alone can read. Of
    it the registry gets a bcrypt hash. No command line, log or result has the password.
  - A login that is good is kept.
  - Makes the secret of the registry's uploads, too.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: none
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
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
from ansible_collections.navilab.webui.plugins.module_utils._secret_files import is_so, read, write


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "port": {"type": "int", "required": True},
            "group": {"type": "str", "default": "docker-registry"},
        },
        supports_check_mode=True,
    )
    try:
        gid = _gid(module.params["group"])
        wanted = login(module.params["port"], *map(read, (LOGIN, HTPASSWD, ENVIRONMENT)))
        changed = [each for each in wanted if not is_so(each, gid)]
        if not module.check_mode:
            for each in changed:
                write(each, gid)
    except (OSError, ValueError, KeyError) as error:
        module.fail_json(msg=f"the login can't be made: {error}")
    module.exit_json(changed=bool(changed), made=digests())


def _gid(group: str) -> int:
    return grp.getgrnam(group).gr_gid


if __name__ == "__main__":
    main()
