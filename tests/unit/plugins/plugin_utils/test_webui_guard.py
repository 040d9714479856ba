"""What confines the webuis: one table a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._guard import (
    BRIDGE,
    EGRESS_ENABLED,
    EGRESS_RULES,
    EGRESS_UNIT,
    RULES,
)
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import verify, webui
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_container import preloads
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_guard import (
    NFTABLES_ACTIVE,
    NFTABLES_ENABLED,
    ZRAM_ENABLED,
    ZRAM_UNIT,
    plan_guard,
)

RUNNING = {
    "state": "running",
    "health": "healthy",
    "ports": [],
    "restart_policy": "unless-stopped",
    "oom_killed": False,
}


@pytest.fixture
def egress(facts: dict[str, Any], settings: dict[str, Any], seen: Callable[..., Any]) -> dict[str, Any]:
    """A host where egress is denied, as the role leaves it; its settings are changed, too."""
    settings["egress"] = "deny"
    facts["dpkg"]["packages"]["nftables"] = {"installed": True, "version": "1", "held": False}
    facts["files"] |= {
        each["path"]: seen("file", each["content"]) for each in plan_guard(facts, settings, {})["plan"]["writes"]
    }
    facts["files"][EGRESS_ENABLED] = seen("link")
    facts["guard"].update(bridge=BRIDGE, rules=RULES)
    return facts


@pytest.fixture
def running(facts: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A host whose webui runs as it is wanted."""
    settings |= {"memory_mib": 8192, "selftest_waive": "not here"}
    instance = webui.plan(facts, settings)["instances"][0]
    facts["docker"]["containers"]["webui"] = {
        **RUNNING, "labels": instance["container"]["labels"], "memory": 8 << 30, "devices": instance["devices"],
        "image": instance["image"],
    }  # fmt: skip
    facts["guard"]["containers"]["webui"] = {
        "memory_swap": 16 << 30, "pids_limit": 2048, "networks": ["bridge"], "oom_kills": 0, "oom_noted": False,
        "tcmalloc": "",
    }  # fmt: skip
    facts["http"]["webui"] = {"status": 200, "ready": True, "models": 1, "error": ""}
    return facts


def container_actions(facts: Any, settings: Any) -> list[str]:
    found: list[str] = webui.plan(facts, settings)["instances"][0]["actions"]
    return found


def test_a_container_as_it_is_wanted(running: dict[str, Any], settings: dict[str, Any]) -> None:
    assert container_actions(running, settings) == []


@pytest.mark.parametrize(
    ("changes", "wanted", "action"),
    [
        ({}, {"memory_mib": 9000}, "set memory limit 9000M of container webui"),
        ({}, {"memory_swap_mib": 0}, "set limit 8192M of memory and swap of container webui"),
        ({}, {"memory_swap_mib": 100}, "set limit 8292M of memory and swap of container webui"),
        ({"memory_swap": -1}, {}, "set limit 16384M of memory and swap of container webui"),
        ({"pids_limit": 0}, {}, "remake container webui, which may have any number of processes"),
        ({}, {"pids_limit": 100}, "remake container webui, whose settings differ"),
        ({}, {"tmp_mib": 100}, "remake container webui, whose settings differ"),
        ({}, {"home_mib": 100}, "remake container webui, whose settings differ"),
        ({}, {"egress": "deny"}, "remake container webui, whose settings differ"),
    ],
)
def test_drift_of_the_limits(
    running: dict[str, Any], settings: dict[str, Any], changes: dict[str, Any], wanted: dict[str, Any], action: str
) -> None:
    running["guard"]["containers"]["webui"].update(changes)
    assert action in container_actions(running, {**settings, **wanted})


def test_a_changed_limit_makes_no_container_again(running: dict[str, Any], settings: dict[str, Any]) -> None:
    more = {"memory_mib": 9000, "memory_swap_mib": 0, "restart_policy": "always"}
    actions = container_actions(running, {**settings, **more})
    assert len(actions) == 3
    assert not [action for action in actions if "remake" in action]


def test_what_the_engine_cannot_limit_is_left(running: dict[str, Any], settings: dict[str, Any]) -> None:
    running["guard"]["limits"] = {"swap": False, "pids": False}
    container = webui.plan(running, settings)["instances"][0]["container"]
    assert (container["memory_swap"], container["pids_limit"]) == (None, None)


@pytest.mark.parametrize(
    ("health", "kills", "ready", "restart"),
    [
        ("unhealthy", 1, False, True),
        ("unhealthy", 0, False, False),
        ("unhealthy", 1, True, False),
        ("starting", 1, False, False),
    ],
)
def test_one_that_hangs_after_a_death_is_restarted(
    running: dict[str, Any], settings: dict[str, Any], health: str, kills: int, ready: bool, restart: bool
) -> None:
    running["docker"]["containers"]["webui"]["health"] = health
    running["guard"]["containers"]["webui"]["oom_kills"] = kills
    running["http"]["webui"]["ready"] = ready
    instance = webui.plan(running, settings)["instances"][0]
    assert instance["restart"] is restart
    assert any("restart container webui" in action for action in instance["actions"]) is restart


# -- egress ---------------------------------------------------------------------------------------------------------


def test_egress_is_denied_before_a_container_is_made(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui.plan(facts, {**settings, "egress": "deny"})
    assert plan["actions"][:5] == [
        "install nftables",
        f"write {EGRESS_RULES}",
        f"write {EGRESS_UNIT}",
        "deny the webui's containers all that they begin (navilab-egress.service)",
        "make network navilab on the bridge navilab0",
    ]
    container = plan["instances"][0]["container"]
    assert (container["networks"], container["dns_servers"]) == ([{"name": "navilab"}], ["127.0.0.1"])
    assert plan["record"]["packages"] == ["libedit2", "libjansson4", "libnftables1", "nftables"]
    assert plan["questions"]["apt"]["install"] == ["nftables"]
    assert webui.plan(facts, settings)["instances"][0]["container"]["networks"] is None


@pytest.mark.parametrize(
    ("path", "value", "action"),
    [
        ("rules", "", "deny the webui's containers"),
        ("rules", RULES.replace("reject", "accept"), "deny the webui's containers"),
        ("bridge", None, "make network navilab"),
        (EGRESS_ENABLED, None, "deny the webui's containers"),
        (EGRESS_RULES, None, f"write {EGRESS_RULES}"),
        (EGRESS_UNIT, {"uid": 7}, f"write {EGRESS_UNIT}"),
    ],
)
def test_drift_of_egress(egress: dict[str, Any], settings: dict[str, Any], path: str, value: Any, action: str) -> None:
    assert plan_guard(egress, settings, {})["before"] == []
    if path in egress["guard"]:
        egress["guard"][path] = value
    elif value is None:
        del egress["files"][path]
    else:
        egress["files"][path].update(value)
    found = plan_guard(egress, settings, {})
    assert any(sentence.startswith(action) for sentence in found["before"])
    assert found["plan"]["comes"] and not found["plan"]["leaves"]


def test_a_container_in_another_network_too(
    egress: dict[str, Any], running: dict[str, Any], settings: dict[str, Any]
) -> None:
    container = webui.plan(egress, settings)["instances"][0]["container"]
    running["docker"]["containers"]["webui"]["labels"] = container["labels"]
    running["guard"]["containers"]["webui"]["networks"] = ["bridge", "navilab"]
    assert container_actions(running, settings) == ["put container webui into network navilab alone"]
    running["guard"]["containers"]["webui"]["networks"] = ["navilab"]
    assert container_actions(running, settings) == []


def test_a_network_of_somebody_else_stops_the_host(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["guard"]["bridge"] = ""
    assert [problem["id"] for problem in webui.plan(facts, {**settings, "egress": "deny"})["problems"]] == [
        "webui_egress"
    ]
    assert webui.plan(facts, settings)["problems"] == []
    assert plan_guard(facts, settings, {})["after"] == []  # nor is it taken away


@pytest.mark.parametrize("changes", [{"egress": "allow"}, {"state": "absent"}])
def test_nothing_of_egress_is_left(egress: dict[str, Any], settings: dict[str, Any], changes: dict[str, Any]) -> None:
    egress["records"]["webui"] = {"packages": ["nftables", "libjansson4"]}
    plan = webui.plan(egress, {**settings, **changes})
    assert plan["actions"][-6:] == [
        "remove network navilab",
        "stop navilab-egress.service",
        f"delete {EGRESS_ENABLED}",
        f"delete {EGRESS_RULES}",
        f"delete {EGRESS_UNIT}",
        "remove nftables",
    ]
    assert plan["guard"]["leaves"] and not plan["guard"]["comes"]
    assert plan["guard"]["kept"] == []


def test_a_unit_that_is_not_there_is_not_stopped(egress: dict[str, Any], settings: dict[str, Any]) -> None:
    """A run was cut off: systemd knows no such unit, and what is left goes all the same."""
    egress["files"][EGRESS_UNIT] = {**egress["files"][EGRESS_UNIT], "exists": False}
    egress["guard"]["rules"] = None
    plan = webui.plan(egress, {**settings, "egress": "allow"})["guard"]
    assert plan["stop"] == []
    assert plan["files_absent"] == [EGRESS_ENABLED, EGRESS_RULES]


def test_nftables_is_kept_where_compressed_swap_alone_leaves(egress: dict[str, Any], settings: dict[str, Any]) -> None:
    egress["records"]["webui"] = {"packages": ["nftables"]}
    egress["guard"]["zram_mib"] = 128
    plan = webui.plan(egress, {**settings, "egress": "deny"})["guard"]
    assert plan["leaves"]
    assert plan["kept"] == ["nftables"]


def test_limits_that_nobody_has_heard_of_are_no_reason_to_make_it_again(
    egress: dict[str, Any], settings: dict[str, Any]
) -> None:
    def made() -> Any:
        return webui.plan(egress, settings)["instances"][0]["container"]["labels"]

    before = made()
    egress["guard"]["limits"] = {}  # the engine took too long
    assert made() == before


@pytest.mark.parametrize("path", [NFTABLES_ENABLED, NFTABLES_ACTIVE])
def test_nftables_stays_where_it_serves_the_host(
    facts: dict[str, Any], settings: dict[str, Any], seen: Callable[..., Any], path: str
) -> None:
    facts["dpkg"]["packages"]["nftables"] = {"installed": True, "version": "1", "held": False}
    assert plan_guard(facts, settings, {})["after"] == []  # it was there before
    facts["files"][path] = seen("link")
    found = plan_guard(facts, settings, {"packages": ["nftables"]})
    assert (found["plan"]["remove"], found["after"]) == ([], ["leave nftables to the host"])
    assert "nftables.service is in use" in found["warnings"][0]


# -- compressed swap --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "waive", "state", "there", "before", "after"),
    [
        (4096, {}, "present", None, True, False),
        (4096, {}, "present", 4096, False, False),
        (4096, {}, "present", 128, True, False),
        (4096, {"zram": "a container"}, "present", None, False, False),
        (0, {}, "present", None, False, False),
        (0, {}, "present", 4096, False, True),
        (4096, {"zram": "a container"}, "absent", 4096, False, True),
    ],
)
def test_compressed_swap(
    facts: dict[str, Any], settings: dict[str, Any], seen: Callable[..., Any], size: int, waive: dict[str, str],
    state: str, there: int | None, before: bool, after: bool,
) -> None:  # fmt: skip
    settings |= {"zram_mib": there or size or 100}
    if there:
        content = plan_guard(facts, settings, {})["plan"]["writes"][0]["content"]
        facts["files"] |= {ZRAM_UNIT: seen("file", content), ZRAM_ENABLED: seen("link")}
        facts["guard"]["zram_mib"] = there
    found = plan_guard(facts, {**settings, "zram_mib": size, "waive": waive, "state": state}, {})
    assert (bool(found["before"]), bool(found["after"])) == (before, after)


# -- what the checks are told -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "changes", "expected"),
    [
        ("rocm7", {}, True),
        ("rocm7", {"tcmalloc": False}, False),
        ("rocm7", {"extra_env": {"LD_PRELOAD": "/mine.so"}}, False),
        ("setsoft-pt2", {}, False),
    ],
)
def test_whose_tcmalloc_is_proven(
    settings: dict[str, Any], profile: str, changes: dict[str, Any], expected: bool
) -> None:
    assert preloads(profile, {**settings, **changes}) is expected


def test_the_checks_are_told(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    settings["egress"] = "deny"
    told = verify.webuis(webui.plan(facts, settings)["instances"], settings)[0]
    assert (told["tcmalloc"], told["egress"]) == (True, "deny")
