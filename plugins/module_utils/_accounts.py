# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab user and the groups: NSS decides on a live host (LDAP, sssd), passwd(5) and group(5) in a recorded tree."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ._sysfs import Tree
from ._types import User

_LIMIT = 1 << 20


class _Account(NamedTuple):
    uid: int
    gid: int
    home: str
    gids: list[int]


def gather_user(tree: Tree, name: str | None, device_gids: Sequence[int] = ()) -> User | None:
    """The user's numbers, home and groups (the primary one included); null if no name was given.

    `needs_login`: a process of the user runs without one of `device_gids` that the user is in by now.
    """
    if not name:
        return None
    account = _live(name) if tree.live else _recorded(tree, name)
    seen: User = {
        "name": name,
        "exists": account is not None,
        "uid": None,
        "gid": None,
        "home": None,
        "primary_group": None,
        "groups": [],
        "needs_login": False,
    }
    if account is None:
        return seen
    group_names = [tree.group_name(gid) or str(gid) for gid in [account.gid, *account.gids]]
    due = set(device_gids) & set(account.gids)
    return {
        **seen,
        "uid": account.uid,
        "gid": account.gid,
        "home": account.home,
        "primary_group": group_names[0],
        "groups": list(dict.fromkeys(group_names)),
        "needs_login": tree.live and bool(due) and account.uid != 0 and _lags(account.uid, due),
    }


def _live(name: str) -> _Account | None:
    try:
        entry = pwd.getpwnam(name)
        return _Account(entry.pw_uid, entry.pw_gid, entry.pw_dir, os.getgrouplist(name, entry.pw_gid))
    except (KeyError, OSError, ValueError):  # ValueError: a null byte in the name
        return None


def _recorded(tree: Tree, name: str) -> _Account | None:
    for fields in _lines(tree, "/etc/passwd", 7):
        if fields[0] == name and fields[2].isdigit() and fields[3].isdigit():
            members = [
                group for group in _lines(tree, "/etc/group", 4) if name in group[3].split(",") and group[2].isdigit()
            ]
            return _Account(int(fields[2]), int(fields[3]), fields[5], [int(group[2]) for group in members])
    return None


def _lines(tree: Tree, path: str, count: int) -> Iterator[list[str]]:
    for line in (tree.read_head(path, _LIMIT) or b"").decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) == count:
            yield fields


def _lags(uid: int, gids: set[int]) -> bool:
    """Groups are taken at login, so an older session of the user lacks those that came later."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if status.stat().st_uid != uid:
                continue
            match = re.search(r"^Groups:(.*)$", status.read_text(errors="replace"), re.MULTILINE)
        except OSError:  # gone meanwhile
            continue
        if match and not gids <= {int(item) for item in match.group(1).split() if item.isdigit()}:
            return True
    return False
