"""Virtual machines: what is known of them without starting one."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from navilab.lab import LabError, disks, vms
from navilab.lab._common import HERE, Lab
from navilab.lab.hosts import Host


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "host_ed25519").write_text("PRIVATE\n")
    return tmp_path


def seed(folder: Path, board: str) -> bytes:
    return vms._seed(
        "sim-vm", Host("vm", "bookworm", board, "qemu"), folder, "LOGIN\n", {"10.213.0.2": "registry.test"}
    )


def contents(data: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {each.name: tar.extractfile(each) for each in tar if each.isfile()}
        return {name: file.read().decode(errors="replace") for name, file in files.items() if file}


def test_the_second_disk_makes_a_machine_itself(folder: Path) -> None:
    data = seed(folder, "rx5500xt-8g")
    assert len(data) == vms.SEED_BYTES
    assert data == seed(folder, "rx5500xt-8g"), "the same wish is the same disk"
    found = contents(data)
    assert found["etc/hostname"] == "sim-vm\n"
    assert "10.213.0.2 registry.test\n" in found["etc/hosts"]
    assert found["home/lab/.ssh/authorized_keys"] == "LOGIN\n"
    assert found[f"{vms.FILES}/firmware"] == "navi14_mec.bin\n"
    assert f"{vms.FILES}/board/sys/devices/virtual/kfd/kfd/topology/nodes/1/properties" in found
    assert not any("kfd" in name for name in found if "/unbound/" in name), "no driver has bound it yet"


def test_a_machine_without_a_board_shows_its_own_tree(folder: Path) -> None:
    assert not any(vms.FILES in name for name in contents(seed(folder, "no-board")))


def test_only_our_own_process_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "vm.json").write_text("{}")
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "pid").write_text(f"{other.pid}\n")  # the number was given to somebody else since
        assert vms._pid(tmp_path) is None
        vms._stop(tmp_path)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    ours = subprocess.Popen(
        [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", str(tmp_path / "pid")],
        stdout=subprocess.PIPE,
    )
    assert ours.stdout and ours.stdout.readline(), "it runs"
    (tmp_path / "pid").write_text(f"{ours.pid}\n")
    assert vms._pid(tmp_path) == ours.pid
    ours.kill()
    ours.wait()


def test_status_of_machines_that_are_down(folder: Path) -> None:
    place = folder / "vm" / "vm"
    place.mkdir(parents=True)
    known = {"suite": "bookworm", "board": "no-board", "recipe": "r", "port": 4022, "accel": "tcg"}
    (place / "vm.json").write_text(json.dumps(known))
    (one,) = vms.running(Lab("sim", folder))
    assert (one.name, one.state, one.address, one.port) == ("sim-vm", "exited", "127.0.0.1", 4022)


def test_the_disk_boots_by_its_first_sector() -> None:
    sectors = disks.boot_sectors(b"G" * 512, b"CORE")
    assert sectors[:446] == b"G" * 446
    assert struct.unpack_from("<II", sectors, 446 + 8) == (disks.START // 512, (disks.SIZE - disks.START) // 512)
    assert (sectors[446], sectors[450], sectors[510:512]) == (0x80, 0x83, b"\x55\xaa")
    assert sectors[512:] == b"CORE"
    with pytest.raises(LabError, match="does not fit"):
        disks.boot_sectors(b"G" * 512, bytes(disks.START))


def test_the_cache_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert disks.cache() == tmp_path / "navilab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert disks.cache() == Path("/var/cache/navilab")


def test_recipes_differ_by_suite() -> None:
    assert len({disks.recipe(suite) for suite in disks.images.SUITES}) == len(disks.images.SUITES)


@pytest.mark.parametrize("script", ["essential", "customize", "disk", "lab-board"])
def test_scripts_are_shell(script: str) -> None:
    subprocess.run(["sh", "-n", HERE / "vm" / script], check=True)
