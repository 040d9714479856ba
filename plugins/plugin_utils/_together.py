# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of several steps as one transaction of apt, with what must be on the host before it."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, TypedDict

from . import _lock


class Together(TypedDict):
    """Packages by name, the files (a source of apt among them) and directories that they need or start with, the
    records of what comes in, by whichever step of the run, and whether `access`, the lab user's, is given before the
    host is planned again. `lease` is that of the run's longest step, in seconds; `lists` what host_answers has kept."""

    lease: int
    install: list[str]
    files: list[dict[str, Any]]
    directories: list[str]
    records: dict[str, dict[str, Any]]
    access: bool
    lists: str


def together(
    plans: Mapping[str, Mapping[str, Any]],
    due: Iterable[str],
    variables: Mapping[str, Any],
    kept: Container[str],
    lists: str,
) -> Together:
    """What firmware and docker_engine bring in, where both do and the run's tags let both.

    A step that adds a repository with a key of its own, and AMD's driver, whose headers need an earlier transaction, go
    their own way. `kept` are the records that the host has. Those are left to their roles: what a record says already
    would be taken for done when the host is planned again.
    """
    due = [*due]
    firmware, engine = plans.get("firmware") or {}, plans.get("docker_engine") or {}
    both = {"firmware", "docker_engine"} <= set(due) and firmware.get("install") and engine.get("install")
    # An engine that runs has to be reloaded or restarted for its settings, which its role sees to.
    if (
        not both
        or engine["repository"]
        or not engine["start"]
        or firmware.get("sources_absent")  # which go first
        or engine.get("files_absent")
        or not all(_selected(step, variables) for step in ("firmware", "docker_engine"))
    ):
        return {"lease": 0, "install": [], "files": [], "directories": [], "records": {}, "access": False, "lists": ""}
    sources = [{**firmware["source"], "kind": "source"}] if firmware["source"] else []
    return {
        "lease": _lock.lease_s(due),
        "install": [*firmware["install"], *engine["install"]],
        "files": [*sources, *engine["writes"]],
        "directories": engine["directories"],
        "records": {
            step: plans[step]["record"]
            for step in due
            if plans[step].get("record")
            and _selected(step, variables)
            and (step not in kept or step in ("firmware", "docker_engine"))
        },
        "access": "gpu_access" in due and _selected("gpu_access", variables),
        "lists": lists,
    }


def keeps_lists(plans: Mapping[str, Mapping[str, Any]], due: Iterable[str], variables: Mapping[str, Any]) -> bool:
    """Whether the lists that apt reads for these plans serve the transaction: in a run that lets the host go at its
    end, which takes them away."""
    return bool(together(plans, due, variables, (), "")["install"]) and _selected("verify", variables)


def _selected(step: str, variables: Mapping[str, Any]) -> bool:
    """Whether --tags and --skip-tags leave a step in the run."""
    run, skip = variables.get("ansible_run_tags") or ["all"], variables.get("ansible_skip_tags") or []
    return step not in skip and bool({"all", "tagged", step} & set(run))
