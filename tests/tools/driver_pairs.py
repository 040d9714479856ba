#!/usr/bin/env python3
"""Write the list of AMD's drivers and kernels in README.md from plugins/module_utils/_driver_pairs.py.

The list lies between two marker lines and is replaced there. With --check nothing is written, and the exit code is 1
if it would change.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
BEGIN = "<!-- drivers and kernels: made by tests/tools/driver_pairs.py from plugins/module_utils/_driver_pairs.py -->"
END = "<!-- end of drivers and kernels -->"


def replaced(text: str) -> str:
    """A README with the list as it should be."""
    sys.path.insert(0, str(ROOT / "collections"))
    from ansible_collections.navilab.webui.plugins.module_utils._driver_pairs import table

    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{README}: needs each of the lines {BEGIN!r} and {END!r} once")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def readme() -> str:
    """The whole README as it should be."""
    return replaced(README.read_text(encoding="utf-8"))


def main() -> int:
    """Write the list, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if the list would change")
    check = parser.parse_args().check
    wanted = readme()
    if README.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"README.md: {'differs' if check else 'written'}", file=sys.stderr)
    if not check:
        README.write_text(wanted, encoding="utf-8")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
