# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who builds the lab's images and keeps its registry. Pure functions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._docker import engine_root
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import IMAGES
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from ._bundle import FROM
from ._steps import _models, _webui_images
from ._steps._base import Settings
from ._steps.webui import data_dir_of
from ._text import problem


class Offer(TypedDict):
    """What a host needs of the builder, and what it has that makes it the builder. `free_mib` is what is free for the
    engine and for the image role's cache, None where that is unknown; `registry` is one that it trusts already; `has`
    are the models that lie there, paths by sha256."""

    builds: list[str]
    models: list[dict[str, Any]]
    builder: bool
    free_mib: int | None
    registry: str
    has: dict[str, str]


class Build(TypedDict):
    """What one host does for all, nothing unless there is `work`. `needs` are the hosts that need an image to be built,
    `others` those that need something from there, an image or a model, for which it runs the registry where `serves`;
    `found` are those of `models` that lie on the builder already, paths by sha256; `ask` are hosts outside of the run,
    one of which may be the builder, `unasked` those of them that this run does not reach; `problems` say why nobody
    builds."""

    work: bool
    builder: str
    profiles: list[str]
    models: list[dict[str, Any]]
    found: dict[str, str]
    needs: list[str]
    others: list[str]
    serves: bool
    ask: list[str]
    unasked: list[str]
    problems: list[Check]


def offer(facts: Facts, plan: Mapping[str, Any], settings: Settings) -> Offer:
    """What a host tells of itself to the choice, from the plan and the settings of its step webui."""
    places = {settings["image_cache_dir"], engine_root(facts["docker"], settings["data_root"])}
    free = [seen["free_mib"] for path, seen in facts["disk"].items() if path in places]
    known = [mib for mib in free if mib is not None]
    trusted = (facts["records"].get("webui") or {}).get("trusted") or []
    return {
        "builds": list(plan["builds"]),
        "models": list(plan["lab_models"]),
        "builder": bool(facts["records"].get("registry") or facts["records"].get("image")),
        "free_mib": min(known) if known else None,
        "registry": str(trusted[0]).split("/")[-2] if trusted else "",
        "has": _models.present(facts, settings, data_dir_of(facts, settings)),
    }


def choose(
    offers: Mapping[str, Offer],
    addresses: Mapping[str, str],
    wanted: str = "",
    least_mib: int = 0,
    external: bool = False,
) -> Build:
    """The builder for the hosts of a run.

    `offers` are the run's hosts that have a plan, in the inventory's order; `addresses` are all hosts of the inventory
    with the address that each is reached by; `wanted` is image_builder; `external` says that image_registry names one
    of the user's own.
    """
    needy = [host for host, each in offers.items() if each["builds"]]
    found: Build = {
        "work": bool(needy), "builder": "", "models": [], "found": {}, "needs": needy, "others": [], "serves": False,
        "profiles": sorted({profile for host in needy for profile in offers[host]["builds"]}),
        "ask": [], "unasked": [], "problems": [],
    }  # fmt: skip
    if not needy:
        return found if external else _models_alone(found, offers, addresses)
    if wanted and wanted not in addresses:
        evidence = f"image_builder is '{wanted}', which is no host of this inventory"
        found["problems"] = [problem("image_build", evidence, "name one of its hosts, or none to have one chosen")]
        return found
    builder = wanted or _known(offers, addresses)
    if builder and builder not in offers:
        found["builder"], found["ask"], found["others"] = builder, [builder], needy
        return found
    if not builder:
        found["ask"] = [host for host in addresses if host not in offers]
        fitting = [host for host, each in offers.items() if _mib(each, least_mib) >= least_mib]
        # What the builder has of the models needs no address. Of what lies on another host nothing comes there: no way
        # leads from host to host (the registry's login stays on its host, the controller's keys with it), and through
        # the controller each byte would pass that one's link twice.
        wanting = {model["sha256"].lower() for each in offers.values() for model in each["models"]}
        builder = max(fitting, key=lambda host: len(wanting & {*offers[host]["has"]})) if fitting else ""
    if not builder:
        most = max(offers, key=lambda host: _mib(offers[host]))
        free = _mib(offers[most])
        evidence = (
            f"the image of profile {', '.join(found['profiles'])} has to be built, and no host of this run has the "
            f"{least_mib} MiB free that this takes: the most is {free} MiB on {most}"
        )
        remedy = f"free {least_mib - free} MiB more on {most}, or lower image_min_disk_mib"
        found["problems"] = [problem("disk_space", evidence, remedy)]
        return found
    lacking = least_mib - _mib(offers[builder], least_mib)
    if builder in needy and lacking > 0:  # one that has the image already needs no room for it
        evidence = f"{builder} builds for this lab, and has not the {least_mib} MiB free that this takes"
        remedy = f"free {lacking} MiB more on {builder}, name another image_builder, or lower image_min_disk_mib"
        found["problems"] = [problem("disk_space", evidence, remedy)]
        return found
    found["builder"] = builder
    found["others"] = [host for host in needy if host != builder]
    found["serves"] = bool(found["others"]) and not external
    if found["serves"]:
        _serve_models(found, offers)
    return found


def _models_alone(found: Build, offers: Mapping[str, Offer], addresses: Mapping[str, str]) -> Build:
    """No image is to be built: what hosts lack of the models goes through the registry that they trust already. A host
    that trusts none fetches its own."""
    holder = _holder(offers, addresses)
    others = [host for host, each in offers.items() if each["models"] and host != holder]
    if not holder or not others or (holder in offers and not offers[holder]["builder"]):
        return found
    found["work"], found["builder"], found["others"], found["serves"] = True, holder, others, holder in offers
    if found["serves"]:
        _serve_models(found, offers)
    else:
        found["ask"] = [holder]
    return found


def _serve_models(found: Build, offers: Mapping[str, Offer]) -> None:
    found["models"] = list({model["sha256"]: model for each in offers.values() for model in each["models"]}.values())
    sums = {model["sha256"].lower() for model in found["models"]}
    found["found"] = {each: path for each, path in offers[found["builder"]]["has"].items() if each in sums}


def _known(offers: Mapping[str, Offer], addresses: Mapping[str, str]) -> str:
    """The host that is the builder already: its own record says so, or that of a host that trusts its registry."""
    return _holder(offers, addresses) or next((host for host, each in offers.items() if each["builder"]), "")


def _holder(offers: Mapping[str, Offer], addresses: Mapping[str, str]) -> str:
    """The host whose registry others trust already."""
    trusted = (each["registry"].rpartition(":")[0] for each in offers.values())
    return next((host for address in trusted if address for host, known in addresses.items() if known == address), "")


def _mib(each: Offer, unknown: int = 0) -> int:
    return unknown if each["free_mib"] is None else each["free_mib"]


def lines(build: Build, bundle: bool = False) -> list[str]:
    """What is going to be built, for a person."""
    if not build["builder"]:
        return []
    names, hosts = ", ".join(model["name"] for model in build["models"]), ", ".join(build["others"])
    if build["ask"] == [build["builder"]]:
        if build["unasked"]:
            return []
        what = "image that {} need" if build["profiles"] else "models that {} lack"
        return [f"{build['builder']}, which is not part of this run, is asked for the {what.format(hosts)}"]
    verb, origin, fetches = ("takes", FROM, "takes") if bundle else ("builds", "", "fetches")
    if not build["profiles"]:
        return [f"{build['builder']} {fetches} {names}{origin} once, and its registry serves it to {hosts}"]
    whose = f"for itself and {hosts}" if hosts else "for itself alone"
    found = [f"{build['builder']} {verb} the image of profile {', '.join(build['profiles'])}{origin}, {whose}"]
    if build["serves"]:
        fetched = f" and {fetches} {names}{origin} once" if names else ""
        found.append(f"{build['builder']} serves it to them by a registry of its own{fetched}")
    return found


def told(published: Mapping[str, Any], external: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The fact navilab_lab of what a builder's registry has (as registry_published says), or of references by tag at a
    registry of the user's own."""
    address = str(published.get("address") or "")
    images = {_recipe(tag): f"{address}/{IMAGES}@{digest}" for tag, digest in (published.get("images") or {}).items()}
    images.update({_recipe(tag): reference for tag, reference in (external or {}).items()})
    return {
        "registry": address,
        "ca": str(published.get("ca") or ""),
        "images": images,
        "models": list(published.get("models") or []),
        "at": time.time(),  # facts of the builder's from before do not know of it
    }


def as_told(build: Mapping[str, Any], told: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a run knows of its lab: who was chosen (empty: nobody was), and what the builder has told, if anything."""
    return {"builder": build.get("builder", ""), "problems": build.get("problems") or [], **(told or {})}


def failures(build: Mapping[str, Any], lab: Mapping[str, Any] | None, mirror: str = "") -> list[Check]:
    """Why a host that needs an image gets none; `lab` is what the builder has told, `mirror` whom the host asks in
    place of its registry: that one may serve what a registry has that is down, and the host's own plan asks it."""
    known = _webui_images.lab_of(as_told(build, lab))
    return [] if mirror and known["images"] else _webui_images.failures(known)


def _recipe(tag: str) -> str:
    return tag.rpartition("-")[2]


def asked(build: Mapping[str, Any], answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the builder outside of the run has, by the answers of the hosts that may be it; empty if none of them is,
    and one of the run's own hosts is to build."""
    answers = list(answers)
    for answer in answers:
        if answer.get("address") and answer.get("error"):
            evidence = f"its registry {answer['address']} does not serve: {answer['error']}"
            remedy = f"run without --limit, or with {answer['item']} in it, which mends it"
            return {**told(answer), "problems": [problem("registry_reachable", evidence, remedy)]}
        if answer.get("address"):
            return told(answer)
    if build["ask"] != [build["builder"]]:
        return {}
    builder = build["builder"]
    if build["unasked"]:
        evidence = f"{builder} is not part of this run, which reaches no other host"
        return {"problems": [problem("image_build", evidence, "run the site for this host from a controller")]}
    why = next((str(answer["msg"]) for answer in answers if answer.get("msg")), "")
    if any(answer.get("unreachable") for answer in answers):
        remedy = f"see that {builder} answers to ssh, or name another image_builder, then run again"
        return {"problems": [problem("builder_reachable", f"it can't be reached: {why}", remedy)]}
    evidence = "it is not part of this run, and has no registry of the lab"
    remedy = f"run without --limit, or with {builder} in it"
    return {"problems": [problem("image_build", f"{evidence}: {why}" if why else evidence, remedy)]}
