"""That the page about the checks is whole, names none that there is not, and is that of the checks as they are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import checks_page
import yaml
from ansible_collections.navilab.webui.plugins.module_utils._checks import CHECK_IDS, CHECKS
from ansible_collections.navilab.webui.plugins.plugin_utils._access import _WAYS
from ansible_collections.navilab.webui.plugins.plugin_utils._problems import CHAPTERS, PLANNED, PROBLEMS

ROOT = Path(__file__).resolve().parents[4]

PYTHON = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "src").rglob("*.py")]
PLANNED_BY_CHECKS = ("disk_space", "memory")
"""Those that the step preflight evaluates with its own numbers."""
TASKS = sorted((ROOT / "roles").rglob("tasks/*.yml"))


def named() -> Iterator[str]:
    """Ids of the problems that plans, roles and the command line name themselves."""
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("problem", "_problem")
            ):
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value
    for path in TASKS:
        yield from ids(yaml.safe_load(path.read_text(encoding="utf-8")))


def ids(tasks: object) -> Iterator[str]:
    """What tasks fail with, those in blocks too."""
    if isinstance(tasks, list):
        for each in tasks:
            yield from ids(each)
    elif isinstance(tasks, dict):
        for key, value in tasks.items():
            if key == "navilab.webui.fail_check" and re.fullmatch(r"\w+", value.get("id", "")):
                yield value["id"]
            yield from ids(value)


def test_each_problem_is_told_once() -> None:
    assert sum(map(len, CHAPTERS.values())) == len(PROBLEMS)
    assert [name for name in PROBLEMS if name in CHECK_IDS] == []
    assert sorted({name for name in [*named(), *_WAYS] if name not in PROBLEMS and name not in CHECK_IDS}) == []


def test_each_check_has_a_remedy_on_the_page() -> None:
    assert [name for name in PLANNED if name not in CHECK_IDS or name not in {*named(), *PLANNED_BY_CHECKS}] == []
    assert [check.id for check in CHECKS if check.id not in {*checks_page.failures(), *PLANNED}] == []


def test_each_told_problem_is_one() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*PYTHON, *TASKS] if path.name != "_problems.py")
    assert [name for name in PROBLEMS if not re.search(rf"\b{name}\b", text)] == []


def test_each_check_says_how_it_decides() -> None:
    assert [check.id for check in CHECKS if not (check.evaluate.__doc__ or "").endswith(".")] == []


def test_the_page_is_made_from_them() -> None:
    assert checks_page.PAGE.read_text(encoding="utf-8") == checks_page.page(), "run tests/tools/checks_page.py"
