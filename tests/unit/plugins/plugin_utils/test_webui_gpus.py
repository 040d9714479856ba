"""Which boards get a webui, and that a webui stays where it is while others come and go."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS, preflight, verify, webui

A, B, C = "0000:0a:00.0", "0000:0d:00.0", "0000:10:00.0"


def with_boards(facts: Any, *bdfs: str, **changes: Any) -> Any:
    """The host with these boards; `changes` are those of the last one."""
    board = facts["boards"][0]
    facts["boards"] = [
        {**board, "bdf": bdf, "render_node": f"/dev/dri/renderD{128 + number}"} for number, bdf in enumerate(bdfs)
    ]
    facts["boards"][-1] |= changes
    return facts


def plan_of(facts: Any, settings: dict[str, Any], **changes: Any) -> Any:
    return webui.plan(facts, {**settings, **changes})


def served(plan: Any) -> list[tuple[str, str, int, str]]:
    return [(each["bdf"], each["name"], each["port"], each["data"]) for each in plan["instances"]]


FIRST, SECOND = ("webui", 7860, "webui_data"), ("webui-2", 7861, "webui_data-2")
HELD = {"driver": "vfio-pci", "held_by": "vfio-pci", "render_node": None}


@pytest.mark.parametrize(
    ("gpus", "exclude", "used"),
    [
        ("all", [], [A, B]),
        ("first", [], [A]),
        ([B], [], [B]),
        (["0D:00.0"], [], [B]),
        (["0d:00.0", A, B], [], [A, B]),  # in the order of the host, each once
        ("0d:00.0", [], [B]),  # --extra-vars
        ("0d:00.0, 0A:00.0", [], [A, B]),
        ("all", ["0a:00.0"], [B]),
        ("first", [A], [B]),
        ([A, B], [A], [B]),
    ],
)
def test_choices(facts: Any, settings: dict[str, Any], gpus: Any, exclude: list[str], used: list[str]) -> None:
    plan = plan_of(with_boards(facts, A, B), settings, gpus=gpus, gpus_exclude=exclude)
    assert plan["problems"] == []
    assert [each["bdf"] for each in plan["instances"]] == used
    named = [line for line in plan["warnings"] if "is not used: left out by webui_gpus" in line]
    assert len(named) == 2 - len(used)
    assert webui.gpus_of(plan["instances"]) == used


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"gpus": [180.0]}, "variables", "YAML takes an address without letters"),
        ({"gpus": ["180.0"]}, "variables", "YAML takes an address without letters"),
        ({"gpus": ["0a:00"]}, "variables", "'0a:00' is no PCI address"),
        ({"gpus": "every"}, "variables", "'every' is no PCI address"),
        ({"gpus": []}, "variables", "webui_gpus is empty"),
        ({"gpus": True}, "variables", "'True' is no PCI address"),
        ({"gpus": [{"bdf": A}]}, "variables", "is no PCI address"),
        ({"gpus": ["all"]}, "variables", "'all' is no PCI address"),
        ({"gpus_exclude": ["first"]}, "variables", "webui_gpus_exclude: 'first' is no PCI address"),
        ({"gpus": ["0b:00.0"]}, "board_present", "webui_gpus names 0000:0b:00.0"),
        ({"gpus_exclude": ["0b:00.0"]}, "board_present", "webui_gpus_exclude names 0000:0b:00.0"),
        ({"gpus": [C]}, "board_supported", "Polaris"),
        ({"gpus_exclude": [A, B]}, "variables", "leave none of"),
        ({"gpus": [A], "gpus_exclude": [A]}, "variables", "leave none of"),
    ],
)
def test_what_is_wrong_is_named(facts: Any, settings: dict[str, Any], changes: Any, check: str, says: str) -> None:
    with_boards(facts, A, B, C, supported=False, unsupported_reason="Polaris 10", name="RX 580", gfx_target="gfx803")
    (problem,) = plan_of(facts, settings, **changes)["problems"]
    assert (problem["id"], says in problem["evidence"]) == (check, True)
    assert A in problem["evidence"] + problem["remedy"]


def test_an_unsupported_board_may_be_left_out(facts: Any, settings: dict[str, Any]) -> None:
    with_boards(facts, A, C, supported=False, unsupported_reason="Polaris 10")
    assert plan_of(facts, settings, gpus_exclude=[C])["problems"] == []


def test_addresses_do_not_matter_to_the_processor(facts: Any, settings: dict[str, Any]) -> None:
    plan = plan_of(facts, settings, profile="cpu", gpus=["0b:00.0"])
    assert (plan["problems"], served(plan)) == ([], [("", *FIRST)])
    assert webui.gpus_of(plan["instances"]) is None


@pytest.mark.parametrize("gpus", ["all", "first"])
def test_a_board_of_a_virtual_machine_is_left_out_by_itself(facts: Any, settings: dict[str, Any], gpus: str) -> None:
    plan = plan_of(with_boards(facts, A, B, **HELD), settings, gpus=gpus)
    assert (plan["problems"], served(plan)) == ([], [(A, *FIRST)])
    assert f"{B} Radeon RX 5500 XT is not used: held by vfio-pci for a virtual machine" in plan["warnings"]
    facts["boards"].reverse()
    assert served(plan_of(facts, settings, gpus=gpus)) == [(A, *FIRST)]


@pytest.mark.parametrize("gpus", ["all", "first", [A]])
def test_the_only_board_that_is_held_is_a_problem(facts: Any, settings: dict[str, Any], gpus: Any) -> None:
    (problem,) = plan_of(with_boards(facts, A, **HELD), settings, gpus=gpus)["problems"]
    assert problem["id"] == "driver_bound"
    assert "vfio-pci" in problem["evidence"] and "driverctl" in problem["remedy"]
    waived = {"driver_bound": "the guest is off while we draw"}
    assert plan_of(facts, settings, gpus=gpus, waive=waived)["problems"] == []


def test_a_held_board_that_is_named_is_a_problem(facts: Any, settings: dict[str, Any]) -> None:
    (problem,) = plan_of(with_boards(facts, A, B, **HELD), settings, gpus=[A, B])["problems"]
    assert (problem["id"], problem["evidence"].startswith(B)) == ("driver_bound", True)


def test_checks_are_about_the_boards_that_are_used(facts: Any, variables: Any, settings: dict[str, Any]) -> None:
    with_boards(facts, A, B, driver=None, render_node=None, kfd_node=None, vram_mib=None)
    variables["webui"]["gpus_exclude"] = [B]
    facts["firmware"]["missing"] = []
    here: Any = facts
    checks = {check["id"]: check for check in verify.plan(here, verify.settings(variables))["checks"]}
    for name in ("driver_bound", "dri_nodes"):
        assert (checks[name]["status"], B in checks[name]["evidence"]) == ("ok", False), name
    assert f"{B} is not used: left out by webui_gpus" in checks["board_supported"]["note"]
    warnings = preflight.plan(here, preflight.settings(variables))["warnings"]
    assert any(f"{B} is not used" in line for line in warnings)


# -- numbers ----------------------------------------------------------------------------------------------------------


def container(bdf: str, **changes: Any) -> dict[str, Any]:
    labels = {"navilab.webui.spec": "x", "navilab.webui.board": bdf}
    seen = {"labels": labels, "state": "running", "health": "healthy", "restart_policy": "no", "memory": 0, "ports": []}
    return {**seen, "devices": [], **changes}


def test_the_second_board_keeps_its_place_when_the_first_is_left_out(facts: Any, settings: dict[str, Any]) -> None:
    plan = plan_of(with_boards(facts, A, B), settings)
    assert served(plan) == [(A, *FIRST), (B, *SECOND)]
    assert plan["record"]["boards"] == {A: 1, B: 2}
    facts["records"]["webui"] = plan["record"]
    plan = plan_of(facts, settings, gpus_exclude=[A])
    assert served(plan) == [(B, *SECOND)]
    assert plan["record"]["boards"] == {A: 1, B: 2}
    facts["records"]["webui"] = plan["record"]
    assert served(plan_of(facts, settings)) == [(A, *FIRST), (B, *SECOND)]


def test_a_new_board_moves_nobody(facts: Any, settings: dict[str, Any]) -> None:
    facts["records"]["webui"] = {"boards": {B: 1}}
    plan = plan_of(with_boards(facts, A, B), settings)
    assert served(plan) == [(A, *SECOND), (B, *FIRST)]
    assert plan["record"]["boards"] == {A: 2, B: 1}


def test_earlier_runs_left_labels_alone(facts: Any, settings: dict[str, Any]) -> None:
    facts["docker"]["containers"] = {"webui": container(A), "webui-2": container(B)}
    assert served(plan_of(with_boards(facts, A, B), settings, gpus=[B])) == [(B, *SECOND)]
    foreign = container(B)
    del foreign["labels"]["navilab.webui.spec"]
    facts["docker"]["containers"] = {"webui": None, "webui-2": foreign, "webui-3": {"labels": {}}}
    assert served(plan_of(facts, settings, gpus=[B])) == [(B, *FIRST)]


def test_a_board_in_another_slot_takes_the_place_that_is_free(facts: Any, settings: dict[str, Any]) -> None:
    facts["records"]["webui"] = {"boards": {A: 1, B: 2}}
    plan = plan_of(with_boards(facts, A, C), settings)
    assert served(plan) == [(A, *FIRST), (C, *SECOND)]
    assert plan["record"]["boards"] == {A: 1, C: 2}
    with_boards(facts, "0000:0b:00.0", "0000:0e:00.0")  # all have moved
    assert [name for _bdf, name, *_rest in served(plan_of(facts, settings))] == ["webui", "webui-2"]


def test_a_board_that_is_away_keeps_its_place(facts: Any, settings: dict[str, Any]) -> None:
    facts["records"]["webui"] = {"boards": {A: 1, B: 2}}
    plan = plan_of(with_boards(facts, B), settings)
    assert (served(plan), plan["record"]["boards"]) == ([(B, *SECOND)], {A: 1, B: 2})


@pytest.mark.parametrize("boards", [None, [], "x", {A: 0}, {A: "1"}, {A: True}, {A: None}, {A: 1.5}])
def test_a_record_that_makes_no_sense(facts: Any, settings: dict[str, Any], boards: Any) -> None:
    facts["records"]["webui"] = {"boards": boards}
    assert served(plan_of(with_boards(facts, A, B), settings)) == [(A, *FIRST), (B, *SECOND)]


def test_no_number_is_given_twice(facts: Any, settings: dict[str, Any]) -> None:
    facts["records"]["webui"] = {"boards": {A: 1, B: 1}}
    assert served(plan_of(with_boards(facts, A, B), settings)) == [(A, *FIRST), (B, *SECOND)]


# -- what several webuis share, and what each has for itself ----------------------------------------------------------

HOST = "/home/lab/dockerx"
THE_WHOLE = [f"{HOST}:/dockerx"]
FOLDER = {"exists": True, "kind": "dir", "mode": "0755", "uid": 1000, "gid": 1000, "size": 1, "mtime": 1.0}


def mounts(plan: Any) -> list[dict[str, str]]:
    """For each webui: where in the container, what of the data directory."""
    found = [each["container"]["volumes"] for each in plan["instances"]]
    parted = [[volume.removeprefix(HOST + "/").partition(":/dockerx/") for volume in volumes] for volumes in found]
    return [{inside: outside for outside, _colon, inside in volumes} for volumes in parted]


def options(plan: Any, number: int = 0) -> dict[str, str]:
    command = plan["instances"][number]["container"]["command"]
    return dict(pairwise(command))


def test_each_has_its_own_and_reads_the_models(facts: Any, settings: dict[str, Any]) -> None:
    plan = plan_of(with_boards(facts, A, B), settings)
    first, second = mounts(plan)
    assert (first["webui_data"], second["webui_data"]) == ("webui_data", "webui_data-2")
    assert (first["cache"], second["cache"]) == ("cache", "cache-2")
    assert first["webui_data/models:ro"] == second["webui_data/models:ro"] == "webui_data/models"
    for inside in set(first) - {"webui_data/models:ro"}:
        assert not inside.endswith(":ro")
        assert second[inside].split("/")[0] == first[inside].split("/")[0] + "-2", inside
    one, two = (each["container"] for each in plan["instances"])
    assert (one["command"], one["env"]) == (two["command"], two["env"])  # inside it is the same place
    assert [each["devices"] for each in plan["instances"]] == [
        ["/dev/kfd", "/dev/dri/renderD128"],
        ["/dev/kfd", "/dev/dri/renderD129"],
    ]


def test_the_self_test_has_what_its_webui_has(facts: Any, settings: dict[str, Any]) -> None:
    plan = plan_of(with_boards(facts, A, B), settings)
    assert [test["name"] for test in plan["selftests"]] == ["webui-selftest", "webui-2-selftest"]
    for test, each in zip(plan["selftests"], plan["instances"], strict=True):
        for key in ("volumes", "devices", "groups", "user", "memory"):
            assert test[key] == each["container"][key], key
        assert test["command"][-2:] == ["--json", "/dockerx/webui_data/selftest.json"]


@pytest.mark.parametrize(
    ("boards", "record", "changes", "apart"),
    [
        ([A], {}, {}, False),
        ([A], {A: 1}, {}, False),
        ([B], {A: 1}, {}, False),  # it was moved to another slot
        ([A, B], {}, {"gpus": [A]}, False),  # the other one never had a webui
        ([A, B], {}, {"gpus": "first"}, False),
        ([A, B], {}, {}, True),
        ([A, B], {A: 1, B: 2}, {"gpus_exclude": [B]}, True),  # the first one's container stays as it is
        ([A, B], {A: 1, B: 2}, {"gpus_exclude": [A]}, True),
        ([A], {A: 1, B: 2}, {}, True),
        ([], {A: 1, B: 2}, {"profile": "cpu"}, True),
        ([], {}, {"profile": "cpu"}, False),
    ],
)
def test_one_webui_has_the_whole_directory(
    facts: Any, settings: dict[str, Any], boards: list[str], record: dict[str, int], changes: Any, apart: bool
) -> None:
    facts["records"]["webui"] = {"boards": record}
    if boards:
        with_boards(facts, *boards)
    for each in plan_of(facts, settings, **changes)["instances"]:
        volumes, command = each["container"]["volumes"], each["container"]["command"]
        assert (volumes == THE_WHOLE, "--ckpt-dir" in command) == (not apart, apart)


def test_leaving_one_out_leaves_the_other_as_it_is(facts: Any, settings: dict[str, Any]) -> None:
    settings["memory_mib"] = 8192  # a share of the memory grows, which is another setting
    plan = plan_of(with_boards(facts, A, B), settings)
    facts["records"]["webui"] = plan["record"]
    for bdf, stays in ((A, 1), (B, 0)):
        (left,) = plan_of(facts, settings, gpus_exclude=[bdf])["instances"]
        assert left["container"] == plan["instances"][stays]["container"]


def test_all_that_is_mounted_is_made_before(facts: Any, settings: dict[str, Any]) -> None:
    """Docker would make it, as root's; and no mount point can be made below models that are read-only."""
    settings["models"] = [{"name": "m", "sha256": 64 * "0", "folder": "VAE"}]
    plan = plan_of(with_boards(facts, A, B), settings)
    wanted = {f"{HOST}/{path}" for each in mounts(plan) for path in each.values()}
    inside = [name.removesuffix(":ro") for name in mounts(plan)[0]]
    wanted |= {f"{HOST}/webui_data/models/{name}" for name in ("GFPGAN", "Lora", "ControlNet", "VAE")}
    wanted |= {f"{HOST}/{name}" for name in inside if name.startswith("webui_data/models")}
    wanted |= {f"{HOST}/webui_data-2/models"}
    made = {line.removeprefix("make directory ") for line in plan["actions"] if line.startswith("make directory ")}
    assert wanted <= made
    assert {path for path in made if "/webui_data-2/models/" in path} == set()
    asked = {path.replace("~/dockerx", HOST) for path in webui.wants(settings)["files"]}
    assert made <= asked  # or they would be made again by each run
    facts["files"] |= dict.fromkeys([*made, f"{HOST}/webui_data/models/VAE/m"], FOLDER)
    assert plan_of(facts, settings)["directories"] == []
    facts["files"][f"{HOST}/webui_data-2/downloads/BLIP"] = {**FOLDER, "uid": 0}
    assert plan_of(facts, settings)["directories"] == [f"{HOST}/webui_data-2/downloads/BLIP"]
    facts["files"][HOST] = facts["files"][f"{HOST}/webui_data-2/downloads/BLIP"] = {**FOLDER, "kind": "link", "uid": 0}
    assert plan_of(facts, settings)["directories"] == []


@pytest.mark.parametrize(
    ("folder", "fetched", "argument"),
    [
        ("Stable-diffusion", True, "--gfpgan-models-path"),
        ("BLIP", False, "--gfpgan-models-path"),
        ("ControlNetPreprocessor/depth", False, "--gfpgan-models-path"),
        ("GFPGAN", True, None),  # the webui would look into the other folder alone
        ("ESRGAN", True, "--esrgan-models-path"),  # it looks into both
    ],
)
def test_a_folder_that_the_wanted_models_fill_is_read(
    facts: Any, settings: dict[str, Any], folder: str, fetched: bool, argument: str | None
) -> None:
    settings["models"] = [{"name": "m", "sha256": 64 * "0", "folder": folder}]
    plan = plan_of(with_boards(facts, A, B), settings)
    mounted, name = mounts(plan)[1], folder.split("/")[0]
    others = {"VAE-approx", "VAE-taesd", "BLIP", "ControlNetPreprocessor"} - {name}
    assert {f"webui_data/models/{other}" for other in others} <= set(mounted)
    assert (f"webui_data/models/{name}" in mounted) == (fetched and name in ("BLIP", "ControlNetPreprocessor"))
    moved = {key: value for key, value in options(plan).items() if key.endswith("-models-path")}
    assert all(value.startswith("/dockerx/webui_data/downloads/") for value in moved.values())
    assert argument in moved if argument else "--gfpgan-models-path" not in moved


# -- containers of boards that are left out ---------------------------------------------------------------------------


def test_the_container_of_a_board_that_is_left_out_goes(facts: Any, settings: dict[str, Any]) -> None:
    facts["docker"]["containers"] = {"webui": container(A), "webui-2": container(B)}
    plan = plan_of(with_boards(facts, A, B), settings, gpus_exclude=[B])
    assert plan["remove_containers"] == ["webui-2"]
    assert plan["actions"][0] == f"remove container webui-2, since board {B} is left out by webui_gpus_exclude"
    with_boards(facts, A, B, **HELD)
    plan = plan_of(facts, settings)
    assert plan["actions"][0] == f"remove container webui-2, since board {B} is held by vfio-pci for a virtual machine"
    assert plan_of(with_boards(facts, A, B), settings)["remove_containers"] == []


def test_what_is_not_ours_or_whose_board_is_away_stays(facts: Any, settings: dict[str, Any]) -> None:
    theirs = container(B)
    del theirs["labels"]["navilab.webui.spec"]
    facts["docker"]["containers"] = {"webui": container(A), "webui-2": theirs, "webui-3": container(C)}
    assert plan_of(with_boards(facts, A, B), settings, gpus_exclude=[B])["remove_containers"] == []


def test_every_step_takes_a_host_without_boards(facts: Any, variables: Any) -> None:
    facts["boards"] = []
    here: Any = facts
    for step in STEPS.values():
        step.plan(here, step.settings(variables))
