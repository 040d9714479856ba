"""References as the engine reads them, and a registry with TLS, tokens and moods."""

from __future__ import annotations

import datetime
import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _registry
from ansible_collections.navilab.webui.plugins.module_utils._registry import is_insecure, lookup, parse_reference
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "target"),
    [
        ("debian", "docker.io", "library/debian", "latest"),
        ("debian:12", "docker.io", "library/debian", "12"),
        ("setsoft/sd_webui:sd1.10.1_cn1.1", "docker.io", "setsoft/sd_webui", "sd1.10.1_cn1.1"),
        ("docker.io/debian", "docker.io", "library/debian", "latest"),
        ("index.docker.io/a/b", "docker.io", "a/b", "latest"),
        ("localhost/a", "localhost", "a", "latest"),
        ("registry.navilab.test:5000/navilab/webui:1", "registry.navilab.test:5000", "navilab/webui", "1"),
        ("host:5000/a", "host:5000", "a", "latest"),
        (f"ghcr.io/a/b/c@{DIGEST}", "ghcr.io", "a/b/c", DIGEST),
        (f"a/b:tag@{DIGEST}", "docker.io", "a/b", DIGEST),
        ("[::1]:5000/a", "[::1]:5000", "a", "latest"),
        ("UPPER/a", "UPPER", "a", "latest"),  # no repository may be upper-case, so it is a host
    ],
)
def test_references(text: str, registry: str, repository: str, target: str) -> None:
    found = parse_reference(text)
    assert (found.registry, found.repository, found.target) == (registry, repository, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "upper/CASE",
        "a:",
        "a:-tag",
        "a:" + "t" * 129,
        "a@sha256:123",
        "a@" + DIGEST.upper().replace("SHA256", "sha256"),
        "a@md5:" + "0" * 32,
        "a@",
        "a b",
        "a//b",
        "-a",
        "a..b",
        "a/" + "b" * 300,
        "0123456789abcdef" * 4,
        "reg istry.test/a",
        "http://registry.test/a",
        "a\n",
        "../a",
    ],
)
def test_malformed_references(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_reference(text)
    assert lookup(text)["status"] == "invalid"


def test_insecure() -> None:
    assert is_insecure("localhost:5000", [])
    assert is_insecure("127.0.0.53", [])
    assert is_insecure("[::1]:5000", [])
    assert is_insecure("lab:5000", ["lab:5000"])
    assert is_insecure("10.1.2.3:5000", ["nonsense/x", "10.0.0.0/8"])
    assert not is_insecure("10.1.2.3:5000", ["192.168.0.0/16"])
    assert not is_insecure("registry.test", ["other.test"])


MANIFEST = "/v2/navilab/webui/manifests/1"


def found(_handler: Any) -> Any:
    return 200, b"", {"Docker-Content-Digest": DIGEST}


def test_plain_http_of_loopback(serve: Callable[..., Any]) -> None:
    server = serve({MANIFEST: found, "/v2/x/manifests/1": (503, {}), "/v2/y/manifests/1": (429, {})})
    address = f"127.0.0.1:{server.server_address[1]}"
    assert lookup(f"{address}/navilab/webui:1") == {"status": "found", "detail": "", "digest": DIGEST}
    assert lookup(f"{address}/navilab/webui:2")["status"] == "missing"
    assert lookup(f"{address}/x:1")["status"] == "unreachable"
    assert lookup(f"{address}/y:1")["status"] == "unknown"
    assert {method for method, _path in server.asked} == {"HEAD"}


def test_nobody_there_and_no_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert lookup(f"{address}/a")["status"] == "unreachable"
    assert "refused" in lookup(f"{address}/a")["detail"]
    assert lookup("no-such-host.invalid/a")["status"] == "unreachable"


@pytest.mark.parametrize(
    ("image", "ca", "config"),
    [
        ("[::::]:5000/webui", "", {}),
        ("webui", "", {"registry-mirrors": ["https://[mirror"]}),
        ("localhost.test/webui", "\u00fc", {}),
    ],
)
def test_what_no_endpoint_can_be_made_of(image: str, ca: str, config: dict[str, Any]) -> None:
    assert lookup(image, ca, config)["status"] == "unreachable"


def test_token(serve: Callable[..., Any]) -> None:
    def guarded(handler: Any) -> Any:
        if handler.headers.get("Authorization") == "Bearer let-me-in":
            return found(handler)
        realm = f"http://127.0.0.1:{handler.server.server_address[1]}/token"
        challenge = f'Bearer realm="{realm}",service="r.test",scope="repository:navilab/webui:pull"'
        return 401, {}, {"WWW-Authenticate": challenge}

    server = serve({MANIFEST: guarded, "/token": (200, {"token": "let-me-in"})})
    reference = f"127.0.0.1:{server.server_address[1]}/navilab/webui:1"
    assert lookup(reference)["status"] == "found"
    assert ("GET", "/token?service=r.test&scope=repository%3Anavilab%2Fwebui%3Apull") in server.asked
    for answer in ((200, {"access_token": "wrong"}), (200, b"["), (200, []), (403, {})):
        server.routes["/token"] = answer
        assert lookup(reference)["status"] == "denied"


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Bearer realm="file:///etc/passwd"', ""])
def test_login_needed(serve: Callable[..., Any], challenge: str) -> None:
    server = serve({MANIFEST: (401, {}, {"WWW-Authenticate": challenge})})
    assert lookup(f"127.0.0.1:{server.server_address[1]}/navilab/webui:1")["status"] == "denied"


def test_mirror_of_docker_io(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "TIMEOUT", 0.2)
    server = serve({"/v2/library/debian/manifests/12": found})
    mirror = f"http://127.0.0.1:{server.server_address[1]}/"
    assert lookup("debian:12", engine_config={"registry-mirrors": [mirror]})["status"] == "found"


def test_proxies_of_the_engine(serve: Callable[..., Any]) -> None:
    def as_proxy(handler: Any) -> Any:
        return found(handler)

    server = serve({"http://registry.test/v2/a/manifests/latest": as_proxy})
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    config = {"proxies": {"http-proxy": proxy}, "insecure-registries": ["registry.test"]}
    access = _registry._endpoints(parse_reference("registry.test/a"), "", config)[1]
    assert _registry._ask(access, parse_reference("registry.test/a"))["status"] == "found"
    config["proxies"]["no-proxy"] = "registry.test"  # type: ignore[index]
    access = _registry._endpoints(parse_reference("registry.test/a"), "", config)[1]
    assert _registry._ask(access, parse_reference("registry.test/a"))["status"] == "unreachable"


def certificate(folder: Path) -> tuple[str, tuple[Path, Path]]:
    """(PEM of a new CA, files of a certificate and key for 127.0.0.1 and registry.test that it signed)."""
    now = datetime.datetime.now(datetime.timezone.utc)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _name in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("lab CA", "registry.test")]

    def signed(number: int, *extensions: x509.ExtensionType) -> x509.Certificate:
        builder = x509.CertificateBuilder().issuer_name(names[0]).subject_name(names[number])
        builder = builder.public_key(keys[number].public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(keys[0], hashes.SHA256())

    ca = signed(0, x509.BasicConstraints(ca=True, path_length=None))
    alternatives = [x509.DNSName("registry.test"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = signed(1, x509.SubjectAlternativeName(alternatives))
    files = (folder / "leaf.pem", folder / "leaf.key")
    files[0].write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        keys[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return ca.public_bytes(serialization.Encoding.PEM).decode(), files


def test_tls(serve: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ca, files = certificate(tmp_path)
    server = serve({MANIFEST: found}, files)
    address = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(_registry, "is_insecure", lambda registry, insecure: False)
    unknown = lookup(f"{address}/navilab/webui:1")
    assert (unknown["status"], "CERTIFICATE_VERIFY_FAILED" in unknown["detail"]) == ("unreachable", True)
    assert lookup(f"{address}/navilab/webui:1", ca)["status"] == "found"
    assert "CA" in lookup(f"{address}/navilab/webui:1", "no certificate")["detail"]
    monkeypatch.undo()
    assert lookup(f"{address}/navilab/webui:1")["status"] == "found"  # as the engine: loopback needs no authority
