# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which boards of a host get a webui, and which number each webui has. Pure functions.

A number decides name, port and data directory. It stays with its board: another one that is left out, or comes back,
moves nobody. The record keeps it, and so does the label of the board's container; a board that is new takes the lowest
number that no board of the host has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._checks._base import named, used_boards, why_unused
from ansible_collections.navilab.webui.plugins.module_utils._pci import normal_bdf
from ansible_collections.navilab.webui.plugins.module_utils._types import Board, Check, Facts

from .._text import problem
from ._base import Settings
from ._webui_container import BOARD_LABEL, SPEC_LABEL

ALL, FIRST = "all", "first"
_WRITE = "write all, first, or addresses as lspci -D shows them, each in quotes: ['0000:0a:00.0']"


class Choice(NamedTuple):
    """The boards that get a webui, the supported ones that get none, each with the reason, and what is wrong with what
    the variables say."""

    used: list[Board]
    left_out: list[tuple[Board, str]]
    problems: list[Check]


def choose(facts: Facts, settings: Settings) -> Choice:
    """What webui_gpus and webui_gpus_exclude come to on a host."""
    supported = [board for board in facts["boards"] if board["supported"]]
    word, gpus, problems = _gpus(facts, settings["gpus"])
    _word, excluded, more = _gpus(facts, settings["gpus_exclude"], "webui_gpus_exclude")
    problems += more
    candidates = [board for board in supported if (word or board["bdf"] in gpus) and board["bdf"] not in excluded]
    if supported and not candidates and not problems:
        evidence = f"webui_gpus and webui_gpus_exclude leave none of {named(supported)}"
        problems.append(problem("variables", evidence, "leave one, or draw on the processor with webui_profile: cpu"))
    # Of boards that are named, one that a guest holds is a problem, not a board to be left out.
    used = used_boards(candidates) if word else candidates
    used = used[:1] if word == FIRST else used
    held = [board["bdf"] for board in used if board["held_by"]]
    if held:
        wanted = _checks.evaluate(facts, {"only": ["driver_bound"], "gpus": held, "waive": settings["waive"]})
        problems += [check for check in wanted if check["status"] == "failed"]
    whose = "webui_gpus_exclude" if word == ALL else "webui_gpus"
    left_out = [
        (board, why_unused(board, f"left out by {'webui_gpus_exclude' if board['bdf'] in excluded else whose}"))
        for board in supported
        if board not in used
    ]
    return Choice(used, left_out, problems)


def _gpus(facts: Facts, value: Any, variable: str = "webui_gpus") -> tuple[str, list[str], list[Check]]:
    """(all, first or "", addresses, problems) of a variable's value. What is wrong leaves `all`, so that the rest of
    the host can be judged."""
    items = value if isinstance(value, (list, tuple)) else [item.strip() for item in str(value).split(",")]
    excludes = variable != "webui_gpus"
    if not excludes and items in ([ALL], [FIRST]) and isinstance(value, str):
        return items[0], [], []
    problems: list[Check] = []
    if not items and not excludes:
        return ALL, [], [problem("variables", f"{variable} is empty", f"{_WRITE}; or webui_profile: cpu")]
    found: list[str] = []
    for item in items:
        bdf = normal_bdf(item) if isinstance(item, str) else None
        if bdf is None:
            problems.append(_malformed(facts, variable, item))
        elif bdf not in found:
            found.append(bdf)
            problems += _unknown(facts, variable, bdf)
    return (ALL if problems and not excludes else ""), found, problems


def _malformed(facts: Facts, variable: str, item: Any) -> Check:
    number = re.fullmatch(r"\d+(?:\.\d+)?", str(item))
    why = ": YAML takes an address without letters, like 0000:03:00.0, for a number" if number else ""
    return problem("variables", f"{variable}: {item!r} is no PCI address{why}", f"{_WRITE}; {_here(facts)}")


def _unknown(facts: Facts, variable: str, bdf: str) -> list[Check]:
    board = next((board for board in facts["boards"] if board["bdf"] == bdf), None)
    if board is None:
        evidence = f"{variable} names {bdf}, where this host has no AMD board; {_here(facts)}"
        return [problem("board_present", evidence, f"correct {variable}, or see to that board: lspci -nn -d 1002:")]
    if not board["supported"] and variable == "webui_gpus":
        evidence = f"{variable} names {bdf}, {board['name']}: {board['unsupported_reason']}; {_here(facts)}"
        return [problem("board_supported", evidence, f"name a board that is supported in {variable}")]
    return []


def _here(facts: Facts) -> str:
    return f"here are {named(facts['boards'])}" if facts["boards"] else "here is no AMD board at all"


def numbers(facts: Facts, settings: Settings, boards: Sequence[Board]) -> dict[str, int]:
    """The number of each board's webui, from 1, by address."""
    known = _known_numbers(facts, settings)
    present = {board["bdf"] for board in facts["boards"] if board["supported"]}
    found = {board["bdf"]: known[board["bdf"]] for board in boards if board["bdf"] in known}
    taken = {number for bdf, number in known.items() if bdf in present}
    for board in boards:
        if board["bdf"] not in found:
            found[board["bdf"]] = next(number for number in range(1, len(taken) + 2) if number not in taken)
            taken.add(found[board["bdf"]])
    return found


def _known_numbers(facts: Facts, settings: Settings) -> dict[str, int]:
    """What the record says, and of boards that it lacks the containers that are there; each number once."""
    kept = (facts["records"].get("webui") or {}).get("boards")
    found: dict[str, int] = {}
    for bdf, number in kept.items() if isinstance(kept, dict) else ():
        if number.__class__ is int and number > 0 and number not in found.values():
            found[bdf] = number
    for name, container in facts["docker"]["containers"].items():
        number = number_of(name, settings["name"])
        bdf = str((container or {"labels": {}})["labels"].get(BOARD_LABEL) or "")
        ours = container and SPEC_LABEL in container["labels"]
        if ours and bdf and number and bdf not in found and number not in found.values():
            found[bdf] = number
    return found


def suffix(number: int) -> str:
    """What a webui's name and directory end in."""
    return "" if number == 1 else f"-{number}"


def number_of(name: str, stem: str) -> int | None:
    """The number in the name of a webui's container; None for another one's."""
    match = re.fullmatch(re.escape(stem) + r"(?:-([2-9]|[1-9][0-9]+))?", name)
    return int(match[1] or 1) if match else None


def remembered(facts: Facts, settings: Settings, given: dict[str, int]) -> dict[str, int]:
    """What the record is to say: the numbers that are given, and those of boards that are left out or away."""
    known = _known_numbers(facts, settings)
    rest = {bdf: number for bdf, number in known.items() if bdf not in given and number not in given.values()}
    return dict(sorted({**rest, **given}.items()))
