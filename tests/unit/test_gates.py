"""What the list of gates says of each, and that it is whole."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gates", ROOT / "tests" / "tools" / "gates.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_stage_with_gates_is_one_of_the_test_command(tool: ModuleType) -> None:
    text = (ROOT / "tests" / "run").read_text(encoding="utf-8")
    started = set(re.findall(r"gate (\w+); }", text))
    assert {gate.stage for gate in tool.GATES.values()} == started
    assert started <= set(re.findall(r"STAGES=\((.*)\)", text)[0].split())


@pytest.mark.parametrize(
    ("end", "good", "said"),
    [
        (lambda _tool: 3, True, "3 things"),
        (lambda _tool: 0, False, "FAILED: it checked nothing"),
        (lambda tool: (_ for _ in ()).throw(tool.MissingError("no Python 3.9")), True, "skipped: no Python 3.9"),
        (lambda tool: (_ for _ in ()).throw(tool.FailedError("exit code 1")), False, "FAILED: exit code 1"),
    ],
    ids=["passed", "nothing", "missing", "failed"],
)
def test_what_a_gate_says(
    end: Callable[[ModuleType], int], good: bool, said: str,
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(tool.GATES, "one", tool.Gate("gates", lambda: end(tool), "things"))
    assert tool.passed("one") is good
    assert capsys.readouterr().out.startswith(f"-- one: {said} (")


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (lambda _tool: (Path("/there"), "3.11"), 0, "/there"),
        (lambda tool: (_ for _ in ()).throw(tool.MissingError("no Python 3.11")), 77, "no Python 3.11"),
        (lambda tool: (_ for _ in ()).throw(tool.FailedError("exit code 1")), 1, "exit code 1"),
    ],
    ids=["here", "missing", "failed"],
)
def test_where_the_oldest_is_installed(
    end: Callable[[ModuleType], tuple[Path, str]], status: int, said: str,
    tool: ModuleType, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert tool.where(lambda: end(tool)) == status  # tests/run reads both
    assert capsys.readouterr().out == f"{said}\n"


def test_what_a_program_said_is_shown_where_it_failed(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(tool.FailedError, match="exit code 3"):
        tool.run("sh", "-c", "echo found; exit 3")
    assert capsys.readouterr().out == "found\n"


def test_a_python_that_is_not_here_is_missing(tool: ModuleType) -> None:
    with pytest.raises(tool.MissingError, match=r"no Python 3\.99"):
        tool.interpreter("3.99")
