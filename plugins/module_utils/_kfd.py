# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's view of compute devices: KFD's topology in sysfs and the two harmless ioctls of /dev/kfd.

Sources: drivers/gpu/drm/amd/amdkfd/kfd_topology.c, kfd_crat.h, kfd_chardev.c and include/uapi/linux/kfd_ioctl.h.
/dev/kfd exists from the driver's start, with no usable GPU too; only a node with SIMDs for the board's own PCI
address proves that KFD took the board. Sets of keys differ by kernel and by out-of-tree driver: each is optional.
"""

from __future__ import annotations

import array
import fcntl
import os
import re
import struct
from collections.abc import Sequence

from ._boards import AMD, target_of_device, target_of_name
from ._sysfs import UNKNOWN, Tree, describe, errno_name, parse_int
from ._types import DeviceNode, Kfd, KfdAnswers, KfdLink, KfdNode, KfdTopology

DEVICE = "/dev/kfd"
TOPOLOGIES = ("/sys/class/kfd/kfd/topology", "/sys/devices/virtual/kfd/kfd/topology")

# kfd_ioctl.h, the same in 5.10, 6.1 and 6.12
GET_VERSION = 0x80084B01  # _IOR('K', 0x01, {u32 major, minor})
GET_PROCESS_APERTURES_NEW = 0xC0104B14  # _IOWR('K', 0x14, {u64 buffer, u32 number, u32 pad})
_APERTURE = struct.Struct("=6QII")  # 3 x (base, limit), u32 gpu_id, u32 pad
_MAX_GPUS = 256

# kfd_crat.h: memory heaps and link flags
HEAP_SYSTEM, HEAP_PUBLIC, HEAP_PRIVATE = 0, 1, 2
LINK_NO_ATOMICS_32, LINK_NO_ATOMICS_64 = 1 << 2, 1 << 3


def read_properties(tree: Tree, path: str) -> dict[str, int]:
    """A file of ``key number`` lines. Lines of another form are left out and counted in ``problems``."""
    text = tree.read_text(path)
    pairs: dict[str, int] = {}
    bad = 0
    for line in (text or "").splitlines():
        words = line.split()
        number = parse_int(words[1]) if len(words) == 2 else None
        if number is not None and re.fullmatch(r"[a-z][a-z0-9_]*", words[0], re.ASCII):
            pairs[words[0]] = number
        else:
            bad += 1
    if bad:
        tree.problem(path, f"{bad} lines are not 'key number'")
    elif text == "":
        tree.problem(path, "empty")
    return pairs


def gfx_name(version: int) -> str | None:
    """``gfx1012`` for 100102, ``gfx90c`` for 90012: major, minor, stepping in two decimal digits each; 0 is no GPU."""
    major, minor, stepping = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{stepping:x}" if 0 < major < 100 else None


def bdf_of(location_id: int, domain: int = 0) -> str | None:
    """PCI address ``0000:0a:00.0`` of a node. Newest kernels keep a partition number in the bits 28 to 31."""
    if domain > 0xFFFFFFFF or location_id > 0xFFFFFFFF or location_id & 0x0FFF0000:
        return None
    return f"{domain:04x}:{location_id >> 8 & 0xFF:02x}:{location_id >> 3 & 0x1F:02x}.{location_id & 7:x}"


def _links(tree: Tree, node: str) -> list[KfdLink]:
    links: list[KfdLink] = []
    for kind in ("io", "p2p"):
        folder = f"{node}/{kind}_links"
        for number in tree.numbered(folder):
            pairs = read_properties(tree, f"{folder}/{number}/properties")
            flags = pairs.get("flags")
            links.append(
                {
                    "kind": kind,
                    "node_from": pairs.get("node_from"),
                    "node_to": pairs.get("node_to"),
                    "type": pairs.get("type"),
                    "weight": pairs.get("weight"),
                    "flags": flags,
                    "atomics_32": None if flags is None else not flags & LINK_NO_ATOMICS_32,
                    "atomics_64": None if flags is None else not flags & LINK_NO_ATOMICS_64,
                }
            )
    return links


def _vram_mib(tree: Tree, node: str) -> int | None:
    """Video memory of all banks, in MiB; None where no bank tells."""
    sizes = []
    for number in tree.numbered(node + "/mem_banks"):
        bank = read_properties(tree, f"{node}/mem_banks/{number}/properties")
        # Private is a small BAR, public a resizable one: the same memory by two names.
        if bank.get("heap_type") in (HEAP_PUBLIC, HEAP_PRIVATE) and "size_in_bytes" in bank:
            sizes.append(bank["size_in_bytes"])
    return sum(sizes) >> 20 if sizes else None


def _target(pairs: dict[str, int], device: str | None, name: str) -> tuple[str | None, str | None]:
    candidates = (
        (gfx_name(pairs.get("gfx_target_version", 0)), "property"),
        (target_of_device(device), "device_id"),  # kernel 5.10 has no such property
        (target_of_name(name), "name"),
    )
    return next(((target, source) for target, source in candidates if target), (None, None))


def _hex_id(number: int | None) -> str | None:
    return f"{number:04x}" if number and number <= 0xFFFF else None


def read_node(tree: Tree, path: str, index: int) -> KfdNode:
    """One topology node. ``readable`` is false where nothing is known."""
    before = len(tree.problems)
    gpu_id = tree.read_int(path + "/gpu_id")
    hidden = gpu_id is None and tree.exists(path + "/gpu_id")
    pairs = read_properties(tree, path + "/properties")
    name = tree.read_word(path + "/name") or ""
    simd_count = pairs.get("simd_count", 0)
    is_gpu = simd_count > 0 or bool(gpu_id)
    vendor = _hex_id(pairs.get("vendor_id"))
    device = _hex_id(pairs.get("device_id"))
    target, source = _target(pairs, device if vendor in (AMD, None) else None, name) if is_gpu else (None, None)
    bdf = bdf_of(pairs["location_id"], pairs.get("domain", 0)) if is_gpu and "location_id" in pairs else None
    if is_gpu and "location_id" in pairs and bdf is None:
        tree.problem(path + "/properties", f"location_id {pairs['location_id']} is no PCI address")
    minor = pairs.get("drm_render_minor", 0)
    return {
        "index": index,
        "gpu_id": gpu_id,
        "name": name,
        "cpu_cores_count": pairs.get("cpu_cores_count", 0),
        "simd_count": simd_count,
        "compute_units": simd_count // (pairs.get("simd_per_cu") or 2),  # two SIMDs in a CU on each Navi
        "bdf": bdf,
        "vendor_id": vendor,
        "device_id": device,
        "gfx_target": target,
        "gfx_target_source": source,
        "vram_mib": _vram_mib(tree, path) if is_gpu else 0,
        "render_minor": minor if 0 < minor < 1 << 20 else None,  # -1 is printed as an unsigned number
        "fw_version": pairs.get("fw_version"),
        "readable": bool(pairs) and not hidden,
        "links": _links(tree, path),
        "problems": tree.problems[before:],
    }


def read_topology(tree: Tree) -> KfdTopology:
    """KFD's topology, wherever this kernel has it."""
    topology = next((path for path in TOPOLOGIES if tree.is_dir(path)), None)
    if topology is None:
        return {"topology": None, "generation_id": None, "nodes": []}
    nodes = topology + "/nodes"
    return {
        "topology": topology,
        "generation_id": tree.read_int(topology + "/generation_id"),
        "nodes": [read_node(tree, f"{nodes}/{index}", index) for index in tree.numbered(nodes)],
    }


def _apertures(descriptor: int) -> list[int]:
    """gpu_ids that this process may use: asked once for their number, then for themselves."""
    request = struct.Struct("=QII")
    _pointer, number, _pad = request.unpack(fcntl.ioctl(descriptor, GET_PROCESS_APERTURES_NEW, request.pack(0, 0, 0)))
    number = min(number, _MAX_GPUS)
    if not number:
        return []
    buffer = array.array("B", bytes(number * _APERTURE.size))
    answer = fcntl.ioctl(descriptor, GET_PROCESS_APERTURES_NEW, request.pack(buffer.buffer_info()[0], number, 0))
    number = min(number, request.unpack(answer)[1])
    return [_APERTURE.unpack_from(buffer, item * _APERTURE.size)[6] for item in range(number)]


def ask_driver(tree: Tree) -> KfdAnswers:
    """Open /dev/kfd and ask. Only on a live host; a recording has the answers."""
    unknown: KfdAnswers = {
        "open": {"known": False, "ok": False, "errno": None, "error": UNKNOWN},
        "ioctl_version": None,
        "apertures": None,
        "ioctl_error": UNKNOWN,
    }
    return tree.ask("kfd", lambda: _answers(tree.device(DEVICE)), unknown, KfdAnswers)


def _answers(seen: DeviceNode) -> KfdAnswers:
    """All in this process: KFD answers EBADF to a descriptor that crossed a fork."""
    answer: KfdAnswers = {
        "open": {"known": True, "ok": False, "errno": None, "error": ""},
        "ioctl_version": None,
        "apertures": None,
        "ioctl_error": "",
    }
    if seen["exists"] and not seen["char"]:
        answer["open"]["error"] = f"{DEVICE} is not a character device"
        return answer
    try:
        descriptor = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        answer["open"]["errno"], answer["open"]["error"] = errno_name(error.errno), describe(error)
        return answer
    try:
        answer["open"]["ok"] = True
        major, minor = struct.unpack("=II", fcntl.ioctl(descriptor, GET_VERSION, bytes(8)))
        answer["ioctl_version"] = f"{major}.{minor}"
        answer["apertures"] = _apertures(descriptor)
    except (OSError, ValueError, struct.error) as error:
        what = "GET_VERSION" if answer["ioctl_version"] is None else "GET_PROCESS_APERTURES_NEW"
        answer["ioctl_error"] = f"{what}: {describe(error)}"
    finally:
        os.close(descriptor)
    return answer


_OPEN_ERRORS = {
    "ENOENT": "there is no /dev/kfd: amdgpu is not loaded (blacklist, nomodeset, a cloud kernel, a bad parameter), "
    "or the device was not passed into this container",
    "EACCES": "its mode and group don't let this user in: the user is not in the group that owns it (render)",
    "EPERM": "the device cgroup denies it (a container started without --device=/dev/kfd), or the process is 32-bit",
    "ENXIO": "a stale node: no driver answers behind it (amdgpu was unloaded, or the node was made by hand)",
    "ENODEV": "the node has a wrong minor number: KFD's is 0",
    "ENOSPC": "all process address space ids (PASIDs) are in use",
    "EFAULT": "the driver could not map its context-save area, known from APUs",
    "ENOMEM": "memory for the process could not be had",
}
_LOCKED = "KFD is locked while a GPU is being reset or suspended"


def explain_open_error(name: str, kernel: Sequence[int] = ()) -> str:
    """What an errno name of opening /dev/kfd means on a kernel ([major, minor], () if unknown); "" if unknown."""
    version = tuple(kernel[:2])
    if name == "ENOMEM" and version and version < (5, 8):
        return "no GPU that KFD can use: kernels before 5.8 say it this way"
    if name == "EAGAIN" and (not version or version < (6, 12)):
        return _LOCKED
    if name == "EINVAL" and (not version or version >= (6, 2)):
        return _LOCKED
    return _OPEN_ERRORS.get(name, "")


def gather_kfd(tree: Tree) -> Kfd:
    """Everything about KFD."""
    return {"device": tree.device(DEVICE), **read_topology(tree), **ask_driver(tree)}
