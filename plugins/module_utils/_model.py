# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file with a known checksum: found on the host, or fetched from the first address that has it.

What is fetched grows in a part file beside the target, which stays when a run is cut off, and gets the final name when
its checksum is right, never before. The directory is a user's, who may have put anything there: so whoever calls this
has that user's rights by then, the part file is opened without following a link, and is nobody else's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import posixpath
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, TypedDict

from ._addresses import Address, Broken, Misplaced, OutOfRange, Refused, opened, page, parse, reason
from ._background import account, attend
from ._lab_registry import MODELS
from ._types import Check

ARGUMENTS: dict[str, Any] = {  # of the module and of the action plugin that repeats it
    "path": {"type": "str", "required": True},
    "name": {"type": "str"},
    "sha256": {"type": "str", "required": True},
    "size": {"type": "int"},
    "urls": {"type": "list", "elements": "str", "default": []},
    "secret_urls": {"type": "dict", "default": {}, "no_log": True},
    "candidates": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "cas": {"type": "dict", "default": {}},
    "slice": {"type": "int", "default": 10},
    "job": {"type": "str", "default": ""},
}
TRIES = 5
"""How often an address is asked in a row without a step forward."""
TRIES_IDLE = 2
"""The same where nothing answers at all."""
TRIES_IN_ALL = 100
STEP = 1 << 20
"""Bytes that count as a step forward."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
_CHUNK = 1 << 18
_FICLONE = 0x40049409
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Report = Callable[[str, int, Optional[int], str], None]
"""Is called with what is done, bytes, bytes in all and from where. It may raise, which ends the work."""


class Wanted(NamedTuple):
    """`urls` with their logins; `size` None where it is not known; `gid` -1 leaves the group."""

    path: str
    sha256: str
    size: int | None = None
    urls: Sequence[str] = ()
    candidates: Sequence[str] = ()
    mode: int = 0o644
    gid: int = -1
    cas: Mapping[str, str] = {}
    check: bool = False


class Outcome(TypedDict):
    """`how`: present, linked, copied, fetched, or attributes where only these differed. `fetched` came over the net,
    `resumed` was left by an earlier run."""

    changed: bool
    how: str
    size: int | None
    fetched: int
    resumed: int
    address: str
    notes: list[str]
    checks: list[Check]


class Failure(Exception):  # noqa: N818 -- what a host is told, no error of ours
    """It can't be had; a check a reason."""

    def __init__(self, checks: list[Check]) -> None:
        super().__init__("; ".join(check["evidence"] for check in checks))
        self.checks = checks


def failed(check: str, evidence: str, remedy: str) -> Check:
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy, "note": "", "reason": ""}


def size_text(size: int) -> str:
    """Bytes for a sentence: 4.0 GiB."""
    value = float(size)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit != "MiB" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def part_name(name: str, sha256: str) -> str:
    """The part file of a file, beside it."""
    return f".{name}.part-{sha256[:12]}"


def blob_url(registry: str, sha256: str) -> str:
    """Where the lab's registry serves a model."""
    return f"https://{registry}/v2/{MODELS}/blobs/sha256:{sha256}"


def new_outcome(wanted: Wanted) -> Outcome:
    return {
        "changed": False, "how": "present", "size": wanted.size, "fetched": 0, "resumed": 0, "address": "",
        "notes": [], "checks": [],
    }  # fmt: skip


def ensure(wanted: Wanted, report: Report, outcome: Outcome) -> None:
    """Have the file, whatever it takes, and fill in `outcome`; Failure where it can't be had."""
    folder, name = posixpath.split(wanted.path)
    try:
        where = os.open(folder or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        if wanted.check and error.errno == errno.ENOENT:  # the task before, which makes it, has only been predicted
            outcome.update({"changed": True, "how": "fetched"})
            return
        raise _unwritable(folder, error) from None
    try:
        _Work(wanted, where, folder, name, report, outcome).do()
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        os.close(where)


def _unwritable(folder: str, error: OSError) -> Failure:
    if error.errno in _FULL:
        return Failure([failed("disk_space", f"{folder}: {reason(error)}", "free some there, and run it again")])
    who = f"account {os.geteuid()}"
    remedy = f"let {folder} be a directory that its owner can write, on a disk that is well"
    return Failure([failed("data_writable", f"{folder}: {reason(error)}, as {who}", remedy)])


class _Work:
    """One file's way; `where` is its directory, which stays the same one whatever becomes of its name."""

    def __init__(self, wanted: Wanted, where: int, folder: str, name: str, report: Report, outcome: Outcome) -> None:
        self.wanted, self.where, self.folder, self.name = wanted, where, folder, name
        self.report, self.outcome = report, outcome

    def do(self) -> None:
        state = self._state()
        if state == "right":
            return
        self.outcome.update({"changed": True, "how": "attributes" if state == "attributes" else "fetched"})
        if self.wanted.check:
            if state == "missing":
                self._room(0, self.wanted.size)
        elif state == "attributes":
            self._dress()
        else:
            with self._part() as part:
                if part is None:  # another run has put it there in the meantime
                    self.outcome.update({"changed": False, "how": "present"})
                    return
                others = [self.wanted.path] if state == "foreign" else []
                if not self._linked_or_copied(part, [*others, *self.wanted.candidates]):
                    self._fetch(part)
                self.outcome["size"] = part.size

    # -- what is there ------------------------------------------------------------------------------------------------

    def _state(self) -> str:
        """right, attributes (they alone differ), foreign (right, but somebody else's) or missing."""
        try:
            # Through a link too: with the owner's rights, and only to read.
            descriptor = os.open(self.name, _READ, dir_fd=self.where)
        except (FileNotFoundError, PermissionError):
            return "missing"
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                return "missing"
            raise
        with _closing(descriptor):
            found = os.fstat(descriptor)
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(errno.EISDIR, f"{self.name} is a directory")
            if not self._same(descriptor, found):
                return "missing"
            linked = stat.S_ISLNK(os.lstat(self.name, dir_fd=self.where).st_mode)
        self.outcome["size"] = found.st_size
        if linked or self._dressed(found):
            return "right"
        return "attributes" if found.st_uid == os.geteuid() else "foreign"

    def _dressed(self, found: os.stat_result) -> bool:
        group = self.wanted.gid in (-1, found.st_gid)
        return group and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == self.wanted.mode

    def _dress(self) -> None:
        descriptor = os.open(self.name, _READ | os.O_NOFOLLOW, dir_fd=self.where)
        with _closing(descriptor):
            _dress(descriptor, self.wanted)

    def _same(self, descriptor: int, found: os.stat_result) -> bool:
        """Whether an open file is the wanted one."""
        if not stat.S_ISREG(found.st_mode) or self.wanted.size not in (None, found.st_size):
            return False
        hasher, done = hashlib.sha256(), 0
        while chunk := os.pread(descriptor, _CHUNK, done):
            hasher.update(chunk)
            done += len(chunk)
            self.report("checking", done, found.st_size, "")
        return hasher.hexdigest() == self.wanted.sha256

    # -- the part file ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _part(self) -> Iterator[_Part | None]:
        """The part file, locked; None where another run, that was waited for, has put the file there."""
        name, waited = part_name(self.name, self.wanted.sha256), False
        while True:
            done = 0
            descriptor = _open_part(name, self.where)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is(descriptor, name, self.where):
                    break
                os.close(descriptor)
                continue
            except BlockingIOError:
                done = os.fstat(descriptor).st_size
                os.close(descriptor)
            waited = True
            self.report("another run fetches it", done, self.wanted.size, "")
            time.sleep(0.5)
        with _closing(descriptor):
            if waited:
                self.outcome["notes"].append("another run was at it, which was waited for")
                if self._state() == "right":
                    os.unlink(name, dir_fd=self.where)
                    yield None
                    return
            part = _Part(descriptor, self.wanted, self.report)
            try:
                yield part
            except BaseException:
                if part.size == 0 and _is(descriptor, name, self.where):  # what is in it goes on with the next run
                    os.unlink(name, dir_fd=self.where)
                raise

    def _place(self, part: _Part) -> None:
        """The final name, for a file that is whole and on the disk."""
        name = part_name(self.name, self.wanted.sha256)
        _dress(part.descriptor, self.wanted)
        self.report("writing to the disk", part.size, part.size, self.outcome["address"])
        os.fsync(part.descriptor)
        if not _is(part.descriptor, name, self.where):
            raise OSError(errno.ESTALE, f"{name} was replaced")
        os.rename(name, self.name, src_dir_fd=self.where, dst_dir_fd=self.where)
        os.fsync(self.where)

    # -- on this host -------------------------------------------------------------------------------------------------

    def _linked_or_copied(self, part: _Part, candidates: Sequence[str]) -> bool:
        for path in candidates:
            try:
                descriptor = os.open(path, _READ)
            except (OSError, ValueError):
                continue
            with _closing(descriptor):
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or self.wanted.size not in (None, found.st_size):
                    continue
                if not self._same(descriptor, found):
                    continue
                if self._dressed(found) and self._link(descriptor):
                    self.outcome.update({"how": "linked", "address": path})
                    part.size = found.st_size
                    return True
                self._room(part.size, found.st_size)
                if part.copy(descriptor, found.st_size, path):
                    self.outcome.update({"how": "copied", "address": path})
                    self._place(part)
                    return True
        return False

    def _link(self, descriptor: int) -> bool:
        """A second name for a file of the same owner, group and mode: the one that was checked, whatever its path."""
        name = part_name(self.name, self.wanted.sha256)
        new = f"{name}.link"
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new, dir_fd=self.where)
            os.link(f"/proc/self/fd/{descriptor}", new, dst_dir_fd=self.where, follow_symlinks=True)
        except OSError:  # another file system, or one without hard links
            return False
        os.rename(new, self.name, src_dir_fd=self.where, dst_dir_fd=self.where)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self.where)
        os.fsync(self.where)
        return True

    # -- from an address ----------------------------------------------------------------------------------------------

    def _fetch(self, part: _Part) -> None:
        part.load()
        self.outcome["resumed"] = part.kept
        if part.whole and part.right:  # only its last step was missing
            self.outcome["how"] = "fetched"
            self._place(part)
            return
        self._room(part.size, self.wanted.size)
        checks: list[Check] = []
        for url in self.wanted.urls:
            try:
                address = parse(url)
            except ValueError as error:
                checks.append(failed("model_available", str(error), "correct it"))
                continue
            try:
                self._from(address, part)
            except _WrongError as error:
                checks.append(failed("model_checksum", f"{address.shown}: {error}", _RIGHT))
            except (Broken, Refused) as error:
                checks.append(failed("model_available", f"{address.shown}: {error}", error.remedy))
            except Failure as failure:
                raise Failure([*checks, *failure.checks]) from None
            else:
                self.outcome.update({"how": "fetched", "address": address.shown, "resumed": part.kept})
                self.outcome["notes"] += [f"{check['evidence']}" for check in checks]
                self._place(part)
                return
        if not self.wanted.urls:
            checks.append(failed("model_available", f"{self.name}: no address is known", "name one"))
        raise Failure(checks)

    def _from(self, address: Address, part: _Part) -> None:
        """Fill the part file from one address, until its checksum is right."""
        mixed, ranges, tries, mark = part.size > 0, True, 0, part.size
        for _count in range(TRIES_IN_ALL):
            try:
                self._stream(address, part, ranges)
            except OutOfRange as error:
                if not part.size or error.total != part.size or not part.right:
                    self._again(part, f"{address.host} has a shorter file than what was here")
                    if error.total == 0 or not mixed:
                        raise
                    mixed = False
                    continue
            except Broken as error:
                forward = part.size >= mark + STEP
                mark, tries = max(mark, part.size), 0 if forward else tries + 1
                if tries >= (TRIES_IDLE if error.idle else TRIES):
                    raise
                self.outcome["notes"].append(f"{address.host}: {error}, at {size_text(part.size)}; asked again")
                if isinstance(error, Misplaced):
                    ranges = mixed = False
                    part.restart()
                self._wait(error.pause or PAUSES[min(max(tries, 1), len(PAUSES)) - 1], part, address)
                continue
            if part.begun_anew:
                part.begun_anew = mixed = False
            if part.right:
                return
            if not mixed:
                wrong = part.digest
                part.restart()
                raise _WrongError(f"its sha256 is {wrong}")
            mixed = False
            self._again(part, f"what was here of an earlier time made another file: {address.host} is asked for all")
        raise Broken(f"the connection broke {TRIES_IN_ALL} times")

    def _again(self, part: _Part, why: str) -> None:
        if part.size:
            self.outcome["notes"].append(why)
        part.restart()

    def _wait(self, seconds: float, part: _Part, address: Address) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.report("waiting to ask again", part.size, self.wanted.size, address.host)
            time.sleep(min(left, 1.0))

    def _stream(self, address: Address, part: _Part, ranges: bool) -> None:
        """What one answer brings. Broken where it ends early."""
        if part.whole:
            return
        with opened(address, part.size, ranges, self.wanted.cas) as answer:
            total = answer.total
            if page(answer) and (self.wanted.size is None or total != self.wanted.size):
                raise Refused("answers with a page for people, no file", "see what it says, or name another address")
            if total is not None and self.wanted.size not in (None, total):
                raise Refused(f"its file has {total} bytes, not {self.wanted.size}", _RIGHT)
            if answer.offset != part.size:
                part.begun_anew = True
                self._again(part, f"{address.host} sends all of it again, from its first byte on")
            self._room(part.size, total if self.wanted.size is None else self.wanted.size)
            most = self.wanted.size if total is None else total
            read = getattr(answer.stream, "read1", answer.stream.read)  # what has come, without waiting for more
            while (total is None or part.size < total) and (chunk := read(_CHUNK)):
                self.outcome["fetched"] += len(chunk) if address.scheme != "file" else 0
                if most is not None and part.size + len(chunk) > most:
                    part.restart()
                    raise Refused(f"sends more than {most} bytes", _RIGHT)
                self._write(part, chunk)
                self.report("fetching", part.size, most, address.host)
            if most is not None and part.size < most:
                raise Broken(f"the connection ended {size_text(most - part.size)} too early")

    def _write(self, part: _Part, chunk: bytes) -> None:
        try:
            part.write(chunk)
        except OSError as error:  # none of the network's
            raise _unwritable(self.folder, error) from None

    def _room(self, there: int, total: int | None) -> None:
        """Stop before anything is written where it would not fit."""
        if total is None:
            return
        seen = os.fstatvfs(self.where)
        free, needed = seen.f_bavail * seen.f_frsize, total - there
        if needed > free:
            evidence = f"{self.folder}: {size_text(free)} free, {size_text(needed)} are needed for {self.name}"
            remedy = "free some there, or move the directory (webui_data_dir) to a larger disk; what was fetched stays"
            raise Failure([failed("disk_space", evidence, remedy)])


_RIGHT = "correct sha256 and size, or name an address that has that file"
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class _WrongError(Exception):
    """All of it came from one address, and it is another file."""


class _Part:
    """The part file: how much of it is there, and the checksum of that."""

    def __init__(self, descriptor: int, wanted: Wanted, report: Report) -> None:
        self.descriptor, self._wanted, self._report = descriptor, wanted, report
        self.size = os.fstat(descriptor).st_size
        self.kept, self.begun_anew = 0, False
        self._hasher = hashlib.sha256()

    def load(self) -> None:
        """Take up what an earlier run left."""
        if self._wanted.size is not None and self.size > self._wanted.size:
            self.restart()
        self._hasher, done = hashlib.sha256(), 0
        while done < self.size and (chunk := os.pread(self.descriptor, min(_CHUNK, self.size - done), done)):
            self._hasher.update(chunk)
            done += len(chunk)
            self._report("checking what is here", done, self.size, "")
        self.size = self.kept = done

    def restart(self) -> None:
        os.ftruncate(self.descriptor, 0)
        self.size = self.kept = 0
        self._hasher = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            count = os.pwrite(self.descriptor, view, self.size)
            self._hasher.update(view[:count])
            self.size += count
            view = view[count:]

    def copy(self, source: int, size: int, path: str) -> bool:
        """Take another file's content; whether that is the wanted one. Shared with it where the file system can."""
        self.restart()
        shared = _cloned(source, self.descriptor)
        done = 0
        while chunk := os.pread(source, _CHUNK, done):
            if shared:
                self._hasher.update(chunk)
                self.size += len(chunk)
            else:
                self.write(chunk)
            done += len(chunk)
            self._report("copying", done, size, path)
        if self.right:
            return True
        self.restart()
        return False

    @property
    def whole(self) -> bool:
        return self._wanted.size is not None and self.size >= self._wanted.size

    @property
    def digest(self) -> str:
        return self._hasher.hexdigest()

    @property
    def right(self) -> bool:
        return self.digest == self._wanted.sha256


def _cloned(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _open_part(name: str, where: int) -> int:
    """A plain file of our own with no other name, open; whatever else has that name is removed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    for _attempt in range(10):
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=where)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EACCES):
                raise
            # A directory stays, and is named. EACCES: another's file, or no right to make one, which unlink says too.
            os.unlink(name, dir_fd=where)
            continue
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink <= 1:
            return descriptor
        os.close(descriptor)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=where)
    raise OSError(errno.EBUSY, f"{name} is made anew by somebody else all the time")


def _is(descriptor: int, name: str, where: int) -> bool:
    """Whether a name still is the file that is open."""
    try:
        named = os.lstat(name, dir_fd=where)
    except FileNotFoundError:
        return False
    found = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (found.st_dev, found.st_ino)


def _dress(descriptor: int, wanted: Wanted) -> None:
    if wanted.gid != -1:
        os.fchown(descriptor, -1, wanted.gid)
    os.fchmod(descriptor, wanted.mode)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def wanted_of(arguments: Mapping[str, Any], check: bool, gid: int) -> Wanted:
    """The module's arguments; ValueError says which is wrong."""
    path, sha256 = arguments["path"], arguments["sha256"].lower()
    if not path.startswith("/") or posixpath.basename(path) in ("", ".", "..") or "\0" in path:
        raise ValueError(f"path: {path} is no absolute path of a file")
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("sha256: 64 hex digits are expected")
    if not re.fullmatch(r"[0-7]{3,4}", arguments["mode"]):
        raise ValueError(f"mode: {arguments['mode']} is no number of three or four octal digits")
    urls = list(arguments["urls"])
    for number, url in arguments["secret_urls"].items():
        urls[int(number)] = url
    return Wanted(
        path, sha256, arguments["size"], tuple(urls), tuple(arguments["candidates"]), int(arguments["mode"], 8), gid,
        {host: str(ca) for host, ca in arguments["cas"].items()}, check,
    )  # fmt: skip


def attended(arguments: Mapping[str, Any], check: bool) -> Mapping[str, Any]:
    """One call of the module: what came of the work, or how far it is. A failure is a result with `checks`."""
    try:
        who = account(arguments["owner"], arguments["group"])
        wanted = wanted_of(arguments, check, who.gid)
    except (LookupError, ValueError) as error:
        return {"checks": [failed("variables", str(error), "correct it")]}

    def work(report: Report) -> Mapping[str, Any]:
        outcome = new_outcome(wanted)
        try:
            ensure(wanted, report, outcome)
        except Failure as failure:
            outcome.update({"changed": False, "how": "", "checks": failure.checks})
        return outcome

    key = hashlib.sha256(f"{wanted.path}\0{wanted.sha256}\0{check}".encode()).hexdigest()[:32]
    return attend(key, arguments["job"], work, who, max(0, arguments["slice"]))
