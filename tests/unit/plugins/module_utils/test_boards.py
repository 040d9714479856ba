"""Ids to names, targets, support and firmware."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._boards import (
    firmware_files,
    identify,
    mec_file,
    target_of_device,
    target_of_name,
)


@pytest.mark.parametrize(
    ("device", "revision", "name", "target"),
    [
        ("7340", "c5", "Radeon RX 5500 XT", "gfx1012"),
        ("7340", "c1", "Radeon RX 5500M", "gfx1012"),
        ("7340", "c7", "Radeon RX 5500", "gfx1012"),
        ("731f", "c1", "Radeon RX 5700 XT", "gfx1010"),
        ("731f", "c4", "Radeon RX 5700", "gfx1010"),
        ("731f", "ca", "Radeon RX 5600 XT", "gfx1010"),
        ("7312", "00", "Radeon Pro W5700", "gfx1010"),
        ("7341", "00", "Radeon Pro W5500", "gfx1012"),
        ("731b", None, "Radeon Pro 5700", "gfx1010"),
    ],
)
def test_the_revision_tells_products_of_one_id_apart(device: str, revision: str | None, name: str, target: str) -> None:
    board = identify(device, revision)
    assert (board.name, board.gfx_target, board.reason, board.integrated) == (name, target, "", False)


def test_without_a_revision_every_product_of_the_id_is_named() -> None:
    assert "5500" in identify("7340").name
    assert "5300" in identify("7340").name


@pytest.mark.parametrize(("subsystem", "name"), [("106b:0219", "Radeon Pro 5300"), ("106b:0210", "Radeon Pro 5300M")])
def test_apple_names_by_subsystem(subsystem: str, name: str) -> None:
    assert identify("7340", "47", subsystem).name == name


def test_a_partners_subsystem_says_nothing() -> None:
    assert identify("7340", "c5", "1043:04e6").name == "Radeon RX 5500 XT"


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("67df", ["Polaris 10", "gfx803"]),
        ("699f", ["Polaris 12", "gfx803"]),
        ("687f", ["Vega 10", "gfx900"]),
        ("73bf", ["Navi 21", "gfx1030"]),
        ("73ff", ["Navi 23", "gfx1032"]),
        ("744c", ["Navi 31", "gfx1100"]),
        ("7360", ["Navi 12", "gfx1011", "no image profile"]),
        ("7362", ["Navi 12", "gfx1011", "no image profile"]),
    ],
)
def test_neighbours_are_refused_by_name(device: str, words: list[str]) -> None:
    board = identify(device)
    assert all(word in board.reason for word in words)
    assert board.gfx_target == target_of_device(device) == words[1]
    assert not board.integrated


@pytest.mark.parametrize(("device", "target"), [("1636", "gfx90c"), ("15d8", "gfx902"), ("164e", "gfx1036")])
def test_integrated_gpus(device: str, target: str) -> None:
    board = identify(device)
    assert board.integrated
    assert board.reason == f"integrated GPU {target}"


def test_an_id_in_no_table_is_known_by_what_the_driver_calls_it() -> None:
    assert identify("7fff", driver_target="gfx1012").reason == ""
    assert identify("7fff", driver_target="gfx1012").chip == "navi14"
    assert "gfx942" in identify("7fff", driver_target="gfx942").reason
    assert "7fff" in identify("7fff").reason
    assert identify(None).reason


def test_names_of_kfd() -> None:
    assert target_of_name("navi14") == "gfx1012"  # not gfx1011, though its graphics IP is 10.1.1
    assert target_of_name("ip discovery") is None
    assert target_of_device("1478") is None  # a bridge that pci.ids calls Navi 10
    assert target_of_device(None) is None


@pytest.mark.parametrize(
    ("chip", "device", "revision", "workstation"),
    [
        ("navi14", "7340", "c5", False),
        ("navi14", "7340", None, False),
        ("navi14", "7340", "00", True),
        ("navi14", "7341", "00", True),
        ("navi14", "7347", "00", True),
        ("navi14", "734f", "00", True),
        ("navi10", "7312", "00", False),
    ],
)
def test_who_takes_workstation_firmware(chip: str, device: str, revision: str | None, workstation: bool) -> None:
    files = firmware_files(chip, device, revision, [6, 1])
    mine, other = ("_wks", "") if workstation else ("", "_wks")
    for engine in ("pfp", "me", "ce", "mec"):
        assert f"{chip}_{engine}{mine}.bin" in files
        assert f"{chip}_{engine}{other}.bin" not in files
    assert f"{chip}_rlc.bin" in files
    assert mec_file(chip, device, revision) == f"{chip}_mec{mine}.bin"


def test_what_a_kernel_does_without_is_not_needed() -> None:
    assert "navi14_ta.bin" in firmware_files("navi14", "7340", "c5", [6, 12])
    assert "navi14_ta.bin" in firmware_files("navi14", "7340", "c5", [])
    assert "navi14_ta.bin" not in firmware_files("navi14", "7340", "c5", [5, 10])
    assert "navi14_mec2.bin" not in firmware_files("navi14", "7340", "c5", [6, 12])
    assert firmware_files("navi14", "7340", "c5", [6, 1])[0] == "navi14_sos.bin"
    assert len(firmware_files("navi10", "731f", "c1", [6, 1])) == 12
