"""Keep only the kernel files of the wanted chips below a directory, and say what that saves.

rocBLAS, MIOpen and hipBLASLt name each file after the chip that it is for; a file that names none serves all of them.
    trim_kernels.py DIRECTORY [CHIP ...]     without a chip nothing is deleted
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHIP = re.compile(r"gfx[0-9]{1,2}[0-9a-f]{2}(?![0-9a-f])")


def unwanted(name: str, wanted: set[str]) -> bool:
    """Whether a file is for other chips alone."""
    chips = set(CHIP.findall(name))
    return bool(chips) and not chips & wanted


def trim(root: Path, wanted: set[str]) -> tuple[int, int]:
    """Bytes of all files below root, before and after."""
    before = after = 0
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        size = path.stat().st_size
        before += size
        if wanted and unwanted(path.name, wanted):
            path.unlink()
        else:
            after += size
    return before, after


def main() -> int:
    wanted = set(sys.argv[2:])
    before, after = trim(Path(sys.argv[1]), wanted)
    print(
        f"torch: {before >> 20} MiB, with the kernels of {', '.join(sorted(wanted)) or 'all chips'}: {after >> 20} MiB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
