# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the results of a run say about each host: its causes and its rows of the table.

Pure. `start` and `fold` take a host's tasks and results in the order in which they come, `conclude` takes Ansible's own
recap, which alone knows what a rescue took back. The callback navilab.webui.report and the driver both read this.

Whatever a host says goes through `clean` on its way out, and stands on an indented line or in a cell.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ansible_collections.navilab.webui.plugins.module_utils._commands import command
from ansible_collections.navilab.webui.plugins.module_utils._types import Check
from ansible_collections.navilab.webui.plugins.plugin_utils import _access
from ansible_collections.navilab.webui.plugins.plugin_utils._access import BLAND, CONNECT, WRAPPING
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean, clean_lines, problem_lines

Kind = Literal["ok", "ignored", "failed", "unreachable"]
"""How a task ended; `ignored` is a failure that the play does not count, a skipped task is `ok`."""

PLAN = "navilab.webui.plan"
HEADER = ("HOST", "BOARD", "VRAM", "PROFILE", "URL", "RESULT")
CHECKS_HEADER = ("HOST", "CHECK", "STATUS", "EVIDENCE")
SELFTEST_HEADER = ("HOST", "BOARD", "PROFILE", "IMAGE", "PRECISION", "RESULT")
CHANGE_HEADER = ("HOST", "WEBUI", "FROM", "TO", "WITHOUT AN ANSWER")
LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1"})
IDS = 3
"""So many failed checks are named in a cell."""
WIDTH = 60
"""So many characters of a message fit into a cell."""
EVIDENCE = 24
"""Columns that are enough for a check's evidence."""
TAIL = 15
"""So many last lines of what a program printed hold its cause."""

_COMMAND = re.compile(r"\A'[^\n]*?' failed: ")
"""ansible.builtin.apt's command line, before what apt said."""


@dataclass(frozen=True)
class Step:
    """A task and where it belongs: its role, or its play outside of roles."""

    role: str = ""
    task: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.role, self.task)))


@dataclass(frozen=True)
class Failure:
    """A task that failed or could not reach its host. `checks` name the cause; there are none where none foresaw it.
    `access` tells that they are of Ansible's way to the host, whoever's task it was."""

    step: Step
    message: str
    checks: tuple[Check, ...] = ()
    unreachable: bool = False
    access: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """The cause, whole: a line a check with its remedy, else the message."""
        if self.checks:
            return tuple(problem_lines({**check, "id": clean(check["id"])} for check in self.checks))
        return tuple(self.message.splitlines())

    @property
    def gist(self) -> str:
        """The message's one line for a cell."""
        if self.unreachable and self.checks:
            return shorten(self.checks[0]["evidence"])
        rows = [row for row in self.message.splitlines() if row]
        text = WRAPPING.sub("", rows[-1] if BLAND.search(rows[0]) else rows[0])
        return shorten(_COMMAND.sub("", CONNECT.sub("", text)))


@dataclass(frozen=True)
class Board:
    """A GPU of a host, whether a webui has it or not."""

    name: str
    vram_mib: int | None


@dataclass(frozen=True)
class Instance:
    """A webui as its plan has it. `untested` says why its self-test was left out, `aside` is an image that it would
    have but for what happened with it on its host."""

    board: str
    vram_mib: int | None
    profile: str
    url: str
    untested: str = ""
    aside: str = ""


@dataclass(frozen=True)
class Selftest:
    """What an image computed on a board, as the host keeps it."""

    board: str
    profile: str
    image: str
    precision: str
    usable: bool
    evidence: str
    simulated: bool


@dataclass(frozen=True)
class Change:
    """A webui whose container gave way to another one, or came `back` since that was no good. `downtime` is in
    seconds."""

    name: str
    old: str
    new: str
    downtime: int | None
    back: bool


@dataclass(frozen=True)
class HostReport:
    """What is known of a host. `checks` is its last verification, `planned` whether a plan was asked for, `applied`
    whether a step was begun, `removing` whether all that was planned was to take something out, `cut` what of the
    webuis' work was ended, `rescued` what `conclude` found to have been taken back."""

    name: str
    step: Step = field(default_factory=Step)
    planned: bool = False
    gathered: bool = False
    applied: bool = False
    removing: bool = False
    selftested: bool = False
    plans: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    boards: tuple[Board, ...] = ()
    instances: tuple[Instance, ...] = ()
    selftests: tuple[Selftest, ...] = ()
    changes: tuple[Change, ...] = ()
    cut: tuple[str, ...] = ()
    reboot: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    failures: tuple[Failure, ...] = ()
    rescued: tuple[Failure, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether the checks were evaluated, none failed, and no task after them."""
        return bool(self.checks) and not self.failures and not _failed(self.checks)

    @property
    def unreachable(self) -> bool:
        """Whether nothing but its being out of reach stopped it."""
        return bool(self.failures) and all(failure.unreachable for failure in self.failures)

    @property
    def waits_for_reboot(self) -> bool:
        """Whether nothing but a reboot that is due stopped it."""
        causes = [check["id"] for failure in self.failures for check in failure.checks]
        return set(causes) == {"reboot_required"} and all(failure.checks for failure in self.failures)

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """The last verification, and what stopped the host beside it."""
        more = [check for failure in self.failures for check in failure.checks if check not in self.checks]
        return self.checks + tuple(more)

    @property
    def shown(self) -> bool:
        """Whether it is one of the lab's hosts, and not the controller at work for them."""
        return bool(self.planned or self.failures or self.checks or self.name not in LOCALHOST)

    @property
    def result(self) -> str:
        """How it ended, in a cell's words."""
        if self.failures:
            return _failed_result(self.failures)
        if failed := _failed(self.checks):
            return f"not verified: {_ids(failed)}"
        if self.checks:
            waived = sum(check["status"] == "waived" for check in self.checks)
            return ", ".join(["verified", *([f"{waived} waived"] if waived else []), *map(clean, self.reboot)])
        if self.gathered:
            if self.removing:
                due = any(plan.get("actions") for plan in self.plans.values())
                return "removed" if self.applied else "planned, not removed" if due else "nothing to remove"
            return "applied, not verified" if self.applied else "planned, not verified"
        return f"lost: nothing came from it after: {self.step.task}" if self.step.task else "lost: nothing came from it"


def step_of(role: object, play: object, task: object) -> Step:
    """A step by the names that Ansible has; a role goes by its short one."""
    return Step(clean(str(role or "").rpartition(".")[2] or play or ""), clean(task or ""))


def start(report: HostReport, step: Step, action: str = "") -> HostReport:
    """The host's next task begins."""
    return replace(report, step=step, planned=report.planned or action == PLAN)


def fold(report: HostReport, step: Step, kind: Kind, result: Mapping[str, Any]) -> HostReport:
    """What a result adds to a host."""
    report = _with_plan(replace(report, step=step), kind, result)
    if kind in ("failed", "unreachable"):
        away = kind == "unreachable"
        known = _failed(_all_checks(result))
        found = known or _access_checks({**result, "unreachable": True} if away else result, report.name)
        failure = Failure(step, message_of(result), found, unreachable=away, access=not known)
        return replace(report, failures=(*report.failures, failure))
    return report


def conclude(report: HostReport, failures: int, unreachable: int) -> HostReport:
    """The host after the run, by the recap's counters: the last `failures` count, those before them were rescued."""
    known = report.failures
    failed = [index for index, failure in enumerate(known) if not failure.unreachable]
    away = [index for index, failure in enumerate(known) if failure.unreachable]
    if failures and not failed:
        report, known = replace(report, failures=()), (*known, Failure(report.step, "failed without a message"))
        failed = [len(known) - 1]
    final = {*_last(failed, failures), *_last(away, unreachable)}
    return replace(
        report,
        failures=tuple(known[index] for index in sorted(final)),
        rescued=tuple(known[index] for index in failed if index not in final),
    )


def message_of(result: Mapping[str, Any]) -> str:
    """Why a result failed, whole, cleaned line by line: its message, and what was printed where that says more; of a
    loop, each item's by its label."""
    items = _failed_items(result)
    if items:
        labels = (item.get("_ansible_item_label", item.get("item", "")) for item in items)
        return "\n".join(f"{shorten(text_of(label))}: {message_of(item)}" for label, item in zip(labels, items))
    text = clean_lines(text_of(next(filter(None, map(result.get, ("msg", "reason", "censored"))), "")))
    keys = ["module_stderr", "stderr"]
    if not text or BLAND.search(text):
        keys += ["module_stdout", "stdout"]  # all that there is
    printed = next((rows for key in keys if (rows := clean_lines(text_of(result.get(key) or "")).strip())), "")
    if printed and printed not in text:
        text += "\n" + "\n".join(printed.splitlines()[-TAIL:])
    return "\n".join(row for row in text.splitlines() if row) or "failed without a message"


def causes(reports: Iterable[HostReport]) -> list[str]:
    """The lines that say why hosts failed, each once; only those of ours stand at the margin."""
    return [line for report in reports if report.failures for line in _causes(report)]


def is_ours(reports: Iterable[HostReport]) -> bool:
    """Whether a run had to do with this collection, so that somebody else's playbook keeps its own end."""
    return any(
        report.planned or report.checks or any(cause.checks and not cause.access for cause in report.failures)
        for report in reports
    )


def tables(reports: Iterable[HostReport], width: int | None = None) -> str:
    """The table that the run is about; empty where nothing was planned. `width` is that of a terminal."""
    shown = [report for report in reports if report.shown]
    if any(report.selftested for report in shown):
        return selftest_table(shown, width)
    parts = [table(shown, width)] if any(report.planned or report.checks for report in shown) else []
    changes = [(report.name, change) for report in shown for change in report.changes]
    return "\n\n".join([*parts, *([_lay_out([CHANGE_HEADER, *_change_rows(changes)], width)] if changes else [])])


def ways(reports: Iterable[HostReport]) -> list[str]:
    """How to reach the webuis of the hosts that are good."""
    return [clean(line) for report in reports if report.verified and not report.selftested for line in report.reach]


def remarks(reports: Iterable[HostReport]) -> list[str]:
    """What is waived and what is worth knowing on hosts that are as they should be, and what was ended on any, each
    once with its hosts."""
    found: dict[str, list[str]] = {}
    for report in reports:
        aside = dict.fromkeys(_short(instance.aside) for instance in report.instances if instance.aside)
        said = [
            f"{image} is set aside; {command('plan')} says why, {command('upgrade')} tries it again" for image in aside
        ]
        for text in (*report.cut, *((*report.remarks, *said) if report.verified else ())):
            found.setdefault(text, []).append(report.name)
    return [f"{', '.join(map(clean, hosts))}: {text}" for text, hosts in found.items()]


def table(reports: Iterable[HostReport], width: int | None = None) -> str:
    """One row a webui, or a host that has none."""
    return _lay_out([HEADER, *(row for report in reports for row in _rows(report))], width)


def selftest_table(reports: Iterable[HostReport], width: int | None = None) -> str:
    """One row a tested image and board."""
    return _lay_out([SELFTEST_HEADER, *(row for report in reports for row in _selftest_rows(report))], width)


def checks_table(reports: Iterable[HostReport], width: int | None = None) -> str:
    """One row a check, whole; on a terminal the evidence goes on below itself."""
    rows: list[tuple[str, ...]] = [CHECKS_HEADER]
    rows += [
        (report.name, check["id"], check["status"], check["reason"] or check["evidence"])
        for report in reports
        for check in report.all_checks
    ]
    cells = [tuple(map(clean, row)) for row in rows]
    left = (width or 0) - sum(max(map(len, column)) + 2 for column in list(zip(*cells))[:-1])
    if left < EVIDENCE:
        return _lay_out(cells, width)
    wrapped = [(row[:-1], textwrap.wrap(row[-1], left) or [""]) for row in cells]
    return _lay_out(
        [(*(first if not n else [""] * 3), line) for first, lines in wrapped for n, line in enumerate(lines)]
    )


def counted(checks: Iterable[Check]) -> str:
    """How many checks ended how: `30 checks passed, 1 failed, 2 skipped`."""
    statuses = [check["status"] for check in checks]
    more = [f"{statuses.count(word)} {word}" for word in ("failed", "waived", "skipped") if word in statuses]
    return ", ".join([f"{statuses.count('ok')} checks passed", *more])


def shorten(text: str, width: int = WIDTH) -> str:
    """One clean line of at most `width` characters."""
    line = clean(text)
    return line if len(line) <= width else line[: width - 3].rstrip() + "..."


def text_of(value: object) -> str:
    """What a result holds, as text: strings as they are, lists as lines, all else as JSON. Not cleaned."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(map(text_of, value))
    return json.dumps(value, indent=2, sort_keys=True, default=str)


def _with_plan(report: HostReport, kind: Kind, result: Mapping[str, Any]) -> HostReport:
    state = _mapping(_mapping(result.get("ansible_facts")).get("navilab"))
    plans, boards = _mapping(state.get("plans")), _mappings(state.get("boards"))
    partial = bool(state.get("partial"))  # checks in the middle of a run are no verification
    stated = () if partial else _checks(state.get("checks"))
    checks = stated or (() if partial else _checks(result.get("checks")))
    if kind != "ok" and not stated and _failed(checks) == checks:
        checks = ()  # problems that stop a plan are no verification
    if state:
        report = replace(
            report,
            gathered=True,
            plans={**report.plans, **{name: _mapping(plan) for name, plan in plans.items()}},
            removing=bool(state.get("removing")),
            boards=tuple(Board(str(each.get("name")), _whole(each.get("vram_mib"))) for each in boards),
            selftests=_selftests(state),
        )
    if serves := _mappings(result.get("serves")):  # of a plan that failed, which takes no facts along
        report = replace(
            report,
            boards=report.boards
            or tuple(Board(str(each.get("board_name")), _whole(each.get("vram_mib"))) for each in serves),
            instances=tuple(_instance(each) for each in serves if each.get("name")) or report.instances,
        )
    if "webui" in plans:
        report = replace(report, instances=tuple(map(_instance, _mappings(_mapping(plans["webui"]).get("instances")))))
    if "reboot" in plans:
        report = replace(report, reboot=tuple(map(str, _sequence(_mapping(plans["reboot"]).get("actions")))))
    return replace(
        report,
        changes=_changes(report.changes, result),
        cut=report.cut + _cut(result),
        planned=report.planned or bool(state),
        applied=report.applied or bool(state.get("applied")),
        # A role that verifies has said them by itself.
        remarks=() if result.get("applies") else _remarks(stated) or report.remarks,
        reach=tuple(map(str, _sequence(state.get("reach")))) or report.reach,
        selftested=report.selftested or bool(result.get("selftested")),
        checks=checks or report.checks,
    )


def _changes(known: tuple[Change, ...], result: Mapping[str, Any]) -> tuple[Change, ...]:
    """Those of a host with what webui_swap says; what came back is without an answer until webui_ready has one."""
    new = tuple(
        Change(
            str(each.get("name")), str(each["from"]), str(each["to"]), _whole(each.get("downtime")), bool(each["back"])
        )
        for each in _mappings(result.get("swaps"))
        if {"from", "to", "back"} <= set(each)
    )
    waited = {
        str(_mapping(item.get("item")).get("name")): _whole(item.get("seconds")) or 0
        for item in _mappings(result.get("results"))
        if "previous" in _mapping(item.get("item")) and item.get("ready")
    }
    return new + tuple(
        replace(each, downtime=each.downtime + waited[each.name])
        if each.back and each.downtime is not None and each.name in waited
        else each
        for each in known
        if each.name not in {change.name for change in new}
    )


def _cut(result: Mapping[str, Any]) -> tuple[str, ...]:
    """The pictures that webui_swap has waited for in vain."""
    return tuple(
        f"{clean(str(each.get('name')))} was drawing still after {_whole(each.get('waited'))} s "
        "(webui_drain_timeout): its picture was stopped"
        for each in _mappings(result.get("swaps"))
        if each.get("drawing") is True
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _remarks(checks: Iterable[Check]) -> tuple[str, ...]:
    waived = [f"{check['id']} is waived: {check['reason']}" for check in checks if check["status"] == "waived"]
    return tuple(map(clean, [*waived, *(f"{check['id']}: {check['note']}" for check in checks if check["note"])]))


def _instance(plan: Mapping[str, Any]) -> Instance:
    selftest, vram = _mapping(plan.get("selftest")), plan.get("vram_mib")
    return Instance(
        board=str(plan.get("board_name") or "-"),
        vram_mib=vram if isinstance(vram, int) else None,
        profile=str(plan.get("profile") or "-"),
        url=str(plan.get("url") or "-"),
        untested=str(selftest.get("reason") or "skipped") if selftest.get("status") == "skipped" else "",
        aside=str(plan.get("aside") or ""),
    )


def _selftests(state: Mapping[str, Any]) -> tuple[Selftest, ...]:
    record = _mapping(state.get("selftests"))
    return tuple(
        Selftest(
            board=str(entry.get("board") or "-"),
            profile=str(entry.get("profile") or "-"),
            image=_short(str(entry.get("image") or "-")),
            precision=str(entry.get("precision") or "-"),
            usable=bool(entry.get("usable")),
            evidence=str(entry.get("evidence") or ""),
            simulated=bool(entry.get("simulated")),
        )
        for entry in _mapping(record.get("results")).values()
        if isinstance(entry, Mapping)
    )


def _short(image: str) -> str:
    """The name without its registry, and the first digits of its digest."""
    name, _at, digest = image.partition("@sha256:")
    return name.rpartition("/")[2] + (f"@{digest[:12]}" if digest else "")


def _failed_result(failures: Sequence[Failure]) -> str:
    first = next((failure for failure in failures if not failure.unreachable), failures[0])
    if first.unreachable:
        return f"unreachable: {first.gist}"
    if not first.checks:
        return f"failed: {first.step.task}: {first.gist}"
    return f"failed: {_ids(check for failure in failures if not failure.unreachable for check in failure.checks)}"


def _ids(checks: Iterable[Check]) -> str:
    ids = list(dict.fromkeys(clean(check["id"]) for check in checks))
    return ", ".join(ids[:IDS]) + (f" and {len(ids) - IDS} more" if len(ids) > IDS else "")


def _causes(report: HostReport) -> list[str]:
    lines = []
    if not any(failure.checks for failure in report.failures):
        # What a rescue could not mend began with this, and no check says so.
        lines += [line for failure in report.rescued for line in _indented(failure, "before it, rescued: ")]
    lines += [line for failure in report.failures for line in _indented(failure)]
    state = "unreachable" if report.unreachable else "failed"
    return [f"{clean(report.name)}: {state}", *(row for text in dict.fromkeys(lines) for row in text.split("\n"))]


def _indented(failure: Failure, prefix: str = "") -> list[str]:
    first, *more = failure.lines or ("",)
    if failure.checks:
        return [f"  {prefix}{line}" for line in (first, *more)]
    if not more:
        return [f"  {prefix}{failure.step}: {first}"]
    # In one piece, since lines that are alike are shown once.
    return [f"  {prefix}{failure.step}:\n" + "\n".join(f"    {line}" for line in (first, *more))]


def _change_rows(changes: Iterable[tuple[str, Change]]) -> list[tuple[str, ...]]:
    return [
        (
            host,
            change.name,
            _short(change.old),
            ("other settings" if change.new == change.old else _short(change.new)) + " (went back)" * change.back,
            "-" if change.downtime is None else f"{change.downtime} s",
        )
        for host, change in changes
    ]


def _rows(report: HostReport) -> list[tuple[str, ...]]:
    if not report.instances:
        names = ", ".join(board.name for board in report.boards)
        vram = ", ".join(_vram(board.vram_mib) for board in report.boards)
        return [(report.name, names or "-", vram or "-", "-", "-", report.result)]
    return [
        (
            report.name,
            instance.board,
            _vram(instance.vram_mib),
            instance.profile,
            instance.url if report.verified else "-",
            report.result,
        )
        for instance in report.instances
    ]


def _vram(mib: int | None) -> str:
    return f"{mib} MiB" if mib else "-"


def _selftest_rows(report: HostReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            report.name,
            test.board,
            test.profile,
            test.image,
            test.precision,
            f"{'ok' if test.usable else 'failed'}: {test.evidence}" + " (simulated)" * test.simulated,
        )
        for test in report.selftests
    ]
    untested = [report.result] if report.failures and not rows else [i.untested for i in report.instances if i.untested]
    return rows + [(report.name, "-", "-", "-", "-", text) for text in untested]


def _lay_out(rows: Sequence[tuple[str, ...]], width: int | None = None) -> str:
    """Columns as wide as their widest cell; where a terminal is narrower than that, a block of lines a row."""
    cells = [tuple(map(clean, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    if width and sum(widths) + 2 * (len(widths) - 1) > width:
        names, indent = cells[0], max(map(len, cells[0]))
        return "\n".join(
            "\n".join([row[0], *(f"  {name.ljust(indent)}  {cell}" for name, cell in zip(names[1:], row[1:]))])
            for row in cells[1:]
        )
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells)


def _failed_items(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for item in _mappings(result.get("results")) if item.get("failed") or item.get("unreachable")]


def _all_checks(result: Mapping[str, Any]) -> tuple[Check, ...]:
    """A result's checks, or those of a loop's failed items."""
    return _checks(result.get("checks")) + tuple(
        check for item in _failed_items(result) for check in _checks(item.get("checks"))
    )


def _access_checks(result: Mapping[str, Any], host: str) -> tuple[Check, ...]:
    """What kept Ansible from its work, of a task or of the items of its loop."""
    items = _failed_items(result)
    found = [check for each in items or [result] for check in _access.checks(each, host)]
    return tuple(check for index, check in enumerate(found) if check not in found[:index])


def _checks(value: object) -> tuple[Check, ...]:
    return tuple(
        Check(
            id=str(check["id"]),
            status=check["status"],
            evidence=str(check.get("evidence") or ""),
            remedy=str(check.get("remedy") or ""),
            note=str(check.get("note") or ""),
            reason=str(check.get("reason") or ""),
        )
        for check in _mappings(value)
        if check.get("id") and check.get("status") in ("ok", "failed", "waived", "skipped")
    )


def _failed(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    return tuple(check for check in checks if check["status"] == "failed")


def _last(indexes: list[int], count: int) -> list[int]:
    return indexes[-count:] if count else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in _sequence(value) if isinstance(item, Mapping)]
