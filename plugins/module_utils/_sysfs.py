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
import hashlib
import json
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Optional, Protocol, TypeVar

from ._shape import fits
from ._types import DeviceNode

UNKNOWN = "can't be known from a recorded tree"  # of a question that only a live host answers
LIMIT = 64 * 1024  # bytes; sysfs attributes are one page, the rest of what is read is small text
MAX_ENTRIES = 4096  # names taken from one directory
MAX_PROBLEMS = 200
WORD = 128  # characters of a one-line value
MAX_LINKS = 40  # the kernel's own MAXSYMLINKS
MAX_PATH = 4096  # bytes of a path, the kernel's own PATH_MAX
MAX_STEPS = 1 << 18  # names that are looked up in a recording, after which it is taken to end

U64_MAX = 2**64 - 1
_DECIMAL = re.compile(r"[0-9]{1,20}", re.ASCII)
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{1,16})", re.ASCII)
_ABSENT = (errno.ENOENT, errno.ENOTDIR)
MANIFEST = "recording.json"  # beside the directory root/ of a recording: what its files can't hold
MANIFEST_LIMIT = 4 << 20
FORMAT = 1
_STAT = {"mode": 0, "uid": 0, "gid": 0, "size": 0, "mtime": 0.0, "ctime": 0.0, "dev": 0, "ino": 0, "rdev": 0}
_MAX_MODE = 0o177777

Answer = TypeVar("Answer")


class Recorder(Protocol):
    """Who wants to know all that is read of a live host; see _recording.py. Paths have no links in them."""

    def file(self, path: str, data: bytes) -> None: ...

    def link(self, path: str, target: str) -> None: ...

    def stat(self, path: str, seen: os.stat_result) -> None: ...

    def listing(self, path: str, names: list[str]) -> None: ...

    def error(self, path: str, number: int) -> None: ...

    def answer(self, question: str, answer: Any) -> None: ...

    def digest(self, question: str, data: bytes) -> None: ...


class Manifest(NamedTuple):
    """What recording.json says: answers by question, numbers of stat(2) and errno by path, the names that a directory
    has beside the files that were read, and the settings that the host was asked under."""

    answers: Mapping[str, Any]
    stat: Mapping[str, Any]
    errors: Mapping[str, Any]
    listed: Mapping[str, Any]
    settings: Mapping[str, Any]


def read_manifest(home: Path) -> Manifest | None:
    """The manifest of a recording; None for a directory that is none. ValueError says why it can't be read."""
    try:
        descriptor = os.open(home / MANIFEST, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{MANIFEST}: {describe(error)}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{MANIFEST}: not a regular file")
        data = stream.read(MANIFEST_LIMIT + 1)
    return parse_manifest(data)


def parse_manifest(data: bytes) -> Manifest:
    """The manifest in a file's content. ValueError says what is wrong with it."""
    if len(data) > MANIFEST_LIMIT:
        raise ValueError(f"{MANIFEST}: longer than {MANIFEST_LIMIT} bytes")
    # A surrogate that an escape brought would fit into no output.
    text = re.sub(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", r"\\ufffd", data.decode("utf-8", "replace"))
    try:
        found = json.loads(text, parse_int=_int, parse_float=_float, parse_constant=_float)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{MANIFEST}: {describe(error)}") from error
    if not isinstance(found, dict) or found.get("format", FORMAT) != FORMAT:
        raise ValueError(f"{MANIFEST}: not of format {FORMAT}, the only one that is known here")
    parts = {name: found.get(name, {}) for name in Manifest._fields}
    if not all(isinstance(part, dict) for part in parts.values()):
        raise ValueError(f"{MANIFEST}: objects are expected in {', '.join(parts)}")
    return Manifest(**parts)


def _int(text: str) -> int:
    return max(-U64_MAX, min(int(text[:21]), U64_MAX))  # thousands of digits would take their time


def _float(text: str) -> float:
    number = float(text)
    return number if abs(number) < U64_MAX else 0.0  # nor an infinite or no number


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

    A recording of the module record has ``recording.json`` and the files below ``root/``: it is ``complete``, what is
    missing there was missing on the host, and it knows the answers that only a live host gives. A plain tree of files,
    as sysfs trees are passed around, is neither. ``unusable`` says why a recording can't be read.

    No method raises for what it finds. What is absent is None, False or []; what is unreadable or garbage is that
    too, and is noted in ``problems`` as ``path: what``.
    """

    def __init__(self, root: str = "/", recorder: Recorder | None = None) -> None:
        self.given = root
        self.problems: list[str] = []
        self.unusable = ""
        self._recorder = recorder
        self._muted = threading.local()
        self._steps = 0
        self._groups: dict[str, int] | None = None
        self._manifest = Manifest({}, {}, {}, {}, {})
        try:
            self.root = os.path.realpath(root)
        except (OSError, ValueError) as error:
            self.root = root
            self.problem(root, describe(error))
        self.live = self.root == "/"
        self.complete = self.live or self._open_recording()

    def _open_recording(self) -> bool:
        """Whether this is a recording; if so, `root` is where its files are."""
        try:
            manifest = read_manifest(Path(self.root))
            if manifest is None:
                return False
            below = Path(self.root, "root")
            if not stat.S_ISDIR(below.lstat().st_mode):
                raise ValueError("root is no directory")
        except (OSError, ValueError) as error:
            self.unusable = describe(error)
            self.problem(self.root, self.unusable)
            return False
        self.root, self._manifest = str(below), manifest
        return True

    @property
    def _recording(self) -> Recorder | None:
        """Who is told what is read; nobody within a question, whose answer is what is kept."""
        return None if getattr(self._muted, "depth", 0) else self._recorder

    # -- what only a live host answers -----------------------------------------------------------------------------

    def ask(self, question: str, live: Callable[[], Answer], unknown: Answer, like: Any = None) -> Answer:
        """What `live` gives on the host itself, what a recording has kept of it, else `unknown`.

        `question` is the same text on every host, as `statvfs /srv`. A recorded answer must have the shape of `like`
        (of `unknown`, where that is None): see fits().
        """
        known = self.live or question in self._manifest.answers
        if self.live:
            answer = self._unrecorded(live)
        else:
            answer = self._answer(question, unknown, unknown if like is None else like)
        if known and (recorder := self._recording):
            recorder.answer(question, answer)
        return answer

    def derive(self, question: str, read: Callable[[], Answer], like: Any) -> Answer:
        """What `read` makes of files that are too large or too personal to be recorded: a recording has the answer."""
        missing: Any = None
        found: Answer = self.ask(question, read, missing, like)
        return read() if found is None and not self.live else found

    def sha256(self, path: str, size: int, public: Callable[[bytes], bytes] | None = None) -> str | None:
        """Digest of a regular file's first `size` bytes, or of what `public` makes of them. A recording has that of the
        text without personal details."""
        question = f"sha256 {path}"
        missing: str | None = None
        if question in self._manifest.answers:
            return self.ask(question, lambda: missing, missing, Optional[str])
        data = self._unrecorded(lambda: self.read_head(path, size))
        if public and data is not None:
            data = public(data)
        if recorder := self._recording:
            if data is None:
                recorder.answer(question, missing)
            else:
                recorder.digest(question, data)
        return _digest(data)

    def _answer(self, question: str, unknown: Answer, like: Any) -> Answer:
        if question not in self._manifest.answers:
            return unknown
        found: Answer = self._manifest.answers[question]
        if fits(found, like):
            return found
        self.problem(MANIFEST, f"a malformed answer to {question[:WORD]!r}")
        return unknown

    def _unrecorded(self, read: Callable[[], Answer]) -> Answer:
        """Run `read` so that nothing of what it reads goes into a recording."""
        self._muted.depth = getattr(self._muted, "depth", 0) + 1
        try:
            return read()
        finally:
            self._muted.depth -= 1

    def problem(self, path: str, what: str) -> None:
        """Note something unreadable or garbage, once."""
        text = clean(f"{path}: {what}")
        if text not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def boot_time(self) -> float | None:
        """When the running kernel started, in seconds since the epoch; None where that was not recorded."""
        unknown: float | None = None
        return self.ask("boot time", lambda: time.time() - time.clock_gettime(time.CLOCK_BOOTTIME), unknown, like=0.0)

    # -- paths ---------------------------------------------------------------------------------------------------

    def _inside(self, path: str, follow: bool = True) -> str:
        """``path`` with every link of it resolved below the root, the last one only if `follow`.

        Raises OSError for a loop, for a path that is too long, and where a recording has no end.
        """
        pending = [part for part in reversed(path.split("/")) if part]
        done: list[str] = []
        links = length = 0
        while pending:
            part = pending.pop()
            if part == ".":
                continue
            if part == "..":
                length -= len(done.pop()) + 1 if done else 0
                continue
            done.append(part)
            length += len(part) + 1
            self._steps += 1
            if length > MAX_PATH or (self._steps > MAX_STEPS and not self.live):
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            if not pending and not follow:
                break
            try:
                target = os.readlink(self._outside("/".join(done)))  # noqa: PTH115 - some thousands of them
            except OSError:  # not a link, or not there: the caller's own access tells which
                continue
            if recorder := self._recording:
                recorder.link("/" + "/".join(done), target)
            links += 1
            if links > MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            length -= len(done.pop()) + 1
            if target.startswith("/"):
                done.clear()
                length = 0
            pending.extend(part for part in reversed(target.split("/")) if part)
        return "/" + "/".join(done)

    def _outside(self, inside: str) -> str:
        return f"{self.root.rstrip('/')}/{inside.lstrip('/')}"

    def _failed(self, path: str, error: Exception) -> None:
        if not (isinstance(error, OSError) and error.errno in _ABSENT):
            self.problem(path, describe(error))

    def _refused(self, inside: str) -> None:
        """Fail as it failed on the host that was recorded."""
        number = self._manifest.errors.get(inside)
        if number.__class__ is int and number in errno.errorcode:
            raise OSError(number, os.strerror(number))

    def _note_error(self, inside: str, error: OSError) -> None:
        if (recorder := self._recording) and error.errno and error.errno not in _ABSENT:
            recorder.error(inside, error.errno)

    def realpath(self, path: str) -> str | None:
        """``path`` as the host would resolve it, or None where it does not exist."""
        try:
            inside = self._inside(path)
            self._stat(inside)
            return inside
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return None

    def link_name(self, path: str) -> str | None:
        """Last component of what the link ``path`` points to, whether or not that exists; None for no link."""
        try:
            inside = self._inside(path, follow=False)
            target = Path(self._outside(inside)).readlink()
            if recorder := self._recording:
                recorder.link(inside, str(target))
            return clean(target.name) or None
        except (OSError, ValueError) as error:
            if not (isinstance(error, OSError) and error.errno == errno.EINVAL):
                self._failed(path, error)
            return None

    # -- what is there -------------------------------------------------------------------------------------------

    def lookup(self, path: str, follow: bool = True) -> os.stat_result | None:
        """stat() of what ``path`` leads to, lstat() of itself unless `follow`, or None."""
        try:
            if self.live and not self._recording:
                return Path(path).stat() if follow else Path(path).lstat()
            return self._stat(self._inside(path, follow))
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return None

    def _stat(self, inside: str) -> os.stat_result:
        """lstat() of a path whose links are resolved. A recording tells what the files in it can't: owner, times,
        devices, and what was there and not read."""
        self._refused(inside)
        kept = self._manifest.stat.get(inside)
        try:
            seen = os.lstat(self._outside(inside))
        except OSError as error:
            if not isinstance(kept, dict):
                self._note_error(inside, error)
                raise
            seen = _told(kept, None)
        else:
            if self.complete and not self.live:  # whoever unpacked it owns the files
                seen = _told(kept if isinstance(kept, dict) else {}, seen)
        if recorder := self._recording:
            recorder.stat(inside, seen)
        return seen

    def exists(self, path: str) -> bool:
        return self.lookup(path) is not None

    def is_dir(self, path: str) -> bool:
        seen = self.lookup(path)
        return seen is not None and stat.S_ISDIR(seen.st_mode)

    def listdir(self, path: str) -> list[str]:
        """Names in a directory, sorted; at most MAX_ENTRIES."""
        try:
            names = self._names(path)
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return []
        if len(names) > MAX_ENTRIES:
            self.problem(path, f"{len(names)} entries, only the first {MAX_ENTRIES} are read")
        return names[:MAX_ENTRIES]

    def _names(self, path: str) -> list[str]:
        if self.live and not self._recording:
            return sorted(entry.name for entry in Path(path).iterdir())
        inside = self._inside(path)
        self._refused(inside)
        listed = self._manifest.listed.get(inside)
        known = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
        try:
            here = {entry.name for entry in Path(self._outside(inside)).iterdir()}
        except OSError as error:
            if not known:
                self._note_error(inside, error)
                raise
            here = set()
        found = sorted({name for name in here | known if name not in ("", ".", "..") and "/" not in name})
        if recorder := self._recording:
            recorder.listing(inside, found[:MAX_ENTRIES])
        return found

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

    def read_head(self, path: str, size: int, keep: Callable[[bytes], bytes] | None = None) -> bytes | None:
        """The first ``size`` bytes of a regular file; None for anything else. Never blocks.

        `keep` gives the part of a large file that belongs into a recording.
        """
        try:
            if self.live and not self._recording:
                return self._read(path, path, size)
            inside = self._inside(path)
            self._refused(inside)
            try:
                data = self._read(path, self._outside(inside), size)
            except OSError as error:
                self._note_error(inside, error)
                raise
            if (recorder := self._recording) and data is not None:
                recorder.file(inside, keep(data) if keep else data)
            return data
        except (OSError, ValueError) as error:
            self._failed(path, error)
            return None

    def _read(self, path: str, where: str, size: int) -> bytes | None:
        mode = Path(where).stat().st_mode
        if not stat.S_ISREG(mode):  # a device may act on being opened, a pipe may wait
            self.problem(path, "is a directory" if stat.S_ISDIR(mode) else "not a regular file")
            return None
        descriptor = os.open(where, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(size)

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
        if self._groups is not None:
            return self._groups
        groups = self._groups = {}
        for line in (self.read_text("/etc/group") or "").splitlines():
            fields = line.split(":")
            gid = parse_int(fields[2]) if len(fields) >= 3 else None
            if gid is not None:
                groups.setdefault(fields[0], gid)
        return groups

    def group_id(self, name: str) -> int | None:
        """Numeric id of a group: the live host's name service, or the recorded /etc/group."""
        return self.derive(f"group {name}", lambda: self._group_id(name), Optional[int])

    def _group_id(self, name: str) -> int | None:
        if not self.live:
            return self._group_file().get(name)
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, OSError):
            return None

    def group_name(self, gid: int) -> str | None:
        """Name of a numeric group id, or None."""
        return self.derive(f"group of {gid}", lambda: self._group_name(gid), Optional[str])

    def _group_name(self, gid: int) -> str | None:
        if not self.live:
            groups = self._group_file()
            return next((name for name, number in groups.items() if number == gid), None)
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


def _digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _told(kept: Mapping[str, Any], seen: os.stat_result | None) -> os.stat_result:
    """What a recording says of a path; of what it does not say, the kind of its file."""
    kind = stat.S_IFMT(seen.st_mode) if seen else stat.S_IFREG
    mode = {stat.S_IFDIR: 0o755, stat.S_IFLNK: 0o777}.get(kind, 0o644)
    told: dict[str, Any] = {**_STAT, "mode": kind | mode, "size": seen.st_size if seen else 0}
    for key, value in kept.items():
        if key in told and type(value) in (int, float) and 0 <= value <= U64_MAX:
            told[key] = value if key in ("mtime", "ctime") else int(value)
    told["mode"] = min(told["mode"], _MAX_MODE)
    whole = (told["mode"], told["ino"], told["dev"], 1, told["uid"], told["gid"], told["size"])
    times = (0, int(told["mtime"]), int(told["ctime"]))
    more = {"st_mtime": float(told["mtime"]), "st_ctime": float(told["ctime"]), "st_rdev": told["rdev"]}
    return os.stat_result(whole + times, more)


def unusable_root(root: str, given: str = "") -> str:
    """Why nothing can be read below `root`; empty if it can. `given` is where it was unpacked from."""
    if not root.startswith("/"):
        return f"root: an absolute path is needed, not {root!r}"
    tree = Tree(root)
    if tree.unusable:
        return f"root: {clean((given or root)[:WORD])}: {tree.unusable}"
    return "" if tree.is_dir("/") else f"root: {clean(root[:WORD])} is not a directory that can be read"


@contextmanager
def opened(root: str) -> Iterator[tuple[str, str]]:
    """The directory of `root`, and why it can't be read. A recording's archive is unpacked until the end."""
    try:
        packed = root.startswith("/") and stat.S_ISREG(Path(root).stat().st_mode)
    except (OSError, ValueError):
        packed = False
    if not packed:
        yield root, unusable_root(root)
        return
    from ._unpack import unpack  # few runs need it

    with tempfile.TemporaryDirectory(prefix="navilab-") as folder:
        problem = unpack(root, folder)
        yield folder, f"root: {clean(root[:WORD])}: {problem}" if problem else unusable_root(folder, root)
