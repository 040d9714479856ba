# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle has: the directory on the controller that a lab without internet is brought up from, as
playbooks/bundle.yml makes it. Its index `bundle.json` comes last, so that one without it is not whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._commands import fqcn
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._text import problem

INDEX = "bundle.json"
FROM = " from the bundle"
_AGAIN = f"copy it again from where {fqcn('bundle')} made it, or have that make it again"
_CHUNK = 1 << 20


class File(TypedDict):
    size: int
    sha256: str


class Bundle(TypedDict):
    """`files` by their paths in it, `packages` those of each of Debian's releases that it has."""

    path: str
    files: Mapping[str, File]
    packages: Mapping[str, list[str]]


def image_file(reference: str) -> str:
    """Where a bundle has an image."""
    return f"images/{re.sub('[/:]', '_', reference)}.tar"


def debs_file(codename: str | None) -> str:
    """Where a bundle has the packages of a release of Debian's."""
    return f"debs/{codename}.tar"


def model_file(sha256: str) -> str:
    """Where a bundle has a model."""
    return f"models/{sha256.lower()}"


def read(path: str) -> tuple[Bundle | None, list[Check]]:
    """The bundle of a directory, and what it lacks by its own index; neither where there is no directory of that."""
    if not path:
        return None, []
    if not Path(path).is_absolute():  # Ansible's modules look for others elsewhere than this does
        return None, [problem("bundle", f"navilab_bundle is {path}", "give the absolute path of the directory")]
    try:
        found = json.loads(Path(path, INDEX).read_text("utf-8"))
        files = {str(name): File(size=int(of["size"]), sha256=str(of["sha256"])) for name, of in found["files"].items()}
        packages = {str(suite): [*map(str, names)] for suite, names in found["packages"].items()}
    except OSError as error:
        remedy = f"name the whole directory that {fqcn('bundle')} has made, as the controller has it"
        return None, [problem("bundle", f"navilab_bundle is {path}: {INDEX}: {error.strerror}", remedy)]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, [problem("bundle", f"{path}/{INDEX} is none that {fqcn('bundle')} has made", _AGAIN)]
    wrong = [why for name, of in files.items() for why in [_unlike(Path(path, name), of["size"])] if why]
    problems = [problem("bundle", f"{path} is not whole: {'; '.join(wrong)}", _AGAIN)] if wrong else []
    return Bundle(path=path, files=files, packages=packages), problems


def _unlike(path: Path, size: int) -> str:
    try:
        there = path.stat().st_size
    except OSError as error:
        return f"{path.name}: {error.strerror}"
    return f"{path.name} has {there} bytes of {size}" if there != size else ""


def damaged(bundle: Bundle) -> list[Check]:
    """What of it is not what its index says, which takes reading all of it."""
    wrong = [name for name, of in bundle["files"].items() if _sha256(Path(bundle["path"], name)) != of["sha256"]]
    return [problem("bundle", f"{bundle['path']}: damaged: {', '.join(wrong)}", _AGAIN)] if wrong else []


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                hasher.update(chunk)
    except OSError:
        return ""
    return hasher.hexdigest()


def lacks(bundle: Bundle, codename: str | None, packages: list[str]) -> list[Check]:
    """Why packages do not come from it."""
    there = bundle["packages"].get(str(codename), [])
    names = [name for name in packages if name.partition("=")[0] not in there]
    if not names:
        return []
    evidence = f"{bundle['path']} has no {', '.join(names)} for Debian {codename}"
    remedy = "make it again with the release in image_bundle_suites and the packages in image_bundle_packages"
    return [problem("bundle", evidence, remedy)]
