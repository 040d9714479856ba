# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the gateway role has to do on a host whose webui is to be reached from the network, with TLS and a login."""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _checks, _lab_registry
from ansible_collections.navilab.webui.plugins.module_utils._gateway import (
    CA,
    CA_KEY,
    CERT,
    CERT_KEY,
    CONFIG,
    HTPASSWD,
    KNOWN,
    MADE,
    known,
)
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import endpoint
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Questions, WantedGateway

from .._packages import Transaction, concerned, recorded, sentence, weigh
from .._text import problem
from . import _gateway_files as _files
from . import _made, webui
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed
from ._made import (
    CA_LEFT,
    CERT_LEFT,
    DAY,
    SIGNING,
    Directory,
    Unit,
    Write,
    is_number,
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
from ._webui_container import LISTEN

PACKAGES = (_files.PACKAGE, "python3-cryptography")
"""The server, and what community.crypto's modules need on the host."""
# What they pull in, so that a removal takes out what came in with them.
_BULLSEYE = (
    "fontconfig-config fonts-dejavu-core libbrotli1 libdeflate0 libfontconfig1 libfreetype6 libgd3 libgeoip1 libicu67 "
    "libjbig0 libjpeg62-turbo libnginx-mod-http-geoip libnginx-mod-http-image-filter libnginx-mod-http-xslt-filter "
    "libnginx-mod-mail libnginx-mod-stream libnginx-mod-stream-geoip libpng16-16 libtiff5 libwebp6 libx11-6 "
    "libx11-data libxau6 libxcb1 libxdmcp6 libxml2 libxpm4 libxslt1.1 nginx-core python3-six"
)
PULLED = ("nginx-common", "python3-bcrypt", "python3-cffi-backend", *_BULLSEYE.split())
MASK = "/etc/systemd/system/nginx.service"
PASSWORD_AT_LEAST = 12
_MODES = {CA: "0644", CA_KEY: "0600", CERT: "0644", CERT_KEY: "0600", HTPASSWD: "0640"}


class Tls(TypedDict):
    """What is to be made: a CA of the host's own, and a certificate with an entry for each of `sans`, of that CA or, as
    `signer` names a host, of that one's."""

    ca: bool
    cert: bool
    renew_ca: bool
    renew_cert: bool
    name: str
    sans: list[str]
    signer: str


class GatewayPlan(Plan):
    """Packages by name, files by path, and what is to be done to the unit. `configuration` is what nginx has to accept
    first; `links` has the registry's CA where the host runs it; `seal` says that something is made on the host, whose
    digests the record gets. `url` is where the webui is then, "" without a gateway."""

    install: list[str]
    remove: list[str]
    mask: str
    unmask: str
    directories: list[Directory]
    links: dict[str, str]
    writes: list[Write]
    configuration: str
    files_absent: list[str]
    empty_absent: list[str]
    tls: Tls
    login: bool
    seal: bool
    daemon_reload: bool
    units: list[Unit]
    url: str
    probe: dict[str, str]
    record: dict[str, Any]
    questions: Questions


def settings(variables: Variables) -> Settings:
    own, listen = variables["gateway"], variables["webui"]["listen"]
    found = {**own, "listen": listen, "webui": webui.settings(variables), "now": time.time()}
    found["bundle"] = variables["_common"].get("bundle")
    found["wanted"] = _is_wanted(variables)
    # Only where all is there: it costs some time on purpose.
    complete = found["wanted"] and not _login_problems(found)
    return {**found, "known": sha256(known(own["user"], own["password"])) if complete else ""}


def _is_wanted(variables: Variables) -> bool:
    own, listen = variables["gateway"], variables["webui"]["listen"]
    return bool(own["state"] == "present" and (listen != LISTEN or own["hosts"]))


def asked(variables: Variables) -> dict[str, Any] | None:
    """How a gateway is asked from the host itself; None where none is wanted."""
    return _probe({**variables["gateway"], "listen": variables["webui"]["listen"]}) if _is_wanted(variables) else None


def wanted(asked: Mapping[str, Any] | None) -> WantedGateway | None:
    """The gateway, as the checks take it."""
    return {"name": asked["name"], "port": asked["port"]} if asked else None


def wants(settings: Settings) -> Wants:
    found: Wants = webui.wants(settings["webui"])
    found["packages"] = [*found["packages"], *PACKAGES, *PULLED, *concerned(PACKAGES)]
    ours = [*MADE, KNOWN, _files.CONF, _files.UNIT, _files.ENABLED, _files.PID, _files.CACHE, MASK, _files.RUN]
    registry = [_lab_registry.CA, _lab_registry.CA_KEY]
    found["files"] = [*found["files"], *ours, *registry, *_directories()]
    found["groups"] = [_files.GROUP]
    if settings["wanted"]:
        found["ports"] = [settings["port"]]
        found["addresses"] = [settings["listen"]]
        found["gateways"] = [_probe(settings)]
    return found


def _directories() -> list[str]:
    return [CONFIG.rpartition("/")[0], *parents(MADE), _files.CACHE]


def _probe(settings: Settings) -> dict[str, Any]:
    everywhere = settings["listen"] in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return {
        "name": (settings["names"] or [settings["own"]])[0],
        "address": LISTEN if everywhere else settings["listen"],
        "port": settings["port"],
        "ca": _trusted(settings, ""),
    }


def _trusted(settings: Settings, system: str) -> str:
    """The file of who vouches for the certificates of this gateway and of those behind it."""
    return CA if settings["ca_cert"] or not settings["cert"] else system


def plan(facts: Facts, settings: Settings) -> GatewayPlan:
    record = facts["records"].get("gateway") or {}
    found = _empty(settings, record)
    if not settings["wanted"]:
        return _absent(facts, found, record)
    found["problems"] = _checks.failures(facts, {"only": ["systemd"]})
    found["problems"] += [*_mistaken(facts, settings), *_login_problems(settings), *_taken(facts, settings, record)]
    if found["problems"]:
        return found
    asked = _probe(settings)
    found["url"] = _url(settings)
    address = endpoint(asked["address"], asked["port"])
    found["probe"] = {"url": f"https://{address}/", "host": _files.url_host(asked["name"])}
    _plan_packages(facts, found, settings)
    _plan_directories(facts, found)
    _plan_tls(facts, found, settings, record)
    if found["tls"]["cert"] and found["tls"]["signer"] and settings["ca_local"]:
        evidence = f"{found['tls']['signer']} is to sign this host's certificate, and this run reaches no other host"
        found["problems"] = [problem("gateway_ca_host", evidence, "run the site for this host from a controller")]
        return found
    _plan_files(facts, found, settings, record)
    if _strange(facts, record, HTPASSWD) or _other_login(facts, settings):
        found["login"] = True
        found["actions"].append(f"make the login of {settings['user']}")
    found["seal"] = bool(
        found["login"] or found["tls"]["cert"] or found["links"] or any(each["secret"] for each in found["writes"])
    )
    _plan_unit(facts, found, settings, record)
    found["warnings"] += _ends(settings, record)
    if found["actions"]:
        found["record"] = _record(facts, found, settings, record)
    return found


def _empty(settings: Settings, record: dict[str, Any]) -> GatewayPlan:
    ca_host = settings["ca_host"]
    return {
        "actions": [], "problems": [], "warnings": [], "install": [], "remove": [], "mask": "", "unmask": "",
        "directories": [], "links": {}, "writes": [], "configuration": "", "files_absent": [], "empty_absent": [],
        "tls": {
            "ca": False, "cert": False, "renew_ca": False, "renew_cert": False,
            "name": f"CA of the gateway at {settings['own']}"[:64], "sans": [san(name) for name in settings["names"]],
            "signer": "" if ca_host == settings["own"] else ca_host,
        },
        "login": False, "seal": False, "daemon_reload": False, "units": [], "url": "", "probe": {},
        "record": record, "questions": {},
    }  # fmt: skip


def _url(settings: Settings) -> str:
    port = "" if settings["port"] == 443 else f":{settings['port']}"
    return f"https://{_files.url_host(settings['names'][0])}{port}/"


# -- why it can't be done ----------------------------------------------------------------------------------------------


def _login_problems(settings: Settings) -> list[Check]:
    """Nobody faces the network without a login, and with a bad one."""
    user, password = settings["user"], settings["password"]
    remedy = "set gateway_user, and gateway_password from a vault, or leave webui_listen at 127.0.0.1"
    if not user or not password:
        missing = " and ".join(name for name in ("user", "password") if not settings[name])
        evidence = f"webui_listen is '{settings['listen']}', and the gateway has no login: gateway_{missing} is empty"
        return [problem("gateway_login", evidence.replace("and password", "and gateway_password"), remedy)]
    if not re.fullmatch(r"[^:\s\x00-\x1f\x7f]{1,64}", user):
        return [problem("gateway_login", "gateway_user has a colon, a space or more than 64 characters", remedy)]
    size = len(password.encode())
    if len(password) < PASSWORD_AT_LEAST or size > 72 or re.search(r"[\x00-\x1f\x7f]", password):
        evidence = f"gateway_password is not of {PASSWORD_AT_LEAST} to 72 characters, none of them a control character"
        return [problem("gateway_login", evidence, "make a longer one, such as openssl rand -base64 24 gives")]
    return []


def _mistaken(facts: Facts, settings: Settings) -> list[Check]:
    """Values that the specs let through."""
    listen, peers = settings["listen"], _peers(settings)
    foreign = is_number(listen) and facts["addresses"].get(listen) is False
    bad = [name for name in settings["names"] if not _is_name(name)]
    nameless = [peer["host"] for peer in peers if not peer["name"]]
    lost = [peer["host"] for peer in peers if not _is_name(peer["address"])]
    apart = [peer["host"] for peer in peers if peer["ca_host"] != (settings["ca_host"] or settings["own"])]
    doors = [peer["host"] for peer in peers if peer["door"]]
    twins = sorted({name for name in (peer["name"] for peer in peers) if name and _named(peers, name) > 1})
    own = range(settings["webui"]["port"], settings["webui"]["port"] + webui.GPUS_AT_MOST)
    inside = is_number(listen) and ipaddress.ip_address(listen).is_loopback
    wrong = [
        ("webui_listen", not is_number(listen), f"'{listen}' is no address"),
        ("webui_listen", inside, f"{listen} is a loopback address, which only 127.0.0.1 without a gateway may be"),
        ("webui_listen", foreign, f"{listen} is none of this host's addresses; 0.0.0.0 stands for all"),
        ("gateway_port", settings["port"] in own, f"{settings['port']} is the port of a webui, which webui_port gives"),
        ("gateway_port", not 1 <= settings["port"] <= 65535, f"{settings['port']}: 1 to 65535"),
        ("gateway_names", not settings["names"], "it is empty"),
        ("gateway_names", bool(bad), f"{', '.join(map(repr, bad))}: a name or an address is needed"),
        ("gateway_cert", bool(settings["cert"]) != bool(settings["key"]), "certificate and key go together"),
        ("gateway_ca_cert", bool(settings["ca_cert"]) and not settings["cert"], "gateway_cert goes with it"),
        ("gateway_upload_mib", settings["upload_mib"] < 1, f"{settings['upload_mib']} would let nothing in"),
        ("gateway_tries", settings["tries"] < 1, f"{settings['tries']} would let nobody in"),
        ("gateway_hosts", bool(nameless), f"{', '.join(nameless)} has no name that is no number in gateway_names"),
        (
            "gateway_hosts",
            bool(twins),
            f"{', '.join(twins)} is the name of several; each needs its own",
        ),
        ("gateway_hosts", bool(lost), f"{', '.join(lost)} has an ansible_host that is neither name nor address"),
        ("gateway_hosts", bool(doors), f"{', '.join(doors)} has gateway_hosts of its own, and would be asked in turn"),
        ("gateway_ca_host", not settings["ca_known"], f"'{settings['ca_host']}' is no host of this inventory"),
        (
            "gateway_ca_host",
            bool(apart) and not settings["cert"],
            f"{', '.join(apart)} has a certificate of another CA; name one host for all that are balanced",
        ),
    ]
    return mistaken(wrong)


def _named(peers: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(peer["name"] == name for peer in peers)


def _is_name(name: str) -> bool:
    return is_number(name) or bool(re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?", name))


def _peers(settings: Settings) -> list[dict[str, Any]]:
    """The other hosts that are balanced, as the inventory has them: those have no plan that could be read here."""
    given = settings["peers"]
    found = []
    for number, host in enumerate(settings["hosts"]):
        if host == settings["own"]:
            continue
        address = given["address"][number] or host
        names = given["names"][number] or [address, host]
        found.append(
            {
                "host": host,
                "address": address,
                "port": given["port"][number],
                "name": next(
                    (name for name in names if _is_name(name) and not is_number(name)), ""
                ),  # nginx checks no number
                "ca_host": given["ca_host"][number] or host,
                "door": [other for other in given["hosts"][number] if other != host],
            }
        )
    return found


def _taken(facts: Facts, settings: Settings, record: Mapping[str, Any]) -> list[Check]:
    """A port that somebody else listens on."""
    seen = facts["ports"].get(str(settings["port"])) or {"listeners": [], "owner": ""}
    everywhere = settings["listen"] in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    mine = {"0.0.0.0", "::", settings["listen"]}  # noqa: S104
    clash = [each for each in seen["listeners"] if everywhere or each in mine]
    if not clash or (_runs(facts) and record.get("port") == settings["port"]):
        return []
    evidence = f"port {settings['port']}, which the gateway is to have, is {seen['owner'] or 'another process'}'s"
    remedy = "stop what listens there, or set gateway_port to a free port"
    return [problem("gateway_port", evidence, remedy)]


# -- what is to be there -----------------------------------------------------------------------------------------------


def _plan_packages(facts: Facts, found: GatewayPlan, settings: Settings) -> None:
    found["install"] = [name for name in PACKAGES if not is_installed(facts, name)]
    if not found["install"]:
        return
    transaction = Transaction(found["install"], bundle=settings.get("bundle"))
    weigh(facts, found, transaction)
    found["actions"].append(sentence(transaction))
    # An nginx of another package (nginx-light) runs by the same unit, and is somebody's.
    new = _files.PACKAGE in found["install"] and not is_installed(facts, "nginx-common")
    if new and not file_of(facts, MASK)["exists"]:
        found["mask"] = MASK  # else the package serves a page of its own on port 80, to all


def _plan_directories(facts: Facts, found: GatewayPlan) -> None:
    wanted = [Directory(path=path, mode="0755", owner="root", group="root") for path in _directories()]
    missing = [each for each in wanted if file_of(facts, each["path"])["kind"] != "dir"]
    found["actions"] += [f"make {', '.join(each['path'] for each in missing)}"] if missing else []
    found["directories"] = missing


def _strange(facts: Facts, record: Mapping[str, Any], path: str) -> bool:
    return _made.strange(facts, record, path, _MODES[path], _files.GROUP if path == HTPASSWD else "root")


def _other_login(facts: Facts, settings: Settings) -> bool:
    """Whether the login that is there is not that of the variables: both its files come of one password."""
    seen = file_of(facts, KNOWN)
    return (seen["sha256"], seen["mode"], seen["uid"], seen["gid"]) != (settings["known"], "0640", 0, 0)


def _plan_tls(facts: Facts, found: GatewayPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    if settings["cert"]:
        return
    tls, made = found["tls"], _made.made(record)
    registry = file_of(facts, _lab_registry.CA_KEY)["exists"]
    if not tls["signer"] and registry:
        # The lab's CA: one for all, whoever of them has it.
        pairs = {CA: _lab_registry.CA, CA_KEY: _lab_registry.CA_KEY}
        found["links"] = {path: to for path, to in pairs.items() if file_of(facts, path)["kind"] != "link"}
        found["actions"] += ["take the CA of the lab's registry"] if found["links"] else []
        other = bool(found["links"]) or made.get(CA) != file_of(facts, _lab_registry.CA)["sha256"]
    elif not tls["signer"]:
        tls["renew_ca"] = near(settings, record, "ca", CA_LEFT)
        tls["ca"] = tls["renew_ca"] or any(_strange(facts, record, path) for path in (CA, CA_KEY))
        other = tls["ca"]
    else:
        other = _strange(facts, record, CA)
    other = other or any(_strange(facts, record, path) for path in (CERT, CERT_KEY))
    same = record.get("sans") == tls["sans"] and record.get("signer") == tls["signer"]
    tls["renew_cert"] = near(settings, record, "cert", CERT_LEFT)
    tls["cert"] = other or not same or tls["renew_cert"]
    found["actions"] += ["make a CA"] if tls["ca"] else []
    found["actions"] += [f"make a certificate for {', '.join(settings['names'])}"] if tls["cert"] else []
    stale = [CA, CA_KEY] if tls["ca"] or tls["signer"] else []
    gone = [path for path in stale if file_of(facts, path)["kind"] == "link"]  # of a registry that is gone
    gone += [CA_KEY] if tls["signer"] and file_of(facts, CA_KEY)["kind"] == "file" else []
    found["files_absent"] = gone
    found["actions"] += [f"delete {', '.join(gone)}"] if gone else []


def _targets(facts: Facts, settings: Settings) -> list[_files.Target]:
    """What is balanced: the host's own webuis, or those of the hosts that are named."""
    found = []
    if not settings["hosts"] or settings["own"] in settings["hosts"]:
        wanted = webui.plan(facts, settings["webui"])["instances"]
        ports = [each["port"] for each in wanted] or [settings["webui"]["port"]]
        found = [_files.Target(f"http://{LISTEN}:{port}") for port in ports]
    ca = _trusted(settings, _files.SYSTEM_CAS)
    for peer in _peers(settings):
        url = f"https://{endpoint(peer['address'], peer['port'])}"
        found.append(_files.Target(url, peer["name"], ca))
    return found


def _plan_files(facts: Facts, found: GatewayPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    if differs(facts, _files.UNIT, _files.UNIT_TEXT):
        found["writes"].append(write(_files.UNIT, _files.UNIT_TEXT))
        found["daemon_reload"] = True
    for path, variable in ((CA, "ca_cert"), (CERT, "cert"), (CERT_KEY, "key")):
        content = settings[variable]
        if content and (sha256(content) != file_of(facts, path)["sha256"] or _strange(facts, record, path)):
            found["writes"].append(write(path, "", f"gateway_{variable}", _MODES[path]))
    text = _files.configuration(settings, _targets(facts, settings))
    paths = [each["path"] for each in found["writes"]]
    if differs(facts, _files.CONF, text):
        found["configuration"] = text
        paths.append(_files.CONF)
    found["actions"] += [f"write {', '.join(paths)}"] if paths else []


# -- the unit ----------------------------------------------------------------------------------------------------------


def _runs(facts: Facts) -> bool:
    return bool(file_of(facts, _files.PID)["size"])


def _again(found: GatewayPlan) -> set[str]:
    """The files that are made or written."""
    again = {each["path"] for each in found["writes"]} | set(found["links"])
    again |= {CA, CA_KEY} if found["tls"]["ca"] else set()
    again |= {CA, CERT, CERT_KEY} if found["tls"]["cert"] else set()
    again |= {_files.CONF} if found["configuration"] else set()
    return again | ({HTPASSWD, KNOWN} if found["login"] else set())


_READS = (_files.CONF, KNOWN, CA, CERT, CERT_KEY)
"""What nginx reads at its start, and when it is told to."""


def _newer(facts: Facts, paths: Iterable[str]) -> bool:
    """Whether one was written since nginx has read them, as an interrupted run leaves it."""
    told = file_of(facts, _files.PID)["mtime"]
    return told is not None and any((file_of(facts, path)["mtime"] or 0.0) > told for path in paths)


def _plan_unit(facts: Facts, found: GatewayPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    name, again = f"{_files.NAME}.service", _again(found)
    seen = facts["ports"].get(str(settings["port"]))
    state, why = "started", "" if _runs(facts) else f"start {name}"
    if not why and (_files.UNIT in again or _newer(facts, [_files.UNIT])):
        state, why = "restarted", f"restart {name} with its new settings"
    elif not why and seen and record.get("port") == settings["port"] and not _listens(settings, seen["listeners"]):
        # A reload can't: nginx holds the old address until the new one is bound.
        at = endpoint(settings["listen"], settings["port"])
        state, why = "restarted", f"restart {name}, which does not listen at {at}"
    elif not why and (again & set(_READS) or _newer(facts, _READS)):
        state, why = "reloaded", f"reload {name}, which goes on with what it is at"
    elif not why and not file_of(facts, _files.ENABLED)["exists"]:
        why = f"have {name} started at boot"
    if why:
        found["units"] = [{"name": name, "state": state, "enabled": True}]
        found["actions"].append(why)
    found["daemon_reload"] = found["daemon_reload"] or state == "restarted"


def _listens(settings: Settings, listeners: Iterable[str]) -> bool:
    wanted = ipaddress.ip_address(settings["listen"])
    return any(is_number(each) and ipaddress.ip_address(each) == wanted for each in listeners)


def _ends(settings: Settings, record: Mapping[str, Any]) -> list[str]:
    """A certificate of the user's that is near its end, which nobody here makes again."""
    seconds = left(settings, record, "cert") if settings["cert"] else None
    if seconds is None or seconds >= 30 * DAY:
        return []
    return [f"the certificate in gateway_cert ends in {int(seconds // DAY)} days"]


# -- the record ------------------------------------------------------------------------------------------------------


def _record(facts: Facts, found: GatewayPlan, settings: Settings, record: Mapping[str, Any]) -> dict[str, Any]:
    brought: Sequence[str] = found["install"]
    if brought:
        brought = [*brought, *(name for name in PULLED if not is_installed(facts, name))]
    made = [each["path"] for each in found["directories"]]
    return {
        "packages": sorted({*recorded(record), *shared(facts, "registry"), *brought}),
        "directories": sorted({*texts(record, "directories"), *made}),
        "mask": found["mask"] or record.get("mask", ""),
        "port": settings["port"],
        # What is about to be made again counts as unknown until it is.
        "made": [f"{digest}  {path}" for path, digest in _made.made(record).items() if path not in _again(found)],
        "ends": record.get("ends") or {},
        "sans": found["tls"]["sans"],
        "signer": found["tls"]["signer"],
    }


def _absent(facts: Facts, found: GatewayPlan, record: dict[str, Any]) -> GatewayPlan:
    """Take out what the record calls ours."""
    found["record"] = {}
    if not record:
        return found
    if _runs(facts) or file_of(facts, _files.ENABLED)["exists"]:
        name = f"{_files.NAME}.service"
        found["units"] = [{"name": name, "state": "stopped", "enabled": False}]
        found["actions"].append(f"stop {name}")
    parent = CONFIG.rpartition("/")[0]  # other roles' too
    ours = [CONFIG, _files.UNIT, _files.CACHE, _files.RUN]
    found["files_absent"] = [path for path in ours if file_of(facts, path)["exists"]]
    found["daemon_reload"] = _files.UNIT in found["files_absent"]
    found["actions"] += [f"delete {', '.join(found['files_absent'])}"] if found["files_absent"] else []
    masked = file_of(facts, MASK)["kind"] == "link"
    # Whoever has unmasked it since uses it.
    theirs = bool(record.get("mask")) and not masked and is_installed(facts, _files.PACKAGE)
    nginx = [name for name in (*PACKAGES[:1], *PULLED) if not name.startswith("python3-")] if theirs else []
    stay = [*nginx, *(SIGNING if facts["records"].get("registry") else ())]
    found["remove"] = [name for name in recorded(record) if is_installed(facts, name) and name not in stay]
    if theirs:
        found["warnings"].append("nginx stays, since its own service is in use")
    found["actions"] += [f"remove {', '.join(found['remove'])}"] if found["remove"] else []
    if record.get("mask") and masked:
        found["unmask"] = MASK
        found["actions"].append("unmask nginx.service")
    stays = [parent] if parent in texts(record, "directories") else []
    found["empty_absent"] = [path for path in stays if file_of(facts, path)["exists"]]
    if not found["actions"]:
        found["actions"] = [FORGET]
    return found


STEP = Step(
    "gateway",
    settings,
    wants,
    plan,
    stale_after=webui.STEP.stale_after | {"registry", "gateway"},
    optional=True,
    wanted=lambda settings: bool(settings["wanted"]),
)
