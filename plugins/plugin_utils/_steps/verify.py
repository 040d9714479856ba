# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host is what it should be: the checks, from its GPU to its webui."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._checks._metrics import RUNS, WRITTEN
from ansible_collections.navilab.webui.plugins.module_utils._commands import fqcn
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Wanted, WantedWebui

from .._text import problem_lines
from . import gateway, webui
from ._base import Plan, Settings, Step, Variables, Wants
from ._disk import data_needs
from ._webui_container import LISTEN, Instance, preloads


class VerifyPlan(Plan):
    """All checks, cause before effect."""

    checks: list[Check]


def settings(variables: Variables) -> Settings:
    state = (variables.get("amdgpu_dkms") or {}).get("__amdgpu_dkms_state")  # read where that role is in the run
    found = {**variables["verify"], "webui": webui.settings(variables), "waive": variables["_common"]["waive"]}
    found["gateway"] = gateway.asked(variables)
    return {
        **found,
        "textfile_dir": variables["metrics"]["textfile_dir"].rstrip("/"),
        "groups": variables["gpu_access"]["groups"],
        "amdgpu_dkms": None if state is None else state == "present",
    }


def wants(settings: Settings) -> Wants:
    found = webui.wants(settings["webui"])
    if settings["gateway"]:
        found["gateways"] = [settings["gateway"]]
    metrics = [f"{settings['textfile_dir']}/{WRITTEN}", RUNS]
    return {**found, "files": [*found["files"], *metrics]}


def webuis(instances: list[Instance], settings: Settings) -> list[WantedWebui]:
    """The webuis of a plan, as the checks take them."""
    return [
        {
            "name": instance["name"],
            "port": instance["port"],
            "devices": instance["devices"],
            "image": instance["image"],
            "selftest": instance["selftest"],
            "listen": LISTEN,
            "data_dir": instance["data_dir"],
            "writes": [f"{instance['data_dir']}/{instance[each]}" for each in ("data", "cache")],
            "uid": instance["uid"],
            "tcmalloc": preloads(instance["profile"], settings),
            "egress": settings["egress"],
        }
        for instance in instances
    ]


def wanted(facts: Facts, settings: Settings, instances: list[Instance]) -> Wanted:
    """What the checks are asked for. A host that judges itself (metrics) is asked the same."""
    return {
        "waive": settings["waive"],
        "user": settings["webui"]["user"],
        "groups": settings["groups"],
        "webuis": webuis(instances, settings["webui"]),
        "gateway": gateway.wanted(settings["gateway"]),
        "gpus": webui.gpus_of(instances),
        "disk": data_needs(facts, settings["webui"], _checks.DISK_MIN_MIB),
        "min_memory_mib": settings["min_memory_mib"],
        "zram_mib": settings["webui"]["zram_mib"],
    }


def plan(facts: Facts, settings: Settings) -> VerifyPlan:
    planned = webui.plan(facts, settings["webui"])
    checks = _checks.evaluate(
        facts,
        {
            **wanted(facts, settings, planned["instances"]),
            "scope": settings["scope"],
            "amdgpu_dkms": settings["amdgpu_dkms"],
        },
    )
    waived = [
        f"{check['id']}: {check['evidence']} (waived: {check['reason']})"
        for check in checks
        if check["status"] == "waived"
    ]
    stops = [f"{fqcn('site')} would stop at {line}" for line in problem_lines(planned["problems"])]
    notes = [f"{check['id']}: {check['note']}" for check in checks if check["note"]]
    return {"actions": [], "problems": [], "warnings": [*waived, *notes, *stops], "checks": checks}


STEP = Step("verify", settings, wants, plan, stale_after=webui.STEP.stale_after | {"gateway", "metrics"})
