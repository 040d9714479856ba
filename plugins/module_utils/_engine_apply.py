# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of the engine that can be taken back: daemon.json with the old one kept, and starts that end with an engine.

All of it happens on the host, so that a controller that goes away leaves neither half a file nor a dead engine. Nothing
that is returned holds a secret: the unit's environment is never asked for.
"""

from __future__ import annotations

import calendar
import contextlib
import hashlib
import json
import os
import re
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ._docker import Engine, EngineError
from ._docker_config import parse, public, public_text, render, resolve
from ._docker_unit import PID, SERVICE
from ._engines import SOCKET
from ._files import ApplyError, Replaced, write_whole
from ._types import Check

ARGUMENTS: dict[str, Any] = {  # of the module engine_service
    "state": {"type": "str", "choices": ["started", "restarted", "reloaded"], "default": "started"},
    "daemon_reload": {"type": "bool", "default": False},
    "enabled": {"type": "bool", "default": False},
}
BACKUP = "/var/lib/navilab/daemon.json.before"
START_S = 300.0
"""Units of Docker have no timeout of their own; an engine with many containers takes its time."""
SETTLE_S = 20.0
_BOOTS = ("enabled", "static", "alias", "indirect", "generated")
_LENGTH = 500
_MESSAGE = re.compile(r'\bmsg="((?:[^"\\]|\\.)*)"')
_WORST = re.compile(r"failed to start daemon|unable to configure|level=fatal|level=error|panic:")


# -- daemon.json --------------------------------------------------------------------------------------------------


def replace(
    path: str, content: str, values: Mapping[str, Any], mode: str | None = None, check: bool = False
) -> Replaced:
    """Write daemon.json as planned. Secrets, for which the plan has masks, come from `values` and from the file."""
    target = Path(os.path.realpath(path))  # a link stays one
    data = target.read_bytes() if target.is_file() else None
    current, error = parse(data) if data is not None else ({}, "")
    if current is None:
        raise ApplyError(f"{path} {error}")
    try:
        wanted = resolve(json.loads(content), values, current)
    except KeyError as key:
        raise ApplyError(f"{path} has changed since it was planned: {key.args[0]} is another; run again") from key
    before, after = (render(public(each)) if each else "" for each in (current, wanted))
    text = render(wanted)
    seen = target.stat() if data is not None else None
    bits = int(mode, 8) if mode else stat.S_IMODE(seen.st_mode) if seen else 0o644
    same = current == wanted and (not mode or not seen or stat.S_IMODE(seen.st_mode) == bits)
    if data is not None and same:
        return Replaced(False, before, after)
    if not check:
        _keep(path, data, seen, text)
        write_whole(target, text.encode(), bits, (seen.st_uid, seen.st_gid) if seen else (0, 0))
    return Replaced(True, before, after)


def _keep(path: str, data: bytes | None, seen: os.stat_result | None, text: str) -> None:
    """Keep what is there. An older one that no start has proved yet stays the one to go back to."""
    kept = _kept()
    ours = kept and kept["path"] == path and data is not None and kept["wrote"] == _digest(data)
    if kept and ours and not _proved(_shown()):
        before = {key: kept[key] for key in ("text", "mode", "uid", "gid")}
    else:
        before = {
            "text": None if data is None else data.decode("utf-8", "surrogateescape"),
            "mode": stat.S_IMODE(seen.st_mode) if seen else 0o644,
            "uid": seen.st_uid if seen else 0,
            "gid": seen.st_gid if seen else 0,
        }
    backup = Path(BACKUP)
    backup.parent.mkdir(mode=0o755, exist_ok=True)
    document = {"path": path, "wrote": _digest(text.encode()), **before}
    write_whole(backup, json.dumps(document).encode(), 0o600, (os.geteuid(), os.getegid()))


def _kept() -> dict[str, Any] | None:
    try:
        kept = json.loads(Path(BACKUP).read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) and {"path", "wrote", "text", "mode", "uid", "gid"} <= set(kept) else None


def _restore() -> str | None:
    """Put the old file back, unless somebody has written another since; its path, None where nothing was put back."""
    kept = _kept()
    if kept is None:
        return None
    path: str = kept["path"]
    target = Path(os.path.realpath(path))
    try:
        if _digest(target.read_bytes()) != kept["wrote"]:
            return None
        if kept["text"] is None:
            target.unlink()
        else:
            data = kept["text"].encode("utf-8", "surrogateescape")
            write_whole(target, data, int(kept["mode"]), (int(kept["uid"]), int(kept["gid"])))
    except FileNotFoundError:
        return None
    Path(BACKUP).unlink()
    return path


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- the service --------------------------------------------------------------------------------------------------


class Served(NamedTuple):
    """Whether something was done; evidence and remedy where the engine is not up in the end."""

    changed: bool
    evidence: str = ""
    remedy: str = ""


def engine_service(given: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """The module's result."""
    done = serve(given["state"], given["daemon_reload"], given["enabled"], check)
    if not done.evidence:
        return {"changed": done.changed}
    found: Check = {
        "id": "docker_engine", "status": "failed", "evidence": done.evidence, "remedy": done.remedy, "note": "",
        "reason": "",
    }  # fmt: skip
    msg = f"docker_engine: {done.evidence}. Remedy: {done.remedy}."
    return {"failed": True, "msg": msg, "changed": done.changed, "checks": [found]}


def serve(state: str, daemon_reload: bool = False, enable: bool = False, check: bool = False) -> Served:
    """Have the engine started (also at boot, as with `enable`), restarted or reloaded. One that does not come up gets
    its old daemon.json back, is started with that, and is told as failed all the same."""
    shown = _shown()
    active, boots = shown.get("ActiveState") == "active", shown.get("UnitFileState") in _BOOTS
    enable = (enable or state == "started") and not boots
    verb = {"started": "" if active else "start", "reloaded": "reload" if active else "start"}.get(state, "restart")
    reload_units = daemon_reload or shown.get("NeedDaemonReload") == "yes"
    due = bool(verb or reload_units or enable)
    if check:
        return Served(due)
    if _proved(shown):
        _forget()
    if reload_units:
        _systemctl("daemon-reload")
    # A unit that can't be enabled (transient, say) may serve all the same: that it runs is what counts.
    refused = _systemctl("enable", SERVICE) if enable else ""
    begun = time.time()
    failed = _systemctl(verb, SERVICE) if verb else ""
    up = _is_up() if not failed or verb == "reload" else False
    if up and failed:
        return Served(True, f"{SERVICE} can't be reloaded: {failed}", "restart it when no picture is being drawn")
    if not up:
        return _taken_back(_journal(begun) or failed or refused or "it says nothing", verb)
    if verb in ("start", "restart"):
        _forget()
    return Served(due)


def _taken_back(said: str, verb: str) -> Served:
    path = _restore()
    done = {"restart": "restart", "reload": "reload"}.get(verb, "start")
    evidence = f"{SERVICE} does not come up after its {done}: {said}"
    remedy = "see `journalctl -u docker -n 50`, mend what it names, then run again"
    if path is None:
        return Served(True, evidence, remedy)
    _systemctl("reset-failed", SERVICE, "docker.socket")
    failed = _systemctl("restart", SERVICE)
    if not failed and _is_up():
        evidence += f"; the old {path} is back, and the engine runs with it"
    else:
        evidence += f"; the old {path} is back, and the engine does not come up with that either"
    settings = "docker_engine_daemon, docker_engine_daemon_defaults and docker_engine_data_root"
    return Served(True, evidence, f"mend what dockerd names in {settings}, then run again; or {remedy}")


def _shown() -> dict[str, str]:
    properties = "--property=ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestamp"
    done = _run("systemctl", "show", SERVICE, "--no-pager", properties)
    return dict(line.split("=", 1) for line in done[1].splitlines() if "=" in line)


def _systemctl(*words: str) -> str:
    """What went wrong; empty if nothing did."""
    code, said = _run("systemctl", "--no-ask-password", *words)
    return "" if code == 0 else (_short(said) or f"systemctl {words[0]} ends with {code}")


def _is_up() -> bool:
    """Whether the engine is active and answers; one that does not say when it is ready is waited for."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        state = _shown().get("ActiveState", "")
        if state in ("failed", "inactive"):
            return False
        if state in ("active", "reloading") and _answers():
            return True
        if time.monotonic() > deadline:  # it may listen elsewhere
            return state == "active"
        time.sleep(0.5)


def _answers() -> bool:
    try:
        return Engine(SOCKET).raw("/_ping") is not None
    except EngineError:
        return False


def _forget() -> None:
    """The engine has come up with what it reads: the old file is needed no more."""
    with contextlib.suppress(FileNotFoundError):
        Path(BACKUP).unlink()


def _proved(shown: Mapping[str, str]) -> bool:
    """Whether the engine has come up since the file was written, also where it has stopped by now: as that of a package
    does when it is configured, and after a mere reload when somebody has started it anew."""
    kept = _kept()
    if kept is None:
        return False
    ups = []
    with contextlib.suppress(ValueError):
        date = " ".join(shown.get("ActiveEnterTimestamp", "").split()[1:3])  # Thu 2026-11-26 02:32:50 UTC
        ups.append(float(calendar.timegm(time.strptime(date, "%Y-%m-%d %H:%M:%S"))))
    with contextlib.suppress(OSError):
        if shown.get("ActiveState") == "active":  # one that died may have left it behind
            ups.append(Path(PID).stat().st_mtime)
    try:
        return max(ups, default=0.0) >= Path(kept["path"]).stat().st_mtime
    except OSError:
        return False


def _journal(begun: float) -> str:
    """dockerd's last words."""
    since = f"--since=@{int(begun)}"
    code, said = _run("journalctl", f"--unit={SERVICE}", since, "--output=cat", "--lines=60", "--no-pager")
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("-- ")] if code == 0 else []
    worst = [line for line in lines if _WORST.search(line)]
    chosen = worst[-1:] or lines[-3:]
    return _short("; ".join(_message(line) for line in chosen))


def _message(line: str) -> str:
    found = _MESSAGE.search(line)
    return found[1].replace('\\"', '"') if found else line.strip()


def _short(said: str) -> str:
    return public_text(" ".join(said.split()))[:_LENGTH]


def _run(*command: str) -> tuple[int, str]:
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    arguments: Sequence[str] = command
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=START_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, f"{' '.join(command[:2])}: no end within {START_S:.0f} s"
    except OSError as error:
        return 127, f"{command[0]}: {error.strerror}"
    return done.returncode, done.stdout.decode("utf-8", "replace")
