"""Whose a host's lock is, and what the second run is told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils import _lock


def lock(**changes: Any) -> dict[str, Any]:
    """Another run, of the process that runs these tests on this machine."""
    own = {**_lock.mine(), "pid": os.getpid(), "start": _lock._start(os.getpid())}
    return {**own, "run": "b" * 32, "who": "ada@desk", "since": 1.0, "seen": 61.0, "left_s": 1799.0, **changes}


def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_no_lock_and_ones_own_are_nobody_elses() -> None:
    assert _lock.other(None) is None
    assert _lock.other(lock(run=_lock.RUN)) is None
    # A worker of a run whose plugin was not imported by the parent: the process tells.
    assert _lock.other(lock(pid=_lock.mine()["pid"], start=_lock.mine()["start"])) is None


def test_another_run_that_lives_here() -> None:
    assert _lock.other(lock()) == lock()


@pytest.mark.parametrize("dead", [{"pid": gone(), "start": None}, {"pid": os.getpid(), "start": 1}, {"pid": 2**40}])
def test_of_a_run_that_was_started_here_its_process_tells(dead: dict[str, Any]) -> None:
    assert _lock.other(lock(**dead)) is None


def test_of_a_run_from_elsewhere_the_process_is_not_known() -> None:
    assert _lock.other(lock(machine="another", pid=2**40))
    assert _lock.other(lock(machine="", pid=2**40))


def test_what_the_second_run_is_told() -> None:
    check = _lock.busy(lock(), "node1")
    assert (check["id"], check["status"]) == ("host_busy", "failed")
    for words in ("ada@desk", f"process {os.getpid()}", "since 1970-01-01 00:00:01 UTC", "00:01:01 UTC", "bbbbbbbb"):
        assert words in check["evidence"], words
    assert "in 30 min" in check["remedy"] and "ansible node1 -b" in check["remedy"]
    assert _lock.busy(lock(since=1e300, left_s=1.0), "node1")["evidence"]  # what a host says


def test_in_a_job_of_awx_that_has_it_and_not_its_containers_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_ID", "7")  # others set this one, too
    monkeypatch.delenv("AWX_HOST", raising=False)
    assert _lock.mine()["who"].endswith(f"@{socket.gethostname()}")
    monkeypatch.setenv("AWX_HOST", "https://awx.lab.example")
    assert _lock.mine()["who"] == "job 7 of https://awx.lab.example"


def test_the_lease_is_that_of_the_longest_step() -> None:
    assert _lock.lease_s(["firmware", "webui"]) == _lock.LEASES["webui"]
    assert _lock.lease_s(["gpu_access"]) == _lock.lease_s([]) == _lock.LEASE_S


def test_a_run_says_who_it_is() -> None:
    mine = _lock.mine()
    assert mine["run"] == _lock.RUN and mine["who"].count("@") == 1
    assert mine["pid"] != os.getpid() and mine["start"] == _lock._start(mine["pid"])


@pytest.mark.parametrize(
    ("left", "lease", "lasts"),
    [
        (-100, 120, False),
        (50, 120, False),
        (110, 120, True),
        (1600, 1800, True),
        (1400, 1800, False),
        (10700, 10800, True),
    ],
)
def test_a_lock_is_renewed_in_time(left: float, lease: int, lasts: bool) -> None:
    assert _lock.lasts(time.time() + left, lease) is lasts
