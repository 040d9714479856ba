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
from typing import TypedDict

from ._sysfs import Tree, clean, parse_int
from ._types import User

_LIMIT = 1 << 20
_MAX_GROUPS = 1024


class _Account(TypedDict):
    """What passwd(5) and group(5) say of somebody; all empty and exists false for nobody."""

    exists: bool
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
    account = tree.derive(f"user {name}", lambda: _live(name) if tree.live else _recorded(tree, name), _Account)
    seen: User = {
        "name": name,
        "exists": account["exists"],
        "uid": None,
        "gid": None,
        "home": None,
        "primary_group": None,
        "groups": [],
        "needs_login": False,
    }
    if not account["exists"]:
        return seen
    uid, gids = account["uid"], account["gids"]
    group_names = [tree.group_name(gid) or str(gid) for gid in [account["gid"], *gids]]
    due = set(device_gids) & set(gids)
    return {
        **seen,
        "uid": uid,
        "gid": account["gid"],
        "home": account["home"],
        "primary_group": group_names[0],
        "groups": list(dict.fromkeys(group_names)),
        "needs_login": bool(due) and uid != 0 and tree.ask(f"login {name}", lambda: _lags(uid, due), False),
    }


def _nobody() -> _Account:
    return {"exists": False, "uid": 0, "gid": 0, "home": "", "gids": []}


def _live(name: str) -> _Account:
    try:
        entry = pwd.getpwnam(name)
        gids = os.getgrouplist(name, entry.pw_gid)
    except (KeyError, OSError, ValueError):  # ValueError: a null byte in the name
        return _nobody()
    return {"exists": True, "uid": entry.pw_uid, "gid": entry.pw_gid, "home": clean(entry.pw_dir), "gids": gids}


def _recorded(tree: Tree, name: str) -> _Account:
    for fields in _lines(tree, "/etc/passwd", 7):
        if fields[0] != name:
            continue
        uid, gid = parse_int(fields[2]), parse_int(fields[3])
        if uid is not None and gid is not None:
            every = _lines(tree, "/etc/group", 4)
            groups = [parse_int(group[2]) for group in every if name in map(str.lstrip, group[3].split(","))]
            gids = [number for number in dict.fromkeys(groups) if number is not None][:_MAX_GROUPS]
            return {"exists": True, "uid": uid, "gid": gid, "home": fields[5], "gids": gids}
    return _nobody()


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
