"""Publishing a model: what is asked of a registry, what is sent, and what its answers mean."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
import tracemalloc
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _model_publish
from ansible_collections.navilab.webui.plugins.module_utils._model_publish import Published, login_of, publish

BODY = bytes(range(256)) * 4000
SHA = hashlib.sha256(BODY).hexdigest()
CONFIG = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


class Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as is used; `server.answers` has what it says instead, by method and kind."""

    server: Any
    protocol_version = "HTTP/1.1"

    def _do(self) -> None:
        server, parts = self.server, urllib.parse.urlsplit(self.path)
        kind = "upload" if "/uploads/" in parts.path else parts.path.split("/")[-2]
        server.asked.append(f"{self.command} {kind}")
        left = int(self.headers.get("Content-Length") or 0)
        body = b""
        while left and (chunk := self.rfile.read(min(left, 65536))):
            body, left = body + chunk, left - len(chunk)
        if server.login and self.headers.get("Authorization") != server.login:
            return self._say(401)
        if f"{self.command} {kind}" in server.answers:
            return self._say(*server.answers[f"{self.command} {kind}"])
        name = parts.path.split("/")[-1]
        if self.command == "HEAD":
            found = server.blobs.get(name) if kind == "blobs" else server.manifests.get(name)
            digest = {"Docker-Content-Digest": f"sha256:{hashlib.sha256(found or b'').hexdigest()}"}
            return (
                self._say(404) if found is None else self._say(200, b"", {"Content-Length": str(len(found)), **digest})
            )
        if self.command == "POST":
            where = f"http://{self.headers['Host']}/v2/navilab/models/blobs/uploads/1?_state=a%3Db"
            return self._say(202, b"", {"Location": where})
        if kind == "manifests":
            assert self.headers["Content-Type"] == _model_publish.MANIFEST
            manifest = json.loads(body)
            parted = [manifest["config"], *manifest["layers"]]
            if any(len(server.blobs.get(each["digest"], b"")) != each["size"] for each in parted):
                return self._say(400, b"MANIFEST_BLOB_UNKNOWN")
            server.manifests[name] = body
            return self._say(201)
        query = urllib.parse.parse_qs(parts.query)
        assert query["_state"] == ["a=b"]
        if query["digest"] != [f"sha256:{hashlib.sha256(body).hexdigest()}"]:
            return self._say(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
        server.blobs[query["digest"][0]] = body
        return self._say(201)

    do_HEAD = do_POST = do_PUT = _do  # noqa: N815

    def _say(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Any]:
    found: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    found.daemon_threads, found.block_on_close = True, False
    found.blobs, found.manifests, found.asked, found.answers, found.login = {}, {}, [], {}, ""
    found.host = f"127.0.0.1:{found.server_address[1]}"
    threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def push(registry: Any, tmp_path: Path) -> Callable[..., Published]:
    def run(check: bool = False, **more: Any) -> Published:
        path = tmp_path / "model"
        if not path.exists():
            path.write_bytes(BODY)
        given = {key: spec.get("default") for key, spec in _model_publish.ARGUMENTS.items()}
        given.update(path=str(path), sha256=SHA, registry=f"http://{registry.host}")
        return publish({**given, **more}, check)

    return run


def test_a_blob_and_what_holds_it(push: Any, registry: Any) -> None:
    first = push()
    assert (first["changed"], first["there"], first["sent"], first["checks"]) == (True, True, len(BODY), [])
    assert registry.blobs == {f"sha256:{SHA}": BODY, CONFIG: b"{}"}
    assert first["digest"] == f"sha256:{hashlib.sha256(registry.manifests[SHA]).hexdigest()}"
    assert json.loads(registry.manifests[SHA])["layers"][0]["digest"] == f"sha256:{SHA}"


def test_the_second_time_two_heads_are_all(push: Any, registry: Any) -> None:
    digest = push()["digest"]
    registry.asked.clear()
    again = push(path="/not/there", sha256=SHA.upper())
    assert (again["changed"], again["there"], again["sent"], again["digest"]) == (False, True, 0, digest)
    assert registry.asked == ["HEAD manifests", "HEAD blobs"]


@pytest.mark.parametrize(("more", "changed"), [({"path": None}, False), ({"check": True}, True)])
def test_only_asked(push: Any, registry: Any, more: dict[str, Any], changed: bool) -> None:
    found = push(**more)
    assert (found["changed"], found["there"], found["checks"]) == (changed, False, [])
    assert registry.blobs == {} and not any("P" in asked.split()[0] for asked in registry.asked)


def test_a_blob_without_a_manifest_is_held_and_not_sent(push: Any, registry: Any) -> None:
    push()
    registry.manifests.clear()
    found = push(path="/not/there")
    assert (found["changed"], found["there"], found["sent"], SHA in registry.manifests) == (True, True, 0, True)


def test_another_file_is_refused(push: Any, registry: Any, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"another")
    (check,) = push()["checks"]
    assert check["id"] == "model_checksum" and str(tmp_path / "model") in check["evidence"]
    assert registry.blobs == registry.manifests == {}


def test_the_file_is_never_in_memory(push: Any, tmp_path: Path, registry: Any) -> None:
    zeros = tmp_path / "model"
    with zeros.open("wb") as stream:
        stream.truncate(64 << 20)
    registry.answers = {"HEAD blobs": (404,), "PUT upload": (400, b"DIGEST_INVALID")}
    stream_sum = hashlib.sha256(bytes(64 << 20)).hexdigest()
    tracemalloc.start()
    try:
        given = {key: spec.get("default") for key, spec in _model_publish.ARGUMENTS.items()}
        found = _model_publish._Registry({**given, "registry": f"http://{registry.host}", "sha256": stream_sum})
        monkey: list[int] = []

        def upload(_sha256: str, size: int, body: Iterator[bytes]) -> None:
            monkey.append(sum(map(len, body)))
            assert size == 64 << 20

        found._upload = upload  # type: ignore[method-assign]
        with pytest.raises(_model_publish.Failure, match="not there as it was sent"):
            found.push(str(zeros))
        assert monkey == [64 << 20] and tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_the_login_is_read_and_never_shown(push: Any, registry: Any, tmp_path: Path) -> None:
    auth = base64.b64encode(b"navilab:S3CRET").decode()
    registry.login = f"Basic {auth}"
    (check,) = push()["checks"]
    assert check["id"] == "registry_reachable" and "401" in check["evidence"] and "login_file" in check["remedy"]
    config = tmp_path / "config.json"
    for text in (
        "{",
        "{}",
        json.dumps({"auths": {"other:1": {"auth": auth}}}),
        json.dumps({"auths": {registry.host: 1}}),
    ):
        config.write_text(text, encoding="utf-8")
        (check,) = push(login_file=str(config))["checks"]
        assert f"{config} has no login" in check["evidence"] and "S3CRET" not in str(check)
    config.write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}), encoding="utf-8")
    found = push(login_file=str(config))
    assert found["there"] and "S3CRET" not in str(found) and auth not in str(found)
    assert "No such file" in push(login_file="/no/such")["checks"][0]["evidence"]


def test_a_login_in_two_parts() -> None:
    config = json.dumps({"auths": {"h:1": {"username": "a", "password": "b"}}})
    assert login_of(config, "http://h:1") == "Basic YTpi" and login_of(config, "http://h:2") == ""


@pytest.mark.parametrize(
    ("answers", "check", "says"),
    [
        ({"HEAD blobs": (503,)}, "registry_reachable", "HEAD of the blob is answered 503"),
        ({"HEAD manifests": (500,)}, "registry_reachable", "HEAD of the manifest"),
        ({"POST upload": (405,)}, "registry_reachable", "the instance that can be written"),
        ({"POST upload": (202, b"", {"Location": "http://evil.example/v2/x"})}, "registry_reachable", "another host"),
        ({"PUT upload": (500, b"write: no space left on device")}, "disk_space", "registry_data_dir"),
        ({"PUT manifests": (400,)}, "registry_reachable", "PUT of the manifest is answered 400"),
    ],
)
def test_what_a_registry_may_answer(push: Any, registry: Any, answers: Any, check: str, says: str) -> None:
    registry.answers = answers
    found = push()
    (failed,) = found["checks"]
    assert failed["id"] == check and says in f"{failed['evidence']}. {failed['remedy']}" and not found["there"]


def test_what_it_can_not_work_with(push: Any, registry: Any, tmp_path: Path) -> None:
    registry.shutdown()
    registry.server_close()
    assert "Connection refused" in push()["checks"][0]["evidence"]
    for wrong in (
        {"sha256": "0"},
        {"registry": "h:1"},
        {"registry": "https://u:S3CRET@h:1"},
        {"registry": "http://h/x"},
    ):
        (check,) = push(**wrong)["checks"]
        assert check["id"] == "variables" and "S3CRET" not in str(check)
    assert push(registry="https://h:1", ca_file="/no/such")["checks"][0]["evidence"].startswith("/no/such: No such")


@pytest.mark.parametrize(("path", "says"), [("/no/such", "No such file"), ("/", "is no file")])
def test_no_file(push: Any, path: str, says: str) -> None:
    (check,) = push(path=path)["checks"]
    assert check["id"] == "model_available" and says in check["evidence"]
