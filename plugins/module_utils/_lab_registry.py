# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own registry, on the host that runs it: where its files are, its login, and what it serves."""

from __future__ import annotations

import base64
import binascii
import ctypes
import hmac
import http.client
import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from ._registry import MANIFESTS
from ._secret_files import Wanted, digests_of
from ._tls import connect, reason

RECORD = "/var/lib/navilab/registry.json"
CONFIG = "/etc/navilab/registry"
CA, CA_KEY = f"{CONFIG}/ca.crt", f"{CONFIG}/ca.key"
CERT, CERT_KEY = f"{CONFIG}/tls/server.crt", f"{CONFIG}/tls/server.key"
LOGIN, HTPASSWD = f"{CONFIG}/push/config.json", f"{CONFIG}/push/htpasswd"
ENVIRONMENT = f"{CONFIG}/environment"
SETTINGS = f"{CONFIG}/gc.json"
"""Says where the store is, to the garbage collection too."""
MADE = (CA, CA_KEY, CERT, CERT_KEY, LOGIN, HTPASSWD, ENVIRONMENT)
"""What is made on the host, or comes from a secret: the record has the digest of each."""
USER = "navilab"
LOOPBACK = "127.0.0.1"
IMAGES, MODELS = "navilab/webui", "navilab/models"
_TIMEOUT = 10.0
_LIMIT = 4 << 20


def endpoint(address: str, port: int) -> str:
    """An address and a port as a reference has them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


# -- the login ------------------------------------------------------------------------------------------------------


def bcrypt(password: str, setting: str = "", cost: int = 10) -> str:
    """The hash that htpasswd(1) calls bcrypt, from the libc's crypt(3), which each Debian has; Python 3.13 has none."""
    if not setting:
        alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        # The last character of a salt has two bits of its own.
        setting = f"$2y${cost:02}$" + "".join(secrets.choice(alphabet) for _each in range(21)) + secrets.choice(".Oeu")
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    library.crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    found = (library.crypt(password.encode(), setting.encode()) or b"").decode()
    if len(found) != 60 or not found.startswith("$2"):
        raise ValueError("crypt(3) of this host knows no bcrypt")
    return str(found)


def password_of(config: str, port: int) -> str:
    """The password in the text of a config.json; empty where it has none of ours for the port."""
    try:
        auth = json.loads(config)["auths"][endpoint(LOOPBACK, port)]["auth"]
        user, _colon, password = base64.b64decode(auth, validate=True).decode().partition(":")
    except (ValueError, KeyError, TypeError, binascii.Error):
        return ""
    return password if user == USER and len(password) >= 32 else ""


def config_of(password: str, port: int) -> str:
    """The text of config.json, in docker's form."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return json.dumps({"auths": {endpoint(LOOPBACK, port): {"auth": auth}}}) + "\n"


def fits(htpasswd: str, password: str, user: str = USER) -> bool:
    """Whether the text of a htpasswd lets this password in, and nobody else."""
    name, _colon, known = htpasswd.strip().partition(":")
    if name != user or not re.fullmatch(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", known):
        return False
    return hmac.compare_digest(bcrypt(password, known), known)


def login(port: int, config: str, htpasswd: str, environment: str) -> list[Wanted]:
    """The files of the login, from the texts of those that are there (empty for none). What is good stays."""
    known = password_of(config, port)
    password = known or secrets.token_urlsafe(32)
    hashed = htpasswd if known and fits(htpasswd, known) else f"{USER}:{bcrypt(password)}\n"
    # Without one of its own, an upload that a restart interrupts could not go on.
    secret = re.fullmatch(r"REGISTRY_HTTP_SECRET=[0-9a-f]{64}\n", environment)
    return [
        Wanted(HTPASSWD, hashed, 0o640, True),
        Wanted(LOGIN, config if known else config_of(password, port), 0o600, False),
        Wanted(ENVIRONMENT, environment if secret else f"REGISTRY_HTTP_SECRET={secrets.token_hex(32)}\n", 0o600, False),
    ]


def digests() -> list[str]:
    """Of what is there of MADE."""
    return digests_of(MADE)


# -- what it serves -------------------------------------------------------------------------------------------------


class Published(TypedDict):
    """`address` is what a reference begins with, `ca` PEM text, "" where the system's authorities do; `images` are
    digests by tag, `models` SHA-256 in hex. `error` says why it does not serve; what it has is read from its store
    then, since a mirror may serve it still. All is empty where there is none."""

    address: str
    ca: str
    images: dict[str, str]
    models: list[str]
    error: str


class Serves(NamedTuple):
    """What the record says of the instances."""

    address: str
    listen: str
    ports: dict[str, int]


def recorded(text: str) -> Serves | None:
    """Of the record's text; None where there is no registry."""
    try:
        serves = json.loads(text)["serves"]
        ports = {str(name): int(port) for name, port in serves["ports"].items()}
        return Serves(str(serves["address"]), str(serves["listen"]), ports) if "pull" in ports else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def published(timeout: float = 0.0, root: str = "") -> Published:
    """What the registry of this host serves; for `timeout` seconds it is waited for."""
    found: Published = {"address": "", "ca": "", "images": {}, "models": [], "error": ""}
    serves = recorded(_text(root + RECORD))
    if serves is None:
        return found
    found["address"], found["ca"] = endpoint(serves.address, serves.ports["pull"]), _text(root + CA)
    end = time.monotonic() + timeout
    while True:
        found["error"] = ""
        try:
            _instances(serves, found["ca"], root)
            found["images"] = _images(serves, found["ca"])
            found["models"] = _sums(_tags(serves, found["ca"], MODELS))
        except (OSError, ValueError, http.client.HTTPException) as error:
            found["error"] = reason(error)
        if not found["error"]:
            return found
        if time.monotonic() >= end:
            return {**found, "images": _stored(root, IMAGES), "models": _sums(_stored(root, MODELS))}
        time.sleep(0.5)


def _sums(tags: Iterable[str]) -> list[str]:
    """The tags that are a model's sha256."""
    return [tag for tag in tags if re.fullmatch("[0-9a-f]{64}", tag)]


def _stored(root: str, repository: str) -> dict[str, str]:
    """The digests by tag that the store has on disk."""
    try:
        base = Path(f"{root}{json.loads(_text(root + SETTINGS))['store']}/docker/registry/v2")
    except (ValueError, KeyError, TypeError):
        return {}
    tags = (base / "repositories" / repository / "_manifests" / "tags").glob("*/current/link")
    found = {link.parts[-3]: _text(str(link)).strip() for link in sorted(tags)}
    return {
        tag: digest
        for tag, digest in found.items()
        if re.fullmatch("sha256:[0-9a-f]{64}", digest)
        and (base / "blobs" / "sha256" / digest[7:9] / digest[7:] / "data").is_file()
    }


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@contextmanager
def _named(instance: str, port: int) -> Iterator[None]:
    """Whatever goes wrong is told with the instance that it is about."""
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ValueError(f"navilab-registry@{instance} at port {port}: {reason(error)}") from error


def _instances(serves: Serves, ca: str, root: str) -> None:
    """That each instance answers: over TLS as its clients see it, push with its login and to nobody else."""
    for instance, port in serves.ports.items():
        with _named(instance, port):
            if instance != "push":
                _expect(200, _ask(_secured(serves, port, ca), "/v2/"), "/v2/")
                continue
            _expect(401, _ask(_plain(port), "/v2/"), "/v2/ without a login")
            password = password_of(_text(root + LOGIN), port)
            if password or os.geteuid() == 0:
                auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
                _expect(200, _ask(_plain(port), "/v2/", {"Authorization": f"Basic {auth}"}), "/v2/ with the login")


def _expect(status: int, answer: tuple[int, Any, bytes], what: str) -> None:
    if answer[0] != status:
        raise ValueError(f"{what} answers {answer[0]}")


def _images(serves: Serves, ca: str) -> dict[str, str]:
    port, found = serves.ports["pull"], {}
    for tag in _tags(serves, ca, IMAGES):
        with _named("pull", port):
            path = f"/v2/{IMAGES}/manifests/{tag}"
            status, headers, _body = _ask(_secured(serves, port, ca), path, {"Accept": MANIFESTS}, "HEAD")
        digest = headers.get("Docker-Content-Digest", "")
        if status == 200 and digest:  # one without its manifest is none
            found[tag] = digest
    return found


def _tags(serves: Serves, ca: str, repository: str) -> list[str]:
    port = serves.ports["pull"]
    with _named("pull", port):
        path = f"/v2/{repository}/tags/list"
        status, _headers, body = _ask(_secured(serves, port, ca), path)
        if status == 404:
            return []
        _expect(200, (status, None, b""), path)
        document = json.loads(body)
        tags = document.get("tags") if isinstance(document, dict) else None
        if not isinstance(tags, (list, type(None))):
            raise ValueError(f"{path} answers no list")
        return sorted(str(tag) for tag in tags or [])


def _secured(serves: Serves, port: int, ca: str) -> http.client.HTTPConnection:
    """A connection as its clients have it, but by an address that needs no name service."""
    return connect(serves.address, serves.listen or LOOPBACK, port, _TIMEOUT, ca=ca)


def _plain(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(LOOPBACK, port, timeout=_TIMEOUT)


def _ask(
    connection: http.client.HTTPConnection, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> tuple[int, Any, bytes]:
    """(status, headers, body)."""
    try:
        connection.request(method, path, headers={"Connection": "close", **(headers or {})})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read(_LIMIT)
    finally:
        connection.close()
