# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records, directories and files of several roles, on a host that the run holds."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import _apt_source, _engine_apply, _records
from ._apt import SOURCE_LIST, SOURCE_PARTS
from ._files import ApplyError, Replaced, make, write
from ._lock import RUN, hold
from ._sysfs import Tree

_FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str"},
    "kind": {"type": "str", "choices": ["text", "daemon", "proxy", "source"], "default": "text"},
}
FILES: dict[str, Any] = {
    "records": {"type": "dict", "default": {}},
    "directories": {"type": "list", "elements": "str", "default": []},
    "owner": {"type": "int"},
    "group": {"type": "int"},
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "lists": {"type": "path", "default": ""},
    "values": {"type": "dict", "default": {}, "no_log": True},
    "proxy": {"type": "str", "default": "", "no_log": True},
}
FRESH_S = 600.0
"""Seconds after which a host is asked again: in a long run over many batches somebody else may have been there."""
SOURCES = (SOURCE_LIST, SOURCE_PARTS)
ARGUMENTS = {**FILES, **RUN}


def host_files(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The module's result, without a secret."""
    held = hold(given, check)
    if held["lock"]:
        return {"changed": False, "paths": [], "lists": "", **held}
    paths: list[str] = []
    diffs: list[dict[str, str]] = []

    def note(path: str, done: Replaced) -> None:
        if done.changed:
            paths.append(path)
            diffs.append(done.diff(path))

    path, lists = "", _usable(given["lists"])
    try:
        for name, content in given["records"].items():
            path = str(_records.path_of(name))
            note(path, _records.keep(name, content, check))
        if (given["owner"] is None) != (given["group"] is None):
            raise ApplyError("owner and group go together")
        owner = None if given["owner"] is None else (given["owner"], given["group"])
        for path in given["directories"]:
            note(path, make(path, owner, check))
        for file in given["files"]:
            path = file["path"]
            note(path, _write(file, given["values"], given["proxy"], check))
        if lists:  # the plan had our sources among those that they were read for
            for cache in Path(lists).parent.glob("*cache.bin"):
                os.utime(cache)
    except ApplyError as error:
        return {"failed": True, "msg": str(error), "changed": bool(paths)}
    except ValueError as error:  # of a mode, or of a daemon.json
        return {"failed": True, "msg": f"{path}: {error}", "changed": bool(paths)}
    except OSError as error:
        return {"failed": True, "msg": f"{path}: {error.strerror}", "changed": bool(paths)}
    return {"changed": bool(paths), "paths": paths, "diff": diffs, "lists": lists, **held}


def _usable(lists: str) -> str:
    """Apt's configuration with the lists that a plan has read, as long as the archive is likely to be the same, and for
    the sources that the plan has seen."""
    try:
        made = Path(lists).stat().st_mtime if lists else 0.0
        seen = [path for place in SOURCES for path in (Path(place), *Path(place).glob("*")) if path.exists()]
        fresh = 0 <= time.time() - made < FRESH_S and all(path.stat().st_mtime <= made for path in seen)
    except OSError:  # another run has let the host go
        return ""
    return lists if fresh else ""


def _write(file: Mapping[str, Any], values: Mapping[str, Any], proxy: str, check: bool) -> Replaced:
    path, content, mode = file["path"], file["content"], file["mode"]
    if file["kind"] == "daemon":
        return _engine_apply.replace(path, content, values, mode, check)
    if file["kind"] == "source":
        return _apt_source.replace(path, content, Tree("/"), check)
    if file["kind"] == "proxy":
        return Replaced(write(path, proxy, mode, check).changed, "", "")
    return write(path, content, mode, check)
