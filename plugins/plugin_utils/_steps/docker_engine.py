# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker_engine role has to do on one host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import CONFIG, masked, public, render
from ansible_collections.navilab.webui.plugins.module_utils._engines import PACKAGES as ENGINES
from ansible_collections.navilab.webui.plugins.module_utils._engines import obstacle
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Questions

from .._bundle import FROM
from .._packages import SHA1_POLICY, concerned, finishes
from .._text import problem
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed
from ._docker_daemon import REFUSED, intend, judge
from ._docker_packages import REPOSITORY, drop_repository, judge_packages, plan_repository

DAEMON_JSON = CONFIG
BACKUP = "/var/lib/navilab/daemon.json.before"
CERTS_DIR = "/etc/docker/certs.d"
PROXY_DROPIN = "/etc/systemd/system/docker.service.d/navilab-proxy.conf"
# Keys that `systemctl reload docker` (SIGHUP) takes over without touching a container: dockerd's documentation,
# "Configuration reload behavior".
RELOADABLE = frozenset(
    "debug labels live-restore max-concurrent-downloads max-concurrent-uploads max-download-attempts default-runtime "
    "runtimes authorization-plugins insecure-registries registry-mirrors shutdown-timeout features".split()
)
# What the packages pull in, so that a removal takes out what this role's install brought and nothing else.
OWNED = {
    "debian": ("docker.io", "docker-cli", "containerd", "runc", "iptables", "apparmor"),
    "docker-ce": ("docker-ce", "docker-ce-cli", "containerd.io", "iptables", "apparmor"),
}
# community.docker's modules talk to the engine through it.
CLIENT_PACKAGE = "python3-requests"
_OURS = {*OWNED["debian"], *OWNED["docker-ce"], CLIENT_PACKAGE}
PACKAGES = sorted({*_OURS, *concerned(_OURS)})
ENABLED = "/etc/systemd/system/multi-user.target.wants/docker.service"
FILES = [
    "/etc/docker", DAEMON_JSON, BACKUP, PROXY_DROPIN.rpartition("/")[0], PROXY_DROPIN, REPOSITORY, ENABLED, SHA1_POLICY,
]  # fmt: skip


def wanted_packages(provider: str, codename: str | None) -> list[str]:
    """The engine, and what its package only recommends but no container starts without: iptables and, on kernels
    that have AppArmor on as Debian's have, apparmor_parser."""
    needed = ["iptables", "apparmor"]
    if provider == "docker-ce":
        return ["docker-ce", "docker-ce-cli", "containerd.io", *needed]
    # Debian 13 split the client off and only recommends it.
    split = codename not in ("buster", "bullseye", "bookworm")
    return ["docker.io", *(["docker-cli"] if split else []), *needed]


def _owned(facts: Facts, provider: str) -> list[str]:
    """What an install brings on this release: a package that it does not have would be recorded, and never be there."""
    wanted = wanted_packages(provider, facts["release"]["debian_codename"])
    return [name for name in OWNED[provider] if name != "docker-cli" or name in wanted]


class Write(TypedDict):
    """A file to write, of a kind of host_files. A proxy's has no content here, since plans are shown: the role renders
    it. daemon.json has masks in their place, and the host fills them in. `mode` is None where the file is the user's
    and keeps its own."""

    path: str
    content: str
    mode: str | None
    kind: str


class DockerEnginePlan(Plan):
    """Packages by name, files by path, and what is to be done to the service."""

    install: list[str]
    remove: list[str]
    repository: bool
    source: str
    writes: list[Write]
    directories: list[str]
    files_absent: list[str]
    daemon_reload: bool
    reload: bool
    restart: bool
    restart_pending: bool
    start: bool
    codename: str
    record: dict[str, Any]
    questions: Questions


def ca_file(registry: str) -> str:
    """Where the engine looks for the authority of a registry."""
    return f"{CERTS_DIR}/{registry}/ca.crt"


def settings(variables: Variables) -> Settings:
    """The variables, with the named keys of daemon.json among the others."""
    own = variables["docker_engine"]
    named = {
        "registry-mirrors": own["registry_mirrors"],
        "insecure-registries": own["insecure_registries"],
        "data-root": own["data_root"],
    }
    daemon = {**{key: value for key, value in named.items() if value}, **own["daemon"]}
    bundle = variables["_common"].get("bundle")
    return {**own, "daemon": daemon, "finishes": finishes(variables), "bundle": bundle}


def wants(settings: Settings) -> Wants:
    certificates = [f"{CERTS_DIR}/{registry}" for registry in settings["registry_cas"]]
    return {
        "packages": list(PACKAGES),
        "files": [*FILES, *certificates, *(f"{directory}/ca.crt" for directory in certificates)],
    }


def _write(path: str, content: str, mode: str | None = "0644") -> Write:
    return {"path": path, "content": content, "mode": mode, "kind": "text"}


def _write_daemon(path: str, document: Mapping[str, Any], mode: str | None) -> Write:
    return {"path": path, "content": render(document), "mode": mode, "kind": "daemon"}


def _quoted(text: str) -> str:
    """For a double-quoted word of a unit. % begins a specifier there, and is in many an encoded password."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


PROXY_NAMES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "no_proxy": "NO_PROXY"}


def proxy_unit(proxy: dict[str, str]) -> str:
    lines = [f'Environment="{name}={_quoted(proxy[key])}"' for key, name in PROXY_NAMES.items() if proxy.get(key)]
    return "\n".join(["# Written by navilab.webui.docker_engine.", "[Service]", *lines]) + "\n" if lines else ""


def plan(facts: Facts, settings: Settings) -> DockerEnginePlan:
    record = facts["records"].get("docker_engine") or {}
    if settings["state"] == "absent":
        return _absent(facts, record)
    docker = facts["docker"]
    plan = _empty(facts, record)
    # A program without its package is an engine from elsewhere, unless dpkg was interrupted after unpacking it.
    unpacked = any(name in facts["dpkg"]["broken"] for name in ENGINES)
    plan["problems"] = _unfit(facts, unpacked)
    if plan["problems"]:
        return plan

    provider = settings["provider"]
    fresh = not docker["installed"] or unpacked
    packages = list(wanted_packages(provider, facts["release"]["debian_codename"])) if fresh else []
    packages = [name for name in [*packages, CLIENT_PACKAGE] if not is_installed(facts, name)]
    if packages:
        plan["install"] = packages
        plan["actions"].append(f"install {', '.join(packages)}{FROM if settings.get('bundle') else ''}")
    if fresh and provider == "docker-ce":
        plan_repository(facts, plan, settings)
    drop_repository(facts, plan, settings)
    judge_packages(facts, plan, settings)

    intended = intend(docker, settings["daemon_defaults"], settings["daemon"], record.get("daemon", {}))
    changed_keys, config_file = intended.changed, docker["config_file"]
    if changed_keys:
        there = bool(file_of(facts, config_file)["exists"] or docker["config"])
        mode = "0600" if masked(public(settings["daemon"])) else None if there else "0644"
        plan["writes"].append(_write_daemon(config_file, intended.merged, mode))
        plan["actions"].append(f"set {', '.join(changed_keys)} in {config_file}")

    for registry, pem in settings["registry_cas"].items():
        path = ca_file(registry)
        if differs(facts, path, pem):
            plan["writes"].append(_write(path, pem))
            plan["actions"].append(f"trust the CA of registry {registry}")
    unit = proxy_unit(settings["proxy"])
    if unit and differs(facts, PROXY_DROPIN, unit, "0600"):
        # A proxy's address may hold a password.
        plan["writes"].append({**_write(PROXY_DROPIN, "", "0600"), "kind": "proxy"})
        plan["daemon_reload"] = True
        plan["actions"].append("set the engine's proxy")
    elif not unit and PROXY_DROPIN in record.get("files", []) and file_of(facts, PROXY_DROPIN)["exists"]:
        plan["files_absent"].append(PROXY_DROPIN)
        plan["daemon_reload"] = True
        plan["actions"].append("drop the engine's proxy")

    needs_restart = not fresh and bool(plan["daemon_reload"] or set(changed_keys) - RELOADABLE)
    # daemon.json newer than the engine is also what a mere reload leaves behind; the record knows whether it was more.
    waited = record.get("restart_pending") and (docker["restart_pending"] or docker["unit"]["newer"])
    pending = bool(docker["running"] and (needs_restart or waited))
    left = record.get("reload_pending") and docker["running"]
    plan["reload"] = bool(not fresh and docker["running"] and (left or set(changed_keys) & RELOADABLE))
    if left and not changed_keys:
        plan["actions"].append("reload the engine, which an earlier run was kept from")
    if pending and settings["restart_ok"]:
        plan["restart"] = True
        plan["actions"].append("restart the engine, as docker_engine_restart_ok allows")
    elif pending:
        plan["restart_pending"] = True
    if not docker["running"]:
        plan["start"] = True
        plan["actions"].append("start the engine")
    elif docker["provider"] in ENGINES and not _starts_at_boot(facts):
        plan["start"] = True
        plan["actions"].append("let the engine start at boot")

    verdict = judge(facts, intended, settings, plan["restart"] or not docker["running"], not fresh)
    plan["problems"] += [*intended.twice, *verdict.problems]
    plan["warnings"] += [*verdict.warnings, *_proxy_notes(facts, settings["proxy"])]
    if verdict.question:
        plan["questions"]["dockerd"] = verdict.question

    plan["directories"] = _missing_directories(facts, plan["writes"])
    if plan["restart_pending"]:
        plan["warnings"].append(PENDING)
    if not plan["actions"]:
        return plan
    if file_of(facts, BACKUP)["exists"] and docker["running"] and not docker["restart_pending"] and not changed_keys:
        plan["files_absent"].append(BACKUP)  # somebody has started the engine since, and it came up
    files = [entry["path"] for entry in plan["writes"] if entry["kind"] != "daemon"]
    owned = (
        [name for name in (*_owned(facts, provider), CLIENT_PACKAGE) if packages and not is_installed(facts, name)]
        if fresh
        else packages
    )
    gone = set() if file_of(facts, PROXY_DROPIN)["exists"] else {PROXY_DROPIN}  # what is to go is ours until then
    plan["record"] = {
        "packages": sorted({*record.get("packages", []), *owned}),
        "daemon": intended.ours,
        "files": sorted({*record.get("files", [])} - gone | {*files}),
        "repository": bool(record.get("repository") or plan["repository"]),
        # Until the engine has started again, also where this run means to restart it and is cut off.
        "restart_pending": pending,
        "reload_pending": plan["reload"],
    }
    return plan


def _unfit(facts: Facts, unpacked: bool) -> list[Check]:
    """Why no engine can be set up here, whatever the variables say."""
    systemd = _checks.failures(facts, {"only": ["systemd"]})
    if systemd:
        return systemd
    docker = facts["docker"]
    found = obstacle(docker, unpacked)
    if found:
        return [problem("docker_engine", *found)]
    if docker["config"] is not None:
        return []
    path = docker["config_file"]
    remedy = f"mend {path} or move it away, then run again; the engine could not start with it either"
    return [problem(REFUSED, f"{path} {docker['config_error']}", remedy)]


def _starts_at_boot(facts: Facts) -> bool:
    return file_of(facts, ENABLED)["exists"] or facts["docker"]["unit"]["enabled"] in ("enabled", "static", "alias")


def _proxy_notes(facts: Facts, proxy: Mapping[str, str]) -> list[str]:
    """Another file of the unit may have the last word on a proxy."""
    unit = facts["docker"]["unit"]
    if PROXY_DROPIN not in unit["paths"]:
        return []
    winners = {key: unit["environment"].get(name) for key, name in PROXY_NAMES.items() if proxy.get(key)}
    return [
        f"docker_engine_proxy.{key} has no effect: {path} sets {PROXY_NAMES[key]} after it"
        for key, path in winners.items()
        if path not in (None, PROXY_DROPIN)
    ]


PENDING = (
    "settings of the engine wait for its next start, since its containers would stop for a moment: restart it "
    "yourself, or allow it with docker_engine_restart_ok"
)
TAKEN_OUT = (
    "the engine stays, and has what is taken out of its settings until its next start, since its containers would stop "
    "for a moment: systemctl daemon-reload, then restart it yourself"
)


def _missing_directories(facts: Facts, writes: list[Write]) -> list[str]:
    # The directory of a daemon.json elsewhere (--config-file) is the user's, as the engine would not start without.
    ours = (entry["path"] for entry in writes if entry["kind"] != "daemon" or entry["path"] == DAEMON_JSON)
    directories = dict.fromkeys(path.rpartition("/")[0] for path in ours)
    return [path for path in directories if not file_of(facts, path)["exists"]]


def _empty(facts: Facts, record: dict[str, Any]) -> DockerEnginePlan:
    return {
        "actions": [], "problems": [], "warnings": [],
        "install": [], "remove": [], "repository": False, "source": "", "questions": {},
        "writes": [], "directories": [], "files_absent": [],
        "daemon_reload": False, "reload": False, "restart": False, "restart_pending": False, "start": False,
        "codename": facts["release"]["debian_codename"] or "", "record": record,
    }  # fmt: skip


def _absent(facts: Facts, record: dict[str, Any]) -> DockerEnginePlan:
    """Take out what the record calls ours. An engine that serves somebody else's containers stays."""
    plan = _empty(facts, {})
    docker = facts["docker"]
    if docker["foreign_containers"]:
        plan["record"] = record
        plan["warnings"] = [f"the engine stays: {docker['foreign_containers']} other container(s) use it"]
        return plan
    ours = record.get("daemon", {})
    current = docker["config"] or {}
    rest = {key: value for key, value in current.items() if key not in ours or value != ours[key]}
    if ours and rest != current:
        config_file = docker["config_file"]
        plan["actions"].append(f"take {', '.join(sorted(set(current) - set(rest)))} out of {config_file}")
        if rest or config_file != DAEMON_JSON:
            plan["writes"].append(_write_daemon(config_file, rest, None))
        else:
            plan["files_absent"].append(DAEMON_JSON)
    plan["files_absent"] += [path for path in record.get("files", []) if file_of(facts, path)["exists"]]
    plan["actions"] += [f"delete {path}" for path in plan["files_absent"] if path != DAEMON_JSON]
    if record and file_of(facts, BACKUP)["exists"]:
        plan["files_absent"].append(BACKUP)
    plan["remove"] = [name for name in record.get("packages", []) if is_installed(facts, name)]
    if plan["remove"]:
        plan["actions"].append(f"remove {', '.join(plan['remove'])} (/var/lib/docker stays)")
    stays = docker["running"] and not set(plan["remove"]) & set(ENGINES)
    if stays and (plan["writes"] or {DAEMON_JSON, PROXY_DROPIN} & set(plan["files_absent"])):
        plan["warnings"].append(TAKEN_OUT)
    plan["repository"] = bool(record.get("repository"))
    if record and not plan["actions"]:
        plan["actions"] = [FORGET]
    return plan


STEP = Step("docker_engine", settings, wants, plan, stale_after=frozenset({"docker_engine", "reboot", "webui"}))
