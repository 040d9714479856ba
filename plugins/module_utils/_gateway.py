# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway, on its host: where its files are, its login, and what it answers to who has none."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.client
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from ._lab_registry import bcrypt, fits
from ._secret_files import Wanted
from ._sysfs import Tree
from ._tls import connect, reason
from ._types import GatewayAnswer

CONFIG = "/etc/navilab/gateway"
CA, CA_KEY = f"{CONFIG}/ca.crt", f"{CONFIG}/ca.key"
CERT, CERT_KEY = f"{CONFIG}/tls/server.crt", f"{CONFIG}/tls/server.key"
HTPASSWD, KNOWN = f"{CONFIG}/htpasswd", f"{CONFIG}/known.conf"
MADE = (CA, CA_KEY, CERT, CERT_KEY, HTPASSWD)
"""What is made on the host, or comes from a secret: the record has the digest of each, but for what follows from the
password alone."""
COOKIE = "navilab_gateway"
_COST = 7  # nginx computes it for each request: some milliseconds
_ROUNDS = 100_000
_TIMEOUT = 5.0


def token(user: str, password: str) -> str:
    """What a client that has logged in shows from then on: its tries are not counted. The same on all hosts with one
    login, so that one gateway may ask another; the password can't be had from it but by guessing."""
    salt = f"navilab.webui.gateway {user}".encode()
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS).hex()


@functools.lru_cache
def known(user: str, password: str) -> str:
    """The part of nginx's configuration that only root may read: who is no stranger."""
    shown = token(user, password)
    welcome = f"{COOKIE}={shown}; Path=/; Secure; HttpOnly; SameSite=Strict"
    return f"""# Written by navilab.webui.gateway.
map $cookie_{COOKIE} $navilab_stranger {{
    default $binary_remote_addr;
    "{shown}" "";
}}
map $cookie_{COOKIE} $navilab_welcome {{
    default "{welcome}";
    "{shown}" "";
}}
map "" $navilab_known {{
    default "{COOKIE}={shown}";
}}
"""


def login(user: str, password: str, htpasswd: str) -> list[Wanted]:
    """The files of the login, from the text of the htpasswd that is there (empty for none). A good one stays."""
    hashed = htpasswd if fits(htpasswd, password, user) else f"{user}:{bcrypt(password, cost=_COST)}\n"
    return [Wanted(HTPASSWD, hashed, 0o640, True), Wanted(KNOWN, known(user, password), 0o640, False)]


def answers(tree: Tree, gateways: Iterable[Mapping[str, Any]]) -> dict[str, GatewayAnswer]:
    """What each says to who has no login, by port; a recording has what was said then."""
    nothing: GatewayAnswer = {"status": None, "ends": None, "error": "not asked"}

    def asked(each: Mapping[str, Any]) -> GatewayAnswer:
        return tree.ask(f"gateway {each['port']}", lambda: answer(**each), nothing, GatewayAnswer)

    return {str(each["port"]): asked(each) for each in gateways}


def answer(name: str, address: str, port: int, ca: str = "") -> GatewayAnswer:
    """Asked by `name` at one of the host's own addresses, without a login. `ca` is the file of its authority, "" where
    one of the system's has signed its certificate; `ends` is when that ends, in seconds since the epoch."""
    found: GatewayAnswer = {"status": None, "ends": None, "error": ""}
    try:
        with contextlib.closing(connect(name, address, port, _TIMEOUT, cafile=ca)) as connection:
            certificate = connection.sock.getpeercert() or {}
            found["ends"] = float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))
            connection.request("GET", "/internal/ping", headers={"Connection": "close"})
            found["status"] = connection.getresponse().status
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        found["error"] = reason(error)
    return found
