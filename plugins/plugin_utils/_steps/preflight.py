# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a host before anything on it changes."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._types import Facts

from .._packages import finishes, unfinished
from . import amdgpu_dkms, docker_engine, firmware, webui
from ._base import Plan, Settings, Step, Variables, Wants
from ._disk import PLACES, data_needs, model_needs, package_needs

CHECKS = ["release", "kernel_flavour", "systemd", "disk_space", "memory"]
GPU_CHECKS = ["board_present", "board_supported"]
DISK_LATER_MIB = 1024
"""MiB that suffice where the image is there already."""
BRINGING = (amdgpu_dkms.STEP, firmware.STEP, docker_engine.STEP)
"""Steps that bring packages."""


def settings(variables: Variables) -> Settings:
    return {
        **variables["preflight"],
        "webui": webui.settings(variables),
        "waive": variables["_common"]["waive"],
        "finishes": finishes(variables),
        "bringing": {step.name: step.settings(variables) for step in BRINGING},
    }


def wants(settings: Settings) -> Wants:
    wanted = webui.wants(settings["webui"])
    return {**wanted, "disk": [*wanted["disk"], *PLACES]}


def plan(facts: Facts, settings: Settings) -> Plan:
    wanted = webui.plan(facts, settings["webui"])
    on_cpu = not settings["webui"]["profiles"].get(settings["webui"]["profile"], {}).get("gpu", True)
    comes = any(each["to_build"] for each in wanted["instances"])
    pulls = wanted["pull"] or comes or not wanted["instances"]
    plans = {step.name: step.plan(facts, settings["bringing"][step.name]) for step in BRINGING}
    least = settings["min_disk_mib"] if pulls else DISK_LATER_MIB
    checks = _checks.evaluate(
        facts,
        {
            "scope": ["kfd", "host"],
            "only": CHECKS + ([] if on_cpu else GPU_CHECKS),
            "waive": {name: why for name, why in settings["waive"].items() if name in (*CHECKS, *GPU_CHECKS)},
            "user": settings["webui"]["user"],
            "gpus": webui.gpus_of(wanted["instances"]),
            "disk": [
                *data_needs(facts, settings["webui"], least, settings["bringing"]["docker_engine"]["provider"]),
                *model_needs(facts, settings["webui"], bool(pulls)),
                *package_needs(facts, plans),
            ],
            "min_memory_mib": settings["min_memory_mib"],
        },
    )
    found: Plan = {
        "actions": [],
        "problems": [check for check in checks if check["status"] == "failed"],
        "warnings": [f"{check['id']}: {check['note']}" for check in checks if check["note"]],
    }
    left = unfinished(facts, settings["finishes"])
    if left and any(plan["install"] or plan.get("reinstall") for plan in plans.values()):
        found["problems"].append(left)
    elif left:
        found["warnings"].append(f"{left['id']}: {left['evidence']}. Remedy: {left['remedy']}")
    return found


STEP = Step("preflight", settings, wants, plan, stale_after=webui.STEP.stale_after)
