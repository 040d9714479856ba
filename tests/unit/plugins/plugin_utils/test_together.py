"""When the packages of firmware and docker_engine are one transaction."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._together import keeps_lists, together

FIRMWARE = {"install": ["fw"], "source": {"path": "/s", "content": "deb"}, "record": {"packages": ["fw"]}}
ENGINE = {
    "install": ["docker.io"], "repository": False, "start": True, "directories": ["/etc/docker"],
    "writes": [{"path": "/d", "content": "{}", "mode": None, "kind": "daemon"}],
    "record": {"packages": ["docker.io"]},
}  # fmt: skip
DUE = ["firmware", "docker_engine"]


def run(engine: dict[str, Any] = ENGINE, due: list[str] = DUE, kept: tuple[str, ...] = (), **variables: Any) -> Any:
    others = {"gpu_access": {"record": {"joined": {"lab": ["video"]}}}, "reboot": {}, "webui": {"record": {}}}
    return together(
        {"firmware": FIRMWARE, "docker_engine": engine, **others}, due, variables, kept, "/kept/install.conf"
    )


def test_both_come_in_at_once() -> None:
    found = run()
    assert found["install"] == ["fw", "docker.io"]
    assert found["files"] == [{"path": "/s", "content": "deb", "kind": "source"}, *ENGINE["writes"]]
    assert (found["lease"], run(due=[*DUE, "webui"])["lease"]) == (1800, 9000)  # of the longest step that comes
    assert (found["directories"], found["lists"]) == (["/etc/docker"], "/kept/install.conf")
    assert found["records"] == {"firmware": FIRMWARE["record"], "docker_engine": ENGINE["record"]}


@pytest.mark.parametrize(
    ("changes", "variables"),
    [
        ({"install": []}, {}),
        ({"repository": True}, {}),  # its key goes first
        ({"start": False}, {}),  # it runs, and has to be reloaded or restarted for its settings
        ({}, {"due": ["firmware"]}),
        ({}, {"ansible_run_tags": ["firmware"]}),
        ({}, {"ansible_skip_tags": ["docker_engine"]}),
    ],
)
def test_each_goes_its_own_way(changes: dict[str, Any], variables: dict[str, Any]) -> None:
    assert run({**ENGINE, **changes}, **variables) == {
        "lease": 0, "install": [], "files": [], "directories": [], "records": {}, "access": False, "lists": "",
    }  # fmt: skip


def test_sources_that_go_first() -> None:
    firmware = {**FIRMWARE, "sources_absent": ["/old"]}
    assert together({"firmware": firmware, "docker_engine": ENGINE}, DUE, {}, (), "")["install"] == []
    assert run({**ENGINE, "files_absent": ["/old"]})["install"] == []


def test_all_records_at_once() -> None:
    """Of the steps that the tags let; an empty one would drop what the host has, and one that says more than the host
    has would hide what is left to do."""
    due = [*DUE, "gpu_access", "reboot", "webui"]
    assert [*run(due=due)["records"]] == [*DUE, "gpu_access"]
    assert [run(due=each)["access"] for each in (due, DUE)] == [True, False]
    assert not run(due=due, ansible_skip_tags=["gpu_access"])["access"]
    assert [*run(due=due, ansible_skip_tags=["gpu_access"])["records"]] == DUE
    assert [*run(due=due, kept=("gpu_access", "firmware"))["records"]] == DUE


def test_lists_are_kept_for_that_alone() -> None:
    """And only by a run whose end takes them away."""
    plans = {"firmware": FIRMWARE, "docker_engine": ENGINE}
    assert keeps_lists(plans, DUE, {})
    assert not keeps_lists(plans, ["firmware"], {})
    assert not keeps_lists(plans, DUE, {"ansible_run_tags": ["firmware", "docker_engine"]})
    assert not keeps_lists(plans, DUE, {"ansible_skip_tags": ["verify"]})


@pytest.mark.parametrize("tags", [["all"], ["tagged"], ["firmware", "docker_engine"]])
def test_tags_that_let_both(tags: list[str]) -> None:
    assert run(ansible_run_tags=tags)["install"]
