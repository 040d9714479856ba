"""A lab without internet: what a bundle has, what it lacks, and that nothing else is asked for then."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.plugin_utils import _bundle
from ansible_collections.navilab.webui.plugins.plugin_utils._builder import choose, lines
from ansible_collections.navilab.webui.plugins.plugin_utils._image_settings import TOOLS
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import (
    STEPS,
    _models,
    _webui_images,
    docker_engine,
    registry,
)

SUM = "ab" * 32
DEFAULTS = yaml.safe_load((Path(__file__).parents[4] / "roles/image/defaults/main.yml").read_text())
FIRMWARE = "firmware-amd-graphics"


@pytest.fixture
def bundle() -> _bundle.Bundle:
    names = DEFAULTS["image_bundle_packages"]
    return {"path": "/b", "files": {f"models/{SUM}": {"size": 1, "sha256": SUM}}, "packages": {"bookworm": names}}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m").write_text("abc")
    of = {"size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    index = {"files": {"models/m": of}, "packages": {"bookworm": ["docker.io"]}}
    (tmp_path / _bundle.INDEX).write_text(json.dumps(index))
    return tmp_path


def test_no_directory_is_no_bundle() -> None:
    assert _bundle.read("") == (None, [])


def test_a_relative_path_is_refused() -> None:
    _nothing, (found,) = _bundle.read("bundle")
    assert "absolute" in found["remedy"]


def test_a_whole_one_is_read(made: Path) -> None:
    found, problems = _bundle.read(str(made))
    assert problems == [] and found and found["packages"] == {"bookworm": ["docker.io"]}
    assert _bundle.damaged(found) == []


@pytest.mark.parametrize(
    ("path", "text", "evidence"),
    [
        (_bundle.INDEX, None, "bundle.json: No such file"),
        (_bundle.INDEX, "{", "is none that navilab.webui.bundle has made"),
        (_bundle.INDEX, '{"files": [], "packages": {}}', "is none that navilab.webui.bundle has made"),
        ("models/m", None, "not whole: m: No such file"),
        ("models/m", "ab", "not whole: m has 2 bytes of 3"),
    ],
)
def test_what_it_lacks_is_named(made: Path, path: str, text: str | None, evidence: str) -> None:
    (made / path).unlink()
    if text is not None:
        (made / path).write_text(text)
    (problem,) = _bundle.read(str(made))[1]
    assert problem["id"] == "bundle" and evidence in problem["evidence"] and "navilab.webui.bundle" in problem["remedy"]


def test_damage_of_the_same_size_is_found(made: Path) -> None:
    found, _problems = _bundle.read(str(made))
    (made / "models/m").write_text("abX")
    assert found and "damaged: models/m" in _bundle.damaged(found)[0]["evidence"]


@pytest.mark.parametrize("codename", ["bullseye", "bookworm", "trixie"])
def test_it_has_all_that_roles_install(variables: Any, codename: str) -> None:
    """What apt brings along is debs.py's; of the engine's names a release may lack one."""
    wanted = {*docker_engine.wanted_packages("debian", codename), docker_engine.CLIENT_PACKAGE}
    wanted |= {*registry.PACKAGES, *TOOLS, variables["firmware"]["package"], "python3-apt"}
    wanted |= {"nftables", "nginx", "prometheus-node-exporter"}
    assert wanted - {*DEFAULTS["image_bundle_packages"]} == set()


@pytest.mark.parametrize(
    ("step", "name"), [("firmware", FIRMWARE), ("docker_engine", "docker.io"), ("registry", "docker-registry")]
)
def test_packages_come_from_it_alone(facts: Any, variables: Any, bundle: Any, step: str, name: str) -> None:
    facts["apt"] = {"sources": [], "archives": [], "error": "E: bad"}  # of no concern then
    variables["registry"]["address"] = "192.0.2.1"
    variables["_common"]["bundle"] = bundle
    plan = STEPS[step].plan(facts, STEPS[step].settings(variables))
    assert plan["problems"] == [] and "apt" not in plan["questions"] and not plan.get("source")
    (said,) = [action for action in plan["actions"] if name in action and action.startswith("install")]
    assert said.endswith(" from the bundle")
    bundle["packages"]["bookworm"] = []
    (problem,) = STEPS[step].plan(facts, STEPS[step].settings(variables))["problems"]
    assert problem["id"] == "bundle" and name in problem["evidence"] and "image_bundle_packages" in problem["remedy"]


def test_a_hold_counts_there_too(facts: Any, variables: Any, bundle: Any) -> None:
    facts["dpkg"]["packages"][FIRMWARE] = {"installed": False, "version": None, "held": True}
    variables["_common"]["bundle"] = bundle
    plan = STEPS["firmware"].plan(facts, STEPS["firmware"].settings(variables))
    assert [each["id"] for each in plan["problems"]] == ["packages_held"]


@pytest.fixture
def recipes(variables: Any) -> dict[str, _webui_images.Recipe]:
    return _webui_images.recipes(variables["image"])


def test_an_image_comes_ready_or_is_built_of_its_parts(variables: Any, bundle: Any, recipes: Any) -> None:
    file = {"size": 1, "sha256": SUM}
    assert _webui_images.brought(recipes, None) == recipes
    lacks = _webui_images.brought(recipes, bundle)["cpu"]["lacks"]
    assert recipes["cpu"]["image"] in lacks and "images/navilab_webui-base_bookworm" in lacks

    bundle["files"] |= dict.fromkeys(recipes["cpu"]["parts"], file)
    found = _webui_images.brought(recipes, bundle)
    assert (found["cpu"]["lacks"], found["cpu"]["ready"], found["cpu"]["hosts"]) == ("", False, ["the bundle"])
    assert "github.com" not in _webui_images.build_sentence("cpu", {"recipes": found})

    bundle["files"] = {_bundle.image_file(recipes[name]["image"]): file for name in ("cpu", "rocm52")}
    found = _webui_images.brought(recipes, bundle)
    assert [found[name]["lacks"] for name in ("cpu", "rocm52")] == ["", ""]  # which could not be built here
    assert found["rocm7"]["lacks"]
    said = _webui_images.build_sentence("cpu", {"recipes": found})
    assert said == f"have the lab's builder load {recipes['cpu']['image']} from the bundle"


LAB = {"registry": "192.0.2.11:5000", "ca": "", "models": [SUM], "builder": "", "images": {}, "problems": []}
MODEL = {"name": "m.safetensors", "sha256": SUM.upper(), "url": "https://h.example/m"}


@pytest.mark.parametrize(
    ("more", "changes", "lab", "source", "sentence"),
    [
        ({}, {}, False, f"/b/models/{SUM}", "copy model m.safetensors from the bundle"),
        ({}, {}, True, None, "fetch model m.safetensors from 192.0.2.11:5000"),
        ({}, {"sha256": "cd" * 32, "src": "/srv/m"}, False, "/srv/m", "copy model m.safetensors from the controller"),
    ],
)
def test_no_address_of_a_model_is_asked(
    facts: Any, settings: Any, bundle: Any, more: Any, changes: Any, lab: bool, source: str | None, sentence: str
) -> None:
    settings = {**settings, "bundle": bundle, "models": [{**MODEL, **changes}], "lab": LAB if lab else {}}
    (found,) = _models.missing(facts, settings, "/d")
    assert (found["urls"], found.get("src")) == ([], source)
    assert _models.sentence(found) == sentence
    assert _models.not_brought([found], settings) == []


def test_a_model_that_is_nowhere_is_named(facts: Any, settings: Any, bundle: Any) -> None:
    settings = {**settings, "bundle": bundle, "models": [{**MODEL, "sha256": "cd" * 32}]}
    (problem,) = STEPS["webui"].plan(facts, settings)["problems"]
    assert (problem["id"], problem["evidence"]) == ("bundle", "/b has no m.safetensors")


def test_the_builder_publishes_what_the_bundle_has(facts: Any, settings: Any, bundle: Any) -> None:
    own = {**MODEL, "name": "own.safetensors", "sha256": "cd" * 32, "src": "/srv/m"}
    plan = STEPS["webui"].plan(facts, {**settings, "bundle": bundle, "models": [MODEL, own]})
    assert [each["name"] for each in plan["lab_models"]] == ["m.safetensors"]


def test_who_brings_it_in_is_said() -> None:
    offer = {
        "builds": ["cpu"],
        "models": [{"name": "m", "sha256": SUM}],
        "builder": False,
        "free_mib": 1,
        "registry": "",
        "has": {},
    }
    build = choose({"a": offer, "b": offer}, {"a": "a", "b": "b"})  # type: ignore[typeddict-item]
    assert lines(build, bundle=True) == [
        "a takes the image of profile cpu from the bundle, for itself and b",
        "a serves it to them by a registry of its own and takes m from the bundle once",
    ]
