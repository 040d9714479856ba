# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker_engine role has to do on one host."""

from __future__ import annotations

import json
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._types import Facts

from .._text import problem
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed

DAEMON_JSON = "/etc/docker/daemon.json"
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
PACKAGES = sorted({*OWNED["debian"], *OWNED["docker-ce"], CLIENT_PACKAGE})
REPOSITORY = "/etc/apt/sources.list.d/navilab-docker.list"
ENABLED = "/etc/systemd/system/multi-user.target.wants/docker.service"
FILES = ["/etc/docker", DAEMON_JSON, PROXY_DROPIN.rpartition("/")[0], PROXY_DROPIN, REPOSITORY, ENABLED]


def wanted_packages(provider: str, codename: str | None) -> list[str]:
    """The engine, and what its package only recommends but no container starts without: iptables and, on kernels
    that have AppArmor on as Debian's have, apparmor_parser."""
    needed = ["iptables", "apparmor"]
    if provider == "docker-ce":
        return ["docker-ce", "docker-ce-cli", "containerd.io", *needed]
    # Debian 13 split the client off and only recommends it.
    split = codename not in ("buster", "bullseye", "bookworm")
    return ["docker.io", *(["docker-cli"] if split else []), *needed]


def merge_daemon(
    current: dict[str, Any], defaults: dict[str, Any], wanted: dict[str, Any], ours: dict[str, Any]
) -> dict[str, Any]:
    """daemon.json as it should be: what the user asks for wins, then what stands there, then our defaults.

    A key that the record calls ours is kept at our value, so that a drift is repaired; one no longer wanted goes away.
    """
    merged = {
        key: value for key, value in current.items() if not (key in ours and key not in wanted and key not in defaults)
    }
    for key, value in defaults.items():
        if key not in current or key in ours:
            merged[key] = value
    merged.update(wanted)
    return merged


def render(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


class Write(TypedDict):
    """A file to write. A secret one has no content here, since plans are shown: the role renders it.
    `mode` is None where the file is the user's and keeps its own."""

    path: str
    content: str
    mode: str | None
    secret: bool


class DockerEnginePlan(Plan):
    """Packages by name, files by path, and what is to be done to the service."""

    install: list[str]
    remove: list[str]
    repository: bool
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


def settings(variables: Variables) -> Settings:
    """The variables, with the named keys of daemon.json among the others."""
    own = variables["docker_engine"]
    named = {
        "registry-mirrors": own["registry_mirrors"],
        "insecure-registries": own["insecure_registries"],
        "data-root": own["data_root"],
    }
    return {**own, "daemon": {**{key: value for key, value in named.items() if value}, **own["daemon"]}}


def wants(settings: Settings) -> Wants:
    certificates = [f"{CERTS_DIR}/{registry}" for registry in settings["registry_cas"]]
    return {
        "packages": list(PACKAGES),
        "files": [*FILES, *certificates, *(f"{directory}/ca.crt" for directory in certificates)],
    }


def _write(path: str, content: str, mode: str | None = "0644") -> Write:
    return {"path": path, "content": content, "mode": mode, "secret": False}


def _quoted(text: str) -> str:
    """For a double-quoted word of a unit. % begins a specifier there, and is in many an encoded password."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def proxy_unit(proxy: dict[str, str]) -> str:
    names = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "no_proxy": "NO_PROXY"}
    lines = [f'Environment="{names[key]}={_quoted(proxy[key])}"' for key in names if proxy.get(key)]
    return "\n".join(["# Written by navilab.webui.docker_engine.", "[Service]", *lines]) + "\n" if lines else ""


def plan(facts: Facts, settings: Settings) -> DockerEnginePlan:
    record = facts["records"].get("docker_engine") or {}
    if settings["state"] == "absent":
        return _absent(facts, record)
    docker = facts["docker"]
    plan = _empty(facts, record)
    if docker["config"] is None:
        plan["problems"] = [
            problem(
                "docker_config",
                f"{DAEMON_JSON} is not JSON: {docker['config_error']}",
                f"mend or move {DAEMON_JSON} away; the engine could not start with it either",
            )
        ]
        return plan

    provider = settings["provider"]
    # A program without its package is an engine from elsewhere, unless dpkg was interrupted after unpacking it.
    fresh = not docker["installed"] or any(name in facts["dpkg"]["broken"] for name in ("docker.io", "docker-ce"))
    packages = list(wanted_packages(provider, facts["release"]["codename"])) if fresh else []
    packages = [name for name in [*packages, CLIENT_PACKAGE] if not is_installed(facts, name)]
    if packages:
        plan["install"] = packages
        plan["actions"].append(f"install {', '.join(packages)}")
    if fresh and provider == "docker-ce":
        plan["repository"] = True
        plan["actions"].insert(0, "add Docker's apt repository")

    defaults = settings["daemon_defaults"]
    wanted = settings["daemon"]
    ours = record.get("daemon", {})
    merged = merge_daemon(docker["config"], defaults, wanted, ours)
    # What stood there before with the same value is the user's, and stays when we go.
    kept_ours = {
        key: value
        for key, value in merged.items()
        if (key in wanted or key in defaults) and (key in ours or docker["config"].get(key) != value)
    }
    changed_keys = sorted(key for key in {*merged, *docker["config"]} if merged.get(key) != docker["config"].get(key))
    if changed_keys:
        mode = None if file_of(facts, DAEMON_JSON)["exists"] else "0644"
        plan["writes"].append(_write(DAEMON_JSON, render(merged), mode))
        plan["actions"].append(f"set {', '.join(changed_keys)} in {DAEMON_JSON}")

    for registry, pem in settings["registry_cas"].items():
        path = f"{CERTS_DIR}/{registry}/ca.crt"
        if differs(facts, path, pem):
            plan["writes"].append(_write(path, pem))
            plan["actions"].append(f"trust the CA of registry {registry}")
    unit = proxy_unit(settings["proxy"])
    if unit and differs(facts, PROXY_DROPIN, unit, "0600"):
        # A proxy's address may hold a password.
        plan["writes"].append({"path": PROXY_DROPIN, "content": "", "mode": "0600", "secret": True})
        plan["daemon_reload"] = True
        plan["actions"].append("set the engine's proxy")
    elif not unit and PROXY_DROPIN in record.get("files", []) and file_of(facts, PROXY_DROPIN)["exists"]:
        plan["files_absent"] = [PROXY_DROPIN]
        plan["daemon_reload"] = True
        plan["actions"].append("drop the engine's proxy")

    needs_restart = not fresh and bool(plan["daemon_reload"] or set(changed_keys) - RELOADABLE)
    # daemon.json newer than the engine is also what a mere reload leaves behind; the record knows whether it was more.
    waited = record.get("restart_pending") and docker["restart_pending"]
    pending = bool(docker["running"] and (needs_restart or waited))
    plan["reload"] = bool(not fresh and docker["running"] and set(changed_keys) & RELOADABLE)
    if pending and settings["restart_ok"]:
        plan["restart"] = True
        plan["actions"].append("restart the engine, as docker_engine_restart_ok allows")
    elif pending:
        plan["restart_pending"] = True
    if not docker["running"]:
        plan["start"] = True
        plan["actions"].append("start the engine")
    elif docker["provider"] in ("docker.io", "docker-ce") and not file_of(facts, ENABLED)["exists"]:
        plan["start"] = True
        plan["actions"].append("let the engine start at boot")

    plan["directories"] = _missing_directories(facts, plan["writes"])
    if plan["restart_pending"]:
        plan["warnings"] = [PENDING]
    if not plan["actions"]:
        return plan
    files = [entry["path"] for entry in plan["writes"] if entry["path"] != DAEMON_JSON]
    owned = (
        [name for name in (*OWNED[provider], CLIENT_PACKAGE) if packages and not is_installed(facts, name)]
        if fresh
        else packages
    )
    plan["record"] = {
        "packages": sorted({*record.get("packages", []), *owned}),
        "daemon": kept_ours,
        "files": sorted({*record.get("files", []), *files} - set(plan["files_absent"])),
        "repository": bool(record.get("repository") or plan["repository"]),
        # Until the engine has started again, also where this run means to restart it and is cut off.
        "restart_pending": pending,
    }
    return plan


PENDING = (
    "settings of the engine wait for its next start, since its containers would stop for a moment: restart it "
    "yourself, or allow it with docker_engine_restart_ok"
)


def _missing_directories(facts: Facts, writes: list[Write]) -> list[str]:
    directories = dict.fromkeys(entry["path"].rpartition("/")[0] for entry in writes)
    return [path for path in directories if not file_of(facts, path)["exists"]]


def _empty(facts: Facts, record: dict[str, Any]) -> DockerEnginePlan:
    return {
        "actions": [], "problems": [], "warnings": [],
        "install": [], "remove": [], "repository": False, "writes": [], "directories": [], "files_absent": [],
        "daemon_reload": False, "reload": False, "restart": False, "restart_pending": False, "start": False,
        "codename": facts["release"]["codename"] or "", "record": record,
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
        plan["actions"].append(f"take {', '.join(sorted(set(current) - set(rest)))} out of {DAEMON_JSON}")
        if rest:
            plan["writes"].append(_write(DAEMON_JSON, render(rest), None))
        else:
            plan["files_absent"].append(DAEMON_JSON)
    plan["files_absent"] += [path for path in record.get("files", []) if file_of(facts, path)["exists"]]
    plan["actions"] += [f"delete {path}" for path in plan["files_absent"] if path != DAEMON_JSON]
    plan["remove"] = [name for name in record.get("packages", []) if is_installed(facts, name)]
    if plan["remove"]:
        plan["actions"].append(f"remove {', '.join(plan['remove'])} (/var/lib/docker stays)")
    plan["repository"] = bool(record.get("repository"))
    if record and not plan["actions"]:
        plan["actions"] = [FORGET]
    return plan


STEP = Step("docker_engine", settings, wants, plan, stale_after=frozenset({"docker_engine", "reboot", "webui"}))
