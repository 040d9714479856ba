# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans want a host to be asked before they can be judged, and what it said. Each question is asked once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._types import (
    AptAnswer,
    AptQuestion,
    DockerdAnswer,
    DockerdQuestion,
    Facts,
)


def questions(plans: Mapping[str, Mapping[str, Any]], facts: Facts) -> dict[str, Any]:
    """Arguments of host_answers for all that the plans ask and nobody has answered yet; empty if there is nothing."""
    asked = [plan.get("questions") or {} for plan in plans.values()]
    apt = [each["apt"] for each in asked if "apt" in each and apt_answer(facts, each["apt"]) is None]
    dockerd = [
        each["dockerd"] for each in asked if "dockerd" in each and dockerd_answer(facts, each["dockerd"]) is None
    ]
    known = {image for image, found in facts["registry"].items() if found["status"] != "unknown"}
    images = {image for each in asked for image in each.get("images", ())} - known
    # Of a tag it is asked what is behind it now, though the engine has an image by it.
    images |= {tag for each in asked for tag in each.get("tags", ()) if _unasked(facts, tag)}
    found = {"apt": apt, "dockerd": dockerd, "images": sorted(images)}
    return {key: value for key, value in found.items() if value}


def _unasked(facts: Facts, tag: str) -> bool:
    answer = facts["registry"].get(tag)
    return answer is None or answer["status"] in ("unknown", "local")


def learn(facts: Facts, seen: Mapping[str, Any]) -> Facts:
    """The facts with what host_answers said."""
    answers = facts["answers"]
    return {
        **facts,
        "registry": {**facts["registry"], **seen["registry"]},
        "answers": {
            "apt": [*answers["apt"], *seen["apt"]],
            "dockerd": [*answers["dockerd"], *seen["dockerd"]],
        },
    }


def apt_answer(facts: Facts, question: AptQuestion) -> AptAnswer | None:
    """What apt said to a transaction; None where it was not asked."""
    return next((each["answer"] for each in facts["answers"]["apt"] if each["question"] == question), None)


def dockerd_answer(facts: Facts, question: DockerdQuestion) -> DockerdAnswer | None:
    """What dockerd said to a daemon.json; None where it was not asked."""
    return next((each["answer"] for each in facts["answers"]["dockerd"] if each["question"] == question), None)
