"""What a command costs the controller: wall and CPU seconds and memory of its whole tree, its daemons included."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
INTERVAL = 0.2  # seconds between two samples of memory
SHARE = 20  # sampling gets at most 1/20 of one core: a big tree is sampled less often


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds, MiB, exit status (124: it was stopped at its time limit)."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    status: int


def measure(
    command: Sequence[str], log: Path, environment: Mapping[str, str], timeout: float, stdout: Path | None = None
) -> Cost:
    """Run a command with its output in `log`, its stdout in a file of its own if one is named.

    Processes that detach themselves (ssh's ControlPersist) come back to us, are counted, and end with the command.
    """
    _adopt(True)
    strangers = descendants()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = [0]
    ended = threading.Event()
    sampler = threading.Thread(target=_sample, args=(strangers, peak, ended))
    try:
        with log.open("wb") as output, (stdout or Path(os.devnull)).open("wb") as own:
            begin = time.monotonic()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=own if stdout else output, stderr=output, env=environment,
                start_new_session=True,
            )  # fmt: skip
            sampler.start()
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                status = 124
            wall = time.monotonic() - begin
            ended.set()
            sampler.join()
            _end(descendants() - strangers)
            process.poll()
    finally:
        ended.set()
        _adopt(False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(round(wall, 2), round(cpu, 2), round(peak[0] / 1024, 1), status)


def descendants() -> set[int]:
    """Process ids of all that came from this process."""
    parents: dict[int, list[int]] = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            try:
                stat = (directory / "stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue  # it has ended
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(directory.name))
    found: set[int] = set()
    rest = [os.getpid()]
    while rest:
        new = parents.get(rest.pop(), [])
        found.update(new)
        rest += new
    return found


def _sample(strangers: set[int], peak: list[int], ended: threading.Event) -> None:
    """Keep the largest sum of KiB that the tree had at once."""
    took = 0.0
    while not ended.wait(max(INTERVAL, SHARE * took)):
        begin = time.thread_time()
        peak[0] = max(peak[0], sum(_memory(pid) for pid in descendants() - strangers))
        took = time.thread_time() - begin


def _memory(pid: int) -> int:
    """KiB of a process, pages that it shares divided among those who share them (forks share nearly all)."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(key):
                return int(line.split()[1])
    return 0


def _adopt(wanted: bool) -> None:
    """Whether a process whose parent has ended becomes our child, where its CPU seconds are counted when it ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _end(left: set[int]) -> None:
    """End what a command left running, by id, and reap it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in left:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + 5
        while left and time.monotonic() < deadline:
            left = {pid for pid in left if not _reaped(pid)}
            time.sleep(0.02)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # its parent still lives, or has reaped it
        return not Path(f"/proc/{pid}").exists()
