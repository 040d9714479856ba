"""Which files the kernel would take, and what is in them."""

from __future__ import annotations

import json
import lzma
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._boards import firmware_files
from ansible_collections.navilab.webui.plugins.module_utils._firmware import gather_firmware, ucode_version
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

RELEASE = "6.1.0-56-amd64"
KERNEL = {"release": RELEASE, "version": [6, 1]}


def board(**changes: Any) -> dict[str, Any]:
    plain = {"bdf": "0000:0a:00.0", "supported": True, "chip": "navi14", "device_id": "7340", "revision": "c5"}
    return {**plain, **changes}


def ucode(version: int) -> bytes:
    """As Debian's: the header, then the code."""
    body = bytes(512)
    return struct.pack("<IIHHHHIIII", 32 + len(body), 32, 1, 0, 10, 1, version, len(body), 32, 0) + body


def install(root: Path, version: int = 146, base: str = "lib/firmware/amdgpu", chip: str = "navi14") -> Path:
    folder = root / base
    folder.mkdir(parents=True, exist_ok=True)
    for name in [*firmware_files(chip, "7340", "c5", []), f"{chip}_mec_wks.bin"]:
        (folder / name).write_bytes(ucode(123 if "wks" in name else version))
    return folder


def gather(root: Path, *boards: dict[str, Any], kernel: dict[str, Any] | None = None) -> dict[str, Any]:
    result: dict[str, Any] = gather_firmware(Tree(str(root)), boards or (board(),), kernel or KERNEL)
    return result


def test_debians_files(tmp_path: Path) -> None:
    install(tmp_path)
    seen = gather(tmp_path)
    assert seen["directory"] == "/lib/firmware/amdgpu"
    assert (seen["missing"], seen["shadowed"]) == ([], [])
    assert len(seen["needed"]) == 12
    assert (seen["mec_on_disk"], seen["mec_by_board"]) == (146, {"0000:0a:00.0": 146})
    assert seen["initrd_stale"] is seen["since_boot"] is None  # of a recorded tree


@pytest.mark.parametrize("link", ["usr/lib", "/usr/lib"])
def test_a_merged_usr(tmp_path: Path, link: str) -> None:
    install(tmp_path, base="usr/lib/firmware/amdgpu")
    assert gather(tmp_path)["directory"] == "/usr/lib/firmware/amdgpu"  # recorded without the link
    (tmp_path / "lib").symlink_to(link)
    seen = gather(tmp_path)
    assert (seen["directory"], seen["missing"], seen["shadowed"]) == ("/lib/firmware/amdgpu", [], [])


def test_a_bare_host_misses_all(tmp_path: Path) -> None:
    seen = gather(tmp_path)
    assert seen["directory"] is None
    assert seen["missing"] == seen["needed"]
    assert (seen["mec_on_disk"], seen["mec_by_board"]) == (None, {"0000:0a:00.0": None})


def test_a_host_without_a_supported_board_needs_none(tmp_path: Path) -> None:
    seen = gather(tmp_path, board(supported=False, chip="polaris10"))
    assert (seen["needed"], seen["missing"], seen["mec_by_board"]) == ([], [], {})


def test_one_file_missing(tmp_path: Path) -> None:
    (install(tmp_path) / "navi14_sos.bin").unlink()
    assert gather(tmp_path)["missing"] == ["navi14_sos.bin"]


def test_a_link_to_nowhere_is_missing(tmp_path: Path) -> None:
    path = install(tmp_path) / "navi14_asd.bin"
    path.unlink()
    path.symlink_to("navi10_asd.bin")  # as trixie ships it
    assert gather(tmp_path)["missing"] == ["navi14_asd.bin"]
    (path.parent / "navi10_asd.bin").write_bytes(ucode(1))
    assert gather(tmp_path)["missing"] == []


@pytest.mark.parametrize("base", ["updates", f"updates/{RELEASE}", RELEASE])
def test_what_comes_before_debians_files_shadows_them(tmp_path: Path, base: str) -> None:
    install(tmp_path)
    folder = tmp_path / "lib/firmware" / base / "amdgpu"
    folder.mkdir(parents=True)
    (folder / "navi14_mec.bin").write_bytes(ucode(157))
    seen = gather(tmp_path)
    assert seen["shadowed"] == [f"/lib/firmware/{base}/amdgpu/navi14_mec.bin"]
    assert seen["mec_on_disk"] == 157


def test_the_kernels_own_argument_comes_first(tmp_path: Path) -> None:
    install(tmp_path)
    install(tmp_path, version=99, base="srv/fw/amdgpu")
    parameter = tmp_path / "sys/module/firmware_class/parameters/path"
    parameter.parent.mkdir(parents=True)
    parameter.write_text("/srv/fw\n")
    assert gather(tmp_path)["mec_on_disk"] == 99
    assert len(gather(tmp_path)["shadowed"]) == 12
    parameter.write_text("/lib/firmware\n")  # says the same as the default
    assert (gather(tmp_path)["shadowed"], gather(tmp_path)["mec_on_disk"]) == ([], 146)
    (tmp_path / "lib").rename(tmp_path / "usr")
    (tmp_path / "usr/lib").mkdir()
    (tmp_path / "usr/firmware").rename(tmp_path / "usr/lib/firmware")
    (tmp_path / "lib").symlink_to("usr/lib")
    parameter.write_text("/usr/lib/firmware\n")  # and so does this on a merged /usr
    assert (gather(tmp_path)["shadowed"], gather(tmp_path)["mec_on_disk"]) == ([], 146)


@pytest.mark.parametrize(
    ("suffix", "version", "found"),
    [
        (".xz", [5, 10], False),
        (".xz", [6, 1], True),
        (".zst", [6, 1], False),
        (".zst", [6, 12], True),
        (".xz", [], False),
    ],
)
def test_compressed_files_count_where_the_kernel_reads_them(
    tmp_path: Path, suffix: str, version: list[int], found: bool
) -> None:
    path = install(tmp_path) / "navi14_sos.bin"
    path.rename(path.with_name(path.name + suffix))
    missing = gather(tmp_path, kernel={"release": None, "version": version})["missing"]
    assert missing == ([] if found else ["navi14_sos.bin"])


def test_a_plain_file_wins_over_a_compressed_update(tmp_path: Path) -> None:
    install(tmp_path)
    folder = tmp_path / "lib/firmware/updates/amdgpu"
    folder.mkdir(parents=True)
    (folder / "navi14_mec.bin.xz").write_bytes(lzma.compress(ucode(157)))
    assert (gather(tmp_path)["shadowed"], gather(tmp_path)["mec_on_disk"]) == ([], 146)


def test_two_boards_each_with_its_own(tmp_path: Path) -> None:
    install(tmp_path, 151, chip="navi10")
    install(tmp_path, 146)
    seen = gather(
        tmp_path,
        board(bdf="0000:03:00.0", chip="navi10", device_id="731f", revision="c1"),
        board(),
        board(bdf="0000:0d:00.0", device_id="7341", revision="00"),
    )
    assert seen["mec_by_board"] == {"0000:03:00.0": 151, "0000:0a:00.0": 146, "0000:0d:00.0": 123}
    assert seen["mec_on_disk"] == 151
    assert len(seen["needed"]) == len(set(seen["needed"])) == 12 + 12 + 4


@pytest.mark.parametrize("version", [123, 137, 146, 2**32 - 1])
def test_the_version_in_a_header(tmp_path: Path, version: int) -> None:
    (tmp_path / "mec.bin").write_bytes(ucode(version))
    (tmp_path / "mec.bin.xz").write_bytes(lzma.compress(ucode(version)))
    tree = Tree(str(tmp_path))
    assert ucode_version(tree, "/mec.bin") == ucode_version(tree, "/mec.bin.xz") == version
    assert tree.problems == []


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 64, os.urandom(8), b"version https://git-lfs.github.com/spec/v1\noid sha256:0"]
)
def test_what_is_no_microcode_has_no_version(tmp_path: Path, content: bytes) -> None:
    for name in ("mec.bin", "mec.bin.xz"):
        (tmp_path / name).write_bytes(content)
    tree = Tree(str(tmp_path))
    assert ucode_version(tree, "/mec.bin") is None
    assert ucode_version(tree, "/mec.bin.xz") is None
    assert len(tree.problems) == 2
    assert ucode_version(tree, "/mec.bin.zst") is None


@pytest.mark.parametrize(("age", "stale"), [(3600, True), (-3600, False)])
def test_an_initrd_older_than_the_firmware_is_stale(tmp_path: Path, age: int, stale: bool) -> None:
    folder = install(tmp_path / "root")
    came = 1764000000.0
    told: dict[str, dict[str, float]] = {  # the package's own time says nothing
        f"/{path.relative_to(tmp_path / 'root')}": {"ctime": came, "mtime": 0} for path in folder.iterdir()
    }

    def gathered(initrd: str) -> dict[str, Any]:
        stat = {**told, f"/boot/initrd.img-{initrd}": {"mtime": came - age}}
        manifest = {"format": 1, "answers": {"boot time": came - age}, "stat": stat}
        (tmp_path / "recording.json").write_text(json.dumps(manifest))
        return dict(gather_firmware(Tree(str(tmp_path)), [board()], KERNEL))

    seen = gathered(RELEASE)
    assert (seen["initrd_stale"], seen["since_boot"]) == (stale, stale)
    assert gathered("other")["initrd_stale"] is False
    plain = gather_firmware(Tree(str(tmp_path / "root")), [board()], KERNEL)
    assert (plain["initrd_stale"], plain["since_boot"]) == (None, None)


def test_a_refused_read_is_a_value(tmp_path: Path, refuse: Callable[[str, int], None]) -> None:
    install(tmp_path)
    refuse("navi14_mec.bin", 5)
    assert gather(tmp_path)["mec_on_disk"] is None
