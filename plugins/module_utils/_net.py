# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port, and does a webui answer there? From /proc/net (networking/proc_net_tcp.rst) and HTTP."""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import re
import socket
import urllib.parse
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Optional

from ._sysfs import Tree
from ._types import Http, PortFacts

TIMEOUT = 3.0
_LIMIT = 4 << 20
_LISTEN = "0A"


def decode_address(text: str) -> str:
    """An address of /proc/net/tcp{,6}: 32-bit words in the byte order of the machine, which is little-endian here."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def listeners(tree: Tree, ports: Iterable[int]) -> dict[str, PortFacts]:
    """`{"7860": {listeners: [addresses], owner: process name or ""}}` of the ports asked for."""
    wanted = list(ports)
    seen: dict[str, PortFacts] = {}

    def of(port: int) -> PortFacts:
        if not seen:
            seen.update(_listeners(tree, wanted))
        return seen[str(port)]

    return {str(port): tree.derive(f"port {port}", partial(of, port), PortFacts) for port in wanted}


def _listeners(tree: Tree, ports: Iterable[int]) -> dict[str, PortFacts]:
    found: dict[int, set[str]] = {port: set() for port in ports}
    inodes: dict[str, int] = {}
    for name in ("tcp", "tcp6"):
        for line in (tree.read_head(f"/proc/net/{name}", _LIMIT) or b"").decode("ascii", "replace").splitlines()[1:]:
            fields = line.split()
            try:
                address, port = fields[1].rsplit(":", 1)
                if fields[3] == _LISTEN and int(port, 16) in found:
                    found[int(port, 16)].add(decode_address(address))
                    inodes[fields[9]] = int(port, 16)
            except (IndexError, ValueError):
                continue
    names = _owners(inodes) if tree.live and inodes else {}
    return {str(port): {"listeners": sorted(found[port]), "owner": names.get(port, "")} for port in found}


def _owners(inodes: dict[str, int]) -> dict[int, str]:
    """Names of the processes that hold the sockets; those of other users are hidden from anyone but root."""
    wanted = {f"socket:[{inode}]": port for inode, port in inodes.items()}
    names: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for handle in os.scandir(process / "fd"):
                port = wanted.get(os.readlink(handle))  # noqa: PTH115 - some thousands of them
                if port is not None:
                    names.setdefault(port, (process / "comm").read_text(errors="replace").strip())
        except OSError:  # gone meanwhile, or another user's
            continue
        if len(names) == len(set(wanted.values())):
            break
    return names


def own_addresses(tree: Tree, addresses: Iterable[str]) -> dict[str, bool | None]:
    """Whether each is an address of this host; None for a name, and where that is not known."""
    nothing: bool | None = None
    return {each: tree.ask(f"address {each}", partial(_is_own, each), nothing, Optional[bool]) for each in addresses}


def _is_own(address: str) -> bool | None:
    """Whether a socket can be bound to it, which is what it is wanted for."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except ValueError:  # a name
        return None
    except OSError:
        return False
    return True


def probe(port: int, addresses: list[str] | None = None) -> Http:
    """Is a webui ready? `{status, ready, models, error}`; ready means a ping below 500 and at least one model."""
    base = f"http://{_reachable(addresses or [])}:{port}"
    status, _body, error = get(f"{base}/internal/ping")
    result: Http = {"status": status or None, "ready": False, "models": None, "error": error}
    if error or status >= 500:
        result["error"] = error or f"/internal/ping answers {status}"
        return result
    status, body, error = get(f"{base}/sdapi/v1/sd-models")
    if error or status != 200:
        result["error"] = error or f"/sdapi/v1/sd-models answers {status}"
        return result
    try:
        models = json.loads(body)
    except (ValueError, RecursionError):
        models = None
    if not isinstance(models, list):
        result["error"] = "/sdapi/v1/sd-models answers no list"
        return result
    error = "" if models else "no model is listed"
    return {"status": result["status"], "ready": bool(models), "models": len(models), "error": error}


PENDING = "/internal/pending-tasks"
"""Where a webui says what waits, as `size`; its page alone has it."""
PROGRESS = "/sdapi/v1/progress?skip_current_image=true"
"""Where it says what it draws, as `state.job_count`, without the picture that it draws."""


def mapping(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty for anything else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def said(url: str) -> tuple[dict[str, Any], str]:
    """What a webui says at an address, empty where it refuses; and why nothing came."""
    status, body, error = get(url)
    return (mapping(body) if status == 200 else {}), error


def _reachable(addresses: list[str]) -> str:
    """Loopback where that will do, else the address that is listened on."""
    if not addresses or {"127.0.0.1", "0.0.0.0", "::"} & set(addresses):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]


def get(url: str) -> tuple[int, bytes, str]:
    """(status, body, error) of a GET without any proxy; an HTTP error status is no error here.

    By http.client: an opener of urllib reads the system's certificates even for plain HTTP, which costs each host more
    than all else that is asked of it.
    """
    connection = None
    try:
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        path = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
        connection.request("GET", path, headers={"Connection": "close"})
        reply = connection.getresponse()
        return reply.status, reply.read(_LIMIT) if reply.status < 400 else b"", ""
    except (OSError, OverflowError, ValueError, http.client.HTTPException) as error:  # overflow: port 70000
        return 0, b"", re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
    finally:
        if connection:
            connection.close()
