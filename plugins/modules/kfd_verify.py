#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kfd_verify
short_description: Check whether KFD and the webui work on a host, and say what to do if not
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Gathers the host's facts as M(navilab.webui.host_info) does and evaluates the checks, causes first.
  - A check whose cause failed is skipped, so that the first failure is the one to mend. Each says what was seen and
    what to do.
  - Fails with the first failure, unless every failing check is waived.
  - Changes nothing and needs nothing but Python's standard library on the host.
extends_documentation_fragment:
  - navilab.webui.attributes
  - navilab.webui.root
  - navilab.webui.gather
options:
  scope:
    description:
      - Which checks to run.
      - V(kfd) is C(release), C(kernel_flavour), C(board_present), C(board_supported), C(firmware_files),
        C(firmware_not_shadowed), C(dkms_built), C(module_signed), C(driver_bound), C(driver_reset_free), C(dri_nodes),
        C(kfd_node), C(kfd_open), C(kfd_ioctl), C(pcie_atomics), C(kfd_gpu_node), C(vram) and C(groups).
      - V(host) is C(systemd), C(docker_engine), C(disk_space), C(memory), C(zram) and C(metrics_fresh).
      - V(webui) is C(selftest), C(container_running), C(container_sees_gpu), C(webui_memory), C(webui_tcmalloc),
        C(webui_healthy), C(webui_not_exposed), C(gateway_running), C(gateway_login), C(webui_egress) and
        C(data_writable).
    type: list
    elements: str
    choices: [kfd, host, webui]
    default: [kfd]
  waive:
    description:
      - Checks that may fail, each with the reason why this host can live with it. They are reported as V(waived), never
        hidden.
    type: dict
    default: {}
  min_disk_mib:
    description:
      - Free MiB that each path of O(disk) must have.
    type: int
    default: 2048
  min_memory_mib:
    description:
      - MiB of memory that the host must have.
    type: int
    default: 6000
  user:
    description:
      - Account that must be in the groups video and render.
    type: str
  disk:
    description:
      - Paths on whose file systems O(min_disk_mib) must be free, beside those of the engine's images, wherever it keeps
        them, and of the webuis' data.
    type: list
    elements: str
    default: []
  webuis:
    description:
      - Webuis to check.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name of the container.
        type: str
        required: true
      port:
        description:
          - Port on the host.
        type: int
        required: true
      listen:
        description:
          - Address of the host at which a proxy of yours may listen on the same port.
        type: str
      data_dir:
        description:
          - Absolute path of the directory that the webui writes to.
        type: str
      uid:
        description:
          - Number of the user that the webui runs as.
        type: int
      devices:
        description:
          - Device nodes that the container must be able to open; C(/dev/kfd) and a board's render node by default.
          - If they are named, it must have no other render node.
          - An empty list means that it uses no board. If that is true of all O(webuis), checks of boards are skipped
            instead of failing.
        type: list
        elements: str
      image:
        description:
          - Image that the container should run.
        type: str
      selftest:
        description:
          - What the image's self-test found on the board, in the shape of one of RV(checks) without its C(id).
        type: dict
seealso:
  - module: navilab.webui.host_info
  - module: navilab.webui.kfd_info
"""

EXAMPLES = r"""
- name: Does KFD work here
  navilab.webui.kfd_verify:
    user: lab
  become: true

- name: Check a virtual machine that has no board yet
  navilab.webui.kfd_verify:
    scope: [kfd, host]
    waive:
      board_present: the board arrives on Monday
  become: true

- name: Check board, engine and webui
  navilab.webui.kfd_verify:
    scope: [kfd, host, webui]
    user: lab
    webuis:
      - name: webui
        port: 7860
        data_dir: /home/lab/dockerx
        uid: 1000
        devices: [/dev/kfd, /dev/dri/renderD128]
  become: true

- name: Check a tree that was recorded on another machine
  navilab.webui.kfd_verify:
    root: /srv/recordings/workstation-7
  delegate_to: localhost
"""

RETURN = r"""
checks:
  description:
    - One entry a check, in order of cause before effect.
  returned: when the arguments were right
  type: list
  elements: dict
  contains:
    id:
      description: Name of the check.
      type: str
    status:
      description: V(ok), V(failed), V(waived) (failed, and O(waive) has a reason) or V(skipped).
      type: str
    evidence:
      description: What was seen, with paths, numbers and the PCI address of each board concerned.
      type: str
    remedy:
      description: What to do, if it failed.
      type: str
    note:
      description: A warning beside the result.
      type: str
    reason:
      description: The waiver's reason, or why it was skipped.
      type: str
  sample:
    - id: kfd_gpu_node
      status: ok
      evidence: "0000:0a:00.0: node 1, gpu_id 4660, simd_count 44, gfx1012"
      remedy: ""
      note: ""
      reason: ""
passed:
  description:
    - Whether no check failed that is not waived.
  returned: when the arguments were right
  type: bool
first_failure:
  description:
    - The first failed check, null if there is none.
  returned: when the arguments were right
  type: dict
host:
  description:
    - The facts, as RV(navilab.webui.host_info#module:host).
  returned: when the arguments were right
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._checks import (
    DISK_MIN_MIB,
    MEMORY_MIN_MIB,
    SCOPES,
    evaluate,
    first_failure,
    validate,
)
from ansible_collections.navilab.webui.plugins.module_utils._gather import ARGUMENTS, gather
from ansible_collections.navilab.webui.plugins.module_utils._paths import written
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import opened
from ansible_collections.navilab.webui.plugins.module_utils._types import Wanted

WEBUI = {
    **ARGUMENTS["webuis"]["options"],
    "listen": {"type": "str"},
    "data_dir": {"type": "str"},
    "uid": {"type": "int"},
    "devices": {"type": "list", "elements": "str"},
    "image": {"type": "str"},
    "selftest": {"type": "dict"},
}
SPEC = {
    **ARGUMENTS,
    "webuis": {**ARGUMENTS["webuis"], "options": WEBUI},
    "scope": {"type": "list", "elements": "str", "choices": list(SCOPES), "default": ["kfd"]},
    "waive": {"type": "dict", "default": {}},
    "min_disk_mib": {"type": "int", "default": DISK_MIN_MIB},
    "min_memory_mib": {"type": "int", "default": MEMORY_MIN_MIB},
}


def arguments(params: dict[str, Any]) -> tuple[dict[str, Any], Wanted]:
    """(what to gather, what to evaluate): the facts have to bring what the checks of the webuis need."""
    asked = {name: params[name] for name in ARGUMENTS}
    data = [webui["data_dir"].rstrip("/") for webui in params["webuis"] if webui["data_dir"]]
    asked["files"] = [*asked["files"], *(path for each in data for path in written(each))]
    asked["disk"] = [*asked["disk"], *data]
    wanted: Wanted = {
        "scope": params["scope"],
        "waive": params["waive"],
        "user": params["user"],
        "webuis": params["webuis"],
        "gateway": params["gateways"][0] if params["gateways"] else None,
        "min_disk_mib": params["min_disk_mib"],
        "min_memory_mib": params["min_memory_mib"],
    }
    return asked, wanted


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    asked, wanted = arguments(module.params)
    try:
        validate(wanted)
    except ValueError as error:
        module.fail_json(msg=str(error))
    with opened(module.params["root"]) as (root, problem):
        if problem:
            module.fail_json(msg=problem)
        host = gather(**{**asked, "root": root})
    host["root"] = module.params["root"]
    checks = evaluate(host, wanted)
    failure = first_failure(checks)
    result = {"changed": False, "checks": checks, "passed": failure is None, "first_failure": failure, "host": host}
    if failure:
        evidence, remedy = failure["evidence"].rstrip("."), failure["remedy"].rstrip(".")
        module.fail_json(msg=f"{failure['id']}: {evidence}. Remedy: {remedy}.", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
