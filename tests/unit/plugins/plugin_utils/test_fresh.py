"""When facts at hand do, and which steps are due."""

from __future__ import annotations

import time
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils import _fresh
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS

WANTED = {"user": "lab", "packages": ["a", "b"], "files": ["/x"]}


def known(**changes: Any) -> dict[str, Any]:
    found = {
        "run": _fresh.RUN,
        "gathered": time.time(),
        "wanted": WANTED,
        "facts": {"a": 1},
        "plans": {},
        "applied": [],
    }
    return {**found, **changes}


def usable(known: dict[str, Any], step: str = "firmware", *ignored: str, **wanted: Any) -> bool:
    return _fresh.usable(known, wanted, [STEPS[step]], ignored)


def test_wants_are_united() -> None:
    wants: list[dict[str, Any]] = [
        {"packages": ["a"], "user": "lab", "images": [], "registry_ca": ""},
        {"packages": ["a", "b"], "files": ["/x"]},
        {},
    ]
    united = _fresh.unite(wants)
    assert united == {"packages": ["a", "b"], "user": "lab", "images": [], "files": ["/x"]}
    united["packages"].append("c")
    assert wants[0]["packages"] == ["a"]


def test_facts_travel_as_one_text_and_come_back() -> None:
    here = known()
    assert _fresh.read({"state": _fresh.write(here)}) == here


@pytest.mark.parametrize("navilab", [None, {}, {"state": None}, "text", {"state": _fresh.write(known(run="earlier"))}])
def test_another_runs_facts_are_none(navilab: Any) -> None:
    found = _fresh.read(navilab)
    assert (found["run"], found["facts"], found["applied"]) == (_fresh.RUN, {}, [])
    assert not usable(found)


def test_facts_at_hand_do() -> None:
    assert usable(known(), packages=["b"], user="lab")
    assert usable(known())


@pytest.mark.parametrize("wanted", [{"packages": ["c"]}, {"user": "bob"}, {"webuis": [{"name": "w"}]}, {"disk": ["/"]}])
def test_what_was_not_gathered_is_missing(wanted: dict[str, Any]) -> None:
    assert not usable(known(), **wanted)


@pytest.mark.parametrize("age", [_fresh.FRESH_S + 1, -60])  # a clock that was set back tells nothing
def test_old_facts_are_none(age: float) -> None:
    assert not usable(known(gathered=time.time() - age))


@pytest.mark.parametrize(
    ("applied", "step", "does"),
    [
        ("firmware", "firmware", False),
        ("firmware", "gpu_access", True),
        ("firmware", "reboot", False),
        ("docker_engine", "firmware", True),
        ("docker_engine", "webui", False),
        ("gpu_access", "webui", False),
        ("webui", "verify", False),
        *(("reboot", step, False) for step in STEPS if step != "reboot"),
    ],
)
def test_an_applied_step_makes_facts_old_for_those_that_depend_on_it(applied: str, step: str, does: bool) -> None:
    assert usable(known(applied=[applied]), step) is does
    assert usable(known(applied=[applied]), step, applied)


def test_each_step_makes_its_own_facts_old() -> None:
    own = [name for name in STEPS if name not in ("preflight", "verify")]  # these change nothing
    assert [name for name in own if name not in STEPS[name].stale_after] == []


def plans(*acting: str) -> dict[str, Any]:
    return {name: {"actions": ["do it"] if name in acting else []} for name in STEPS}


def test_a_step_is_due_with_actions_or_after_one_that_changes_its_facts() -> None:
    assert _fresh.due(plans(), STEPS) == []
    assert _fresh.due(plans("webui"), STEPS) == ["webui", "gateway", "metrics", "verify"]
    assert _fresh.due(plans("gpu_access"), STEPS) == ["gpu_access", "webui", "gateway", "metrics", "verify"]
    assert _fresh.due(plans("firmware"), STEPS)[:2] == ["firmware", "reboot"]
    assert list(_fresh.due(plans(*STEPS), STEPS)) == list(STEPS)


def test_a_plan_that_is_older_than_a_change_is_made_again() -> None:
    plans = {name: {"actions": []} for name in ("amdgpu_dkms", "firmware", "reboot", "docker_engine", "webui")}
    here = {**known(plans=plans), "pending": []}
    begun = _fresh.pending(here, ["amdgpu_dkms"], ["amdgpu_dkms"], STEPS)
    assert begun == ["firmware", "reboot", "webui"]
    # The role's own last plan has no action left, and settles nothing of the others'.
    assert _fresh.pending({**here, "pending": begun}, ["amdgpu_dkms"], [], STEPS) == begun
    assert _fresh.pending({**here, "pending": begun}, ["reboot"], [], STEPS) == ["firmware", "webui"]


@pytest.mark.parametrize(
    ("allowed", "blocking", "due"), [(False, False, []), (False, True, ["reboot"]), (True, False, ["reboot"])]
)
def test_a_reboot_that_nobody_allowed_is_due_where_a_board_waits(allowed: bool, blocking: bool, due: list[str]) -> None:
    plan = {"actions": ["reboot required: a kernel"], "allowed": allowed, "blocking": blocking}
    assert _fresh.due({"reboot": plan}, STEPS) == due
