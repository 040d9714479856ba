# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the engine's packages come from, and what apt says to them; the plan of docker_engine fills in the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.navilab.webui.plugins.module_utils._archives import Place, has_packages, serving
from ansible_collections.navilab.webui.plugins.module_utils._types import Facts, SourceFile

from .._packages import Transaction, weigh
from .._text import problem
from ._base import Settings, file_of, is_installed

if TYPE_CHECKING:
    from .docker_engine import DockerEnginePlan

REPOSITORY = "/etc/apt/sources.list.d/navilab-docker.list"
DOCKER = "https://download.docker.com/linux/debian"
KEY = "/etc/apt/keyrings/navilab-docker.asc"
COMPONENT = "stable"


def plan_repository(facts: Facts, plan: DockerEnginePlan, settings: Settings) -> None:
    """Docker's repository, unless a source of the user's serves it already: a second one with another key makes apt
    refuse all sources."""
    if not plan["codename"]:  # release was waived on a host that is made of none of Debian's
        plan["problems"].append(
            problem(
                "docker_repository",
                "no release of Debian is known to be beneath this host, and so no suite of Docker's repository",
                "install Docker's engine yourself, which is then used as it is, or docker_engine_provider: debian",
            )
        )
        return
    theirs = _theirs(facts, plan, settings)
    if _is_served(theirs):
        return
    if theirs:
        files = ", ".join(dict.fromkeys(place.source["file"] for place in theirs))
        plan["problems"].append(
            problem(
                "docker_repository",
                f"{files} has Docker's repository for {plan['codename']}, but not its component {COMPONENT} for a PC",
                f"make it a source of deb, amd64 and {COMPONENT}; a second source for it would need the same key",
            )
        )
        return
    plan["repository"] = True
    plan["source"] = (
        "# Written by navilab.webui.docker_engine.\n"
        f"deb [arch=amd64 signed-by={KEY}] {_address(settings)} {plan['codename']} {COMPONENT}\n"
    )
    plan["actions"].insert(0, "add Docker's apt repository")


def drop_repository(facts: Facts, plan: DockerEnginePlan, settings: Settings) -> None:
    """Our source goes where a source of the user's has come to serve the same since."""
    if file_of(facts, REPOSITORY)["exists"] and _is_served(_theirs(facts, plan, settings)):
        plan["files_absent"].append(REPOSITORY)
        plan["actions"].append(f"delete {REPOSITORY}, since another source serves Docker's repository")


def _address(settings: Settings) -> str:
    return settings.get("ce_repository") or DOCKER


def _theirs(facts: Facts, plan: DockerEnginePlan, settings: Settings) -> list[Place]:
    """The user's places that serve Docker's repository for this release."""
    return serving(facts["apt"], (_address(settings), DOCKER), plan["codename"], REPOSITORY, "Docker")


def _is_served(theirs: list[Place]) -> bool:
    return any(has_packages(place.source, COMPONENT) for place in theirs)


def judge_packages(facts: Facts, plan: DockerEnginePlan, settings: Settings) -> None:
    """What to ask apt about the packages, and what stops them."""
    source = [SourceFile(path=REPOSITORY, content=plan["source"])] if plan["repository"] else []
    source += [SourceFile(path=REPOSITORY, content="")] if REPOSITORY in plan["files_absent"] else []
    transaction = Transaction(
        plan["install"],
        source,
        instead=_instead(facts, plan["install"]),
        finishes=bool(settings.get("finishes")),
        bundle=settings.get("bundle"),
    )
    if not transaction.install:
        return
    weigh(facts, plan, transaction)


def _instead(facts: Facts, install: list[str]) -> str:
    """Which other way leaves what is there in its place."""
    if "docker.io" in install and any(is_installed(facts, name) for name in ("containerd.io", "docker-ce-cli")):
        return "docker_engine_provider: docker-ce, whose packages go with those of Docker's that are here"
    if "docker-ce" in install and any(is_installed(facts, name) for name in ("containerd", "docker-cli", "runc")):
        return "docker_engine_provider: debian, whose packages go with those of Debian's that are here"
    return ""
