# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware side of the facts: release, kernel, boards, driver, KFD, DRM nodes, firmware and groups."""

from __future__ import annotations

import os
import re

from ._boards import AMD, identify
from ._driver import gather_driver, gather_kernel_log
from ._drm import gather_drm, node_of
from ._firmware import gather_firmware
from ._kfd import gather_kfd
from ._kmod import debian_flavour, installed_kernels, kernels_with_headers
from ._pci import atomics_to_root, display_devices
from ._release import gather_release
from ._signatures import gather_signatures
from ._sysfs import Tree, clean
from ._types import Board, DrmNode, Hardware, KernelFacts, KfdNode, PciDevice

GROUPS = ("video", "render")


def gather_kernel(tree: Tree) -> KernelFacts:
    """The running kernel's release, [major, minor] and Debian flavour ("" for none of Debian's), and more."""
    release = tree.read_word("/proc/sys/kernel/osrelease")
    version = re.match(r"(\d{1,4})\.(\d{1,4})", release or "", re.ASCII)
    installed = installed_kernels(tree)
    signatures = gather_signatures(tree)
    return {
        "release": release,
        "version": [int(number) for number in version.groups()] if version else [],
        "flavour": debian_flavour(release or ""),
        "arch": tree.ask("machine", lambda: os.uname().machine, ""),
        "installed": installed,
        "pending": _pending(tree, installed),
        "headers": kernels_with_headers(tree),
        "secure_boot": signatures.secure_boot,
        "lockdown": signatures.lockdown,
        "signatures_enforced": signatures.enforced,
    }


def _pending(tree: Tree, installed: list[str]) -> str | None:
    """The newest kernel, if it came after this boot: one that was there already is not what the machine boots."""
    booted = tree.boot_time()
    newest = tree.lookup(f"/boot/vmlinuz-{installed[-1]}") if installed else None
    return installed[-1] if newest and booted and booted < newest.st_ctime else None


def _atomics(tree: Tree, bdf: str, node: KfdNode | None, nodes: list[KfdNode]) -> tuple[bool | None, str]:
    """KFD's own word on the link from the GPU to a processor, else what configuration space says."""
    hosts = {other["index"] for other in nodes if other["cpu_cores_count"]}
    for link in node["links"] if node else []:
        if link["kind"] == "io" and link["node_to"] in hosts and link["flags"] is not None:
            text = f"flags {link['flags']:#x} of KFD's link from node {link['node_from']} to node {link['node_to']}"
            return bool(link["atomics_32"] and link["atomics_64"]), text
    return atomics_to_root(tree, bdf)


def _board(
    tree: Tree,
    device: PciDevice,
    node: KfdNode | None,
    drm: list[DrmNode],
    nodes: list[KfdNode],
) -> Board:
    """One board from its PCI device and its KFD node."""
    node_target = node["gfx_target"] if node else None
    known = identify(device["device_id"], device["revision"], device["subsystem"], node_target)
    bdf, path = device["bdf"], device["path"]
    total = tree.read_int(path + "/mem_info_vram_total") if path else None
    mec = node["fw_version"] if node else None
    if mec is None and path:
        mec = tree.read_hex(path + "/fw_version/mec_fw_version")
    render = node_of(drm, "render", bdf)
    if render is None and node and node["render_minor"]:
        render = f"/dev/dri/renderD{node['render_minor']}"
    atomics, evidence = _atomics(tree, bdf, node, nodes)
    return {
        "bdf": bdf,
        "source": "pci" if path else "kfd",
        "vendor_id": device["vendor_id"],
        "device_id": device["device_id"],
        "subsystem": device["subsystem"],
        "revision": device["revision"],
        "name": known.name,
        "chip": known.chip,
        "gfx_target": node_target or known.gfx_target,
        "supported": not known.reason,
        "unsupported_reason": known.reason,
        "integrated": known.integrated or bool(node and node["cpu_cores_count"]),
        "driver": device["driver"] or ("amdgpu" if node else None),  # KFD lists only what amdgpu drives
        "held_by": device["held_by"],
        "card_node": node_of(drm, "card", bdf),
        "render_node": render,
        "vram_mib": total >> 20 if total is not None else node["vram_mib"] if node else None,
        "kfd_node": node["index"] if node else None,
        "mec_fw_loaded": mec,
        "atomics": atomics,
        "atomics_evidence": evidence,
    }


def gather_boards(tree: Tree, nodes: list[KfdNode], drm: list[DrmNode]) -> list[Board]:
    """Every AMD display device; from KFD's nodes where the PCI bus has none."""
    gpus = {node["bdf"]: node for node in nodes if node["simd_count"] > 0 and node["bdf"]}
    devices = display_devices(tree) or [
        {
            "bdf": bdf,
            "path": None,
            "vendor_id": node["vendor_id"] or AMD,
            "device_id": node["device_id"],
            "subsystem": None,
            "revision": None,
            "driver": None,
            "held_by": None,
        }
        for bdf, node in gpus.items()
    ]
    boards = [_board(tree, device, gpus.get(device["bdf"]), drm, nodes) for device in devices]
    return sorted(boards, key=lambda board: (int(board["bdf"].split(":")[0], 16), board["bdf"]))


def gather_hardware(tree: Tree) -> Hardware:
    """The hardware side of a host's facts. Never raises: see ``problems``."""
    kernel = gather_kernel(tree)
    kfd = gather_kfd(tree)
    minors = {node["render_minor"]: node["bdf"] for node in kfd["nodes"] if node["render_minor"] and node["bdf"]}
    drm = gather_drm(tree, minors)
    boards = gather_boards(tree, kfd["nodes"], drm)
    return {
        "root": clean(tree.given),
        "live": tree.live,
        "complete": tree.complete,
        "release": gather_release(tree),
        "kernel": kernel,
        "boards": boards,
        "driver": gather_driver(tree, kernel["release"]),
        "kernel_log": gather_kernel_log(tree),
        "kfd": kfd,
        "drm": drm,
        "firmware": gather_firmware(tree, boards, kernel),
        "groups": {name: tree.group_id(name) for name in GROUPS},
        "problems": tree.problems,
    }
