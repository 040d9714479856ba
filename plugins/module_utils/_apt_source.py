# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of sources as it is planned, with the logins that the host's own sources have."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ._apt import with_secrets, without_secrets
from ._engine_apply import ApplyError, Replaced, write_whole
from ._sysfs import Tree


def replace(path: str, content: str, tree: Tree, check: bool = False) -> Replaced:
    """Write it in one step, for root alone where it has a login."""
    try:
        text = with_secrets(content, tree)
    except KeyError as error:
        raise ApplyError(f"{path}: the login of a source has changed since this was planned; run again") from error
    mode = 0o644 if without_secrets(text) == text else 0o600
    target, owner = Path(path), (os.geteuid(), os.getegid())
    try:
        before, seen = target.read_text("utf-8", "replace"), target.stat()
        same = before == text and (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid) == (mode, *owner)
    except FileNotFoundError:
        before, same = "", False
    if not same and not check:
        write_whole(target, text.encode(), mode, owner)
    return Replaced(not same, without_secrets(before), without_secrets(text))
