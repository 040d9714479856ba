# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host needs a reboot, and whether it may have it."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils import _reboot
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._text import problem
from ._base import Connection, Plan, Settings, Step, no_wants, own


class RebootPlan(Plan):
    """`blocking`: a supported board waits for it, so that nothing that needs KFD can work before."""

    required: bool
    allowed: bool
    reasons: list[str]
    blocking: bool


def plan(facts: Facts, settings: Settings) -> RebootPlan:
    reasons = _reboot.reasons(facts)
    waiting = [
        board for board in facts["boards"] if board["supported"] and board["driver"] is None and not board["held_by"]
    ]
    return {
        "actions": [f"reboot required: {reason}" for reason in reasons],
        "problems": [],
        "warnings": [],
        "required": bool(reasons),
        "allowed": bool(reasons and settings["ok"]),
        "reasons": reasons,
        "blocking": bool(reasons and waiting),
    }


def gate(facts: Facts, settings: Settings, connection: Connection) -> list[Check]:
    """The machine that Ansible runs on can't go down under it; without permission a board that waits stops the run."""
    found = plan(facts, settings)
    if not found["required"] or not (connection.local if settings["ok"] else found["blocking"]):
        return []
    remedy = "reboot, then run again" + ("" if connection.local else "; or allow it: navilab_reboot_ok: true")
    return [problem("reboot_required", "; ".join(found["reasons"]), remedy)]


STEP = Step(
    "reboot",
    own("reboot"),
    no_wants,
    plan,
    gate,
    stale_after=frozenset({"firmware", "amdgpu_dkms", "reboot"}),
)
