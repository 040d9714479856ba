"""Whose the files of the checkout are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def give_to_owner(path: Path, *, deep: bool = True) -> None:
    """Under sudo, what is made in the checkout belongs to whom the checkout belongs."""
    if os.geteuid() == 0 and ROOT in path.absolute().parents:
        owner = ROOT.stat()
        for each in [path, *path.rglob("*")] if deep and path.is_dir() else [path]:
            os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)
