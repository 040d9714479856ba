"""What the firmware, gpu_access and docker_engine roles decide."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._firmware import component_for
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS, docker_engine
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._docker_daemon import merge_daemon
from ansible_collections.navilab.webui.plugins.plugin_utils._steps.docker_engine import (
    DAEMON_JSON,
    ENABLED,
    PROXY_DROPIN,
    proxy_unit,
    wanted_packages,
)

ROTATION = {"log-driver": "json-file", "log-opts": {"max-size": "10m"}}
ENGINE = {
    "state": "present",
    "provider": "debian",
    "daemon_defaults": ROTATION,
    "daemon": {},
    "registry_cas": {},
    "proxy": {},
    "restart_ok": False,
}


def firmware_plan(facts: Any, state: str = "present") -> Any:
    return STEPS["firmware"].plan(facts, {"state": state, "package": "firmware-amd-graphics"})


def gpu_access_plan(facts: Any, **changes: Any) -> Any:
    settings = {"state": "present", "groups": ["video", "render"], "user": "lab", **changes}
    return STEPS["gpu_access"].plan(facts, settings)


def docker_engine_plan(facts: Any, settings: dict[str, Any]) -> Any:
    return docker_engine.plan(facts, settings)


@pytest.mark.parametrize(
    ("codename", "component"),
    [("bullseye", "non-free"), ("bookworm", "non-free-firmware"), ("trixie", "non-free-firmware")],
)
def test_component(codename: str, component: str) -> None:
    assert component_for(codename) == component


def test_firmware_on_a_bare_host(facts: dict[str, Any]) -> None:
    plan = firmware_plan(facts)
    assert plan["source"] == {
        "path": "/etc/apt/sources.list.d/navilab-firmware.sources",
        "content": "# non-free-firmware for the GPU's firmware, from the same mirrors as main. "
        "Written by navilab.webui.firmware.\n"
        "Types: deb\nURIs: http://deb.debian.org/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: non-free-firmware\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    }
    assert plan["install"] == ["firmware-amd-graphics"]
    assert plan["record"] == {"packages": ["firmware-amd-graphics"]}


def test_one_line_sources_stay_one_line(facts: dict[str, Any]) -> None:
    entry = {
        "file": "/etc/apt/sources.list",
        "format": "one-line",
        "enabled": True,
        "types": ["deb"],
        "uris": ["http://mirror.example/debian"],
        "suites": ["bullseye"],
        "components": ["main", "contrib"],
        "options": {
            "Architectures": "amd64 i386",
            "Languages-Remove": "de",
            "Signed-By": "/usr/share/keyrings/mirror.gpg",
        },
    }
    facts["release"]["debian_codename"] = "bullseye"
    facts["apt"]["sources"] = [
        entry,
        {**entry, "suites": ["bullseye-backports"]},
        {**entry, "enabled": False, "suites": ["bullseye-security"]},
    ]
    source = firmware_plan(facts)["source"]
    assert source["path"].endswith(".list")
    assert source["content"].splitlines()[1:] == [
        "deb [arch=amd64,i386 lang-=de signed-by=/usr/share/keyrings/mirror.gpg] "
        "http://mirror.example/debian bullseye non-free"
    ]


def test_a_component_that_is_there_is_not_added(facts: dict[str, Any]) -> None:
    facts["apt"]["sources"][0]["components"].append("non-free-firmware")
    assert firmware_plan(facts)["source"] is None


FOUND = {"exists": True, "kind": "link", "mode": "0777", "uid": 0, "gid": 0, "size": 1, "mtime": 1.0, "sha256": None}


def installed(facts: dict[str, Any], *names: str) -> None:
    for name in names:
        facts["dpkg"]["packages"][name] = {"installed": True, "version": "1", "held": False}


def test_firmware_that_is_there(facts: dict[str, Any], seen: Callable[..., Any]) -> None:
    source = firmware_plan(facts)["source"]
    installed(facts, "firmware-amd-graphics")
    facts["firmware"]["missing"] = []
    facts["files"][source["path"]] = seen("file", source["content"])
    assert firmware_plan(facts)["actions"] == []
    facts["firmware"]["missing"] = ["navi14_mec.bin"]
    assert firmware_plan(facts)["reinstall"] == ["firmware-amd-graphics"]
    for drift in ({"sha256": "0"}, {"mode": "0600"}, {"uid": 1000}, {"gid": 1000}):
        facts["files"][source["path"]] = seen("file", source["content"], **drift)
        assert firmware_plan(facts)["source"] == source, drift


def test_firmware_goes_out_only_if_it_came_in(facts: dict[str, Any]) -> None:
    installed(facts, "firmware-amd-graphics")
    assert firmware_plan(facts, state="absent")["actions"] == []
    facts["records"]["firmware"] = {"packages": ["firmware-amd-graphics"]}
    assert firmware_plan(facts, state="absent")["remove"] == ["firmware-amd-graphics"]


def test_groups(facts: dict[str, Any]) -> None:
    facts["groups"]["render"] = None
    facts["user"]["groups"] = ["lab", "video"]
    plan = gpu_access_plan(facts)
    assert (plan["create"], plan["join"]) == (["render"], ["render"])
    assert plan["record"] == {"joined": {"lab": ["render"]}}
    facts["user"]["groups"] = ["lab", "video", "render"]
    facts["records"]["gpu_access"] = plan["record"]
    assert gpu_access_plan(facts, state="absent")["leave"] == [{"user": "lab", "group": "render"}]


def test_groups_beyond_the_gpus_converge(facts: dict[str, Any]) -> None:
    settings = {"state": "present", "groups": ["video", "render", "dialout"], "user": "lab"}
    step: Any = STEPS["gpu_access"]
    assert step.wants(settings) == {"user": "lab", "groups": ["dialout"]}
    assert step.wants({**settings, "state": "absent"}) == {"user": "lab"}
    facts["groups"]["dialout"] = None
    plan = gpu_access_plan(facts, groups=settings["groups"])
    assert (plan["create"], plan["join"]) == (["dialout"], ["video", "render", "dialout"])
    facts["groups"]["dialout"] = 20
    facts["user"]["groups"] += settings["groups"]
    facts["records"]["gpu_access"] = plan["record"]
    assert gpu_access_plan(facts, groups=settings["groups"])["actions"] == []


def test_whoever_was_the_lab_user_leaves_too(facts: dict[str, Any]) -> None:
    facts["user"]["groups"] = ["lab", "render"]
    facts["records"]["gpu_access"] = {"joined": {"bob": ["render", "video"], "lab": ["render", "video"]}}
    plan = gpu_access_plan(facts, state="absent")
    assert plan["leave"] == [
        {"user": "bob", "group": "render"},
        {"user": "bob", "group": "video"},
        {"user": "lab", "group": "render"},
    ]
    assert plan["actions"] == [f"take {each['user']} out of group {each['group']}" for each in plan["leave"]]


@pytest.mark.parametrize(("codename", "split"), [("bullseye", False), ("bookworm", False), ("trixie", True)])
def test_debian_13_splits_the_client_off(codename: str, split: bool) -> None:
    assert ("docker-cli" in wanted_packages("debian", codename)) is split


def test_engine_on_a_bare_host(facts: dict[str, Any]) -> None:
    plan = docker_engine_plan(facts, {**ENGINE, "registry_cas": {"registry.example:5000": "PEM"}})
    assert plan["install"] == ["docker.io", "iptables", "apparmor", "python3-requests"]
    assert written(plan) == {DAEMON_JSON: ROTATION, "/etc/docker/certs.d/registry.example:5000/ca.crt": "PEM"}
    assert plan["directories"] == ["/etc/docker", "/etc/docker/certs.d/registry.example:5000"]
    assert [entry["mode"] for entry in plan["writes"]] == ["0644", "0644"]
    assert plan["start"] and not plan["restart"] and not plan["restart_pending"]
    assert "containerd" in plan["record"]["packages"]
    assert "docker-cli" not in plan["record"]["packages"], "this release has none"


def test_an_engine_that_dpkg_only_unpacked_is_none_from_elsewhere(facts: dict[str, Any]) -> None:
    facts["docker"].update(installed=True, provider="other")
    assert docker_engine_plan(facts, ENGINE)["install"] == ["python3-requests"]
    facts["dpkg"].update(interrupted=True, broken=["docker.io"])
    assert docker_engine_plan(facts, ENGINE)["install"] == ["docker.io", "iptables", "apparmor", "python3-requests"]


def written(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        entry["path"]: json.loads(entry["content"]) if entry["path"] == DAEMON_JSON else entry["content"]
        for entry in plan["writes"]
    }


def test_a_proxy_is_a_secret_and_waits_for_a_restart(facts: dict[str, Any]) -> None:
    plan = docker_engine_plan(
        engine(facts, **ROTATION), {**ENGINE, "proxy": {"https": 'http://me:s%40"cret@proxy.example'}}
    )
    (entry,) = plan["writes"]
    assert (entry["mode"], entry["kind"], plan["daemon_reload"], plan["restart_pending"]) == (
        "0600",
        "proxy",
        True,
        True,
    )
    assert "me:s" not in str(plan)  # plans are shown
    unit = proxy_unit({"https": 'http://me:s%40"cret@proxy.example'})
    assert 'Environment="HTTPS_PROXY=http://me:s%%40\\"cret@proxy.example"' in unit
    assert proxy_unit({}) == ""


def engine(facts: dict[str, Any], **config: Any) -> dict[str, Any]:
    installed(facts, "docker.io", "python3-requests")
    facts["docker"].update(installed=True, running=True, config=config)
    facts["files"][ENABLED] = FOUND
    return facts


def test_an_engine_that_is_there_is_accepted(facts: dict[str, Any]) -> None:
    plan = docker_engine_plan(engine(facts, **{"log-driver": "journald", "log-opts": {"tag": "x"}}), ENGINE)
    assert plan["actions"] == []
    assert plan["install"] == []


def test_user_keys_stay_and_a_restart_waits(facts: dict[str, Any]) -> None:
    plan = docker_engine_plan(engine(facts, debug=True), ENGINE)
    assert written(plan) == {DAEMON_JSON: {"debug": True, **ROTATION}}
    assert plan["restart_pending"] and not plan["restart"] and not plan["reload"]
    assert docker_engine_plan(facts, {**ENGINE, "restart_ok": True})["restart"]
    facts["records"]["docker_engine"] = plan["record"]
    facts["docker"].update(config={"debug": True, **ROTATION}, restart_pending=True)
    assert docker_engine_plan(facts, ENGINE)["restart_pending"]
    assert docker_engine_plan(facts, {**ENGINE, "restart_ok": True})["restart"]


def test_a_wanted_key_that_stood_there_is_the_users(facts: dict[str, Any]) -> None:
    mirror = {"registry-mirrors": ["https://m.example"]}
    plan = docker_engine_plan(engine(facts, **ROTATION, **mirror), {**ENGINE, "daemon": mirror})
    assert (plan["actions"], plan["record"]) == ([], {})  # nothing is to be done, so nothing is ours
    facts["records"]["docker_engine"] = {"daemon": mirror}
    assert docker_engine_plan(facts, {**ENGINE, "daemon": mirror})["record"]["daemon"] == mirror


def test_a_mirror_needs_only_a_reload(facts: dict[str, Any]) -> None:
    plan = docker_engine_plan(
        engine(facts, **ROTATION), {**ENGINE, "daemon": {"registry-mirrors": ["https://mirror.example"]}}
    )
    assert plan["reload"] and not plan["restart_pending"]
    facts["records"]["docker_engine"] = plan["record"]
    facts["docker"].update(config=written(plan)[DAEMON_JSON], restart_pending=True)
    wanted = {**ENGINE, "daemon": {"registry-mirrors": ["https://mirror.example"]}, "restart_ok": True}
    again = docker_engine_plan(facts, wanted)  # the run was cut off before the reload
    assert (again["actions"], again["reload"]) == (["reload the engine, which an earlier run was kept from"], True)
    facts["records"]["docker_engine"] = {**plan["record"], "reload_pending": False}  # as the role's last task leaves it
    assert docker_engine_plan(facts, wanted)["actions"] == []


def test_merge() -> None:
    assert merge_daemon({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 5}, {}) == {"a": 5, "b": 2, "c": 4}
    assert merge_daemon({"b": 2}, {"b": 3}, {}, {"b": 3}) == {"b": 3}, "a drift of ours is repaired"
    assert merge_daemon({"b": 2, "z": 1}, {}, {}, {"z": 1}) == {"b": 2}, "what we no longer want goes away"


def test_broken_daemon_json_stops(facts: dict[str, Any]) -> None:
    facts["docker"].update(config=None, config_error="line 1")
    plan = docker_engine_plan(facts, ENGINE)
    assert [problem["id"] for problem in plan["problems"]] == ["docker_config"]
    assert plan["actions"] == []


def test_engine_goes_out_only_if_it_came_in(facts: dict[str, Any]) -> None:
    engine(facts, debug=True, **ROTATION)
    absent = {**ENGINE, "state": "absent"}
    assert docker_engine_plan(facts, absent)["actions"] == []
    facts["records"]["docker_engine"] = {"packages": ["docker.io"], "daemon": ROTATION, "files": []}
    plan = docker_engine_plan(facts, absent)
    assert plan["remove"] == ["docker.io"]
    assert written(plan) == {DAEMON_JSON: {"debug": True}}
    facts["docker"]["foreign_containers"] = 1
    plan = docker_engine_plan(facts, absent)
    assert (plan["remove"], plan["actions"]) == ([], [])
    assert "1 other container" in plan["warnings"][0]
    assert plan["record"] == facts["records"]["docker_engine"]


def test_an_engine_that_stays_has_its_old_settings_until_it_starts_anew(
    facts: dict[str, Any], seen: Callable[..., Any]
) -> None:
    absent = {**ENGINE, "state": "absent"}
    engine(facts, **ROTATION)["files"][PROXY_DROPIN] = seen("file", "x")
    for record, waits in (
        ({"packages": [], "daemon": ROTATION, "files": []}, True),
        ({"packages": [], "daemon": {}, "files": [PROXY_DROPIN]}, True),
        ({"packages": [], "daemon": {}, "files": []}, False),
        ({"packages": ["docker.io"], "daemon": ROTATION, "files": [PROXY_DROPIN]}, False),
    ):
        facts["records"]["docker_engine"] = record
        assert any("daemon-reload" in each for each in docker_engine_plan(facts, absent)["warnings"]) is waits
    facts["docker"]["running"] = False
    facts["records"]["docker_engine"] = {"packages": [], "daemon": ROTATION, "files": []}
    assert docker_engine_plan(facts, absent)["warnings"] == []


def test_an_engine_that_does_not_start_at_boot_is_drift(facts: dict[str, Any]) -> None:
    del engine(facts, **ROTATION)["files"][ENABLED]
    facts["docker"]["provider"] = "docker.io"
    plan = docker_engine_plan(facts, ENGINE)
    assert (plan["actions"], plan["start"]) == (["let the engine start at boot"], True)
    facts["docker"]["unit"]["enabled"] = "enabled"  # by a link elsewhere
    assert docker_engine_plan(facts, ENGINE)["actions"] == []
    facts["docker"]["provider"] = "unknown"  # a snap, say, has another unit
    assert not docker_engine_plan(facts, ENGINE)["actions"]


@pytest.mark.parametrize("drift", [{}, {"mode": "0600"}, {"uid": 1000}, {"gid": 5}, {"sha256": "0"}])
def test_drift_of_a_registrys_ca(facts: dict[str, Any], seen: Callable[..., Any], drift: dict[str, Any]) -> None:
    path = "/etc/docker/certs.d/r:5000/ca.crt"
    engine(facts, **ROTATION)["files"][path] = seen("file", "PEM", **drift)
    plan = docker_engine_plan(facts, {**ENGINE, "registry_cas": {"r:5000": "PEM"}})
    assert [entry["path"] for entry in plan["writes"]] == [path] * bool(drift)


def test_a_users_daemon_json_keeps_its_mode(facts: dict[str, Any], seen: Callable[..., Any]) -> None:
    engine(facts)["files"][DAEMON_JSON] = seen("file", "{}", mode="0600")
    (entry,) = docker_engine_plan(facts, ENGINE)["writes"]
    assert entry["mode"] is None


def test_a_proxy_that_nobody_wants_any_more(facts: dict[str, Any], seen: Callable[..., Any]) -> None:
    proxy = {"http": "http://proxy.example"}
    engine(facts, **ROTATION)["files"][PROXY_DROPIN] = seen("file", proxy_unit(proxy), mode="0600")
    facts["records"]["docker_engine"] = {
        "packages": [], "daemon": {}, "files": [PROXY_DROPIN], "repository": False, "restart_pending": False,
    }  # fmt: skip
    assert docker_engine_plan(facts, {**ENGINE, "proxy": proxy})["actions"] == []
    plan = docker_engine_plan(facts, ENGINE)
    assert (plan["files_absent"], plan["daemon_reload"]) == ([PROXY_DROPIN], True)
    assert plan["record"]["files"] == [PROXY_DROPIN]  # a run that is cut off before leaves it
    facts["files"].pop(PROXY_DROPIN)
    assert docker_engine_plan(facts, {**ENGINE, "daemon": {"debug": True}})["record"]["files"] == []


def test_named_keys_of_daemon_json_give_way_to_the_dict(variables: dict[str, dict[str, Any]]) -> None:
    variables["docker_engine"].update(data_root="/srv/docker", registry_mirrors=["https://a"], daemon={"debug": True})
    found = docker_engine.settings(variables)["daemon"]
    assert found == {"data-root": "/srv/docker", "registry-mirrors": ["https://a"], "debug": True}
    variables["docker_engine"]["daemon"] = {"data-root": "/other"}
    assert docker_engine.settings(variables)["daemon"]["data-root"] == "/other"


def test_nobody_and_root_are_no_lab_user(facts: dict[str, Any]) -> None:
    """Whoever logs in as root, or starts Ansible where $USER is empty."""
    facts["user"] = None
    (nobody,) = gpu_access_plan(facts, user="")["problems"]
    assert (nobody["id"], "navilab_user is empty" in nobody["evidence"]) == ("user_exists", True)
    facts["user"] = {"name": "root", "exists": True, "uid": 0, "gid": 0, "home": "/root", "primary_group": "root",
                     "groups": ["root"], "needs_login": False}  # fmt: skip
    plan = gpu_access_plan(facts, user="root")
    assert [problem["id"] for problem in plan["problems"]] == ["user_not_root"] and plan["join"] == []
    assert "set navilab_user" in plan["problems"][0]["remedy"]
    assert gpu_access_plan(facts, user="root", state="absent")["problems"] == []  # what came in goes out


def test_a_user_that_is_none_stops_gpu_access(facts: dict[str, Any]) -> None:
    facts["user"].update(name="nobody-here", exists=False, groups=[])
    plan = gpu_access_plan(facts, user="nobody-here")
    assert [problem["id"] for problem in plan["problems"]] == ["user_exists"]
    assert (plan["actions"], plan["create"], plan["join"]) == ([], [], [])
    assert "nobody-here" in plan["problems"][0]["evidence"]


def test_a_restart_that_waits_is_a_warning_and_no_action(facts: dict[str, Any]) -> None:
    record = {
        "packages": [], "daemon": {"gone": 1}, "files": [], "repository": False, "restart_pending": True,
    }  # fmt: skip
    engine(facts, **ROTATION)["docker"]["restart_pending"] = True
    facts["records"]["docker_engine"] = record
    plan = docker_engine_plan(facts, ENGINE)
    assert (plan["actions"], plan["restart_pending"], len(plan["warnings"])) == ([], True, 1)
    assert plan["record"] == record
