# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the image role has to do on a builder."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._bundle import FROM, image_file
from ansible_collections.navilab.webui.plugins.plugin_utils._image_recipe import BASE

DOCUMENTATION = r"""
name: _image_plan
short_description: Decide what the image role has to fetch, make and build on a builder
version_added: "0.1.0"
description:
  - Compares the facts of a builder with the recipes of the wanted images. An image that is there needs nothing.
  - Pure function; it reaches no host.
positional: host
options:
  _input:
    description: The facts, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  recipes:
    description: What P(navilab.webui._image_recipe#filter) made of each wanted profile.
    type: list
    elements: dict
    required: true
  settings:
    description: The role's variables without their prefix.
    type: dict
    required: true
  entries:
    description: What the role puts in its cache, as names in it.
    type: list
    elements: str
    default: []
  bundle:
    description: Files of the bundle that all comes from in a lab without internet, by their paths in it.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Decide what is to be built
  ansible.builtin.set_fact:
    plan: >-
      {{ found.host | navilab.webui._image_plan(recipes=recipes, settings=settings, entries=entries) }}
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:actions) is one sentence a difference, RV(ignore:builds) what is missing for each image that is,
      RV(ignore:loads) the images and RV(ignore:copies) the other files that a bundle has of that.
    - RV(ignore:problems) are checks that stop the builder before anything is fetched.
  type: dict
"""

COMMIT = re.compile(r"[0-9a-f]{40}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")  # of a folder, a file and a label


def _problem(check: str, evidence: str, remedy: str) -> dict[str, str]:
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy}


def _inside(path: str) -> bool:
    """Whether a path names something below a tree, not the tree itself or what lies outside."""
    parts = PurePosixPath(str(path)).parts  # YAML makes a number of 2023
    return bool(parts) and parts[0] != "/" and ".." not in parts


def _source_problems(source: dict[str, Any]) -> list[dict[str, str]]:
    problems = []
    if not NAME.fullmatch(source["name"]):
        evidence = f"'{source['name']}' is no name for a source"
        problems.append(_problem("variables", evidence, "use letters, digits, '_', '.' and '-'"))
    if not COMMIT.fullmatch(source["commit"]):
        evidence = f"{source['name']}: '{source['commit']}' is no commit"
        problems.append(_problem("source_commit", evidence, "give all 40 hexadecimal digits: a branch or a tag moves"))
    outside = [str(path) for path in source["exclude"] if not _inside(path)]
    if outside:
        evidence = f"{source['name']}: exclude has '{', '.join(outside)}'"
        problems.append(_problem("variables", evidence, "give paths below its tree, without '..'"))
    return problems


def _problems(host: dict[str, Any], builds: list[dict[str, Any]], settings: dict[str, Any]) -> list[dict[str, str]]:
    problems = []
    if not host["docker"]["running"]:
        remedy = (
            "start it, or install docker.io there; on a host of the inventory the collection does that with "
            "`ansible HOST -m ansible.builtin.include_role -a name=navilab.webui.docker_engine`"
        )
        problems.append(_problem("docker_engine", "no Docker Engine runs on the builder", remedy))
    for build in builds:
        if not build.get("python_fits", True):
            problems.append(
                _problem(
                    "base_image",
                    f"profile {build['profile']} needs Python {build['data']['python']}, which Debian's "
                    f"{settings['debian_suite']} has not got",
                    "name an image that has it in image_profiles_extra: "
                    f"{{{build['profile']}: {{base: python:{build['data']['python']}-slim-bookworm}}}}",
                )
            )
        for source in build["sources"]:
            problems += _source_problems(source)
    for path, seen in host["disk"].items() if builds else ():
        free = seen["free_mib"]
        if free is not None and free < settings["min_disk_mib"]:
            evidence = f"{free} MiB free for {path} on the builder, {settings['min_disk_mib']} are wanted"
            problems.append(_problem("disk_space", evidence, "free some there, or lower image_min_disk_mib"))
    return problems


def image_plan(
    host: dict[str, Any],
    recipes: list[dict[str, Any]],
    settings: dict[str, Any],
    entries: Iterable[str] = (),
    bundle: Container[str] = (),
) -> dict[str, Any]:
    record = host["records"].get("image") or {}
    if settings["state"] == "absent":
        # The facts have no image that is wanted no longer. The base comes last: others stand on it.
        images = [name for name in record.get("images", []) if host["docker"]["images"].get(name, True)]
        images = sorted(images, key=lambda name: name.startswith(BASE)) if host["docker"]["running"] else []
        actions = [f"remove image {name}" for name in images]
        actions += [f"remove {path}" for path in record.get("paths", [])]
        packages = record.get("packages", [])
        if packages:
            actions.append(f"remove {', '.join(packages)}")
        if record and not actions:
            actions = ["forget the record of an earlier run"]
        return {
            "actions": actions, "problems": [], "builds": [], "install": [],
            "remove": packages, "remove_images": images, "remove_paths": record.get("paths", []),
            "remove_if_empty": record.get("cache_dirs", []), "record": {}, "loads": [], "copies": [],
        }  # fmt: skip

    def missing(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            each for each in parts if not (host["files"].get(f"{settings['cache_dir']}/{each['path']}") or {})["exists"]
        ]

    wanted = [recipe for recipe in recipes if not host["docker"]["images"].get(recipe["image"])]
    ready = [recipe for recipe in wanted if image_file(recipe["image"]) in bundle]
    loads = [recipe["image"] for recipe in ready]
    copies: list[str] = []

    def to_fetch(parts: list[dict[str, Any]], ending: str = "") -> list[dict[str, Any]]:
        """What is missing of them; what a bundle has of that is copied from there."""
        found = missing(parts)
        copies.extend(each["path"] + ending for each in found if each["path"] + ending in bundle)
        return [each for each in found if each["path"] + ending not in bundle]

    for recipe in wanted:
        if (
            recipe not in ready
            and not host["docker"]["images"].get(recipe["base"])
            and image_file(recipe["base"]) in bundle
        ):
            loads.append(recipe["base"])
    builds = [
        {
            **recipe,
            "make_base": recipe["base_made"]
            and not host["docker"]["images"].get(recipe["base"])
            and recipe["base"] not in loads,
            "missing_sources": to_fetch(recipe["sources"]),
            "missing_wheels": to_fetch(recipe["wheels"], ".tar"),
            "python_fits": not recipe["base_made"]
            or settings["debian_pythons"].get(settings["debian_suite"]) == recipe["data"]["python"],
        }
        for recipe in wanted
        if recipe not in ready
    ]
    problems = _problems(host, [*ready, *builds], settings)
    install = [
        name for name in settings["tools"] if builds and not host["dpkg"]["packages"].get(name, {}).get("installed")
    ]
    actions = [f"install {', '.join(install)}{FROM if bundle else ''}"] if install else []
    actions += [f"load image {name}{FROM}" for name in loads]
    actions += [f"copy {path}{FROM}" for path in copies]
    for build in builds:
        actions += [f"make base image {build['base']}"] if build["make_base"] else []
        actions += [
            f"fetch {each['name']} {each['commit'][:12]} from {each['url']}" for each in build["missing_sources"]
        ]
        actions += [f"fetch the wheels of {each['name']}" for each in build["missing_wheels"]]
        actions.append(f"build image {build['image']}")
    made = {
        name
        for build in [*ready, *builds]
        for name in (
            build["image"],
            *([build["base"]] if build["base_made"] and build not in ready else []),
            *(f"{repository}:{build['profile']}" for repository in settings["names"][:1]),
            *(f"{repository}:{build['image'].rpartition(':')[2]}" for repository in settings["names"][1:]),
        )
    }
    # What lies there already is somebody else's, and stays when the role goes.
    paths = {f"{settings['cache_dir']}/{entry}" for entry in entries} if wanted else set()
    paths = {path for path in paths if not (host["files"].get(path) or {}).get("exists")}
    return {
        "actions": [] if problems else actions,
        "problems": problems,
        "builds": builds,
        "loads": [{"image": name, "file": image_file(name)} for name in loads],
        "copies": list(dict.fromkeys(copies)),
        "install": install,
        "remove": [],
        "remove_images": [],
        "remove_paths": [],
        "remove_if_empty": [],
        "record": {
            "cache_dirs": sorted({*record.get("cache_dirs", []), *([settings["cache_dir"]] if wanted else [])}),
            "images": sorted({*record.get("images", []), *made}),
            "packages": sorted({*record.get("packages", []), *install}),
            "paths": sorted({*record.get("paths", []), *paths}),
        },
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_plan": image_plan}
