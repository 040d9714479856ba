"""The login of the lab's registry, and what it serves: asked of a real server with TLS."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _lab_registry
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import (
    CA,
    ENVIRONMENT,
    HTPASSWD,
    LOGIN,
    RECORD,
    bcrypt,
    config_of,
    endpoint,
    fits,
    login,
    password_of,
    published,
    recorded,
)

PASSWORD = "p" * 43
DIGEST = "sha256:" + "1" * 64
HEX = "a" * 64


@pytest.mark.parametrize(
    ("address", "shown"),
    [("192.0.2.11", "192.0.2.11:5000"), ("node1", "node1:5000"), ("2001:db8::1", "[2001:db8::1]:5000")],
)
def test_endpoint(address: str, shown: str) -> None:
    assert endpoint(address, 5000) == shown


def test_bcrypt() -> None:
    # The vector of crypt_blowfish's own test.
    assert (
        bcrypt("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.") == "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    )
    first, second = bcrypt(PASSWORD), bcrypt(PASSWORD)
    assert first != second and bcrypt(PASSWORD, first) == first
    with pytest.raises(ValueError, match="knows no bcrypt"):
        bcrypt(PASSWORD, "$9$nonsense")


@pytest.mark.parametrize(
    ("text", "password"),
    [
        (config_of(PASSWORD, 5001), PASSWORD),
        (config_of(PASSWORD, 5009), ""),
        (config_of("short", 5001), ""),
        (config_of(PASSWORD, 5001).replace("auths", "x"), ""),
        (json.dumps({"auths": {"127.0.0.1:5001": {"auth": base64.b64encode(b"bob:" + b"p" * 40).decode()}}}), ""),
        (json.dumps({"auths": {"127.0.0.1:5001": {"auth": "%%%"}}}), ""),
        ("[]", ""),
        ("", ""),
    ],
)
def test_password_of(text: str, password: str) -> None:
    assert password_of(text, 5001) == password


def test_a_login_is_made_once() -> None:
    first = {each.path: each for each in login(5001, "", "", "")}
    texts = [first[path].content for path in (LOGIN, HTPASSWD, ENVIRONMENT)]
    password = password_of(texts[0], 5001)
    assert len(password) >= 43 and fits(texts[1], password) and password not in texts[1] + texts[2]
    assert [first[path].mode for path in (LOGIN, HTPASSWD, ENVIRONMENT)] == [0o600, 0o640, 0o600]
    assert [path for path, each in first.items() if each.shared] == [HTPASSWD]
    assert [each.content for each in login(5001, *texts)] == [each.content for each in first.values()]


def test_what_is_damaged_of_a_login_is_made_again() -> None:
    config, environment = config_of(PASSWORD, 5001), f"REGISTRY_HTTP_SECRET={'0' * 64}\n"
    good = f"navilab:{bcrypt(PASSWORD)}\n"
    for hashed in (
        "",
        good.replace("navilab", "bob"),
        f"navilab:{bcrypt('other')}\n",
        f"{good}bob:x\n",
        "navilab:plain",
    ):
        made = {each.path: each.content for each in login(5001, config, hashed, environment)}
        assert made[HTPASSWD] != hashed and fits(made[HTPASSWD], PASSWORD)
        assert (made[LOGIN], made[ENVIRONMENT]) == (config, environment)  # the password stays
    made = {each.path: each.content for each in login(5002, config, good, "REGISTRY_HTTP_SECRET=\n")}
    password = password_of(made[LOGIN], 5002)
    assert password not in ("", PASSWORD) and fits(made[HTPASSWD], password)
    assert len(made[ENVIRONMENT]) == len(environment)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"serves": {"address": "a", "listen": "", "ports": {"pull": 5000}}}', ("a", "", {"pull": 5000})),
        ('{"serves": {"address": "a", "listen": "", "ports": {"push": 5000}}}', None),
        ('{"serves": {"address": "a", "listen": "", "ports": {"pull": "x"}}}', None),
        ('{"serves": {"address": "a", "listen": "", "ports": [1]}}', None),
        ('{"packages": []}', None),
        ("[]", None),
        ("rubbish", None),
        ("", None),
    ],
)
def test_record(text: str, found: Any) -> None:
    assert recorded(text) == found


@pytest.fixture(scope="module")
def certificate(make_certificate: Callable[[str], tuple[Path, Path]]) -> tuple[Path, Path]:
    return make_certificate("DNS:node1.lab")


ROUTES: dict[str, Any] = {
    "/v2/": (200, {}),
    "/v2/navilab/webui/tags/list": (200, {"name": "navilab/webui", "tags": ["cpu-1", "cpu-gone"]}),
    "/v2/navilab/webui/manifests/cpu-1": (200, {}, {"Docker-Content-Digest": DIGEST}),
    "/v2/navilab/models/tags/list": (200, {"name": "navilab/models", "tags": [HEX, "latest"]}),
}


@pytest.fixture
def host(
    serve: Callable[..., Any], certificate: tuple[Path, Path], tmp_path: Path
) -> Callable[..., tuple[str, Any, Any]]:
    """`host(address, pull, push)` is the root of a host with such instances, and their servers."""

    def run(address: str = "node1.lab", routes: Any = ROUTES, known: str = PASSWORD) -> tuple[str, Any, Any]:
        auth = f"Basic {base64.b64encode(f'navilab:{PASSWORD}'.encode()).decode()}"
        pull = serve(routes, certificate)
        push = serve({"/v2/": lambda asked: (200 if asked.headers.get("Authorization") == auth else 401, {})})
        ports = {"pull": pull.server_address[1], "push": push.server_address[1]}
        record = {"serves": {"address": address, "listen": "127.0.0.1", "ports": ports}}
        login = config_of(known, ports["push"])
        for path, text in ((RECORD, json.dumps(record)), (CA, certificate[0].read_text()), (LOGIN, login)):
            there = tmp_path / path[1:]
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(text)
        return str(tmp_path), pull, push

    return run


def test_published(host: Any, certificate: tuple[Path, Path]) -> None:
    root, pull, push = host()
    found = published(root=root)
    assert found == {
        "address": f"node1.lab:{pull.server_address[1]}", "ca": certificate[0].read_text(), "images": {"cpu-1": DIGEST},
        "models": [HEX], "error": "",
    }  # fmt: skip
    assert {method for method, _path in [*pull.asked, *push.asked]} == {"GET", "HEAD"}


def test_an_empty_registry(host: Any) -> None:
    root, _pull, _push = host(routes={"/v2/": (200, {})})
    found = published(root=root)
    assert (found["images"], found["models"], found["error"]) == ({}, [], "")


def test_no_registry(tmp_path: Path) -> None:
    assert published(root=str(tmp_path)) == {"address": "", "ca": "", "images": {}, "models": [], "error": ""}


@pytest.mark.parametrize(
    ("changes", "instance", "why"),
    [
        ({"address": "other.lab"}, "pull", "certificate verify failed"),
        ({"routes": {"/v2/": (503, {})}}, "pull", "/v2/ answers 503"),
        ({"routes": {**ROUTES, "/v2/navilab/webui/tags/list": (500, {})}}, "pull", "tags/list answers 500"),
        ({"routes": {**ROUTES, "/v2/navilab/webui/tags/list": (200, b"<html>")}}, "pull", ""),
        ({"routes": {**ROUTES, "/v2/navilab/webui/tags/list": (200, {"tags": "x"})}}, "pull", "answers no list"),
        ({"known": "q" * 43}, "push", "/v2/ with the login answers 401"),
    ],
)
def test_errors_are_results(host: Any, changes: Any, instance: str, why: str) -> None:
    root, _pull, _push = host(**changes)
    error = published(root=root)["error"]
    assert error.startswith(f"navilab-registry@{instance} at port ") and why in error


def test_what_a_silent_one_has_is_read_from_its_store(host: Any, tmp_path: Path) -> None:
    """A mirror may serve it; a tag without its manifest is none."""
    root, _pull, _push = host(routes={"/v2/": (503, {})})
    files = {
        "etc/navilab/registry/gc.json": '{"store": "/srv/store"}',
        f"srv/store/docker/registry/v2/blobs/sha256/11/{DIGEST[7:]}/data": "{}",
    }
    tags = {"navilab/webui": {"cpu-1": DIGEST, "cpu-gone": DIGEST.replace("1", "2"), "odd": "x"}}
    for repository, found in {**tags, "navilab/models": {HEX: DIGEST}}.items():
        for tag, digest in found.items():
            link = f"srv/store/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link"
            files[link] = digest
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = published(root=root)
    assert (found["images"], found["models"]) == ({"cpu-1": DIGEST}, [HEX])
    assert "answers 503" in found["error"]
    (tmp_path / "etc/navilab/registry/gc.json").write_text("[]")
    assert published(root=root)["images"] == {}


def test_push_without_a_login_is_an_error(host: Any) -> None:
    root, _pull, push = host()
    push.routes["/v2/"] = (200, {})
    assert "without a login answers 200" in published(root=root)["error"]


def test_it_is_waited_for(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root, pull, _push = host(routes={"/v2/": (503, {})})
    monkeypatch.setattr(_lab_registry.time, "sleep", lambda _seconds: pull.routes.update(ROUTES))
    assert published(timeout=5, root=root)["error"] == ""
    pull.server_close()
    pull.shutdown()
    assert "refused" in published(root=root)["error"]
