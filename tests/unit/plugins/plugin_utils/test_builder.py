"""Who builds for the hosts of a run, and what the others learn of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._builder import asked, choose, failures, lines, told

LAB = {"node1": "10.0.0.1", "node2": "10.0.0.2", "node3": "10.0.0.3"}
RECIPE = 12 * "a"
SUM = 64 * "0"
MODEL = {"name": "m.safetensors", "sha256": SUM}


def offers(**changes: dict[str, Any]) -> dict[str, Any]:
    """Three hosts that want the same image; None leaves a host out of the run."""
    whole = {"builds": ["rocm7"], "models": [], "builder": False, "free_mib": 50000, "registry": "", "has": {}}
    return {host: {**whole, **changes.get(host, {})} for host in LAB if changes.get(host, {}) is not None}


@pytest.mark.parametrize(
    ("changes", "more", "builder", "ask"),
    [
        ({}, {}, "node1", []),
        ({"node1": {"free_mib": 100}}, {}, "node2", []),
        ({"node1": {"free_mib": None}}, {}, "node1", []),  # what is unknown is no reason
        # What the builder has of the models that others lack is not fetched.
        ({"node1": {"models": [MODEL]}, "node3": {"has": {SUM: "/m"}}}, {}, "node3", []),
        ({"node1": {"models": [MODEL]}, "node3": {"has": {SUM: "/m"}, "free_mib": 100}}, {}, "node1", []),
        ({"node1": {"models": [MODEL], "builder": True}, "node3": {"has": {SUM: "/m"}}}, {}, "node1", []),
        ({"node3": {"has": {SUM: "/m"}}}, {}, "node1", []),
        ({"node3": {"builder": True}}, {}, "node3", []),
        ({}, {"wanted": "node2"}, "node2", []),
        ({"node2": {"free_mib": 1, "builds": []}}, {"wanted": "node2"}, "node2", []),  # it has the image
        # One that is known by its registry is asked, though another host is the first of the run.
        ({"node1": None, "node2": {"registry": "10.0.0.1:5000"}}, {}, "node1", ["node1"]),
        ({"node1": None}, {"wanted": "node1"}, "node1", ["node1"]),
        ({"node1": None}, {}, "node2", ["node1"]),  # it may be the builder; if it is not, node2 is
    ],
)
def test_one_is_chosen(changes: dict[str, Any], more: dict[str, Any], builder: str, ask: list[str]) -> None:
    found = choose(offers(**changes), LAB, least_mib=12288, **more)
    assert (found["builder"], found["ask"], found["problems"]) == (builder, ask, [])


def test_nothing_to_build_is_nobodys_work() -> None:
    idle = {host: {"builds": []} for host in LAB}
    found = choose(offers(**idle), LAB)
    assert (found["profiles"], found["builder"], lines(found)) == ([], "", [])


def test_one_machine_needs_no_registry() -> None:
    found = choose({"localhost": offers()["node1"]}, {"localhost": "localhost"})
    assert (found["builder"], found["serves"], found["others"]) == ("localhost", False, [])
    assert lines(found) == ["localhost builds the image of profile rocm7, for itself alone"]


def test_others_get_it_from_a_registry_unless_the_user_has_one() -> None:
    has = {SUM: "/m", 64 * "1": "/other"}
    found = choose(offers(node1={"has": has}, node2={"models": [MODEL]}, node3={"models": [MODEL]}), LAB)
    assert (found["serves"], found["others"], found["models"]) == (True, ["node2", "node3"], [MODEL])
    assert found["found"] == {SUM: "/m"}
    assert "fetches m.safetensors once" in lines(found)[1]
    assert not choose(offers(), LAB, external=True)["serves"]


@pytest.mark.parametrize(
    ("changes", "more", "check", "remedy"),
    [
        (
            {host: {"free_mib": 100 + number} for number, host in enumerate(LAB)},
            {},
            "disk_space",
            "free 98 MiB more on node3",
        ),
        ({}, {"wanted": "node9"}, "image_build", "name one of its hosts"),
        ({"node2": {"free_mib": 50}}, {"wanted": "node2"}, "disk_space", "free 150 MiB more on node2, name another"),
        ({"node2": {"free_mib": 50, "builder": True}}, {}, "disk_space", "free 150 MiB more on node2"),
    ],
)
def test_nobody_can(changes: dict[str, Any], more: dict[str, Any], check: str, remedy: str) -> None:
    found = choose(offers(**changes), LAB, least_mib=200, **more)
    (problem,) = found["problems"]
    assert (found["builder"], problem["id"], remedy in problem["remedy"]) == ("", check, True)


def test_what_a_registry_has_is_told_by_recipe() -> None:
    published = {"address": "10.0.0.1:5000", "ca": "PEM", "images": {f"rocm7-{RECIPE}": "sha256:1"}, "models": ["f"]}
    assert told(published)["at"] > 0
    assert {**told(published), "at": 0} == {
        "at": 0,
        "registry": "10.0.0.1:5000",
        "ca": "PEM",
        "images": {RECIPE: "10.0.0.1:5000/navilab/webui@sha256:1"},
        "models": ["f"],
    }
    assert told({}, {f"rocm7-{RECIPE}": "r.example/a@sha256:2"})["images"] == {RECIPE: "r.example/a@sha256:2"}


def test_a_builder_outside_of_the_run_is_asked() -> None:
    build = choose(offers(node1=None), LAB, wanted="node1")
    assert asked(build, [{"address": "10.0.0.1:5000", "images": {f"rocm7-{RECIPE}": "sha256:1"}}])["images"]
    (lost,) = asked(build, [{"unreachable": True, "msg": "no route"}])["problems"]
    assert (lost["id"], "no route" in lost["evidence"]) == ("builder_reachable", True)
    down = {"address": "10.0.0.1:5000", "error": "connection refused", "item": "node1"}
    (silent,) = asked(build, [down])["problems"]
    assert (silent["id"], "with node1 in it" in silent["remedy"]) == ("registry_reachable", True)
    (none,) = asked(build, [{"address": ""}])["problems"]
    assert (none["id"], none["remedy"]) == ("image_build", "run without --limit, or with node1 in it")
    # Another host may have been it, and is not: one of the run builds.
    assert asked(choose(offers(node1=None), LAB), [{"address": ""}]) == {}


def test_a_builder_that_a_hosts_own_run_does_not_reach() -> None:
    build = choose(offers(node1=None), LAB, wanted="node1")
    build["unasked"] = ["node1"]
    (none,) = asked(build, [])["problems"]
    assert none["id"] == "image_build" and none["evidence"].endswith("which reaches no other host")
    assert lines(build) == []


def test_a_mirror_is_asked_for_what_a_silent_registry_has() -> None:
    build = choose(offers(node1=None), LAB, wanted="node1")
    down = {"address": "10.0.0.1:5000", "error": "connection refused", "item": "node1"}
    lab = asked(build, [{**down, "images": {f"rocm7-{RECIPE}": "sha256:1"}}])
    assert lab["images"] == {RECIPE: "10.0.0.1:5000/navilab/webui@sha256:1"}
    assert [check["id"] for check in failures(build, lab)] == ["registry_reachable"]
    assert failures(build, lab, "rack:5002") == []
    # Where nobody knows what it had, the mirror can't be asked either.
    assert failures(build, asked(build, [down]), "rack:5002")


def test_who_gets_no_image_is_told_whose_fault_it_is() -> None:
    build = choose(offers(), LAB)
    assert (build["needs"], failures(build, None), failures(build, {"images": {}})) == (
        ["node1", "node2", "node3"],
        [],
        [],
    )
    (found,) = failures(build, {"problems": [{"id": "disk_space", "evidence": "7 MiB", "remedy": "more"}]})
    assert (found["id"], found["evidence"]) == ("disk_space", "node1, which builds the image: 7 MiB")
    (nobody,) = failures(choose(offers(), LAB, wanted="node9"), None)
    assert nobody["evidence"].startswith("image_builder is 'node9'")


def test_a_builder_outside_of_the_run_is_said_to_be_asked() -> None:
    (line,) = lines(choose(offers(node1=None), LAB, wanted="node1"))
    assert line == "node1, which is not part of this run, is asked for the image that node2, node3 need"


def test_a_model_that_came_later_is_fetched_once_for_all() -> None:
    idle: dict[str, Any] = {"builds": [], "models": [MODEL], "registry": "10.0.0.1:5000"}
    changes = {"node1": {**idle, "registry": "", "builder": True, "has": {SUM: "/m"}}, "node2": idle, "node3": idle}
    found = choose(offers(**changes), LAB)
    assert (found["work"], found["builder"], found["serves"], found["needs"]) == (True, "node1", True, [])
    assert (found["models"], found["found"], found["others"]) == ([MODEL], {SUM: "/m"}, ["node2", "node3"])
    assert lines(found) == ["node1 fetches m.safetensors once, and its registry serves it to node2, node3"]
    away = choose(offers(**{**changes, "node1": None}), LAB)
    assert (away["work"], away["ask"], away["serves"], away["models"]) == (True, ["node1"], False, [])
    assert lines(away) == ["node1, which is not part of this run, is asked for the models that node2, node3 lack"]


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"node2": {"models": [MODEL]}}, {}),  # it trusts no registry
        ({"node2": {"registry": "10.0.0.1:5000"}}, {}),  # it lacks nothing
        ({"node1": {"models": [MODEL]}, "node2": {"registry": "10.0.0.1:5000"}}, {}),  # the others have it
        ({"node2": {"models": [MODEL], "registry": "10.0.0.1:5000"}}, {"external": True}),
        ({"node2": {"models": [MODEL], "registry": "10.9.9.9:5000"}}, {}),  # no host of the lab
        ({"node1": {"builder": False}, "node2": {"models": [MODEL], "registry": "10.0.0.1:5000"}}, {}),  # no more
    ],
)
def test_models_that_each_fetches_itself(changes: dict[str, Any], more: dict[str, Any]) -> None:
    whole = {host: {"builds": [], "builder": host == "node1", **changes.get(host, {})} for host in LAB}
    found = choose(offers(**whole), LAB, **more)
    assert (found["work"], found["builder"], lines(found)) == (False, "", [])
