"""Which webui runs on which board: one table a decision."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._selftest_record import made_with, slot
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import webui
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._base import Connection
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_container import gfx_seen
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_profiles import choose_profile, vram_flags


def webui_plan(facts: Any, settings: dict[str, Any]) -> Any:
    return webui.plan(facts, settings)


def ids(plan: dict[str, Any]) -> list[str]:
    return [problem["id"] for problem in plan["problems"]]


@pytest.mark.parametrize(
    ("vram", "flags"),
    [(4080, ["--lowvram"]), (6128, ["--medvram"]), (8176, ["--medvram"]), (16368, []), (None, ["--medvram"])],
)
def test_vram_decides_the_flag(vram: int | None, flags: list[str]) -> None:
    assert vram_flags(vram, "auto") == flags
    assert vram_flags(vram, "low") == ["--lowvram"]


def board(gfx: str) -> Any:
    return {"gfx_target": gfx}


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
    name, reason, problem = choose_profile(board(gfx), kernel, settings)
    assert (name, problem) == (expected, None)
    assert gfx in reason
    assert ("kernels before 5.15" in reason) == (expected == "rocm52")


def test_auto_passes_over_a_profile_without_image(settings: dict[str, Any]) -> None:
    settings["images"] = {}
    assert choose_profile(board("gfx1012"), [6, 1], settings)[0] == "setsoft-pt2"
    name, _reason, problem = choose_profile(board("gfx1010"), [6, 1], settings)
    assert problem and (name, problem["id"]) == ("", "profile_fits")
    assert "not rocm7: it has no image" in problem["evidence"]


def test_a_set_profile_is_checked(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["boards"][0] = {**facts["boards"][0], "gfx_target": "gfx1010"}
    assert ids(webui_plan(facts, {**settings, "profile": "setsoft-pt2"})) == ["profile_fits"]
    assert ids(webui_plan(facts, {**settings, "profile": "rocm9"})) == ["profile_known"]
    assert ids(webui_plan(facts, {**settings, "profile": "rocm7"})) == []


def test_a_set_profile_needs_an_image(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    assert ids(webui_plan(facts, {**settings, "profile": "rocm7", "images": {}})) == ["image_reference"]


def test_container_of_the_contract(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(facts, settings)
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
    assert plan["actions"][:3] == [f"make directory /home/lab/dockerx{path}" for path in ("", "/cache", "/webui_data")]
    assert plan["directories"] == ["/home/lab/dockerx/cache", "/home/lab/dockerx/webui_data"]  # these bring the first


def test_a_board_without_driver_still_counts_as_one(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["boards"] = [{**facts["boards"][0], "driver": None, "render_node": None, "vram_mib": None}]
    assert webui_plan(facts, settings)["instances"][0]["devices"] == ["/dev/kfd"]
    assert webui_plan(facts, {**settings, "profile": "cpu"})["instances"][0]["devices"] == []


def test_hsa_override(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    def environment(**changes: Any) -> dict[str, str]:
        made: dict[str, str] = webui_plan(facts, {**settings, **changes})["instances"][0]["container"]["env"]
        return made

    assert "HSA_OVERRIDE_GFX_VERSION" not in environment()
    assert environment(profile="rocm52")["HSA_OVERRIDE_GFX_VERSION"] == "10.3.0"
    assert "HSA_OVERRIDE_GFX_VERSION" not in environment(profile="rocm52", hsa_override="none")
    assert environment(hsa_override="10.1.0")["HSA_OVERRIDE_GFX_VERSION"] == "10.1.0"


def test_two_boards_have_a_container_each(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    second = {**facts["boards"][0], "bdf": "0000:0d:00.0", "render_node": "/dev/dri/renderD129"}
    neighbour = {**second, "bdf": "0000:0e:00.0", "supported": False}
    facts["boards"] += [second, neighbour]
    one, two = webui_plan(facts, settings)["instances"]
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
def test_bad_settings(facts: dict[str, Any], settings: dict[str, Any], changes: dict[str, Any], problem: str) -> None:
    plan = webui_plan(facts, {**settings, **changes})
    assert ids(plan) == [problem]
    assert plan["actions"] == []
    assert plan["problems"][0]["remedy"]


def test_unknown_user(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["user"].update(exists=False, uid=None, gid=None, home=None, groups=[])
    plan = webui_plan(facts, {**settings, "user": "nobody-here"})
    assert "user_exists" in ids(plan)
    assert "nobody-here" in plan["problems"][0]["evidence"]


def test_port_taken_by_somebody_else_only(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["ports"] = {"7860": {"listeners": ["0.0.0.0"], "owner": "python3"}}
    assert ids(webui_plan(facts, settings)) == ["port_free"]
    facts["docker"]["containers"]["webui"] = running(facts, settings)
    assert ids(webui_plan(facts, settings)) == []
    facts["docker"]["containers"]["webui"]["state"] = "exited"  # and somebody else took its port meanwhile
    assert ids(webui_plan(facts, settings)) == ["port_free"]


def test_a_container_of_somebody_else_stays(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(facts, settings, labels={}, image="theirs:1")
    plan = webui_plan(facts, settings)
    assert (ids(plan), plan["act_on"]) == (["container_name"], [])
    assert "theirs:1" in plan["problems"][0]["evidence"]
    facts["records"]["webui"] = {"containers": ["webui"]}  # ours, from before it had labels
    assert ids(webui_plan(facts, settings)) == []


def test_the_registry_is_asked_beside_other_problems(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(facts, {**settings, "listen": "0.0.0.0", "profile": "rocm9", "image": "r.example/a:1"})
    assert plan["pull"] == ["r.example/a:1"]
    facts["registry"] = {"r.example/a:1": {"status": "missing", "detail": "", "digest": None}}
    plan = webui_plan(facts, {**settings, "listen": "0.0.0.0", "image": "r.example/a:1"})
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
def test_registry_says(facts: dict[str, Any], settings: dict[str, Any], status: str, problem: list[str]) -> None:
    facts["registry"] = {"registry.example/webui:rocm7": {"status": status, "detail": "why", "digest": None}}
    assert ids(webui_plan(facts, settings)) == problem


def running(facts: dict[str, Any], settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    instance = webui_plan({**facts, "ports": {}}, settings)["instances"][0]
    return {
        "labels": instance["container"]["labels"],
        "state": "running",
        "health": "healthy",
        "restart_policy": "unless-stopped",
        "memory": instance["memory_mib"] << 20,
        "ports": [{"host_ip": "127.0.0.1", "host_port": 7860, "container_port": 7860}],
        **changes,
    }


def kept(facts: dict[str, Any], profile: str, image: str, **changes: Any) -> dict[str, Any]:
    """The kept result of a self-test of the host's first board."""
    board = facts["boards"][0]
    decision = {
        "usable": True,
        "precision": "half",
        "first_cause": None,
        "evidence": "15 of 15 steps right",
        "remedy": "",
    }
    entry = {
        "made_with": made_with(cast(Any, facts), board, image),
        "profile": profile,
        "board": board["name"],
        "simulated": False,
    }
    return {slot(profile, board["bdf"]): {**entry, **decision, **changes}}


FOLDER = {
    "exists": True, "kind": "dir", "mode": "0755", "uid": 1000, "gid": 1000, "size": 1, "mtime": 1.0, "sha256": None,
}  # fmt: skip
WRONG = {"usable": False, "precision": None, "evidence": "matmul fp32: error 1", "remedy": "use another profile"}


def provisioned(facts: dict[str, Any], settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    facts["docker"]["images"] = {
        reference: {"id": "sha256:1", "digests": [], "size": 1} for reference in settings["images"].values()
    }
    profile = settings["profile"] if settings["profile"] != "auto" else "rocm7"
    facts["records"]["selftest"] = {"results": kept(facts, profile, settings["images"][profile])}
    facts["docker"]["containers"]["webui"] = running(facts, settings, **changes)
    facts["http"] = {"webui": {"status": 200, "ready": True, "models": 1, "error": ""}}
    for path in ("", "/cache", "/webui_data"):
        facts["files"]["/home/lab/dockerx" + path] = FOLDER
    return facts


def test_nothing_to_do(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    assert webui_plan(provisioned(facts, settings), settings)["actions"] == []


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
    facts: dict[str, Any], settings: dict[str, Any], changes: dict[str, Any], action: str
) -> None:
    (seen,) = webui_plan(provisioned(facts, settings, **changes), settings)["actions"]
    assert seen.startswith(action)


def test_an_interrupted_wait_is_taken_up_again(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(facts, settings, health="starting")["http"]["webui"]["ready"] = False
    assert webui_plan(facts, settings)["actions"] == ["wait for container webui, which is still starting"]


def test_each_setting_of_the_container_is_in_its_label(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    before = webui_plan(facts, settings)["instances"][0]["container"]["labels"]
    after = webui_plan(facts, {**settings, "extra_args": ["--no-hashing"]})["instances"][0]["container"]["labels"]
    assert before != after


def test_absent_removes_what_the_record_names(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(facts, settings)
    assert webui_plan(facts, {**settings, "state": "absent"})["actions"] == []
    facts["records"]["webui"] = {"containers": ["webui"], "images": ["registry.example/webui:rocm7"]}
    plan = webui_plan(facts, {**settings, "state": "absent"})
    assert (plan["remove_containers"], plan["remove_images"]) == (["webui"], ["registry.example/webui:rocm7"])


def test_an_untested_image_is_tested_in_the_webuis_place(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(facts, {**settings, "profile": "rocm52"})
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


def test_the_processor_is_tested_too(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    (test,) = webui_plan(facts, {**settings, "profile": "cpu"})["selftests"]
    assert (test["command"][:2], "--expect-gfx" in test["command"]) == (["--device", "cpu"], False)


def test_somebody_elses_image_is_not_tested(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    plan = webui_plan(facts, {**settings, "profile": "setsoft-pt2"})
    assert plan["selftests"] == []
    assert plan["instances"][0]["selftest"]["reason"] == "the image of profile setsoft-pt2 brings no self-test"


@pytest.mark.parametrize(
    ("decided", "wanted", "flag"),
    [("half", "auto", "--no-half-vae"), ("full", "auto", "--no-half"), ("half", "full", "--no-half")],
)
def test_the_self_test_decides_the_precision(
    facts: dict[str, Any], settings: dict[str, Any], decided: str, wanted: str, flag: str
) -> None:
    provisioned(facts, settings)
    facts["records"]["selftest"]["results"]["rocm7 0000:0a:00.0"]["precision"] = decided
    plan = webui_plan(facts, {**settings, "precision": wanted})
    assert plan["selftests"] == []
    assert flag in plan["instances"][0]["container"]["command"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kernel.release", "6.1.0-57-amd64"),
        ("driver.srcversion", "0123ABCD"),
        ("boards.0.vram_mib", 4080),
        ("docker.images", {"registry.example/webui:rocm7": {"id": "sha256:2", "digests": [], "size": 1}}),
    ],
)
def test_what_asks_again(facts: dict[str, Any], settings: dict[str, Any], path: str, value: Any) -> None:
    provisioned(facts, settings)
    assert webui_plan(facts, settings)["selftests"] == []
    *way, last = path.split(".")
    place: Any = facts
    for name in way:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    assert len(webui_plan(facts, settings)["selftests"]) == 1


def test_auto_passes_over_what_failed_and_stays_there(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(facts, settings)
    images = settings["images"]
    facts["records"]["selftest"] = {"results": kept(facts, "rocm7", images["rocm7"], **WRONG)}
    plan = webui_plan(facts, settings)
    (instance,), (test,) = plan["instances"], plan["selftests"]
    assert (instance["profile"], test["profile"]) == ("rocm52", "rocm52")
    assert instance["profile_reason"] == "first that fits gfx1012; not rocm7: its self-test says matmul fp32: error 1"
    facts["records"]["selftest"]["results"].update(kept(facts, "rocm52", images["rocm52"]))
    again = webui_plan(facts, settings)
    assert (again["instances"][0]["profile"], again["selftests"]) == ("rocm52", [])
    facts["records"]["selftest"]["results"].update(kept(facts, "rocm52", images["rocm52"], **WRONG))
    settings["profile_order"] = ["rocm7", "rocm52"]
    (problem,) = webui_plan(facts, settings)["problems"]
    assert problem["id"] == "selftest"
    assert "profile rocm7" in problem["evidence"] and "profile rocm52" in problem["evidence"]


def test_a_set_profile_that_failed_stops_the_host(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    settings["profile"] = "rocm7"
    facts["records"]["selftest"] = {"results": kept(facts, "rocm7", settings["images"]["rocm7"], **WRONG)}
    (problem,) = webui_plan(facts, settings)["problems"]
    assert (problem["id"], "error 1" in problem["evidence"]) == ("selftest", True)
    assert "another profile" in problem["remedy"] and "navilab selftest" in problem["remedy"]
    plan = webui_plan(facts, {**settings, "selftest_waive": "I know what I do"})
    assert (plan["problems"], plan["selftests"]) == ([], [])
    assert plan["instances"][0]["selftest"]["reason"] == "waived: I know what I do"


def test_what_is_wanted_of_a_host(settings: dict[str, Any]) -> None:
    models = [{"name": "m.safetensors", "sha256": "0", "folder": "Stable-diffusion"}]
    wants = webui.wants({**settings, "models": models, "registry_cas": {"r:5000": "PEM"}, "data_root": "/srv/docker"})
    assert wants["webuis"][1] == {"name": "webui-2", "port": 7861}
    assert "~/dockerx/webui_data/models/Stable-diffusion/m.safetensors" in wants["files"]
    assert {"~/dockerx", "~/dockerx/cache", "~/dockerx/webui_data", "~/dockerx/webui_data-2"} <= set(wants["files"])
    assert wants["registry_ca"] == "PEM"
    assert wants["disk"] == ["/srv/docker", "~/dockerx"]
    assert wants["images"] == sorted([*settings["images"].values(), settings["profiles"]["setsoft-pt2"]["image"]])


def test_a_model_that_is_missing_brings_its_folder(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(facts, settings)
    settings["models"] = [{"name": "m.safetensors", "sha256": "0", "folder": "VAE"}]
    plan = webui_plan(facts, settings)
    assert plan["directories"] == ["/home/lab/dockerx/webui_data/models/VAE"]
    assert [model["path"] for model in plan["models"]] == ["/home/lab/dockerx/webui_data/models/VAE/m.safetensors"]
    for path in ("models", "models/VAE", "models/VAE/m.safetensors"):
        facts["files"][f"/home/lab/dockerx/webui_data/{path}"] = FOLDER
    assert webui_plan(facts, settings)["actions"] == []


@pytest.mark.parametrize("drift", [{"uid": 0}, {"gid": 0}])
def test_a_directory_of_somebody_else_is_taken_over(
    facts: dict[str, Any], settings: dict[str, Any], drift: dict[str, int]
) -> None:
    provisioned(facts, settings)["files"]["/home/lab/dockerx/cache"] = {**FOLDER, **drift}
    plan = webui_plan(facts, settings)
    assert plan["directories"] == ["/home/lab/dockerx/cache"]
    assert plan["actions"] == ["take over directory /home/lab/dockerx/cache"]


def test_the_gate_wants_engine_and_kfd_where_something_is_to_be_done(
    facts: dict[str, Any], settings: dict[str, Any]
) -> None:
    def gate(**changes: Any) -> list[str]:
        here: Any = facts
        return [check["id"] for check in webui.gate(here, {**settings, **changes}, Connection(False, False))]

    assert gate() == ["docker_engine", "docker_engine"]  # neither the engine nor what Ansible asks it with
    facts["docker"].update(installed=True, running=True, provider="docker.io", version="20.10.24")
    facts["dpkg"]["packages"]["python3-requests"] = {"installed": True, "version": "1", "held": False}
    assert len(gate()) == 1 and gate()[0] not in ("docker_engine", "selftest")
    assert gate(profile="cpu") == gate(state="absent") == []
    provisioned(facts, settings)
    assert gate() == []  # nothing is to be done: verify says what is wrong
