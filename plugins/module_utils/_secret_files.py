# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with a secret, or with what lets one in: how they are written, and how a record names them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Wanted(NamedTuple):
    """A file of a login: content, mode, and whether its service may read it."""

    path: str
    content: str
    mode: int
    shared: bool


def read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def is_so(wanted: Wanted, gid: int) -> bool:
    try:
        seen = Path(wanted.path).lstat()
    except FileNotFoundError:
        return False
    owner = (0, gid if wanted.shared else 0, 0o100000 | wanted.mode)
    return (seen.st_uid, seen.st_gid, seen.st_mode) == owner and read(wanted.path) == wanted.content


def write(wanted: Wanted, gid: int) -> None:
    """Replace the file in one step; it is readable to nobody else at any time."""
    path = Path(wanted.path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(wanted.content)
            os.fchown(file.fileno(), 0, gid if wanted.shared else 0)
            os.fchmod(file.fileno(), wanted.mode)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink()
        raise


def ensure(files: Iterable[Wanted], gid: int, check_mode: bool) -> bool:
    """Write those that are not as they are wanted; whether there were any."""
    changed = [each for each in files if not is_so(each, gid)]
    if not check_mode:
        for each in changed:
            write(each, gid)
    return bool(changed)


def digests_of(paths: Iterable[str]) -> list[str]:
    """SHA-256 of those that are there, a line each as sha256sum(1) has it: by such names a record keeps no value."""
    found = []
    for path in paths:
        try:
            found.append(f"{hashlib.sha256(Path(path).read_bytes()).hexdigest()}  {path}")
        except OSError:
            continue
    return found
