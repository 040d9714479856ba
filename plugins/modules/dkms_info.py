#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dkms_info
short_description: Report what DKMS has built, and what is really installed
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Reads DKMS's tree wherever its configuration puts it, and compares each module that was built with the one that its
    kernel would load.
  - Where a symlink leads to the tree, C(dkms status) says V(built) of what is installed, and C(dkms remove) leaves
    the modules behind (seen with 2.8.4, 3.0.10 and 3.2.2). RV(status.believable) tells.
  - Names the known causes of a failed build, with the lines of its log that matter.
extends_documentation_fragment:
  - navilab.webui.root
  - navilab.webui.attributes
notes:
  - Runs C(dkms status), which only reads, where O(root) is V(/) and DKMS is installed; the rest is files.
seealso:
  - module: navilab.webui.host_info
"""

EXAMPLES = r"""
- name: Ask DKMS, and its tree
  navilab.webui.dkms_info:
  become: true
  register: dkms

- name: Show what would really be loaded
  ansible.builtin.debug:
    msg: "{{ item.kernel }}: {{ item.version }} {{ 'installed' if item.installed else 'built only' }}"
  loop: "{{ dkms.modules | map(attribute='builds') | flatten }}"
  loop_control:
    label: "{{ item.kernel }}"
"""

RETURN = r"""
present:
  description: Whether DKMS is installed.
  returned: success
  type: bool
drop_ins:
  description: Whether it reads C(/etc/dkms/framework.conf.d), as 3.0.4 and newer do.
  returned: success
  type: bool
tree:
  description:
    - C(path) as configured in C(file) (null for the default), C(real) path, and C(kind), V(directory), V(bind) (a bind
      mount of C(/var/lib/dkms)), V(symlink) or V(missing).
    - C(fstab) tells whether C(/etc/fstab) mounts it, C(believable) whether no symlink leads DKMS astray.
  returned: success
  type: dict
  sample: {path: /v, file: /etc/dkms/framework.conf, real: /v, kind: bind, fstab: true, believable: true}
modules:
  description: Registered modules.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The module's name.
      type: str
      sample: amdgpu
    versions:
      description: Registered versions, the newest last.
      type: list
      elements: str
    builds:
      description:
        - Finished builds by C(version), C(kernel) and C(arch). C(linked) is DKMS's own mark of an installed one.
        - C(installed) is the truth, that each of C(files) is the same as what the kernel would load (C(path)).
      type: list
      elements: dict
    failures:
      description: Builds that did not finish, with C(version), C(kernel), C(log), C(causes) and C(lines).
      type: list
      elements: dict
leftovers:
  description: AMD's modules below C(updates/dkms) that nothing registered accounts for.
  returned: success
  type: list
  elements: str
status:
  description:
    - C(entries) of C(dkms status), each with C(module), C(version), C(kernel), C(arch), C(state) and C(note), in any of
      its formats.
    - C(ran) is false for a recorded tree and without DKMS. C(believable) is false for the reasons in C(why).
  returned: success
  type: dict
  contains:
    believable:
      description: Whether C(dkms status) can be believed.
      type: bool
problems:
  description: Unreadable or malformed files, as V(path; what).
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._dkms import (
    PROGRAM,
    contradictions,
    gather_dkms,
    parse_status,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree, opened


def main() -> None:
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    with opened(module.params["root"]) as (root, problem):
        if problem:
            module.fail_json(msg=problem)
        tree = Tree(root)
        dkms = gather_dkms(tree)
    entries, why, ran = [], [], tree.live and dkms["present"]
    if ran:
        code, output, error = module.run_command([PROGRAM, "status"], environ_update={"LC_ALL": "C"})
        entries = parse_status(output)
        why = [f"dkms status failed: {error.strip()}"] if code else []
    if not dkms["tree"]["believable"]:
        why.append(f"{dkms['tree']['path']} leads through a symlink to {dkms['tree']['real']}")
    why += contradictions(dkms, entries)
    status = {"ran": ran, "entries": entries, "believable": not why, "why": why}
    module.exit_json(changed=False, **dkms, status=status, problems=tree.problems)


if __name__ == "__main__":
    main()
