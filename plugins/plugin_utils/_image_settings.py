# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image role's recipes are made from: its variables, and the content of its files."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.utils.vars import merge_hash
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import IMAGES

ROLE = Path(__file__).resolve().parents[2] / "roles" / "image"
PYTHONS = {"bookworm": "3.11", "trixie": "3.13"}
"""Python of the Debian that a base is made from."""
TOOLS = ("debian-archive-keyring", "git", "mmdebstrap", "python3-requests", "python3-venv")
"""Packages that fetch and make."""
_TAKEN = (
    "state cache_dir debian_suite webui repositories clip extensions min_disk_mib tokenizer_cache registry repository"
).split()


def image_settings(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The role's variables without their prefix, as recipe and plan take them. Of files there is the content, so that a
    change of it is a change of the image."""
    cache, target = variables["tokenizer_cache"], f"{variables['registry']}/{variables['repository']}"
    found = not cache or (Path(cache).is_absolute() and Path(cache, "hub").is_dir())
    return {
        **{name: variables[name] for name in _TAKEN},
        "profiles": merge_hash(dict(variables["profile_data"]), dict(variables["profiles_extra"])),
        "debian_pythons": PYTHONS,
        "tools": list(TOOLS),
        "locks": {**_locks(), **variables["locks"]},
        "files_digest": _files_digest(),
        "tokenizer_found": found,
        "tokenizer_digest": tree_digest(Path(cache)) if cache and found else "",
        "names": [IMAGES, *([target] if variables["registry"] else [])],
    }


@functools.cache
def _locks() -> dict[str, str]:
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROLE / "files" / "locks").glob("*.txt"))}


@functools.cache
def _files_digest() -> str:
    """Of the Dockerfile and the scripts that a build runs."""
    paths = [ROLE / "templates" / "Dockerfile.j2", *sorted((ROLE / "files").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]


def tree_digest(folder: Path) -> str:
    """Of a folder's files, with their paths in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    seen = [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]
