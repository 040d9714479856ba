# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the metrics role has to do so that a Prometheus can see how the host and its webuis are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._checks._metrics import (
    EXPORTER,
    TIMER,
    WRITTEN,
    age_s,
    oldest_s,
)
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import LOOPBACK, endpoint
from ansible_collections.navilab.webui.plugins.module_utils._metrics import CONFIG
from ansible_collections.navilab.webui.plugins.module_utils._paths import plain
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Questions

from .._packages import Transaction, concerned, recorded, sentence, weigh
from .._text import problem
from . import _metrics_files as _files
from . import verify, webui
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed
from ._made import is_number, mistaken, texts

NEIGHBOURS = ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter", "prometheus-pushgateway")
"""Packages that use the same account."""
EXPORTERS = ("node_exporter", "prometheus-node")
"""How a node exporter calls itself, in the kernel's 15 letters."""
LEAST_S = 5


class Write(TypedDict):
    path: str
    content: str


class Unit(TypedDict):
    """A unit, and the state that systemd is to bring it to; `enabled` is None where that is the package's."""

    name: str
    state: str
    enabled: bool | None


class MetricsPlan(Plan):
    """`program` says that the program is to be written, `prove` that it is to be seen whether `url` shows what it
    writes. `directories` go into the record, so that they go out again."""

    install: list[str]
    remove: list[str]
    directories: list[str]
    writes: list[Write]
    program: bool
    files_absent: list[str]
    empty_absent: list[str]
    daemon_reload: bool
    units: list[Unit]
    prove: bool
    account: str
    url: str
    record: dict[str, Any]
    questions: Questions


def settings(variables: Variables) -> Settings:
    own = variables["metrics"]
    return {
        **own,
        "textfile_dir": own["textfile_dir"].rstrip("/"),
        "verify": verify.settings(variables),
        "bundle": variables["_common"].get("bundle"),
    }


def wants(settings: Settings) -> Wants:
    found = verify.wants(settings["verify"])
    ours = [CONFIG, _files.SERVICE, _files.TIMER_UNIT, _files.PROGRAM, _files.TIMER_ENABLED, _files.RUN]
    drop = [_files.DROP_IN, _files.LISTENS]
    written = [settings["textfile_dir"], f"{settings['textfile_dir']}/{WRITTEN}"]
    return {
        **found,
        "packages": [*found.get("packages", []), _files.PACKAGE, *NEIGHBOURS, *concerned([_files.PACKAGE])],
        "files": [*found.get("files", []), *ours, *drop, *written],
        "groups": [_files.ACCOUNT],
        "ports": [settings["port"]],
    }


def plan(facts: Facts, settings: Settings) -> MetricsPlan:
    record = facts["records"].get("metrics") or {}
    found = _empty(settings, record)
    if settings["state"] == "absent":
        return _absent(facts, found, record)
    ours = _is_ours(facts, settings, record)
    found["problems"] = _checks.failures(facts, {"only": ["systemd"]})
    found["problems"] += [*_mistaken(settings), *_taken(facts, settings, ours)]
    if found["problems"]:
        return found

    _plan_package(facts, found, settings, ours)
    _plan_files(facts, found, settings, record, ours)
    _plan_units(facts, found, settings, ours)
    # A run that found it not shown is not forgotten by the next, which has nothing else to do.
    found["prove"] = bool(found["actions"]) or record.get("proven") is False
    if found["prove"] and not found["actions"]:
        found["actions"].append(f"see whether {found['url']} shows them, which it did not in an earlier run")
    if not ours:
        found["warnings"].append("the node exporter that is there is used as it is")
    elif settings["listen"] != LOOPBACK:
        found["warnings"].append(f"the node exporter has no login: whoever reaches {found['url']} reads it")
    if found["actions"]:
        found["record"] = _record(facts, found, settings, record, ours)
    return found


def _empty(settings: Settings, record: dict[str, Any]) -> MetricsPlan:
    address = LOOPBACK if settings["listen"] in ("0.0.0.0", "::") else settings["listen"]  # noqa: S104 - compared
    return {
        "actions": [], "problems": [], "warnings": [], "install": [], "remove": [], "directories": [], "writes": [],
        "program": False, "files_absent": [], "empty_absent": [], "daemon_reload": False, "units": [], "prove": False,
        "account": "", "url": f"http://{endpoint(address, settings['port'])}/metrics", "record": record,
        "questions": {},
    }  # fmt: skip


# -- whose node exporter it is, and why it can't be done ---------------------------------------------------------------


def _is_ours(facts: Facts, settings: Settings, record: Mapping[str, Any]) -> bool:
    """Whether the node exporter came in with this role, or is to."""
    if _files.PACKAGE in recorded(record):
        return True
    seen = facts["ports"].get(str(settings["port"]))
    runs = bool(seen and seen["listeners"] and seen["owner"] in EXPORTERS)
    return not is_installed(facts, _files.PACKAGE) and not runs


def _mistaken(settings: Settings) -> list[Check]:
    """Values that the specs let through."""
    wrong = [
        (
            "metrics_listen",
            not is_number(settings["listen"]),
            f"'{settings['listen']}' is no address; 0.0.0.0 listens everywhere, {LOOPBACK} here alone",
        ),
        ("metrics_port", not 1 <= settings["port"] <= 65535, f"{settings['port']}: 1 to 65535"),
        ("metrics_interval", settings["interval"] < LEAST_S, f"{settings['interval']}: {LEAST_S} s at least"),
        (
            "metrics_textfile_dir",
            not settings["textfile_dir"].startswith("/") or not plain(settings["textfile_dir"]),
            f"{settings['textfile_dir'] or '/'} is no plain absolute path",
        ),
    ]
    return mistaken(wrong)


def _taken(facts: Facts, settings: Settings, ours: bool) -> list[Check]:
    """A port that is neither free nor a node exporter's."""
    seen = facts["ports"].get(str(settings["port"]))
    if not ours or not seen or not seen["listeners"] or seen["owner"] in EXPORTERS:
        return []
    evidence = f"port {settings['port']}, which the node exporter is to have, is {seen['owner'] or 'another process'}'s"
    return [problem("metrics_port", evidence, "stop what listens there, or set metrics_port to a free port")]


# -- what is to be there -----------------------------------------------------------------------------------------------


def _plan_package(facts: Facts, found: MetricsPlan, settings: Settings, ours: bool) -> None:
    if not ours or is_installed(facts, _files.PACKAGE):
        return
    found["install"] = [_files.PACKAGE]
    transaction = Transaction(found["install"], bundle=settings.get("bundle"))
    weigh(facts, found, transaction)
    found["actions"].append(sentence(transaction))


def _plan_files(facts: Facts, found: MetricsPlan, settings: Settings, record: Mapping[str, Any], ours: bool) -> None:
    folder = settings["textfile_dir"]
    brought = ours and folder == _files.TEXTFILE_DIR  # with the package
    wanted = [*([_files.DROP_IN] if ours else []), *([] if brought else [folder])]
    found["directories"] = [path for path in wanted if file_of(facts, path)["kind"] not in ("dir", "link")]
    if found["directories"]:
        found["actions"].append(f"make {', '.join(found['directories'])}")
    before = record.get("textfile_dir")
    if before and before != folder:
        found["files_absent"] = [f"{before}/{WRITTEN}"]  # what is shown there would grow old
        found["actions"].append(f"delete {before}/{WRITTEN}")
    files = _files.files(facts, settings, ours)
    found["writes"] = [
        {"path": path, "content": content} for path, content in files.items() if differs(facts, path, content)
    ]
    seen = file_of(facts, _files.PROGRAM)
    same = seen["sha256"] == hashlib.sha256(_files.program()).hexdigest()
    found["program"] = not same or (seen["mode"], seen["uid"], seen["gid"]) != ("0644", 0, 0)
    paths = [*([_files.PROGRAM] if found["program"] else []), *(each["path"] for each in found["writes"])]
    if paths:
        found["actions"].append(f"write {', '.join(paths)}")


def _plan_units(facts: Facts, found: MetricsPlan, settings: Settings, ours: bool) -> None:
    seen = facts["ports"].get(str(settings["port"]))
    everywhere = settings["listen"] in ("0.0.0.0", "::")  # noqa: S104 - compared
    wanted = {"0.0.0.0", "::"} if everywhere else {str(ip_address(settings["listen"]))}  # noqa: S104 - compared
    if ours and seen and not wanted & set(seen["listeners"]):
        state = "started" if found["install"] else "restarted"
        found["units"].append({"name": EXPORTER, "state": state, "enabled": None})
        if not found["install"]:
            address = endpoint(settings["listen"], settings["port"])
            found["actions"].append(f"restart {EXPORTER}, which does not listen on {address}")
    written = {each["path"] for each in found["writes"]}
    path = f"{settings['textfile_dir']}/{WRITTEN}"
    age = age_s(facts, path)
    late = age is None or age > oldest_s(settings["interval"])
    if found["program"] or written & {CONFIG, _files.SERVICE} or late:
        name = _files.SERVICE.rpartition("/")[2]
        found["units"].append({"name": name, "state": "started", "enabled": None})
        found["actions"].append(f"write {path}")
    if late or _files.TIMER_UNIT in written or not file_of(facts, _files.TIMER_ENABLED)["exists"]:
        state = "restarted" if _files.TIMER_UNIT in written else "started"
        found["units"].append({"name": TIMER, "state": state, "enabled": True})
        found["actions"].append(f"have {TIMER} write it every {settings['interval']} s")
    # Also where an interrupted run has written them, and systemd was not told.
    found["daemon_reload"] = bool(found["units"])


# -- the record --------------------------------------------------------------------------------------------------------


def _record(
    facts: Facts, found: MetricsPlan, settings: Settings, record: Mapping[str, Any], ours: bool
) -> dict[str, Any]:
    paths = [*_files.paths(ours), _files.PROGRAM, f"{settings['textfile_dir']}/{WRITTEN}"]
    fresh = bool(found["install"]) and facts["groups"].get(_files.ACCOUNT) is None
    return {
        "packages": sorted({*recorded(record), *found["install"]}),
        "files": sorted({*texts(record, "files"), *paths} - {*found["files_absent"]}),
        "directories": sorted({*texts(record, "directories"), *found["directories"]}),
        "account": bool(record.get("account") or fresh),
        "textfile_dir": settings["textfile_dir"],
        "interval": settings["interval"],
        "proven": False,
    }


def _absent(facts: Facts, found: MetricsPlan, record: dict[str, Any]) -> MetricsPlan:
    """Take out what the record calls ours."""
    found["record"] = {}
    if not record:
        return found
    if file_of(facts, _files.TIMER_UNIT)["exists"]:
        # The service too, which would write once more.
        service = _files.SERVICE.rpartition("/")[2]
        found["units"].append({"name": TIMER, "state": "stopped", "enabled": False})
        found["units"].append({"name": service, "state": "stopped", "enabled": None})
        found["actions"].append(f"stop {TIMER}")
    found["files_absent"] = [path for path in [*texts(record, "files"), _files.RUN] if _may_be(facts, path)]
    found["daemon_reload"] = any(path.startswith(_files.UNITS) for path in found["files_absent"])
    if found["files_absent"]:
        found["actions"].append(f"delete {', '.join(found['files_absent'])}")
    found["remove"] = [name for name in recorded(record) if is_installed(facts, name)]
    if found["remove"]:
        found["actions"].append(f"remove {', '.join(found['remove'])}")
    shared = any(is_installed(facts, name) for name in NEIGHBOURS)
    if record.get("account") and facts["groups"].get(_files.ACCOUNT) is not None and not shared:
        found["account"] = _files.ACCOUNT
        found["actions"].append(f"delete the account {_files.ACCOUNT}, which came with the package")
    found["empty_absent"] = [path for path in texts(record, "directories") if _may_be(facts, path)]
    if not found["actions"]:
        found["actions"] = [FORGET]
    return found


def _may_be(facts: Facts, path: str) -> bool:
    """Whether a path is there, or was not looked for: the variables no longer name it."""
    return path not in facts["files"] or file_of(facts, path)["exists"]


def _is_wanted(settings: Settings) -> bool:
    return bool(settings["state"] == "present")


STEP = Step(
    "metrics",
    settings,
    wants,
    plan,
    stale_after=webui.STEP.stale_after | {"metrics"},
    optional=True,
    wanted=_is_wanted,
)
