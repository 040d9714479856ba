# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KFD: its device node, its interface, and whether it took the board."""

from __future__ import annotations

from .._commands import run_site
from .._driver import names_a_device
from .._kfd import explain_open_error
from .._sysfs import UNKNOWN
from .._types import Board
from ._base import ACL, HIDDEN, Case, Verdict, failed, last, ok, skipped, udev, unreadable_nodes, unusable
from ._driver import log_of, why_no_driver

MEC_WITHOUT_ATOMICS = 145  # kfd_device.c: Navi1x's compute firmware from which kernels 6.x take a slot without atomics


def kfd_node(case: Case) -> Verdict:
    """/dev/kfd is there, is a character device, and the group render may open it. That proves no board: kfd_gpu_node
    does."""
    device = case.facts["kfd"]["device"]
    path = device["path"]
    if not device["exists"]:
        if not case.complete and not any(node["exists"] for node in case.drm.values()):
            return skipped(UNKNOWN)
        evidence, remedy = why_no_driver(case)
        errors = last([line for line in case.log["kfd_errors"] if not names_a_device(line)])
        if not evidence and errors:
            evidence = f"the kernel says: {errors}"
            remedy = (
                "take the module parameter that it names out of /etc/modprobe.d and the kernel command line, reboot"
            )
        if not evidence:
            evidence = "amdgpu is loaded, so its kernel was built without HSA_AMD, or /dev is not the host's own"
            remedy = "boot Debian's linux-image-amd64; in a container pass it on: --device=/dev/kfd"
        return failed(f"{path} is missing; {evidence}", remedy)
    if not device["char"]:
        if not case.complete:
            return skipped(UNKNOWN, f"{path} is a placeholder in this tree")
        return failed(
            f"{path} is no character device",
            f"delete {path} (somebody's file), then modprobe -r amdgpu and modprobe amdgpu",
        )
    why = unusable(device)
    if why:
        return failed(f"{path} {why}", udev("kfd", path))
    return ok(f"{path} {device['group']} {device['mode']}; its existence alone proves no board")


def kfd_open(case: Case) -> Verdict:
    """/dev/kfd can be opened, as root. The error of open(2) tells the cause."""
    seen, path = case.facts["kfd"]["open"], case.facts["kfd"]["device"]["path"]
    if not seen["known"]:
        return skipped(UNKNOWN)
    if seen["ok"]:
        return ok(f"{path} opens")
    name = seen["errno"] or ""
    meaning = explain_open_error(name, case.kernel)
    remedies = {
        "ENOENT": why_no_driver(case)[1] or "modprobe amdgpu; in a container pass the node on: --device=/dev/kfd",
        "EACCES": f"{run_site('gpu_access')} with navilab_user naming this user, then log in again; {ACL}",
        "EPERM": "start the container with --device=/dev/kfd as the webui role does, or drop the unit's DevicePolicy=",
        "ENXIO": "modprobe amdgpu; in a container that holds a copy of the node, load it on the machine itself",
        "ENODEV": f"delete {path} and let the driver make it: modprobe -r amdgpu, modprobe amdgpu",
        "ENOMEM": "boot Debian's kernel 5.10 or newer; on a newer one free memory",
        "ENOSPC": "stop some of the processes that use KFD (fuser -v /dev/kfd)",
        "EFAULT": "hide the integrated GPU in the firmware's setup and reboot",
        "EAGAIN": "wait until the reset or suspend is over; reboot if it stays",
        "EINVAL": "wait until the reset or suspend is over; reboot if it stays",
    }
    return failed(
        f"open({path}): {seen['error'] or name}" + (f": {meaning}" if meaning else ""),
        remedies.get(name, "see `dmesg | grep -i kfd`"),
    )


def kfd_ioctl(case: Case) -> Verdict:
    """KFD answers its version to an ioctl, and it is version 1, the one that ROCm speaks."""
    kfd = case.facts["kfd"]
    if not kfd["open"]["known"]:
        return skipped(UNKNOWN)
    if not kfd["open"]["ok"]:
        return skipped(f"{kfd['device']['path']} can't be opened")
    version = kfd["ioctl_version"]
    if kfd["ioctl_error"] or not version:
        return failed(
            f"{kfd['device']['path']}: {kfd['ioctl_error'] or 'no version'}",
            "see that the node is the driver's own (major number in /proc/devices); reload amdgpu or reboot",
        )
    if not version.startswith("1."):
        return failed(f"KFD's interface is {version}", "ROCm's thunk takes version 1 alone: boot Debian's kernel")
    return ok(f"interface {version}, {len(kfd['apertures'] or [])} GPU(s) open to this process")


def _rejected(case: Case, board: Board) -> str:
    """The kernel's line that it skipped this board for want of atomics."""
    return last(log_of(case, "atomics_rejected", board))


def _pcie_atomics_one(case: Case, board: Board) -> Verdict:
    mec = board["mec_fw_loaded"] or case.facts["firmware"]["mec_by_board"].get(board["bdf"])
    line = _rejected(case, board)
    remedy = (
        "put the board into a slot that the processor serves itself (the topmost x16, not one of the chipset's); "
        f"or load compute firmware {MEC_WITHOUT_ATOMICS} or newer, with which kernels 6.x waive them: "
        "Debian 12's firmware-amd-graphics has 146 for boards that don't use the _wks files"
    )
    if board["kfd_node"] is None and line:
        return failed(f"the kernel says: {line}", remedy)
    evidence = board["atomics_evidence"]
    if board["atomics"] is None:
        return skipped("nothing tells whether the slot has atomics" if case.complete else UNKNOWN)
    if board["atomics"]:
        return ok(f"routed to the processor ({evidence})")
    required = case.kernel >= (6, 0) and (mec is None or mec < MEC_WITHOUT_ATOMICS)
    if board["kfd_node"] is None and required:
        version = f"firmware {mec}" if mec is not None else "firmware of unknown version"
        return failed(
            f"the slot has no PCIe atomics ({evidence}), which kernel {_dots(case)} needs with {version}", remedy
        )
    return ok(
        f"the slot has none ({evidence}), and the driver takes the board without",
        "without PCIe atomics PyTorch 2 may hang or give wrong sums: a slot of the processor's own is better",
    )


def _dots(case: Case) -> str:
    return ".".join(map(str, case.kernel)) or "of unknown version"


def pcie_atomics(case: Case) -> Verdict:
    """The slot routes PCIe atomics to the processor, or the driver took the board without. Only kernels from 6.0 on
    with compute firmware older than 145 need them."""
    return case.each_board(_pcie_atomics_one)


def _kfd_gpu_node_one(case: Case, board: Board) -> Verdict:
    kfd = case.facts["kfd"]
    node = case.nodes.get(board["kfd_node"]) if board["kfd_node"] is not None else None
    hidden = HIDDEN.format(board["render_node"] or "/dev/dri/renderD128")
    if node is not None and node["readable"]:  # ROCm's thunk skips a node whose gpu_id it can't read
        usable = kfd["apertures"]
        if usable is not None and node["gpu_id"] not in usable and kfd["ioctl_version"] and not kfd["ioctl_error"]:
            return failed(
                f"node {node['index']} (gpu_id {node['gpu_id']}) is not among the GPUs open to this process: {usable}",
                hidden,
            )
        return ok(
            f"node {node['index']}, gpu_id {node['gpu_id']}, simd_count {node['simd_count']}, {board['gfx_target']}"
        )
    unreadable = unreadable_nodes(case)
    if unreadable:
        return failed(unreadable, hidden)
    if kfd["topology"] is None:
        if not case.complete:
            return skipped(UNKNOWN)
        return failed("/sys/class/kfd is missing", why_no_driver(case)[1] or "boot Debian's kernel, it has HSA_AMD")
    seen = f"the topology has {len(kfd['nodes'])} node(s), and none with simd_count > 0 for this board"
    error = last(log_of(case, "kfd_errors", board))
    if error:
        return failed(
            f"{seen}; the kernel says: {error}",
            f"{run_site('firmware')} and reboot; if it stays, boot Debian's newest kernel for this release",
        )
    return failed(
        seen,
        "see `dmesg | grep -i kfd`: 'PCI rejects atomics' asks for another slot or newer firmware, "
        "'not supported in kfd' for a newer kernel, nothing at all for a reboot",
    )


def kfd_gpu_node(case: Case) -> Verdict:
    """KFD's topology has a readable node with simd_count > 0 for the PCI address of every board that is used, and
    this process may use it."""
    return case.each_board(_kfd_gpu_node_one)
