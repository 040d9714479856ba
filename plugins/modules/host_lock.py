#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_lock
short_description: Hold a host for this run of Ansible, or let it go
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Keeps in C(/run/navilab.webui/lock.json) which run is at work on the host, who started it and since when. Another
    run is refused with the check V(host_busy) as long as that one lives.
  - A run is taken for dead, and its lock for nothing, after a boot of the host, when the time is over that its last
    step may take, and at once where it was started on the same machine and its process is gone.
  - M(navilab.webui.plan) takes the lock by itself before a role begins, and renews it with each role.
  - Nothing that a run is about is changed, so that this counts as no change.
  - This is an action plugin too, which says whose run it is. The module goes to the host as a file, as the files of
    later tasks do.
extends_documentation_fragment:
  - navilab.webui.attributes
  - navilab.webui.lock
options:
  state:
    description:
      - V(present) takes or renews the lock, V(absent) lets the host go.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: navilab.webui.plan
"""

EXAMPLES = r"""
- name: Hold the host, while tasks of my own change it
  navilab.webui.host_lock:
  become: true

- name: Let it go
  navilab.webui.host_lock:
    state: absent
  become: true
"""

RETURN = r"""
held:
  description:
    - Whether this run holds the host now.
  returned: success
  type: bool
lock:
  description:
    - Another run that holds it.
  returned: success
  type: dict
problem:
  description:
    - Why the lock could not be kept, empty where it could. The host is not held then, and nobody is kept from it.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish
from ansible_collections.navilab.webui.plugins.module_utils._lock import ARGUMENTS, host_lock


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, host_lock(module.params, module.check_mode))


if __name__ == "__main__":
    main()
