# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk, memory, files and our own records of a host."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ._sysfs import Tree, describe
from ._types import Disk, FileFacts, Memory

RECORDS = "/var/lib/navilab"
_HASH_LIMIT = 1 << 20
_RECORD_LIMIT = 1 << 20
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link", stat.S_IFCHR: "char"}

NO_FILE: FileFacts = {  # a path with nothing there
    "exists": False,
    "kind": None,
    "mode": None,
    "uid": None,
    "gid": None,
    "size": None,
    "mtime": None,
    "sha256": None,
}


def gather_disk(tree: Tree, paths: Iterable[str]) -> dict[str, Disk]:
    """Each path's file system for an unprivileged writer, or that of the nearest parent that exists; statvfs(3)."""
    return {path: _space(path) if tree.live else _no_space() for path in paths}


def _no_space() -> Disk:
    return {"path_seen": None, "total_mib": None, "free_mib": None, "read_only": None}


def _space(path: str) -> Disk:
    seen = posixpath.normpath(path) if path.startswith("/") else "/"
    while True:
        try:
            found = os.statvfs(seen)
            break
        except (OSError, ValueError):
            if seen in ("/", "//"):
                return _no_space()
            seen = posixpath.dirname(seen)
    unit = found.f_frsize or found.f_bsize
    return {
        "path_seen": seen,
        "total_mib": found.f_blocks * unit >> 20,
        "free_mib": found.f_bavail * unit >> 20,
        "read_only": bool(found.f_flag & os.ST_RDONLY),
    }


def gather_memory(tree: Tree) -> Memory:
    """Memory in MiB (2**20), from /proc/meminfo (kB there are KiB); null where it isn't known."""
    found = {
        key: int(value) >> 10
        for key, value in re.findall(r"^(\w+):\s+(\d{1,15}) kB", tree.read_text("/proc/meminfo") or "", re.M)
    }
    return {
        "total_mib": found.get("MemTotal"),
        "available_mib": found.get("MemAvailable"),
        "swap_mib": found.get("SwapTotal"),
    }


def gather_files(tree: Tree, paths: Iterable[str]) -> dict[str, FileFacts]:
    """Kind, mode, numeric owner, size, mtime of each path (links are not followed), and sha256 of files up to 1 MiB."""
    return {path: _file(tree, path) for path in paths}


def _file(tree: Tree, path: str) -> FileFacts:
    try:
        parent, name = posixpath.split(path.rstrip("/") or "/")
        where = Path(tree.host_path(parent), name)
        found = where.lstat()
    except (OSError, ValueError) as error:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            tree.problem(path, describe(error))
        return {**NO_FILE}
    seen: FileFacts = {
        "exists": True,
        "kind": _KINDS.get(stat.S_IFMT(found.st_mode), "other"),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "uid": found.st_uid,
        "gid": found.st_gid,
        "size": found.st_size,
        "mtime": found.st_mtime,
        "sha256": None,
    }
    if seen["kind"] == "file" and found.st_size <= _HASH_LIMIT:
        try:
            with os.fdopen(os.open(where, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
                seen["sha256"] = hashlib.sha256(stream.read(_HASH_LIMIT + 1)).hexdigest()
        except OSError as error:
            tree.problem(path, describe(error))
    return seen


def gather_records(tree: Tree) -> dict[str, dict[str, Any]]:
    """What our roles wrote down about what they put in: /var/lib/navilab/NAME.json by NAME."""
    records: dict[str, dict[str, Any]] = {}
    for name in tree.listdir(RECORDS):
        if not name.endswith(".json"):
            continue
        path = f"{RECORDS}/{name}"
        try:
            record = json.loads(tree.read_head(path, _RECORD_LIMIT) or b"")
        except (ValueError, RecursionError) as error:
            tree.problem(path, describe(error))
            continue
        if isinstance(record, dict):
            records[name[: -len(".json")]] = record
        else:
            tree.problem(path, "an object is expected")
    return records
