# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image profile serves a board, and what its VRAM asks for. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._boards import LOWVRAM_BELOW_MIB, MEDVRAM_BELOW_MIB
from ansible_collections.navilab.webui.plugins.module_utils._types import Board, Check

from .._text import problem
from ._base import Settings

VRAM_FLAGS = ((LOWVRAM_BELOW_MIB, "--lowvram"), (MEDVRAM_BELOW_MIB, "--medvram"))
VRAM_CHOICES = {"low": ["--lowvram"], "medium": ["--medvram"], "none": []}


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
    if floor and kernel and kernel[:2] < _version(floor):
        return f"it is not established on kernels before {floor}, and this is {'.'.join(map(str, kernel))}"
    return ""


def choose_profile(
    board: Board | None,
    kernel: list[int],
    settings: Settings,
    tested: Callable[[str], dict[str, Any] | None] = lambda _profile: None,
) -> tuple[str, str, Check | None]:
    """(name, why, problem): the wanted profile, or for V(auto) the first of the order that fits and has an image.

    `tested` gives what is known of a profile's self-test on the board; one that failed it is not taken.
    """
    profiles, wanted = settings["profiles"], settings["profile"]
    for name in [*settings["profile_order"], *([wanted] if wanted != "auto" else [])]:
        if name not in profiles:
            remedy = f"use auto or one of {', '.join(sorted(profiles))}, or describe '{name}' in webui_profiles_extra"
            return "", "", problem("profile_known", f"there is no profile '{name}'", remedy)
    if wanted != "auto":
        why_not = misfit(profiles[wanted], board, [])  # a kernel that nobody has tried is the user's choice
        if why_not:
            remedy = "use webui_profile: auto, or a profile with code for this board"
            return wanted, "", problem("profile_fits", f"profile {wanted}: {why_not}", remedy)
        if not image_of(wanted, settings):
            remedy = f"name one in webui_images ({wanted}: reference) or webui_image, or use webui_profile: auto"
            return wanted, "", problem("image_reference", f"profile {wanted} has no image", remedy)
        failed = _failed_test(tested(wanted))
        return wanted, "set by webui_profile", _selftest_problem([failed]) if failed else None
    passed_over: list[str] = []
    failures: list[dict[str, Any]] = []
    for name in settings["profile_order"]:
        why_not = misfit(profiles[name], board, kernel) or ("" if image_of(name, settings) else "it has no image")
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
    remedy = (
        "name your image of a profile in webui_images (profile: reference), set webui_profile and webui_image, "
        "or let `navilab site` build it (webui_image_source: build)"
    )
    return "", "", problem("profile_fits", "; ".join(passed_over) or "webui_profile_order is empty", remedy)


def _failed_test(test: dict[str, Any] | None) -> dict[str, Any] | None:
    return test if test and not test["usable"] else None


def _selftest_problem(failures: list[dict[str, Any]]) -> Check:
    evidence = "; ".join(f"profile {test['profile']} on {test['board']}: {test['evidence']}" for test in failures)
    remedy = (
        f"{failures[0]['remedy']}. The result is kept until image, kernel, driver or board change: `navilab selftest`"
    )
    return problem("selftest", evidence, f"{remedy} asks again")


def image_of(profile: str, settings: Settings) -> str:
    """The reference of a profile's image; empty where nobody named one."""
    named = settings["image"] or settings["images"].get(profile) or settings["profiles"].get(profile, {}).get("image")
    return str(named or "")


def vram_flags(vram_mib: int | None, mode: str) -> list[str]:
    """--lowvram, --medvram or nothing by the board's VRAM in MiB; unknown VRAM counts as an 8 GB board."""
    if mode != "auto":
        return VRAM_CHOICES[mode]
    size = 8176 if vram_mib is None else vram_mib
    return next(([flag] for limit, flag in VRAM_FLAGS if size < limit), [])
