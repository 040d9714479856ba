# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk, memory, files and our own records of a host."""

from __future__ import annotations

import json
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypedDict

from ._apt import EXTENDS, without_secrets
from ._sysfs import Tree, describe
from ._types import Disk, FileFacts, Memory

RECORDS = "/var/lib/navilab"
_HASH_LIMIT = 1 << 20
_RECORD_LIMIT = 1 << 20
_MOUNTS_LIMIT = 4 << 20  # a host with many containers has thousands, each with a long line
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


class _Space(TypedDict):
    """What statvfs(3) says, of the path or of the nearest parent that exists."""

    path_seen: str | None
    total_mib: int | None
    free_mib: int | None
    read_only: bool | None


class Mount(NamedTuple):
    """A line of /proc/mounts."""

    source: str
    point: str
    fstype: str
    read_only: bool


def gather_disk(tree: Tree, paths: Iterable[str]) -> dict[str, Disk]:
    """Each path's file system for an unprivileged writer, or that of the nearest parent that exists."""
    paths = list(paths)
    # First, since it lets an automounter mount what is there.
    spaces = {path: _ask_space(tree, path) for path in paths}
    mounts = gather_mounts(tree, paths) if paths else []
    found = {}
    for path in paths:
        mount = mount_of(mounts, _resolved(tree, path))
        space = spaces[path]
        if not tree.live and space["total_mib"] is None:
            space = _space_above(tree, path, mount, mounts)
        found[path] = _disk(space, mount)
    return found


def _ask_space(tree: Tree, path: str) -> _Space:
    return tree.ask(f"statvfs {path}", partial(_space, path), _no_space(), _Space)


def _space_above(tree: Tree, path: str, mount: Mount | None, mounts: Sequence[Mount]) -> _Space:
    """What a recording has of a directory above, where that is on the same file system."""
    above = posixpath.normpath(path)
    while above.startswith("/") and above.strip("/"):
        above = posixpath.dirname(above)
        space = _ask_space(tree, above)
        if space["total_mib"] is not None:
            return space if mount_of(mounts, _resolved(tree, above)) == mount else _no_space()
    return _no_space()


def _disk(space: _Space, mount: Mount | None) -> Disk:
    read_only = space["read_only"] if space["read_only"] is not None or not mount else mount.read_only
    return {
        "path_seen": space["path_seen"],
        "total_mib": space["total_mib"],
        "free_mib": space["free_mib"],
        "read_only": read_only,
        "fstype": mount.fstype if mount else None,
        "pool": _pool(mount) if mount else None,
    }


def _pool(mount: Mount) -> str:
    """Whose space it is: a file system may be mounted twice, or by parts, and the sets of a ZFS pool share its own."""
    if mount.fstype == "zfs":
        return mount.source.partition("/")[0] or mount.source
    return mount.source if mount.source.startswith("/dev/") else mount.point


def gather_mounts(tree: Tree, paths: Iterable[str] = ()) -> list[Mount]:
    """What is mounted, in the kernel's order: a later one hides an earlier one at the same place. A recording keeps the
    lines that `paths` are about."""
    wanted = [_resolved(tree, path) for path in paths]

    def keep(data: bytes) -> bytes:
        mounts = [mount for mount in map(_mount, data.split(b"\n")) if mount]
        mounts = [mount for mount in mounts if any(_below(path, mount) for path in wanted)]
        pools = list(dict.fromkeys(map(_pool, mounts)))  # the names of servers and volumes are nobody's business
        lines = [
            f"/dev/pool{pools.index(_pool(each))} {_escaped(each.point)} {_escaped(each.fstype)} "
            f"{'ro' if each.read_only else 'rw'} 0 0\n"
            for each in mounts
        ]
        return "".join(lines).encode()

    for path in ("/proc/mounts", "/proc/self/mounts"):
        data = tree.read_head(path, _MOUNTS_LIMIT, keep)
        if data is not None:
            return [mount for mount in map(_mount, data.split(b"\n")) if mount]
    return []


def _mount(line: bytes) -> Mount | None:
    """A line as proc_pid_mounts(5) has it, where white space, a backslash and # in a name are three octal digits."""
    fields = line.decode("utf-8", "replace").split(" ")
    if len(fields) < 4:
        return None
    source, point, fstype = (
        re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8) & 0xFF), field) for field in fields[:3]
    )
    return Mount(source, point, fstype, "ro" in fields[3].split(","))


def _escaped(name: str) -> str:
    return re.sub(r"[ \t\n\\#]", lambda char: f"\\{ord(char[0]):03o}", name)


def _below(path: str, mount: Mount) -> bool:
    return path == mount.point or path.startswith(mount.point.rstrip("/") + "/")


def mount_of(mounts: Iterable[Mount], path: str) -> Mount | None:
    """The mount that a path without links lies on: the deepest, and of several at one place the last."""
    found: Mount | None = None
    for mount in mounts:
        if _below(path, mount) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _resolved(tree: Tree, path: str) -> str:
    """A path without the links that are in the part of it that exists."""
    seen, rest = posixpath.normpath(path) if path.startswith("/") else "/", ""
    seen = "/" + seen.lstrip("/")  # normpath keeps two slashes at the start
    while seen != "/":
        real = tree.realpath(seen)
        if real is not None:
            return f"{real.rstrip('/')}{rest}"
        seen, _slash, name = seen.rpartition("/")
        seen, rest = seen or "/", f"/{name}{rest}"
    return rest or "/"


def _no_space() -> _Space:
    return {"path_seen": None, "total_mib": None, "free_mib": None, "read_only": None}


def _space(path: str) -> _Space:
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
    found = tree.lookup(path, follow=False)
    if found is None:
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
        seen["sha256"] = tree.sha256(path, _HASH_LIMIT + 1, _public if path.startswith(EXTENDS) else None)
    return seen


def _public(data: bytes) -> bytes:
    """Sources as a plan has them."""
    return without_secrets(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


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


def images_of(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """References of the images that the records of webui and image name, which the variables may name no more."""
    found: dict[str, None] = {}
    webui = records.get("webui") or {}
    ran = webui.get("history")
    for held in (webui.get("images"), (records.get("image") or {}).get("images")):
        found.update(dict.fromkeys(str(image) for image in (held if isinstance(held, list) else ())))
    for entries in ran.values() if isinstance(ran, dict) else ():
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("image"):
                found[str(entry["image"])] = None
    return [*found]
