#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Gather everything that decisions about a Navi webui host need, in one call
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Reads release, kernel, AMD boards, driver, KFD, DRM nodes, firmware, groups, APT, dpkg, DKMS, Docker, ports, files,
    disk and memory.
  - Changes nothing, needs nothing but Python's standard library on the host (a bare Debian has no Docker SDK), and runs
    no command.
  - What is missing or unreadable is a value (null, V(false) or empty), never a failure; RV(host.problems) names what
    was unreadable.
  - With another O(root) it reads a tree that was recorded elsewhere. Sockets, ioctls, HTTP and registries are left
    alone then.
extends_documentation_fragment:
  - navilab.webui.attributes
  - navilab.webui.root
  - navilab.webui.gather
options:
  user:
    description:
      - Account whose numbers and groups are wanted. The host's name service decides, or C(etc/passwd) of a recorded
        tree.
    type: str
  disk:
    description:
      - Paths on whose file systems the free space is wanted. V(~) as in O(files).
    type: list
    elements: str
    default: []
  webuis:
    description:
      - Webuis to ask.
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
seealso:
  - module: navilab.webui.dkms_info
  - module: navilab.webui.kfd_info
  - module: navilab.webui.kfd_verify
"""

EXAMPLES = r"""
- name: Gather the host's facts
  navilab.webui.host_info:
    user: lab
    webuis:
      - name: webui
        port: 7860
    disk: [/var/lib/docker, ~/dockerx]
  become: true
  register: gathered

- name: Read a tree that was recorded on another machine
  navilab.webui.host_info:
    root: /srv/recordings/workstation-7
  delegate_to: localhost
"""

RETURN = r"""
host:
  description:
    - The facts.
  returned: success
  type: dict
  contains:
    root:
      description: O(root).
      type: str
    live:
      description: Whether this is the machine itself and not a recorded tree.
      type: bool
    complete:
      description:
        - Whether what is missing here is missing on the host. That is so on the machine itself and in a recording of
          M(navilab.webui.record), and not in a plain tree of files.
      type: bool
    release:
      description:
        - Of C(/etc/os-release), RV(ignore:id), RV(ignore:version_id), RV(ignore:codename) and RV(ignore:pretty_name).
        - C(debian_codename) and C(debian_version) are the release that the host is or is made of, null for none that is
          known; C(neighbour) is null for Debian itself and for what is no relative of it, else V(lmde), V(mx),
          V(antix), V(devuan), V(armbian), V(raspbian), V(truenas), V(proxmox), V(kali), V(parrot), V(pureos),
          V(deepin), V(ubuntu) or V(other).
      type: dict
    kernel:
      description: C(release), C(version) as V([major, minor]), Debian's C(flavour) (V(amd64), V(cloud-amd64),
        V(rt-amd64) or empty), C(arch), the releases C(installed), newest last, which of them came after this boot and
        is C(pending), and those with C(headers); C(secure_boot) is the firmware's variable, null on a machine
        without UEFI, C(lockdown) the kernel's own state, and C(signatures_enforced) whether it refuses modules that
        nobody signed.
      type: dict
    boards:
      description:
        - AMD display devices (PCI class 03xxxx), by address. Where C(sys/bus/pci) has none, KFD's GPU nodes
          (C(source=kfd)).
        - Sizes are MiB (2**20 bytes); C(vram_mib) comes from C(mem_info_vram_total), else from KFD's memory banks of
          type 1 and 2.
      type: list
      elements: dict
    driver:
      description:
        - The module amdgpu. C(version) and C(srcversion) are those of the loaded one (amdgpu-dkms alone has a version),
          C(blacklisted) lists what keeps it out, C(options) what it is given as V(NAME=VALUE).
        - C(on_disk) is the file that the running kernel would load, C(path), C(version), C(srcversion), C(vermagic),
          C(signed), C(signer) and C(since_boot), whether it came after the boot; null where it has none.
      type: dict
    kernel_log:
      description: Lines of the kernel log that matter, if it is C(readable).
      type: dict
    kfd:
      description: What M(navilab.webui.kfd_info) returns.
      type: dict
    drm:
      description: Nodes in C(/dev/dri) with mode, numeric owner and the PCI address of their board.
      type: list
      elements: dict
    firmware:
      description: Files that the boards need, those that are missing, and those that C(/lib/firmware/updates) hides.
      type: dict
    groups:
      description: Numbers of the groups video and render and of the O(groups), null for a missing one.
      type: dict
    init:
      description: Name of the first process, of C(/proc/1/comm).
      type: str
    user:
      description:
        - Of O(user), C(exists), C(uid), C(gid), C(home), C(primary_group), C(groups), and C(needs_login) if a session
          of it lacks a
          GPU group that it joined later. Null if no user was asked for.
      type: dict
    apt:
      description: C(sources) in APT's order, of both formats, with options by their deb822 names and a mask for
        the login of an address; C(archives), what APT's lists say of them (C(origin), C(label) and C(codename) by
        C(uri) and C(suite)); and C(error).
      type: dict
    dpkg:
      description: The O(packages), each with C(installed), C(version) and C(held), whether a run of dpkg was
        C(interrupted), and packages that it left C(broken).
      type: dict
    dkms:
      description:
        - What M(navilab.webui.dkms_info) returns, but for C(status), which needs a command.
      type: dict
    docker:
      description:
        - Engine, its C(daemon.json) without secrets, the containers of O(webuis) with what their processes can open,
          the O(images).
        - C(unit) is C(docker.service) as systemd knows it, with the arguments that dockerd is started with; C(others)
          are engines that are no unit of the system (Podman, a snap, ...); C(root) is where the engine writes, which
          is in RV(host.disk) too.
      type: dict
    guard:
      description:
        - How the webuis are confined - C(containers) by name, with their limits of swap and processes, networks, how
          many processes the kernel killed since the last start (C(oom_kills)) and whether the engine noted it
          (C(oom_noted)), and the C(tcmalloc) that is mapped.
        - What the engine can limit (C(limits)), the C(bridge) of our network, our table as nft lists it (C(rules)) with
          the packets that it C(refused), and the size of our compressed swap (C(zram_mib)).
      type: dict
    registry:
      description: By image, C(status) (V(local), V(found), V(missing), V(unreachable), V(denied), V(invalid) or
        V(unknown)) and C(detail).
      type: dict
    ports:
      description: By port, of those of O(webuis) and O(ports), addresses that are listened on and the owner's name.
      type: dict
    addresses:
      description: By address, of O(addresses), whether it is one of this host's; null for a name.
      type: dict
    http:
      description: By webui, whether it answers, is C(ready) (C(/internal/ping) below 500 and a model listed), and how
        many models it lists.
      type: dict
    gateways:
      description: By port, of O(gateways), the C(status) that it answers to who has no login, when its certificate
        C(ends), in seconds since the epoch, and C(error).
      type: dict
    files:
      description: By path, what was asked with O(files).
      type: dict
    disk:
      description:
        - By path, total and free MiB for an unprivileged writer at the nearest parent that exists, C(read_only), the
          kind of file system in C(fstype) (as C(/proc/mounts) has it, V(ext4), V(nfs4), V(fuse.sshfs)), and C(pool),
          which is the same for paths that share their space.
      type: dict
    memory:
      description: Total, available and swap in MiB, of C(/proc/meminfo).
      type: dict
    answers:
      description: Empty; M(navilab.webui.plan) keeps here what M(navilab.webui.host_answers) said.
      type: dict
    lock:
      description: The run of Ansible that is at work on the host; see M(navilab.webui.host_lock). Null where there is
        none, and in a recording.
      type: dict
    clock:
      description: The host's time in seconds since the epoch. Null in a recording.
      type: float
    records:
      description: What the collection's roles noted in C(/var/lib/navilab).
      type: dict
    problems:
      description: Unreadable or malformed files, as V(path; what).
      type: list
      elements: str
  sample:
    root: /
    live: true
    boards:
      - bdf: "0000:0a:00.0"
        name: Radeon RX 5500 XT
        gfx_target: gfx1012
        vram_mib: 8176
        supported: true
        kfd_node: 1
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish
from ansible_collections.navilab.webui.plugins.module_utils._gather import ARGUMENTS, host_info


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, host_info(module.params, module.check_mode))


if __name__ == "__main__":
    main()
