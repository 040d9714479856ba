# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step is: what it needs gathered, how its plan is made, and when facts are too old for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._machine import NO_FILE
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, FileFacts

Settings = Mapping[str, Any]
"""A step's variables, validated and typed by the roles' argument specs, without the role's prefix."""
Variables = Mapping[str, Settings]
"""The settings of every role, by role."""


class Wants(TypedDict, total=False):
    """Arguments of host_info. A path may start with ``~``, the home of `user`."""

    user: str
    groups: list[str]
    packages: list[str]
    files: list[str]
    disk: list[str]
    webuis: list[dict[str, Any]]
    images: list[str]
    registry_ca: str
    ports: list[int]
    addresses: list[str]
    gateways: list[dict[str, Any]]


class Plan(TypedDict):
    """What all plans have: a sentence a difference, the checks that stop the host, and what is worth knowing."""

    actions: list[str]
    problems: list[Check]
    warnings: list[str]


class Connection(NamedTuple):
    """How the host is reached, which decides what may be done to it."""

    local: bool
    check_mode: bool


def no_wants(_settings: Settings) -> Wants:
    """Of a step that the facts of every host suffice for."""
    return {}


def no_gate(_facts: Facts, _settings: Settings, _connection: Connection) -> list[Check]:
    """Of a step that needs nothing of the steps before it."""
    return []


class Step(NamedTuple):
    """One step of the way from a bare host to a webui.

    `settings` gathers what the plan needs from the roles' variables. `gate` are checks that must hold when the role
    begins, not before: an earlier step may be what makes them good. `stale_after` names the steps whose work changes
    what this one's plan is made from; a reboot changes everything. One that is `optional` is in the plan of a host only
    where it is `wanted`, where it has been before, by its record, or where its role begins.
    """

    name: str
    settings: Callable[[Variables], Settings]
    wants: Callable[[Settings], Wants]
    plan: Callable[[Facts, Settings], Any]
    gate: Callable[[Facts, Settings, Connection], list[Check]] = no_gate
    stale_after: frozenset[str] = frozenset()
    optional: bool = False
    wanted: Callable[[Settings], bool] = lambda _settings: False


def own(name: str) -> Callable[[Variables], Settings]:
    """The settings of a step that reads the variables of its own role alone."""
    return lambda variables: variables[name]


def file_of(facts: Facts, path: str) -> FileFacts:
    """What was gathered of a path; one that was not asked for is not there."""
    return facts["files"].get(path) or NO_FILE


def differs(facts: Facts, path: str, content: str, mode: str | None = "0644") -> bool:
    """Whether root's file at `path` has other content, another owner or (unless `mode` is None) another mode."""
    found = file_of(facts, path)
    right = found["sha256"] == hashlib.sha256(content.encode()).hexdigest() and (found["uid"], found["gid"]) == (0, 0)
    return not (right and (mode is None or found["mode"] == mode))


def is_installed(facts: Facts, package: str) -> bool:
    """Whether dpkg has a package whole."""
    found = facts["dpkg"]["packages"].get(package)
    return bool(found and found["installed"])


FORGET = "forget the record of an earlier run"
