"""What is read of a board's sensors, from trees as amdgpu lays them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._sensors import read, resets
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

BDF = "0000:0a:00.0"


@pytest.fixture
def device(host: Callable[..., Path]) -> Path:
    return host("rx5500xt-8g") / "sys/bus/pci/devices" / BDF


def at(device: Path) -> Tree:
    return Tree(str(device.parents[4]))


def test_units_are_base_units(device: Path) -> None:
    assert read(at(device), BDF) == {
        "suspended": False, "vram_size": 8573157376, "vram_used": 16777216, "busy": 0.03, "power": 9.0, "fan": 1040,
        "temperatures": {"edge": 41.0, "junction": 43.0, "mem": 46.0},
        "clocks": {"sclk": 300000000, "mclk": 875000000},
    }  # fmt: skip


def test_a_board_that_sleeps_is_not_woken(device: Path) -> None:
    (device / "power/runtime_status").write_text("suspended\n")
    found = read(at(device), BDF)
    assert (found["suspended"], found["vram_used"]) == (True, 16777216)
    assert (found["busy"], found["power"], found["temperatures"], found["clocks"]) == (None, None, {}, {})


def test_what_a_board_does_not_tell(device: Path) -> None:
    hwmon = device / "hwmon/hwmon0"
    (hwmon / "power1_average").rename(hwmon / "power1_input")  # as later kernels call it
    (hwmon / "temp1_label").unlink()
    (hwmon / "fan1_input").write_text("garbage\n")
    (device / "gpu_busy_percent").unlink()
    found = read(at(device), BDF)
    assert (found["power"], found["busy"], found["fan"]) == (9.0, None, None)
    assert found["temperatures"] == {"temp1": 41.0, "junction": 43.0, "mem": 46.0}


def test_resets_are_the_kernels_count() -> None:
    other = "0000:0d:00.0"
    lines = [
        f"amdgpu {BDF}: amdgpu: GPU reset begin!",
        f"amdgpu {BDF}: amdgpu: GPU reset(1) succeeded!",
        f"amdgpu {other}: amdgpu: GPU reset(7) failed",
        f"amdgpu {BDF}: amdgpu: GPU reset(2) succeeded!",
    ]
    assert resets(lines, [BDF, other, "0000:01:00.0"]) == {BDF: 2, other: 7, "0000:01:00.0": 0}
