# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models of `webui_models`: where each lies, which are missing, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _paths
from ansible_collections.navilab.webui.plugins.module_utils._addresses import host_of, open_url, parse
from ansible_collections.navilab.webui.plugins.module_utils._model import blob_url, part_name, size_text
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._bundle import FROM, Bundle, model_file
from .._text import problem
from ._base import Settings, file_of

Model = Mapping[str, Any]
"""An entry of `webui_models`."""
SMALL = 64 << 20
"""Bytes of a model that is there in a second or two."""
NAME_BYTES = 200
"""The part file's name is longer, and no file system takes more than 255."""


def addresses(model: Model) -> list[str]:
    """An entry's own addresses in their order, with their logins."""
    return [*([model["url"]] if model.get("url") else []), *(model.get("urls") or [])]


def folder_of(model: Model) -> str:
    """Where a model lies below the data directory."""
    return _paths.model_folder(str(model.get("folder") or _paths.MODEL_FOLDER))


def path_of(data_dir: str, model: Model) -> str:
    return f"{data_dir}/{folder_of(model)}/{model['name']}"


def folders(settings: Settings) -> list[str]:
    """Where the wanted models lie below the data directory, each folder once."""
    return sorted({folder_of(model) for model in _sound(settings)})


def files(settings: Settings, data_dir: str) -> list[str]:
    """What is asked of the host: each model, and the part of it that an interrupted run has left."""
    found = []
    for model in _sound(settings):
        path = path_of(data_dir, model)
        found += [path, _part_of(path, model)]
    return found


def problems(settings: Settings) -> list[Check]:
    """What is wrong with the entries themselves."""
    found = [
        problem("variables", f"webui_models.{number}: {fault}", remedy)
        for number, model in enumerate(settings["models"])
        for fault, remedy in [_fault(model)]
        if fault
    ]
    sums: dict[str, set[str]] = {}
    for model in _sound(settings):
        sums.setdefault(f"{model.get('folder') or _paths.MODEL_FOLDER}/{model['name']}", set()).add(_sum(model))
    return found + [
        problem(
            "variables",
            f"webui_models: {path} is there {len(each)} times, each with another sha256",
            "keep one of them, or give them different names or folders",
        )
        for path, each in sums.items()
        if len(each) > 1
    ]


def missing(facts: Facts, settings: Settings, data_dir: str) -> list[dict[str, Any]]:
    """The models that are not there, as the tasks take them. `lab` is the address of the lab's registry for those that
    it has, `number` the entry whose addresses follow: a login or a token stays in the variable, since a plan is shown
    and kept. With a bundle no address of the entry's is asked: `bundled` says that `src` is a file of its."""
    found: dict[str, dict[str, Any]] = {}
    sound = _sound(settings)
    for number, model in enumerate(settings["models"]):
        if model not in sound:
            continue
        path, sha256 = path_of(data_dir, model), _sum(model)
        if file_of(facts, path)["exists"] or path in found:
            continue
        lab = settings.get("lab") or {}
        served = bool(lab.get("registry")) and sha256 in (lab.get("models") or [])
        bundle: Bundle | None = settings.get("bundle")
        bundled = bundle["path"] if bundle and model_file(sha256) in bundle["files"] else ""
        own = [] if bundle else addresses(model)
        source = f"{bundled}/{model_file(sha256)}" if bundled else model.get("src")
        copied = {"src": source} if source and not own and not served else {}
        others = {path_of(data_dir, other) for other in sound if _sum(other) == sha256}
        found[path] = {
            "name": model["name"],
            "folder": model.get("folder") or _paths.MODEL_FOLDER,
            "path": path,
            "sha256": sha256,
            "size": model.get("size") or (_size_here(source) if copied else None),
            "number": number,
            "lab": [blob_url(lab["registry"], sha256)] if served else [],
            "urls": [open_url(url) for url in own],
            "candidates": sorted(others - {path}),
            "bundled": bool(bundled),
            **copied,
        }
    return list(found.values())


def _size_here(source: str) -> int | None:
    """Bytes of a file on the controller; None where it is not found by that name alone."""
    try:
        return Path(source).expanduser().stat().st_size
    except (OSError, RuntimeError):
        return None


def present(facts: Facts, settings: Settings, data_dir: str) -> dict[str, str]:
    """The models that are there by name and size, by their sha256; who takes one looks at its content."""
    found = {}
    for model in _sound(settings):
        seen = file_of(facts, path := path_of(data_dir, model))
        if seen["kind"] == "file" and model.get("size") in (None, seen["size"]):
            found[_sum(model)] = path
    return found


def cas(settings: Settings, models: Sequence[Model]) -> dict[str, str]:
    """The authorities that are trusted at addresses of their own alone; none where nothing is fetched."""
    lab = settings.get("lab") or {}
    own = {lab["registry"]: lab["ca"]} if lab.get("registry") and lab.get("ca") else {}
    return {**settings["registry_cas"], **own} if models else {}


def is_own(model: Model) -> bool:
    """Whether it is a file of the user's on the controller, which each host gets from there."""
    return "src" in model and not model["bundled"]


def not_brought(models: Iterable[Model], settings: Settings) -> list[Check]:
    """Models that a bundle has not got, where nothing else may be asked."""
    bundle = settings.get("bundle")
    names = [model["name"] for model in models if bundle and not (model["lab"] or "src" in model)]
    if not names:
        return []
    evidence = f"{bundle['path']} has no {', '.join(names)}" if bundle else ""
    return [problem("bundle", evidence, "make it again with these webui_models, or give each a file in src")]


def sentence(model: Model) -> str:
    """What is to be done for a model that is missing."""
    if model["bundled"] and not model["lab"]:
        return f"copy model {model['name']}{FROM}"
    if "src" in model:
        return f"copy model {model['name']} from the controller"
    much = f", {size_text(model['size'])}," if model["size"] else ""
    where = [*model["lab"], *model["urls"]]
    return f"fetch model {model['name']}{much}{f' from {host_of(where[0])}' if where else ''}"


def take_time(models: Iterable[Model]) -> bool:
    """Whether one of them may take longer than the two round trips that let the image come in beside it."""
    return any(not model["size"] or model["size"] > SMALL for model in models)


def bytes_to_come(facts: Facts, models: Iterable[Model]) -> int:
    """What the missing models take beside what is there of them, as far as their sizes are known."""
    return sum(
        max(0, model["size"] - (file_of(facts, _part_of(model["path"], model))["size"] or 0))
        for model in models
        if model["size"]
    )


def _sum(model: Model) -> str:
    return str(model["sha256"]).lower()


def _part_of(path: str, model: Model) -> str:
    folder, _slash, name = path.rpartition("/")
    return f"{folder}/{part_name(name, _sum(model))}"


def _sound(settings: Settings) -> list[Model]:
    return [model for model in settings["models"] if not _fault(model)[0]]


def _fault(model: Model) -> tuple[str, str]:
    """What is wrong with an entry, and what to do; empty texts if nothing is."""
    name, folder = str(model["name"]), str(model.get("folder") or _paths.MODEL_FOLDER)
    if not _plain(name) or len(name.encode(errors="replace")) > NAME_BYTES:
        return f"name {name!r} is no name of a file", f"write a name without '/', of {NAME_BYTES} bytes at most"
    if not all(map(_plain, folder.split("/"))):
        return f"folder {folder!r} does not lie below the models", "write a relative path without '..'"
    if not re.fullmatch(r"[0-9a-fA-F]{64}", str(model["sha256"])):
        return f"sha256 of {name} is not one", "write the 64 hex digits that `sha256sum` shows"
    if (model.get("size") or 1) <= 0:
        return f"size of {name} is {model['size']}", "write its bytes, or leave size out"
    for url in addresses(model):
        try:
            parse(url)
        except ValueError as error:
            return f"{name}: {error}", "correct the address; spaces in it are written %20"
    return "", ""


def _plain(name: str) -> bool:
    """Whether it is one name of a file or directory, which Docker and Ansible take for it."""
    return name not in ("", ".", "..") and "/" not in name and name == name.strip() and _paths.plain(name)
