# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that are at hand: which run and which time they are of, what was wanted of them, and what was done since.

They travel from task to task as the host's fact `navilab`. A fact cache may bring those of an earlier run; these count
as none.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._host_files import FRESH_S

from ._steps._base import Step

RUN = uuid.uuid4().hex
"""This run of Ansible: made once in the controller's parent process, whose workers inherit it."""


def fact(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """A host's fact `navilab`, as an earlier call left it; empty where there was none."""
    return (variables.get("ansible_facts") or {}).get("navilab") or {}


def unite(wants: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One set of host_info's arguments for all of them: each asks a host once for what several want."""
    united: dict[str, Any] = {}
    for want in wants:
        for key, value in want.items():
            if isinstance(value, list):
                held = united.setdefault(key, [])
                held += [item for item in value if item not in held]
            elif value:
                united[key] = value
    return united


def _covers(had: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(
        all(item in had.get(key, ()) for item in value) if isinstance(value, list) else had.get(key) == value
        for key, value in wanted.items()
    )


def read(navilab: Any) -> dict[str, Any]:
    """What is known of a host, from its fact `navilab`; nothing where that is of another run."""
    state = navilab.get("state") if isinstance(navilab, Mapping) else None
    known: dict[str, Any] = json.loads(state) if isinstance(state, str) else {}
    if known.get("run") == RUN:
        return known
    return {"run": RUN, "gathered": 0.0, "wanted": {}, "facts": {}, "plans": {}, "applied": [], "pending": []}


def write(known: Mapping[str, Any]) -> str:
    """The same as one text: Ansible walks each value of a fact several times, and a text is one value."""
    return json.dumps(known, separators=(",", ":"))


def usable(
    known: Mapping[str, Any], wanted: Mapping[str, Any], steps: Iterable[Step], ignored: Iterable[str] = ()
) -> bool:
    """Whether the facts at hand do for these steps: not old, with all that is wanted, and nothing was applied since
    that changes what the steps' plans are made from (but for what is `ignored`)."""
    applied = set(known["applied"]) - set(ignored)
    return (
        0 <= time.time() - known["gathered"] < FRESH_S
        and _covers(known["wanted"], wanted)
        and not any(applied & step.stale_after for step in steps)
    )


def pending(
    known: Mapping[str, Any], planned: Iterable[str], begun: Iterable[str], steps: Mapping[str, Step]
) -> list[str]:
    """The steps whose plan is older than what a step has begun to change since; planning them again settles it."""
    again = {name for name in known["plans"] if steps[name].stale_after & set(begun)}
    return [name for name in steps if name in ({*known["pending"], *again} - set(planned))]


def due(plans: Mapping[str, Mapping[str, Any]], steps: Mapping[str, Step]) -> list[str]:
    """The steps that have something to do, or whose plan may change by what an earlier one does."""
    found: list[str] = []
    for name, plan in plans.items():
        acts = plan["actions"] and (plan.get("allowed", True) or plan.get("blocking"))
        if acts or steps[name].stale_after & set(found) - {name}:
            found.append(name)
    return found
