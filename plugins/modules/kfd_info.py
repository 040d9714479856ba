#!/usr/bin/python

# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Report what the kernel's compute driver (KFD) knows of this host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kfd_info
short_description: Report what the kernel's compute driver (KFD) knows of a host
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Reads the topology of KFD, the part of the Linux kernel's amdgpu driver that ROCm stands on, and asks
    C(/dev/kfd) for its version and for the GPUs that this process may use.
  - C(/dev/kfd) exists from the driver's start, without any usable GPU too. A node with
    RV(nodes[].simd_count) above 0 for the board's own PCI address is what proves that KFD took the board.
  - Everything that is missing is a value, and everything unreadable is named in RV(problems); the module evaluates
    nothing. M(navilab.webui.kfd_verify) does.
extends_documentation_fragment:
  - navilab.webui.root
  - navilab.webui.attributes
notes:
  - On a running host, membership of the group that owns C(/dev/kfd) decides whether RV(open.ok) is true, so the
    answer is that of the user that the task runs as.
seealso:
  - module: navilab.webui.host_info
  - module: navilab.webui.kfd_verify
  - name: KFD topology
    description: The kernel's source that writes what is read here.
    link: https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/drivers/gpu/drm/amd/amdkfd/kfd_topology.c
"""

EXAMPLES = r"""
- name: Ask the compute driver
  navilab.webui.kfd_info:
  become: true
  register: kfd

- name: Show the GPUs that it took
  ansible.builtin.debug:
    msg: "{{ item.bdf }} {{ item.gfx_target }} {{ item.vram_mib }} MiB"
  loop: "{{ kfd.nodes | selectattr('simd_count', '>', 0) }}"
  loop_control:
    label: "node {{ item.index }}"

- name: Read a tree that was recorded on another machine
  navilab.webui.kfd_info:
    root: /srv/recorded/rx5500xt
  delegate_to: localhost
"""

RETURN = r"""
topology:
  description: Directory that the nodes were read from, as the host names it; null where there is no KFD.
  returned: success
  type: str
  sample: /sys/class/kfd/kfd/topology
generation_id:
  description: How often the topology changed. 1 is processors only, 2 after the first GPU.
  returned: success
  type: int
  sample: 2
nodes:
  description: Every node of the topology, processors and GPUs, by index.
  returned: success
  type: list
  elements: dict
  contains:
    index:
      description: The node's number, its directory's name.
      type: int
      sample: 1
    gpu_id:
      description: KFD's id of the GPU, 0 for a processor; null where it can't be read.
      type: int
      sample: 4660
    name:
      description: Name that the driver gives the chip; empty for a processor.
      type: str
      sample: navi14
    cpu_cores_count:
      description: Threads of a processor; 0 for a board.
      type: int
      sample: 0
    simd_count:
      description: SIMD units. Above 0 only where a GPU's driver is bound to the node.
      type: int
      sample: 44
    compute_units:
      description: RV(nodes[].simd_count) by the SIMDs of a compute unit, which kernels count differently.
      type: int
      sample: 22
    bdf:
      description: PCI address of the GPU; null for a processor.
      type: str
      sample: "0000:0a:00.0"
    vendor_id:
      description: PCI vendor in four hexadecimal digits; null for a processor.
      type: str
      sample: "1002"
    device_id:
      description: PCI device in four hexadecimal digits; null for a processor.
      type: str
      sample: "7340"
    gfx_target:
      description: Name of the instruction set that code has to be built for; null for a processor or if unknown.
      type: str
      sample: gfx1012
    gfx_target_source:
      description:
        - Where RV(nodes[].gfx_target) comes from. V(property) is the driver's own C(gfx_target_version), which
          Debian 11's kernel does not have; V(device_id) and V(name) are this collection's tables.
      type: str
      sample: property
    vram_mib:
      description:
        - Video memory in MiB, of private and public banks (without and with a resizable BAR) alike. A little less
          than what is printed on the box.
        - 0 for a processor; null where no bank tells. An integrated GPU may report a part of the host's memory.
      type: int
      sample: 8176
    render_minor:
      description: Number in C(/dev/dri/renderD<number>); null for a processor.
      type: int
      sample: 128
    fw_version:
      description: Version of the compute engine's microcode (MEC).
      type: int
      sample: 146
    readable:
      description:
        - Whether the node tells anything. V(false) with C(EPERM) in RV(nodes[].problems) means that a container's
          device cgroup hides the GPU from this process, even from root.
      type: bool
      sample: true
    links:
      description: The node's links to others.
      type: list
      elements: dict
      contains:
        kind:
          description: V(io) for a link of the host, V(p2p) for one between GPUs through it.
          type: str
          sample: io
        node_from:
          description: Index of the node at this end.
          type: int
          sample: 1
        node_to:
          description: Index of the node at the other end.
          type: int
          sample: 0
        type:
          description: 2 is PCIe, 11 is xGMI.
          type: int
          sample: 2
        weight:
          description: Relative distance.
          type: int
          sample: 20
        flags:
          description: Flags as the driver prints them.
          type: int
          sample: 1
        atomics_32:
          description: Whether the link carries 32-bit atomic operations; null if not known.
          type: bool
          sample: true
        atomics_64:
          description: Whether the link carries 64-bit atomic operations; null if not known.
          type: bool
          sample: true
    problems:
      description: What of this node was unreadable or garbage.
      type: list
      elements: str
      sample: []
device:
  description: The device node C(/dev/kfd) itself.
  returned: success
  type: dict
  contains:
    path:
      description: Always C(/dev/kfd).
      type: str
      sample: /dev/kfd
    exists:
      description: Whether it is there. It says nothing about any board.
      type: bool
      sample: true
    char:
      description: Whether it is a character device.
      type: bool
      sample: true
    mode:
      description: Permissions in octal; null if it does not exist, as for the next three.
      type: str
      sample: "0660"
    uid:
      description: Owner.
      type: int
      sample: 0
    gid:
      description: Owning group. Debian gives C(render) another number on each host.
      type: int
      sample: 105
    group:
      description: Name of the owning group, null if it has none.
      type: str
      sample: render
open:
  description: What opening C(/dev/kfd) gave.
  returned: success
  type: dict
  contains:
    known:
      description: V(false) for a recorded tree.
      type: bool
      sample: true
    ok:
      description: Whether it could be opened for reading and writing.
      type: bool
      sample: true
    errno:
      description: Name of the error, such as V(EACCES); null if there was none.
      type: str
      sample: null
    error:
      description: The error in words; empty if there was none.
      type: str
      sample: ""
ioctl_version:
  description: Version of KFD's interface, null if not known. 1.3 in kernel 5.10, 1.11 in 6.1, 1.17 in 6.12.
  returned: success
  type: str
  sample: "1.11"
apertures:
  description:
    - The RV(nodes[].gpu_id) of each GPU that this process may use, after the device cgroup's filter. Empty where
      KFD took no board; null if not known.
  returned: success
  type: list
  elements: int
  sample: [4660]
ioctl_error:
  description: Why RV(ioctl_version) or RV(apertures) is not known; empty if they are.
  returned: success
  type: str
  sample: ""
problems:
  description: Everything that was unreadable or garbage, as C(path:) and what.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._kfd import gather_kfd
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree, opened


def main() -> None:
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    with opened(module.params["root"]) as (root, problem):
        if problem:
            module.fail_json(msg=problem)
        tree = Tree(root)
        kfd = gather_kfd(tree)
    module.exit_json(changed=False, **kfd, problems=tree.problems)


if __name__ == "__main__":
    main()
