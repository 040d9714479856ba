"""Reasons for a reboot, from the live host alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.filter.reboot_plan import reboot_plan

OWN = {"path": "/lib/modules/6.1.0-56-amd64/kernel/amdgpu.ko", "version": None, "srcversion": None, "vermagic": "6.1"}
AMDS = {**OWN, "version": "5.18.2", "srcversion": "AB12"}


@pytest.fixture
def settled(host: dict[str, Any]) -> dict[str, Any]:
    host["firmware"] = {"mec_by_board": {"0000:0a:00.0": 146}, "since_boot": True}
    host["kernel"]["pending"] = None
    host["driver"] = {"loaded": True, "version": None, "srcversion": None, "on_disk": OWN}
    return host


def test_nothing_is_due(settled: dict[str, Any]) -> None:
    assert reboot_plan(settled) == {"required": False, "reasons": [], "actions": [], "blocking": False}


def test_a_kernel_that_came_after_the_boot(settled: dict[str, Any]) -> None:
    settled["kernel"]["pending"] = "6.1.0-57-amd64"
    plan = reboot_plan(settled)
    assert plan["actions"] == ["reboot required: kernel 6.1.0-57-amd64 is installed, 6.1.0-56-amd64 runs"]
    assert plan["required"] and not plan["blocking"], "the board works until then"
    settled["kernel"]["pending"] = "6.1.0-56-amd64"
    assert "installed anew" in reboot_plan(settled)["reasons"][0]


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        ({"on_disk": AMDS}, "the kernel's own amdgpu is loaded, amdgpu 5.18.2 (source AB12) lies on disk"),
        ({"version": "5.18.2", "srcversion": "AB12"}, "5.18.2 (source AB12) is loaded, the kernel's own amdgpu lies"),
        ({"version": "5.18.2", "srcversion": "CD34", "on_disk": AMDS}, "(source CD34) is loaded, amdgpu 5.18.2"),
        ({"version": "5.18.2", "srcversion": "AB12", "on_disk": AMDS}, ""),
        ({"loaded": False, "on_disk": AMDS}, ""),
        ({"on_disk": {**AMDS, "vermagic": None}}, ""),  # a file that can't be read says nothing
        ({"version": "5.18.2", "on_disk": None}, ""),
    ],
)
def test_another_driver_on_disk(settled: dict[str, Any], driver: dict[str, Any], reason: str) -> None:
    settled["driver"].update(driver)
    reasons = reboot_plan(settled)["reasons"]
    assert reason in reasons[0] if reason else reasons == []


def test_another_firmware_on_disk(settled: dict[str, Any]) -> None:
    settled["firmware"]["mec_by_board"] = {"0000:0a:00.0": 151}
    assert "146 is loaded, 151 lies on disk" in reboot_plan(settled)["reasons"][0]
    settled["boards"] = [{**settled["boards"][0], "supported": False}]
    assert not reboot_plan(settled)["required"]


def test_a_board_waits_for_its_firmware(settled: dict[str, Any]) -> None:
    settled["boards"] = [{**settled["boards"][0], "driver": None}]
    plan = reboot_plan(settled)
    assert "not bound" in plan["reasons"][0]
    assert plan["blocking"]
    settled["firmware"]["since_boot"] = False
    assert not reboot_plan(settled)["required"], "a boot with that firmware did not bind it: another one won't either"
