# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file as a blob of a registry, held there by a manifest that is tagged with its checksum (OCI distribution spec)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import ssl
import stat
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypedDict

from ._addresses import reason
from ._lab_registry import MODELS
from ._model import Failure, failed
from ._types import Check

ARGUMENTS: dict[str, Any] = {
    "sha256": {"type": "str", "required": True},
    "path": {"type": "str"},
    "registry": {"type": "str", "required": True},
    "repository": {"type": "str", "default": MODELS},
    "login_file": {"type": "str"},
    "ca_file": {"type": "str"},
}
TIMEOUT = 600.0
"""Seconds for an answer: after the last byte a registry checks and stores all of a blob."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG, CONFIG_TYPE = b"{}", "application/vnd.oci.empty.v1+json"
LAYER_TYPE = "application/octet-stream"
_CHUNK = 1 << 20
_LIMIT = 1 << 16


class Published(TypedDict):
    """`there`: the registry has it whole. `sent` are bytes."""

    changed: bool
    there: bool
    sent: int
    digest: str
    checks: list[Check]


def manifest_of(sha256: str, size: int) -> bytes:
    """What holds a blob against garbage collection: an image with it for its one layer."""
    config = {"mediaType": CONFIG_TYPE, "digest": f"sha256:{hashlib.sha256(CONFIG).hexdigest()}", "size": len(CONFIG)}
    layer = {"mediaType": LAYER_TYPE, "digest": f"sha256:{sha256}", "size": size}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}).encode()


def login_of(config: str, registry: str) -> str:
    """The Authorization header for a registry from the text of docker's config.json; empty where it has none."""
    host = urllib.parse.urlsplit(registry).netloc
    try:
        entry = json.loads(config)["auths"][host]
        auth = entry.get("auth") or base64.b64encode(f"{entry['username']}:{entry['password']}".encode()).decode()
        return f"Basic {auth}" if isinstance(auth, str) else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def publish(arguments: Mapping[str, Any], check: bool = False) -> Published:
    """Have the registry serve the file; without a path, or in check mode, say whether it does."""
    result: Published = {"changed": False, "there": False, "sent": 0, "digest": "", "checks": []}
    try:
        registry = _Registry(arguments)
    except Failure as failure:
        return {**result, "checks": failure.checks}
    try:
        result["digest"] = registry.tagged()
        size = registry.size()
        result["there"] = bool(result["digest"]) and size is not None
        if result["there"] or not arguments["path"]:
            return result
        result["changed"] = True
        if check:
            return result
        if size is None:
            size = result["sent"] = registry.push(arguments["path"])
        result["digest"], result["there"] = registry.tag(size), True
    except Failure as failure:
        result.update({"changed": bool(result["sent"]), "checks": failure.checks})
    except (OSError, http.client.HTTPException) as error:
        result.update({"changed": bool(result["sent"]), "checks": [registry.silent(error)]})
    finally:
        registry.close()
    return result


class _Registry:
    """One connection to a registry, and one file of it."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.base, self.sha256 = arguments["registry"].rstrip("/"), arguments["sha256"].lower()
        self.path = f"/v2/{arguments['repository']}"
        parts = urllib.parse.urlsplit(self.base)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or parts.path:
            raise Failure(
                [failed("variables", "registry: http://HOST:PORT or https://HOST:PORT is expected", "correct it")]
            )
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise Failure([failed("variables", "sha256: 64 hex digits are expected", "correct it")])
        self._login = self._read_login(arguments["login_file"])
        if parts.scheme == "http":
            self._connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
        else:
            context = ssl.create_default_context()
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as Docker does
            if arguments["ca_file"]:
                try:
                    context.load_verify_locations(cafile=arguments["ca_file"])
                except OSError as error:
                    evidence = f"{arguments['ca_file']}: {reason(error)}"
                    raise Failure([failed("registry_reachable", evidence, "let ca_file be a certificate")]) from None
            self._connection = http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT, context=context)
        self._connection.blocksize = _CHUNK

    def _read_login(self, path: str | None) -> str:
        if not path:
            return ""
        try:
            login = login_of(Path(path).read_text(encoding="utf-8"), self.base)
        except (OSError, UnicodeError) as error:
            raise Failure([failed("registry_reachable", f"{path}: {reason(error)}", _LOGIN)]) from None
        if not login:
            raise Failure([failed("registry_reachable", f"{path} has no login for {self.base}", _LOGIN)])
        return login

    def close(self) -> None:
        self._connection.close()

    def silent(self, error: BaseException) -> Check:
        evidence = f"{self.base}: {reason(error)}"
        return failed("registry_reachable", evidence, "see to the registry (systemctl status 'navilab-registry@*')")

    def size(self) -> int | None:
        """How large the blob is that the registry has; None where it has none."""
        status, headers, _body = self._ask("HEAD", f"{self.path}/blobs/sha256:{self.sha256}")
        if status == 404:
            return None
        if status != 200:
            raise self._refused("HEAD of the blob", status)
        return int(headers.get("Content-Length") or 0)

    def tagged(self) -> str:
        """The digest of the manifest that holds it; empty where there is none."""
        headers = {"Accept": MANIFEST}
        status, found, _body = self._ask("HEAD", f"{self.path}/manifests/{self.sha256}", headers=headers)
        if status not in (200, 404):
            raise self._refused("HEAD of the manifest", status)
        return str(found.get("Docker-Content-Digest") or "") if status == 200 else ""

    def push(self, path: str) -> int:
        """Send a file as the blob; its size."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Failure([failed("model_available", f"{path}: {reason(error)}", "fetch it first")]) from None
        found, hasher = os.fstat(descriptor), hashlib.sha256()
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise Failure([failed("model_available", f"{path} is no file", "fetch it first")])
        size = found.st_size
        with os.fdopen(descriptor, "rb") as stream:

            def body() -> Iterator[bytes]:
                while chunk := stream.read(_CHUNK):
                    hasher.update(chunk)
                    yield chunk

            with contextlib.suppress(_InvalidError):  # which the checksum says below, too
                self._upload(self.sha256, size, body())
        if hasher.hexdigest() != self.sha256:
            raise self._wrong(path, hasher.hexdigest())
        if self.size() != size:
            raise Failure(
                [failed("registry_reachable", f"{self.base}: the blob is not there as it was sent", "publish it again")]
            )
        return size

    def tag(self, size: int) -> str:
        """Have the manifest there; its digest."""
        config = hashlib.sha256(CONFIG).hexdigest()
        if self._ask("HEAD", f"{self.path}/blobs/sha256:{config}")[0] != 200:
            self._upload(config, len(CONFIG), iter([CONFIG]))
        text = manifest_of(self.sha256, size)
        headers = {"Content-Type": MANIFEST, "Content-Length": str(len(text))}
        status, _headers, body = self._ask("PUT", f"{self.path}/manifests/{self.sha256}", text, headers)
        if status != 201:
            raise self._refused("PUT of the manifest", status, body)
        return f"sha256:{hashlib.sha256(text).hexdigest()}"

    def _upload(self, sha256: str, size: int, body: Iterator[bytes]) -> None:
        status, headers, said = self._ask("POST", f"{self.path}/blobs/uploads/", b"", {"Content-Length": "0"})
        if status != 202:
            raise self._refused("POST of an upload", status, said)
        where = urllib.parse.urlsplit(urllib.parse.urljoin(self.base, headers.get("Location") or ""))
        if where.netloc != urllib.parse.urlsplit(self.base).netloc or not where.path.startswith("/v2/"):
            raise self._refused("POST of an upload, which leads to another host,", status)
        query = [*urllib.parse.parse_qsl(where.query), ("digest", f"sha256:{sha256}")]
        sent = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        target = f"{where.path}?{urllib.parse.urlencode(query)}"
        status, _headers, said = self._ask("PUT", target, body, sent)
        if status == 400 and b"DIGEST_INVALID" in said:
            raise _InvalidError
        if status != 201:
            raise self._refused("PUT of the blob", status, said)

    def _ask(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        more = {"Authorization": self._login} if self._login else {}
        self._connection.request(method, target, body, {**(headers or {}), **more})
        with self._connection.getresponse() as reply:
            return reply.status, reply.headers, reply.read(_LIMIT)  # type: ignore[return-value]

    def _wrong(self, what: str, found: str) -> Failure:
        return Failure([failed("model_checksum", f"{what}: sha256 is {found}, not {self.sha256}", "fetch it again")])

    def _refused(self, what: str, status: int, said: bytes = b"") -> Failure:
        evidence, remedy = (
            f"{self.base}: {what} is answered {status}",
            "see the registry's log (journalctl -u 'navilab-registry@*')",
        )
        if status in (401, 403):
            remedy = _LOGIN
        elif status == 405:
            remedy = "publish to the instance that can be written, which is not the one that hosts pull from"
        elif status in (500, 507) and b"no space" in said.lower():
            return Failure([failed("disk_space", f"{evidence}: no space left", "free some for registry_data_dir")])
        return Failure([failed("registry_reachable", evidence, remedy)])


class _InvalidError(Exception):
    """What was sent has another digest."""


_LOGIN = "let login_file be the config.json of who may push there; the role registry makes it again"
