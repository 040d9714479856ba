# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories of root's that a plan wants, each written in one step."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple


class Replaced(NamedTuple):
    """Whether the file differs, and both texts without secrets."""

    changed: bool
    before: str
    after: str


class ApplyError(Exception):
    """What went wrong, in words."""


def make(path: str, check: bool = False) -> bool:
    """A directory of root's for settings, with those above it; whether it was missing."""
    if Path(path).is_dir():
        return False
    if not check:
        make(str(Path(path).parent))
        Path(path).mkdir()
        Path(path).chmod(0o755)  # whatever the umask
    return True


def write(path: str, content: str, mode: str | None = None, check: bool = False) -> Replaced:
    """Any other file, root's, in one step."""
    target, owner = Path(path), (os.geteuid(), os.getegid())
    try:
        before, seen = target.read_bytes(), target.stat()
    except FileNotFoundError:
        before, seen = b"", None
    bits = int(mode, 8) if mode else stat.S_IMODE(seen.st_mode) if seen else 0o644
    data = content.encode()
    same = seen and (before, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (data, bits, *owner)
    if not same and not check:
        write_whole(target, data, bits, owner)
    return Replaced(not same, before.decode("utf-8", "replace"), content)


def write_whole(target: Path, data: bytes, mode: int, owner: tuple[int, int]) -> None:
    """In one step, so that whoever reads it reads a whole one."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chown(temporary, *owner)
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except OSError:
        Path(temporary).unlink()
        raise
