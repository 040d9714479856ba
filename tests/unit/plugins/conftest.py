"""Real servers in threads: HTTP with or without TLS, and a Docker engine behind a unix socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

# A route's answer: (status, body) or (status, body, headers), or a function of the handler that gives one.
Routes = dict[str, Any]


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the server's `routes` by path without query; what is asked is kept in `asked`."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path))
        answer = self.server.routes.get(self.path.partition("?")[0], (404, {"message": "not here"}))
        answer = answer(self) if callable(answer) else answer
        status, body, headers = (*answer, {})[:3]
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815

    def address_string(self) -> str:
        return "test"

    def log_message(self, *_arguments: Any) -> None:
        pass


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """Start a server with routes; it stops with the test."""
    servers: list[Any] = []

    def run(server: Any, routes: Routes) -> Any:
        server.routes, server.asked = routes, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append(server)
        return server

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def serve(start: Callable[..., Any]) -> Callable[..., Any]:
    """`serve(routes, certificate=(chain, key))` is a server on a free port of 127.0.0.1."""

    def run(routes: Routes, certificate: tuple[Path, Path] | None = None) -> Any:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        return start(server, routes)

    return run


@pytest.fixture
def engine(start: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """`engine(routes)` is a server on a unix socket, whose path is its `server_address`."""
    with tempfile.TemporaryDirectory() as folder:  # tmp_path may be too long for a socket's name

        def run(routes: Routes) -> Any:
            return start(UnixServer(f"{folder}/docker.sock", Handler), {**ENGINE, **routes})

        yield run


ENGINE: Routes = {
    "/version": (200, {"Version": "20.10.24", "ApiVersion": "1.41"}),
    "/info": (200, {"DockerRootDir": "/var/lib/docker"}),
    "/containers/json": (200, []),
}


def container(**state: Any) -> dict[str, Any]:
    """What the engine tells of a running webui; `state` changes its State."""
    return {
        "Id": "c0ffee",
        "Image": "sha256:1234",
        "RestartCount": 0,
        "State": {"Status": "running", "Pid": 0, "StartedAt": "2026-01-02T03:04:05.678901234Z", "ExitCode": 0, **state},
        "Config": {"Image": "registry.test/webui:1", "User": "1000:1000", "Labels": {"a": "b"}},
        "HostConfig": {
            "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rwm"}],
            "GroupAdd": ["44", "105"],
            "Memory": 8 << 30,
            "NetworkMode": "bridge",
            "PortBindings": {"7860/tcp": [{"HostIp": "127.0.0.1", "HostPort": "7860"}]},
            "ReadonlyRootfs": True,
            "RestartPolicy": {"Name": "unless-stopped"},
        },
    }


@pytest.fixture
def inspected() -> Callable[..., dict[str, Any]]:
    return container


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a module's `main` with arguments; the JSON that it prints."""

    def run(main: Callable[[], None], **arguments: Any) -> dict[str, Any]:
        with patch_module_args(arguments), pytest.raises(SystemExit):
            main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run
