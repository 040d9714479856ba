# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware of the boards: which files the kernel would take, which are missing, and the compute microcode's version.

Sources: drivers/base/firmware_loader/main.c (search order, compressed files), amdgpu_ucode.h (header).
"""

from __future__ import annotations

import lzma
import struct
from collections.abc import Sequence

from ._boards import firmware_files, mec_file
from ._sysfs import Tree
from ._types import Board, Firmware, KernelFacts

BASES = ("/lib/firmware", "/usr/lib/firmware")  # the same directory on merged /usr; a recorded tree may lack the link
_HEADER = struct.Struct("<IIHHHHII")  # common_firmware_header up to ucode_size_bytes
_HEADER_MAX = 4096  # bytes; a header that claims more is none
_COMPRESSED_HEAD = 64 * 1024  # bytes of an .xz file that surely give the header


def component_for(codename: str | None) -> str:
    """The archive's component that carries the firmware: Debian 12 split it off from non-free."""
    return "non-free" if codename in ("buster", "bullseye") else "non-free-firmware"


def base_directory(tree: Tree) -> str:
    """/lib/firmware, or /usr/lib/firmware where only that exists."""
    return next((base for base in BASES if tree.is_dir(base)), BASES[0])


def search_path(tree: Tree, release: str) -> list[str]:
    """Directories in the kernel's order; the last one is where Debian's packages put files."""
    base = base_directory(tree)
    custom = tree.read_text("/sys/module/firmware_class/parameters/path") or ""
    folders = [custom] if custom.startswith("/") else []
    folders += [f"{base}/updates/{release}"] if release else []
    folders += [base + "/updates"]
    folders += [f"{base}/{release}"] if release else []
    seen: set[str | None] = {tree.realpath(base)}
    unique = []
    for folder in folders:
        real = tree.realpath(folder)
        if real and real not in seen:
            seen.add(real)
            unique.append(folder)
    return [*unique, base]


def suffixes(kernel: Sequence[int]) -> list[str]:
    """Compressions that a Debian kernel accepts, "" first, in its order: .zst since 6.12, .xz since 6.1."""
    version = tuple(kernel[:2])
    return [""] + ([".zst"] if version >= (6, 12) else []) + ([".xz"] if version >= (6, 1) else [])


def find(tree: Tree, name: str, folders: Sequence[str], kernel: Sequence[int]) -> str | None:
    """The file that the kernel would load for ``amdgpu/<name>``, or None. A plain file wins over a compressed one."""
    for suffix in suffixes(kernel):
        for folder in folders:
            path = f"{folder}/amdgpu/{name}{suffix}"
            if tree.exists(path):
                return path
    return None


def ucode_version(tree: Tree, path: str) -> int | None:
    """Version in a microcode file's header; None for .zst (not in Python 3.9) and for what is none."""
    if path.endswith(".zst"):
        return None
    compressed = path.endswith(".xz")
    data = tree.read_head(path, _COMPRESSED_HEAD if compressed else _HEADER.size)
    if data and compressed:
        try:
            data = lzma.LZMADecompressor().decompress(data, _HEADER.size)
        except (lzma.LZMAError, EOFError, MemoryError):
            data = b""
    if data is None:
        return None
    if len(data) >= _HEADER.size:
        size, header_size, _major, _minor, _ip_major, _ip_minor, version, ucode_size = _HEADER.unpack_from(data)
        if _HEADER.size <= header_size <= _HEADER_MAX and 0 < ucode_size < size:
            return int(version)
    tree.problem(path, "no microcode header")
    return None


def _arrival(tree: Tree, paths: Sequence[str]) -> float | None:
    """When the last of the files came: its ctime, as dpkg keeps the package's mtime; a plain tree can't tell."""
    times = [seen.st_ctime for seen in map(tree.lookup, paths) if seen]
    return max(times) if times and tree.complete else None


def gather_firmware(tree: Tree, boards: Sequence[Board], kernel: KernelFacts) -> Firmware:
    """State of the supported boards' files, in the shape of ``host.firmware``."""
    release, version = kernel["release"] or "", kernel["version"]
    folders = search_path(tree, release)
    needed: list[str] = []
    mec: dict[str, int | None] = {}
    for board in boards:
        if not board["supported"] or board["chip"] is None:
            continue
        ids = (board["chip"], board["device_id"], board["revision"])
        needed += [name for name in firmware_files(*ids, kernel=version) if name not in needed]
        path = find(tree, mec_file(*ids), folders, version)
        mec[board["bdf"]] = ucode_version(tree, path) if path else None
    found = {name: find(tree, name, folders, version) for name in needed}
    paths = [path for path in found.values() if path]
    directory = folders[-1] + "/amdgpu"
    arrival, booted = _arrival(tree, paths), tree.boot_time()
    initrd = tree.lookup("/boot/initrd.img-" + release) if release else None
    return {
        "directory": directory if tree.is_dir(directory) else None,
        "needed": needed,
        "missing": [name for name in needed if not found[name]],
        "shadowed": [path for path in paths if not path.startswith(directory + "/")],
        "mec_on_disk": next(iter(mec.values()), None),
        "mec_by_board": mec,
        "initrd_stale": bool(initrd and arrival and initrd.st_mtime < arrival) if tree.complete else None,
        "since_boot": bool(arrival and booted < arrival) if tree.complete and booted else None,
    }
