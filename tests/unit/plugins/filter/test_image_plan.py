"""What an image is made from, what its names follow from, and what a builder has to do for it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.filter._image_fetch_problem import image_fetch_problem
from ansible_collections.navilab.webui.plugins.filter._image_plan import image_plan
from ansible_collections.navilab.webui.plugins.filter._image_problems import image_problems
from ansible_collections.navilab.webui.plugins.filter._image_recipe import image_recipe
from ansible_collections.navilab.webui.plugins.plugin_utils._bundle import image_file

ROLES = Path(__file__).parents[4] / "roles"
LOCKS = ("pip", "py311", "py311-extensions", "py310", "py310-extensions")


@pytest.fixture
def image() -> dict[str, Any]:
    """The image role's settings with its own defaults and profiles."""
    defaults = yaml.safe_load((ROLES / "image/defaults/main.yml").read_text())
    variables = yaml.safe_load((ROLES / "image/vars/main.yml").read_text())
    made = {key.removeprefix("image_"): value for key, value in defaults.items()}
    made.update(profiles=variables["image_profile_data"], locks=dict.fromkeys(LOCKS, "a==1 --hash=sha256:1"))
    made.update(
        files_digest="f",
        tokenizer_digest="",
        tokenizer_found=True,
        names=["navilab/webui"],
        debian_pythons={"bookworm": "3.11"},
        tools=["git"],
    )
    return made


@pytest.fixture
def builder(facts: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    facts["docker"].update(installed=True, running=True)
    facts["disk"] = {"/var/lib/docker": {"free_mib": 50000}}
    facts["dpkg"]["packages"] = {"git": {"installed": True}}
    recipe = image_recipe("cpu", image)
    paths = [part["path"] for part in recipe["sources"] + recipe["wheels"]]
    facts["files"] = {f"{image['cache_dir']}/{path}": {"exists": False} for path in paths}
    return facts


def changed(image: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return image_recipe("cpu", {**copy.deepcopy(image), **changes})


def test_a_mirror_gives_the_same_image(image: dict[str, Any]) -> None:
    mirror = [{**each, "url": f"/mirrors/{each['name']}.bundle"} for each in image["repositories"]]
    assert changed(image, repositories=mirror)["image"] == changed(image)["image"]


def test_another_commit_changes_its_source_alone(image: dict[str, Any]) -> None:
    other = copy.deepcopy(image["extensions"])
    other[2]["commit"] = "0" * 40
    before, after = changed(image), changed(image, extensions=other)
    assert before["image"] != after["image"]
    differing = {a["name"] for b, a in zip(before["sources"], after["sources"], strict=True) if a["path"] != b["path"]}
    assert differing == {"sd-webui-regional-prompter"}
    assert (before["wheels"], before["base"]) == (after["wheels"], after["base"])


def test_without_extensions_nothing_of_theirs_comes_in(image: dict[str, Any]) -> None:
    recipe = changed(image, extensions=[])
    assert [each["name"] for each in recipe["wheels"]] == ["torch", "pip", "webui"]
    assert recipe["arguments"] == []
    assert {each["kind"] for each in recipe["sources"]} == {"clip", "webui", "repository"}


def test_every_content_is_in_the_name(image: dict[str, Any]) -> None:
    names = [
        changed(image)["image"],
        changed(image, files_digest="g")["image"],
        changed(image, tokenizer_digest="t")["image"],
        changed(image, debian_suite="trixie")["image"],
        changed(image, locks={**image["locks"], "py311": "a==2"})["image"],
    ]
    assert len(set(names)) == len(names)


def test_an_image_that_is_there_needs_nothing(image: dict[str, Any], builder: dict[str, Any]) -> None:
    recipe = image_recipe("cpu", image)
    builder["docker"]["images"] = {recipe["image"]: {"id": "sha256:1"}}
    builder["disk"]["/var/lib/docker"]["free_mib"] = 1  # not asked for
    plan = image_plan(builder, [recipe], image)
    assert (plan["actions"], plan["problems"], plan["builds"]) == ([], [], [])


def test_only_what_is_missing_is_fetched(image: dict[str, Any], builder: dict[str, Any]) -> None:
    recipe = image_recipe("cpu", image)
    builder["docker"]["images"] = {recipe["base"]: {"id": "sha256:2"}}
    for seen in builder["files"].values():
        seen["exists"] = True
    controlnet = next(each for each in recipe["sources"] if each["name"] == "sd-webui-controlnet")
    builder["files"][f"{image['cache_dir']}/{controlnet['path']}"]["exists"] = False
    actions = image_plan(builder, [recipe], image)["actions"]
    assert actions == [
        f"fetch sd-webui-controlnet {controlnet['commit'][:12]} from {controlnet['url']}",
        f"build image {recipe['image']}",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"min_disk_mib": 60000}, "disk_space"),
        ({"webui": {"url": "https://git.example/webui.git", "commit": "master"}}, "source_commit"),
        ({"debian_suite": "trixie"}, "base_image"),
    ],
)
def test_problems_stop_before_anything(
    image: dict[str, Any], builder: dict[str, Any], changes: dict[str, Any], problem: str
) -> None:
    image.update(changes)
    recipe = image_recipe("cpu", image)
    for part in recipe["sources"]:
        builder["files"][f"{image['cache_dir']}/{part['path']}"] = {"exists": False}
    plan = image_plan(builder, [recipe], image)
    assert [each["id"] for each in plan["problems"]] == [problem]
    assert plan["actions"] == []


def test_rocm52_asks_for_a_base_with_its_python(image: dict[str, Any], builder: dict[str, Any]) -> None:
    image["profiles"]["rocm52"]["base"] = ""
    recipe = image_recipe("rocm52", image)
    builder["files"] |= {f"{image['cache_dir']}/{part['path']}": {"exists": False} for part in recipe["wheels"]}
    (problem,) = image_plan(builder, [recipe], image)["problems"]
    assert "image_profiles_extra: {rocm52: {base: python:3.10-slim-bookworm}}" in problem["remedy"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "a b"}, "'a b' is no name"),
        ({"name": "../../etc"}, "'../../etc' is no name"),
        ({"exclude": ["assets", 2023, "/etc"]}, "exclude has '/etc'"),
        ({"exclude": ["a/../../b"]}, "exclude has 'a/../../b'"),
        ({"exclude": ["."]}, "exclude has '.'"),
    ],
)
def test_a_source_stays_in_its_folder(
    image: dict[str, Any], builder: dict[str, Any], changes: dict[str, Any], named: str
) -> None:
    image["extensions"] = [{**image["extensions"][0], **changes}]
    recipe = image_recipe("cpu", image)
    for part in recipe["sources"]:
        builder["files"][f"{image['cache_dir']}/{part['path']}"] = {"exists": False}
    (problem,) = image_plan(builder, [recipe], image)["problems"]
    assert (problem["id"], named in problem["evidence"]) == ("variables", True)


def test_a_commit_may_look_like_a_number(image: dict[str, Any]) -> None:
    digits = 10**39
    source = changed(image, clip={"url": "https://x", "commit": digits})["sources"][0]
    assert source["commit"] == str(digits)


def test_a_builder_without_engine_says_how_to_get_one(image: dict[str, Any], builder: dict[str, Any]) -> None:
    builder["docker"]["running"] = False
    (problem,) = image_plan(builder, [image_recipe("cpu", image)], image)["problems"]
    assert problem["id"] == "docker_engine"
    assert "-a name=navilab.webui.docker_engine" in problem["remedy"]  # the image comes before any step of the host


def test_fitting_variables_are_no_problem(image: dict[str, Any]) -> None:
    assert image_problems(["rocm7", "rocm52", "cpu"], image) == []


@pytest.mark.parametrize(
    ("changes", "check", "named"),
    [
        ({"python": 3.11}, "variables", "image_profiles_extra.mine.python is 3.11"),
        ({"python": "3.13"}, "variables", "image_profiles_extra.mine.python is '3.13'"),
        ({"python": None}, "variables", "image_profiles_extra.mine.python has no value"),
        (None, "variables", "image_profiles_extra.mine is 'None'"),
    ],
)
def test_an_own_profile_is_checked(image: dict[str, Any], changes: Any, check: str, named: str) -> None:
    image["profiles"]["mine"] = changes and {**image["profiles"]["cpu"], **changes}
    (problem,) = image_problems(["mine"], image)
    assert (problem["id"], problem["evidence"]) == (check, named)
    assert problem["remedy"]


def test_a_profile_needs_all_its_keys(image: dict[str, Any]) -> None:
    image["profiles"]["mine"] = {key: value for key, value in image["profiles"]["cpu"].items() if key != "python"}
    (problem,) = image_problems(["mine"], image)
    assert problem["evidence"] == "image_profiles_extra.mine.python has no value"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"webui": {"url": "https://x", "commit": None}}, "image_webui.commit has no value"),
        ({"tokenizer_cache": "/gone", "tokenizer_found": False}, "image_tokenizer_cache is '/gone'"),
        ({"cache_dir": "/srv"}, "image_cache_dir is '/srv'"),
        ({"cache_dir": "//srv/"}, "image_cache_dir is '//srv/'"),
        ({"cache_dir": "cache"}, "image_cache_dir is 'cache'"),
        ({"cache_dir": None}, "image_cache_dir has no value"),
    ],
)
def test_bad_variables_are_named(image: dict[str, Any], changes: dict[str, Any], named: str) -> None:
    (problem,) = image_problems(["cpu"], {**image, **changes})
    assert (problem["id"], named in problem["evidence"]) == ("variables", True)


def test_an_unknown_profile_is_named(image: dict[str, Any]) -> None:
    (problem,) = image_problems(["rocm9"], image)
    assert (problem["id"], problem["evidence"]) == ("profile_known", "there is no profile rocm9 to build")


def test_the_record_has_what_the_role_brings_alone(image: dict[str, Any], builder: dict[str, Any]) -> None:
    builder["files"]["/var/cache/navilab-image/git"] = {"exists": True}
    recipe = image_recipe("cpu", image)
    image["names"] = ["navilab/webui", "registry.example/navilab/webui"]
    record = image_plan(builder, [recipe], image, ["git", "sources"])["record"]
    assert record["images"] == sorted(
        [recipe["image"], recipe["base"], "navilab/webui:cpu", f"registry.example/{recipe['image']}"]
    )
    assert record["paths"] == ["/var/cache/navilab-image/sources"]
    assert record["cache_dirs"] == ["/var/cache/navilab-image"]
    # The next run finds it there, and knows that it was the role's own.
    builder["records"]["image"] = record
    builder["files"]["/var/cache/navilab-image/sources"] = {"exists": True}
    assert image_plan(builder, [recipe], image, ["git", "sources"])["record"] == record


def test_absent_follows_the_record_alone(image: dict[str, Any], builder: dict[str, Any]) -> None:
    base = "navilab/webui-base:bookworm-1"
    builder["records"]["image"] = {
        "images": [base, "navilab/webui:cpu-1", "navilab/webui:cpu"],
        "cache_dirs": ["/data/cache"],
        "paths": ["/data/cache/git"],
    }
    plan = image_plan(builder, [], {**image, "state": "absent", "cache_dir": "/srv"}, ["git"])
    assert plan["remove_images"] == ["navilab/webui:cpu-1", "navilab/webui:cpu", base]  # nobody asked for them
    assert (plan["remove_paths"], plan["remove_if_empty"]) == (["/data/cache/git"], ["/data/cache"])
    assert not any("/srv" in action for action in plan["actions"])


def test_absent_takes_out_what_came_in(image: dict[str, Any], builder: dict[str, Any]) -> None:
    builder["records"]["image"] = {"images": ["navilab/webui:cpu-1", "gone:1"], "packages": ["mmdebstrap"]}
    builder["docker"]["images"] = {"navilab/webui:cpu-1": {"id": "sha256:1"}, "gone:1": None}
    plan = image_plan(builder, [], {**image, "state": "absent"})
    assert (plan["remove_images"], plan["remove"]) == (["navilab/webui:cpu-1"], ["mmdebstrap"])


@pytest.mark.parametrize(
    ("stderr", "check", "named"),
    [
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", "source_available", "Username"),
        ("fatal: remote error: upload-pack: not our ref 00", "source_commit", "not our ref"),
        ("fatal: bad object 00", "source_commit", "bad object"),
        ("[Errno 28] No space left on device", "disk_space", "No space left"),
    ],
)
def test_a_failed_source_is_named(stderr: str, check: str, named: str) -> None:
    problem = image_fetch_problem({"name": "BLIP", "commit": "00", "url": "https://x", "stderr": stderr})
    assert problem["id"] == check
    assert problem["evidence"].startswith("BLIP 00 from https://x: ")
    assert named in problem["evidence"]


def test_failed_wheels_are_named() -> None:
    stdout = (
        "Looking in indexes: https://x\n  Could not fetch URL https://x/torch/: 403 Client Error: Forbidden - skipping"
    )
    result = {"name": "torch", "stdout": stdout, "stderr": "ERROR: No matching distribution found for torch==2"}
    assert "wheels of torch: Could not fetch URL https://x/torch/: 403" in image_fetch_problem(result)["evidence"]


def test_of_a_bundle_the_image_is_loaded(image: dict[str, Any], builder: dict[str, Any]) -> None:
    recipe = image_recipe("cpu", image)
    builder["dpkg"]["packages"] = {}  # nothing is fetched or made
    file = image_file(recipe["image"])
    plan = image_plan(builder, [recipe], image, bundle={file: {}})
    assert plan["actions"] == [f"load image {recipe['image']} from the bundle"]
    assert (plan["builds"], plan["loads"]) == ([], [{"image": recipe["image"], "file": file}])
    assert recipe["image"] in plan["record"]["images"] and recipe["base"] not in plan["record"]["images"]
    builder["disk"]["/var/lib/docker"]["free_mib"] = 1
    plan = image_plan(builder, [recipe], image, bundle={file: {}})
    assert [each["id"] for each in plan["problems"]] == ["disk_space"]


def test_of_a_bundle_without_it_the_parts_are_copied(image: dict[str, Any], builder: dict[str, Any]) -> None:
    recipe = image_recipe("cpu", image)
    parts = [*(each["path"] for each in recipe["sources"]), *(f"{each['path']}.tar" for each in recipe["wheels"])]
    plan = image_plan(builder, [recipe], image, bundle=dict.fromkeys([image_file(recipe["base"]), *parts]))
    assert plan["copies"] == parts
    assert [each["image"] for each in plan["loads"]] == [recipe["base"]]
    (build,) = plan["builds"]
    assert (build["make_base"], build["missing_sources"], build["missing_wheels"]) == (False, [], [])
    assert not any("fetch" in action for action in plan["actions"])
