# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The amdgpu module, what keeps it from loading, and what the kernel log says of it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterator

from ._kfd import TOPOLOGIES
from ._kmod import modinfo, module_file
from ._sysfs import Tree, clean
from ._types import Driver, KernelLog, KernelLogLines, ModuleFile

MODULE = "/sys/module/amdgpu"
# modprobe.d(5): a file hides those of the same name in the directories after it
_MODPROBE = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_BLACKLIST = re.compile(r"^\s*(?:blacklist\s+amdgpu\s*$|install\s+amdgpu\s+\S*\b(?:true|false)\b)", re.MULTILINE)
_CMDLINE = re.compile(r"(?:modprobe\.blacklist|module_blacklist)=(?:\S*,)?amdgpu(?:,\S*)?|nomodeset")

# amdgpu_device.c, kfd_device.c, kfd_topology.c, firmware_loader; texts of 5.10, 6.1 and 6.12
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("resets", re.compile(r"amdgpu.*(?:GPU reset|GPU recovery|ring \S+ timeout)|\[drm\] GPU recovery", re.IGNORECASE)),
    ("atomics_rejected", re.compile(r"kfd kfd: (?:amdgpu: )?skipped device [0-9a-f]+:[0-9a-f]+, PCI rejects atomics")),
    (
        "firmware_failed",
        re.compile(
            r"failed to load amdgpu/\S+ \(-\d+\)|Direct firmware load for amdgpu/\S+ failed"
            r"|amdgpu requires firmware installed|gfx10: Failed to load firmware|Failed to load psp firmware"
        ),
    ),
    (
        "kfd_errors",
        re.compile(
            r"kfd kfd: .*(?:NOT added due to errors|not supported in kfd|missing in supported_devices)"
            r"|kgd2kfd_probe failed|kfd.*Error adding device to topology"
            r"|KFD is disabled due to module initialization failure"
            r"|amdgpu: sched_policy has invalid value"
        ),
    ),
)
_KEEP = 20  # newest lines of each kind
_RECORD = 8192  # bytes, the most that one read of /dev/kmsg gives
_SECONDS = 2.0  # for the whole log, however fast it grows


def gather_driver(tree: Tree, release: str | None = None) -> Driver:
    """State of the module, in the shape of ``host.driver``, and its file for kernel ``release``.

    Only amdgpu-dkms has a version and, on Debian, a srcversion.
    """
    present = tree.is_dir(MODULE)
    version = tree.read_word(MODULE + "/version")
    out_of_tree = version is not None or "O" in (tree.read_word(MODULE + "/taint") or "")
    return {
        "loaded": present or any(map(tree.is_dir, TOPOLOGIES)),  # a recorded tree may have no more than the topology
        "initstate": tree.read_word(MODULE + "/initstate"),
        "version": version,
        "srcversion": tree.read_word(MODULE + "/srcversion"),
        "on_disk": _on_disk(tree, release) if release else None,
        "in_tree": not out_of_tree if present else None,
        "blacklisted": _blacklisted(tree),
    }


def _on_disk(tree: Tree, release: str) -> ModuleFile | None:
    path = module_file(tree, release, "amdgpu")
    if not path:
        return None
    seen, booted = tree.lookup(path), tree.boot_time()
    arrival = seen.st_ctime if seen and tree.live else None  # a recorded tree can't tell
    return {"path": path, **modinfo(tree, path), "since_boot": bool(arrival and booted and booted < arrival)}


def _blacklisted(tree: Tree) -> list[str]:
    """Files that keep amdgpu from loading; the kernel's own arguments as ``/proc/cmdline (nomodeset)``."""
    files: dict[str, str] = {}
    for folder in _MODPROBE:
        for name in tree.listdir(folder):
            if name.endswith(".conf"):
                files.setdefault(name, f"{folder}/{name}")
    found = [clean(path) for _name, path in sorted(files.items()) if _BLACKLIST.search(tree.read_text(path) or "")]
    words = [word for word in (tree.read_text("/proc/cmdline") or "").split() if _CMDLINE.fullmatch(word)]
    return found + [f"/proc/cmdline ({word})" for word in words]


def parse_record(record: bytes) -> str:
    """Text of a /dev/kmsg record ``priority,sequence,time,flags;text``; "" where a user wrote it, not the kernel."""
    prefix, _separator, text = record.partition(b";")
    priority = prefix.split(b",")[0]
    if not priority.isdigit() or int(priority) >> 3:  # facility 0 is the kernel
        return ""
    return text.split(b"\n")[0].decode("utf-8", "replace").strip()


def _records(descriptor: int) -> Iterator[bytes]:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        try:
            record = os.read(descriptor, _RECORD)
        except OSError as error:
            if error.errno == errno.EPIPE:  # overwritten while being read: the next one follows
                continue
            return
        if not record:
            return
        yield record


def sort_log(lines: Iterator[str]) -> KernelLogLines:
    """The lines that matter, by kind; the newest of each."""
    found: dict[str, list[str]] = {kind: [] for kind, _pattern in _PATTERNS}
    for line in lines:
        for kind, pattern in _PATTERNS:
            if pattern.search(line):
                found[kind].append(line)
    return {
        "resets": found["resets"][-_KEEP:],
        "atomics_rejected": found["atomics_rejected"][-_KEEP:],
        "firmware_failed": found["firmware_failed"][-_KEEP:],
        "kfd_errors": found["kfd_errors"][-_KEEP:],
    }


def gather_kernel_log(tree: Tree) -> KernelLog:
    """What the running kernel's log says of amdgpu, in the shape of ``host.kernel_log``.

    Debian restricts it to root; a recorded tree has none.
    """
    descriptor = -1
    if tree.live and os.geteuid() == 0 and tree.device("/dev/kmsg")["char"]:
        with contextlib.suppress(OSError):
            descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return {"readable": False, **sort_log(iter(()))}
    try:
        return {"readable": True, **sort_log(map(parse_record, _records(descriptor)))}
    finally:
        os.close(descriptor)
