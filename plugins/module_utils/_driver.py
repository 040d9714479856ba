# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The amdgpu module, what keeps it from loading, and what the kernel log says of it and of memory."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence

from ._kfd import TOPOLOGIES
from ._kmod import modinfo, module_file
from ._modprobe import gather_config
from ._plain import plain
from ._sysfs import Tree
from ._types import Board, Driver, KernelLog, KernelLogLines, ModuleFile

MODULE = "/sys/module/amdgpu"

# amdgpu_device.c, kfd_device.c, kfd_topology.c, firmware_loader, oom_kill.c; texts of 5.10, 6.1 and 6.12
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "resets",
        re.compile(
            r"amdgpu.*(?:GPU reset|GPU recovery|ring \S+ (?:timeout|reset)|device wedged)|\[drm\] GPU recovery",
            re.IGNORECASE,
        ),
    ),
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
    ("oom_kills", re.compile(r"^(?:\[ *[0-9.]+\] )?oom-kill:constraint=")),
)
_KEEP = 20  # newest lines of each kind
_RECORDED = 2000  # lines that are taken of a recording
_WIDTH = 400  # characters of a line
# What a line is about: a device by its address, by its ids (hex without padding), or by the chip of its firmware.
_BDF = re.compile(r"(?<![0-9a-f:])[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7](?![0-9a-f.])", re.IGNORECASE)
_IDS = re.compile(
    r"\bdevice 1002:([0-9a-f]{1,4})\b|\bDID ([0-9a-f]{1,4})\b|\[0x([0-9a-f]{1,4}):0x1002\]", re.IGNORECASE
)
_FILE = re.compile(r"amdgpu/([a-z0-9_]+)\.bin")
_RECORD = 8192  # bytes, the most that one read of /dev/kmsg gives
_SECONDS = 2.0  # for the whole log, however fast it grows


def gather_driver(tree: Tree, release: str | None = None) -> Driver:
    """State of the module, in the shape of ``host.driver``, and its file for kernel ``release``.

    Only amdgpu-dkms has a version and, on Debian, a srcversion.
    """
    present = tree.is_dir(MODULE)
    loaded = present or any(map(tree.is_dir, TOPOLOGIES))  # a recorded tree may have no more than the topology
    version = tree.read_word(MODULE + "/version")
    blocked, options = gather_config(tree, "amdgpu", loaded)
    out_of_tree = version is not None or "O" in (tree.read_word(MODULE + "/taint") or "")
    return {
        "loaded": loaded,
        "initstate": tree.read_word(MODULE + "/initstate"),
        "version": version,
        "srcversion": tree.read_word(MODULE + "/srcversion"),
        "on_disk": _on_disk(tree, release) if release else None,
        "in_tree": not out_of_tree if present else None,
        "blacklisted": blocked,
        "options": options,
    }


def _on_disk(tree: Tree, release: str) -> ModuleFile | None:
    path = module_file(tree, release, "amdgpu")
    if not path:
        return None
    seen, booted = tree.lookup(path), tree.boot_time()
    arrival = seen.st_ctime if seen and tree.complete else None  # a plain tree can't tell
    return {"path": path, **modinfo(tree, path), "since_boot": bool(arrival and booted and booted < arrival)}


def parse_record(record: bytes) -> str:
    """Text of a /dev/kmsg record ``priority,sequence,time,flags;text``; "" where a user wrote it, not the kernel."""
    prefix, _separator, text = record.partition(b";")
    priority = prefix.split(b",")[0]
    if not priority.isdigit() or int(priority) >> 3:  # facility 0 is the kernel
        return ""
    return _shorten(text.split(b"\n")[0].decode("utf-8", "replace"))


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


def kind_of(line: str) -> list[str]:
    """What a line of the log is about; nothing for most."""
    return [kind for kind, pattern in _PATTERNS if pattern.search(line)]


def sort_log(lines: Iterable[str]) -> KernelLogLines:
    """The lines that matter, by kind; the newest of each."""
    found: dict[str, list[str]] = {kind: [] for kind, _pattern in _PATTERNS}
    for line in lines:
        for kind in kind_of(line):
            found[kind].append(line)
    return {
        "resets": found["resets"][-_KEEP:],
        "atomics_rejected": found["atomics_rejected"][-_KEEP:],
        "firmware_failed": found["firmware_failed"][-_KEEP:],
        "kfd_errors": found["kfd_errors"][-_KEEP:],
        "oom_kills": found["oom_kills"][-_KEEP:],
    }


def gather_kernel_log(tree: Tree) -> KernelLog:
    """What the running kernel's log says of amdgpu, in the shape of ``host.kernel_log``.

    Debian restricts it to root; a recording has the lines that matter, a plain tree none.
    """
    descriptor = -1
    if tree.live and os.geteuid() == 0 and tree.device("/dev/kmsg")["char"]:
        with contextlib.suppress(OSError):
            descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if tree.live and descriptor < 0:
        return {"readable": False, **sort_log(())}
    unknown: list[str] | None = None
    try:
        lines = tree.ask("kernel log", lambda: _telling(map(parse_record, _records(descriptor))), unknown, like=[""])
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    # Who made a recording by hand may have taken the lines from dmesg(1) or a file.
    return {"readable": lines is not None, **sort_log(map(_shorten, (lines or [])[-_RECORDED:]))}


def _telling(lines: Iterable[str]) -> list[str]:
    """The lines that matter in their order, the newest of each kind."""
    left = {kind: _KEEP for kind, _pattern in _PATTERNS}
    kept: list[str] = []
    for line in reversed([line for line in lines if kind_of(line)]):
        kinds = kind_of(line)
        if any(left[kind] > 0 for kind in kinds):
            kept.append(line)
            left.update({kind: left[kind] - 1 for kind in kinds})
    return kept[::-1]


def _shorten(line: str) -> str:
    """A line as text, without the time that dmesg(1) puts before it."""
    return re.sub(r"^\[ *[0-9]+\.[0-9]+\] ", "", plain(line[: 4 * _WIDTH])).strip()[:_WIDTH]


def names_a_device(line: str) -> bool:
    """Whether a line says which device it is about."""
    return bool(_BDF.search(line) or _IDS.search(line))


def lines_of(lines: Sequence[str], board: Board, others: Iterable[Board]) -> list[str]:
    """The lines about a board. One that names none counts where none of the `others` can be meant, the devices that are
    not used here: each that amdgpu drives or may have tried to."""
    alone = not any(other["driver"] in ("amdgpu", None) for other in others)
    return [line for line in lines if _is_about(line, board, alone)]


def _is_about(line: str, board: Board, alone: bool) -> bool:
    addresses = {address.lower() for address in _BDF.findall(line)}
    if addresses:
        return board["bdf"] in addresses
    ids = [next(filter(None, match)).lower().zfill(4) for match in _IDS.findall(line)]
    if ids:
        return board["device_id"] in ids
    file = _FILE.search(line)
    if file and board["chip"]:
        return file.group(1).startswith(f"{board['chip']}_")
    return alone
