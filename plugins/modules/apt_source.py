#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_source
short_description: Write a file of apt's sources, with the logins that the host's own sources have
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the roles of this collection.
  - Facts and plans are shown, so that they have masks in place of the login of a mirror's address. The host puts it in,
    from the source that it is of.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: full
    details:
      - Logins are masked.
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
options:
  path:
    description:
      - The file. With a login in it, it is for root alone.
    type: str
    required: true
  content:
    description:
      - The text that it is to have, as a plan has it.
    type: str
    required: true
seealso:
  - module: navilab.webui.host_info
"""

EXAMPLES = r"""
- name: Add a component
  navilab.webui.apt_source:
    path: /etc/apt/sources.list.d/navilab-firmware.list
    content: |
      deb http://deb.debian.org/debian bookworm non-free-firmware
  become: true
"""

RETURN = r"""
path:
  description:
    - O(path).
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._apt_source import replace
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import ApplyError
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "str", "required": True}, "content": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        done = replace(path, module.params["content"], Tree("/"), module.check_mode)
    except ApplyError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{path}: {error.strerror}")
    diff = {"before": done.before, "after": done.after, "before_header": path, "after_header": path}
    module.exit_json(changed=done.changed, path=path, diff=diff)


if __name__ == "__main__":
    main()
