"""Real servers in threads (HTTP with or without TLS, a Docker engine behind a unix socket), and the facts of a host."""

from __future__ import annotations

import copy
import hashlib
import http.server
import json
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # before ansible-core 2.18

    def patch_module_args(arguments: dict[str, Any]) -> Any:
        return mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())


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
def controller() -> None:
    """Asked for by a test that imports a controller's part: what runs on hosts is tested with their Python too."""
    if sys.version_info < (3, 11):
        pytest.skip("a controller's")


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


@pytest.fixture(scope="session")
def make_certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """`make_certificate(name)` signs itself, with such an entry for its name: the paths of it and of its key."""

    def make(name: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("tls")
        key, chain = folder / "key.pem", folder / "chain.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab"]
        command += ["-addext", f"subjectAltName={name}", "-keyout", str(key), "-out", str(chain)]
        subprocess.run(command, check=True, capture_output=True)
        return chain, key

    return make


@pytest.fixture(scope="session")
def certificate(make_certificate: Callable[[str], tuple[Path, Path]]) -> tuple[Path, Path]:
    """That of a server at 127.0.0.1."""
    return make_certificate("IP:127.0.0.1")


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


# -- a host's facts ---------------------------------------------------------------------------------------------------

ROLES = Path(__file__).parents[3] / "roles"
# fmt: off
NODE = {"exists": True, "mode": "0660", "uid": 0, "gid": 105, "group": "render"}
BOARD: dict[str, Any] = {
    "bdf": "0000:0a:00.0", "source": "pci", "vendor_id": "1002", "device_id": "7340", "subsystem": "1043:04e6",
    "revision": "c5", "name": "Radeon RX 5500 XT", "chip": "navi14", "gfx_target": "gfx1012", "supported": True,
    "unsupported_reason": "", "integrated": False, "driver": "amdgpu", "held_by": None, "card_node": "/dev/dri/card0",
    "render_node": "/dev/dri/renderD128", "vram_mib": 8176, "kfd_node": 1, "mec_fw_loaded": 146, "atomics": True,
    "atomics_evidence": "",
}
BARE: dict[str, Any] = {
    "root": "/",
    "live": True, "complete": True, "init": "systemd",
    "problems": [],
    "release": {
        "id": "debian", "version_id": "12", "codename": "bookworm", "pretty_name": "Debian GNU/Linux 12",
        "debian_codename": "bookworm", "debian_version": "12", "neighbour": None,
    },
    "kernel": {
        "release": "6.1.0-56-amd64", "version": [6, 1], "flavour": "amd64", "arch": "x86_64",
        "installed": ["6.1.0-56-amd64"], "pending": None, "headers": [], "secure_boot": None,
        "lockdown": None, "signatures_enforced": None,
    },
    "boards": [BOARD],
    "driver": {
        "loaded": True, "initstate": "live", "version": None, "srcversion": None, "on_disk": None, "in_tree": True,
        "blacklisted": [], "options": [],
    },
    "kfd": {
        "device": {"path": "/dev/kfd", "char": True, **NODE}, "topology": "/sys/class/kfd/kfd/topology",
        "generation_id": 2, "nodes": [], "open": {"known": True, "ok": True, "errno": None, "error": ""},
        "ioctl_version": "1.11", "apertures": [1], "ioctl_error": "",
    },
    "drm": [{"path": "/dev/dri/renderD128", "kind": "render", "bdf": "0000:0a:00.0", **NODE}],
    "kernel_log": {
        "readable": True, "resets": [], "atomics_rejected": [], "firmware_failed": [], "kfd_errors": [],
        "oom_kills": [],
    },
    "firmware": {
        "directory": "/lib/firmware", "needed": ["navi14_sos.bin"], "missing": ["navi14_sos.bin"], "shadowed": [],
        "mec_on_disk": None, "mec_by_board": {}, "initrd_stale": False, "since_boot": False,
    },
    "groups": {"video": 44, "render": 105},
    "user": {
        "name": "lab", "exists": True, "uid": 1000, "gid": 1000, "home": "/home/lab", "primary_group": "lab",
        "groups": ["lab"], "needs_login": False,
    },
    "apt": {
        "sources": [
            {
                "file": "/etc/apt/sources.list.d/debian.sources",
                "format": "deb822",
                "enabled": True,
                "types": ["deb"],
                "uris": ["http://deb.debian.org/debian"],
                "suites": ["bookworm", "bookworm-updates"],
                "components": ["main"],
                "options": {"Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"},
            }
        ],
        "archives": [],
        "error": "",
    },
    "dpkg": {"packages": {}, "interrupted": False, "broken": []},
    "dkms": {
        "present": False, "drop_ins": False, "modules": [], "leftovers": [],
        "tree": {
            "path": "/var/lib/dkms", "file": None, "real": None, "kind": "missing", "fstab": False, "believable": True,
        },
    },
    "docker": {
        "installed": False, "provider": None, "running": False, "version": None, "api_version": None, "root_dir": None,
        "error": "", "config": {}, "config_error": "", "restart_pending": False, "foreign_containers": 0,
        "containers": {}, "images": {}, "components": [], "platform": None, "root": "/var/lib/docker", "others": [],
        "containerd_root": "/var/lib/containerd", "graph_driver": "",
        "config_file": "/etc/docker/daemon.json",
        "unit": {
            "load": "", "active": "", "enabled": "", "masked": [], "paths": [], "arguments": ["-H", "fd://"],
            "environment": {}, "newer": False,
        },
    },
    "guard": {
        "containers": {}, "limits": {"swap": True, "pids": True}, "bridge": None, "rules": "", "refused": None,
        "zram_mib": None,
    },
    "registry": {},
    "ports": {},
    "addresses": {},
    "http": {},
    "gateways": {},
    "files": {},
    "disk": {
        "/": {
            "path_seen": "/", "total_mib": 100000, "free_mib": 50000, "read_only": False, "fstype": "ext4", "pool": "/",
        }
    },
    "memory": {"total_mib": 32000, "available_mib": 30000, "swap_mib": 0},
    "records": {}, "lock": None, "clock": 1000.0, "answers": {"apt": [], "dockerd": []},
}
# fmt: on


@pytest.fixture
def facts() -> dict[str, Any]:
    """The facts of a bare Debian 12 with one board, to be changed by a test."""
    return copy.deepcopy(BARE)


@pytest.fixture
def seen() -> Callable[..., dict[str, Any]]:
    """`seen("file", content)` is what is gathered of root's file with that content."""

    def of(kind: str = "file", content: str = "", **changes: Any) -> dict[str, Any]:
        digest = hashlib.sha256(content.encode()).hexdigest() if kind == "file" else None
        mode = "0644" if kind == "file" else "0755"
        found = {"exists": True, "kind": kind, "mode": mode, "uid": 0, "gid": 0, "size": len(content), "mtime": 1.0}
        return {**found, "sha256": digest, **changes}

    return of


@pytest.fixture
def variables() -> dict[str, dict[str, Any]]:
    """The roles' variables as the action reads them: the defaults, for the user `lab` and without models."""
    from ansible_collections.navilab.webui.plugins.plugin_utils import _variables

    own = {"webui_user": "lab", "webui_models": [], "reboot_ok": False, "verify_min_memory_mib": 6000}
    own["__amdgpu_dkms_state"] = "absent"
    read, problems = _variables.read(_variables.KNOWN, own, lambda value: value)
    assert problems == []
    read["_common"]["lab"] = {}
    return read


@pytest.fixture
def settings(variables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The settings of the step webui, with an image for each profile of ours."""
    from ansible_collections.navilab.webui.plugins.plugin_utils._steps import webui

    variables["webui"]["images"] = {name: f"registry.example/webui:{name}" for name in ("rocm7", "rocm52", "cpu")}
    return dict(webui.settings(variables))
