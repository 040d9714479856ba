#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_config
short_description: Replace the Docker engine's daemon.json, and keep the old one until the engine has come up with it
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role docker_engine.
  - Writes C(daemon.json) in one step. The file that was there is kept in C(/var/lib/navilab), for root alone, until
    M(navilab.webui.engine_service) has seen the engine come up.
  - Plans are shown, so that they have masks in place of secrets (a proxy's login, a token). Such a value comes from
    O(values), else from the file itself, which keeps what it has.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: full
    details:
      - Secrets are masked.
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
options:
  path:
    description:
      - The file. A link stays one.
    type: str
    required: true
  content:
    description:
      - The text that it is to have, a JSON object.
    type: str
    required: true
  values:
    description:
      - Values of keys that hold a secret.
    type: dict
    default: {}
  mode:
    description:
      - Octal mode of the file. Without it a file keeps its own, and a new one is V(0644).
    type: str
seealso:
  - module: navilab.webui.engine_service
"""

EXAMPLES = r"""
- name: Set the log driver
  navilab.webui.engine_config:
    path: /etc/docker/daemon.json
    content: '{"log-driver": "local"}'
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
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import ApplyError, replace


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "required": True},
            "values": {"type": "dict", "default": {}, "no_log": True},
            "mode": {"type": "str"},
        },
        supports_check_mode=True,
    )
    path, content, values, mode = (module.params[key] for key in ("path", "content", "values", "mode"))
    try:
        done = replace(path, content, values, mode, module.check_mode)
    except ApplyError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{path}: {error.strerror}")
    diff = {"before": done.before, "after": done.after, "before_header": path, "after_header": path}
    module.exit_json(changed=done.changed, path=path, diff=diff)


if __name__ == "__main__":
    main()
