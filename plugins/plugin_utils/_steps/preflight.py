# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold on a host before anything on it changes."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._types import Facts

from . import webui
from ._base import Plan, Settings, Step, Variables, Wants

CHECKS = ["release", "kernel_flavour", "disk_space", "memory"]
GPU_CHECKS = ["board_present", "board_supported"]
DISK_LATER_MIB = 1024
"""MiB that suffice where the image is there already."""


def settings(variables: Variables) -> Settings:
    return {**variables["preflight"], "webui": webui.settings(variables), "waive": variables["_common"]["waive"]}


def wants(settings: Settings) -> Wants:
    return webui.wants(settings["webui"])


def plan(facts: Facts, settings: Settings) -> Plan:
    wanted = webui.plan(facts, settings["webui"])
    on_cpu = not settings["webui"]["profiles"].get(settings["webui"]["profile"], {}).get("gpu", True)
    pulls = wanted["pull"] or not wanted["instances"]
    checks = _checks.evaluate(
        facts,
        {
            "scope": ["kfd", "host"],
            "only": CHECKS + ([] if on_cpu else GPU_CHECKS),
            "waive": {name: why for name, why in settings["waive"].items() if name in (*CHECKS, *GPU_CHECKS)},
            "user": settings["webui"]["user"],
            "min_disk_mib": settings["min_disk_mib"] if pulls else DISK_LATER_MIB,
            "min_memory_mib": settings["min_memory_mib"],
            "disk_paths": list(facts["disk"]),
        },
    )
    return {"actions": [], "problems": [check for check in checks if check["status"] == "failed"], "warnings": []}


STEP = Step("preflight", settings, wants, plan, stale_after=webui.STEP.stale_after)
