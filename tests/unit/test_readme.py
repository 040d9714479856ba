"""That the README's table of checks is whole, and names none that there is not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.navilab.webui.plugins.module_utils._checks import CHECK_IDS
from ansible_collections.navilab.webui.plugins.plugin_utils import _access

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "src").rglob("*.py"), *(ROOT / "roles").rglob("tasks/*.yml")]


def table() -> list[str]:
    """The ids in the first column."""
    chapter = README.partition("## Troubleshooting by check\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def problems() -> Iterator[str]:
    """Ids of the problems that plans and the command line name themselves."""
    for path in SOURCES:
        if path.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "problem":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_each_check_has_its_row() -> None:
    names = table()
    assert sorted(names) == sorted(set(names))
    assert [name for name in CHECK_IDS if name not in names] == []
    assert sorted({name for name in [*problems(), *_access._WAYS] if name not in names}) == []


def test_each_row_has_its_check() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    assert [name for name in table() if not re.search(rf"\b{name}\b", text)] == []
