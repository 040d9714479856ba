"""What the list of gates says of each, and that it is whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import gates
import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_each_stage_with_gates_is_one_of_the_test_command() -> None:
    text = (ROOT / "tests" / "run").read_text(encoding="utf-8")
    started = set(re.findall(r"gate (\w+); }", text))
    assert {gate.stage for gate in gates.GATES.values()} == started
    assert started <= set(re.findall(r"STAGES=\((.*)\)", text)[0].split())


@pytest.mark.parametrize(
    ("end", "good", "said"),
    [
        (lambda: 3, True, "3 things"),
        (lambda: 0, False, "FAILED: it checked nothing"),
        (lambda: (_ for _ in ()).throw(gates.MissingError("no Python 3.9")), True, "skipped: no Python 3.9"),
        (lambda: (_ for _ in ()).throw(gates.FailedError("exit code 1")), False, "FAILED: exit code 1"),
    ],
    ids=["passed", "nothing", "missing", "failed"],
)
def test_what_a_gate_says(
    end: Callable[[], int], good: bool, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setitem(gates.GATES, "one", gates.Gate("gates", end, "things"))
    assert gates.passed("one") is good
    assert capsys.readouterr().out.startswith(f"-- one: {said} (")


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        (lambda: (Path("/there"), "3.11"), 0, "/there"),
        (lambda: (_ for _ in ()).throw(gates.MissingError("no Python 3.11")), 77, "no Python 3.11"),
        (lambda: (_ for _ in ()).throw(gates.FailedError("exit code 1")), 1, "exit code 1"),
    ],
    ids=["here", "missing", "failed"],
)
def test_where_the_oldest_is_installed(
    end: Callable[[], tuple[Path, str]], status: int, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert gates.where(end) == status  # tests/run reads both
    assert capsys.readouterr().out == f"{said}\n"


def test_what_a_program_said_is_shown_where_it_failed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(gates.FailedError, match="exit code 3"):
        gates.run("sh", "-c", "echo found; exit 3")
    assert capsys.readouterr().out == "found\n"


def test_a_python_that_is_not_here_is_missing() -> None:
    with pytest.raises(gates.MissingError, match=r"no Python 3\.99"):
        gates.interpreter("3.99")
