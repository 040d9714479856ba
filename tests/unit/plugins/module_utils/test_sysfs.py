"""Reads never raise, never block, never leave the root, and say what was wrong."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _sysfs
from ansible_collections.navilab.webui.plugins.module_utils._recording import Collector
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import (
    Tree,
    describe,
    parse_hex,
    parse_int,
    unusable_root,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        (" 4098\n", 4098),
        (str(2**64 - 1), 2**64 - 1),
        (str(2**64), None),
        ("9" * 5000, None),
        ("-1", None),
        ("+1", None),
        ("1_000", None),
        ("\u0661", None),  # a digit, but not one that the kernel prints
        ("0x10", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_decimal_numbers_are_the_kernels(text: str, number: int | None) -> None:
    assert parse_int(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("0x1002\n", 0x1002), ("c5", 0xC5), ("0X00000092", 146), ("0x", None), ("0x" + "f" * 17, None), ("-0x1", None)],
)
def test_hexadecimal_numbers(text: str, number: int | None) -> None:
    assert parse_hex(text) == number


def test_what_is_absent_is_a_value_and_no_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    tree = Tree(str(tmp_path))
    assert tree.read_text("/no") is None
    assert tree.read_int("/file/below") is None
    assert tree.read_hex("/no") is None
    assert tree.listdir("/no") == []
    assert tree.link_name("/no") is None
    assert tree.realpath("/no") is None
    assert not tree.exists("/no")
    assert not tree.is_dir("/file")
    assert tree.device("/dev/kfd") == {
        "path": "/dev/kfd", "exists": False, "char": False, "mode": None, "uid": None, "gid": None, "group": None,
    }  # fmt: skip
    assert tree.problems == []


def test_garbage_is_a_problem_with_its_path_on_the_host(tmp_path: Path) -> None:
    (tmp_path / "number").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_text("")
    (tmp_path / "folder").mkdir()
    tree = Tree(str(tmp_path))
    assert tree.read_int("/number") is None
    assert tree.read_hex("/empty") is None
    assert tree.read_text("/folder") is None
    assert [text.split(": ")[0] for text in tree.problems] == ["/number", "/empty", "/folder"]
    assert tree.problems[1:] == ["/empty: empty", "/folder: is a directory"]


def test_a_problem_is_noted_once_and_their_number_is_bounded(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    for number in range(3 * _sysfs.MAX_PROBLEMS):
        tree.problem("/same", "bad")
        tree.problem(f"/{number}", "bad")
    assert tree.problems.count("/same: bad") == 1
    assert len(tree.problems) == _sysfs.MAX_PROBLEMS


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EIO, errno.ENODEV])
def test_a_refused_read_names_its_errno(tmp_path: Path, refuse: Callable[[str, int], None], number: int) -> None:
    (tmp_path / "gpu_id").write_text("4660")
    refuse("/gpu_id", number)
    tree = Tree(str(tmp_path))
    assert tree.read_int("/gpu_id") is None
    assert tree.problems == [f"/gpu_id: {errno.errorcode[number]} ({os.strerror(number)})"]


def test_a_pipe_does_not_block_and_a_device_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    tree = Tree(str(tmp_path))
    assert tree.read_text("/pipe") is None
    assert tree.problems == ["/pipe: not a regular file"]
    live = Tree("/")
    assert live.live
    assert live.read_text("/dev/zero") is None
    assert live.problems == ["/dev/zero: not a regular file"]


def test_a_huge_file_is_cut(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as stream:
        stream.truncate(1 << 40)  # sparse
    tree = Tree(str(tmp_path))
    text = tree.read_text("/huge")
    assert text is not None
    assert len(text) <= _sysfs.LIMIT
    assert tree.problems == [f"/huge: longer than {_sysfs.LIMIT} bytes, the rest is ignored"]
    assert tree.read_head("/huge", 10) == bytes(10)


def test_link_loops_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    tree = Tree(str(tmp_path))
    assert tree.read_text("/a") is None
    assert tree.listdir("/a/below") == []
    assert tree.realpath("/b") is None
    assert tree.link_name("/a") == "b"  # the link itself is fine
    assert tree.problems[0].startswith("/a: ELOOP")


def test_links_stay_inside_the_root(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("outside")
    root = tmp_path / "root"
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "lib" / "file").write_text("inside")
    (root / "lib").symlink_to("/usr/lib")  # absolute, as on a merged /usr of some images
    (root / "up").symlink_to("../../../../../usr/lib/file")
    (root / "usr" / "deep").symlink_to("/usr/lib/file")
    (root / "out").symlink_to(secret)
    tree = Tree(str(root))
    assert tree.read_text("/lib/file") == "inside"
    assert tree.read_text("/up") == "inside"
    assert tree.read_text("/usr/deep") == "inside"
    assert tree.read_text("/out") is None
    assert tree.read_text("/../secret") is None
    assert tree.realpath("/lib/file") == "/usr/lib/file"


def test_link_name_needs_no_target(tmp_path: Path) -> None:
    (tmp_path / "driver").symlink_to("../../../../bus/pci/drivers/amdgpu/")
    (tmp_path / "file").write_text("")
    tree = Tree(str(tmp_path))
    assert tree.link_name("/driver") == "amdgpu"
    assert tree.link_name("/file") is None
    assert tree.problems == []


def test_numbered_entries_are_sorted_as_numbers(tmp_path: Path) -> None:
    for name in ("10", "2", "0", "x", "01", "-1", "1e3", "99999999"):
        (tmp_path / name).mkdir()
    tree = Tree(str(tmp_path))
    assert tree.numbered("/") == [0, 2, 10]
    assert len(tree.problems) == 5


@pytest.mark.skipif(sys.getfilesystemencoding() != "utf-8", reason="the file system takes no such names")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    os.mkdir(os.fsencode(tmp_path) + b"/\xff\xfe")  # noqa: PTH102 - a Path would decode it
    tree = Tree(str(tmp_path))
    assert tree.numbered("/") == []
    assert tree.problems == ["//\ufffd\ufffd: not a number, ignored"]
    tree.problems[0].encode("utf-8")


def test_paths_that_no_file_can_have(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path))
    assert tree.read_text("/a\0b") is None
    assert tree.read_text("/" + "a" * 300) is None
    null, long = tree.problems
    assert "embedded null" in null and "ENAMETOOLONG" in long
    assert not Tree("/a\0b").is_dir("/")


def test_one_line_values_are_short_and_printable(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b"navi\x1b[31m14\nsecond line\n")
    (tmp_path / "long").write_text("x" * 5000)
    (tmp_path / "blank").write_text("\n")
    tree = Tree(str(tmp_path))
    assert tree.read_word("/name") == "navi\ufffd[31m14"
    assert len(tree.read_word("/long") or "") == _sysfs.WORD
    assert tree.read_word("/blank") is None


def test_owners_are_those_of_the_recorded_host(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "group").write_text("root:x:0:\nbroken\nrender:x:4711:lab\nnegative:x:-1:\n")
    node = tmp_path / "kfd"
    node.write_text("")
    node.chmod(0o660)
    os.chown(node, 12, 4711)
    tree = Tree(str(tmp_path))
    seen = tree.device("/kfd")
    assert (seen["mode"], seen["uid"], seen["gid"], seen["group"], seen["char"]) == ("0660", 12, 4711, "render", False)
    assert tree.group_id("render") == 4711
    assert tree.group_id("video") is None
    assert tree.group_id("negative") is None
    assert tree.group_name(4712) is None


def test_a_character_device_of_the_live_host() -> None:
    seen = Tree("/").device("/dev/null")
    assert (seen["char"], seen["uid"]) == (True, 0)


def test_group_names_of_the_live_host() -> None:
    tree = Tree("/")
    assert tree.group_id("root") == 0
    assert tree.group_name(0) == "root"
    assert tree.group_id("no such group here") is None
    assert tree.group_name(2**70) is None


def test_errors_in_words() -> None:
    assert describe(OSError(errno.EACCES, "x")) == "EACCES (Permission denied)"
    assert describe(ValueError("embedded null byte")) == "embedded null byte"
    assert describe(ValueError()) == "ValueError"


# -- recordings -------------------------------------------------------------------------------------------------------


def recording(folder: Path, **manifest: Any) -> Tree:
    """A recording with these parts of its manifest, over what lies below root/."""
    (folder / "root").mkdir(exist_ok=True)
    (folder / "recording.json").write_text(json.dumps({"format": 1, **manifest}))
    return Tree(str(folder))


def test_a_recording_is_complete_and_not_live(tmp_path: Path) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/file").write_text("inside")
    (tmp_path / "root/etc/out").symlink_to("../../recording.json")
    tree = recording(tmp_path)
    assert (tree.live, tree.complete, tree.unusable, tree.read_text("/etc/file")) == (False, True, "", "inside")
    assert tree.read_text("/etc/out") is None
    assert tree.read_text("/recording.json") is None
    assert not Tree(str(tmp_path / "root")).complete


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b"[" * 10**6, b'{"format": 2}', b'{"stat": []}', b'{"format": 1}' + b" " * (5 << 20)],
)
def test_a_manifest_that_is_none_makes_the_recording_unusable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "recording.json").write_bytes(content)
    tree = Tree(str(tmp_path))
    assert (tree.complete, "recording.json" in tree.unusable) == (False, True)
    assert "recording.json" in unusable_root(str(tmp_path))


def test_neither_manifest_nor_root_lead_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text('{"answers": {"machine": "x"}}')
    folder = tmp_path / "recording"
    (folder / "root").mkdir(parents=True)
    (folder / "recording.json").symlink_to(outside)
    assert "ELOOP" in Tree(str(folder)).unusable
    (folder / "recording.json").unlink()
    os.mkfifo(folder / "recording.json")
    assert "not a regular file" in Tree(str(folder)).unusable
    (folder / "recording.json").unlink()
    (folder / "recording.json").write_text("{}")
    (folder / "root").rmdir()
    (folder / "root").symlink_to("/")
    assert Tree(str(folder)).unusable == "root is no directory"


def test_stat_tells_what_files_cannot(tmp_path: Path) -> None:
    (tmp_path / "root/dev").mkdir(parents=True)
    (tmp_path / "root/dev/plain").write_text("12345")
    told = {"mode": 0o020660, "gid": 44, "rdev": 0xE280, "mtime": 5.5}
    tree = recording(tmp_path, stat={"/dev/dri/renderD128": told, "/dev/bad": {"mode": "x", "uid": -1, "size": 1e300}})
    node = tree.device("/dev/dri/renderD128")
    assert (node["char"], node["mode"], node["uid"], node["gid"]) == (True, "0660", 0, 44)
    seen = tree.lookup("/dev/dri/renderD128")
    assert seen is not None and (seen.st_rdev, seen.st_mtime, seen.st_ctime) == (0xE280, 5.5, 0.0)
    plain, bad = tree.lookup("/dev/plain"), tree.lookup("/dev/bad")  # whoever unpacked it is nobody
    assert plain is not None and (plain.st_uid, plain.st_mode, plain.st_size, plain.st_mtime) == (0, 0o100644, 5, 0.0)
    assert bad is not None and (bad.st_uid, bad.st_mode, bad.st_size) == (0, 0o100644, 0)
    assert tree.read_text("/dev/dri/renderD128") is None


def test_names_and_errors_of_a_recording(tmp_path: Path) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/a").write_text("1")
    listed = {"/etc": ["b", "a", 5, "..", "x/y"], "/run": ["c"], "/odd": "text"}
    tree = recording(tmp_path, listed=listed, errors={"/etc/a": errno.EACCES, "/etc/c": "x", "/etc/d": 99999})
    assert (tree.listdir("/etc"), tree.listdir("/run"), tree.listdir("/odd")) == (["a", "b"], ["c"], [])
    assert [tree.read_text(f"/etc/{name}") for name in "abcd"] == [None] * 4
    assert tree.problems == ["/etc/a: EACCES (Permission denied)"]


def test_answers_of_a_recording(tmp_path: Path) -> None:
    answers = {"machine": "x86_64", "statvfs /": {"free": 1}, "bad": [1], "none": None}
    tree = recording(tmp_path, answers=answers)

    def never() -> str:
        raise AssertionError("asked of a live host alone")

    assert tree.ask("machine", never, "") == "x86_64"
    assert tree.ask("other", never, "unknown") == "unknown"
    assert tree.ask("bad", never, "unknown") == "unknown"
    assert tree.derive("none", lambda: "from files", Optional[str]) == "from files"
    assert tree.derive("machine", never, str) == "x86_64"
    assert Tree(str(tmp_path / "root")).ask("machine", never, "unknown") == "unknown"
    assert tree.problems == ["recording.json: a malformed answer to 'bad'"]


def test_a_long_way_ends(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/long").symlink_to("a/" * 2000 + "long")
    tree = recording(tmp_path)
    assert tree.read_text("/long") is None
    assert tree.read_text("/" + "a/" * 3000) is None
    assert all("ENAMETOOLONG" in problem for problem in tree.problems)
    assert tree.lookup("/..", follow=False) is not None  # the root again
    assert tree.link_name("/../recording.json") is None


def test_what_a_question_reads_is_not_recorded(tmp_path: Path) -> None:
    (tmp_path / "asked").write_text("1")
    (tmp_path / "read").write_text("2")
    collector = Collector()
    tree = Tree("/", collector)

    def ask() -> str | None:
        return tree.read_text(f"{tmp_path}/asked")

    with ThreadPoolExecutor(max_workers=4) as pool:
        for number in range(50):
            pool.submit(tree.ask, f"question {number}", ask, "")
        tree.read_text(f"{tmp_path}/read")
    real = os.path.realpath(tmp_path)
    assert set(collector.files) == {f"{real}/read"}
    assert collector.answers == {f"question {number}": "1" for number in range(50)}
