# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in a process of its own, with a user's rights, which short calls look after in turn.

A call starts it, or finds it, waits some seconds and tells how far it is. Nothing stays on a host for long: where no
call has asked for PATIENCE seconds, since the run ended or its controller is gone, the work ends itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import grp
import json
import os
import pwd
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

FOLDER = Path("/run/navilab.webui/work")
PATIENCE = 120.0
_INTERVAL = 0.1
_EVERY = 0.5  # seconds between two notes of how far it is
_LIMIT = 1 << 20

Report = Callable[[str, int, Optional[int], str], None]
Work = Callable[[Report], Mapping[str, Any]]


class Account(NamedTuple):
    """Whose rights the work has."""

    uid: int
    gid: int
    groups: Sequence[int]


class Abandoned(Exception):  # noqa: N818 -- no error
    """Nobody asks any more."""


def account(owner: str, group: str | None) -> Account:
    """An account by name or number, with its own group unless another one is named; LookupError where there is none."""
    try:
        found = pwd.getpwuid(int(owner)) if owner.isdigit() else pwd.getpwnam(owner)
    except KeyError:
        raise LookupError(f"there is no account {owner}") from None
    try:
        gid = found.pw_gid if group is None else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise LookupError(f"there is no group {group}") from None
    return Account(found.pw_uid, gid, tuple({gid, *os.getgrouplist(found.pw_name, found.pw_gid)}))


def attend(key: str, job: str, work: Work, who: Account, seconds: float) -> Mapping[str, Any]:
    """Start the work `key` unless it is under way, and wait for it: its result, or {"running": how far it is}, or
    {"died": True}. What another `job` left is no result of this one's: who knows what became of it since."""
    try:
        _make(FOLDER)
    except OSError:
        if os.geteuid() == 0:
            raise
        return work(_no_report)  # a user who has no place there waits for it
    end = time.monotonic() + seconds
    path, asked = FOLDER / key, FOLDER / f"{key}.asked"
    while True:
        asked.write_text(repr(time.monotonic()), encoding="ascii")
        with _locked(path) as (descriptor, free):
            state = _read(descriptor)
            if free and state.get("job") == job:
                path.unlink()
                asked.unlink()
                result: Mapping[str, Any] = state.get("result", {"died": True})
                return result
            if free:
                _start(descriptor, asked, job, work, who)
        if time.monotonic() >= end:
            return {"running": state.get("progress") or {}}
        time.sleep(_INTERVAL)


def _no_report(_what: str, _done: int, _total: int | None, _source: str) -> None:
    pass


def _make(folder: Path) -> None:
    for each, mode in ((folder.parent, 0o755), (folder, 0o700)):
        with contextlib.suppress(FileExistsError):
            each.mkdir()
            each.chmod(mode)  # whatever the umask


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[tuple[int, bool]]:
    """The work's file, and whether no process is at it. The lock goes on with the process that is started meanwhile."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield descriptor, False
                return
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.lstat()):
                    yield descriptor, True
                    return
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> dict[str, Any]:
    try:
        # What follows the first value is of an older note, which was longer.
        value, _end = json.JSONDecoder().raw_decode(os.pread(descriptor, _LIMIT, 0).decode())
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _write(descriptor: int, state: Mapping[str, Any]) -> None:
    text = json.dumps(state).encode()
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))


def _start(descriptor: int, asked: Path, job: str, work: Work, who: Account) -> None:
    """Begin in a process that outlives this one and holds the lock."""
    _write(descriptor, {"job": job})
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            _run(descriptor, os.open(asked, os.O_RDONLY | os.O_CLOEXEC), job, work, who)
    finally:
        os._exit(0)  # nothing of the caller's goes on here, whatever happened


def _run(descriptor: int, asked: int, job: str, work: Work, who: Account) -> None:
    noted = 0.0

    def report(what: str, done: int, total: int | None, source: str) -> None:
        nonlocal noted
        now = time.monotonic()
        if now - noted < _EVERY:
            return
        noted = now
        with contextlib.suppress(ValueError):  # it is being written
            if now - float(os.pread(asked, 64, 0)) > PATIENCE:
                raise Abandoned
        progress = {"what": what, "done": done, "total": total, "source": source, "at": round(now, 2)}
        _write(descriptor, {"job": job, "progress": progress})

    try:
        _detach(descriptor, asked)
        _become(who)
        _write(descriptor, {"job": job, "result": dict(work(report))})
    except Abandoned:
        _write(descriptor, {})
    except BaseException as error:
        _write(descriptor, {"job": job, "result": {"error": f"{type(error).__name__}: {error}"}})


def _detach(*kept: int) -> None:
    """Let go of what the caller has open: its connection would wait for that."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 -- numbers, no paths
        if int(name) > 2 and int(name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _become(who: Account) -> None:
    """Take the account's rights for good."""
    if os.geteuid() == who.uid:
        return
    os.setgroups(list(who.groups))
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
