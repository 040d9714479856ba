# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's archive: ours, or the one that the user has already; and what apt says to the packages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ansible_collections.navilab.webui.plugins.module_utils._archives import (
    Place,
    address,
    binary_places,
    has_packages,
    is_read,
    serving,
)
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._packages import Transaction, notes, problems, questions, refused_release
from .._text import problem
from ._base import Settings, differs, file_of

if TYPE_CHECKING:
    from .amdgpu_dkms import AmdgpuDkmsPlan

DRIVER = ("amdgpu-dkms", "amdgpu-dkms-firmware")
SOURCE = "/etc/apt/sources.list.d/navilab-amdgpu-dkms.list"
PIN = "/etc/apt/preferences.d/navilab-amdgpu-dkms"
KEY = "/etc/apt/keyrings/navilab-amdgpu-dkms.asc"
AMD = "https://repo.radeon.com/amdgpu"
AMDS_KEY = "CA8BB4727A47B4D09B4EE8969386B48A1A693C5C"
KEEP = "amdgpu_dkms_state: absent keeps the kernel's own driver, which is what these boards run best with"


def plan_archive(facts: Facts, plan: AmdgpuDkmsPlan, settings: Settings, suite: str) -> None:
    """Our source, key and pin, unless a source of the user's serves the same: a second one with another key makes apt
    refuse all sources."""
    release = plan["release"]
    if _theirs(facts, settings, release, suite):
        plan["files_absent"] = [path for path in (SOURCE, PIN, KEY) if file_of(facts, path)["exists"]]
        plan["actions"] += [f"delete {path}, since another source serves that archive" for path in plan["files_absent"]]
        return
    plan["source"] = (
        "# Written by navilab.webui.amdgpu_dkms.\n"
        f"deb [arch=amd64 signed-by={KEY}] {settings['repository']}/{release}/ubuntu {suite} main\n"
    )
    plan["pin"] = pin(settings["origin"], alone=not _has_others(facts, settings))
    sources = ((SOURCE, plan["source"]), (PIN, plan["pin"]))
    if any(differs(facts, *each) for each in sources) or not file_of(facts, KEY)["exists"]:
        plan["archive"] = True
        plan["actions"].append(f"add AMD's archive {release} ({suite}), for its driver alone")


def pin(origin: str, alone: bool = True) -> str:
    """Nothing of AMD's archive but the driver: its ROCm and Mesa would win over Debian's otherwise. The driver comes as
    the archive has it, an older one in place of a newer too (apt_preferences: over 1000); a hold keeps it there.
    Where the user has sources of AMD's, what comes from them is the user's to pin."""
    nothing_else = f"Package: *\nPin: release o={origin}\nPin-Priority: -1\n\n" if alone else ""
    driver = f"Package: {' '.join(DRIVER)}\nPin: release o={origin}\nPin-Priority: 1001\n"
    return f"# Written by navilab.webui.amdgpu_dkms.\n{nothing_else}{driver}"


def judge_packages(facts: Facts, plan: AmdgpuDkmsPlan, settings: Settings, suite: str, early: Sequence[str]) -> None:
    """What to ask apt about headers and driver, and what stops them."""
    install = [*(name for name in early if name not in plan["headers_optional"]), *plan["install"]]
    files = [(path, "") for path in plan["files_absent"] if path != KEY]
    files += [(SOURCE, plan["source"]), (PIN, plan["pin"])] if plan["archive"] else []
    transaction = Transaction(
        install,
        [{"path": path, "content": content} for path, content in files],
        own=[name for name in DRIVER if name in plan["record"].get("packages", [])],
        instead=KEEP,
        finishes=True,
        bundle=settings.get("bundle"),
    )
    if not install:
        return
    plan["questions"] = questions(transaction)
    if plan["install"]:
        plan["problems"] += _archive_problems(facts, plan, settings, suite)
    plan["problems"] += problems(facts, transaction)
    plan["warnings"] += notes(facts, transaction)


def _addresses(settings: Settings, release: str) -> tuple[str, str]:
    return f"{settings['repository']}/{release}/ubuntu", f"{AMD}/{release}/ubuntu"


def _theirs(facts: Facts, settings: Settings, release: str, suite: str) -> list[Place]:
    """The user's places that serve this release."""
    places = serving(facts["apt"], _addresses(settings, release), suite, SOURCE)
    return [place for place in places if has_packages(place.source, "main")]


def _has_others(facts: Facts, settings: Settings) -> bool:
    """Whether the user has sources of AMD's, of ROCm for example."""
    known = {(each["uri"], each["suite"]) for each in facts["apt"]["archives"] if each["origin"] == settings["origin"]}
    return any(
        (place.uri, place.suite) in known or re.search(r"(?:^|/)repo\.radeon\.com(?:/|$)", address(place.uri))
        for place in binary_places(facts["apt"]["sources"])
        if place.source["file"] != SOURCE
    )


def _archive_problems(facts: Facts, plan: AmdgpuDkmsPlan, settings: Settings, suite: str) -> list[Check]:
    release, found = plan["release"], []
    others = _other_releases(facts, settings, release)
    if others and not settings["version"]:
        named = ", ".join(f"{other} ({file})" for other, file in others.items())
        found.append(
            problem(
                "amdgpu_archive",
                f"AMD's driver is among the sources already, of release {named}; with {release} beside it apt takes "
                "the newer of both",
                f"amdgpu_dkms_release: {next(iter(others))}, or comment that source out, or name amdgpu_dkms_version",
            )
        )
    addresses = _addresses(settings, release)
    # A mirror that has a key of its own is signed anew; a source of the user's is taken for AMD's.
    amds = settings["key_fingerprint"] == AMDS_KEY or bool(_theirs(facts, settings, release, suite))
    read = any(
        is_read(facts["apt"], place)
        for place in binary_places(facts["apt"]["sources"])
        if address(place.uri) in map(address, addresses)
    )
    why = refused_release(facts, release, address(addresses[0])) if amds and not read else ""
    if why:
        remedy = f"amdgpu_dkms_release: 30.10 or newer, which AMD has signed anew; or {KEEP}"
        found.append(problem("amdgpu_archive", why, remedy))
    return found


def _other_releases(facts: Facts, settings: Settings, release: str) -> dict[str, str]:
    """Other releases of the driver among the user's sources, each with its file."""
    bases = "|".join(re.escape(address(base)) for base in (settings["repository"], AMD))
    found: dict[str, str] = {}
    for place in binary_places(facts["apt"]["sources"]):
        match = re.fullmatch(rf"(?:{bases})/([^/]+)/ubuntu", address(place.uri))
        if match and match[1] != release and place.source["file"] != SOURCE:
            found.setdefault(match[1], place.source["file"])
    return found
