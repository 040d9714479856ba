"""What happens in a run, as data: ansible-runner's events, one after the other, folded into a state.

Pure: no clock, no files, no terminal. `fold(run, event)` gives the next state and the notes worth telling;
everything is frozen, so that the screen's thread may read a state while the next one is made.

The input is the documented event of ansible-runner: `event` (its name), `created` (ISO time), `stdout` (what
ansible-playbook printed for it) and `event_data` (play, role, task, host, res).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

Event = Mapping[str, Any]

REPORT_PLAYS = frozenset({"Summary", "Plan"})
"""Plays whose debug messages are the playbook's report; they run once, on any host, and are no step of that host."""

DEBUG = frozenset({"debug", "ansible.builtin.debug"})
WARNING = "[WARNING]: "
BANNER = re.compile(r"\A\n*(?:TASK|RUNNING HANDLER) \[.*\] \**\n+")
"""A task's title, which Ansible prints with its first line of output where skipped hosts aren't shown."""


class Status(StrEnum):
    """Where a host stands. The last four are final and come from Ansible's own recap."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


class Kind(StrEnum):
    """What a note tells."""

    STEP = "step"
    CHANGED = "changed"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    MESSAGE = "message"
    PROGRESS = "progress"
    DIFF = "diff"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Step:
    """A task and the room that it belongs to: its role, or its play outside of roles."""

    room: str = ""
    task: str = ""

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.room, self.task)))


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, or that couldn't reach its host."""

    step: Step
    message: str


@dataclass(frozen=True, slots=True)
class Host:
    """One host's line. Times are seconds since the epoch."""

    name: str
    status: Status = Status.WAITING
    busy: bool = False
    step: Step = field(default_factory=Step)
    roles: frozenset[str] = frozenset()
    progress: str = ""
    started: float = 0.0
    step_started: float = 0.0
    ended: float = 0.0
    ok: int = 0
    changed: int = 0
    failures: tuple[Failure, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()

    @property
    def waits_for_reboot(self) -> bool:
        """Whether it stopped for no other reason than a reboot that is due, which the role reboot says so."""
        return self._stopped_by("reboot_required")

    @property
    def is_out_of_reach(self) -> bool:
        """Whether nothing answered there: the look says so by name, and lets the run go on to the table."""
        return self._stopped_by("reachable")

    def _stopped_by(self, check: str) -> bool:
        return bool(self.failures) and self.failures[-1].message.startswith(f"{check}:")


@dataclass(frozen=True, slots=True)
class Note:
    """A line for who watches: `host` is empty where it concerns the whole run."""

    kind: Kind
    time: float
    host: str = ""
    step: Step = field(default_factory=Step)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """The whole run. `finished` once Ansible printed its recap; `pid` is ansible-playbook's."""

    hosts: Mapping[str, Host] = field(default_factory=lambda: MappingProxyType({}))
    reports: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    finished: bool = False
    pid: int | None = None

    @property
    def began(self) -> bool:
        """Whether a task was started on any host."""
        return any(host.started for host in self.hosts.values())

    def having(self, status: Status) -> tuple[Host, ...]:
        """The hosts of one status."""
        return tuple(host for host in self.hosts.values() if host.status is status)


Notes = tuple[Note, ...]


def fold(run: Run, event: Event) -> tuple[Run, Notes]:
    """The state after an event, and what of it is worth a line. Unknown events change nothing."""
    if run.pid is None and isinstance(event.get("pid"), int):
        run = replace(run, pid=event["pid"])
    run, warnings = _warnings(run, event)
    handler = _HANDLERS.get(event.get("event", ""))
    if handler is None:
        return run, warnings
    run, notes = handler(run, event)
    return run, warnings + notes


def text_of(event: Event) -> str:
    """What ansible-playbook printed for an event, with plain line ends (it writes to a terminal)."""
    return str(event.get("stdout") or "").replace("\r\n", "\n").replace("\r", "")


def message_of(result: Mapping[str, Any]) -> str:
    """Why a result failed, in words: its message, else what the command said; of a loop, each item's."""
    items = [item for item in result.get("results") or () if isinstance(item, Mapping) and item.get("failed")]
    if items:
        return "\n".join(f"{item.get('_ansible_item_label', item.get('item'))}: {message_of(item)}" for item in items)
    parts = [result.get("msg"), *(result.get(key) for key in ("module_stderr", "stderr", "stdout"))]
    texts = [_text(part).strip() for part in parts if part]
    if "msg" in result and not result.get("rc"):
        texts = texts[:1]  # a module's own words; only a command's need what it printed
    return "\n".join(dict.fromkeys(texts)) or "failed without a message"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\n".join(map(_text, value))
    return json.dumps(value, indent=2, sort_keys=True, default=str)


def _time(event: Event) -> float:
    try:
        moment = datetime.fromisoformat(str(event.get("created")))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _data(event: Event) -> Mapping[str, Any]:
    data = event.get("event_data")
    return data if isinstance(data, Mapping) else {}


def _result(event: Event) -> Mapping[str, Any]:
    result = _data(event).get("res")
    return result if isinstance(result, Mapping) else {}


def _step(event: Event) -> Step:
    data = _data(event)
    room = str(data.get("role") or data.get("play") or "")
    return Step(room.rpartition(".")[2] if data.get("role") else room, str(data.get("task") or ""))


def _put(run: Run, host: Host) -> Run:
    return replace(run, hosts=MappingProxyType({**run.hosts, host.name: host}))


def _host(run: Run, event: Event) -> Host:
    name = str(_data(event).get("host") or "")
    return run.hosts.get(name) or Host(name)


def _is_report(event: Event) -> bool:
    return _data(event).get("play") in REPORT_PLAYS


def _warnings(run: Run, event: Event) -> tuple[Run, Notes]:
    """Each different warning once, wherever Ansible printed it."""
    seen = (line.removeprefix(WARNING).strip() for line in text_of(event).splitlines() if line.startswith(WARNING))
    fresh = tuple(dict.fromkeys(text for text in seen if text not in run.warnings))
    if not fresh:
        return run, ()
    notes = tuple(Note(Kind.WARNING, _time(event), text=text) for text in fresh)
    return replace(run, warnings=run.warnings + fresh), notes


def _on_start(run: Run, event: Event) -> tuple[Run, Notes]:
    if _is_report(event):
        return run, ()
    before, step, now = _host(run, event), _step(event), _time(event)
    host = replace(
        before,
        status=Status.RUNNING,
        busy=True,
        step=step,
        progress="",
        started=before.started or now,
        step_started=now,
        ended=0.0,
    )
    if not _data(event).get("role") or step.room in before.roles:
        return _put(run, host), ()
    return _put(run, replace(host, roles=before.roles | {step.room})), (Note(Kind.STEP, now, host.name, step),)


def _on_ok(run: Run, event: Event) -> tuple[Run, Notes]:
    result, now = _result(event), _time(event)
    said = _said(result) if _data(event).get("task_action") in DEBUG else ""
    if _is_report(event):
        return (replace(run, reports=(*run.reports, said)) if said else run), ()
    host = _rest(_host(run, event), event)
    changed = bool(result.get("changed"))
    host = replace(host, ok=host.ok + 1, changed=host.changed + changed, checks=_checks(result) or host.checks)
    kinds = [kind for kind, happened in ((Kind.CHANGED, changed), (Kind.MESSAGE, said)) if happened]
    return _put(run, host), tuple(Note(kind, now, host.name, _step(event), said) for kind in kinds)


def _on_skipped(run: Run, event: Event) -> tuple[Run, Notes]:
    return (run if _is_report(event) else _put(run, _rest(_host(run, event), event))), ()


def _on_failed(run: Run, event: Event) -> tuple[Run, Notes]:
    result = _result(event)
    host = _rest(_host(run, event), event)
    host = replace(host, checks=_checks(result) or host.checks)
    if _data(event).get("ignore_errors"):
        return _put(run, host), ()
    return _fail(run, host, event, Kind.FAILED)


def _on_unreachable(run: Run, event: Event) -> tuple[Run, Notes]:
    return _fail(run, _rest(_host(run, event), event), event, Kind.UNREACHABLE)


def _on_verbose(run: Run, event: Event) -> tuple[Run, Notes]:
    """A line which an action plugin displayed while it works: `host: role: what it does (42 s)`."""
    name, colon, text = BANNER.sub("", text_of(event)).strip().partition(": ")
    host = run.hosts.get(name)
    if not colon or host is None or not host.busy or "\n" in text:
        return run, ()
    text = text.removeprefix(f"{host.step.room}: ")
    return _put(run, replace(host, progress=text)), (Note(Kind.PROGRESS, _time(event), name, host.step, text),)


def _on_diff(run: Run, event: Event) -> tuple[Run, Notes]:
    text = BANNER.sub("", text_of(event)).strip("\n")
    return run, ((Note(Kind.DIFF, _time(event), str(_data(event).get("host")), _step(event), text),) if text else ())


def _on_stats(run: Run, event: Event) -> tuple[Run, Notes]:
    stats, now = _data(event), _time(event)

    def count(what: str, name: str) -> int:
        return int((stats.get(what) or {}).get(name, 0))

    troubled = {name for what in ("failures", "dark") for name in stats.get(what) or {} if count(what, name)}
    for name in [*run.hosts, *sorted(troubled - set(run.hosts))]:
        host = run.hosts.get(name) or Host(name)
        if count("failures", name) and not host.is_out_of_reach:
            status = Status.FAILED
        elif count("dark", name) or host.is_out_of_reach:
            status = Status.UNREACHABLE
        else:
            status = Status.CHANGED if count("changed", name) else Status.OK
        run = _put(
            run,
            replace(
                host,
                status=status,
                busy=False,
                progress="",
                ok=count("ok", name),
                changed=count("changed", name),
                ended=host.ended or now,
            ),
        )
    return replace(run, finished=True), ()


def _rest(host: Host, event: Event) -> Host:
    """A host whose task is over: until the next one starts it waits for the others."""
    return replace(host, busy=False, progress="", ended=_time(event))


def _fail(run: Run, host: Host, event: Event, kind: Kind) -> tuple[Run, Notes]:
    failure = Failure(_step(event), message_of(_result(event)))
    host = replace(host, failures=(*host.failures, failure))
    return _put(run, host), (Note(kind, _time(event), host.name, failure.step, failure.message),)


def _said(result: Mapping[str, Any]) -> str:
    """What a debug task said, over all items of a loop."""
    results = result.get("results") or [result]
    return "\n".join(_text(item["msg"]) for item in results if item.get("msg") and not item.get("skipped"))


def _checks(result: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    checks = result.get("checks")
    if not isinstance(checks, list):
        return ()
    return tuple(check for check in checks if isinstance(check, Mapping) and {"id", "status"} <= check.keys())


_HANDLERS: Mapping[str, Callable[[Run, Event], tuple[Run, Notes]]] = {
    "runner_on_start": _on_start,
    "runner_on_ok": _on_ok,
    "runner_on_skipped": _on_skipped,
    "runner_on_failed": _on_failed,
    "runner_on_unreachable": _on_unreachable,
    "runner_on_file_diff": _on_diff,
    "verbose": _on_verbose,
    "playbook_on_stats": _on_stats,
}
