# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does an image reference exist? Asked of its registry with nothing but HEAD requests (OCI distribution spec)."""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ._types import RegistryAnswer

TIMEOUT = 5.0
_LIMIT = 1 << 20
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
# The grammar of github.com/distribution/reference, which the engine itself uses.
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class Reference(NamedTuple):
    """A parsed image reference; `registry` as in the reference (docker.io for none), `target` is what the API takes."""

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def target(self) -> str:
        return self.digest or self.tag or "latest"


def parse_reference(text: str) -> Reference:
    """Take an image reference apart as the engine does; ValueError says which part is malformed."""
    name, at, digest = text.partition("@")
    if at:
        algorithm, _colon, value = digest.partition(":")
        length = _DIGEST_LENGTHS.get(algorithm)
        if length is None:
            raise ValueError(f"digest {digest!r} names no known algorithm ({', '.join(_DIGEST_LENGTHS)})")
        if not re.fullmatch(f"[0-9a-f]{{{length}}}", value):
            raise ValueError(f"digest {digest!r} needs {length} lower-case hex digits after '{algorithm}:'")
    tag = None
    head, colon, last = name.rpartition(":")
    if colon and "/" not in last:
        name, tag = head, last
        if not _TAG.fullmatch(tag):
            raise ValueError(f"tag {tag!r} is malformed")
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or re.search(r"[.:A-Z]", first)):
        registry, repository = first, rest
    else:
        registry, repository = "docker.io", name
    if registry == "index.docker.io":
        registry = "docker.io"
    if registry == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    if not _DOMAIN.fullmatch(registry):
        raise ValueError(f"registry {registry!r} is malformed")
    if len(repository) > 255 or not all(_COMPONENT.fullmatch(part) for part in repository.split("/")):
        raise ValueError(f"repository {repository!r} is malformed (lower-case letters, digits, '.', '_', '-' and '/')")
    if re.fullmatch(r"library/[0-9a-f]{64}", repository):
        raise ValueError("a registry does not know image IDs")
    return Reference(registry, repository, tag, digest or None)


class _Access(NamedTuple):
    """How to reach one endpoint: its base address, and an opener with its TLS context and proxies."""

    base: str
    opener: urllib.request.OpenerDirector


def lookup(reference: str, ca: str = "", engine_config: Mapping[str, Any] | None = None) -> RegistryAnswer:
    """Search for an image, as the engine would.

    `ca` is PEM text that is trusted beside the system's authorities. `engine_config` is the engine's daemon.json, whose
    `insecure-registries`, `registry-mirrors` and `proxies` decide how the engine itself would ask.
    """
    try:
        ref = parse_reference(reference)
    except ValueError as error:
        return _result("invalid", str(error))
    config = engine_config or {}
    answer = _result("unreachable", f"{ref.registry}: no endpoint")
    try:
        for access in _endpoints(ref, ca, config):
            answer = _ask(access, ref)
            # As the engine does: from HTTPS to HTTP where nothing answers, from a mirror on to docker.io in any case.
            if answer["status"] == "found" or (answer["status"] != "unreachable" and ref.registry != "docker.io"):
                break
    except (ssl.SSLError, TypeError) as error:  # TypeError: no ASCII text
        return _result("unreachable", f"the extra CA can't be used: {error}")
    except ValueError as error:  # brackets around what is no IPv6 address, here or in a mirror of daemon.json
        return _result("unreachable", f"{ref.registry}: {error}")
    return answer


def _result(status: str, detail: str = "", digest: str | None = None) -> RegistryAnswer:
    return {"status": status, "detail": detail, "digest": digest}


def _strings(config: Mapping[str, Any], key: str) -> list[str]:
    value = config.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def is_insecure(registry: str, insecure: Sequence[str]) -> bool:
    """True where the engine would fall back to HTTP: loopback, and the hosts or CIDRs of `insecure-registries`."""
    host = registry.rsplit(":", 1)[0].strip("[]") if not registry.endswith("]") else registry.strip("[]")
    if host == "localhost" or registry in insecure or host in insecure:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if address.is_loopback:
        return True
    for entry in insecure:
        try:
            if address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def _endpoints(ref: Reference, ca: str, config: Mapping[str, Any]) -> list[_Access]:
    bases: list[str] = []
    insecure = _strings(config, "insecure-registries")
    if ref.registry == "docker.io":  # the engine asks its mirrors for docker.io alone
        bases += [mirror.rstrip("/") for mirror in _strings(config, "registry-mirrors")]
        bases.append("https://registry-1.docker.io")
    elif is_insecure(ref.registry, insecure):
        bases += [f"https://{ref.registry}", f"http://{ref.registry}"]
    else:
        bases.append(f"https://{ref.registry}")
    accesses = []
    for base in bases:
        host = urllib.parse.urlsplit(base).netloc
        context = ssl.create_default_context()
        # Python 3.13 refuses CAs that lack RFC 5280's extensions; the engine, which is who pulls, accepts them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if is_insecure(host, insecure):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif ca.strip():
            context.load_verify_locations(cadata=ca)
        opener = urllib.request.build_opener(_proxy(host, config), urllib.request.HTTPSHandler(context=context))
        accesses.append(_Access(base, opener))
    return accesses


def _proxy(host: str, config: Mapping[str, Any]) -> urllib.request.ProxyHandler:
    """The engine's own proxies where daemon.json sets them, the environment's else."""
    own = config.get("proxies")
    if not isinstance(own, dict):
        return urllib.request.ProxyHandler()
    proxies = {scheme: own.get(f"{scheme}-proxy") for scheme in ("http", "https")}
    bypass = urllib.request.proxy_bypass_environment(host, {"no": str(own.get("no-proxy") or "")})  # type: ignore[attr-defined]
    return urllib.request.ProxyHandler({} if bypass else {k: v for k, v in proxies.items() if isinstance(v, str) and v})


def _ask(access: _Access, ref: Reference) -> RegistryAnswer:
    url = f"{access.base}/v2/{ref.repository}/manifests/{ref.target}"
    token = ""
    for _attempt in range(2):
        request = urllib.request.Request(url, method="HEAD", headers={"Accept": MANIFESTS})  # noqa: S310 - the base is ours, or a mirror of daemon.json
        if token:
            request.add_unredirected_header("Authorization", f"Bearer {token}")
        try:
            with access.opener.open(request, timeout=TIMEOUT) as reply:
                return _result("found", digest=reply.headers.get("Docker-Content-Digest"))
        except urllib.error.HTTPError as error:
            with error:
                challenge = error.headers.get("WWW-Authenticate", "")
                if error.code == 404:
                    return _result("missing", f"{url} answers 404")
                if error.code == 401 and not token and challenge.lower().startswith("bearer "):
                    token = _token(access, challenge)
                    if token:
                        continue
                if error.code in (401, 403):
                    return _result("denied", f"{url} answers {error.code}: no such repository, or it needs a login")
                status = "unreachable" if error.code >= 500 else "unknown"
                return _result(status, f"{url} answers {error.code}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return _result("unreachable", f"{access.base}: {_reason(error)}")
    return _result("denied", f"{url}: the anonymous token is refused")


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", error)
    return f"{type(inner).__name__}: {inner}" if isinstance(inner, http.client.HTTPException) else str(inner)


def _token(access: _Access, challenge: str) -> str:
    """An anonymous token from the realm that the challenge names; empty if there is none to have."""
    fields = dict(re.findall(r'([A-Za-z_]+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not realm.startswith(("http://", "https://")):
        return ""
    query = urllib.parse.urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
    try:
        with access.opener.open(f"{realm}?{query}", timeout=TIMEOUT) as reply:
            answer = json.loads(reply.read(_LIMIT))
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    token = answer.get("token") or answer.get("access_token") if isinstance(answer, dict) else ""
    return token if isinstance(token, str) else ""
