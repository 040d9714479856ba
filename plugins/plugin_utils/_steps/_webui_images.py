# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a profile's image comes from: a name that somebody gave, or the lab's builder. Pure functions."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypedDict
from urllib.parse import urlsplit

from ansible_collections.navilab.webui.plugins.module_utils._model import size_text
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._bundle import FROM, Bundle, image_file
from .._image_recipe import image_problems, image_recipe
from .._image_settings import PYTHONS, image_settings
from .._text import problem
from ._base import Settings
from ._webui_swap import aside, earlier, pinned

RECIPE_LABEL = "navilab.webui.recipe"
PYPI = "https://pypi.org/simple"


class Recipe(TypedDict):
    """What an image of a profile is built from. `image` is its name in the builder's engine, `lacks` why it can't be
    built (empty if it can), `parts` the files that it is made from as a bundle has them, `hosts` where they come from,
    `download_mib` and `minutes` what that costs; `ready` says that a bundle has the image itself."""

    recipe: str
    image: str
    lacks: str
    parts: list[str]
    ready: bool
    hosts: list[str]
    download_mib: int
    minutes: int


class Lab(TypedDict):
    """What the lab's builder has told; all empty where it was not asked. `images` are references by recipe, `models`
    the sha256 of what its registry has."""

    builder: str
    registry: str
    ca: str
    images: dict[str, str]
    models: list[str]
    problems: list[dict[str, str]]


class Image(NamedTuple):
    """What a container is made of. One that is `to_build` has the name that it will have in the builder's engine;
    `why_not` says why there is none; `aside` is the one whose place it has on this host, since that is set aside."""

    reference: str
    to_build: bool = False
    why_not: str = ""
    aside: str = ""


def lab_of(value: Any) -> Lab:
    """The fact `navilab_lab`, without what is none of its form: it may come out of a recording or an inventory."""
    given = value if isinstance(value, Mapping) else {}

    def texts(of: Any, *names: str) -> dict[str, str]:
        return {name: str(of.get(name) or "") for name in names}

    images, models, problems = (given.get(name) for name in ("images", "models", "problems"))
    return {
        "builder": str(given.get("builder") or ""),
        "registry": str(given.get("registry") or ""),
        "ca": str(given.get("ca") or ""),
        "images": {
            str(recipe): str(reference)
            for recipe, reference in (images.items() if isinstance(images, Mapping) else ())
            if reference
        },
        "models": [str(each) for each in models] if isinstance(models, (list, tuple)) else [],
        "problems": [
            texts(each, "id", "evidence", "remedy")
            for each in (problems if isinstance(problems, (list, tuple)) else ())
            if isinstance(each, Mapping)
        ],
    }


def failures(lab: Lab) -> list[Check]:
    """Why hosts that need an image get none, with whose fault it is."""
    whose = f"{lab['builder']}, which builds the image: " if lab["builder"] else ""
    return [problem(each["id"], f"{whose}{each['evidence']}", each["remedy"]) for each in lab["problems"]]


def through(lab: Lab, mirror: str) -> Lab:
    """The lab as a host sees it that asks a mirror of the lab's registry; whom it trusts there is its own to say."""
    if not (mirror and lab["registry"]):
        return lab
    own, images = lab["registry"], lab["images"]
    moved = {recipe: re.sub(f"^{re.escape(own)}/", f"{mirror}/", reference) for recipe, reference in images.items()}
    return {**lab, "registry": mirror, "ca": "", "images": moved}


def recipes(image: Settings) -> dict[str, Recipe]:
    """One a profile that the image role knows; `image` are the role's variables."""
    return _recipes(json.dumps(image, sort_keys=True, default=str))


@functools.lru_cache(maxsize=8)  # the same for all hosts of a lab
def _recipes(text: str) -> dict[str, Recipe]:
    variables = json.loads(text)
    settings = image_settings(variables)
    return {name: _recipe(name, settings, variables) for name in settings["profiles"]}


def _recipe(profile: str, settings: dict[str, Any], variables: Mapping[str, Any]) -> Recipe:
    problems = image_problems([profile], settings)
    if problems:
        return _unbuildable(problems[0]["evidence"])
    try:
        recipe = image_recipe(profile, settings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a profile of a user's, as it was written
        return _unbuildable(f"image_profiles_extra.{profile} can't be read ({type(error).__name__}: {error})")
    data = recipe["data"]
    index = (
        data["index"] if variables["torch_index"] == "profile" else variables["torch_index"] or variables["pip_index"]
    )
    sources = [source["url"] for source in recipe["sources"]]
    addresses = [index or PYPI, variables["pip_index"] or PYPI, variables["debian_mirror"], *sources]
    cost = data.get("cost") if isinstance(data.get("cost"), Mapping) else {}
    python = PYTHONS.get(settings["debian_suite"])
    lacks = ""
    if recipe["base_made"] and python != data["python"]:
        lacks = f"it needs Python {data['python']}, and Debian's {settings['debian_suite']} has {python or 'another'}"
    return {
        "recipe": recipe["recipe"],
        "image": recipe["image"],
        "lacks": lacks,
        "parts": [
            image_file(recipe["base"]),
            *(source["path"] for source in recipe["sources"]),
            *(f"{wheels['path']}.tar" for wheels in recipe["wheels"]),
        ],
        "ready": False,
        "hosts": list(dict.fromkeys(host for host in map(_host, addresses) if host)),
        "download_mib": _number(cost.get("download_mib")),
        "minutes": _number(cost.get("minutes")),
    }


def _unbuildable(why: str) -> Recipe:
    return {
        "recipe": "", "image": "", "lacks": why, "parts": [], "ready": False, "hosts": [], "download_mib": 0,
        "minutes": 0,
    }  # fmt: skip


def brought(found: Mapping[str, Recipe], bundle: Bundle | None) -> dict[str, Recipe]:
    """The same where all comes from a bundle: its images, and what can be built from what it has."""
    return {name: _brought(recipe, bundle) for name, recipe in found.items()} if bundle else {**found}


def _brought(recipe: Recipe, bundle: Bundle) -> Recipe:
    there: Recipe = {**recipe, "hosts": ["the bundle"], "download_mib": 0}
    if not recipe["image"] or image_file(recipe["image"]) in bundle["files"]:
        return {**there, "ready": bool(recipe["image"]), "lacks": "" if recipe["image"] else recipe["lacks"]}
    missing = [part for part in recipe["parts"] if part not in bundle["files"]]
    if not missing:
        return there
    why = f"{bundle['path']} has not got {recipe['image']}, nor {', '.join(missing[:3])}, of which it would be built"
    return {**there, "lacks": why}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _host(address: Any) -> str:
    try:
        return urlsplit(str(address)).hostname or ""
    except ValueError:
        return ""


def named(profile: str, settings: Settings) -> str:
    """The reference that somebody gave a profile's image; empty where nobody did."""
    given = settings["image"] or settings["images"].get(profile) or settings["profiles"].get(profile, {}).get("image")
    return str(given or "")


def image_of(profile: str, settings: Settings, facts: Facts) -> Image:
    """The image of a profile on a host: the one that is wanted, or an earlier one where that is set aside."""
    wanted = _wanted(profile, settings, facts)
    unwanted = settings["rollback"] or wanted.reference in aside(facts, settings)
    if unwanted and (before := earlier(facts, settings, profile, wanted.reference)):
        return Image(before, aside=wanted.reference)
    return wanted


def _wanted(profile: str, settings: Settings, facts: Facts) -> Image:
    """The named one, else what is built for the lab."""
    given, recipe = named(profile, settings), settings["recipes"].get(profile)
    if given and not (settings["image_source"] == "build" and recipe):
        return Image(pinned(given, facts, settings))
    if settings["image_source"] == "pull":
        return Image("", why_not="it has no image")
    if recipe is None:
        return Image("", why_not="it has no image, and the role image has no recipe of one")
    if recipe["lacks"]:
        return Image("", why_not=f"its image can't be built: {recipe['lacks']}")
    # What a host runs already stays, whatever the builder calls it by now.
    for container in facts["docker"]["containers"].values():
        if container and container["labels"].get(RECIPE_LABEL) == recipe["recipe"] and container.get("image"):
            return Image(str(container["image"]))
    if facts["docker"]["images"].get(recipe["image"]):
        return Image(recipe["image"])  # this host is the builder
    published = settings["lab"]["images"].get(recipe["recipe"])
    return Image(published) if published else Image(recipe["image"], to_build=True)


def references(settings: Settings) -> list[str]:
    """All images that a host may have, for the engine to be asked of."""
    found = {settings["image"], *settings["images"].values()}
    found |= {profile.get("image", "") for profile in settings["profiles"].values()}
    found |= {recipe["image"] for recipe in settings["recipes"].values()}
    found |= {*settings["lab"]["images"].values()}
    return sorted({str(each) for each in found} - {""})


def build_sentence(profile: str, settings: Settings) -> str:
    """What it takes to have an image built."""
    recipe = settings["recipes"][profile]
    if recipe["ready"]:
        return f"have the lab's builder load {recipe['image']}{FROM}"
    size = f"about {size_text(recipe['download_mib'] << 20)} from " if recipe["download_mib"] else "from "
    hosts = recipe["hosts"][:-1]
    listed = " and ".join([", ".join(hosts), recipe["hosts"][-1]] if hosts else recipe["hosts"]) or "files"
    takes = f", {recipe['minutes']} minutes or more" if recipe["minutes"] else ""
    return f"have the lab's builder build {recipe['image']}: {size}{listed}{takes}"
