# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the docker_engine role has to do on one host."""

from __future__ import annotations

import hashlib
import json
from typing import Any

DOCUMENTATION = r"""
name: docker_engine_plan
short_description: Decide what the docker_engine role has to do on a host
version_added: "0.1.0"
description:
  - Compares the look of a host with the wanted Docker Engine and its settings.
  - An engine that is there already is accepted as it is. The user's keys in C(daemon.json) stay; the role's defaults
    only fill what is not set.
  - Pure function; it reaches no host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  settings:
    description: The role's variables without their prefix.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Decide what the engine needs
  ansible.builtin.set_fact:
    docker_engine_plan: "{{ navilab_host | navilab.webui.docker_engine_plan(settings={'provider': 'debian'}) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:actions) is one sentence a difference.
    - RV(ignore:problems) are checks that stop the host before anything changes.
  type: dict
"""

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


def wanted_packages(provider: str, codename: str) -> list[str]:
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


def _installed(host: dict[str, Any], package: str) -> bool:
    return bool(host["dpkg"]["packages"].get(package, {}).get("installed"))


def _matches(host: dict[str, Any], path: str, content: str) -> bool:
    return (host["files"].get(path) or {}).get("sha256") == hashlib.sha256(content.encode()).hexdigest()


def _write(host: dict[str, Any], path: str, content: str) -> dict[str, Any]:
    directory = path.rpartition("/")[0]
    return {
        "path": path,
        "content": content,
        "mode": "0644",
        "secret": False,
        "directory": directory,
        "directory_exists": bool((host["files"].get(directory) or {}).get("exists")),
    }


def _quoted(text: str) -> str:
    """For a double-quoted word of a unit. % begins a specifier there, and is in many an encoded password."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _proxy_unit(proxy: dict[str, str]) -> str:
    names = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "no_proxy": "NO_PROXY"}
    lines = [f'Environment="{names[key]}={_quoted(proxy[key])}"' for key in names if proxy.get(key)]
    return "\n".join(["# Written by navilab.webui.docker_engine.", "[Service]", *lines]) + "\n" if lines else ""


def docker_engine_plan(host: dict[str, Any], settings: dict[str, Any] | None = None) -> dict[str, Any]:
    settings = settings or {}
    record = host["records"].get("docker_engine") or {}
    if settings.get("state", "present") == "absent":
        return _absent(host, settings, record)
    docker = host["docker"]
    plan = _empty(record)
    if docker["config"] is None:
        plan["problems"].append(
            {
                "id": "docker_config",
                "status": "failed",
                "evidence": f"{DAEMON_JSON} is not JSON: {docker['config_error']}",
                "remedy": f"mend or move {DAEMON_JSON} away; the engine could not start with it either",
            }
        )
        return plan

    provider = settings.get("provider", "debian")
    # A program without its package is an engine from elsewhere, unless dpkg was interrupted after unpacking it.
    fresh = not docker["installed"] or any(name in host["dpkg"]["broken"] for name in ("docker.io", "docker-ce"))
    packages = list(wanted_packages(provider, host["release"]["codename"])) if fresh else []
    packages = [name for name in [*packages, CLIENT_PACKAGE] if not _installed(host, name)]
    if packages:
        plan["install"] = packages
        plan["actions"].append(f"install {', '.join(packages)}")
    if fresh and provider == "docker-ce":
        plan["repository"] = True
        plan["actions"].insert(0, "add Docker's apt repository")

    defaults = settings.get("daemon_defaults", {})
    wanted = settings.get("daemon", {})
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
        plan["writes"].append(_write(host, DAEMON_JSON, render(merged)))
        plan["actions"].append(f"set {', '.join(changed_keys)} in {DAEMON_JSON}")

    for registry, pem in settings.get("registry_cas", {}).items():
        path = f"{CERTS_DIR}/{registry}/ca.crt"
        if not _matches(host, path, pem):
            plan["writes"].append(_write(host, path, pem))
            plan["actions"].append(f"trust the CA of registry {registry}")
    unit = _proxy_unit(settings.get("proxy", {}))
    if unit and not _matches(host, PROXY_DROPIN, unit):
        # A proxy's address may hold a password.
        plan["writes"].append({**_write(host, PROXY_DROPIN, unit), "mode": "0600", "secret": True})
        plan["daemon_reload"] = True
        plan["actions"].append("set the engine's proxy")
    elif not unit and PROXY_DROPIN in record.get("files", []) and (host["files"].get(PROXY_DROPIN) or {}).get("exists"):
        plan["files_absent"] = [PROXY_DROPIN]
        plan["daemon_reload"] = True
        plan["actions"].append("drop the engine's proxy")

    needs_restart = not fresh and bool(plan["daemon_reload"] or set(changed_keys) - RELOADABLE)
    # daemon.json newer than the engine is also what a mere reload leaves behind; the record knows whether it was more.
    waited = record.get("restart_pending") and docker["restart_pending"]
    pending = bool(docker["running"] and (needs_restart or waited))
    plan["reload"] = bool(not fresh and docker["running"] and set(changed_keys) & RELOADABLE)
    if pending and settings.get("restart_ok", False):
        plan["restart"] = True
        plan["actions"].append("restart the engine, as docker_engine_restart_ok allows")
    elif pending:
        plan["restart_pending"] = True
    if not docker["running"]:
        plan["start"] = True
        plan["actions"].append("start and enable the engine" if not fresh else "start the engine")

    files = [entry["path"] for entry in plan["writes"] if entry["path"] != DAEMON_JSON]
    owned = (
        [name for name in (*OWNED[provider], CLIENT_PACKAGE) if packages and not _installed(host, name)]
        if fresh
        else packages
    )
    plan["record"] = {
        "packages": sorted({*record.get("packages", []), *owned}),
        "daemon": kept_ours,
        "files": sorted({*record.get("files", []), *files} - set(plan["files_absent"])),
        "repository": bool(record.get("repository") or plan["repository"]),
        "restart_pending": plan["restart_pending"],
    }
    return plan


def _empty(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "actions": [],
        "problems": [],
        "install": [],
        "remove": [],
        "repository": False,
        "writes": [],
        "files_absent": [],
        "daemon_reload": False,
        "reload": False,
        "restart": False,
        "restart_pending": False,
        "start": False,
        "record": record,
    }


def _absent(host: dict[str, Any], settings: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Take out what the record calls ours. An engine that serves somebody else's containers stays."""
    plan = _empty({})
    docker = host["docker"]
    if docker["foreign_containers"]:
        plan["record"] = record
        plan["kept_because"] = f"{docker['foreign_containers']} other container(s) use this engine"
        return plan
    ours = record.get("daemon", {})
    current = docker["config"] or {}
    rest = {key: value for key, value in current.items() if key not in ours or value != ours[key]}
    if ours and rest != current:
        plan["actions"].append(f"take {', '.join(sorted(set(current) - set(rest)))} out of {DAEMON_JSON}")
        if rest:
            plan["writes"].append(_write(host, DAEMON_JSON, render(rest)))
        else:
            plan["files_absent"].append(DAEMON_JSON)
    plan["files_absent"] += [path for path in record.get("files", []) if (host["files"].get(path) or {}).get("exists")]
    plan["actions"] += [f"delete {path}" for path in plan["files_absent"] if path != DAEMON_JSON]
    plan["remove"] = [name for name in record.get("packages", []) if _installed(host, name)]
    if plan["remove"]:
        plan["actions"].append(f"remove {', '.join(plan['remove'])} (/var/lib/docker stays)")
    plan["repository"] = bool(record.get("repository"))
    if record and not plan["actions"]:
        plan["actions"] = ["forget the record of an earlier run"]
    return plan


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"docker_engine_plan": docker_engine_plan}
