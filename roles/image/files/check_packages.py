"""Fail the build unless torch is still the wanted one, OpenCV is there once, and what the webui stands on imports.

check_packages.py CONSTRAINTS     a file with NAME==VERSION lines
"""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from pathlib import Path

IMPORTS = ("torch", "torchvision", "cv2", "clip", "open_clip", "transformers", "gradio", "pytorch_lightning", "git")


def problems(wanted: dict[str, str], installed: dict[str, str]) -> list[str]:
    """One line each. A version without a local part (+cpu) is satisfied by one with any."""
    found = []
    for name, version in wanted.items():
        seen = installed.get(name, "none")
        if seen != version and seen.partition("+")[0] != version:
            found.append(f"{name} is {seen}, wanted is {version}: a package has replaced it")
    opencv = sorted(name for name in installed if name.startswith("opencv-"))
    if len(opencv) != 1:
        found.append(f"exactly one OpenCV is wanted, there are: {', '.join(opencv) or 'none'}")
    return found


def main() -> int:
    lines = Path(sys.argv[1]).read_text(encoding="ascii").split()
    wanted = dict(line.split("==") for line in lines)
    installed = {each.metadata["Name"].lower(): each.version for each in metadata.distributions()}
    found = problems(wanted, installed)
    if not found:
        for name in IMPORTS:
            importlib.import_module(name)
    print("\n".join(found) or f"packages: {len(installed)}, {', '.join(lines)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
