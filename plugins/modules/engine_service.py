#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_service
short_description: Start, restart or reload the Docker engine, and take its settings back where it does not come up
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role docker_engine.
  - Has C(docker.service) started, restarted or reloaded, and waits until the engine answers.
  - If it does not come up, the C(daemon.json) that M(navilab.webui.host_files) has replaced comes back, the engine
    is started with that, and the module fails with dockerd's last words.
  - Returns nothing of the unit, whose environment may hold a proxy's password.
extends_documentation_fragment:
  - navilab.webui.attributes.changes
options:
  state:
    description:
      - V(reloaded) starts an engine that is not running.
    type: str
    choices: [started, restarted, reloaded]
    default: started
  daemon_reload:
    description:
      - Whether systemd reads its units again before. It does in any case where it knows that they have changed.
    type: bool
    default: false
  enabled:
    description:
      - Whether the engine is to start at boot, too, as with O(state=started) in any case. Where it is not, that stays.
    type: bool
    default: false
seealso:
  - module: navilab.webui.host_files
"""

EXAMPLES = r"""
- name: Restart the engine with its new settings
  navilab.webui.engine_service:
    state: restarted
  become: true
"""

RETURN = r"""
checks:
  description:
    - The failed check, as M(navilab.webui.kfd_verify) returns them.
  returned: failure
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import ARGUMENTS, engine_service
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, engine_service(module.params, module.check_mode))


if __name__ == "__main__":
    main()
