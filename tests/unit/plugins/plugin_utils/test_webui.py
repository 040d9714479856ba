"""Which webui runs on which board: one table a decision."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._paths import expand
from ansible_collections.navilab.webui.plugins.plugin_utils._selftest_record import made_with, slot
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import webui
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._base import Connection
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_container import gfx_seen
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_images import image_of
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


def chosen(facts: dict[str, Any], settings: dict[str, Any], gfx: str, kernel: list[int]) -> tuple[str, str, Any]:
    return choose_profile(board(gfx), kernel, settings, lambda name: image_of(name, settings, facts))


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
def test_auto_takes_the_first_that_fits(
    facts: dict[str, Any], settings: dict[str, Any], gfx: str, kernel: list[int], expected: str
) -> None:
    name, reason, problem = chosen(facts, settings, gfx, kernel)
    assert (name, problem) == (expected, None)
    assert gfx in reason
    assert ("kernels before 5.15" in reason) == (expected == "rocm52")


def test_pull_passes_over_a_profile_without_image(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    settings |= {"images": {}, "image_source": "pull"}
    assert chosen(facts, settings, "gfx1012", [6, 1])[0] == "setsoft-pt2"
    name, _reason, problem = chosen(facts, settings, "gfx1010", [6, 1])
    assert problem and (name, problem["id"]) == ("", "profile_fits")
    assert "not rocm7: it has no image" in problem["evidence"]
    assert "webui_image_source: auto" in problem["remedy"]


def test_what_must_be_built_is_not_passed_over_for_an_old_ready_image(
    facts: dict[str, Any], settings: dict[str, Any]
) -> None:
    settings["images"] = {}
    for gfx in ("gfx1010", "gfx1012"):
        assert chosen(facts, settings, gfx, [6, 1])[0] == "rocm7"
    # rocm52 wants a Python that Debian 12 has not got.
    assert chosen(facts, settings, "gfx1012", [5, 10])[0] == "setsoft-pt2"
    _name, _reason, problem = chosen(facts, settings, "gfx1010", [5, 10])
    assert problem and "its image can't be built: it needs Python 3.10" in problem["evidence"]
    assert "webui_image_source" not in problem["remedy"]


def test_a_set_profile_is_checked(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["boards"][0] = {**facts["boards"][0], "gfx_target": "gfx1010"}
    assert ids(webui_plan(facts, {**settings, "profile": "setsoft-pt2"})) == ["profile_fits"]
    assert ids(webui_plan(facts, {**settings, "profile": "rocm9"})) == ["profile_known"]
    assert ids(webui_plan(facts, {**settings, "profile": "rocm7"})) == []


@pytest.mark.parametrize(("gfx", "says"), [(None, "cpu"), ("gfx900", "cpu"), ("gfx1010", "auto")])
def test_a_profile_that_does_not_fit_leads_to_one_that_does(
    facts: dict[str, Any], settings: dict[str, Any], gfx: str | None, says: str
) -> None:
    """Never to auto where that finds none, and says to set cpu."""

    def choose(profile: str) -> tuple[str, str, Any]:
        wanted = {**settings, "profile": profile}
        return choose_profile(gfx and board(gfx), [6, 1], wanted, lambda name: image_of(name, wanted, facts))

    name, _reason, problem = choose("setsoft-pt2")
    assert (name, problem["id"]) == ("setsoft-pt2", "profile_fits")
    assert f"webui_profile: {says}" in problem["remedy"]
    assert choose(says)[2] is None


def test_a_set_profile_needs_an_image(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    assert ids(webui_plan(facts, {**settings, "profile": "rocm7", "images": {}, "image_source": "pull"})) == [
        "image_reference"
    ]


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
    assert (one["data"], two["data"]) == ("webui_data", "webui_data-2")
    command = two["container"]["command"]
    assert command[command.index("--data-dir") + 1] == "/dockerx/webui_data"  # inside each finds its own there
    assert "--models-dir" not in command


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"port": 70000}, "port_free"),
        ({"data_dir": "dockerx"}, "data_writable"),
        ({"data_dir": "/"}, "data_writable"),
        ({"data_dir": "/home/lab/../../etc/webui"}, "data_writable"),
        ({"data_dir": "/srv/"}, "data_writable"),
        ({"data_dir": "//srv"}, "data_writable"),
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


@pytest.mark.parametrize(
    ("home", "data_dir"),
    [
        ("/", "/dockerx"),
        ("/home/lab/", "/home/lab/dockerx"),
        ("/home/dom\\user1", "/home/dom\\user1/dockerx"),
        (r"/home/\g<1>%(x)s{0}(*)[", r"/home/\g<1>%(x)s{0}(*)[/dockerx"),
        ("/home/a b", "/home/a b/dockerx"),
    ],
)
def test_what_is_asked_is_what_is_planned(
    facts: dict[str, Any], settings: dict[str, Any], home: str, data_dir: str
) -> None:
    facts["user"]["home"] = home
    asked = [expand(path, home) for path in webui.wants(settings)["files"]]
    plan = webui_plan(facts, settings)
    assert (plan["problems"], plan["instances"][0]["data_dir"]) == ([], data_dir)
    assert set(plan["directories"]) <= set(asked)
    for path in asked:
        facts["files"][path] = FOLDER
    assert webui_plan(facts, settings)["directories"] == []
    assert data_dir in [expand(path, home) for path in webui.wants(settings)["disk"]]


@pytest.mark.parametrize(
    ("home", "says"),
    [
        (None, "lab has no home"),
        ("", "lab has no home"),
        ("/nonexistent", "the home of lab is '/nonexistent'"),
        ("/usr/sbin", "the home of lab is '/usr/sbin'"),
        ("home/lab", "the home of lab is 'home/lab'"),
        ("/home/a:b", "the home of lab is '/home/a:b'"),
        ("/home/$USER", "the home of lab is '/home/$USER'"),
    ],
)
def test_homes_that_can_hold_nothing(
    facts: dict[str, Any], settings: dict[str, Any], home: str | None, says: str
) -> None:
    facts["user"]["home"] = home
    (problem,) = webui_plan(facts, settings)["problems"]
    assert (problem["id"], says in problem["evidence"]) == ("data_writable", True)
    assert "/srv/dockerx" in problem["remedy"]
    assert ids(webui_plan(facts, {**settings, "data_dir": "/srv/dockerx"})) == []


NFS = {"path_seen": "/home", "total_mib": 9, "free_mib": 9, "read_only": False, "fstype": "nfs4", "pool": "/home"}
BELOW = ("", "/cache", "/webui_data")


def test_a_file_system_that_root_cannot_hand_over(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["disk"]["/home/lab/dockerx"] = NFS
    (problem,) = webui_plan(facts, settings)["problems"]
    assert (problem["id"], "NFS (nfs4)" in problem["evidence"]) == ("data_writable", True)
    assert "webui_data_dir" in problem["remedy"]
    plan = webui_plan(facts, {**settings, "waive": {"data_writable": "no_root_squash"}})
    assert (plan["problems"], plan["directories"] != []) == ([], True)
    assert any("NFS" in line for line in plan["warnings"])


@pytest.mark.parametrize(
    ("directory", "models", "good"),
    [
        ({"uid": 1000, "gid": 100}, [], True),  # root could not change the group there
        ({"uid": 1000}, [{"name": "m", "sha256": 64 * "0"}], False),
        ({"uid": 99}, [], False),
        ({"mode": "0555"}, [], False),
        ({"exists": False, "kind": None}, [], False),
    ],
)
def test_what_is_there_already_works_on_nfs(
    facts: dict[str, Any], settings: dict[str, Any], directory: dict[str, Any], models: list[Any], good: bool
) -> None:
    provisioned(facts, settings)
    facts["disk"]["/home/lab/dockerx"] = NFS
    for path in BELOW:
        facts["files"]["/home/lab/dockerx" + path] = {**FOLDER, "uid": 1000}
    facts["files"]["/home/lab/dockerx/cache"] |= directory
    plan = webui_plan(facts, {**settings, "models": models})
    assert (ids(plan) == []) is good
    assert plan["actions"] == []
    assert any("NFS" in line for line in plan["warnings"])


def test_a_live_systems_disk_is_worth_knowing_once(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["disk"]["/home/lab/dockerx"] = {**NFS, "fstype": "tmpfs"}
    assert any("next boot" in line for line in webui_plan(facts, settings)["warnings"])
    assert not any("next boot" in line for line in webui_plan(provisioned(facts, settings), settings)["warnings"])


# -- what an image can't do without -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requires", "changes", "says"),
    [
        ({}, {}, ""),
        ({"uid": 1000}, {}, ""),
        ({"uid": 1001}, {}, "it works as UID 1001 alone, and lab is 1000"),
        ({"sudo": True}, {}, ""),
        ({"sudo": True}, {"docker|config": {"no-new-privileges": True}}, "no-new-privileges forbids"),
        ({"sudo": True}, {"docker|config": {"no-new-privileges": False}}, ""),
        ({"sudo": True}, {"docker|unit|arguments": ["--no-new-privileges"]}, "no-new-privileges forbids"),
        ({"sudo": False}, {"docker|config": {"no-new-privileges": True}}, ""),
        ({"user_namespaces": False}, {"docker|config": {"userns-remap": "default"}}, "userns-remap (default)"),
        ({"user_namespaces": False}, {"docker|unit|arguments": ["--userns-remap=a"]}, "userns-remap (a)"),
        ({"user_namespaces": False}, {"daemon": {"userns-remap": "b"}}, "userns-remap (b)"),
        ({"user_namespaces": False}, {"docker|config": {"userns-remap": ""}}, ""),
        ({"user_namespaces": True}, {"docker|config": {"userns-remap": "default"}}, ""),
        ({"kernel_min": "6.1"}, {}, ""),
        ({"kernel_min": "6.10"}, {}, "it needs kernel 6.10 or newer, and this is 6.1"),
        ({"kernel_min": "6.10"}, {"kernel|version": []}, ""),
        ({"memory_min_mib": 32000}, {}, ""),
        ({"memory_min_mib": 32001}, {}, "32001 MiB of memory, and the host has 32000"),
        ({"memory_min_mib": 8000}, {"memory_mib": 4000}, "webui_memory_mib is 4000"),
        ({"memory_min_mib": 8000}, {"memory|total_mib": None}, ""),
    ],
)
def test_requirements(
    facts: dict[str, Any], settings: dict[str, Any], requires: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    for path, value in changes.items():
        *way, last = path.split("|")
        place: Any = facts if way else settings
        for name in way:
            place = place[name]
        place[last] = value
    settings["profiles"]["mine"] = {"gfx_targets": ["gfx1012"], "requires": requires}
    settings["images"]["mine"] = "r.example/mine:1"
    plan = webui_plan(facts, {**settings, "profile": "mine"})
    assert ids(plan) == (["profile_fits"] if says else [])
    assert not says or (says in plan["problems"][0]["evidence"] and plan["problems"][0]["remedy"])
    auto = webui_plan(facts, {**settings, "profile_order": ["mine"]})
    assert ids(auto) == ids(plan)
    assert says in str(auto["problems"])


@pytest.mark.parametrize(
    "requires",
    [{"user": 1}, {"uid": "1000"}, {"uid": True}, {"sudo": 1}, {"kernel_min": 6.1}, {"memory_min_mib": "8g"}, ["uid"]],
)
def test_requirements_that_nobody_understands(facts: dict[str, Any], settings: dict[str, Any], requires: Any) -> None:
    settings["profiles"]["mine"] = {"gfx_targets": ["gfx1012"], "requires": requires, "own_image": False}
    settings["images"]["mine"] = "r.example/mine:1"
    for profile in ("rocm52", "mine"):
        problems = webui_plan(facts, {**settings, "profile": profile})["problems"]
        assert [problem["id"] for problem in problems if "mine" in problem["evidence"]] == ["variables"]


def test_an_own_image_that_needs_more_gets_it(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    def container(**requires: Any) -> dict[str, Any]:
        settings["profiles"]["rocm52"]["requires"] = requires
        made: dict[str, Any] = webui_plan(facts, {**settings, "profile": "rocm52"})["instances"][0]["container"]
        return made

    assert (container()["read_only"], container()["security_opts"]) == (True, ["no-new-privileges:true"])
    assert (container(writable_root=True)["read_only"], container(writable_root=True)["cap_drop"]) == (False, ["ALL"])
    assert (container(sudo=True)["security_opts"], container(sudo=True)["cap_drop"]) == ([], [])


def test_the_process_of_somebody_elses_image_has_its_own_uid(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    facts["user"]["uid"] = 1001
    assert ids(webui_plan(facts, {**settings, "profile": "setsoft-pt2"})) == ["profile_fits"]
    found = {
        name: webui_plan(facts, {**settings, "profile": name})["instances"][0]["uid"] for name in settings["images"]
    }
    assert set(found.values()) == {1001}
    assert webui_plan(facts, {**settings, "profile": "setsoft-pt2"})["instances"][0]["uid"] == 1000


def test_other_groups_among_the_facts_are_not_the_containers(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    """Which of them are gathered depends on the other steps of a call."""
    before = webui_plan(facts, settings)["instances"][0]["container"]
    facts["groups"]["dialout"] = 20
    assert webui_plan(facts, settings)["instances"][0]["container"] == before


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
    plan = webui_plan(facts, {**settings, "name": "-", "profile": "rocm9", "image": "r.example/a:1"})
    assert plan["pull"] == ["r.example/a:1"]
    facts["registry"] = {"r.example/a:1": {"status": "missing", "detail": "", "digest": None}}
    plan = webui_plan(facts, {**settings, "name": "-", "image": "r.example/a:1"})
    assert ids(plan) == ["variables", "image_available"]


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
        "devices": instance["devices"],
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
        ({"devices": ["/dev/kfd", "/dev/dri"]}, "remake container webui, which has other devices"),
        ({"devices": ["/dev/kfd"], "state": "exited"}, "remake container webui, which has other devices"),
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
    models = [{"name": "m.safetensors", "sha256": 64 * "0", "folder": "Stable-diffusion"}]
    wants = webui.wants({**settings, "models": models, "registry_cas": {"r:5000": "PEM"}, "data_root": "/srv/docker"})
    assert wants["webuis"][1] == {"name": "webui-2", "port": 7861}
    assert "~/dockerx/webui_data/models/Stable-diffusion/m.safetensors" in wants["files"]
    assert {"~/dockerx", "~/dockerx/cache", "~/dockerx/webui_data", "~/dockerx/webui_data-2"} <= set(wants["files"])
    assert wants["registry_ca"] == "PEM"
    below = ["webui_data", "cache", "webui_data/models", "webui_data/models/Stable-diffusion"]
    data = ["~/dockerx", *(f"~/dockerx/{part}" for part in below)]
    assert wants["disk"] == ["/srv/docker", "/var/cache/navilab-image", *data]
    named = [*settings["images"].values(), settings["profiles"]["setsoft-pt2"]["image"]]
    built = [recipe["image"] for recipe in settings["recipes"].values()]
    assert wants["images"] == sorted([*named, *built])


def test_a_model_that_is_missing_brings_its_folder(facts: dict[str, Any], settings: dict[str, Any]) -> None:
    provisioned(facts, settings)
    settings["models"] = [{"name": "m.safetensors", "sha256": 64 * "0", "folder": "VAE"}]
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
