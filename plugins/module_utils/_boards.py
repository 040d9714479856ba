# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of AMD boards by their PCI ids: product, chip, gfx target, firmware.

Sources: the kernel's amdgpu_drv.c (ids), libdrm's amdgpu.ids (a name by device and revision), pci.ids (a name by
device alone), gfx_v10_0.c (firmware). One device id is sold as several products that only the revision tells apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

AMD = "1002"
APPLE = "106b"


class Board(NamedTuple):
    """A product as its ids tell it. ``reason`` says why it is not supported, empty when it is."""

    name: str
    chip: str | None
    gfx_target: str | None
    integrated: bool
    reason: str


# VRAM in MiB below which the webui needs --lowvram or --medvram: an 8 GB board shows 8176, one of 4 GB 4080.
LOWVRAM_BELOW_MIB = 5 * 1024
MEDVRAM_BELOW_MIB = 12 * 1024

# Chips that the image profiles know. Navi 14's graphics IP is 10.1.1, its target is gfx1012 all the same.
SUPPORTED = {"navi10": "gfx1010", "navi14": "gfx1012"}

# device -> (chip, name where the revision says nothing more, {revision: name})
_NAVI: dict[str, tuple[str, str, dict[str, str]]] = {
    "7310": ("navi10", "Radeon Pro W5700X", {}),
    "7312": ("navi10", "Radeon Pro W5700", {}),
    "7318": ("navi10", "Navi 10 1002:7318", {}),
    "7319": ("navi10", "Radeon Pro 5700 XT", {}),
    "731a": ("navi10", "Navi 10 1002:731a", {}),
    "731b": ("navi10", "Radeon Pro 5700", {}),
    "731e": ("navi10", "TDC-150", {"c6": "Radeon RX 5700XTB", "c7": "Radeon RX 5700B"}),
    "731f": (
        "navi10",
        "Radeon RX 5600 OEM/5600 XT/5700/5700 XT",
        {
            "c0": "Radeon RX 5700 XT 50th Anniversary",
            "c1": "Radeon RX 5700 XT",
            "c2": "Radeon RX 5600M",
            "c3": "Radeon RX 5700M",
            "c4": "Radeon RX 5700",
            "c5": "Radeon RX 5700 XT",
            "ca": "Radeon RX 5600 XT",
            "cb": "Radeon RX 5600 OEM",
        },
    ),
    "7340": (
        "navi14",
        "Radeon RX 5500/5500M/Pro 5300/5300M/5500M",
        {
            "c1": "Radeon RX 5500M",
            "c3": "Radeon RX 5300M",
            "c5": "Radeon RX 5500 XT",
            "c7": "Radeon RX 5500",
            "c9": "Radeon RX 5500XTB",
            "cf": "Radeon RX 5300",
        },
    ),
    "7341": ("navi14", "Radeon Pro W5500", {}),
    "7347": ("navi14", "Radeon Pro W5500M", {}),
    "734f": ("navi14", "Radeon Pro W5300M", {}),
    "7360": ("navi12", "Radeon Pro 5600M/V520/BC-160", {"41": "Radeon Pro 5600M", "c3": "Radeon Pro V520"}),
    "7362": ("navi12", "Radeon Pro V520/V540", {"c1": "Radeon Pro V540", "c3": "Radeon Pro V520"}),
}

# Apple's boards by device and subsystem: their revisions are Apple's own.
_APPLE = {("7340", "106b:0219"): "Radeon Pro 5300", ("7340", "106b:0210"): "Radeon Pro 5300M"}

# Other AMD GPUs, so that a report can name them: (devices, chip, marketing, target).
_NEIGHBOURS: Sequence[tuple[str, str, str, str]] = (
    ("67df", "Polaris 10", "Radeon RX 470/480/570/580/590", "gfx803"),
    ("6fdf", "Polaris 10", "Radeon RX 580 2048SP", "gfx803"),
    ("67ef 67ff", "Polaris 11", "Radeon RX 460/560", "gfx803"),
    ("699f", "Polaris 12", "Radeon RX 550", "gfx803"),
    ("7300", "Fiji", "Radeon R9 Fury/Nano", "gfx803"),
    ("687f", "Vega 10", "Radeon RX Vega 56/64", "gfx900"),
    ("69a0 69a1 69a2 69a3 69af", "Vega 12", "Radeon Pro Vega 16/20", "gfx904"),
    ("66af", "Vega 20", "Radeon VII", "gfx906"),
    ("73a5 73af 73bf", "Navi 21", "Radeon RX 6800/6900/6950", "gfx1030"),
    ("73df", "Navi 22", "Radeon RX 6700/6750", "gfx1031"),
    ("73ef 73ff", "Navi 23", "Radeon RX 6600/6650", "gfx1032"),
    ("743f", "Navi 24", "Radeon RX 6400/6500 XT", "gfx1034"),
    ("744c", "Navi 31", "Radeon RX 7900", "gfx1100"),
    ("747e", "Navi 32", "Radeon RX 7700/7800 XT", "gfx1101"),
    ("7480", "Navi 33", "Radeon RX 7600", "gfx1102"),
)

# GPUs inside a processor: they sit beside a board and share the host's memory.
_INTEGRATED: Sequence[tuple[str, str, str]] = (
    ("15dd 15d8", "Raven/Picasso", "gfx902"),
    ("1636", "Renoir", "gfx90c"),
    ("1638", "Cezanne", "gfx90c"),
    ("164c", "Lucienne", "gfx90c"),
    ("15e7", "Barcelo", "gfx90c"),
    ("13f9 13fa 13fb 13fc 13fd 13fe 143f", "Cyan Skillfish", "gfx1013"),
    ("163f", "Van Gogh", "gfx1033"),
    ("164d 1681", "Rembrandt", "gfx1035"),
    ("164e", "Raphael", "gfx1036"),
    ("13c0", "Granite Ridge", "gfx1036"),
    ("1506", "Mendocino", "gfx1037"),
    ("15bf 15c8 1900 1901", "Phoenix/Hawk Point", "gfx1103"),
    ("150e", "Strix Point", "gfx1150"),
    ("1586", "Strix Halo", "gfx1151"),
)

# KFD's node name -> target, for kernels without gfx_target_version and ids that no table has.
_TARGET_BY_NAME = {
    "navi10": "gfx1010",
    "navi12": "gfx1011",
    "navi14": "gfx1012",
    "polaris10": "gfx803",
    "polaris11": "gfx803",
    "polaris12": "gfx803",
    "vega10": "gfx900",
    "vega12": "gfx904",
    "vega20": "gfx906",
    "raven": "gfx902",
    "renoir": "gfx90c",
    "arcturus": "gfx908",
    "aldebaran": "gfx90a",
    "sienna_cichlid": "gfx1030",
    "navy_flounder": "gfx1031",
    "dimgrey_cavefish": "gfx1032",
    "beige_goby": "gfx1034",
    "vangogh": "gfx1033",
    "yellow_carp": "gfx1035",
}

_PROFILES = "the image profiles cover Navi 10 (gfx1010) and Navi 14 (gfx1012)"


def _known(device: str, revision: str | None, subsystem: str | None) -> Board | None:
    if device in _NAVI:
        chip, name, by_revision = _NAVI[device]
        name = _APPLE.get((device, subsystem or ""), by_revision.get(revision or "", name))
        if chip in SUPPORTED:
            return Board(name, chip, SUPPORTED[chip], False, "")
        return Board(name, chip, "gfx1011", False, "Navi 12 (gfx1011): no image profile has code for it; " + _PROFILES)
    for devices, chip, marketing, target in _NEIGHBOURS:
        if device in devices.split():
            return Board(marketing, chip.lower().replace(" ", ""), target, False, f"{chip} ({target}): {_PROFILES}")
    for devices, chip, target in _INTEGRATED:
        if device in devices.split():
            return Board(f"{chip} integrated graphics", None, target, True, f"integrated GPU {target}")
    return None


def identify(
    device: str | None,
    revision: str | None = None,
    subsystem: str | None = None,
    driver_target: str | None = None,
) -> Board:
    """Name a board, and say whether it is supported.

    ``device`` and ``revision`` are lower-case hex digits as in sysfs without 0x, ``subsystem`` is ``vendor:device``.
    ``driver_target`` is what the driver itself calls the GPU; it decides where the id is in no table.
    """
    board = _known(device, revision, subsystem) if device else None
    if board is not None:
        return board
    name = f"AMD display device {AMD}:{device or '????'}"
    for chip, target in SUPPORTED.items():
        if target == driver_target:
            return Board(name, chip, target, False, "")
    what = f"unknown AMD GPU {device or 'without a device id'}" + (f" ({driver_target})" if driver_target else "")
    return Board(name, None, driver_target, False, f"{what}: {_PROFILES}")


def target_of_device(device: str | None) -> str | None:
    """gfx target by PCI device id alone, or None."""
    board = _known(device, None, None) if device else None
    return board.gfx_target if board else None


def target_of_name(name: str) -> str | None:
    """gfx target by KFD's node name (``navi14``), or None."""
    return _TARGET_BY_NAME.get(name)


def uses_workstation_firmware(chip: str, device: str | None, revision: str | None) -> bool:
    """Whether the graphics engines take the ``_wks`` files: every Navi 14 but 7340 with a revision other than 0."""
    return chip == "navi14" and not (device == "7340" and revision != "00")


def firmware_files(chip: str, device: str | None, revision: str | None, kernel: Sequence[int]) -> list[str]:
    """Files below amdgpu/ without which the driver refuses the board, in the order in which it loads them.

    mec2 is optional on every kernel and ta before 6.0; gpu_info is for boards without a discovery table.
    ``kernel`` is [major, minor], [] if unknown.
    """
    suffix = "_wks" if uses_workstation_firmware(chip, device, revision) else ""
    parts = ["sos", "asd"] + ([] if kernel and kernel[0] < 6 else ["ta"]) + ["smc"]
    parts += [engine + suffix for engine in ("pfp", "me", "ce")] + ["rlc", "mec" + suffix, "sdma", "sdma1", "vcn"]
    return [f"{chip}_{part}.bin" for part in parts]


def mec_file(chip: str, device: str | None, revision: str | None) -> str:
    """The compute engine's microcode, whose version decides whether PCIe atomics are needed."""
    return f"{chip}_mec{'_wks' if uses_workstation_firmware(chip, device, revision) else ''}.bin"
