# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own programs say to a change that is intended: apt, dockerd, and the registry of an image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._apt import with_secrets as sources_with_secrets
from ._apt_simulate import box_in, nothing, simulate
from ._docker_config import with_secrets
from ._dockerd import validate
from ._lock import ASIDE
from ._registry import lookup
from ._sysfs import UNKNOWN, Tree, opened
from ._types import Answers, AptAnswer, AptQuestion, DockerdAnswer, DockerdQuestion, RegistryAnswer, SourceFile

_SOURCE = {"path": {"type": "str", "required": True}, "content": {"type": "str", "required": True}}
_APT = {
    "install": {"type": "list", "elements": "str", "default": []},
    "sources": {"type": "list", "elements": "dict", "default": [], "options": _SOURCE},
}
_DOCKERD = {"config": {"type": "str", "required": True}}
ARGUMENTS: dict[str, Any] = {
    "root": {"type": "path", "default": "/"},
    "apt": {"type": "list", "elements": "dict", "default": [], "options": _APT},
    "dockerd": {"type": "list", "elements": "dict", "default": [], "options": _DOCKERD},
    "images": {"type": "list", "elements": "str", "default": []},
    "registry_ca": {"type": "str", "default": ""},
    "docker_config": {"type": "dict"},
    "keep_lists": {"type": "bool", "default": False},
}


class Answered(Answers):
    """The answers, those of the registries by image, and a configuration of apt with the lists that were read for all
    questions together; "" where none were kept."""

    registry: dict[str, RegistryAnswer]
    lists: str


def host_answers(given: Mapping[str, Any], _check: bool) -> dict[str, Any]:
    """The module's result."""
    with opened(given["root"]) as (root, problem):
        if problem:
            return {"failed": True, "msg": problem}
        return {"changed": False, "answers": answer(**{**given, "root": root})}


def answer(
    root: str = "/",
    apt: Sequence[AptQuestion] = (),
    dockerd: Sequence[DockerdQuestion] = (),
    images: Sequence[str] = (),
    registry_ca: str = "",
    docker_config: Mapping[str, Any] | None = None,
    keep_lists: bool = False,
) -> Answered:
    """Every question with its answer. A recording has those that were asked on its host; the others are not known."""
    tree = Tree(root)
    together = _together(apt) if tree.live else None
    parent = str(ASIDE) if together and keep_lists else ""
    fine = bool(together and simulate(_with_secrets(together, tree), parent) == nothing())
    return {
        "lists": box_in(parent).keep() if fine and parent else "",
        "apt": [{"question": each, "answer": nothing() if fine else _apt(tree, each, parent)} for each in apt],
        "dockerd": [{"question": each, "answer": _dockerd(tree, each)} for each in dockerd],
        "registry": {image: _registry(tree, image, registry_ca, docker_config) for image in images},
    }


def _together(questions: Sequence[AptQuestion]) -> AptQuestion | None:
    """Several questions as the one transaction that a first run makes of them; None where they are not. A simulation
    costs a host some seconds, and where nothing is in the way of all, nothing is in the way of one."""
    wanted = [file for question in questions for file in question["sources"]]
    files = {file["path"]: file for file in wanted}
    # A source that one takes away is there while the others' packages come in.
    if len(questions) < 2 or any(not file["content"] or file != files[file["path"]] for file in wanted):
        return None
    install = dict.fromkeys(name for question in questions for name in question["install"])
    return {"install": [*install], "sources": [*files.values()]}


def _apt(tree: Tree, question: AptQuestion, parent: str) -> AptAnswer:
    unknown: AptAnswer = {**nothing(), "error": UNKNOWN}
    # The plan knows the addresses of the host's sources without their logins.
    return tree.ask(
        f"apt {_key(question)}", lambda: simulate(_with_secrets(question, tree), parent), unknown, AptAnswer
    )


def _with_secrets(question: AptQuestion, tree: Tree) -> AptQuestion:
    try:
        files: list[SourceFile] = [
            {**file, "content": sources_with_secrets(file["content"], tree)} for file in question["sources"]
        ]
    except KeyError:  # another login by now, so apt says whether it does
        return question
    return {**question, "sources": files}


def _dockerd(tree: Tree, question: DockerdQuestion) -> DockerdAnswer:
    unknown: DockerdAnswer = {"valid": None, "error": UNKNOWN}
    return tree.ask(f"dockerd {_key(question)}", lambda: validate(question), unknown, DockerdAnswer)


def _registry(tree: Tree, image: str, ca: str, config: Mapping[str, Any] | None) -> RegistryAnswer:
    unknown: RegistryAnswer = {"status": "unknown", "detail": UNKNOWN, "digest": None}
    # The plan knows the engine's proxies without their logins.
    asked = f"registry {image}"
    return tree.ask(asked, lambda: lookup(image, ca, with_secrets(config or {}, tree)), unknown, RegistryAnswer)


def _key(question: Mapping[str, Any]) -> str:
    return json.dumps(question, sort_keys=True)
