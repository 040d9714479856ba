"""Which webui runs on which board: one table a decision."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.filter.webui_plan import (
    choose_profile,
    gfx_seen,
    vram_flags,
    webui_plan,
)
from ansible_collections.navilab.webui.plugins.module_utils._selftest import made_with, slot


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
        ({"data_dir": "//srv"}, "data_writable"),
        ({"image_source": "build"}, "image_reference"),
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


def found(host: dict[str, Any], profile: str, image: str, **changes: Any) -> dict[str, Any]:
    """The kept result of a self-test of the host's first board."""
    board = host["boards"][0]
    decision = {
        "usable": True,
        "precision": "half",
        "first_cause": None,
        "evidence": "15 of 15 steps right",
        "remedy": "",
    }
    entry = {"made_with": made_with(host, board, image), "profile": profile, "board": board["name"], "simulated": False}
    return {slot(profile, board["bdf"]): {**entry, **decision, **changes}}


WRONG = {"usable": False, "precision": None, "evidence": "matmul fp32: error 1", "remedy": "use another profile"}


def provisioned(host: dict[str, Any], settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    host["docker"]["images"] = {reference: {"id": "sha256:1"} for reference in settings["images"].values()}
    profile = settings["profile"] if settings["profile"] != "auto" else "rocm7"
    host["records"]["selftest"] = {"results": found(host, profile, settings["images"][profile])}
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


def test_an_untested_image_is_tested_in_the_webuis_place(host: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(host, {**settings, "profile": "rocm52"})
    (test,) = plan["selftests"]
    webui = plan["instances"][0]["container"]
    same = ("image", "env", "user", "groups", "devices", "volumes", "read_only", "tmpfs", "cap_drop", "memory")
    assert {key: test[key] for key in same} == {key: webui[key] for key in same}
    assert test["entrypoint"] == ["python3", "/opt/navilab/selftest.py"]
    assert test["command"][test["command"].index("--expect-gfx") + 1] == "gfx1030"  # what the override makes of it
    assert "webui-selftest" in plan["record"]["containers"]
    assert "test profile rocm52 on Radeon RX 5500 XT at 0000:0a:00.0" in plan["actions"]


@pytest.mark.parametrize(
    ("override", "name"), [(None, "gfx1012"), ("10.3.0", "gfx1030"), ("9.0.12", "gfx90c"), ("new", "gfx1012")]
)
def test_the_chips_name_under_an_override(override: str | None, name: str) -> None:
    assert gfx_seen("gfx1012", override) == name


def test_the_processor_is_tested_too(host: dict[str, Any], settings: dict[str, Any]) -> None:
    (test,) = webui_plan(host, {**settings, "profile": "cpu"})["selftests"]
    assert (test["command"][:2], "--expect-gfx" in test["command"]) == (["--device", "cpu"], False)


def test_somebody_elses_image_is_not_tested(host: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(host, {**settings, "profile": "setsoft-pt2"})
    assert plan["selftests"] == []
    assert plan["instances"][0]["selftest"]["reason"] == "the image of profile setsoft-pt2 brings no self-test"


@pytest.mark.parametrize(
    ("decided", "wanted", "flag"),
    [("half", "auto", "--no-half-vae"), ("full", "auto", "--no-half"), ("half", "full", "--no-half")],
)
def test_the_self_test_decides_the_precision(
    host: dict[str, Any], settings: dict[str, Any], decided: str, wanted: str, flag: str
) -> None:
    provisioned(host, settings)
    host["records"]["selftest"]["results"]["rocm7 0000:0a:00.0"]["precision"] = decided
    plan = webui_plan(host, {**settings, "precision": wanted})
    assert plan["selftests"] == []
    assert flag in plan["instances"][0]["container"]["command"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kernel.release", "6.1.0-57-amd64"),
        ("driver.srcversion", "0123ABCD"),
        ("boards.0.vram_mib", 4080),
        ("docker.images", {"registry.example/webui:rocm7": {"id": "sha256:2"}}),
    ],
)
def test_what_asks_again(host: dict[str, Any], settings: dict[str, Any], path: str, value: Any) -> None:
    provisioned(host, settings)
    assert webui_plan(host, settings)["selftests"] == []
    *way, last = path.split(".")
    place: Any = host
    for name in way:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    assert len(webui_plan(host, settings)["selftests"]) == 1


def test_auto_passes_over_what_failed_and_stays_there(host: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(host, settings)
    images = settings["images"]
    host["records"]["selftest"] = {"results": found(host, "rocm7", images["rocm7"], **WRONG)}
    plan = webui_plan(host, settings)
    (instance,), (test,) = plan["instances"], plan["selftests"]
    assert (instance["profile"], test["profile"]) == ("rocm52", "rocm52")
    assert instance["profile_reason"] == "first that fits gfx1012; not rocm7: its self-test says matmul fp32: error 1"
    host["records"]["selftest"]["results"].update(found(host, "rocm52", images["rocm52"]))
    again = webui_plan(host, settings)
    assert (again["instances"][0]["profile"], again["selftests"]) == ("rocm52", [])
    host["records"]["selftest"]["results"].update(found(host, "rocm52", images["rocm52"], **WRONG))
    settings["profile_order"] = ["rocm7", "rocm52"]
    (problem,) = webui_plan(host, settings)["problems"]
    assert problem["id"] == "selftest"
    assert "profile rocm7" in problem["evidence"] and "profile rocm52" in problem["evidence"]


def test_a_set_profile_that_failed_stops_the_host(host: dict[str, Any], settings: dict[str, Any]) -> None:
    settings["profile"] = "rocm7"
    host["records"]["selftest"] = {"results": found(host, "rocm7", settings["images"]["rocm7"], **WRONG)}
    (problem,) = webui_plan(host, settings)["problems"]
    assert (problem["id"], "error 1" in problem["evidence"]) == ("selftest", True)
    assert "another profile" in problem["remedy"] and "navilab selftest" in problem["remedy"]
    plan = webui_plan(host, {**settings, "selftest_waive": "I know what I do"})
    assert (plan["problems"], plan["selftests"]) == ([], [])
    assert plan["instances"][0]["selftest"]["reason"] == "waived: I know what I do"
