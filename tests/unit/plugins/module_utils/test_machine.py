"""Disk, memory, files, records."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._machine import (
    gather_disk,
    gather_files,
    gather_memory,
    gather_mounts,
    gather_records,
    mount_of,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree


def test_disk_of_the_nearest_parent(tmp_path: Path) -> None:
    wanted = f"{tmp_path}/not/yet/there"
    seen = gather_disk(Tree("/"), [wanted])[wanted]
    assert seen["path_seen"] == str(tmp_path)
    assert 0 < seen["free_mib"] <= seen["total_mib"]
    assert seen["read_only"] is False


def test_disk_under_a_file_and_relative(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    seen = gather_disk(Tree("/"), [f"{tmp_path}/file/below", "relative", f"{tmp_path}/nul\0"])
    assert seen[f"{tmp_path}/file/below"]["path_seen"] in (f"{tmp_path}/file", str(tmp_path))
    assert seen["relative"]["path_seen"] == "/"
    assert seen[f"{tmp_path}/nul\0"]["path_seen"] == str(tmp_path)


def test_disk_of_a_recorded_tree_is_unknown(tmp_path: Path) -> None:
    assert gather_disk(Tree(str(tmp_path)), ["/var"])["/var"]["free_mib"] is None


def recorded(tmp_path: Path, files: dict[str, str], **answers: Any) -> Tree:
    """A recording with these files, and these answers by question."""
    for name, text in {"proc/version": "", **files}.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "recording.json").write_text(json.dumps({"answers": answers}))
    return Tree(str(tmp_path))


SPACE = {"path_seen": "/srv", "total_mib": 100, "free_mib": 50, "read_only": False}
MOUNTS = r"""/dev/sda1 / ext4 rw,relatime 0 0
auto.home /home autofs rw,fd=6 0 0
nas:/home /home/lab nfs4 rw,vers=4.2 0 0
/dev/sdb1 /srv/my\040disk\134 xfs ro,noatime 0 0
/dev/sdc1 /mnt ext4 rw 0 0
/dev/sdd1 /mnt btrfs rw 0 0
rpool/a /z zfs rw 0 0
rpool/b /z/b zfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "fstype", "pool"),
    [
        ("/", "ext4", "/dev/sda1"),
        ("/usr", "ext4", "/dev/sda1"),
        ("/home", "autofs", "/home"),
        ("/home/bob", "autofs", "/home"),
        ("/home/lab", "nfs4", "/home/lab"),
        ("/home/lab/x/../dockerx", "nfs4", "/home/lab"),
        ("/home/labor", "autofs", "/home"),
        ("/srv/my disk\\/x", "xfs", "/dev/sdb1"),
        ("/mnt/x", "btrfs", "/dev/sdd1"),
        ("/z", "zfs", "rpool"),
        ("/z/b", "zfs", "rpool"),
        ("//home/lab", "nfs4", "/home/lab"),
    ],
)
def test_file_systems(tmp_path: Path, path: str, fstype: str, pool: str) -> None:
    tree = recorded(tmp_path, {"proc/mounts": MOUNTS})
    seen = gather_disk(tree, [path])[path]
    assert (seen["fstype"], seen["pool"], seen["free_mib"]) == (fstype, pool, None)
    assert seen["read_only"] is (fstype == "xfs")


def test_a_link_leads_to_another_file_system(tmp_path: Path) -> None:
    tree = recorded(tmp_path, {"proc/self/mounts": MOUNTS, "home/lab/there": ""})
    (tmp_path / "root/srv").mkdir()
    (tmp_path / "root/srv/data").symlink_to("../home/lab")
    assert gather_disk(tree, ["/srv/data/new"])["/srv/data/new"]["fstype"] == "nfs4"


def test_a_plain_tree_knows_no_file_systems(tmp_path: Path) -> None:
    assert gather_mounts(Tree(str(tmp_path))) == []
    seen = gather_disk(Tree(str(tmp_path)), ["/srv"])["/srv"]
    assert (seen["fstype"], seen["pool"], seen["read_only"]) == (None, None, None)


def test_live_file_systems() -> None:
    mounts = gather_mounts(Tree("/"))
    found = mount_of(mounts, "/proc")
    assert found and found.fstype == "proc"
    assert gather_disk(Tree("/"), ["/proc/1"])["/proc/1"]["fstype"] == "proc"


def test_a_recordings_space_is_that_of_a_directory_above(tmp_path: Path) -> None:
    """What is judged with other variables than it was recorded with."""
    tree = recorded(tmp_path, {"proc/mounts": MOUNTS}, **{"statvfs /srv": SPACE, "statvfs /home": SPACE})
    assert gather_disk(tree, ["/srv/a/b"])["/srv/a/b"]["free_mib"] == 50
    assert gather_disk(tree, ["/home/lab/a"])["/home/lab/a"]["free_mib"] is None  # another file system
    assert gather_disk(tree, ["relative"])["relative"]["free_mib"] is None


def test_a_recording_keeps_no_names_of_servers() -> None:
    kept: list[bytes] = []

    class Keeping(Tree):
        def read_head(self, path: str, size: int, keep: Any = None) -> bytes | None:
            kept.append(keep(MOUNTS.encode()))
            return None

    gather_mounts(Keeping("/"), ["/home/lab/x", "/srv/my disk\\"])
    assert kept[0].decode() == (
        "/dev/pool0 / ext4 rw 0 0\n/dev/pool1 /home autofs rw 0 0\n/dev/pool2 /home/lab nfs4 rw 0 0\n"
        "/dev/pool3 /srv/my\\040disk\\134 xfs ro 0 0\n"
    )


def test_memory(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    assert gather_memory(tree) == {"total_mib": None, "available_mib": None, "swap_mib": None}
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:  16384000 kB\nMemAvailable: 1024 kB\nHugePages_Total: 0\n")
    assert gather_memory(tree) == {"total_mib": 16000, "available_mib": 1, "swap_mib": None}


def test_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("hello")
    (tmp_path / "f").chmod(0o640)
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to("/etc/passwd")
    (tmp_path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    os.mkfifo(tmp_path / "fifo")
    seen = gather_files(Tree(str(tmp_path)), ["/f", "/d/", "/l", "/big", "/fifo", "/none", "/f/below", "/"])
    assert seen["/f"]["sha256"] == hashlib.sha256(b"hello").hexdigest()
    assert (seen["/f"]["mode"], seen["/f"]["size"], seen["/f"]["kind"]) == ("0640", 5, "file")
    assert [seen[path]["kind"] for path in ("/d/", "/l", "/big", "/fifo", "/")] == [
        "dir",
        "link",
        "file",
        "other",
        "dir",
    ]
    assert seen["/big"]["sha256"] is None
    assert not seen["/none"]["exists"]
    assert not seen["/f/below"]["exists"]


def test_records(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/navilab"
    folder.mkdir(parents=True)
    (folder / "firmware.json").write_text(json.dumps({"packages": ["a"]}))
    (folder / "broken.json").write_text("{")
    (folder / "list.json").write_text("[]")
    (folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "deep.json").write_text("[" * 100000)
    (folder / "notes.txt").write_text("x")
    tree = Tree(str(tmp_path))
    assert gather_records(tree) == {"firmware": {"packages": ["a"]}}
    assert len(tree.problems) == 4
