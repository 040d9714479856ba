"""The models of `webui_models`: which are missing, where they come from, what is wrong with an entry, their room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._machine import NO_FILE
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _disk, _models, preflight, webui

SUM, OTHER = "ab" * 32, "cd" * 32
DATA = "/home/lab/dockerx"
PATH = f"{DATA}/webui_data/models/Stable-diffusion/m.safetensors"
LAB = {"registry": "192.0.2.11:5000", "ca": "PEM", "models": [SUM], "builder": "node1", "images": {}, "problems": []}


def model(**changes: Any) -> dict[str, Any]:
    return {
        "name": "m.safetensors",
        "sha256": SUM,
        "folder": "Stable-diffusion",
        "url": "https://h.example/m",
        **changes,
    }


def missing(facts: Any, settings: dict[str, Any], *models: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return _models.missing(facts, {**settings, "models": list(models), **more}, DATA)


def test_a_model_and_its_addresses_in_their_order(facts: Any, settings: dict[str, Any]) -> None:
    one = model(url="https://bob:S3CRET@a.example/m", urls=["https://b.example/m?token=S3CRET", "file:///srv/m"])
    (found,) = missing(facts, settings, one)
    assert found["urls"] == ["https://a.example/m", "https://b.example/m", "file:///srv/m"]
    assert (found["path"], found["sha256"], found["size"], found["number"]) == (PATH, SUM, None, 0)
    assert "S3CRET" not in str(found) and "src" not in found
    facts["files"][PATH] = {"exists": True}
    assert missing(facts, settings, one) == []


def test_what_is_there_is_known_by_name_and_size(facts: Any, settings: dict[str, Any]) -> None:
    def present(seen: dict[str, Any], **changes: Any) -> dict[str, str]:
        facts["files"][PATH] = {**NO_FILE, "exists": True, "kind": "file", "size": 7, **seen}
        return _models.present(facts, {**settings, "models": [model(**changes)]}, DATA)

    assert present({}) == present({}, size=7) == present({}, sha256=SUM.upper()) == {SUM: PATH}
    assert present({}, size=8) == present({"kind": "dir"}) == {}


@pytest.mark.parametrize(
    ("lab", "changes", "first"),
    [
        (LAB, {}, "https://192.0.2.11:5000/v2/navilab/models/blobs/sha256:" + SUM),
        (LAB, {"sha256": SUM.upper()}, "https://192.0.2.11:5000/v2/navilab/models/blobs/sha256:" + SUM),
        ({**LAB, "registry": ""}, {}, None),
        ({**LAB, "models": [OTHER]}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_labs_registry_comes_first_where_it_has_it(
    facts: Any, settings: dict[str, Any], lab: dict[str, Any], changes: dict[str, Any], first: str | None
) -> None:
    (found,) = missing(facts, settings, model(**changes), lab=lab)
    assert found["lab"] == ([first] if first else []) and found["urls"] == ["https://h.example/m"]


def test_the_controllers_file_is_the_last_resort(facts: Any, settings: dict[str, Any]) -> None:
    own = {key: value for key, value in model(src="/srv/m").items() if key != "url"}
    assert missing(facts, settings, own)[0]["src"] == "/srv/m"
    assert "src" not in missing(facts, settings, own, lab=LAB)[0]
    assert "src" not in missing(facts, settings, model(src="/srv/m"))[0]


def test_the_same_file_elsewhere_is_a_candidate(facts: Any, settings: dict[str, Any]) -> None:
    found = missing(facts, settings, model(), model(folder="VAE"), model(folder="Lora", sha256=OTHER), model())
    assert [len(each["candidates"]) for each in found] == [1, 1, 0]
    assert found[1]["candidates"] == [PATH] and [each["number"] for each in found] == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "lab", "says"),
    [
        ({"size": 4265146304}, {}, "fetch model m.safetensors, 4.0 GiB, from h.example"),
        ({}, {}, "fetch model m.safetensors from h.example"),
        ({"size": 1 << 20, "url": "https://u:S3CRET@h:1/m"}, {}, "fetch model m.safetensors, 1.0 MiB, from h:1"),
        ({"url": "file:///srv/m"}, {}, "fetch model m.safetensors from this host"),
        ({}, LAB, "fetch model m.safetensors from 192.0.2.11:5000"),
        ({"url": None, "src": "/m"}, {}, "copy model m.safetensors from the controller"),
    ],
)
def test_what_a_plan_says(facts: Any, settings: dict[str, Any], changes: Any, lab: Any, says: str) -> None:
    assert [_models.sentence(each) for each in missing(facts, settings, model(**changes), lab=lab)] == [says]
    plan = webui.plan(facts, {**settings, "models": [model(**changes)], "lab": {**LAB, "registry": "", **lab}})
    assert says in plan["actions"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "a/b"}, "name 'a/b' is no name of a file"),
        ({"name": ""}, "is no name"),
        ({"name": ".."}, "is no name"),
        ({"name": "a\nb"}, "is no name"),
        ({"name": "a$HOME"}, "is no name"),
        ({"name": 101 * "ä"}, "is no name"),
        ({"folder": "../x"}, "does not lie below the models"),
        ({"folder": "/etc"}, "does not lie below"),
        ({"folder": "VAE/"}, "does not lie below"),
        ({"folder": "a//b"}, "does not lie below"),
        ({"sha256": "0"}, "sha256 of m.safetensors is not one"),
        ({"sha256": 64 * "g"}, "is not one"),
        ({"size": -1}, "size of m.safetensors is -1"),
        ({"url": "ftp://u:S3CRET@h/m"}, "m.safetensors: ftp://h/m is none that can be fetched"),
        ({"urls": ["https://h/a b"]}, "https://h/a b is none"),
    ],
)
def test_what_can_be_wrong_with_an_entry(
    facts: Any, settings: dict[str, Any], changes: dict[str, Any], says: str
) -> None:
    wanted = {**settings, "models": [model(folder="VAE"), model(**changes)]}
    (found,) = _models.problems(wanted)
    assert found["id"] == "variables" and found["evidence"].startswith("webui_models.1: ") and says in found["evidence"]
    assert "S3CRET" not in str(found)
    assert found in webui.plan(facts, wanted)["problems"]
    assert len(_models.files(wanted, DATA)) == 2  # nothing is asked of the host for one that is wrong


@pytest.mark.parametrize("folder", ["VAE", "Stable-diffusion/sdxl", "torch/hub/checkpoints", "torch_deepdanbooru"])
def test_every_folder_below_the_models_will_do(settings: dict[str, Any], folder: str) -> None:
    wanted = {**settings, "models": [model(folder=folder, sha256=SUM.upper())]}
    assert _models.problems(wanted) == [] and _models.folders(wanted) == [f"webui_data/models/{folder}"]


def test_two_files_of_one_name_are_a_problem(settings: dict[str, Any]) -> None:
    (found,) = _models.problems({**settings, "models": [model(), model(sha256=OTHER), model(folder="VAE")]})
    assert "Stable-diffusion/m.safetensors is there 2 times" in found["evidence"]
    assert _models.problems({**settings, "models": [model(), model(sha256=SUM.upper())]}) == []


def test_the_image_comes_in_beside_models_that_take_time(facts: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    def beside(**changes: Any) -> bool:
        return _models.take_time(missing(facts, settings, model(**changes)))

    assert [beside(), beside(size=4 << 30), beside(size=1 << 20)] == [True, True, False]
    assert not _models.take_time([])
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(b"small")
    (found,) = missing(facts, settings, {"name": mine.name, "sha256": SUM, "src": str(mine)})
    assert (found["size"], _models.take_time([found])) == (5, False)


def test_authorities_count_where_something_is_fetched(settings: dict[str, Any]) -> None:
    given = {**settings, "registry_cas": {"r:5000": "A"}, "lab": LAB}
    assert _models.cas(given, [model()]) == {"r:5000": "A", "192.0.2.11:5000": "PEM"}
    assert _models.cas(given, []) == {}


# -- room -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "part", "pulls", "mib"),
    [
        ([], 0, False, 0),
        ([None], 0, False, 0),
        ([100 << 20, 200 << 20, None], 0, False, 300),
        ([(100 << 20) + 1], 0, False, 101),
        ([100 << 20], 60 << 20, False, 40),
        ([4265146304], 0, True, 0),  # preflight_min_disk_mib has room for it
        ([4265146304, 4265146304], 0, True, 8136 - 4096),
    ],
)
def test_all_models_together_need_room(
    facts: Any, settings: dict[str, Any], sizes: list[Any], part: int, pulls: bool, mib: int
) -> None:
    settings["models"] = [model(name=f"m{number}", size=size) for number, size in enumerate(sizes)]
    if part:
        facts["files"][f"{DATA}/webui_data/models/Stable-diffusion/.m0.part-{SUM[:12]}"] = {"size": part}
    assert [need["mib"] for need in _disk.model_needs(facts, settings, pulls)] == ([mib] if mib else [])


def test_too_little_room_stops_before_anything_changes(facts: Any, variables: dict[str, Any], settings: Any) -> None:
    images = settings["images"].values()
    facts["docker"]["images"] = {image: {"id": "1", "digests": [], "size": 1} for image in images}
    variables["webui"]["models"] = [model(name=name, size=20 << 30) for name in ("a", "b")]
    room = {"total_mib": 90000, "read_only": False, "fstype": "ext4", "pool": "/dev/sda1", "path_seen": "/"}
    for free, stops in ((1024 + 40960, False), (1024 + 40959, True)):
        facts["disk"] = {path: {**room, "free_mib": free} for path in ("/var/lib/docker", DATA)}
        checks = preflight.plan(facts, preflight.settings(variables))["problems"]
        found = [check for check in checks if check["id"] == "disk_space"]
        assert len(found) == stops
    assert "40960 for 2 models" in found[0]["remedy"] and "webui_data_dir" in found[0]["remedy"]
