# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks stand on: a verdict, the case that it is about, and what several chapters say alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .._sysfs import UNKNOWN
from .._types import Board, Container, DeviceNode, DrmNode, Facts, KfdNode, Status, Wanted, WantedWebui

HIDDEN = (
    "the device cgroup of this container or unit hides the GPU: pass its render node on (--device={0}), "
    "or drop DevicePolicy= from the unit"
)
ACL = "logind's ACL for the user at the seat covers /dev/dri alone, never /dev/kfd"


class Verdict(NamedTuple):
    """What one check says. `reason` tells why it was skipped."""

    status: Status
    evidence: str = ""
    remedy: str = ""
    note: str = ""
    reason: str = ""


class Case:
    """A host's facts and what is wanted of them, with what several checks derive from both."""

    def __init__(self, facts: Facts, wanted: Wanted) -> None:
        self.facts = facts
        self.wanted = wanted
        self.complete = facts["complete"]
        self.kernel = tuple(facts["kernel"]["version"])
        self.boards: list[Board] = used_boards(facts["boards"], wanted.get("gpus"))
        self.left_out: list[Board] = [
            board for board in facts["boards"] if board["supported"] and board not in self.boards
        ]
        self.neighbours: list[Board] = [board for board in facts["boards"] if not board["supported"]]
        self.log = facts["kernel_log"]
        self.nodes: dict[int, KfdNode] = {node["index"]: node for node in facts["kfd"]["nodes"]}
        self.drm: dict[str, DrmNode] = {node["path"]: node for node in facts["drm"]}
        self.webuis: list[WantedWebui] = list(wanted.get("webuis") or [])
        # With the profile cpu everywhere the board is nobody's concern.
        self.without_board = bool(self.webuis) and all(webui.get("devices") == [] for webui in self.webuis)

    def container(self, webui: WantedWebui) -> Container | None:
        """The container of a webui."""
        return self.facts["docker"]["containers"].get(webui["name"])

    def each_board(self, evaluate: Callable[[Case, Board], Verdict]) -> Verdict:
        """One verdict over the boards that are used."""
        if not self.boards:
            return skipped("there is no supported board")
        return together([(board["bdf"], evaluate(self, board)) for board in self.boards])

    def each_webui(self, evaluate: Callable[[Case, WantedWebui], Verdict]) -> Verdict:
        """One verdict over the webuis asked for."""
        if not self.complete:
            return skipped(UNKNOWN)
        if not self.webuis:
            return skipped("no webui was asked for")
        return together([(webui["name"], evaluate(self, webui)) for webui in self.webuis])


class Row(NamedTuple):
    """A row of the table: causes are checks whose failure explains this one's."""

    id: str
    scope: str
    causes: tuple[str, ...]
    evaluate: Callable[[Case], Verdict]


def ok(evidence: str, note: str = "") -> Verdict:
    return Verdict("ok", evidence, note=note)


def failed(evidence: str, remedy: str, note: str = "") -> Verdict:
    return Verdict("failed", evidence, remedy, note)


def skipped(reason: str, evidence: str = "") -> Verdict:
    return Verdict("skipped", evidence, reason=reason)


def together(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """The worst of several verdicts, with the evidence of all that share it; each is named."""
    order: tuple[Status, ...] = ("failed", "ok", "skipped")
    for status in order:
        chosen = [(name, verdict) for name, verdict in verdicts if verdict.status == status]
        if chosen:
            break
    evidence = "; ".join(f"{name}: {verdict.evidence}" for name, verdict in chosen if verdict.evidence)
    notes = [f"{name}: {verdict.note}" for name, verdict in verdicts if verdict.note]
    remedies = dict.fromkeys(verdict.remedy for _name, verdict in chosen if verdict.remedy)
    reasons = dict.fromkeys(verdict.reason for _name, verdict in chosen if verdict.reason)
    return Verdict(status, evidence, "; ".join(remedies), "; ".join(notes), "; ".join(reasons))


def used_boards(boards: Iterable[Board], gpus: Sequence[str] | None = None) -> list[Board]:
    """The supported boards at these addresses; without a choice all but those that a virtual machine has, and these too
    where there is no other."""
    supported = [board for board in boards if board["supported"]]
    if gpus is not None:
        return [board for board in supported if board["bdf"] in gpus]
    return [board for board in supported if not board["held_by"]] or supported


def why_unused(board: Board, otherwise: str = "left out by webui_gpus or webui_gpus_exclude") -> str:
    """Why a supported board is not used."""
    whose = "program" if board["held_by"] == "uio_pci_generic" else "virtual machine"
    return f"held by {board['held_by']} for a {whose}" if board["held_by"] else otherwise


def named(items: Iterable[Board]) -> str:
    """The boards of a sentence."""
    return ", ".join(
        f"{board['name']} ({board['gfx_target'] or 'unknown target'}) at {board['bdf']}" for board in items
    )


def last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else ""


def unreadable_nodes(case: Case) -> str:
    """Which nodes can't be read, and why; empty if all can."""
    unreadable = [node for node in case.facts["kfd"]["nodes"] if not node["readable"]]
    why = "; ".join(dict.fromkeys(problem for node in unreadable for problem in node["problems"]))
    numbers = ", ".join(str(node["index"]) for node in unreadable)
    return f"node(s) {numbers} can't be read: {why or 'EPERM'}" if unreadable else ""


def unusable(node: DeviceNode | DrmNode) -> str:
    """Why the members of render can't use a device node; empty if they can."""
    mode = int(node["mode"] or "0", 8)
    if mode & 0o006 == 0o006:
        return ""
    if mode & 0o060 != 0o060:
        return f"has mode {node['mode']}, which shuts its group {node['group'] or node['gid']} out"
    if node["group"] not in ("render", "video"):
        return f"belongs to group {node['group'] or node['gid']} with mode {node['mode']}, not to render"
    return ""


def udev(subsystem: str, path: str) -> str:
    return (
        "take the rule that sets it out of /etc/udev/rules.d, then udevadm control --reload and udevadm trigger "
        f"--subsystem-match={subsystem} --action=add: Debian's own rule gives {path} to render with mode 0660"
    )
