# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which groups the gpu_access role has to make, join or leave on one host."""

from __future__ import annotations

from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._hardware import GROUPS
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._text import problem
from ._base import FORGET, Plan, Settings, Step, Variables, Wants


class Membership(TypedDict):
    """A user and a group that it is in."""

    user: str
    group: str


class GpuAccessPlan(Plan):
    """Names of groups; `leave` may be about other users than `user`, `record` is what the role has put whom into, ever,
    by user."""

    user: str
    create: list[str]
    join: list[str]
    leave: list[Membership]
    record: dict[str, dict[str, list[str]]]


def settings(variables: Variables) -> Settings:
    return {**variables["gpu_access"], "user": variables["webui"]["user"]}


def wants(settings: Settings) -> Wants:
    wanted: Wants = {"user": settings["user"]}
    # The facts of every host have video and render.
    if settings["state"] == "present" and set(settings["groups"]) - set(GROUPS):
        wanted["groups"] = [name for name in settings["groups"] if name not in GROUPS]
    return wanted


def plan(facts: Facts, settings: Settings) -> GpuAccessPlan:
    record = facts["records"].get("gpu_access") or {}
    user = facts["user"]
    found: GpuAccessPlan = {
        "actions": [], "problems": [], "warnings": [],
        "user": settings["user"], "create": [], "join": [], "leave": [], "record": {},
    }  # fmt: skip
    name, groups = settings["user"], user["groups"] if user else []
    if settings["state"] == "absent":
        found["leave"] = _leave(record, name, groups)
        found["actions"] = [f"take {each['user']} out of group {each['group']}" for each in found["leave"]]
        if record and not found["actions"]:
            found["actions"] = [FORGET]
        return found
    found["problems"] = user_problems(facts, name)
    if found["problems"]:
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


def _leave(record: dict[str, Any], user: str, groups: list[str]) -> list[Membership]:
    """What the role has joined, whoever was the lab user then. The facts know the groups of today's alone; of others
    the record is believed, and gpasswd says where somebody was faster."""
    return [
        {"user": name, "group": group}
        for name, joined in record.get("joined", {}).items()
        for group in joined
        if name != user or group in groups
    ]


def user_problems(facts: Facts, name: str) -> list[Check]:
    """The checks that the lab user is an account of the host, and a person's."""
    user, remedy = facts["user"], "set navilab_user to an account of the host, or make it (adduser NAME)"
    if not name:
        evidence = "nobody is named: navilab_user is empty, and the account that Ansible runs as has no name"
        return [problem("user_exists", evidence, remedy)]
    if not user or not user["exists"]:
        return [problem("user_exists", f"there is no user '{name}' on this host", remedy)]
    if user["uid"] == 0:
        evidence = f"the webui would run as {name} and its data be root's"
        return [problem("user_not_root", evidence, f"{remedy}; ansible_user may stay root")]
    return []


STEP = Step("gpu_access", settings, wants, plan, stale_after=frozenset({"gpu_access", "reboot"}))
