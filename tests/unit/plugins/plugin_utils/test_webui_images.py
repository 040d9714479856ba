"""Where the image of a profile comes from: a name, the lab's builder, or what the host has already."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_images import (
    RECIPE_LABEL,
    Image,
    build_sentence,
    image_of,
    lab_of,
    recipes,
    references,
    through,
)

REGISTRY = "10.0.0.1:5000"
SERVED = f"{REGISTRY}/navilab/webui@sha256:{64 * '0'}"


@pytest.fixture
def unnamed(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "images": {}}


def test_who_names_an_image_gets_it(facts: dict[str, Any], unnamed: dict[str, Any]) -> None:
    for named in ({"image": "r.example/a:1"}, {"images": {"rocm7": "r.example/a:1"}}):
        assert image_of("rocm7", {**unnamed, **named}, facts) == Image("r.example/a:1")
    # But for `build`, which is for who has named them all and wants his own.
    assert image_of("rocm7", {**unnamed, "image": "r.example/a:1", "image_source": "build"}, facts).to_build
    assert not image_of("setsoft-pt2", {**unnamed, "image_source": "build"}, facts).to_build


def test_what_a_host_has_of_the_recipe_stays(facts: dict[str, Any], unnamed: dict[str, Any]) -> None:
    recipe = unnamed["recipes"]["rocm7"]
    assert image_of("rocm7", unnamed, facts) == Image(recipe["image"], to_build=True)
    lab = lab_of({"registry": REGISTRY, "images": {recipe["recipe"]: SERVED}})
    assert image_of("rocm7", {**unnamed, "lab": lab}, facts) == Image(SERVED)
    facts["docker"]["images"] = {recipe["image"]: {"id": "sha256:1", "digests": [], "size": 1}}
    assert image_of("rocm7", {**unnamed, "lab": lab}, facts) == Image(recipe["image"])  # the builder's own
    older = f"{SERVED[:-1]}1"
    facts["docker"]["containers"]["webui"] = {"labels": {RECIPE_LABEL: recipe["recipe"]}, "image": older}
    assert image_of("rocm7", {**unnamed, "lab": lab}, facts) == Image(older)
    facts["docker"]["containers"]["webui"]["labels"] = {RECIPE_LABEL: "another"}
    assert image_of("rocm7", {**unnamed, "lab": lab}, facts) == Image(recipe["image"])


def test_a_mirror_takes_the_registrys_place(unnamed: dict[str, Any]) -> None:
    lab = lab_of({"registry": REGISTRY, "ca": "PEM", "images": {"r": SERVED, "other": "r.example/a@sha256:1"}})
    seen = through(lab, "rack2:5002")
    assert (seen["registry"], seen["ca"]) == ("rack2:5002", "")
    assert seen["images"] == {"r": SERVED.replace(REGISTRY, "rack2:5002"), "other": "r.example/a@sha256:1"}
    assert through(lab, "") == lab
    assert through(lab_of({}), "rack2:5002")["registry"] == ""  # nothing is served


@pytest.mark.parametrize(
    "value", [None, [], "x", {"images": ["x"], "models": 5, "problems": {"a": 1}, "registry": None}]
)
def test_what_is_no_fact_of_a_lab_is_none(value: Any) -> None:
    assert lab_of(value) == lab_of({})


def test_a_change_of_what_it_is_made_from_is_another_image(variables: dict[str, dict[str, Any]]) -> None:
    image = variables["image"]
    before = recipes(image)["rocm7"]
    assert recipes({**image, "debian_mirror": "http://mirror.example/debian"})["rocm7"]["recipe"] == before["recipe"]
    assert recipes({**image, "debian_suite": "trixie"})["rocm7"]["lacks"] == (
        "it needs Python 3.11, and Debian's trixie has 3.13"
    )
    webui = {**image["webui"], "commit": 40 * "a"}
    assert recipes({**image, "webui": webui})["rocm7"]["recipe"] != before["recipe"]
    assert recipes({**image, "locks": {"py311": "a==1"}})["rocm7"]["recipe"] != before["recipe"]
    torn = recipes({**image, "profiles_extra": {"mine": {"python": "3.11"}}})["mine"]
    assert "image_profiles_extra.mine" in torn["lacks"]


def test_a_build_is_told_with_its_size_and_sources(unnamed: dict[str, Any]) -> None:
    said = build_sentence("rocm7", unnamed)
    assert "about 1.8 GiB from repo.amd.com, pypi.org, deb.debian.org and github.com, 10 minutes or more" in said
    assert unnamed["recipes"]["rocm7"]["image"] in references(unnamed)
