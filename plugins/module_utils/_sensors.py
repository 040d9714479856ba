# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a board says of itself while it works: temperatures, power, clocks, fan and memory, as amdgpu tells in sysfs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypedDict

from ._sysfs import Tree

DEVICES = "/sys/bus/pci/devices"
_HWMON = re.compile(r"hwmon[0-9]+", re.ASCII)
_RESET = re.compile(r"GPU reset\((\d{1,9})\)", re.ASCII)


class Sensors(TypedDict):
    """A board's readings in base units, None and empty for what it does not tell. Of one that is suspended nothing is
    read that would wake it."""

    suspended: bool
    vram_size: int | None
    vram_used: int | None
    busy: float | None
    power: float | None
    fan: int | None
    temperatures: dict[str, float]
    clocks: dict[str, int]


def read(tree: Tree, bdf: str) -> Sensors:
    """The readings of the board at `bdf`. amdgpu wakes a board for all but the sizes of its memory."""
    device = f"{DEVICES}/{bdf}"
    suspended = tree.read_word(f"{device}/power/runtime_status") == "suspended"
    found: Sensors = {
        "suspended": suspended,
        "vram_size": tree.read_int(f"{device}/mem_info_vram_total"),
        "vram_used": tree.read_int(f"{device}/mem_info_vram_used"),
        "busy": None, "power": None, "fan": None, "temperatures": {}, "clocks": {},
    }  # fmt: skip
    if suspended:
        return found
    percent = tree.read_int(f"{device}/gpu_busy_percent")
    found["busy"] = None if percent is None else percent / 100
    for name in sorted(tree.listdir(f"{device}/hwmon")):
        if _HWMON.fullmatch(name):
            _hwmon(tree, f"{device}/hwmon/{name}", found)
    return found


def _hwmon(tree: Tree, folder: str, found: Sensors) -> None:
    """Documentation/gpu/amdgpu and hwmon/sysfs-interface: millidegrees, microwatts, hertz, revolutions a minute."""
    for label, millidegrees in _labelled(tree, folder, "temp").items():
        found["temperatures"][label] = millidegrees / 1000
    found["clocks"].update(_labelled(tree, folder, "freq"))
    # power1_average until 6.5; later kernels have power1_input for chips that measure the moment.
    for name in ("power1_average", "power1_input"):
        microwatts = tree.read_int(f"{folder}/{name}")
        if microwatts is not None and found["power"] is None:
            found["power"] = microwatts / 1000000
    found["fan"] = tree.read_int(f"{folder}/fan1_input")


def _labelled(tree: Tree, folder: str, kind: str) -> dict[str, int]:
    """The readings of a kind by the driver's label, such as edge, junction and mem."""
    found = {}
    for name in sorted(tree.listdir(folder)):
        match = re.fullmatch(rf"({kind}[0-9]+)_input", name, re.ASCII)
        value = tree.read_int(f"{folder}/{name}") if match else None
        if match and value is not None:
            found[tree.read_word(f"{folder}/{match[1]}_label") or match[1]] = value
    return found


def resets(lines: Iterable[str], bdfs: Iterable[str]) -> Mapping[str, int]:
    """How often each board was reset since the boot: amdgpu's own count, which it writes with each into its log."""
    found = dict.fromkeys(bdfs, 0)
    for line in lines:
        for bdf in found:
            if bdf in line and (match := _RESET.search(line)):
                found[bdf] = max(found[bdf], int(match[1]))
    return found
