# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the webuis' containers are confined: memory, processes, the network that they may begin nothing on."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional, TypedDict

from ._docker import Engine, EngineError
from ._engines import SOCKET
from ._sysfs import Tree
from ._types import ContainerGuard, Docker, Guard

NETWORK, BRIDGE = "navilab", "navilab0"
BRIDGE_OPTION = "com.docker.network.bridge.name"
ICC_OPTION = "com.docker.network.bridge.enable_icc"
"""Whether two webuis reach each other, which no rule of ours sees where br_netfilter is not loaded."""
TABLE = ("inet", "navilab_egress")
# As nft lists it, with tabs (1.0.6 and 1.1.3 print the same), so that a listing can be compared. Replies pass; what a
# container begins is refused at once, to the host (input) and to all else (forward), before what Docker or others
# accept there.
RULES = f"""table {" ".join(TABLE)} {{
    chain begun {{
        ct state established,related accept
        counter packets 0 bytes 0 reject
    }}

    chain forward {{
        type filter hook forward priority filter - 10; policy accept;
        iifname "{BRIDGE}" jump begun
    }}

    chain input {{
        type filter hook input priority filter - 10; policy accept;
        iifname "{BRIDGE}" jump begun
    }}
}}
""".replace("    ", "\t")
EGRESS_RULES = "/etc/navilab/egress.nft"
EGRESS_UNIT = "/etc/systemd/system/navilab-egress.service"
EGRESS_ENABLED = "/etc/systemd/system/docker.service.wants/navilab-egress.service"
NFT = "/usr/sbin/nft"
ZRAM_DEVICE = "/run/navilab-zram/device"

_COUNTER = re.compile(r"packets (\d+) bytes \d+")
_PRELOADED = re.compile(rb"/\S*libtcmalloc\S*")
_MAPS = 8 << 20  # bytes; torch with ROCm has some thousand mappings
_DEPTH = 8  # processes from a container's first one down to Python
_TIMEOUT = 10.0


class EngineGuard(TypedDict):
    """The engine's part of it."""

    containers: dict[str, ContainerGuard | None]
    limits: dict[str, bool]
    bridge: str | None


def same_rules(listed: str) -> bool:
    """Whether a listing of the table is what is wanted, however often something was refused."""
    return _COUNTER.sub("packets 0 bytes 0", listed).split() == RULES.split()


def gather_guard(tree: Tree, names: Sequence[str], docker: Docker) -> Guard:
    silent: EngineGuard = {"containers": {}, "limits": {}, "bridge": None}
    engine = silent
    if docker["running"] or not tree.live:
        there = [name for name in names if docker["containers"].get(name)]
        engine = tree.ask("guard", lambda: _ask(Engine(SOCKET), tree, there), silent, EngineGuard)
    rules = _rules(tree)
    refused = _COUNTER.search(rules or "")
    return {
        "containers": {name: engine["containers"].get(name) for name in names},
        "limits": engine["limits"],
        "bridge": engine["bridge"],
        "rules": rules,
        "refused": int(refused[1]) if refused else None,
        "zram_mib": _zram_mib(tree),
    }


def _ask(engine: Engine, tree: Tree, names: Sequence[str]) -> EngineGuard:
    found: EngineGuard = {"containers": {}, "limits": {}, "bridge": None}
    try:
        info = engine.get("/info") or {}
        found["limits"] = {"swap": info.get("SwapLimit") is True, "pids": info.get("PidsLimit") is True}
        network = engine.get(f"/networks/{NETWORK}")
        if network is not None:
            found["bridge"] = str((network.get("Options") or {}).get(BRIDGE_OPTION) or "")
        for name in names:
            container = engine.container(name)
            found["containers"][name] = describe(container, tree, _noted(engine, container)) if container else None
    except (EngineError, AttributeError):  # whoever needs it asks docker_engine why
        pass
    return found


def _noted(engine: Engine, container: Mapping[str, Any]) -> bool:
    """Whether the kernel's killing is among the engine's last 256 events; its mark on the container is gone with the
    next start since Docker 26, and a container as host has no log of the kernel's."""
    return bool(engine.events({"container": [str(container.get("Id"))], "event": ["oom"]}, time.time()))


def describe(container: Mapping[str, Any], tree: Tree, noted: bool = False) -> ContainerGuard:
    """What the facts keep of an inspected container."""
    host, pid = container.get("HostConfig") or {}, (container.get("State") or {}).get("Pid") or 0
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return {
        "memory_swap": host.get("MemorySwap") or 0,
        "pids_limit": host.get("PidsLimit") or 0,
        "networks": sorted(networks),
        "oom_kills": _oom_kills(tree, pid) if pid else None,
        "oom_noted": noted,
        "tcmalloc": _tcmalloc(tree, pid) if pid else None,
    }


def _oom_kills(tree: Tree, pid: int) -> int | None:
    """How many processes the kernel has killed in the control group of a process, since that was made: since the
    container's last start. cgroup-v2 and cgroup-v1/memory of the kernel's documentation."""
    for line in (tree.read_text(f"/proc/{pid}/cgroup") or "").splitlines():
        _number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers == "" or "memory" in controllers.split(","):
            name = "memory/" if controllers else ""
            file = "memory.oom_control" if controllers else "memory.events"
            said = tree.read_text(f"/sys/fs/cgroup/{name}{path.lstrip('/')}/{file}")
            counted = re.search(r"^oom_kill (\d+)$", said or "", re.MULTILINE)
            if counted:
                return int(counted[1])
    return None


def _tcmalloc(tree: Tree, pid: int) -> str | None:
    """The file of tcmalloc that the webui's process has mapped, "" if it has none, None where nobody may know."""
    maps = tree.read_head(f"/proc/{_python(tree, pid)}/maps", _MAPS)
    if not maps:
        return None
    found = _PRELOADED.search(maps)
    return found.group().decode("utf-8", "replace") if found else ""


def _python(tree: Tree, pid: int) -> int:
    """The first Python at or below a process: an entry point may have put a shell and sudo before it."""
    below = [pid]
    for _step in range(_DEPTH):
        for each in below:
            if (tree.read_word(f"/proc/{each}/comm") or "").startswith("python"):
                return each
        children = " ".join(tree.read_text(f"/proc/{each}/task/{each}/children") or "" for each in below)
        below = [int(each) for each in children.split()]
    return pid


def _rules(tree: Tree) -> str | None:
    """Our table as nft lists it, "" where it is not loaded; None for who may not know. Asked only where something of
    ours is there, since nft loads the kernel's modules."""
    if not any(map(tree.exists, (EGRESS_RULES, EGRESS_UNIT, f"/sys/class/net/{BRIDGE}"))):
        return ""
    unknown: str | None = None
    return tree.ask("nft list table", lambda: _list(tree), unknown, Optional[str])


def _list(tree: Tree) -> str | None:
    if not tree.exists(NFT):
        return ""
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [NFT, "list", "table", *TABLE], env={"LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode:
        return "" if b"No such file" in done.stderr else None
    return done.stdout.decode("utf-8", "replace")


def _zram_mib(tree: Tree) -> int | None:
    """The size of our compressed swap; None where it is not in use."""
    device = tree.read_word(ZRAM_DEVICE) if tree.exists(ZRAM_DEVICE) else None
    for line in (tree.read_text("/proc/swaps") or "").splitlines() if device else ():
        words = line.split()
        if len(words) > 2 and words[0] == device and words[2].isdigit():
            return (int(words[2]) + 1023) // 1024  # a page is the header's
    return None
