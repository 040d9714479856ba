"""Which webui runs on which board: one table a decision."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.filter.webui_plan import choose_profile, vram_flags, webui_plan


def ids(plan: dict[str, Any]) -> list[str]:
    return [problem["id"] for problem in plan["problems"]]


@pytest.mark.parametrize(
    ("vram", "flags"),
    [(4080, ["--lowvram"]), (6128, ["--medvram"]), (8176, ["--medvram"]), (16368, []), (None, ["--medvram"])],
)
def test_vram_decides_the_flag(vram: int | None, flags: list[str]) -> None:
    assert vram_flags(vram, "auto") == flags
    assert vram_flags(vram, "low") == ["--lowvram"]


@pytest.mark.parametrize(
    ("gfx", "kernel", "expected"),
    [
        ("gfx1012", [6, 1], "rocm7"),
        ("gfx1010", [6, 12], "rocm7"),
        ("gfx1012", [5, 10], "rocm52"),
        ("gfx1010", [5, 10], "rocm52"),
        ("gfx1010", [], "rocm7"),
    ],
)
def test_auto_takes_the_first_that_fits(settings: dict[str, Any], gfx: str, kernel: list[int], expected: str) -> None:
    name, reason, problem = choose_profile({"gfx_target": gfx}, kernel, settings)
    assert (name, problem) == (expected, None)
    assert gfx in reason
    assert ("kernels before 5.15" in reason) == (expected == "rocm52")


def test_auto_passes_over_a_profile_without_image(settings: dict[str, Any]) -> None:
    settings["images"] = {}
    assert choose_profile({"gfx_target": "gfx1012"}, [6, 1], settings)[0] == "setsoft-pt2"
    name, _reason, problem = choose_profile({"gfx_target": "gfx1010"}, [6, 1], settings)
    assert problem and (name, problem["id"]) == ("", "profile_fits")
    assert "not rocm7: it has no image" in problem["evidence"]


def test_a_set_profile_is_checked(host: dict[str, Any], settings: dict[str, Any]) -> None:
    host["boards"][0] = {**host["boards"][0], "gfx_target": "gfx1010"}
    assert ids(webui_plan(host, {**settings, "profile": "setsoft-pt2"})) == ["profile_fits"]
    assert ids(webui_plan(host, {**settings, "profile": "rocm9"})) == ["profile_known"]
    assert ids(webui_plan(host, {**settings, "profile": "rocm7"})) == []


def test_a_set_profile_needs_an_image(host: dict[str, Any], settings: dict[str, Any]) -> None:
    assert ids(webui_plan(host, {**settings, "profile": "rocm7", "images": {}})) == ["image_reference"]


def test_container_of_the_contract(host: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(host, settings)
    assert plan["problems"] == []
    container = plan["instances"][0]["container"]
    assert container["user"] == "1000:1000"
    assert container["groups"] == ["44", "105"]
    assert container["devices"] == ["/dev/kfd:/dev/kfd:rwm", "/dev/dri/renderD128:/dev/dri/renderD128:rwm"]
    assert container["published_ports"] == ["127.0.0.1:7860:7860"]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "--enable-insecure-extension-access" not in container["command"]
    assert "--medvram" in container["command"]
    assert container["volumes"] == ["/home/lab/dockerx:/dockerx"]
    assert plan["pull"] == ["registry.example/webui:rocm7"]
    assert plan["directories"] == ["/home/lab/dockerx", "/home/lab/dockerx/cache", "/home/lab/dockerx/webui_data"]


def test_a_board_without_driver_still_counts_as_one(host: dict[str, Any], settings: dict[str, Any]) -> None:
    host["boards"] = [{**host["boards"][0], "driver": None, "render_node": None, "vram_mib": None}]
    assert webui_plan(host, settings)["instances"][0]["devices"] == ["/dev/kfd"]
    assert webui_plan(host, {**settings, "profile": "cpu"})["instances"][0]["devices"] == []


def test_hsa_override(host: dict[str, Any], settings: dict[str, Any]) -> None:
    def environment(**changes: Any) -> dict[str, str]:
        made: dict[str, str] = webui_plan(host, {**settings, **changes})["instances"][0]["container"]["env"]
        return made

    assert "HSA_OVERRIDE_GFX_VERSION" not in environment()
    assert environment(profile="rocm52")["HSA_OVERRIDE_GFX_VERSION"] == "10.3.0"
    assert "HSA_OVERRIDE_GFX_VERSION" not in environment(profile="rocm52", hsa_override="none")
    assert environment(hsa_override="10.1.0")["HSA_OVERRIDE_GFX_VERSION"] == "10.1.0"


def test_two_boards_have_a_container_each(host: dict[str, Any], settings: dict[str, Any]) -> None:
    second = {**host["boards"][0], "bdf": "0000:0d:00.0", "render_node": "/dev/dri/renderD129"}
    neighbour = {**second, "bdf": "0000:0e:00.0", "supported": False}
    host["boards"] += [second, neighbour]
    one, two = webui_plan(host, settings)["instances"]
    assert (one["name"], one["port"], two["name"], two["port"]) == ("webui", 7860, "webui-2", 7861)
    assert two["devices"] == ["/dev/kfd", "/dev/dri/renderD129"]
    command = two["container"]["command"]
    assert command[command.index("--data-dir") + 1] == "/dockerx/webui_data-2"
    assert command[command.index("--models-dir") + 1] == "/dockerx/webui_data/models"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"listen": "0.0.0.0"}, "webui_not_exposed"),
        ({"listen": "lab.example"}, "webui_not_exposed"),
        ({"listen": "127.0.0.2"}, "webui_not_exposed"),
        ({"port": 70000}, "port_free"),
        ({"data_dir": "dockerx"}, "data_writable"),
        ({"data_dir": "/"}, "data_writable"),
        ({"data_dir": "/home/lab/../../etc/webui"}, "data_writable"),
        ({"data_dir": "/srv/"}, "data_writable"),
        ({"name": "my webui"}, "variables"),
        ({"shm_size": "lots"}, "variables"),
        ({"hsa_override": "10.3"}, "variables"),
        ({"memory_mib": -1}, "variables"),
        ({"data_dir": "/srv/a:ro"}, "data_writable"),
    ],
)
def test_bad_settings(host: dict[str, Any], settings: dict[str, Any], changes: dict[str, Any], problem: str) -> None:
    plan = webui_plan(host, {**settings, **changes})
    assert ids(plan) == [problem]
    assert plan["actions"] == []
    assert plan["problems"][0]["remedy"]


def test_unknown_user(host: dict[str, Any], settings: dict[str, Any]) -> None:
    host["user"] = {"name": "nobody-here", "exists": False, "uid": None, "gid": None, "home": None, "groups": []}
    plan = webui_plan(host, settings)
    assert "user_exists" in ids(plan)
    assert "nobody-here" in plan["problems"][0]["evidence"]


def test_port_taken_by_somebody_else_only(host: dict[str, Any], settings: dict[str, Any]) -> None:
    host["ports"] = {"7860": {"listeners": ["0.0.0.0"], "owner": "python3"}}
    assert ids(webui_plan(host, settings)) == ["port_free"]
    host["docker"]["containers"]["webui"] = running(host, settings)
    assert ids(webui_plan(host, settings)) == []
    host["docker"]["containers"]["webui"]["state"] = "exited"  # and somebody else took its port meanwhile
    assert ids(webui_plan(host, settings)) == ["port_free"]


def test_a_container_of_somebody_else_stays(host: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(host, settings, labels={}, image="theirs:1")
    plan = webui_plan(host, settings)
    assert (ids(plan), plan["act_on"]) == (["container_name"], [])
    assert "theirs:1" in plan["problems"][0]["evidence"]
    host["records"]["webui"] = {"containers": ["webui"]}  # ours, from before it had labels
    assert ids(webui_plan(host, settings)) == []


def test_the_registry_is_asked_beside_other_problems(host: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(host, {**settings, "listen": "0.0.0.0", "profile": "rocm9", "image": "r.example/a:1"})
    assert plan["pull"] == ["r.example/a:1"]
    host["registry"] = {"r.example/a:1": {"status": "missing", "detail": "", "digest": None}}
    plan = webui_plan(host, {**settings, "listen": "0.0.0.0", "image": "r.example/a:1"})
    assert ids(plan) == ["webui_not_exposed", "image_available"]


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        ("missing", ["image_available"]),
        ("unreachable", ["registry_reachable"]),
        ("invalid", ["image_reference"]),
        ("denied", ["image_available"]),
        ("found", []),
    ],
)
def test_registry_says(host: dict[str, Any], settings: dict[str, Any], status: str, problem: list[str]) -> None:
    host["registry"] = {"registry.example/webui:rocm7": {"status": status, "detail": "why", "digest": None}}
    assert ids(webui_plan(host, settings)) == problem


def running(host: dict[str, Any], settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    instance = webui_plan({**host, "ports": {}}, settings)["instances"][0]
    return {
        "labels": instance["container"]["labels"],
        "state": "running",
        "health": "healthy",
        "restart_policy": "unless-stopped",
        "memory": instance["memory_mib"] << 20,
        "ports": [{"host_ip": "127.0.0.1", "host_port": 7860, "container_port": 7860}],
        **changes,
    }


def provisioned(host: dict[str, Any], settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    host["docker"]["images"] = {reference: {"id": "sha256:1"} for reference in settings["images"].values()}
    host["docker"]["containers"]["webui"] = running(host, settings, **changes)
    host["http"] = {"webui": {"ready": True}}
    for path in ("", "/cache", "/webui_data"):
        host["files"]["/home/lab/dockerx" + path] = {"exists": True, "kind": "dir", "uid": 1000, "gid": 1000}
    return host


def test_nothing_to_do(host: dict[str, Any], settings: dict[str, Any]) -> None:
    assert webui_plan(provisioned(host, settings), settings)["actions"] == []


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"labels": {"navilab.webui.spec": "older"}}, "remake container webui"),
        ({"state": "exited"}, "start container webui, which is exited"),
        ({"restart_policy": "no"}, "set restart policy"),
        ({"memory": 1 << 30}, "set memory limit"),
    ],
)
def test_drift_of_the_container(
    host: dict[str, Any], settings: dict[str, Any], changes: dict[str, Any], action: str
) -> None:
    (seen,) = webui_plan(provisioned(host, settings, **changes), settings)["actions"]
    assert seen.startswith(action)


def test_an_interrupted_wait_is_taken_up_again(host: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(host, settings, health="starting")["http"] = {"webui": {"ready": False}}
    assert webui_plan(host, settings)["actions"] == ["wait for container webui, which is still starting"]


def test_each_setting_of_the_container_is_in_its_label(host: dict[str, Any], settings: dict[str, Any]) -> None:
    before = webui_plan(host, settings)["instances"][0]["container"]["labels"]
    after = webui_plan(host, {**settings, "extra_args": ["--no-hashing"]})["instances"][0]["container"]["labels"]
    assert before != after


def test_absent_removes_what_the_record_names(host: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(host, settings)
    assert webui_plan(host, {**settings, "state": "absent"})["actions"] == []
    host["records"]["webui"] = {"containers": ["webui"], "images": ["registry.example/webui:rocm7"]}
    plan = webui_plan(host, {**settings, "state": "absent"})
    assert (plan["remove_containers"], plan["remove_images"]) == (["webui"], ["registry.example/webui:rocm7"])
