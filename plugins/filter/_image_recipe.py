# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an image of a profile is made from, and the names that follow from it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

DOCUMENTATION = r"""
name: _image_recipe
short_description: Turn the image role's variables into the recipe of one profile's image
version_added: "0.1.0"
description:
  - Names base, sources and wheels by what they are made from, so that a name that exists needs no work, and the image
    by all of them.
  - Addresses are no part of a name. A mirror that serves the same commit gives the same image.
  - Pure function; it reaches no host.
positional: profile
options:
  _input:
    description: Name of the profile.
    type: str
    required: true
  profile:
    description: The same as O(_input), for use without a pipe.
    type: str
  settings:
    description: The image role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the image of the CPU's profile is made from
  ansible.builtin.debug:
    msg: "{{ 'cpu' | navilab.webui._image_recipe(settings=settings) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:image) and RV(ignore:base) are references in the builder's engine.
    - RV(ignore:sources) and RV(ignore:wheels) each have the RV(ignore:path) below the role's cache that they are
      fetched to.
  type: dict
"""

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
        "image": f"navilab/webui:{profile}-{digest(parts)}",
        "base": base,
        "base_made": made,
        "base_packages": packages,
        "sources": sources,
        "wheels": wheels,
        "tokenizer": f"tokenizer-{settings['tokenizer_digest']}" if settings["tokenizer_digest"] else "",
        "arguments": [word for each in extensions for word in each.get("arguments", [])],
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_recipe": image_recipe}
