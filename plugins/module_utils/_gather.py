# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All facts: everything about a host that a decision or a check needs, read once and changed by nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import _lock
from ._accounts import gather_user
from ._apt import gather_apt
from ._dkms import gather_dkms
from ._docker import ENGINES, PREVIOUS, gather_docker
from ._docker_config import public, read_config
from ._dpkg import gather_dpkg
from ._engines import SOCKET
from ._guard import gather_guard
from ._hardware import gather_hardware
from ._machine import gather_disk, gather_files, gather_memory, gather_records, images_of
from ._net import listeners, own_addresses, probe
from ._paths import expand
from ._sysfs import UNKNOWN, Recorder, Tree, opened
from ._types import Container, Docker, Facts, GatewayAnswer, Http, PortFacts, RegistryAnswer

_WEBUI = {"name": {"type": "str", "required": True}, "port": {"type": "int", "required": True}}
_GATEWAY = {**_WEBUI, "address": {"type": "str", "required": True}, "ca": {"type": "str", "default": ""}}
ARGUMENTS: dict[
    str, Any
] = {  # those of the modules that gather; paths stay text, since ~ is the user's and not the module's
    "root": {"type": "path", "default": "/"},
    "user": {"type": "str"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
    "disk": {"type": "list", "elements": "str", "default": []},
    "webuis": {"type": "list", "elements": "dict", "default": [], "options": _WEBUI},
    "images": {"type": "list", "elements": "str", "default": []},
    "registry_ca": {"type": "str", "default": ""},
    "probe_images": {"type": "bool", "default": True},
    "groups": {"type": "list", "elements": "str", "default": []},
    "ports": {"type": "list", "elements": "int", "default": []},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "gateways": {"type": "list", "elements": "dict", "default": [], "options": _GATEWAY},
}


def host_info(given: Mapping[str, Any], _check: bool) -> dict[str, Any]:
    """The module's result."""
    with opened(given["root"]) as (root, problem):
        if problem:
            return {"failed": True, "msg": problem}
        host = gather(**{**given, "root": root})
    return {"changed": False, "host": {**host, "root": given["root"]}}


def gather(
    root: str = "/",
    user: str | None = None,
    packages: Sequence[str] = (),
    files: Sequence[str] = (),
    disk: Sequence[str] = (),
    webuis: Sequence[Mapping[str, Any]] = (),
    images: Sequence[str] = (),
    registry_ca: str = "",
    probe_images: bool = True,
    recorder: Recorder | None = None,
    groups: Sequence[str] = (),
    ports: Sequence[int] = (),
    addresses: Sequence[str] = (),
    gateways: Sequence[Mapping[str, Any]] = (),
) -> Facts:
    """The facts of the host below `root`, JSON-able. Never raises for what is missing or garbage.

    `webuis` are mappings with `name` (of the container) and `port`. A path of `files` or `disk` may start with `~`, the
    home of `user`; its key is the expanded path. Sockets, HTTP and registries are asked only where `root` is `/`, and
    registries only for images that the engine doesn't have, if `probe_images`. `groups` are those whose numbers are
    wanted beside the GPU's, `ports` those whose listeners are wanted beside the webuis', and `addresses` are those of
    which it is wanted whether they are this host's.
    """
    tree = Tree(root, recorder)
    host = gather_hardware(tree)
    dpkg = gather_dpkg(tree, [*packages, *(name for name in ENGINES if name not in packages)])
    names, served = [str(webui["name"]) for webui in webuis], [int(webui["port"]) for webui in webuis]
    account = gather_user(tree, user, [gid for gid in host["groups"].values() if gid is not None])
    home = account["home"] if account else None
    records = public(gather_records(tree))  # some were written before secrets were left out
    aside = [f"{name}{PREVIOUS}" for name in names]
    held = [*images, *(image for image in images_of(records) if image not in images)]
    docker = gather_docker(tree, dpkg["packages"], [*names, *aside], held, SOCKET if tree.live else None, home)
    dpkg["packages"] = {name: dpkg["packages"][name] for name in packages}
    initrds = [f"/boot/initrd.img-{release}" for release in host["kernel"]["installed"]]  # what they take there
    bound = _name_containers(listeners(tree, dict.fromkeys([*served, *ports])), docker["containers"])
    with ThreadPoolExecutor(max_workers=8) as pool:  # what waits for others waits at the same time
        answers = pool.map(lambda port: _probe(tree, port, bound[str(port)]["listeners"]), served)
        found = pool.map(lambda image: _registry(tree, image, docker, registry_ca, probe_images), images)
        http, registry = dict(zip(names, answers)), dict(zip(images, found))
    return {
        **host,
        "init": tree.read_word("/proc/1/comm"),
        "user": account,
        "apt": gather_apt(tree),
        "dpkg": dpkg,
        "dkms": gather_dkms(tree),
        "docker": docker,
        "guard": gather_guard(tree, names, docker),
        "registry": registry,
        "ports": bound,
        "addresses": own_addresses(tree, addresses),
        "http": http,
        "gateways": _gateways(tree, gateways) if gateways else {},
        "groups": {**host["groups"], **{name: tree.group_id(name) for name in groups}},
        "files": gather_files(tree, [*(expand(path, home) for path in files), *initrds]),
        "disk": gather_disk(tree, [*(expand(path, home) for path in disk), docker["root"], docker["containerd_root"]]),
        "memory": gather_memory(tree),
        "records": records,
        "lock": _lock.read() if tree.live else None,  # nobody's business in a recording
        "clock": time.time() if tree.live else None,
        "answers": {"apt": [], "dockerd": []},
        "problems": tree.problems,
    }


def _probe(tree: Tree, port: int, addresses: list[str]) -> Http:
    unknown: Http = {"status": None, "ready": False, "models": None, "error": UNKNOWN}
    return tree.ask(f"http {port}", lambda: probe(port, addresses), unknown, Http)


def _gateways(tree: Tree, gateways: Sequence[Mapping[str, Any]]) -> dict[str, GatewayAnswer]:
    from ._gateway import answers  # TLS costs each host more than all else that is gathered, and few have one

    return answers(tree, gateways)


def _registry(tree: Tree, image: str, docker: Docker, ca: str, ask: bool) -> RegistryAnswer:
    if docker["images"].get(image):
        return {"status": "local", "detail": "", "digest": None}
    if not ask:
        return {"status": "unknown", "detail": "" if tree.live else UNKNOWN, "digest": None}
    from ._registry import lookup  # most runs ask none, and its imports cost each host a tenth of its time

    unknown: RegistryAnswer = {"status": "unknown", "detail": UNKNOWN, "digest": None}
    config = read_config(tree, docker["config_file"])[0]
    return tree.ask(f"registry {image}", lambda: lookup(image, ca, config), unknown, RegistryAnswer)


def _name_containers(ports: dict[str, PortFacts], containers: Mapping[str, Container | None]) -> dict[str, PortFacts]:
    """docker-proxy is the engine's hand: tell whose container it serves."""
    for name, container in containers.items():
        for published in container["ports"] if container else ():
            found = ports.get(str(published["host_port"]))
            if found and found["listeners"] and found["owner"] in ("docker-proxy", ""):
                found["owner"] = f"docker-proxy (container {name})"
    return ports
