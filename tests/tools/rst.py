"""What the tools that write pages in reStructuredText share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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
