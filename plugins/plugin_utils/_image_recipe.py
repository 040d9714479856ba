# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image of a profile is made from, the names that follow, and what is wrong with that. Pure functions."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _paths
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import IMAGES

from ._variables import nulls

WEBUI = "/opt/stable-diffusion-webui"
MEND = "mend_webui.py"  # of the role's files, for the webui's own tree
BASE = "navilab/webui-base"
# Beside Python: tcmalloc against growing memory, OpenMP for torch, git for who installs extensions.
BASE_PACKAGES = ("ca-certificates", "git", "libgomp1", "libtcmalloc-minimal4", "python3")


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def _source(kind: str, prefix: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """One source: a tar file with the tree of a commit below `prefix`, named by what is in it."""
    exclude, prepare = list(wanted.get("exclude", [])), wanted.get("prepare", "")
    name = f"{wanted['name']}-{digest(wanted['commit'], prefix, exclude, prepare)}"
    return {
        "kind": kind,
        "name": wanted["name"],
        "url": wanted["url"],
        "commit": str(wanted["commit"]),  # YAML makes a number of 40 digits
        "exclude": exclude,
        "prepare": prepare,
        "prefix": prefix,
        "path": f"sources/{name}.tar",
    }


def image_recipe(profile: str, settings: dict[str, Any]) -> dict[str, Any]:
    data = settings["profiles"][profile]
    extensions = settings["extensions"]
    sources = [
        _source("clip", "/build/CLIP", {"name": "CLIP", **settings["clip"]}),
        _source("webui", WEBUI, {"name": "stable-diffusion-webui", "prepare": MEND, **settings["webui"]}),
        *(_source("repository", f"{WEBUI}/repositories/{each['name']}", each) for each in settings["repositories"]),
        *(_source("extension", f"{WEBUI}/extensions-builtin/{each['name']}", each) for each in extensions),
    ]

    # torch from its own index, all else from the lock of the image's Python; what extensions add is a lock of its own.
    lock = f"py{data['python'].replace('.', '')}"
    names = ["pip", lock, *([f"{lock}-extensions"] if any(each.get("packages") for each in extensions) else [])]
    wheels = [
        {
            "name": "torch",
            "requirements": data["torch"],
            "path": f"wheels/torch-{digest(data['torch'], data['python'])}",
        },
        *(
            {
                "name": {"pip": "pip", lock: "webui"}.get(name, "extensions"),
                "lock": settings["locks"][name],
                "path": f"wheels/{name}-{digest(settings['locks'][name], data['python'])}",
            }
            for name in names
        ),
    ]

    packages = sorted({*BASE_PACKAGES, *data.get("packages", [])})
    made = not data.get("base")
    base_digest = digest(settings["debian_suite"], packages)
    base = data["base"] if not made else f"{BASE}:{settings['debian_suite']}-{base_digest}"
    parts = {
        "base": base,
        "sources": [source["path"] for source in sources],
        "wheels": [wheel["path"] for wheel in wheels],
        "profile": {key: value for key, value in data.items() if key not in ("index", "cost")},
        "arguments": [each.get("arguments", []) for each in extensions],
        "tokenizer": settings["tokenizer_digest"],
        "files": settings["files_digest"],
    }
    return {
        "profile": profile,
        "data": data,
        "recipe": digest(parts),
        "image": f"{IMAGES}:{profile}-{digest(parts)}",
        "base": base,
        "base_made": made,
        "base_packages": packages,
        "sources": sources,
        "wheels": wheels,
        "tokenizer": f"tokenizer-{settings['tokenizer_digest']}" if settings["tokenizer_digest"] else "",
        "arguments": [word for each in extensions for word in each.get("arguments", [])],
    }


# What every profile has; packages and base may be left out.
_KEYS = ("flags", "index", "kernels", "python", "torch", "torch_dependencies")


def _problem(check: str, evidence: str, remedy: str) -> dict[str, str]:
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy}


def _profile_problems(name: str, settings: dict[str, Any]) -> list[dict[str, str]]:
    variable = f"image_profiles_extra.{name}"
    data = settings["profiles"][name]
    if not isinstance(data, dict):
        return [_problem("variables", f"{variable} is '{data}'", f"give it the keys {', '.join(_KEYS)}")]
    empty = [f"{variable}.{path}" for path in nulls(data)] + [f"{variable}.{key}" for key in _KEYS if key not in data]
    if empty:
        remedy = "write one; vars/main.yml of the role has those of the profiles that it knows"
        return [_problem("variables", f"{', '.join(empty)} has no value", remedy)]
    pythons = sorted(f"{lock[2]}.{lock[3:]}" for lock in settings["locks"] if re.fullmatch(r"py\d+", lock))
    if data["python"] not in pythons:  # YAML makes a number of it without quotes: 3.10 is 3.1
        remedy = f"""write one that there is a lock for, in quotes: {", ".join(f'"{each}"' for each in pythons)}"""
        return [_problem("variables", f"{variable}.python is {data['python']!r}", remedy)]
    return []


def image_problems(profiles: list[str], settings: dict[str, Any]) -> list[dict[str, str]]:
    problems = []
    if settings["cache_dir"] is not None and not _paths.ownable(settings["cache_dir"]):
        evidence = f"image_cache_dir is '{settings['cache_dir']}'"
        problems.append(_problem("variables", evidence, "give an absolute directory of its own, none of the system's"))
    empty = nulls({key: value for key, value in settings.items() if key != "profiles"})
    if empty:
        evidence = f"{', '.join(f'image_{path}' for path in empty)} has no value"
        remedy = "write one, or take the line out; the role's README has the defaults"
        problems.append(_problem("variables", evidence, remedy))
    if not settings["tokenizer_found"]:
        evidence = f"image_tokenizer_cache is '{settings['tokenizer_cache']}', and the controller has no hub in it"
        remedy = "give the absolute path of a directory that was HF_HOME, or leave it empty"
        problems.append(_problem("variables", evidence, remedy))
    unknown = [name for name in profiles if name not in settings["profiles"]]
    if unknown:
        evidence = f"there is no profile {', '.join(map(str, unknown))} to build"
        remedy = f"use {', '.join(sorted(settings['profiles']))}, or describe it in image_profiles_extra"
        problems.append(_problem("profile_known", evidence, remedy))
    for name in profiles:
        problems += _profile_problems(name, settings) if name not in unknown else []
    return problems
