# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed kernels and the module files in them, as depmod(8), modprobe(8) and modinfo(8) would see them."""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Iterator
from typing import Any, Optional

from ._sysfs import MAX_ENTRIES, Tree, clean
from ._types import ModuleInfo

BASES = ("/lib/modules", "/usr/lib/modules")  # the same directory on merged /usr; a recorded tree may lack the link
_SEARCH = (
    "updates",
    "kernel",
)  # depmod.d(5): "search updates built-in", where DKMS puts and where the kernel's own are
_SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
_DEP_LIMIT = 8 << 20  # bytes; Debian's modules.dep are about 600 KiB
_FILE_LIMIT = 128 << 20  # bytes; an unpacked amdgpu.ko has about 25 MiB
_INFO_LIMIT = 1 << 20
_MARKER = b"~Module signature appended~\n"  # include/linux/module_signature.h, at the very end of the file
_SIGNATURE = struct.Struct(">8xI")  # struct module_signature before the marker; its last field is the length
_COMMON_NAME = re.compile(
    rb"\x06\x03\x55\x04\x03[\x0c\x13]([\x01-\x7f])"
)  # PKCS#7's issuer: OID 2.5.4.3, a short string
_ELF64 = b"\x7fELF\x02\x01"
_HEADER = struct.Struct("<40xQ10xHHH")  # e_shoff, e_shentsize, e_shnum, e_shstrndx
_SECTION = struct.Struct("<I20xQQ")  # sh_name, sh_offset, sh_size


def natural(version: str) -> list[Any]:
    """Sort key of versions and of kernels' releases, in dpkg's order: 5.10.0-9 before 5.10.0-46, 6.8.5 before 6.10.5,
    6.12-rc3 and 6.12~rc3 before 6.12."""
    parts = re.split(r"([0-9]+)", re.sub(r"-(rc[0-9])", r"~\1", version))
    return [int(part) if place % 2 else [*map(_weight, part), 0] for place, part in enumerate(parts)]


def _weight(char: str) -> int:
    """dpkg's order of what is no digit: a tilde, the end (0), letters, all else."""
    return -1 if char == "~" else ord(char) if char.isalpha() and char.isascii() else ord(char) + 256


# Names of Debian's own kernels: 6.1.0-28-amd64, 6.1.0-0.deb11.21-rt-amd64, 6.12.57+deb13-cloud-amd64, 6.6.13+bpo-amd64.
_DEBIAN = re.compile(
    r"\d+\.\d+(?:\.\d+)?(?:-rc\d+|-trunk)?(?:-\d+(?:\.(?:bpo|deb\d+)\.\d+)?)?(?:\+(?:deb\d+|bpo)\w*(?:\+\w+)*)?"
    r"-((?:cloud-|rt-)?amd64)",
    re.ASCII,
)


def debian_flavour(release: str) -> str:
    """amd64, cloud-amd64 or rt-amd64 of a kernel that Debian builds; "" for all others (liquorix, xanmod, Proxmox)."""
    match = _DEBIAN.fullmatch(release)
    return match.group(1) if match else ""


def without_graphics(release: str) -> bool:
    """Whether Debian builds this kernel without DRM, so that no amdgpu can come to it."""
    return debian_flavour(release).startswith("cloud")


def headers_package(kernel: str) -> str:
    """The package with a kernel's headers, by the name that its distribution gives it."""
    if kernel.endswith("-pve"):  # Proxmox renamed pve-headers-* with kernel 6.2
        version = tuple(int(number) for number in re.findall(r"[0-9]+", kernel)[:2])
        return f"{'proxmox' if version >= (6, 2) else 'pve'}-headers-{kernel}"
    return f"linux-headers-{kernel}"


def base_directory(tree: Tree) -> str:
    """/lib/modules, or /usr/lib/modules where only that exists."""
    return next((base for base in BASES if tree.is_dir(base)), BASES[0])


def installed_kernels(tree: Tree) -> list[str]:
    """Releases of the kernels that could be booted, newest last; a directory that a removed kernel left is none."""
    base = base_directory(tree)
    found = [
        clean(release)
        for release in tree.listdir(base)
        if tree.exists(f"/boot/vmlinuz-{release}") or tree.exists(f"{base}/{release}/vmlinuz")
    ]
    return sorted(found, key=natural)


def kernels_with_headers(tree: Tree) -> list[str]:
    """Installed kernels that a module can be built for."""
    base = base_directory(tree)
    return [release for release in installed_kernels(tree) if tree.is_dir(f"{base}/{release}/build/include")]


def module_file(tree: Tree, release: str, name: str) -> str | None:
    """The file that modprobe would load for a kernel: what modules.dep names, else what depmod would find."""
    return tree.derive(f"module {name} {release}", lambda: _module_file(tree, release, name), Optional[str])


def _module_file(tree: Tree, release: str, name: str) -> str | None:
    folder = f"{base_directory(tree)}/{release}"
    wanted = name.replace("-", "_")
    dep = tree.read_head(f"{folder}/modules.dep", _DEP_LIMIT) or b""
    for line in dep.decode("utf-8", "replace").splitlines():
        path = line.partition(":")[0]
        if stem(path.rpartition("/")[2]) == wanted:
            path = path if path.startswith("/") else f"{folder}/{path}"
            if tree.exists(path):
                return path
    for place in _SEARCH:
        for path in _files(tree, f"{folder}/{place}"):
            if stem(path.rpartition("/")[2]) == wanted:
                return path
    return None


def stem(name: str) -> str | None:
    """A module's name from its file's; the kernel takes - and _ for the same."""
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), None)
    return name[: -len(suffix)].replace("-", "_") if suffix else None


def _files(tree: Tree, folder: str) -> Iterator[str]:
    """Files below a directory; a link to a directory is not followed, so the walk ends."""
    pending, left = [folder], MAX_ENTRIES
    while pending and left:
        left -= 1
        here = pending.pop()
        for name in tree.listdir(here):
            path = f"{here}/{name}"
            if stem(name):
                yield path
            elif "." not in name and tree.link_name(path) is None and tree.is_dir(path):
                pending.append(path)


def modinfo(tree: Tree, path: str) -> ModuleInfo:
    """`{version, srcversion, vermagic, signed, signer}`; null for what isn't there, .zst, .gz and garbage."""
    return tree.derive(f"modinfo {path}", lambda: _modinfo(tree, path), ModuleInfo)


def _no_info() -> ModuleInfo:
    return {"version": None, "srcversion": None, "vermagic": None, "signed": None, "signer": None}


def _modinfo(tree: Tree, path: str) -> ModuleInfo:
    info = _no_info()
    if path.endswith((".zst", ".gz")):  # Debian has neither, and Python 3.9 no zstd
        return info
    data = tree.read_head(path, _FILE_LIMIT)
    if data is None:
        return info
    try:
        if path.endswith(".xz"):
            data = lzma.LZMADecompressor().decompress(data, _FILE_LIMIT)
        fields = _fields(_section(data, b".modinfo"))
    except (ValueError, OverflowError, struct.error, lzma.LZMAError, EOFError, MemoryError) as error:
        tree.problem(path, f"no kernel module: {error}")
        return info
    signed, signer = _signature(data)
    return {
        "version": fields.get("version"),
        "srcversion": fields.get("srcversion"),
        "vermagic": fields.get("vermagic"),
        "signed": signed,
        "signer": signer,
    }


def _section(data: bytes, wanted: bytes) -> bytes:
    """Content of a section of a 64-bit little-endian ELF file; ValueError or struct.error for anything else."""
    if not data.startswith(_ELF64):
        raise ValueError("not a 64-bit little-endian ELF file")
    start, size, count, names = _HEADER.unpack_from(data)
    sections = [_SECTION.unpack_from(data, start + size * number) for number in range(count)]
    if names >= count:
        raise ValueError("no section names")
    _name, at, length = sections[names]
    table = data[at : at + length]
    for name, at, length in sections:
        if table[name : name + len(wanted) + 1] == wanted + b"\0":
            return data[at : at + min(length, _INFO_LIMIT)]
    raise ValueError(f"no section {wanted.decode()}")


def _fields(section: bytes) -> dict[str, str]:
    """The first value of each key=value."""
    fields: dict[str, str] = {}
    for entry in section.split(b"\0"):
        key, separator, value = entry.decode("utf-8", "replace").partition("=")
        if separator:
            fields.setdefault(key, value.strip())
    return fields


def _signature(data: bytes) -> tuple[bool, str | None]:
    """Whether a signature is appended, and the common name of who signed; not whether the kernel trusts them."""
    end = len(data) - len(_MARKER) - _SIGNATURE.size
    if not data.endswith(_MARKER) or end < 0:
        return False, None
    (length,) = _SIGNATURE.unpack_from(data, end)
    signature = data[max(0, end - length) : end]
    match = _COMMON_NAME.search(signature)
    if not match:
        return True, None
    return True, signature[match.end() : match.end() + match.group(1)[0]].decode("utf-8", "replace")
