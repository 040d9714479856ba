# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host needs a reboot, and why: what runs against what lies on disk, whoever put it there and when."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._text import problem
from ._base import Connection, Plan, Settings, Step, no_wants, own


def _kernel(facts: Facts) -> list[str]:
    pending, running = facts["kernel"]["pending"], facts["kernel"]["release"]
    if not pending:
        return []
    if pending == running:
        return [f"kernel {running} was installed again after it had booted"]
    return [f"kernel {pending} is installed, {running} runs"]


def _driver(facts: Facts) -> list[str]:
    """Debian's own module has neither number; amdgpu-dkms has both."""
    driver = facts["driver"]
    on_disk = driver["on_disk"]
    if not driver["loaded"] or not on_disk or not on_disk["vermagic"]:
        return []
    loaded = driver["version"], driver["srcversion"]
    if loaded == (on_disk["version"], on_disk["srcversion"]):
        return []
    name = "amdgpu {0} (source {1})".format
    there = name(on_disk["version"], on_disk["srcversion"]) if on_disk["version"] else "the kernel's own amdgpu"
    here = name(*loaded) if loaded[0] else "the kernel's own amdgpu"
    return [f"{here} is loaded, {there} lies on disk"]


def _firmware(facts: Facts) -> list[str]:
    reasons = []
    firmware = facts["firmware"]
    for board in facts["boards"]:
        if not board["supported"] or board["held_by"]:
            continue
        on_disk, loaded = firmware["mec_by_board"].get(board["bdf"]), board["mec_fw_loaded"]
        if board["driver"] is None and facts["driver"]["loaded"] and firmware["since_boot"]:
            reasons.append(f"{board['bdf']}: amdgpu is not bound; the firmware came after the driver's probe")
        elif on_disk and loaded and on_disk != loaded:
            reasons.append(f"{board['bdf']}: MEC firmware {loaded} is loaded, {on_disk} lies on disk")
    return reasons


class RebootPlan(Plan):
    """`blocking`: a supported board waits for it, so that nothing that needs KFD can work before."""

    required: bool
    allowed: bool
    reasons: list[str]
    blocking: bool


def plan(facts: Facts, settings: Settings) -> RebootPlan:
    reasons = [*_kernel(facts), *_driver(facts), *_firmware(facts)]
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
