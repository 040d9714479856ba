# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine, asked over its socket with the standard library alone: a bare Debian has no Docker SDK for Python.

API: https://docs.docker.com/reference/api/engine/ (a path without a version means the newest). Only GET is sent.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import socket
import stat
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ._docker_config import (
    CONFIG,
    DEFAULT_ROOT,
    GRAPH_DRIVERS,
    flags_of,
    in_containerd,
    public,
    read_config,
    split_flags,
)
from ._docker_unit import PID, gather_unit, program_of
from ._engines import BINARIES, NEIGHBOURS, PACKAGES, SOCKET, Answer, find
from ._sysfs import Tree
from ._types import Access, Container, Docker, Image, NodeAccess, Package, PublishedPort

TIMEOUT = 2.0
ENGINES = (*PACKAGES, *NEIGHBOURS)
"""The packages that gather_docker wants to know of."""
PREVIOUS = "-previous"
"""What the name of a webui's container ends in that was put aside for another one."""
_LIMIT = 16 << 20
_CAP_DAC_OVERRIDE = 1  # <linux/capability.h>: reads and writes whatever the mode bits say


class EngineError(Exception):
    """The engine gave no usable answer; the text says why."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """A Docker engine behind a unix socket."""

    def __init__(self, path: str = SOCKET, timeout: float = TIMEOUT) -> None:
        self.path = path
        self.timeout = timeout

    def raw(self, path: str) -> bytes | None:
        """Body of GET `path`, None where there is no such thing; EngineError for any other answer from 400 on."""
        connection = _Connection(self.path, self.timeout)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            body = reply.read(_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(_why(self.path, error)) from error
        finally:
            connection.close()
        if reply.status in (400, 404):  # 400: no such name is possible
            return None
        if reply.status >= 400:
            raise EngineError(
                f"{self.path}: GET {path} answers {reply.status} {body[:200].decode(errors='replace').strip()}"
            )
        return body

    def get(self, path: str) -> Any:
        """Parsed answer of GET `path`, None where there is no such thing."""
        body = self.raw(path)
        if body is None:
            return None
        try:
            return json.loads(body)
        except ValueError as error:
            raise EngineError(f"{self.path}: GET {path} answers no JSON: {error}") from error

    def container(self, name: str) -> dict[str, Any] | None:
        found = self.get(f"/containers/{urllib.parse.quote(name, safe='')}/json")
        return found if isinstance(found, dict) else None

    def image(self, reference: str) -> dict[str, Any] | None:
        found = self.get(f"/images/{urllib.parse.quote(reference, safe='/:@')}/json")
        return found if isinstance(found, dict) else None

    def log(self, name: str, since: float = 0.0, tail: int = 200, until: float | None = None) -> list[str]:
        """The last lines that a container wrote between two times (epoch seconds), stdout and stderr in order."""
        wanted = {"stdout": 1, "stderr": 1, "tail": tail, "since": f"{since:.9f}"}
        query = urllib.parse.urlencode(wanted if until is None else {**wanted, "until": f"{until:.9f}"})
        body = self.raw(f"/containers/{urllib.parse.quote(name, safe='')}/logs?{query}")
        return demultiplex(body or b"").decode(errors="replace").splitlines()

    def events(self, filters: Mapping[str, list[str]], until: float, since: float = 0.0) -> bytes:
        """Of its last 256 events those between two times (epoch seconds), a JSON text a line."""
        span = {"since": f"{since:.9f}", "until": f"{until:.9f}", "filters": json.dumps(filters)}
        return self.raw(f"/events?{urllib.parse.urlencode(span)}") or b""


def demultiplex(stream: bytes) -> bytes:
    """Payload of the engine's log frames (type, 3 zero bytes, big-endian length); with a TTY there are no frames."""
    parts: list[bytes] = []
    position = 0
    while position + 8 <= len(stream):
        if stream[position] > 2 or stream[position + 1 : position + 4] != b"\0\0\0":
            return stream if position == 0 else b"".join(parts)
        end = position + 8 + int.from_bytes(stream[position + 4 : position + 8], "big")
        parts.append(stream[position + 8 : end])
        position = end
    return b"".join(parts) if parts else stream


def _why(path: str, error: BaseException) -> str:
    if isinstance(error, socket.timeout):
        return f"{path}: no answer in time"
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return f"{path}: permission denied"
    return (
        f"{path}: {error.strerror if isinstance(error, OSError) and error.strerror else error or type(error).__name__}"
    )


def gather_docker(
    tree: Tree,
    packages: Mapping[str, Package],
    containers: Sequence[str] = (),
    images: Sequence[str] = (),
    socket_path: str | None = SOCKET,
    home: str | None = None,
) -> Docker:
    """The engine's part of the facts. `packages` are dpkg's words on ENGINES; no socket, no questions.

    `home` is that of the account whose rootless engine matters.
    """
    provider = next((name for name in PACKAGES if name in packages and packages[name]["installed"]), None)
    packaged = provider is not None
    if provider is None and any(tree.exists(path) for path in (*BINARIES, program_of(tree)) if path):
        provider = "other"
    there = bool(provider) or tree.lookup(SOCKET, follow=False) is not None
    if socket_path and not tree.live:  # whoever names a socket means it
        named = provider or os.path.lexists(socket_path)
        seen = _ask(Engine(socket_path), tree, containers, images) if named else _SILENT
    else:
        engine = Engine(SOCKET)
        seen = tree.ask(
            "docker engine",
            lambda: _ask(engine, tree, containers, images) if there else _SILENT,
            _SILENT,
            EngineAnswer,
        )
    answer = _answer(seen)
    unit = gather_unit(tree, packaged or not provider, there or bool(answer))
    others = find(tree, packages, unit, answer, home)
    ours = bool(answer) and not any(other["answers"] and other["kind"] != "process" for other in others)
    config_file = _config_file(unit["arguments"])
    config, config_error = read_config(tree, config_file)
    changed, started = tree.lookup(config_file), tree.lookup(PID)
    docker: Docker = {
        "installed": bool(provider or ours),  # it answers, so it is there, wherever it came from
        "provider": provider or ("other" if ours else None),
        "running": ours,
        "version": seen["version"],
        "api_version": seen["api_version"],
        "components": seen["components"],
        "platform": seen["platform"],
        "root_dir": seen["root_dir"] if ours else None,
        "root": "",
        "containerd_root": _containerd_root(tree),
        "graph_driver": "",
        "error": seen["error"],
        "config_file": config_file,
        "config": None if config is None else public(config),
        "config_error": config_error,
        "unit": unit,
        "others": others,
        # The pid file is written when the engine starts, and never again.
        "restart_pending": bool(ours and changed and started and changed.st_mtime > started.st_mtime),
        "foreign_containers": seen["foreign_containers"],
        "containers": {name: seen["containers"].get(name) for name in containers},
        "images": {name: seen["images"].get(name) for name in images},
    }
    docker["root"] = engine_root(docker)
    docker["graph_driver"] = next((name for name in GRAPH_DRIVERS if tree.listdir(f"{docker['root']}/{name}")), "")
    return docker


def _containerd_root(tree: Tree) -> str:
    """Where containerd keeps what it has, containerd-config.toml(5); tables come after it."""
    head = (tree.read_text("/etc/containerd/config.toml") or "").partition("\n[")[0]
    named = re.search(r"^\s*root\s*=\s*[\"'](/[^\"']*)", head, re.MULTILINE)
    return named[1] if named else "/var/lib/containerd"


def engine_root(docker: Docker, wanted: str = "") -> str:
    """Where the engine keeps images and containers, or would, once started with what the variables want."""
    flags, config = flags_of(docker["unit"]["arguments"]), docker["config"] or {}
    found = (docker["root_dir"], flags.get("data-root"), wanted, config.get("data-root"), config.get("graph"))
    return next((path for path in found if isinstance(path, str) and path), DEFAULT_ROOT)


def images_root(docker: Docker, version: int | None, wanted: Mapping[str, Any], root: str) -> str:
    """Where an engine of this major version keeps images, if `root` is where it keeps all else: in containerd's root
    where it leaves them to containerd."""
    flags, config = flags_of(docker["unit"]["arguments"]), {**(docker["config"] or {}), **wanted}
    return docker["containerd_root"] if in_containerd(config, flags, version, docker["graph_driver"]) else root


def _config_file(arguments: Sequence[str] | None) -> str:
    """The file that dockerd reads: the last one that its command line names."""
    named = [value for name, value in split_flags(arguments or []) if name == "config-file" and value]
    return named[-1] if named and named[-1].startswith("/") else CONFIG


class EngineAnswer(TypedDict):
    """What an engine says of itself, and of the containers and images asked for."""

    running: bool
    version: str | None
    api_version: str | None
    components: list[str]
    platform: str | None
    system: str | None
    rootless: bool
    root_dir: str | None
    error: str
    foreign_containers: int
    containers: dict[str, Container | None]
    images: dict[str, Image | None]


_SILENT: EngineAnswer = {
    "running": False,
    "version": None,
    "api_version": None,
    "components": [],
    "platform": None,
    "system": None,
    "rootless": False,
    "root_dir": None,
    "error": "",
    "foreign_containers": 0,
    "containers": {},
    "images": {},
}


def _ask(engine: Engine, tree: Tree, containers: Sequence[str], images: Sequence[str]) -> EngineAnswer:
    seen: EngineAnswer = {**_SILENT, "containers": {}, "images": {}}
    try:
        version, info = _dict(engine.get("/version")), _dict(engine.get("/info"))
        components = [_text(_dict(each), "Name") for each in _list(version, "Components")]
        seen["running"], seen["root_dir"] = True, _text(info, "DockerRootDir")
        seen["version"], seen["api_version"] = _text(version, "Version"), _text(version, "ApiVersion")
        seen["components"] = [name for name in components if name]
        seen["platform"] = _text(_dict(version.get("Platform")), "Name")
        seen["system"] = _text(info, "OperatingSystem")
        seen["rootless"] = any("rootless" in str(each) for each in _list(info, "SecurityOptions"))
        for name in containers:
            found = engine.container(name)
            seen["containers"][name] = describe(found, tree) if found else None
        for reference in images:
            image = engine.image(reference)
            if image:
                digests = [item.partition("@")[2] for item in _list(image, "RepoDigests") if isinstance(item, str)]
                seen["images"][reference] = {"id": _text(image, "Id"), "digests": digests, "size": image.get("Size")}
        known = {found["id"] for found in seen["containers"].values() if found}
        every = engine.get("/containers/json?all=1")
        if isinstance(every, list):
            seen["foreign_containers"] = sum(_dict(item).get("Id") not in known for item in every)
    except EngineError as error:
        seen["error"] = str(error)
    return seen


def _answer(seen: EngineAnswer) -> Answer | None:
    if not seen["running"]:
        return None
    return Answer(seen["components"], seen["platform"] or "", seen["system"] or "", seen["rootless"])


def describe(container: Mapping[str, Any], tree: Tree) -> Container:
    """What the facts keep of an inspected container."""
    state, config, host = (_dict(container.get(key)) for key in ("State", "Config", "HostConfig"))
    pid: int = state["Pid"] if isinstance(state.get("Pid"), int) else 0
    devices = [_dict(item) for item in _list(host, "Devices")]
    return {
        "id": _text(container, "Id"),
        "image": _text(config, "Image"),
        "image_id": _text(container, "Image"),
        "state": _text(state, "Status"),
        "health": _text(_dict(state.get("Health")), "Status") or "none",
        "started_at": _text(state, "StartedAt"),
        "exit_code": state.get("ExitCode"),
        "error": _text(state, "Error") or "",
        "oom_killed": bool(state.get("OOMKilled")),
        "restart_count": container.get("RestartCount") or 0,
        "labels": _dict(config.get("Labels")),
        "user": _text(config, "User") or "",
        "restart_policy": _text(_dict(host.get("RestartPolicy")), "Name") or "no",
        "memory": host.get("Memory") or 0,
        "network_mode": _text(host, "NetworkMode") or "",
        "ports": _ports(_dict(host.get("PortBindings"))),
        "devices": [_text(device, "PathOnHost") or "" for device in devices],
        "group_add": _list(host, "GroupAdd"),
        "read_only": bool(host.get("ReadonlyRootfs")),
        "privileged": bool(host.get("Privileged")),
        "pid": pid,
        "access": _access(tree, pid, devices, bool(host.get("Privileged"))) if pid else None,
    }


def _ports(bindings: Mapping[str, Any]) -> list[PublishedPort]:
    """Published ports as numbers; an empty host address is every address, as the engine means it."""
    ports: list[PublishedPort] = []
    for key in sorted(bindings):
        for item in _list(bindings, key):
            binding = _dict(item)
            host_port = _text(binding, "HostPort") or ""
            ports.append(
                {
                    "host_ip": _text(binding, "HostIp") or "0.0.0.0",  # noqa: S104 - reported, not bound
                    "host_port": int(host_port) if host_port.isdigit() else 0,
                    "container_port": int(key.partition("/")[0]) if key.partition("/")[0].isdigit() else 0,
                }
            )
    return ports


class _Process(NamedTuple):
    pid: int
    uid: int
    gid: int
    groups: list[int]
    override: bool  # has CAP_DAC_OVERRIDE


def _process(tree: Tree, pid: int) -> _Process | None:
    """The effective identity of a process, proc_pid_status(5)."""
    fields = dict(re.findall(r"^(\w+):[ \t]*(.*)$", tree.read_text(f"/proc/{pid}/status") or "", re.MULTILINE))
    try:
        uid, gid = (int(fields[key].split()[1]) for key in ("Uid", "Gid"))
        groups = [int(item) for item in fields["Groups"].split()]
        return _Process(pid, uid, gid, groups, bool(int(fields["CapEff"], 16) >> _CAP_DAC_OVERRIDE & 1))
    except (IndexError, KeyError, ValueError):
        return None


def _access(tree: Tree, pid: int, devices: Iterable[Mapping[str, Any]], privileged: bool) -> Access | None:
    """Who a container's first process is and which nodes it can open, from /proc: nothing is run inside."""
    process = _process(tree, pid)
    if process is None:
        return None
    nodes: dict[str, NodeAccess] = {}
    for device in devices:
        host_path, path = _text(device, "PathOnHost") or "", _text(device, "PathInContainer") or ""
        allowed = privileged or {"r", "w"} <= set(_text(device, "CgroupPermissions") or "rwm")
        for name, host_name in _nodes(tree, host_path, path or host_path):
            nodes[name] = _node(tree, process, name, host_name, allowed)
    if privileged:  # every node of the host is allowed; these are the ones that a webui needs
        for name in [
            "/dev/kfd",
            *(f"/dev/dri/{item}" for item in tree.listdir("/dev/dri") if item.startswith("renderD")),
        ]:
            nodes.setdefault(name, _node(tree, process, name, name, True))
    return {"uid": process.uid, "gid": process.gid, "groups": process.groups, "devices": nodes}


def _nodes(tree: Tree, host_path: str, path: str) -> list[tuple[str, str]]:
    """(path in the container, path on the host) of one --device, which may be a directory as in --device=/dev/dri."""
    if not tree.is_dir(host_path):
        return [(path, host_path)]
    return [
        (f"{path}/{name}", f"{host_path}/{name}")
        for name in tree.listdir(host_path)
        if not tree.is_dir(f"{host_path}/{name}")
    ]


def _node(tree: Tree, process: _Process, path: str, host_path: str, allowed: bool) -> NodeAccess:
    try:
        inside = os.lstat(f"/proc/{process.pid}/root{path}")
    except (OSError, ValueError):
        return {"exists": False, "same_as_host": False, "rw": False}
    host = tree.lookup(host_path)
    same = host is not None and stat.S_ISCHR(inside.st_mode) and inside.st_rdev == host.st_rdev
    # The kernel takes the first class that applies: an owner without the bits is refused even if its group has them.
    shift = 6 if inside.st_uid == process.uid else 3 if inside.st_gid in (process.gid, *process.groups) else 0
    permitted = process.override or inside.st_mode >> shift & 0o6 == 0o6
    return {"exists": True, "same_as_host": same, "rw": bool(allowed and permitted)}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(mapping: Mapping[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    return value if isinstance(value, list) else []


def _text(mapping: Mapping[str, Any], key: str) -> str | None:
    value = mapping.get(key)
    return value if isinstance(value, str) else None
