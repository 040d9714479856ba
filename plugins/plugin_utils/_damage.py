# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are damaged, by what tasks of community.docker came to, and what may be taken away to mend them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _images
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._text import problem

_WORDS = 300


class Damage(TypedDict):
    """`images` are references whose copy in the engine is damaged; `problems` say so of these, and of images that came
    damaged from their registry."""

    images: list[str]
    problems: list[Check]


class Mending(TypedDict):
    """What may go, so that the next pull brings the images whole: our own containers of them, and the images."""

    containers: list[str]
    images: list[str]


def said(result: Mapping[str, Any]) -> str:
    """What a container printed, else what the engine said."""
    return str((result.get("container") or {}).get("Output") or result.get("msg") or "")


def damage_of(image: str, text: str) -> Check | None:
    """The problem with an image, if what was said tells of one."""
    words = " ".join(text.split())[-_WORDS:]
    if _images.damaged(text):
        evidence = f"the engine's copy of {image} is damaged: {words}"
        return problem("image_whole", evidence, _images.remedy(image))
    if _images.damaged_at_registry(text):
        evidence = f"what came of {image} is no whole image: {words}"
        return problem("image_whole", evidence, _images.registry_remedy(image, text))
    return None


def damage(results: Iterable[Mapping[str, Any]]) -> Damage:
    """What results of docker_container or docker_image_pull, each with its item, say of their images."""
    found: Damage = {"images": [], "problems": []}
    for result in results:
        item = result.get("item")
        container = item.get("container", item) if isinstance(item, Mapping) else {"image": item}
        image, text = str(container.get("image")), said(result)
        check = damage_of(image, text) if item and not result.get("skipped") else None
        if check is None:
            continue
        if _images.damaged(text) and image not in found["images"]:
            found["images"].append(image)
        if check not in found["problems"]:
            found["problems"].append(check)
    return found


def mending(users: Iterable[Mapping[str, Any]], ours: Sequence[str]) -> Mending:
    """`users` are results of ``docker ps`` for an image each (the item), a line a container: its name and its state. An
    image that somebody else's container has, or one that runs, stays."""
    found: Mending = {"containers": [], "images": []}
    for result in users:
        lines = [line.split() for line in str(result.get("stdout") or "").splitlines() if line.strip()]
        if result.get("rc") != 0 or any(line[0] not in ours or line[-1] == "running" for line in lines):
            continue
        found["images"].append(str(result["item"]))
        found["containers"] += [line[0] for line in lines if line[0] not in found["containers"]]
    return found
