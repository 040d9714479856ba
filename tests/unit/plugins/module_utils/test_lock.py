"""A host is one run's at a time, and no longer than that run may live."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _lock

ADA = {"run": "a" * 32, "who": "ada@desk", "machine": "m1", "pid": 100, "start": 5}
BOB = {"run": "b" * 32, "who": "bob@laptop", "machine": "m2", "pid": 200, "start": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "navilab"


def change(folder: Path, **values: Any) -> None:
    path = folder / "lock.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_nobody_holds_a_host_that_has_no_lock(folder: Path) -> None:
    assert _lock.read(folder) is None
    assert not folder.exists()  # reading leaves nothing
    assert not _lock.release(ADA["run"], folder)
    assert not folder.exists()


def test_the_second_run_is_told_of_the_first(folder: Path) -> None:
    assert _lock.take(ADA, 60, folder=folder) is None
    held = _lock.take(BOB, 60, folder=folder)
    assert held is not None
    assert (held["run"], held["who"], held["pid"]) == (ADA["run"], "ada@desk", 100)
    assert 0 < held["left_s"] <= 60 and time.time() - held["since"] < 60
    assert _lock.read(folder) == {**held, "left_s": pytest.approx(held["left_s"], abs=5)}
    assert f"{folder.stat().st_mode & 0o777:o} {(folder / 'lock.json').stat().st_mode & 0o777:o}" == "755 644"


def test_a_run_renews_its_own(folder: Path) -> None:
    _lock.take(ADA, 60, folder=folder)
    change(folder, since=1000.0, seen=1000.0)
    assert _lock.take(ADA, 600, folder=folder) is None
    held = _lock.read(folder)
    assert held is not None
    assert held["since"] == 1000.0 and held["seen"] > 1000.0 and held["left_s"] > 60


def test_only_the_run_itself_lets_it_go(folder: Path) -> None:
    _lock.take(ADA, 60, folder=folder)
    assert not _lock.release(BOB["run"], folder)
    assert _lock.read(folder)
    assert _lock.release(ADA["run"], folder)
    assert _lock.read(folder) is None
    assert _lock.take(BOB, 60, folder=folder) is None


@pytest.mark.parametrize("dead", [{"until": 1.0}, {"boot": "another boot"}, {"until": float("inf")}, {"until": "x"}])
def test_a_dead_run_does_not_hold_it(folder: Path, dead: dict[str, Any]) -> None:
    _lock.take(ADA, 60, folder=folder)
    change(folder, **dead)
    assert _lock.read(folder) is None
    assert _lock.take(BOB, 60, folder=folder) is None


def test_a_run_that_is_known_to_be_dead_is_taken_over_and_no_other(folder: Path) -> None:
    _lock.take(ADA, 60, folder=folder)
    held = _lock.take(BOB, 60, over="c" * 32, folder=folder)
    assert held and held["run"] == ADA["run"]
    assert _lock.take(BOB, 60, over=ADA["run"], folder=folder) is None
    held = _lock.read(folder)
    assert held and held["run"] == BOB["run"] and time.time() - held["since"] < 60


@pytest.mark.parametrize(
    "garbage", ["", "{", "[]", "null", "3", '{"run": 1}', "[" * 100_000, "\x00\xff", '{"until": "nan"}', "x" * 10_000]
)
def test_garbage_holds_nobody_up(folder: Path, garbage: str) -> None:
    folder.mkdir()
    (folder / "lock.json").write_text(garbage, encoding="latin-1")
    assert _lock.read(folder) is None
    assert _lock.take(ADA, 60, folder=folder) is None
    assert _lock.read(folder)


def test_a_lock_that_is_no_file_holds_nobody_up(folder: Path) -> None:
    (folder / "lock.json").mkdir(parents=True)
    assert _lock.read(folder) is None
    with pytest.raises(OSError):  # which the module reports, and the run goes on
        _lock.take(ADA, 60, folder=folder)


def test_of_runs_that_begin_at_once_one_gets_it(folder: Path) -> None:
    others: list[Any] = []
    runs = [{**ADA, "run": f"{number:032x}", "pid": number} for number in range(20)]
    threads = [
        threading.Thread(target=lambda run=run: others.append(_lock.take(run, 60, folder=folder))) for run in runs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert others.count(None) == 1
    held = _lock.read(folder)
    assert held and {other["run"] for other in others if other} == {held["run"]}
    assert sorted(path.name for path in folder.iterdir()) == ["lock", "lock.json"]
