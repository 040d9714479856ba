# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the registry role has to do on the host that runs the lab's own registry."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import (
    CA,
    CA_KEY,
    CERT,
    CERT_KEY,
    CONFIG,
    ENVIRONMENT,
    HTPASSWD,
    LOGIN,
    MADE,
    endpoint,
)
from ansible_collections.navilab.webui.plugins.module_utils._paths import ownable, plain
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Questions

from .._packages import Transaction, concerned, recorded, sentence, weigh
from .._text import problem
from . import _made
from . import _registry_files as _files
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed
from ._made import (
    CA_LEFT,
    CERT_LEFT,
    DAY,
    SIGNING,
    Directory,
    Unit,
    Write,
    left,
    mistaken,
    near,
    parents,
    san,
    sha256,
    shared,
    texts,
    write,
)

PACKAGES = (_files.PACKAGE, "python3-cryptography")
"""The registry, and what community.crypto's modules need on the host."""
# What python3-cryptography pulls in, so that a removal takes out what came in with it.
PULLED = {"bullseye": ("python3-cffi-backend", "python3-six"), "bookworm": ("python3-cffi-backend",)}
PULLED_LATER = ("python3-bcrypt", "python3-cffi-backend")
MASK = f"{_files.UNITS}/docker-registry.service"
HOME = "/var/lib/docker-registry"  # of the package, which this role does not use
SCRIPT = (Path(__file__).resolve().parents[3] / "roles/registry/files/registry_gc.py").read_text(encoding="utf-8")


class Tls(TypedDict):
    """What is to be made: the CA, the server's certificate with an entry for `san`; those that are good but near their
    end are made again in any case."""

    ca: bool
    cert: bool
    renew_ca: bool
    renew_cert: bool
    name: str
    san: str


class RegistryPlan(Plan):
    """Packages by name, files by path, and what is to be done to the units. `seal` says that something is made on the
    host, whose digests the record gets; `prove` that it is to be seen whether it serves."""

    install: list[str]
    remove: list[str]
    mask: str
    unmask: str
    directories: list[Directory]
    writes: list[Write]
    files_absent: list[str]
    empty_absent: list[str]
    tls: Tls
    login: bool
    seal: bool
    daemon_reload: bool
    units: list[Unit]
    prove: bool
    account: str
    address: str
    record: dict[str, Any]
    questions: Questions


def settings(variables: Variables) -> Settings:
    found = {**variables["registry"], "now": time.time(), "bundle": variables["_common"].get("bundle")}
    return {**found, "gateway": variables["gateway"]["state"] == "present"}


def wants(settings: Settings) -> Wants:
    instances = [path for name in _files.ALL for path in _of_instance(name)]
    above = [_files.drop_in("push"), _files.drop_in("mirror"), CONFIG, CONFIG.rpartition("/")[0], *parents(MADE)]
    ours = [*_files.files({**settings, "mirror_of": "x", "mirror_ca": "x"}, ""), *MADE, *instances, *above]
    timer = [_files.TIMER_ENABLED, _files.TIMER_STAMP]
    data = [settings["data_dir"].rstrip("/"), *(_files.store(settings, name) for name in ("push", "mirror"))]
    more = [_files.GC_SCRIPT, _files.RUN, _files.UPSTREAM_CA.rpartition("/")[0], MASK, HOME]
    names = [*PACKAGES, *{name for pulled in (*PULLED.values(), PULLED_LATER) for name in pulled}]
    address = settings["listen"] or settings["address"]
    return {
        "packages": [*sorted(names), *concerned(PACKAGES)],
        "files": list(dict.fromkeys([*ours, *timer, *data, *more])),
        "groups": [_files.GROUP],
        "ports": [int(port) for port in _files.ports({**settings, "mirror_of": "x"}).values()],
        "addresses": [address],
    }


def _of_instance(name: str) -> list[str]:
    return [_files.enabled(name), f"{_files.RUN}/{name}"]


def plan(facts: Facts, settings: Settings) -> RegistryPlan:
    record = facts["records"].get("registry") or {}
    found = _empty(settings, record)
    if settings["state"] == "absent":
        return _absent(facts, found, settings, record)
    found["problems"] = _checks.failures(facts, {"only": ["systemd"]})
    found["problems"] += [*_mistaken(settings), *_taken(facts, settings, record)]
    if found["problems"]:
        return found

    _plan_packages(facts, found, settings)
    _plan_directories(facts, found, settings)
    _plan_files(facts, found, settings, record)
    _plan_tls(facts, found, settings, record)
    moved = record.get("login_port") not in (None, settings["push_port"])
    if moved or any(_strange(facts, record, path) for path in (LOGIN, HTPASSWD, ENVIRONMENT)):
        found["login"] = True
        found["actions"].append("make the login that the registry is written to with")
    found["seal"] = bool(found["login"] or found["tls"]["cert"] or any(each["secret"] for each in found["writes"]))
    _plan_drops(facts, found, settings, record)
    _plan_units(facts, found, settings, record)
    # A run that found it not serving is not forgotten by the next, which has nothing else to do.
    found["prove"] = bool(found["units"]) or record.get("proven") is False
    if found["prove"] and not found["actions"]:
        found["actions"].append("see whether it serves, which it did not in an earlier run")
    found["warnings"] += _ends(settings, record, found["tls"])
    if found["actions"]:
        found["record"] = _record(facts, found, settings, record)
    return found


def _empty(settings: Settings, record: dict[str, Any]) -> RegistryPlan:
    return {
        "actions": [], "problems": [], "warnings": [], "install": [], "remove": [], "mask": "", "unmask": "",
        "directories": [], "writes": [], "files_absent": [], "empty_absent": [],
        "tls": {
            "ca": False, "cert": False, "renew_ca": False, "renew_cert": False,
            "name": f"CA of the lab at {settings['address']}"[:64], "san": san(settings["address"]),
        },
        "login": False, "seal": False, "daemon_reload": False, "units": [], "prove": False,
        "account": "",
        "address": endpoint(settings["address"], settings["port"]), "record": record, "questions": {},
    }  # fmt: skip


# -- why it can't be done ----------------------------------------------------------------------------------------------


def _mistaken(settings: Settings) -> list[Check]:
    """Values that the specs let through."""
    wanted = _files.ports(settings)
    wrong = [
        ("registry_address", not settings["address"], "it is empty"),
        ("registry_data_dir", not ownable(settings["data_dir"]), f"{settings['data_dir']} is one of the system's"),
        ("registry_data_dir", not plain(settings["data_dir"]) or " " in settings["data_dir"], "a plain path is needed"),
        ("registry_port", len(set(wanted.values())) < len(wanted), f"{_said(wanted)} are not all different"),
        ("registry_port", any(not 1 <= port <= 65535 for port in wanted.values()), f"{_said(wanted)}: 1 to 65535"),
        ("registry_keep", settings["keep"] < 1, f"{settings['keep']} would leave no image"),
        ("registry_cert", bool(settings["cert"]) != bool(settings["key"]), "certificate and key go together"),
        ("registry_ca_key", bool(settings["ca_key"]) and not settings["ca_cert"], "registry_ca_cert goes with it"),
        (
            "registry_ca_cert",
            bool(settings["ca_cert"]) and not (settings["ca_key"] or settings["cert"]),
            "registry_ca_key, or a certificate of it in registry_cert, goes with it",
        ),
        (
            "registry_mirror_of",
            bool(settings["mirror_of"]) and not settings["mirror_of"].startswith(("https://", "http://")),
            f"{settings['mirror_of']} is no address such as https://registry-1.docker.io",
        ),
    ]
    return mistaken(wrong)


def _said(wanted: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {port}" for name, port in wanted.items())


def _taken(facts: Facts, settings: Settings, record: Mapping[str, Any]) -> list[Check]:
    """Ports that somebody else listens on."""
    had = _ports_of(record)
    found = []
    for instance, port in _files.ports(settings).items():
        seen = facts["ports"].get(str(port))
        ours = _runs(facts, instance) and had.get(instance, port) == port
        others = {had.get(name) for name in had if name != instance and _runs(facts, name)}
        mine = {"", "0.0.0.0", "::", _listen(facts, settings, instance)}  # noqa: S104 - compared, not bound
        everywhere = _listen(facts, settings, instance) == ""
        clash = [each for each in (seen["listeners"] if seen else ()) if everywhere or each in mine]
        if clash and not ours and port not in others:
            variable = {"pull": "registry_port", "push": "registry_push_port", "mirror": "registry_mirror_port"}
            owner = (seen["owner"] if seen else "") or "another process"
            evidence = f"port {port}, which the registry's instance {instance} is to have, is {owner}'s"
            remedy = f"stop what listens there, or set {variable[instance]} to a free port"
            found.append(problem("registry_port", evidence, remedy))
    return found


def _ports_of(record: Mapping[str, Any]) -> dict[str, int]:
    serves = record.get("serves")
    ports = serves.get("ports") if isinstance(serves, Mapping) else None
    return dict(ports) if isinstance(ports, Mapping) else {}


def _listen(facts: Facts, settings: Settings, instance: str = "pull") -> str:
    """The address that is bound; "" for all."""
    if instance == "push":
        return "127.0.0.1"
    if settings["listen"]:
        return str(settings["listen"])
    return str(settings["address"]) if facts["addresses"].get(settings["address"]) else ""


# -- what is to be there -----------------------------------------------------------------------------------------------


def _plan_packages(facts: Facts, found: RegistryPlan, settings: Settings) -> None:
    found["install"] = [name for name in PACKAGES if not is_installed(facts, name)]
    if not found["install"]:
        return
    transaction = Transaction(found["install"], bundle=settings.get("bundle"))
    weigh(facts, found, transaction)
    found["actions"].append(sentence(transaction))
    if _files.PACKAGE in found["install"] and not file_of(facts, MASK)["exists"]:
        found["mask"] = MASK  # else the package starts a registry of its own, open to all


def _plan_directories(facts: Facts, found: RegistryPlan, settings: Settings) -> None:
    group = _files.GROUP
    data = settings["data_dir"].rstrip("/")
    wanted = [
        *(Directory(path=path, mode="0755", owner="root", group="root") for path in _plain_directories(settings)),
        *(Directory(path=path, mode="0750", owner="root", group=group) for path in parents((CERT, LOGIN))),
    ]
    if not file_of(facts, data)["exists"]:  # what is there, a mount point perhaps, is left as it is
        wanted.append(Directory(path=data, mode="0755", owner="root", group="root"))
    stores = [_files.store(settings, name) for name in _files.ports(settings) if name != "pull"]
    wanted += [Directory(path=path, mode="0750", owner=group, group=group) for path in stores]
    found["directories"] = [each for each in wanted if not _is_directory(facts, each)]
    _say(found, "make", [each["path"] for each in found["directories"]])


def _plain_directories(settings: Settings) -> list[str]:
    wanted = _files.ports(settings)
    mirror = [_files.UPSTREAM_CA.rpartition("/")[0]] if "mirror" in wanted and settings["mirror_ca"] else []
    drops = [_files.drop_in(name) for name in wanted if name != "pull"]
    return [CONFIG.rpartition("/")[0], CONFIG, *mirror, *drops]


def _is_directory(facts: Facts, wanted: Directory) -> bool:
    seen = file_of(facts, wanted["path"])
    gid = facts["groups"].get(wanted["group"]) if wanted["group"] != "root" else 0
    if wanted["path"] == CONFIG.rpartition("/")[0]:
        return seen["kind"] == "dir"
    owned = seen["uid"] == 0 if wanted["owner"] == "root" else seen["uid"] != 0
    return seen["kind"] == "dir" and seen["mode"] == wanted["mode"] and seen["gid"] == gid and owned


def _plan_files(facts: Facts, found: RegistryPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    for path, content in _files.files(settings, _listen(facts, settings)).items():
        if differs(facts, path, content):
            found["writes"].append(write(path, content))
    if differs(facts, _files.GC_SCRIPT, SCRIPT, "0755"):
        found["writes"].append({**write(_files.GC_SCRIPT, ""), "source": "registry_gc.py", "mode": "0755"})
    for path, variable, mode in (
        (CA, "ca_cert", "0644"),
        (CA_KEY, "ca_key", "0600"),
        (CERT, "cert", "0644"),
        (CERT_KEY, "key", "0640"),
    ):
        content = settings[variable]
        if content and (sha256(content) != file_of(facts, path)["sha256"] or _strange(facts, record, path)):
            group = _files.GROUP if path == CERT_KEY else "root"
            secret = f"registry_{variable}"
            found["writes"].append({**write(path, ""), "secret": secret, "mode": mode, "group": group})
    _say(found, "write", [each["path"] for each in found["writes"]])
    found["daemon_reload"] = any(each["path"].startswith(_files.UNITS) for each in found["writes"])


def _say(found: RegistryPlan, verb: str, paths: list[str]) -> None:
    found["actions"] += [f"{verb} {', '.join(paths)}"] if paths else []


_MODES = {CA_KEY: "0600", CERT_KEY: "0640", LOGIN: "0600", HTPASSWD: "0640", ENVIRONMENT: "0600"}


def _strange(facts: Facts, record: Mapping[str, Any], path: str) -> bool:
    group = _files.GROUP if path in (CERT_KEY, HTPASSWD) else "root"
    return _made.strange(facts, record, path, _MODES.get(path, "0644"), group)


def _plan_tls(facts: Facts, found: RegistryPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    if settings["cert"]:
        if not settings["ca_cert"] and file_of(facts, CA)["exists"]:
            found["files_absent"].append(CA)
            found["actions"].append(f"delete {CA}, whose certificate is not in use any more")
        return
    tls = found["tls"]
    if not settings["ca_cert"]:
        tls["renew_ca"] = near(settings, record, "ca", CA_LEFT)
        tls["ca"] = tls["renew_ca"] or any(_strange(facts, record, path) for path in (CA, CA_KEY))
    given = any(each["path"] in (CA, CA_KEY) for each in found["writes"])
    other = any(_strange(facts, record, path) for path in (CERT, CERT_KEY)) or record.get("san") != tls["san"]
    tls["renew_cert"] = near(settings, record, "cert", CERT_LEFT)
    tls["cert"] = tls["ca"] or given or other or tls["renew_cert"]
    found["actions"] += ["make the CA of the lab's registry"] if tls["ca"] else []
    found["actions"] += [f"make the registry's certificate for {settings['address']}"] if tls["cert"] else []


def _ends(settings: Settings, record: Mapping[str, Any], tls: Tls) -> list[str]:
    """Certificates of the user's that are near their end, which nobody here makes again."""
    given = {"ca": settings["ca_cert"], "cert": settings["cert"]}
    ends = {which: left(settings, record, which) for which in given if given[which]}
    return [
        f"the certificate in registry_{'ca_cert' if which == 'ca' else 'cert'} ends in {int(seconds // DAY)} days"
        for which, seconds in ends.items()
        if seconds is not None and seconds < 30 * DAY and not (which == "cert" and tls["cert"])
    ]


def _plan_drops(facts: Facts, found: RegistryPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    """What belongs to instances that nobody wants any more."""
    wanted = _files.ports(settings)
    drops: list[str] = []
    if "mirror" not in wanted:
        cache = _files.store(settings, "mirror")
        drops = [_files.config_of("mirror"), _files.drop_in("mirror"), _files.UPSTREAM_CA.rpartition("/")[0]]
        drops += [cache] if cache in texts(record, "directories") else []
    elif not settings["mirror_ca"]:
        drops = [_files.UPSTREAM_CA.rpartition("/")[0]]
    there = [path for path in drops if file_of(facts, path)["exists"]]
    found["files_absent"] += there
    found["daemon_reload"] = found["daemon_reload"] or any(path.startswith(_files.UNITS) for path in there)
    _say(found, "delete", there)


# -- the units ---------------------------------------------------------------------------------------------------------


def _runs(facts: Facts, instance: str) -> bool:
    return file_of(facts, f"{_files.RUN}/{instance}")["kind"] == "dir"


def _again(found: RegistryPlan) -> set[str]:
    """The files that are made or written."""
    made = {each["path"] for each in found["writes"]}
    made |= {CA, CA_KEY} if found["tls"]["ca"] else set()
    made |= {CERT, CERT_KEY} if found["tls"]["cert"] else set()
    return made | ({LOGIN, HTPASSWD, ENVIRONMENT} if found["login"] else set())


def _plan_units(facts: Facts, found: RegistryPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    wanted = _files.ports(settings)
    written = _again(found) | set(found["files_absent"])
    for instance, port in wanted.items():
        name = _files.unit(instance)
        reads = _reads(settings, instance)
        why = "" if _runs(facts, instance) else f"start {name}"
        if not why and (written & reads or _newer(facts, instance, reads)):
            why = f"restart {name} with its new settings"
        seen = facts["ports"].get(str(port))
        if not why and seen and not seen["listeners"] and _ports_of(record).get(instance) == port:
            why = f"restart {name}, which does not listen at port {port}"
        state = "restarted" if why.startswith("restart") else "started"
        if not why and not file_of(facts, _files.enabled(instance))["exists"]:
            why = f"have {name} started at boot"
        if why:
            found["units"].append({"name": name, "state": state, "enabled": True})
            found["actions"].append(why)
    for instance in _files.ALL:
        if instance not in wanted and (_runs(facts, instance) or file_of(facts, _files.enabled(instance))["exists"]):
            name = _files.unit(instance)
            found["units"].append({"name": name, "state": "stopped", "enabled": False})
            found["actions"].append(f"stop {name}")
    timer = [file_of(facts, path)["exists"] for path in (_files.TIMER_ENABLED, _files.TIMER_STAMP)]
    if not all(timer) or _files.GC_TIMER in written:
        name = _files.GC_TIMER.rpartition("/")[2]
        state = "restarted" if _files.GC_TIMER in written else "started"
        found["units"].append({"name": name, "state": state, "enabled": True})
        found["actions"].append(f"start {name}")
    # Also where an interrupted run has written them, and systemd was not told.
    found["daemon_reload"] = found["daemon_reload"] or bool(found["units"])


def _reads(settings: Settings, instance: str) -> set[str]:
    """What an instance reads at its start and never again."""
    found = {_files.config_of(instance), _files.TEMPLATE, ENVIRONMENT}
    if instance != "pull":
        found.add(f"{_files.drop_in(instance)}/navilab.conf")
    if instance != "push":
        found |= {CERT, CERT_KEY}
    return found | ({_files.UPSTREAM_CA} if instance == "mirror" and settings["mirror_ca"] else set())


def _newer(facts: Facts, instance: str, reads: Iterable[str]) -> bool:
    """Whether it has not been started since one of them was written, as an interrupted run leaves it."""
    started = file_of(facts, f"{_files.RUN}/{instance}")["mtime"]
    return started is not None and any((file_of(facts, path)["mtime"] or 0.0) > started for path in reads)


# -- the record ------------------------------------------------------------------------------------------------------


def _record(facts: Facts, found: RegistryPlan, settings: Settings, record: Mapping[str, Any]) -> dict[str, Any]:
    codename = facts["release"]["debian_codename"] or ""
    brought = list(found["install"])
    if "python3-cryptography" in brought:
        brought += [name for name in PULLED.get(codename, PULLED_LATER) if not is_installed(facts, name)]
    paths = [*_files.files(settings, ""), _files.GC_SCRIPT]
    made = [each["path"] for each in found["directories"] if not file_of(facts, each["path"])["exists"]]
    fresh = _files.PACKAGE in brought
    return {
        "packages": sorted({*recorded(record), *shared(facts, "gateway"), *brought}),
        "files": sorted({*(record.get("files") or []), *paths} - set(found["files_absent"])),
        "directories": sorted({*texts(record, "directories"), *made} - set(found["files_absent"])),
        "mask": found["mask"] or record.get("mask", ""),
        "home": bool(record.get("home") or (fresh and not file_of(facts, HOME)["exists"])),
        "account": bool(record.get("account") or (fresh and facts["groups"].get(_files.GROUP) is None)),
        "serves": {
            "address": settings["address"],
            "listen": _listen(facts, settings),
            "ports": _files.ports(settings),
        },
        # What is about to be made again counts as unknown until it is.
        "made": [f"{digest}  {path}" for path, digest in _made.made(record).items() if path not in _again(found)],
        "ends": record.get("ends") or {},
        "san": found["tls"]["san"],
        "login_port": settings["push_port"],
        "proven": not found["prove"],
    }


def _absent(facts: Facts, found: RegistryPlan, settings: Settings, record: dict[str, Any]) -> RegistryPlan:
    """Take out what the record calls ours."""
    found["record"] = {}
    if not record:
        return found
    for instance in _files.ALL:
        if any(file_of(facts, path)["exists"] for path in _of_instance(instance)):
            name = _files.unit(instance)
            found["units"].append({"name": name, "state": "stopped", "enabled": False})
    if file_of(facts, _files.TIMER_ENABLED)["exists"]:
        found["units"].append({"name": _files.GC_TIMER.rpartition("/")[2], "state": "stopped", "enabled": False})
    found["actions"] += [f"stop {each['name']}" for each in found["units"]]
    # Deepest last, so that what is gone with its directory need not be named.
    ours = sorted({*(record.get("files") or []), *texts(record, "directories"), *MADE, _files.TIMER_STAMP, _files.RUN})
    parent = CONFIG.rpartition("/")[0]  # other roles' too
    there = [path for path in ours if path != parent and file_of(facts, path)["exists"]]
    found["files_absent"] = [path for path in there if not any(path.startswith(f"{each}/") for each in there)]
    found["daemon_reload"] = any(path.startswith(_files.UNITS) for path in found["files_absent"])
    _say(found, "delete", [path for path in found["files_absent"] if path != _files.RUN])
    stay = SIGNING if settings["gateway"] and facts["records"].get("gateway") else ()
    found["remove"] = [name for name in recorded(record) if is_installed(facts, name) and name not in stay]
    if found["remove"]:
        found["actions"].append(f"remove {', '.join(found['remove'])}")
    if record.get("mask") and file_of(facts, MASK)["kind"] == "link":
        found["unmask"] = MASK
        found["actions"].append("unmask docker-registry.service")
    if record.get("account") and facts["groups"].get(_files.GROUP) is not None:
        found["account"] = _files.GROUP
        found["actions"].append(f"delete the account {_files.GROUP}, which came with the package")
    stays = [parent] if parent in texts(record, "directories") else []
    stays += [HOME] if record.get("home") else []
    found["empty_absent"] = [path for path in stays if file_of(facts, path)["exists"]]
    if not found["actions"]:
        found["actions"] = [FORGET]
    return found


STEP = Step(
    "registry", settings, wants, plan, stale_after=frozenset({"registry", "reboot"}), optional=True,
    wanted=lambda settings: bool(settings["mirror_of"]),  # a rack's; the builder's own comes with what it builds
)  # fmt: skip
