# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of what came in with the roles, each a JSON file below /var/lib/navilab."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._files import ApplyError, Replaced, make, write_whole
from ._machine import RECORDS

ARGUMENTS: dict[str, Any] = {"name": {"type": "str", "required": True}, "content": {"type": "dict", "default": {}}}


def role_record(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The module's result."""
    name, path = given["name"], ""
    try:
        path = str(path_of(name))
        done = keep(name, given["content"], check)
    except ApplyError as error:
        return {"failed": True, "msg": str(error)}
    except OSError as error:
        return {"failed": True, "msg": f"{path}: {error}"}
    return {"changed": done.changed, "path": path, "diff": done.diff(path)}


def path_of(name: str) -> Path:
    """The file of a role's record."""
    if not name.isidentifier():
        raise ApplyError(f"'{name}' is no name for a record: use letters, digits and '_'")
    return Path(RECORDS) / f"{name}.json"


def keep(name: str, content: Mapping[str, Any], check: bool = False) -> Replaced:
    """Keep a record, or drop it where it is empty."""
    path = path_of(name)
    wanted = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n" if content else ""
    before = _read(path)
    if before != wanted and not check:
        if wanted:
            make(str(path.parent))
            write_whole(path, wanted.encode(), 0o644, (os.geteuid(), os.getegid()))
        else:
            path.unlink()
    return Replaced(before != wanted, before, wanted)


def _read(path: Path) -> str:
    """The record as it is; one that is no text is replaced, as the facts know none then."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
