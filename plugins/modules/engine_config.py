#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_config
short_description: Write the Docker engine's settings, and keep the old daemon.json until the engine has come up with it
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role docker_engine.
  - Writes each file in one step. The C(daemon.json) that was there is kept in C(/var/lib/navilab), for root alone,
    until M(navilab.webui.engine_service) has seen the engine come up.
  - Plans are shown, so that they have masks in place of secrets (a proxy's login, a token). Such a value comes from
    O(values), else from C(daemon.json) itself, which keeps what it has.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: full
    details:
      - Secrets are masked, and a file that is one is not shown.
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
options:
  directories:
    description:
      - Directories that the files need, root's with mode 0755. Those that are there stay as they are.
    type: list
    elements: str
    default: []
  files:
    description:
      - The files, as a plan has them.
    type: list
    elements: dict
    required: true
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
          - Octal mode of the file. Without it a file keeps its own, and a new one is V(0644).
        type: str
      daemon:
        description:
          - Whether it is C(daemon.json).
        type: bool
        default: false
      secret:
        description:
          - Whether its text is that of O(proxy).
        type: bool
        default: false
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
"""

EXAMPLES = r"""
- name: Set the log driver
  navilab.webui.engine_config:
    files:
      - path: /etc/docker/daemon.json
        content: '{"log-driver": "local"}'
        daemon: true
  become: true
"""

RETURN = r"""
paths:
  description:
    - What was made or written, or would be.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import (
    ApplyError,
    Replaced,
    make,
    replace,
    write,
)

_FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str"},
    "daemon": {"type": "bool", "default": False},
    "secret": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "dict", "required": True, "options": _FILE},
            "values": {"type": "dict", "default": {}, "no_log": True},
            "proxy": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    given, check = module.params, module.check_mode
    paths, diffs = [], []
    path = ""
    try:
        for path in given["directories"]:
            if make(path, check):
                paths.append(path)
        for file in given["files"]:
            path = file["path"]
            if file["daemon"]:
                done = replace(path, file["content"], given["values"], file["mode"], check)
            elif file["secret"]:
                done = Replaced(write(path, given["proxy"], file["mode"], check).changed, "", "")
            else:
                done = write(path, file["content"], file["mode"], check)
            if done.changed:
                paths.append(path)
                headers = {"before_header": path, "after_header": path}
                diffs.append({"before": done.before, "after": done.after, **headers})
    except ApplyError as error:
        module.fail_json(msg=str(error), changed=bool(paths))
    except OSError as error:
        module.fail_json(msg=f"{path}: {error.strerror}", changed=bool(paths))
    module.exit_json(changed=bool(paths), paths=paths, diff=diffs)


if __name__ == "__main__":
    main()
