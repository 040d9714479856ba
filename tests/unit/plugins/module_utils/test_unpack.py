"""An archive that somebody sent lands in its directory alone, or nowhere."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Union

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _unpack
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree, opened
from ansible_collections.navilab.webui.plugins.module_utils._unpack import unpack

Entry = tuple[str, Union[bytes, str, int]]  # content of a file, target of a link, or type of something else
GOOD: list[Entry] = [("recording.json", b'{"format": 1}'), ("root/etc/x", b"inside"), ("root/lib", "usr/lib")]


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """`packed(*entries)` is an archive."""

    def write(*entries: Entry) -> Path:
        path = tmp_path / "sent.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            for name, what in entries:
                entry = tarfile.TarInfo(name)
                entry.mode = 0o4777
                if isinstance(what, bytes):
                    entry.size = len(what)
                    archive.addfile(entry, io.BytesIO(what))
                    continue
                entry.type = tarfile.SYMTYPE if isinstance(what, str) else bytes([what])
                entry.linkname = what if isinstance(what, str) else "root/etc/x"
                archive.addfile(entry)
        return path

    return write


def test_a_recording_is_read_and_gone(packed: Callable[..., Path]) -> None:
    with opened(str(packed(("./", 0x35), *GOOD))) as (root, problem):
        tree = Tree(root)
        assert (problem, tree.complete, tree.live) == ("", True, False)
        assert tree.read_text("/etc/x") == "inside"
        assert (Path(root, "root/etc/x").stat().st_mode & 0o7777) == 0o600  # whatever the archive says
    assert not Path(root).exists()


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([("../evil", b"x")], "strange name"),
        ([("root/../../evil", b"x")], "strange name"),
        ([("/root/evil", b"x")], "strange name"),
        ([("elsewhere/x", b"x")], "does not belong"),
        ([("root", b"x"), ("root/x", b"x")], "EEXIST"),
        ([("root/out", "/etc"), ("root/out/passwd", b"x")], "EEXIST"),
        ([("root/out", ".."), ("root/out/evil", b"x")], "EEXIST"),
        ([("root", "/tmp"), ("root/evil", b"x")], "EEXIST"),
        ([("root/x", b"1"), ("root/x", b"2")], "EEXIST"),
        ([("root/x", "/etc/passwd"), ("root/x", b"2")], "EEXIST"),
        ([("recording.json/x", b"x")], "does not belong"),
        ([("root/fifo", 0x36)], "neither a file"),
        ([("root/hard", 0x31)], "neither a file"),
        ([("root/device", 0x33)], "neither a file"),
        ([("root/" + "d/" * 100 + "x", b"x")], "strange name"),
        ([("root/" + "n" * 300, b"x")], "ENAMETOOLONG"),
    ],
)
def test_what_no_recording_has_is_refused(
    tmp_path: Path, packed: Callable[..., Path], entries: list[Entry], why: str
) -> None:
    path = packed(*GOOD[:1], *entries)
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    assert why in unpack(str(path), str(folder))
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a", "sent.tar.gz"]
    assert [found.name for found in folder.parent.iterdir()] == ["b"]
    assert Path("/etc/passwd").read_text() != "x"


@pytest.mark.parametrize("data", [b"", b"x" * 100, b"\x1f\x8b\x08\x00", gzip.compress(b""), gzip.compress(b"x" * 1000)])
def test_what_is_no_archive_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "sent.tar.gz"
    path.write_bytes(data)
    with opened(str(path)) as (_root, problem):
        assert problem.startswith(f"root: {str(path)[:128]}")


def test_a_bomb_ends(tmp_path: Path, packed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unpack, "MAX_WHOLE", 1 << 20)
    monkeypatch.setattr(_unpack, "MAX_MEMBERS", 50)
    many: list[Entry] = [(f"root/{number}", bytes(100 << 10)) for number in range(20)]
    empty: list[Entry] = [(f"root/{number}", b"") for number in range(60)]
    large: list[Entry] = [("root/zeros", bytes(2 << 20))]
    for entries, why in ((large, "too large"), (many, "MiB once unpacked"), (empty, "more than 50 entries")):
        folder = tmp_path / why
        folder.mkdir()
        assert why in unpack(str(packed(*entries)), str(folder))
    huge = tmp_path / "huge.tar.gz"
    with huge.open("wb") as stream:
        stream.truncate(_unpack.MAX_PACKED + 1)
    assert "is no recording" in unpack(str(huge), str(folder))


def test_a_pipe_in_its_place_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    start = time.monotonic()
    assert unpack(str(tmp_path / "pipe"), str(tmp_path)) != ""
    assert time.monotonic() - start < 1


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("root/sparse")
    header.size, header.type = 0, tarfile.GNUTYPE_SPARSE
    block = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"%011o\0" % (1 << 40)  # its real size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path = tmp_path / "sent.tar.gz"
    path.write_bytes(gzip.compress(bytes(block) + bytes(1024)))
    folder = tmp_path / "folder"
    folder.mkdir()
    assert unpack(str(path), str(folder)) != ""
