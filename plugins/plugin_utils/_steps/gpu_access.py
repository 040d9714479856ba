# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which groups the gpu_access role has to make, join or leave on one host."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._text import problem
from ._base import FORGET, Plan, Settings, Step, Variables, Wants


class GpuAccessPlan(Plan):
    """Names of groups; `record` is what the role has put the user into, ever, by user."""

    user: str
    create: list[str]
    join: list[str]
    leave: list[str]
    record: dict[str, dict[str, list[str]]]


def settings(variables: Variables) -> Settings:
    return {**variables["gpu_access"], "user": variables["webui"]["user"]}


def wants(settings: Settings) -> Wants:
    return {"user": settings["user"]}


def plan(facts: Facts, settings: Settings) -> GpuAccessPlan:
    record = facts["records"].get("gpu_access") or {}
    user = facts["user"]
    found: GpuAccessPlan = {
        "actions": [], "problems": [], "warnings": [],
        "user": settings["user"], "create": [], "join": [], "leave": [], "record": {},
    }  # fmt: skip
    name, groups = settings["user"], user["groups"] if user else []
    if settings["state"] == "absent":
        found["leave"] = [group for group in record.get("joined", {}).get(name, []) if group in groups]
        found["actions"] = [f"take {name} out of group {group}" for group in found["leave"]]
        if record and not found["actions"]:
            found["actions"] = [FORGET]
        return found
    if not user or not user["exists"]:
        found["problems"] = [user_problem(name)]
        return found
    found["create"] = [group for group in settings["groups"] if facts["groups"].get(group) is None]
    found["join"] = [group for group in settings["groups"] if group not in groups]
    found["actions"] = [f"make group {group}" for group in found["create"]]
    found["actions"] += [f"add {name} to group {group}" for group in found["join"]]
    found["record"] = record
    if found["join"]:
        joined = dict(record.get("joined", {}))
        joined[name] = sorted({*joined.get(name, []), *found["join"]})
        found["warnings"] = [
            f"{name} has the groups {' and '.join(found['join'])} from the next login on; containers have them at once"
        ]
        found["record"] = {"joined": joined}
    return found


def user_problem(name: str) -> Check:
    """The check that the lab user is an account of the host."""
    return problem(
        "user_exists",
        f"there is no user '{name}' on this host",
        "set navilab_user to an account of the host, or make it",
    )


STEP = Step("gpu_access", settings, wants, plan, stale_after=frozenset({"gpu_access", "reboot"}))
