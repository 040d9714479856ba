"""The record of what came in with a role: kept whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _files, _records
from ansible_collections.navilab.webui.plugins.modules import role_record

CONTENT = {"packages": ["fw"], "why": "für uns"}


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the records, which is not there yet."""
    monkeypatch.setattr(_records, "RECORDS", str(tmp_path / "navilab"))
    return tmp_path / "navilab"


@pytest.fixture
def record(run_module: Callable[..., dict[str, Any]], records: Path) -> Callable[..., dict[str, Any]]:
    return lambda **arguments: run_module(role_record.main, **arguments)


def test_kept_once(record: Callable[..., dict[str, Any]], records: Path) -> None:
    first = record(name="firmware", content=CONTENT)
    path = records / "firmware.json"
    assert (first["changed"], first["path"]) == (True, str(path))
    assert json.loads(path.read_text(encoding="utf-8")) == CONTENT
    assert (path.stat().st_mode & 0o777, records.stat().st_mode & 0o777) == (0o644, 0o755)
    assert [each.name for each in records.iterdir()] == ["firmware.json"]  # nothing of the writing is left
    again = record(name="firmware", content=CONTENT)
    assert (again["changed"], again["diff"]["before"]) == (False, again["diff"]["after"])


def test_the_order_of_keys_is_no_change(record: Callable[..., dict[str, Any]]) -> None:
    record(name="firmware", content={"a": 1, "b": 2})
    assert not record(name="firmware", content={"b": 2, "a": 1})["changed"]


def test_check_mode_only_says_so(record: Callable[..., dict[str, Any]], records: Path) -> None:
    assert record(name="firmware", content=CONTENT, _ansible_check_mode=True)["changed"]
    assert not records.exists()
    record(name="firmware", content=CONTENT)
    assert record(name="firmware", _ansible_check_mode=True)["changed"]
    assert (records / "firmware.json").exists()


def test_the_diff_names_the_file(record: Callable[..., dict[str, Any]], records: Path) -> None:
    record(name="firmware", content={"a": 1})
    diff = record(name="firmware", content={"a": 2}, _ansible_diff=True)["diff"]
    assert diff["before_header"] == diff["after_header"] == str(records / "firmware.json")
    assert (json.loads(diff["before"]), json.loads(diff["after"])) == ({"a": 1}, {"a": 2})


@pytest.mark.parametrize("content", [{}, None])
def test_dropped(record: Callable[..., dict[str, Any]], records: Path, content: Any) -> None:
    arguments = {"name": "firmware"} if content is None else {"name": "firmware", "content": content}
    assert not record(**arguments)["changed"]  # there was none
    record(name="firmware", content=CONTENT)
    assert record(**arguments)["changed"]
    assert not (records / "firmware.json").exists()


def test_an_interruption_leaves_the_old_one(
    record: Callable[..., dict[str, Any]], records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(name="firmware", content=CONTENT)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    found = record(name="firmware", content={"packages": []})
    assert found["failed"] and "No space left on device" in found["msg"] and "firmware.json" in found["msg"]
    assert json.loads((records / "firmware.json").read_text(encoding="utf-8")) == CONTENT
    assert [each.name for each in records.iterdir()] == ["firmware.json"]


def test_what_is_no_text_is_replaced(record: Callable[..., dict[str, Any]], records: Path) -> None:
    records.mkdir()
    (records / "firmware.json").write_bytes(b"\xff")
    assert record(name="firmware", content=CONTENT)["changed"]
    assert not record(name="firmware", content=CONTENT)["changed"]


@pytest.mark.parametrize("name", ["../etc", "a/b", "", "a b", ".json"])
def test_a_name_stays_in_its_directory(record: Callable[..., dict[str, Any]], records: Path, name: str) -> None:
    assert "is no name for a record" in record(name=name, content=CONTENT)["msg"]
    assert not records.exists()
