"""What happens in a run, as data: ansible-runner's events, one after the other, folded into a state.

Pure: no clock, no files, no terminal. `fold(run, event)` gives the next state and the notes worth telling;
everything is frozen, so that the screen's thread may read a state while the next one is made.

The input is the documented event of ansible-runner: `event` (its name), `created` (ISO time), `stdout` (what
ansible-playbook printed for it) and `event_data` (play, role, task, host, res). What results mean for a host is the
collection's knowledge (plugin_utils/_report.py, which the callback reads too); here is what one sees while it runs.
Every text that comes from a host is clean of control characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from ansible_collections.navilab.webui.plugins.plugin_utils import _report
from ansible_collections.navilab.webui.plugins.plugin_utils._report import Failure, HostReport, Step
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean, clean_lines

Event = Mapping[str, Any]

SPEAKS = frozenset({"debug", "ansible.builtin.debug"})
"""Actions that only say something."""

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
class Host:
    """One host's line. Times are seconds since the epoch."""

    name: str
    status: Status = Status.WAITING
    busy: bool = False
    roles: frozenset[str] = frozenset()
    progress: str = ""
    started: float = 0.0
    step_started: float = 0.0
    ended: float = 0.0
    ok: int = 0
    changed: int = 0
    report: HostReport = field(default_factory=lambda: HostReport(""))

    @property
    def step(self) -> Step:
        """The task that it is at."""
        return self.report.step

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What failed; at the end without what a rescue took back."""
        return self.report.failures


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
    warnings: tuple[str, ...] = ()
    finished: bool = False
    pid: int | None = None

    @property
    def began(self) -> bool:
        """Whether a task was started on any host."""
        return any(host.started for host in self.hosts.values())

    @property
    def reports(self) -> tuple[HostReport, ...]:
        """What is to be said of each of the lab's hosts."""
        return tuple(host.report for host in self.hosts.values() if host.report.shown)

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
    text = str(event.get("stdout") or "").replace("\r\n", "\n").replace("\r", "")
    return "\n".join(map(_with_indent, text.split("\n")))


def _with_indent(line: str) -> str:
    return clean(f"|{line}")[1:]


def seconds(text: object) -> float:
    """A time of ansible-runner's, since the epoch; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _time(event: Event) -> float:
    return seconds(event.get("created"))


def _data(event: Event) -> Mapping[str, Any]:
    data = event.get("event_data")
    return data if isinstance(data, Mapping) else {}


def _result(event: Event) -> Mapping[str, Any]:
    result = _data(event).get("res")
    return result if isinstance(result, Mapping) else {}


def _step(event: Event) -> Step:
    data = _data(event)
    return _report.step_of(data.get("role"), data.get("play"), data.get("task"))


def _action(event: Event) -> str:
    data = _data(event)
    return str(data.get("resolved_action") or data.get("task_action") or "")


def _put(run: Run, host: Host) -> Run:
    return replace(run, hosts=MappingProxyType({**run.hosts, host.name: host}))


def _host(run: Run, event: Event) -> Host:
    name = str(_data(event).get("host") or "")
    return run.hosts.get(name) or _new(name)


def _new(name: str) -> Host:
    return Host(name, report=HostReport(name))


def _warnings(run: Run, event: Event) -> tuple[Run, Notes]:
    """Each different warning once, wherever Ansible printed it."""
    seen = (line.removeprefix(WARNING).strip() for line in text_of(event).splitlines() if line.startswith(WARNING))
    fresh = tuple(dict.fromkeys(text for text in seen if text not in run.warnings))
    if not fresh:
        return run, ()
    notes = tuple(Note(Kind.WARNING, _time(event), text=text) for text in fresh)
    return replace(run, warnings=run.warnings + fresh), notes


def _on_start(run: Run, event: Event) -> tuple[Run, Notes]:
    before, step, now, data = _host(run, event), _step(event), _time(event), _data(event)
    host = replace(
        before,
        status=Status.RUNNING,
        busy=True,
        report=_report.start(before.report, step, _action(event)),
        progress="",
        started=before.started or now,
        step_started=now,
        ended=0.0,
    )
    if not data.get("role") or step.role in before.roles:
        return _put(run, host), ()
    return _put(run, replace(host, roles=before.roles | {step.role})), (Note(Kind.STEP, now, host.name, step),)


def _on_ok(run: Run, event: Event) -> tuple[Run, Notes]:
    result = _result(event)
    changed = bool(result.get("changed"))
    host = _rest(run, event, "ok")
    host = replace(host, ok=host.ok + 1, changed=host.changed + changed)
    messages = _sentences(result) + (_said(result) if _data(event).get("task_action") in SPEAKS else ())
    notes = [(Kind.CHANGED, "")] * changed + [(Kind.MESSAGE, text) for text in messages]
    return _put(run, host), tuple(Note(kind, _time(event), host.name, host.step, text) for kind, text in notes)


def _on_skipped(run: Run, event: Event) -> tuple[Run, Notes]:
    return _put(run, _rest(run, event, "ok")), ()


def _on_failed(run: Run, event: Event) -> tuple[Run, Notes]:
    if _data(event).get("ignore_errors"):
        return _put(run, _rest(run, event, "ignored")), ()
    return _fail(run, event, "failed")


def _on_unreachable(run: Run, event: Event) -> tuple[Run, Notes]:
    return _fail(run, event, "unreachable")


def _on_verbose(run: Run, event: Event) -> tuple[Run, Notes]:
    """A line which an action plugin displayed while it works: `host: role: what it does (42 s)`."""
    if _action(event) == _report.PLAN:
        return run, ()  # it shows what its result has as data
    name, colon, text = BANNER.sub("", text_of(event)).strip().partition(": ")
    host = run.hosts.get(name)
    if not colon or host is None or not host.busy or "\n" in text:
        return run, ()
    text = text.removeprefix(f"{host.step.role}: ")
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
        host = run.hosts.get(name) or _new(name)
        if count("failures", name):
            status = Status.FAILED
        elif count("dark", name):
            status = Status.UNREACHABLE
        else:
            status = Status.CHANGED if count("changed", name) else Status.OK
        run = _put(
            run,
            replace(
                host,
                status=status,
                report=_report.conclude(host.report, count("failures", name), count("dark", name)),
                busy=False,
                progress="",
                ok=count("ok", name),
                changed=count("changed", name),
                ended=host.ended or now,
            ),
        )
    return replace(run, finished=True), ()


def _rest(run: Run, event: Event, kind: _report.Kind) -> Host:
    """A host whose task is over: until the next one starts it waits for the others."""
    host = _host(run, event)
    report = _report.fold(host.report, _step(event), kind, _result(event))
    return replace(host, report=report, busy=False, progress="", ended=_time(event))


def _fail(run: Run, event: Event, kind: Literal["failed", "unreachable"]) -> tuple[Run, Notes]:
    host = _rest(run, event, kind)
    # The cause stands at the end, whole and once; the checks' ids tell who watches what it is about.
    text = ", ".join(dict.fromkeys(clean(check["id"]) for check in host.failures[-1].checks))
    return _put(run, host), (Note(Kind(kind), _time(event), host.name, host.step, text),)


def _sentences(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What the plan that a role is about to obey says."""
    plan = result.get("plan") if result.get("applies") else None
    texts = [plan.get(key) for key in ("actions", "warnings")] if isinstance(plan, Mapping) else []
    return tuple(clean(text) for part in texts if isinstance(part, list) for text in part)


def _said(result: Mapping[str, Any]) -> tuple[str, ...]:
    """What a debug task said, over all items of a loop."""
    items = [item for item in result.get("results") or [result] if isinstance(item, Mapping)]
    said = [item["msg"] for item in items if item.get("msg") and not item.get("skipped")]
    lines = clean_lines("\n".join(map(_report.text_of, said)))
    return (lines,) if lines else ()


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
