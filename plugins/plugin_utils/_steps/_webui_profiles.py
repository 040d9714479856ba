# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image profile serves a board, and what its VRAM asks for. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._boards import LOWVRAM_BELOW_MIB, MEDVRAM_BELOW_MIB
from ansible_collections.navilab.webui.plugins.module_utils._commands import command
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import flags_of
from ansible_collections.navilab.webui.plugins.module_utils._types import Board, Check, Facts

from .._text import problem
from ._base import Settings
from ._webui_images import Image

VRAM_FLAGS = ((LOWVRAM_BELOW_MIB, "--lowvram"), (MEDVRAM_BELOW_MIB, "--medvram"))
VRAM_CHOICES = {"low": ["--lowvram"], "medium": ["--medvram"], "none": []}
REQUIRES: Mapping[str, tuple[type, str]] = {
    "uid": (int, "a number"),
    "sudo": (bool, "true or false"),
    "writable_root": (bool, "true or false"),
    "user_namespaces": (bool, "true or false"),
    "kernel_min": (str, "a version in quotes, like '5.15'"),
    "memory_min_mib": (int, "a number of MiB"),
}
"""What a profile may require of the host and of the engine's settings, and what a value has to be."""


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)[:2]]


def misfit(profile: dict[str, Any], board: Board | None, kernel: list[int]) -> str:
    """Why a profile can't serve a board under a kernel ([major, minor]; empty if unknown); empty where it can."""
    if not profile.get("gpu", True):
        return ""
    if board is None:
        return "it needs a board"
    if board["gfx_target"] not in profile.get("gfx_targets", []):
        return f"it has no code for {board['gfx_target']}"
    floor = profile.get("kernel_min", "")
    if floor and kernel and kernel[:2] < _version(str(floor)):
        return f"it is not established on kernels before {floor}, and this is {'.'.join(map(str, kernel))}"
    return ""


def requires_of(profile: Mapping[str, Any]) -> dict[str, Any]:
    """What a profile requires, as far as it can be judged."""
    requires = profile.get("requires")
    found = requires.items() if isinstance(requires, Mapping) else ()
    return {key: value for key, value in found if key in REQUIRES and _is(value, REQUIRES[key][0])}


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def requirement_problems(profiles: Mapping[str, Any]) -> list[Check]:
    """What profiles require that can't be judged, as a user may have written it."""
    problems = []
    for name, profile in profiles.items():
        requires = profile.get("requires") or {}
        where = f"profile {name} of webui_profiles_extra"
        if not isinstance(requires, Mapping):
            problems.append(problem("variables", f"{where}: requires is {requires!r}", f"write a dict of {_KEYS}"))
            continue
        for key, value in requires.items():
            if key not in REQUIRES:
                problems.append(problem("variables", f"{where} requires {key!r}", f"there are {_KEYS}"))
                continue
            kind, form = REQUIRES[key]
            if not _is(value, kind):
                problems.append(problem("variables", f"{where} requires {key}: {value!r}", f"write {form}"))
    return problems


_KEYS = ", ".join(REQUIRES)


def unmet(facts: Facts, settings: Settings, profile: Mapping[str, Any]) -> tuple[str, str]:
    """(why, remedy) where the host, or its engine's settings, are not what a profile's image requires; else empty."""
    requires, user = requires_of(profile), facts["user"]
    engine = {**(facts["docker"]["config"] or {}), **settings["daemon"]}
    engine.update(flags_of(facts["docker"]["unit"]["arguments"]))  # dockerd starts with no key that is in both
    uid, known = requires.get("uid"), user["uid"] if user else None
    if uid is not None and known is not None and uid != known:
        return (
            f"it works as UID {uid} alone, and {settings['user']} is {known}",
            f"set navilab_user to the account with UID {uid}, or name an image that works as any user in webui_images",
        )
    if requires.get("sudo") and _on(engine.get("no-new-privileges")):
        return (
            "it needs sudo inside, and the engine's setting no-new-privileges forbids it to all containers",
            "take no-new-privileges out of daemon.json, docker_engine_daemon and the unit, or use another image",
        )
    if requires.get("user_namespaces") is False and _on(engine.get("userns-remap")):
        return (
            f"it can't work with the engine's userns-remap ({engine['userns-remap']}): in the container, the numbers "
            "of users and of the GPU's groups are none of the host's",
            "take userns-remap out of daemon.json, docker_engine_daemon and the unit",
        )
    kernel, least = facts["kernel"]["version"], requires.get("kernel_min")
    if least and kernel and kernel[:2] < _version(least):
        return (
            f"it needs kernel {least} or newer, and this is {'.'.join(map(str, kernel))}",
            "boot a newer kernel (apt-get install linux-image-amd64 of this release or its backports)",
        )
    return _without_memory(facts, settings, requires.get("memory_min_mib"))


def _without_memory(facts: Facts, settings: Settings, least: int | None) -> tuple[str, str]:
    total, limit = facts["memory"]["total_mib"], int(settings["memory_mib"])
    if least and limit and limit < least:
        return (
            f"it needs {least} MiB of memory, and webui_memory_mib is {limit}",
            "raise webui_memory_mib, or let it be 0",
        )
    if least and total is not None and total < least:
        return f"it needs {least} MiB of memory, and the host has {total}", "fit memory"
    return "", ""


def _on(value: Any) -> bool:
    return str(value or "").lower() not in ("", "false", "0")


def choose_profile(
    board: Board | None,
    kernel: list[int],
    settings: Settings,
    image: Callable[[str], Image],
    tested: Callable[[str], dict[str, Any] | None] = lambda _profile: None,
    lacking: Callable[[str], tuple[str, str]] = lambda _profile: ("", ""),
) -> tuple[str, str, Check | None]:
    """(name, why, problem): the wanted profile, or for V(auto) the first of the order that fits and has an image, or
    one that can be built.

    `image` gives a profile's image, `tested` what is known of its self-test on the board; one that failed it is not
    taken. `lacking` gives what the host lacks of what a profile requires, and the remedy.
    """
    profiles, wanted = settings["profiles"], settings["profile"]
    for name in [*settings["profile_order"], *([wanted] if wanted != "auto" else [])]:
        if name not in profiles:
            remedy = f"use auto or one of {', '.join(sorted(profiles))}, or describe '{name}' in webui_profiles_extra"
            return "", "", problem("profile_known", f"there is no profile '{name}'", remedy)
    if wanted != "auto":
        why_not = misfit(profiles[wanted], board, [])  # a kernel that nobody has tried is the user's choice
        if why_not:
            return wanted, "", problem("profile_fits", f"profile {wanted}: {why_not}", _fitting(board, settings))
        why_not, remedy = lacking(wanted)
        if why_not:
            return wanted, "", problem("profile_fits", f"profile {wanted}: {why_not}", remedy)
        if why_not := image(wanted).why_not:
            return (
                wanted,
                "",
                problem("image_reference", f"profile {wanted}: {why_not}", _image_remedy(settings, wanted)),
            )
        failed = _failed_test(tested(wanted))
        return wanted, "set by webui_profile", _selftest_problem([failed]) if failed else None
    passed_over: list[str] = []
    remedies: list[str] = []
    failures: list[dict[str, Any]] = []
    for name in settings["profile_order"]:
        why_not = misfit(profiles[name], board, kernel) or image(name).why_not
        if not why_not:
            why_not, remedy = lacking(name)
            remedies += [remedy] if why_not and remedy not in remedies else []
        failed = None if why_not else _failed_test(tested(name))
        if failed:
            failures.append(failed)
            why_not = f"its self-test says {failed['evidence']}"
        if not why_not:
            fits = f"first that fits {board['gfx_target'] if board else 'a host without board'}"
            return name, "; ".join([fits, *passed_over]), None
        passed_over.append(f"not {name}: {why_not}")
    if failures:
        return "", "", _selftest_problem(failures)
    evidence = "; ".join(passed_over) or "webui_profile_order is empty"
    return "", "", problem("profile_fits", evidence, "; or ".join([*remedies, _image_remedy(settings)]))


def _fitting(board: Board | None, settings: Settings) -> str:
    """What to choose in place of a profile that can't serve a board; never `auto` where that finds nothing either."""
    fit = [name for name in settings["profile_order"] if not misfit(settings["profiles"][name], board, [])]
    if not fit:
        return "draw on the processor with webui_profile: cpu"
    return f"use webui_profile: auto, or a profile with code for this board: {', '.join(fit)}"


def _failed_test(test: dict[str, Any] | None) -> dict[str, Any] | None:
    return test if test and not test["usable"] else None


def _selftest_problem(failures: list[dict[str, Any]]) -> Check:
    evidence = "; ".join(f"profile {test['profile']} on {test['board']}: {test['evidence']}" for test in failures)
    remedy = (
        f"{failures[0]['remedy']}. The result is kept until image, kernel, driver or board change: "
        f"{command('selftest')}"
    )
    return problem("selftest", evidence, f"{remedy} asks again")


def _image_remedy(settings: Settings, profile: str = "PROFILE") -> str:
    """How a profile comes to an image: by a name, or by being built."""
    name = f"name an image that you have in webui_images ({profile}: REFERENCE)"
    return f"set webui_image_source: auto, which builds it; or {name}" if settings["image_source"] == "pull" else name


def vram_flags(vram_mib: int | None, mode: str) -> list[str]:
    """--lowvram, --medvram or nothing by the board's VRAM in MiB; unknown VRAM counts as an 8 GB board."""
    if mode != "auto":
        return VRAM_CHOICES[mode]
    size = 8176 if vram_mib is None else vram_mib
    return next(([flag] for limit, flag in VRAM_FLAGS if size < limit), [])
