# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounded reads under a root directory that turn every failure into a value.

Paths are given and reported as the host knows them (``/sys/class/drm``); where they lie on this machine depends
on the root. Links are followed as if the root were ``/``, so a recorded tree can't lead outside itself.
"""

from __future__ import annotations

import errno
import grp
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

from ._types import DeviceNode

UNKNOWN = "can't be known from a recorded tree"  # of a question that only a live host answers
LIMIT = 64 * 1024  # bytes; sysfs attributes are one page, the rest of what is read is small text
MAX_ENTRIES = 4096  # names taken from one directory
MAX_PROBLEMS = 200
WORD = 128  # characters of a one-line value
MAX_LINKS = 40  # the kernel's own MAXSYMLINKS

U64_MAX = 2**64 - 1
_DECIMAL = re.compile(r"[0-9]{1,20}", re.ASCII)
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})", re.ASCII)
_ABSENT = (errno.ENOENT, errno.ENOTDIR)


def clean(text: str) -> str:
    """Text that JSON can carry: undecodable bytes of file names become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def errno_name(number: int | None) -> str:
    """``EPERM`` for 1; the number itself where it has no name."""
    return errno.errorcode.get(number or 0, str(number))


def describe(error: Exception) -> str:
    """One line about a failed system call: ``EPERM (Operation not permitted)``."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"{errno_name(error.errno)} ({os.strerror(error.errno)})"
    return clean(str(error)) or type(error).__name__


def parse_int(text: str) -> int | None:
    """Decimal unsigned 64-bit number, the only kind that the kernel prints here; null for anything else."""
    match = _DECIMAL.fullmatch(text.strip())
    number = int(match.group()) if match else None
    return number if number is not None and number <= U64_MAX else None


def parse_hex(text: str) -> int | None:
    """``0x1002`` or ``1002`` up to 64 bits; null for anything else."""
    match = _HEX.fullmatch(text.strip())
    return int(match.group(1), 16) if match else None


class Tree:
    """A host's files below ``root``: ``/`` for the live host, another directory for a recorded one.

    No method raises for what it finds. What is absent is None, False or []; what is unreadable or garbage is that
    too, and is noted in ``problems`` as ``path: what``.
    """

    def __init__(self, root: str = "/") -> None:
        self.problems: list[str] = []
        try:
            self.root = os.path.realpath(root)
        except (OSError, ValueError) as error:
            self.root = root
            self.problem(root, describe(error))
        self.live = self.root == "/"

    def problem(self, path: str, what: str) -> None:
        """Note something unreadable or garbage, once."""
        text = clean(f"{path}: {what}")
        if text not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def boot_time(self) -> float | None:
        """When the running kernel started, in seconds since the epoch; None for a recorded tree."""
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) if self.live else None

    # -- paths ---------------------------------------------------------------------------------------------------

    def _inside(self, path: str) -> str:
        """``path`` with every link of it resolved below the root. Raises OSError for a loop."""
        pending = [part for part in reversed(path.split("/")) if part]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == ".":
                continue
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            try:
                target = str(Path(self._outside("/".join(done))).readlink())
            except OSError:  # not a link, or not there: the caller's own access tells which
                continue
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            del done[-1:]
            if target.startswith("/"):
                done.clear()
            pending.extend(part for part in reversed(target.split("/")) if part)
        return "/" + "/".join(done)

    def _outside(self, inside: str) -> str:
        return str(Path(self.root, inside.lstrip("/")))

    def host_path(self, path: str) -> str:
        """Where ``path`` lies on this machine. Raises OSError for a link loop, ValueError for a NUL."""
        return path if self.live else self._outside(self._inside(path))

    def _failed(self, path: str, error: Exception) -> None:
        if not (isinstance(error, OSError) and error.errno in _ABSENT):
            self.problem(path, describe(error))

    def realpath(self, path: str) -> str | None:
        """``path`` as the host would resolve it, or None where it does not exist."""
        try:
            inside = self._inside(path)
            os.lstat(self._outside(inside))
            return inside
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return None

    def link_name(self, path: str) -> str | None:
        """Last component of what the link ``path`` points to, whether or not that exists; None for no link."""
        try:
            parent, _slash, name = path.rstrip("/").rpartition("/")
            return clean(Path(self.host_path(parent or "/"), name).readlink().name) or None
        except (OSError, ValueError) as error:
            if not (isinstance(error, OSError) and error.errno == errno.EINVAL):
                self._failed(path, error)
            return None

    # -- what is there -------------------------------------------------------------------------------------------

    def lookup(self, path: str) -> os.stat_result | None:
        """stat() of what ``path`` leads to, or None."""
        try:
            return Path(self.host_path(path)).stat()
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return None

    def exists(self, path: str) -> bool:
        return self.lookup(path) is not None

    def is_dir(self, path: str) -> bool:
        seen = self.lookup(path)
        return seen is not None and stat.S_ISDIR(seen.st_mode)

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, sorted; at most MAX_ENTRIES."""
        try:
            names = sorted(entry.name for entry in Path(self.host_path(path)).iterdir())
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return []
        if len(names) > MAX_ENTRIES:
            self.problem(path, f"{len(names)} entries, only the first {MAX_ENTRIES} are read")
        return names[:MAX_ENTRIES]

    def numbered(self, path: str) -> list[int]:
        """Entries of a directory whose names are numbers, as the kernel counts nodes, banks and links; in order."""
        numbers = []
        for name in self.listdir(path):
            if re.fullmatch(r"0|[1-9][0-9]{0,5}", name, re.ASCII):
                numbers.append(int(name))
            else:
                self.problem(f"{path}/{name}", "not a number, ignored")
        return sorted(numbers)

    # -- contents ------------------------------------------------------------------------------------------------

    def read_head(self, path: str, size: int) -> bytes | None:
        """The first ``size`` bytes of a regular file; None for anything else. Never blocks."""
        try:
            where = self.host_path(path)
            mode = Path(where).stat().st_mode
            if not stat.S_ISREG(mode):  # a device may act on being opened, a pipe may wait
                self.problem(path, "is a directory" if stat.S_ISDIR(mode) else "not a regular file")
                return None
            descriptor = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
            with os.fdopen(descriptor, "rb") as stream:
                return stream.read(size)
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return None

    def read_bytes(self, path: str) -> bytes | None:
        """A file's content, cut at LIMIT bytes."""
        data = self.read_head(path, LIMIT + 1)
        if data is not None and len(data) > LIMIT:
            self.problem(path, f"longer than {LIMIT} bytes, the rest is ignored")
            data = data[:LIMIT]
        return data

    def read_text(self, path: str) -> str | None:
        """A file's text without surrounding white space."""
        data = self.read_bytes(path)
        return None if data is None else data.decode("utf-8", "replace").strip()

    def read_word(self, path: str) -> str | None:
        """The first line of a file, printable and at most WORD characters long; None if that is empty."""
        lines = (self.read_text(path) or "").splitlines()
        return "".join(char if char.isprintable() else "\ufffd" for char in lines[0][:WORD]) if lines else None

    def read_int(self, path: str) -> int | None:
        """A file that holds one decimal number."""
        return self._parse(path, parse_int, "not a number")

    def read_hex(self, path: str) -> int | None:
        """A file that holds one hexadecimal number, with or without 0x."""
        return self._parse(path, parse_hex, "not a hexadecimal number")

    def _parse(self, path: str, parse: Callable[[str], int | None], what: str) -> int | None:
        text = self.read_text(path)
        if text is None:
            return None
        number = parse(text)
        if number is None:
            self.problem(path, f"{what}: {text[:WORD]!r}" if text else "empty")
        return number

    # -- owners --------------------------------------------------------------------------------------------------

    def _group_file(self) -> dict[str, int]:
        groups: dict[str, int] = {}
        for line in (self.read_text("/etc/group") or "").splitlines():
            fields = line.split(":")
            gid = parse_int(fields[2]) if len(fields) >= 3 else None
            if gid is not None:
                groups.setdefault(fields[0], gid)
        return groups

    def group_id(self, name: str) -> int | None:
        """Numeric id of a group: the live host's name service, or the recorded /etc/group."""
        if not self.live:
            return self._group_file().get(name)
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, OSError):
            return None

    def group_name(self, gid: int) -> str | None:
        """Name of a numeric group id, or None."""
        if not self.live:
            return next((name for name, number in self._group_file().items() if number == gid), None)
        try:
            return clean(grp.getgrgid(gid).gr_name)
        except (KeyError, OSError, OverflowError):
            return None

    def device(self, path: str) -> DeviceNode:
        """A device node, whether or not there is one."""
        seen = self.lookup(path)
        char = seen is not None and stat.S_ISCHR(seen.st_mode)
        return {
            "path": path,
            "exists": seen is not None,
            "char": char,
            "mode": f"{stat.S_IMODE(seen.st_mode):04o}" if seen else None,
            "uid": seen.st_uid if seen else None,
            "gid": seen.st_gid if seen else None,
            "group": self.group_name(seen.st_gid) if seen else None,
        }


def unusable_root(root: str) -> str:
    """Why nothing can be read below `root`; empty if it can."""
    if not root.startswith("/"):
        return f"root: an absolute path is needed, not {root!r}"
    return "" if Tree(root).is_dir("/") else f"root: {root[:WORD]} is not a directory that can be read"
