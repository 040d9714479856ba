# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is one run's at a time: whose lock it is that a host has, and what a second run is told."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._lock import LEASE_S
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._caller import caller
from ._fresh import RUN
from ._text import problem

PROCESS = os.getpid()
"""ansible-playbook itself: like RUN, made once in the controller's parent process."""
RENEW_S = 300.0
"""Seconds that a step may begin with less than its lease; with even less left, it renews the lock."""
LEASES = {"webui": 9000, "amdgpu_dkms": 7200}
"""Seconds that a step may take. webui: two hours for an image and what follows it; amdgpu_dkms: a build a kernel."""
LONGEST_S = 10800
"""Of playbooks/build.yml, which builds images."""


def lease_s(steps: Iterable[str]) -> int:
    """The lease for steps that begin."""
    return max([LEASES.get(step, LEASE_S) for step in steps], default=LEASE_S)


def lasts(until: float, lease: int) -> bool:
    """Whether a lock that this run holds until then does for a lease that begins now."""
    left = until - time.time()
    return lease - min(RENEW_S, lease / 2) < left <= LONGEST_S  # beyond that, the clock was set back


def mine() -> dict[str, Any]:
    """This run, as arguments of host_lock."""
    pid = os.getppid() if os.getpid() == PROCESS else PROCESS
    return {"run": RUN, "who": _who(), "machine": _machine(), "pid": pid, "start": _start(pid)}


def other(lock: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The lock, if it is of another run that lives."""
    if not lock or lock["run"] == RUN:
        return None
    own = mine()
    same = lock["machine"] == own["machine"] != ""
    if same and (lock["pid"], lock["start"]) == (own["pid"], own["start"]):
        return None
    return None if same and not _lives(int(lock["pid"]), lock["start"]) else lock


def busy(lock: Mapping[str, Any], host: str) -> Check:
    """What the second run is told."""
    minutes = max(1, round(lock["left_s"] / 60))
    return problem(
        "host_busy",
        f"another run is at work on this host: {lock['who']}, process {lock['pid']} there, since {_at(lock['since'])}, "
        f"last seen at {_at(lock['seen'])} (run {lock['run'][:8]})",
        f"wait for its end and run again. If it is dead: in {minutes} min it no longer holds the host, or at once with "
        f"ansible {host} -b -m ansible.builtin.file -a 'path=/run/navilab.webui/lock.json state=absent'",
    )


def _at(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):  # what a host says
        return str(seconds)


def _who() -> str:
    """In a job of AWX, that one: its container has an account and a name that tell nobody anything."""
    job, awx = os.environ.get("JOB_ID"), os.environ.get("AWX_HOST")
    return f"job {job} of {awx}" if job and awx else f"{caller() or os.geteuid()}@{socket.gethostname()}"


def _machine() -> str:
    """This boot of this machine, or container on it: where process numbers mean the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux
        return socket.gethostname()


def _lives(pid: int, start: int | None) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        pass
    now = _start(pid)
    return start is None or now is None or now == start


def _start(pid: int) -> int | None:
    """When a process began; its number may have become another's."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return int(fields[19])
    except (OSError, ValueError, IndexError):
        return None
