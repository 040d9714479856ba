# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole look: everything about a host that a decision or a check needs, read once and changed by nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ._accounts import look_user
from ._apt import look_apt
from ._dkms import look_dkms
from ._docker import SOCKET, look_docker
from ._dpkg import look_dpkg
from ._hardware import look_hardware
from ._machine import look_disk, look_files, look_memory, look_records
from ._net import listeners, probe
from ._registry import lookup
from ._sysfs import Tree

UNKNOWN = "can't be known from a recorded tree"
_ENGINES = ("docker.io", "docker-ce")
_WEBUI = {"name": {"type": "str", "required": True}, "port": {"type": "int", "required": True}}
ARGUMENTS: dict[
    str, Any
] = {  # those of the modules that look; paths stay text, since ~ is the user's and not the module's
    "root": {"type": "path", "default": "/"},
    "user": {"type": "str"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
    "disk": {"type": "list", "elements": "str", "default": []},
    "webuis": {"type": "list", "elements": "dict", "default": [], "options": _WEBUI},
    "images": {"type": "list", "elements": "str", "default": []},
    "registry_ca": {"type": "str", "default": ""},
    "probe_images": {"type": "bool", "default": True},
}


def look(
    root: str = "/",
    user: str | None = None,
    packages: Sequence[str] = (),
    files: Sequence[str] = (),
    disk: Sequence[str] = (),
    webuis: Sequence[Mapping[str, Any]] = (),
    images: Sequence[str] = (),
    registry_ca: str = "",
    probe_images: bool = True,
) -> dict[str, Any]:
    """The look at the host below `root`, a JSON-able dict. Never raises for what is missing or garbage.

    `webuis` are mappings with `name` (of the container) and `port`. A path of `files` or `disk` may start with `~`, the
    home of `user`; its key is the expanded path. Sockets, HTTP and registries are asked only where `root` is `/`, and
    registries only for images that the engine doesn't have, if `probe_images`.
    """
    host = look_hardware(root)
    tree = Tree(root)
    dpkg = look_dpkg(tree, [*packages, *(name for name in _ENGINES if name not in packages)])
    names, ports = [str(webui["name"]) for webui in webuis], [int(webui["port"]) for webui in webuis]
    docker = look_docker(tree, dpkg["packages"], names, images, SOCKET if tree.live else None)
    dpkg["packages"] = {name: dpkg["packages"][name] for name in packages}
    account = look_user(tree, user, [gid for gid in host["groups"].values() if gid is not None])
    home = (account or {}).get("home")
    bound = _name_containers(listeners(tree, ports), docker["containers"])
    with ThreadPoolExecutor(max_workers=8) as pool:  # what waits for others waits at the same time
        answers = pool.map(lambda port: _probe(tree, port, bound[str(port)]["listeners"]), ports)
        found = pool.map(lambda image: _registry(tree, image, docker, registry_ca, probe_images), images)
        http, registry = dict(zip(names, answers)), dict(zip(images, found))
    return {
        **host,
        "user": account,
        "apt": look_apt(tree),
        "dpkg": dpkg,
        "dkms": look_dkms(tree),
        "docker": docker,
        "registry": registry,
        "ports": bound,
        "http": http,
        "files": look_files(tree, _expand(files, home)),
        "disk": look_disk(tree, _expand(disk, home)),
        "memory": look_memory(tree),
        "records": look_records(tree),
        "problems": list(dict.fromkeys([*host["problems"], *tree.problems])),
    }


def _expand(paths: Iterable[str], home: str | None) -> list[str]:
    return [home.rstrip("/") + path[1:] if home and (path == "~" or path.startswith("~/")) else path for path in paths]


def _probe(tree: Tree, port: int, addresses: list[str]) -> dict[str, Any]:
    return probe(port, addresses) if tree.live else {"status": None, "ready": False, "models": None, "error": UNKNOWN}


def _registry(tree: Tree, image: str, docker: Mapping[str, Any], ca: str, ask: bool) -> dict[str, Any]:
    if docker["images"].get(image):
        return {"status": "local", "detail": "", "digest": None}
    if not tree.live or not ask:
        return {"status": "unknown", "detail": "" if tree.live else UNKNOWN, "digest": None}
    return lookup(image, ca, docker["config"])


def _name_containers(ports: dict[str, dict[str, Any]], containers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """docker-proxy is the engine's hand: tell whose container it serves."""
    for name, container in containers.items():
        for published in container["ports"] if container else ():
            found = ports.get(str(published["host_port"]))
            if found and found["listeners"] and found["owner"] in ("docker-proxy", ""):
                found["owner"] = f"docker-proxy (container {name})"
    return ports
