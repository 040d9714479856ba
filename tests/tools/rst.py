"""What the tools that write pages in reStructuredText share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CODE = re.compile(r"`([^`]+)`|(--[a-z][\w=/.-]*\w|(?<!\w)'[^']+'(?!\w))")
"""What stands in backquotes, and what Sphinx would make typographic dashes and quotes of."""


def plain(text: str) -> str:
    """A text that is no markup, whatever it looks like."""
    return re.sub(r"[\\*|`]|_(?!\w)|::", lambda found: "\\" + found.group(), text)


def sentence(text: str) -> str:
    """A sentence of ours: what stands in backquotes is code, options are, and nothing else is markup."""
    parts, end = [], 0
    for found in CODE.finditer(text):
        parts += [plain(text[end : found.start()]), f"``{found.group(1) or found.group(2)}``"]
        end = found.end()
    return "".join([*parts, plain(text[end:])])


def heading(text: str, line: str) -> list[str]:
    return ["", text, line * len(text), ""]


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: str) -> Iterator[str]:
    """A table that breaks lines where a page is narrow."""
    yield from (".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", "   :width: 100%", "")
    for row in (columns, *rows):
        yield from (f"   {' ' if number else '*'} - {cell}" for number, cell in enumerate(row))
    yield ""


def keep(path: Path, page: Callable[[], str], description: str | None) -> int:
    """The command of a tool: write the page where it differs, or with --check say that it does. The exit code."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if the page would change")
    check = parser.parse_args().check
    wanted = page()
    if path.exists() and path.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{path.name}: {'differs' if check else 'written'}", file=sys.stderr)
    if not check:
        path.write_text(wanted, encoding="utf-8")
    return 1 if check else 0
