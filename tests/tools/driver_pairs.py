#!/usr/bin/env python3
"""Write the list of AMD's drivers and kernels in docs/docsite/rst/guide_amdgpu_dkms.rst from
plugins/module_utils/_driver_pairs.py.

The list lies between two marker lines and is replaced there. With --check nothing is written, and the exit code is 1
if it would change.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rst import keep, plain, table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "docsite" / "rst" / "guide_amdgpu_dkms.rst"
BEGIN = ".. Drivers and kernels: made by tests/tools/driver_pairs.py from plugins/module_utils/_driver_pairs.py.\n"
END = ".. End of drivers and kernels.\n"


def listed() -> str:
    """The list itself."""
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.navilab.webui.plugins.module_utils._driver_pairs import PAIRS, rows

    lines = []
    for pair, (driver, kernels, result, reported) in zip(PAIRS, rows(), strict=True):
        link = f"`{pair.date} <{pair.source}>`__"
        told = f"{plain(reported)}: {link}" if reported else link
        lines.append((plain(driver), plain(kernels), plain(result), told))
    return "\n".join(table(("Driver (release)", "Kernels", "Result", "Report"), lines, "18 22 35 25"))


def replaced(text: str) -> str:
    """A page with the list as it should be."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{PAGE}: needs each of the lines {BEGIN.strip()!r} and {END.strip()!r} once")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{listed()}\n{END}{rest.partition(END)[2]}"


def page() -> str:
    """The whole page as it should be."""
    return replaced(PAGE.read_text(encoding="utf-8"))


def main() -> int:
    """Write the list, or check it."""
    return keep(PAGE, page, __doc__)


if __name__ == "__main__":
    sys.exit(main())
