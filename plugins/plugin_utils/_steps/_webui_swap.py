# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a webui comes to another image, or back to an earlier one, wherever an earlier run was cut off. Pure functions.

The record `webui` has, beside what came in: `history`, by profile the images that were seen ready here, the one that
runs first; `aside`, by reference the images that are not to be taken on this host, and why; `pinned`, by tag the digest
that an upgrade found behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._docker import PREVIOUS
from ansible_collections.navilab.webui.plugins.module_utils._registry import parse_reference
from ansible_collections.navilab.webui.plugins.module_utils._types import Container, Facts

from .. import _selftest_record
from ._base import Settings

PROFILE_LABEL = "navilab.webui.profile"
Seen = Literal["none", "wanted", "other"]
"""What a container is to the plan: not there, as it is wanted, or another one."""
Do = Literal["", "begin", "go_on", "redo", "return"]

# By the container and the one that was put aside. A run is cut off between two of these: the old one is stopped, it is
# renamed, the new one is made, it is ready, the old one is removed.
TABLE: Mapping[tuple[Seen, Seen], Do] = {
    ("none", "none"): "",
    ("wanted", "none"): "",
    ("other", "none"): "begin",
    ("none", "other"): "go_on",
    ("wanted", "other"): "go_on",
    ("wanted", "wanted"): "go_on",
    # What was to take the place is wanted no more: the inventory names another image, or this one was no good.
    ("other", "other"): "redo",
    ("other", "wanted"): "return",
    ("none", "wanted"): "return",
}
SENTENCES: Mapping[Do, str] = {
    "go_on": "go on with the change of container {} that was cut off",
    "redo": "remove what was to become container {} before a run was cut off, and make another",
    "return": "bring container {} back, which a run that was cut off has put aside",
}


class Swap(TypedDict):
    """One webui whose container changes places, as the module webui_swap takes it."""

    name: str
    previous: str
    port: int
    do: Do
    data: str
    images: list[str]
    restart_policy: str


def previous_of(name: str) -> str:
    """The name of a webui's container while another one has its place."""
    return f"{name}{PREVIOUS}"


def seen_as(container: Container | None, spec: str, spec_label: str, devices: Sequence[str]) -> Seen:
    """What a container is to a plan that wants one with this spec and these devices."""
    if container is None:
        return "none"
    same = container["labels"].get(spec_label) == spec and sorted(container["devices"]) == sorted(devices)
    return "wanted" if same else "other"


def record_of(facts: Facts, part: str) -> dict[str, Any]:
    """A part of the record; a host's file may hold anything."""
    found = (facts["records"].get("webui") or {}).get(part)
    return dict(found) if isinstance(found, Mapping) else {}


def history(facts: Facts, profile: str) -> list[str]:
    """The images of a profile that were seen ready on this host, the one that runs first. One that has just taken an
    old one's place was not yet."""
    kept = record_of(facts, "history").get(profile)
    entries = [entry for entry in (kept if isinstance(kept, list) else ()) if isinstance(entry, Mapping)]
    containers = facts["docker"]["containers"]
    run = []
    for name, container in containers.items():
        held = containers.get(previous_of(name)) or container
        ours = held and not name.endswith(PREVIOUS) and held["labels"].get(PROFILE_LABEL) == profile
        if held and ours and held.get("image"):
            run.append(str(held["image"]))
    recorded = [str(entry["image"]) for entry in entries if entry.get("image")]
    return list(dict.fromkeys([*run, *recorded]))


class Parts(NamedTuple):
    """The record's parts, before the first change and once all is good."""

    before: dict[str, Any]
    after: dict[str, Any]


def parts(facts: Facts, settings: Settings, instances: Sequence[tuple[str, Mapping[str, Any]]]) -> Parts:
    """What the record is to say of images; `instances` are the webuis, each with the reference that somebody gave."""
    ran, marks, pins = record_of(facts, "history"), record_of(facts, "aside"), record_of(facts, "pinned")
    if settings["upgrade"]:
        marks = {}
    if settings["rollback"]:
        gone = {each["aside"] for _given, each in instances} | {
            image for _given, each in instances for image in history(facts, each["profile"])[:1]
        }
        marks |= {image: {"why": "it was rolled back", "at": settings["now"]} for image in sorted(gone - {""})}
    after = dict(ran)
    for given, each in instances:
        profile, image = each["profile"], each["image"]
        known = history(facts, profile)
        if each.get("swap") or ran.get(profile):
            ran[profile] = _entries(facts, known, ran.get(profile), settings["now"])
            images = [image, *(other for other in known if other != image)][: settings["keep_images"]]
            after[profile] = _entries(facts, images, ran[profile], settings["now"])
        wanted = each["aside"] or image
        if tagged(given) and wanted != given and wanted.startswith(f"{tagged(given)}@"):
            pins[given] = wanted
    still = {image: marks[image] for image in marks if image in {each["aside"] for _given, each in instances}}
    before = {"history": ran, "aside": marks, "pinned": pins}
    return Parts(
        {name: value for name, value in before.items() if value},
        {"history": after, "aside": still},
    )


def _entries(facts: Facts, images: Sequence[str], known: Any, now: str) -> list[dict[str, Any]]:
    """Entries of the history, with those that are known as they are."""
    since = {str(entry.get("image")): entry for entry in (known or []) if isinstance(entry, Mapping)}
    ids = {image: (facts["docker"]["images"].get(image) or {"id": None})["id"] for image in images}
    return [dict(since.get(image) or {"image": image, "id": ids[image], "since": now}) for image in images]


def first(entries: Any) -> str:
    """The image of a profile's first entry."""
    found = entries[0] if isinstance(entries, list) and entries else {}
    return str(found.get("image") or "") if isinstance(found, Mapping) else ""


def aside(facts: Facts, settings: Settings) -> dict[str, str]:
    """The images that this host does not take, each with the reason: what the record says, but for an upgrade, which
    tries again, and what a self-test has shown while another image runs."""
    found = {}
    if not settings["upgrade"]:
        for image, entry in record_of(facts, "aside").items():
            found[image] = str(entry.get("why") or "") if isinstance(entry, Mapping) else ""
            found[image] += f" ({entry['at']})" if isinstance(entry, Mapping) and entry.get("at") else ""
    boards = {board["bdf"]: board for board in facts["boards"]}
    for entry in _selftest_record.results_of(facts).values():
        image, profile = str(entry.get("image") or ""), str(entry.get("profile") or "")
        kept = _selftest_record.kept(facts, boards.get(str(entry.get("bdf") or "")), profile, image)
        runs = history(facts, profile)
        if kept and not kept["usable"] and runs and runs[0] != image:
            found[image] = f"its self-test says {kept['evidence']}"
    return found


def earlier(facts: Facts, settings: Settings, profile: str, image: str) -> str:
    """The image that a profile has in place of one that is set aside; empty where there is none."""
    ran = history(facts, profile)
    refused = {*aside(facts, settings), image, *(ran[:1] if settings["rollback"] else [])}
    return next((each for each in ran if each not in refused), "")


def tagged(reference: str) -> str:
    """The name before which a digest goes, of a reference that has none; empty for what no registry knows."""
    try:
        parsed = parse_reference(reference)
    except ValueError:
        return ""
    if parsed.digest:
        return ""
    return reference.rpartition(":")[0] if parsed.tag else reference


def pinned(reference: str, facts: Facts, settings: Settings) -> str:
    """A reference as this host takes it: by the digest that an upgrade has found behind its tag. In an upgrade that is
    the registry's present one; the tag alone does where the engine has just that image by it."""
    name = tagged(reference)
    known = str(record_of(facts, "pinned").get(reference) or reference)
    answer = facts["registry"].get(reference)
    if not (name and settings["upgrade"] and answer and answer["digest"]):
        return known
    held = facts["docker"]["images"].get(reference)
    if known == reference and held and answer["digest"] in held["digests"]:
        return reference
    return f"{name}@{answer['digest']}"
