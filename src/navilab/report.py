"""A run as one page that needs nothing else: what became of each host, why, what changed and how long it took.

`read` takes the events that a run has left (.navilab/runs/NAME/job_events), `document` makes of them what the JSON
holds, `page` draws that. What hosts say is data: cleaned of control characters in `document`, escaped by Jinja2 in
`page`, whose policy (Content-Security-Policy) lets no script run but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._report import HostReport, counted, step_of
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean
from jinja2 import Environment, PackageLoader, StrictUndefined

from navilab import __version__, events
from navilab.events import Event, Status, seconds
from navilab.run import Outcome

FORMAT = 1
"""Of the JSON: another number, another shape."""
ENDS = ("runner_on_ok", "runner_on_failed", "runner_on_unreachable")
ORDER = (Status.FAILED, Status.UNREACHABLE, Status.WAITING, Status.RUNNING, Status.CHANGED, Status.OK)
"""What needs somebody comes first."""
VRAM_MIB = 8192
"""The most that a board of these has: the bar's whole width."""


@dataclass
class Step:
    """What a host spent on a role, or on a play outside of roles. Times are seconds since the epoch."""

    name: str
    began: float
    ended: float
    changed: list[str] = field(default_factory=list)


@dataclass
class Told:
    """What a run's events say: its end, and of each host its steps and its facts."""

    outcome: Outcome
    steps: dict[str, list[Step]] = field(default_factory=dict)
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def read(directory: Path) -> Told:
    """A run that has ended, from its directory."""
    run = events.Run()
    steps: dict[str, list[Step]] = {}
    facts: dict[str, Mapping[str, Any]] = {}
    for event in _stored(directory):
        run, _notes = events.fold(run, event)
        if event.get("event") in ENDS:
            _add(steps, event)
        _learn(facts, event)
    rc = _content(directory / "rc")
    interrupted = _content(directory / "status") == "canceled"
    return Told(Outcome(run, int(rc) if rc.isdigit() else 1, directory, interrupted), steps, facts)


def _stored(directory: Path) -> Iterator[Event]:
    """A run's events in their order; one that was being written when the run was killed is left out."""
    paths = [path for path in (directory / "job_events").glob("*.json") if path.name.partition("-")[0].isdigit()]
    for path in sorted(paths, key=lambda path: int(path.name.partition("-")[0])):
        try:
            event = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _add(steps: dict[str, list[Step]], event: Event) -> None:
    """A task to its host's steps: one that follows another of its role belongs to the same."""
    data = event.get("event_data") or {}
    host, began, ended = str(data.get("host") or ""), seconds(data.get("start")), seconds(data.get("end"))
    if not (host and began and ended):
        return
    at, mine = step_of(data.get("role"), data.get("play"), data.get("task")), steps.setdefault(host, [])
    if not mine or mine[-1].name != at.role:
        mine.append(Step(at.role, began, ended))
    mine[-1].ended = max(mine[-1].ended, ended)
    if (data.get("res") or {}).get("changed") and event.get("event") == "runner_on_ok":
        mine[-1].changed.append(at.task)


def _learn(facts: dict[str, Mapping[str, Any]], event: Event) -> None:
    data = event.get("event_data") or {}
    fact = ((data.get("res") or {}).get("ansible_facts") or {}).get("navilab") or {}
    try:
        state = json.loads(fact["state"])
    except (KeyError, TypeError, ValueError):
        return
    if isinstance(state, dict) and isinstance(state.get("facts"), dict):
        facts[str(data.get("host"))] = state["facts"]


# -- what the JSON holds ---------------------------------------------------------------------------------------------


def document(told: Told) -> dict[str, Any]:
    """The whole report as data: hosts that need somebody first, times in seconds."""
    hosts = sorted(
        (host for host in told.outcome.run.hosts.values() if host.report.shown),
        key=lambda host: (ORDER.index(host.status), not host.report.failures),
    )
    spans = [step for host in hosts for step in told.steps.get(host.name, [])]
    began, ended = min((step.began for step in spans), default=0.0), max((step.ended for step in spans), default=0.0)
    return {
        "format": FORMAT,
        "navilab": __version__,
        "run": told.outcome.directory.name,
        "exit_code": int(told.outcome.exit),
        "meaning": told.outcome.exit.meaning,
        "began": datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds") if began else None,
        "seconds": round(ended - began, 1),
        "hosts": [_host(host, told.facts.get(host.name, {}), told.steps.get(host.name, []), began) for host in hosts],
    }


def _host(host: events.Host, facts: Mapping[str, Any], steps: Iterable[Step], began: float) -> dict[str, Any]:
    report = host.report
    return {
        "name": clean(host.name),
        "status": host.status.value,
        "passed": host.status in (Status.OK, Status.CHANGED) and not report.failures,
        "state": _state(host),
        "result": clean(report.result),
        "system": _system(facts),
        "gpus": [_gpu(board) for board in facts.get("boards") or []],
        "webuis": _webuis(report, facts),
        "reach": [clean(line) for line in report.reach] if report.verified else [],
        "checks": [{key: clean(str(text)) for key, text in check.items()} for check in report.all_checks],
        "counts": counted(report.all_checks),
        "failures": [
            {"step": str(failure.step), "message": "\n".join(failure.lines), "foreseen": bool(failure.checks)}
            for failure in report.failures
        ],
        "actions": [
            {"step": clean(name), "actions": [clean(str(text)) for text in plan.get("actions") or []]}
            for name, plan in report.plans.items()
            if plan.get("actions")
        ],
        "steps": [
            {
                "name": step.name,
                "at": round(step.began - began, 1),
                "seconds": round(step.ended - step.began, 1),
                "changed": step.changed,
            }
            for step in steps
        ],
    }


def _state(host: events.Host) -> str:
    """What the page counts and filters by: verified, failed, unreachable, or other, such as planned alone."""
    if host.status in (Status.FAILED, Status.UNREACHABLE):
        return host.status.value
    return "verified" if host.report.verified and host.status in (Status.OK, Status.CHANGED) else "other"


def _system(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a host is: empty where nothing was gathered."""
    if not facts:
        return {}
    driver = facts.get("driver") or {}
    loaded = (driver.get("version") or "the kernel's own") if driver.get("loaded") else "not loaded"
    kfd = ((facts.get("kfd") or {}).get("device") or {}).get("exists")
    memory = (facts.get("memory") or {}).get("total_mib")
    found = {
        "release": (facts.get("release") or {}).get("pretty_name"),
        "kernel": (facts.get("kernel") or {}).get("release"),
        "driver": f"amdgpu, {loaded}",
        "/dev/kfd": "present" if kfd else "missing",
        "memory": f"{memory} MiB" if memory else None,
    }
    return {name: clean(str(value)) for name, value in found.items() if value}


def _gpu(board: Mapping[str, Any]) -> dict[str, Any]:
    texts = {key: clean(str(board.get(key) or "")) for key in ("name", "bdf", "gfx_target", "driver", "render_node")}
    vram = board.get("vram_mib")
    return {**texts, "vram_mib": vram if isinstance(vram, int) else None, "kfd_node": board.get("kfd_node")}


def _webuis(report: HostReport, facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each webui, with the image that its container runs where there is one for each."""
    known = (facts.get("docker") or {}).get("containers") or {}
    images = [clean(str(each.get("image") or "")) for _name, each in sorted(known.items()) if each]
    return [
        {
            "board": clean(webui.board),
            "profile": clean(webui.profile),
            "url": clean(webui.url) if report.verified else "",
            "image": images[number] if len(images) == len(report.instances) else "",
        }
        for number, webui in enumerate(report.instances)
    ]


# -- what it looks like ----------------------------------------------------------------------------------------------


def page(data: Mapping[str, Any]) -> str:
    """The HTML of a document, whole: no font, picture, script or style of it lies elsewhere."""
    environment = Environment(
        loader=PackageLoader("navilab", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    script, _name, _current = environment.loader.get_source(environment, "report.js")  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    names = list(dict.fromkeys(step["name"] for host in data["hosts"] for step in host["steps"]))
    return environment.get_template("report.html").render(
        data=data,
        counts=Counter(host["state"] for host in data["hosts"]),
        script=script,
        digest=digest,
        colours={name: f"c{number % 8}" for number, name in enumerate(names)},
        vram_mib=VRAM_MIB,
    )


def write(told: Told, path: Path) -> tuple[Path, Path]:
    """The page at `path`, and its JSON beside it."""
    data = document(told)
    beside = path.with_suffix(".json") if path.suffix == ".html" else path.with_name(f"{path.name}.json")
    for target, text in ((path, page(data)), (beside, json.dumps(data, indent=1) + "\n")):
        target.write_text(text, encoding="utf-8")
    return path, beside
