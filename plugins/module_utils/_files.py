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

    def diff(self, path: str) -> dict[str, str]:
        """As Ansible shows it."""
        return {"before": self.before, "after": self.after, "before_header": path, "after_header": path}


class ApplyError(Exception):
    """What went wrong, in words."""


def make(path: str, owner: tuple[int, int] | None = None, check: bool = False) -> Replaced:
    """A directory with those above it that are missing, with mode 0755: root's, or that user's and group's. One that is
    there stays as it is, where no owner is given."""
    target = Path(path)
    before = _shown(target.stat()) if target.is_dir() else "absent\n"
    uid, gid = owner or (os.geteuid(), os.getegid())
    after = f"directory 0755 {uid}:{gid}\n"
    if before != "absent\n" and (owner is None or before == after):
        return Replaced(False, before, before)
    if not check:
        if not target.parent.is_dir():
            make(str(target.parent), owner)
        target.mkdir(exist_ok=True)
        os.chown(target, uid, gid)
        target.chmod(0o755)  # whatever the umask
    return Replaced(True, before, after)


def _shown(seen: os.stat_result) -> str:
    return f"directory {stat.S_IMODE(seen.st_mode):04o} {seen.st_uid}:{seen.st_gid}\n"


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
