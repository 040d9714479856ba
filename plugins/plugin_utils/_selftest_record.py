# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image's self-test found on a board: evidence kept on the host, and when it still counts. Pure functions.

The record `selftest` has one entry a profile and board. It counts as long as image, kernel, driver and board are those
that it was made with; a new one of these asks again, nothing else does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._commands import run_site
from ansible_collections.navilab.webui.plugins.module_utils._driver import lines_of
from ansible_collections.navilab.webui.plugins.module_utils._types import Board, Facts, SelftestVerdict

RECORD = "selftest"
SCRIPT = "/opt/navilab/selftest.py"
SCHEMA = 1
BEFORE = "before"
"""What a slot's key ends in for the image that was tested before the present one."""
_KEPT = ("torch", "hip", "simulated", "seconds")
_DECISION = ("usable", "precision", "first_cause", "evidence", "remedy")


def slot(profile: str, bdf: str) -> str:
    """The record's key for a profile on a board."""
    return f"{profile} {bdf or 'cpu'}"


def made_with(host: Facts, board: Board | None, image: str) -> dict[str, Any]:
    """What the evidence stands for. An image without a digest is known by its id, once the host has it."""
    known = host["docker"]["images"].get(image)
    driver = host["driver"]
    return {
        "image": image.partition("@")[2] or (known["id"] if known else None),
        "kernel": host["kernel"]["release"],
        "driver": " ".join(filter(None, [driver["version"], driver["srcversion"]])),
        "board": f"{board['bdf']} {board['device_id']}:{board['revision']} {board['vram_mib']} MiB" if board else "",
    }


def kept(host: Facts, board: Board | None, profile: str, image: str) -> dict[str, Any] | None:
    """The entry that counts for this image on this board; None where there is none."""
    name, results = slot(profile, board["bdf"] if board else ""), results_of(host)
    for entry in (results.get(name), results.get(f"{name} {BEFORE}")):
        if isinstance(entry, dict) and _decides(entry) and entry.get("made_with") == made_with(host, board, image):
            return {**entry, "profile": profile, "simulated": bool(entry.get("simulated"))}
    return None


def with_results(host: Facts, found: Mapping[str, Any]) -> dict[str, Any]:
    """The record's entries with new ones. What another image came to before stays too, since a host may go back to
    it."""
    known = results_of(host)
    before = {
        f"{name} {BEFORE}": known[name]
        for name, entry in found.items()
        if name in known and known[name].get("image") != entry["image"]
    }
    return {**known, **before, **found}


def results_of(host: Facts) -> dict[str, Any]:
    """The record's entries by slot."""
    record: Any = host["records"].get(RECORD)
    results = record.get("results") if isinstance(record, dict) else None
    return (
        {name: entry for name, entry in results.items() if isinstance(entry, dict)} if isinstance(results, dict) else {}
    )


def _decides(found: Mapping[str, Any]) -> bool:
    """Whether this has the fields of a decision: records and results are what a host and an image say."""
    return (
        isinstance(found.get("usable"), bool)
        and all(isinstance(found.get(key), str) for key in ("evidence", "remedy"))
        and (found.get("precision") is None or isinstance(found["precision"], str))
        and (found.get("first_cause") is None or isinstance(found["first_cause"], dict))
    )


def parse(output: str) -> dict[str, Any] | None:
    """The self-test's JSON, the last line that is one."""
    for line in reversed(output.splitlines()):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("decision"), dict):
            continue
        if _decides(found["decision"]):
            return {**found, "decision": {key: found["decision"].get(key) for key in _DECISION}}
    return None


def entry_of(host: Facts, test: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a result; a hang comes with the kernel's words."""
    decision = dict(found["decision"])
    board = next((board for board in host["boards"] if board["bdf"] == test["bdf"]), None)
    others = [other for other in host["boards"] if not other["supported"]]
    resets = lines_of(host["kernel_log"]["resets"], board, others) if board else []
    if (decision["first_cause"] or {}).get("status") == "hang" and resets:
        decision["evidence"] += f"; the kernel says: {resets[-1]}"
    return {
        "made_with": made_with(host, board, test["image"]),
        "profile": test["profile"],
        "bdf": test["bdf"],
        "board": test["board_name"],
        "image": test["image"],
        **decision,
        **{name: found.get(name) for name in _KEPT},
    }


def is_evidence(decision: Mapping[str, Any]) -> bool:
    """A board whose memory is taken says nothing about the image."""
    cause = decision["first_cause"] or {}
    return bool(decision["usable"] or cause.get("status") != "oom")


def check(entry: Mapping[str, Any] | None, reason: str = "") -> SelftestVerdict:
    """The entry as a check's verdict; `reason` says why no test is wanted."""
    if reason or entry is None:
        reason = reason or f"not tested with this image, driver and board: {run_site('webui')}"
        return {"status": "skipped", "evidence": "", "remedy": "", "note": "", "reason": reason}
    precision = f"{entry['precision']} precision, " if entry["usable"] else ""
    simulated = " (simulated)" if entry["simulated"] else ""
    return {
        "status": "ok" if entry["usable"] else "failed",
        "evidence": f"profile {entry['profile']}: {precision}{entry['evidence']}{simulated}",
        "remedy": entry["remedy"] if not entry["usable"] else "",
        "note": "",
        "reason": "",
    }
