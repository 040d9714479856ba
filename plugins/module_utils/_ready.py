# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a webui ready, how far is it, or is it dead? From its HTTP answers, its container's state and its log."""

from __future__ import annotations

import datetime
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ._docker import Engine, EngineError
from ._engines import SOCKET
from ._net import probe
from ._types import Readiness

ARGUMENTS: dict[str, Any] = {  # of the module and of the action plugin that repeats it
    "name": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "timeout": {"type": "int", "default": 900},
    "slice": {"type": "int", "default": 10},
    "allow_no_models": {"type": "bool", "default": False},
    "restarts": {"type": "int"},
}
_INTERVAL = 0.25
_TAIL = 20
_EARLY = 2.0
_DEATHS = 2
"""So many are too many. One may be a busy machine's: gradio ends a webui whose page takes over 3 s to answer when it
opens (url_ok in its networking.py), and the engine starts it again."""
# Lines that the webui prints, in their usual order; the last one seen decides.
_PHASES = (
    (re.compile(r"^Launching Web UI with arguments"), "starting"),
    (re.compile(r"^Calculating sha256 for"), "hashing the model"),
    (re.compile(r"^Loading weights"), "loading the model"),
    (re.compile(r"^Creating model from config"), "building the model"),
    (re.compile(r"^Running on local URL"), "opening the page"),
    (re.compile(r"^Startup time"), "started"),
    (re.compile(r"^Model loaded in"), "model loaded"),
    (re.compile(r"^Stable diffusion model failed to load"), "the model failed to load"),
)
_ALIVE = ("created", "running", "paused")


def phase_of(lines: list[str]) -> str:
    """What the last telling line of a webui's log says that it does; empty if none tells."""
    for line in reversed(lines):
        for pattern, phase in _PHASES:
            if pattern.search(line):
                return phase
    return ""


def webui_ready(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The module's result."""
    if not 1 <= given["port"] <= 65535:
        return {"failed": True, "msg": f"port: {given['port']} is not between 1 and 65535"}
    if check:
        return {
            "changed": False, "ready": False, "seconds": 0, "models": None, "phase": "", "state": None,
        }  # fmt: skip
    start, patience = time.monotonic(), max(0, given["slice"])
    seen = wait(given["name"], given["port"], patience, given["allow_no_models"], restarts=given["restarts"])
    return {"changed": False, "seconds": int(time.monotonic() - start), **seen}


def wait(
    name: str,
    port: int,
    seconds: float,
    allow_no_models: bool,
    socket_path: str = SOCKET,
    restarts: int | None = None,
) -> Readiness:
    """Poll until the webui is ready, dead or `seconds` are over. `restarts` is how often the engine had started it
    again when it was first waited for; None for now."""
    engine = Engine(socket_path)
    end = time.monotonic() + seconds
    while True:
        seen = _once(engine, name, port, allow_no_models)
        if restarts is None:  # one that dies before the first look has died once, too
            restarts = 0 if seen["state"] == "restarting" and seen["restarts"] < _DEATHS else seen["restarts"]
        seen["deaths"] = max(0, seen["restarts"] - restarts)
        if seen["state"] == "restarting" and 0 < seen["deaths"] < _DEATHS:
            seen["dead"] = ""
        if seen["deaths"] >= _DEATHS and not seen["ready"] and not seen["dead"]:
            seen["dead"] = f"container {name} died {seen['deaths']} times"
            if died := seen["died"]:
                seen["dead"] += f" ({_why(engine, name, died)})"
                seen["log"] = _log(engine, name, until=died)[-_TAIL:]
        if seen["ready"] or seen["dead"] or time.monotonic() + _INTERVAL > end:
            return seen
        time.sleep(_INTERVAL)


def _once(engine: Engine, name: str, port: int, allow_no_models: bool) -> Readiness:
    http = probe(port)
    ready = http["ready"] or (allow_no_models and http["models"] == 0)
    seen: Readiness = {
        "ready": ready,
        "dead": "",
        "models": http["models"],
        "phase": "",
        "state": "",
        "restarts": 0,
        "deaths": 0,
        "died": 0.0,
        "log": [],
        "at": time.time(),
    }
    try:
        container = engine.container(name)
    except EngineError:
        return seen  # readiness is all that can be known then
    if container is None:
        return {**seen, "ready": False, "state": None, "dead": f"there is no container {name}"}
    state = container.get("State") or {}
    seen["state"], seen["restarts"] = state.get("Status") or "", container.get("RestartCount") or 0
    seen["died"] = epoch(state.get("FinishedAt"))
    if seen["state"] not in _ALIVE:
        why = "killed for want of memory" if state.get("OOMKilled") else f"exit code {state.get('ExitCode')}"
        seen["ready"], seen["dead"] = False, f"container {name} is {seen['state']} ({why})"
    # Of a living one only what this start wrote: an earlier one has left its own "Startup time".
    # The engine notes the start a little after the first lines.
    lines = _log(engine, name, 0.0 if seen["dead"] else max(0.0, epoch(state.get("StartedAt")) - _EARLY))
    seen["phase"], seen["log"] = phase_of(lines), lines[-_TAIL:]
    return seen


def _log(engine: Engine, name: str, since: float = 0.0, until: float | None = None) -> list[str]:
    try:
        return engine.log(name, since, until=until)
    except EngineError:
        return []


def _why(engine: Engine, name: str, died: float) -> str:
    """What the engine noted of a death at that time, which the state of a container that runs again has no more."""
    try:
        noted = engine.events({"container": [name], "event": ["die", "oom"]}, died + _EARLY, died - _EARLY)
        events = [json.loads(line) for line in noted.splitlines()]
    except (EngineError, ValueError):
        return "cause not known"
    if any(event.get("Action") == "oom" for event in events):
        return "killed for want of memory"
    codes = [event.get("Actor", {}).get("Attributes", {}).get("exitCode") for event in events]
    return f"exit code {codes[-1]}" if codes else "cause not known"


def epoch(text: Any) -> float:
    """Seconds of the engine's RFC 3339 time, whose nanoseconds datetime does not take; 0 for anything else."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", text if isinstance(text, str) else "")
    if not match:
        return 0.0
    whole = datetime.datetime.fromisoformat(match.group(1)).replace(tzinfo=datetime.timezone.utc)
    return max(0.0, whole.timestamp() + float(match.group(2) or 0))
