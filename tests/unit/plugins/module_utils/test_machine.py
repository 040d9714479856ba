"""Disk, memory, files, records."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from ansible_collections.navilab.webui.plugins.module_utils._machine import (
    gather_disk,
    gather_files,
    gather_memory,
    gather_records,
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
