# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run of Ansible is at work on this host: a file below /run, gone with the next boot.

It is a lease, since no process of a run stays on the host between two tasks: whoever holds it says how long the next
step may take, and renews it with each. Time is the kernel's since boot, which no clock that is set moves.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

from ._sysfs import describe
from ._types import Lock

LEASE_S = 1800
"""Of most steps: apt waits up to ten minutes for another one, and so does a reboot."""
RUN: dict[str, Any] = {  # which run is to hold the host: the action plugins say it
    "lease": {"type": "int", "default": LEASE_S},
    "run": {"type": "str"},
    "over": {"type": "str", "default": ""},
    "who": {"type": "str", "default": ""},
    "machine": {"type": "str", "default": ""},
    "pid": {"type": "int", "default": 0},
    "start": {"type": "int"},
}
ARGUMENTS: dict[str, Any] = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, **RUN}
FOLDER = Path("/run/navilab.webui")
ASIDE = Path("/var/cache/navilab.webui")
"""What a run puts aside on the host until it lets it go."""
_LIMIT = 4096
_TEXTS = ("run", "who", "machine")
_WORD = 200  # characters of one of them
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def read(folder: Path = FOLDER) -> Lock | None:
    """The run that holds the host; None where there is none, or where its time is over."""
    try:
        with (folder / "lock.json").open("rb") as stream:
            kept = json.loads(stream.read(_LIMIT))
        return _lock(kept)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None


def _lock(kept: Mapping[str, Any]) -> Lock | None:
    left = float(kept["until"]) - _now()
    if kept["boot"] != _boot() or not 0 < left < float("inf"):
        return None
    start = kept["start"]
    run, who, machine = (str(kept[key])[:_WORD] for key in _TEXTS)
    return {
        "run": run,
        "who": who,
        "machine": machine,
        "pid": int(kept["pid"]),
        "start": None if start is None else int(start),
        "since": float(kept["since"]),
        "seen": float(kept["seen"]),
        "left_s": round(left, 1),
    }


def take(mine: Mapping[str, Any], lease_s: float, over: str = "", folder: Path = FOLDER) -> Lock | None:
    """Hold the host for `mine` (run, who, machine, pid and start), or renew that; the lock of the other run where there
    is one. `over` names a run that is dead."""
    with _alone(folder):
        held = read(folder)
        if held and held["run"] not in (mine["run"], over):
            return held
        now = time.time()
        since = held["since"] if held and held["run"] == mine["run"] else now
        kept = {**mine, "since": since, "seen": now, "until": _now() + lease_s, "boot": _boot()}
        new = folder / ".lock.new"
        new.write_text(json.dumps(kept), encoding="utf-8")
        new.chmod(0o644)
        new.replace(folder / "lock.json")
    return None


def host_lock(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The module's result."""
    if given["state"] == "present":
        return {"changed": False, **hold(given, check)}
    problem = ""
    try:
        if given["run"] and not check:
            release(given["run"], FOLDER)
            if not read(FOLDER):
                shutil.rmtree(ASIDE, ignore_errors=True)
    except OSError as error:
        problem = f"{FOLDER}: {describe(error)}"
    return {"changed": False, "held": False, "lock": None, "problem": problem}


class Held(TypedDict):
    """Whether a run holds the host, another's lock, and why a lock could not be kept: nobody is kept from it then."""

    held: bool
    lock: Lock | None
    problem: str


def hold(given: Mapping[str, Any], check: bool) -> Held:
    """Hold the host for a run, where one is named; that no lock can be kept stops no run."""
    if check or not given["run"]:
        return {"held": False, "lock": None, "problem": ""}
    mine = {key: given[key] for key in ("run", "who", "machine", "pid", "start")}
    try:
        other = take(mine, given["lease"], given["over"], FOLDER)
    except OSError as error:
        return {"held": False, "lock": None, "problem": f"{FOLDER}: {describe(error)}"}
    return {"held": other is None, "lock": other, "problem": ""}


def release(run: str, folder: Path = FOLDER) -> bool:
    """Let the host go; whether the run held it."""
    if not (held := read(folder)) or held["run"] != run:
        return False
    with _alone(folder):
        if not (held := read(folder)) or held["run"] != run:
            return False
        (folder / "lock.json").unlink()
    return True


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs that begin at once take turns."""
    try:
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask
    except FileExistsError:
        pass
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
