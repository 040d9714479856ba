"""The one form in which checks and what hosts say are shown."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._text import (
    clean,
    clean_lines,
    plan_lines,
    problem,
    problem_lines,
    shown,
)


def test_problem_lines() -> None:
    assert problem_lines([problem("a", "seen.", "do")], "h") == ["h: a: seen. Remedy: do."]
    assert problem_lines([problem("a", "seen", "do."), problem("b", "too", "wait")]) == [
        "a: seen. Remedy: do.",
        "b: too. Remedy: wait.",
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("two\nlines\tand a tab ", "two lines and a tab"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("a\r\nRESULT ok", "a\\r RESULT ok"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("next\u2028line \x85", "next\\u2028line \\x85"),
        ("lone \udcff", "lone \\udcff"),
        ("Grün, 日本", "Grün, 日本"),
        (7, "7"),
    ],
)
def test_no_host_moves_a_terminal(said: object, shown: str) -> None:
    assert clean(said) == shown
    assert shown.rstrip(".") in problem_lines([problem("a", str(said), "do")])[0]


def test_checks_are_shown_without_what_steers_a_terminal() -> None:
    (check,) = shown([{**problem("a\x1b[2J", "b\nnode2: failed", "c\u202e"), "note": "\x9b", "status": "failed"}])
    assert check == {**problem("a\\x1b[2J", "b node2: failed", "c\\u202e"), "note": "\\x9b"}
    assert shown([{"id": "a"}]) == [{"id": "a"}]


def test_lines_stay_lines() -> None:
    assert clean_lines("a\x07\nb") == "a\\x07\nb"


def test_plan_lines() -> None:
    assert plan_lines({"firmware": {"actions": [], "warnings": []}}) == ["nothing to do"]
    plans = {
        "firmware": {"actions": ["install\x1b it"], "warnings": ["mind"]},
        "webui": {"actions": [], "warnings": ["CPU: profile cpu (set)"], "instances": []},
    }
    assert plan_lines(plans) == [
        "firmware: install\\x1b it",
        "firmware: mind",
        "webui: CPU: profile cpu (set)",
    ]
