"""The module around the lock: what it says, and that it never stops a run by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _lock
from ansible_collections.navilab.webui.plugins.modules import host_lock

MINE = {"run": "a" * 32, "who": "ada@desk", "machine": "m", "pid": 1, "start": 2}


@pytest.fixture
def lock(
    run_module: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    monkeypatch.setattr(_lock, "FOLDER", tmp_path / "navilab")
    monkeypatch.setattr(_lock, "ASIDE", tmp_path / "aside")
    return lambda **arguments: run_module(host_lock.main, **{**MINE, **arguments})


def test_take_and_release(lock: Callable[..., dict[str, Any]]) -> None:
    first = lock()
    assert (first["held"], first["lock"], first["problem"], first["changed"]) == (True, None, "", False)
    second = lock(run="b" * 32)
    assert (second["held"], second["lock"]["who"]) == (False, "ada@desk")
    assert not lock(state="absent")["held"]
    assert lock(run="b" * 32)["held"]


def test_what_the_run_has_put_aside_goes_with_the_lock(lock: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "aside/apt").mkdir(parents=True)
    lock()
    lock(state="absent", run="b" * 32)
    assert (tmp_path / "aside").exists(), "it is another's"
    lock(state="absent")
    assert not (tmp_path / "aside").exists()


def test_check_mode_takes_nothing(lock: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    assert not lock(_ansible_check_mode=True)["held"]
    assert not (tmp_path / "navilab").exists()


def test_where_nothing_can_be_written_the_run_goes_on(lock: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "navilab").write_text("in the way", encoding="utf-8")
    found = lock()
    assert (found["held"], found["lock"]) == (False, None)
    assert "EEXIST" in found["problem"] or "ENOTDIR" in found["problem"]
    assert json.dumps(found)
