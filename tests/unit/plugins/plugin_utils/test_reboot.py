"""Reasons for a reboot, from the live host alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._base import Connection
from ansible_collections.navilab.webui.plugins.plugin_utils._steps.reboot import gate, plan

OWN: dict[str, Any] = {
    "path": "/lib/modules/6.1.0-56-amd64/kernel/amdgpu.ko", "version": None, "srcversion": None, "vermagic": "6.1",
    "signed": True, "signer": None, "since_boot": False,
}  # fmt: skip
AMDS = {**OWN, "version": "5.18.2", "srcversion": "AB12"}


@pytest.fixture
def settled(facts: dict[str, Any]) -> dict[str, Any]:
    facts["firmware"].update(mec_by_board={"0000:0a:00.0": 146}, since_boot=True)
    facts["driver"]["on_disk"] = OWN
    return facts


def planned(facts: Any, ok: bool = False) -> dict[str, Any]:
    return dict(plan(facts, {"ok": ok}))


def test_nothing_is_due(settled: dict[str, Any]) -> None:
    found = planned(settled, ok=True)
    assert not (found["required"] or found["allowed"] or found["blocking"])
    assert found["actions"] == found["reasons"] == found["problems"] == []


def test_a_kernel_that_came_after_the_boot(settled: dict[str, Any]) -> None:
    settled["kernel"]["pending"] = "6.1.0-57-amd64"
    found = planned(settled)
    assert found["actions"] == ["reboot required: kernel 6.1.0-57-amd64 is installed, 6.1.0-56-amd64 runs"]
    assert found["required"] and not found["blocking"], "the board works until then"
    settled["kernel"]["pending"] = "6.1.0-56-amd64"
    assert "installed again" in planned(settled)["reasons"][0]


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
    reasons = planned(settled)["reasons"]
    assert reason in reasons[0] if reason else reasons == []


def test_another_firmware_on_disk(settled: dict[str, Any]) -> None:
    settled["firmware"]["mec_by_board"] = {"0000:0a:00.0": 151}
    assert "146 is loaded, 151 lies on disk" in planned(settled)["reasons"][0]
    settled["boards"] = [{**settled["boards"][0], "supported": False}]
    assert not planned(settled)["required"]


def test_a_board_waits_for_its_firmware(settled: dict[str, Any]) -> None:
    settled["boards"] = [{**settled["boards"][0], "driver": None}]
    found = planned(settled)
    assert "not bound" in found["reasons"][0]
    assert found["blocking"]
    settled["boards"][0]["held_by"] = "vfio-pci"
    assert not planned(settled)["required"], "a virtual machine's board waits for nothing of ours"
    settled["boards"][0]["held_by"] = None
    settled["firmware"]["since_boot"] = False
    assert not planned(settled)["required"], "a boot with that firmware did not bind it: another one won't either"


@pytest.mark.parametrize(
    ("waits", "ok", "local", "stops"),
    [
        (False, False, False, False),  # the board works until then: the run goes on
        (True, False, False, True),
        (True, True, False, False),
        (False, True, True, True),  # the machine can't reboot itself under Ansible
        (True, False, True, True),
    ],
)
def test_when_a_needed_reboot_stops_the_host(
    settled: dict[str, Any], waits: bool, ok: bool, local: bool, stops: bool
) -> None:
    facts: Any = settled
    assert gate(facts, {"ok": ok}, Connection(local, False)) == []
    settled["kernel"]["pending"] = "6.1.0-57-amd64"
    settled["boards"][0]["driver"] = None if waits else "amdgpu"
    problems = gate(facts, {"ok": ok}, Connection(local, False))
    assert [problem["id"] for problem in problems] == ["reboot_required"] * stops
    if stops:
        assert "6.1.0-57-amd64 is installed" in problems[0]["evidence"]
        assert ("navilab_reboot_ok" in problems[0]["remedy"]) is not local
