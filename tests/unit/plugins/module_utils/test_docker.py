"""The engine over a real unix socket, in health and in trouble."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._docker import (
    Engine,
    EngineError,
    demultiplex,
    describe,
    gather_docker,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

DEBIAN = {"docker.io": {"installed": True, "version": "20.10"}, "docker-ce": {"installed": False, "version": None}}
NONE = {"docker.io": {"installed": False, "version": None}}


def host(tmp_path: Path, daemon: str | None = None) -> Tree:
    (tmp_path / "etc/docker").mkdir(parents=True)
    if daemon is not None:
        (tmp_path / "etc/docker/daemon.json").write_text(daemon)
    return Tree(str(tmp_path))


def test_absent(tmp_path: Path) -> None:
    seen = gather_docker(host(tmp_path), NONE, ["webui"], ["image"], str(tmp_path / "none"))
    assert (seen["installed"], seen["provider"], seen["running"], seen["error"]) == (False, None, False, "")
    assert seen["config"] == {}
    assert seen["containers"] == {"webui": None}
    assert seen["images"] == {"image": None}


def test_installed_but_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = gather_docker(host(tmp_path), DEBIAN, socket_path=str(tmp_path / "none"))
    assert (seen["installed"], seen["running"]) == (True, False)
    assert "No such file" in seen["error"]
    stale = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # a socket's name may not be long
    stale.bind("stale")
    stale.close()
    assert "refused" in gather_docker(Tree(str(tmp_path)), DEBIAN, socket_path="stale")["error"]


def test_found_without_dpkg(tmp_path: Path) -> None:
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    (tmp_path / "usr/local/bin/dockerd").write_text("")
    assert gather_docker(Tree(str(tmp_path)), NONE, socket_path=None)["provider"] == "other"


@pytest.mark.parametrize(("program", "provider"), [("/opt/docker/bin/dockerd", "other"), ("/opt/wrapper", None)])
def test_found_by_its_unit(tmp_path: Path, program: str, provider: str | None) -> None:
    for path, text in ((program, ""), ("/etc/systemd/system/docker.service", f"[Service]\nExecStart={program}\n")):
        file = tmp_path / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert gather_docker(Tree(str(tmp_path)), NONE, socket_path=None)["provider"] == provider
    (tmp_path / program[1:]).unlink()
    assert gather_docker(Tree(str(tmp_path)), NONE, socket_path=None)["provider"] is None


@pytest.mark.parametrize(
    ("text", "root"),
    [
        (None, "/var/lib/containerd"),
        ('#root = "/x"\nversion = 2\n', "/var/lib/containerd"),
        ('version = 2\nroot = "/srv/containerd"\nstate = "/run/c"\n', "/srv/containerd"),
        ('version = 2\n[plugins."x"]\nroot = "/y"\n', "/var/lib/containerd"),
    ],
)
def test_root_of_containerd(tmp_path: Path, text: str | None, root: str) -> None:
    (tmp_path / "etc/containerd").mkdir(parents=True)
    (tmp_path / "var/lib/docker/overlay2/l").mkdir(parents=True)
    if text is not None:
        (tmp_path / "etc/containerd/config.toml").write_text(text)
    found = gather_docker(Tree(str(tmp_path)), NONE, socket_path=None)
    assert (found["containerd_root"], found["graph_driver"]) == (root, "overlay2")


@pytest.mark.parametrize(
    ("daemon", "config", "error"),
    [
        ('{"log-driver": "json-file"}', {"log-driver": "json-file"}, ""),
        ("", {}, ""),
        ("  \n", {}, ""),
        ("{", None, "line 1"),
        ("[]", None, "an object is expected, not list"),
        ("[" * 50000, None, "recursion"),
    ],
)
def test_daemon_json(tmp_path: Path, daemon: str, config: Any, error: str) -> None:
    seen = gather_docker(host(tmp_path, daemon), NONE, socket_path=None)
    assert seen["config"] == config
    assert error in seen["config_error"]


def test_running(tmp_path: Path, engine: Callable[..., Any], inspected: Callable[..., Any]) -> None:
    server = engine(
        {
            "/containers/webui/json": (200, inspected(Health={"Status": "healthy"})),
            "/containers/json": (200, [{"Id": "c0ffee"}, {"Id": "other"}, "nonsense"]),
            "/images/b%20d/json": (400, {"message": "invalid reference format"}),
            "/images/registry.test:5000/webui@sha256:ab/json": (
                200,
                {"Id": "sha256:12", "RepoDigests": ["registry.test:5000/webui@sha256:ab"], "Size": 5},
            ),
        }
    )
    image = "registry.test:5000/webui@sha256:ab"
    seen = gather_docker(host(tmp_path), DEBIAN, ["webui", "gone", "a/../b"], [image, "b d"], server.server_address)
    assert (seen["provider"], seen["running"], seen["version"], seen["error"]) == ("docker.io", True, "20.10.24", "")
    assert seen["root_dir"] == "/var/lib/docker"
    assert seen["foreign_containers"] == 2
    assert seen["images"] == {image: {"id": "sha256:12", "digests": ["sha256:ab"], "size": 5}, "b d": None}
    webui = seen["containers"]["webui"]
    assert (webui["state"], webui["health"], webui["restart_policy"]) == ("running", "healthy", "unless-stopped")
    assert webui["ports"] == [{"host_ip": "127.0.0.1", "host_port": 7860, "container_port": 7860}]
    assert webui["devices"] == ["/dev/null"]
    assert webui["memory"] == 8 << 30
    assert webui["access"] is None
    assert seen["containers"]["gone"] is None
    assert {method for method, _path in server.asked} == {"GET"}


def test_restart_pending(tmp_path: Path, engine: Callable[..., Any]) -> None:
    server, tree = engine({}), host(tmp_path, "{}")
    (tmp_path / "run").mkdir()
    pid, daemon = tmp_path / "run/docker.pid", tmp_path / "etc/docker/daemon.json"
    pid.write_text("1")
    os.utime(daemon, (100, 100))
    os.utime(pid, (200, 200))
    assert not gather_docker(tree, DEBIAN, socket_path=server.server_address)["restart_pending"]
    os.utime(daemon, (300, 300))
    assert gather_docker(tree, DEBIAN, socket_path=server.server_address)["restart_pending"]


@pytest.mark.parametrize(
    ("routes", "error"),
    [
        ({"/version": (200, b"not json")}, "answers no JSON"),
        ({"/version": (500, {"message": "broken"})}, "answers 500"),
        ({"/info": (200, b"\xff" * 100)}, "answers no JSON"),
    ],
)
def test_malformed_answers(tmp_path: Path, engine: Callable[..., Any], routes: Any, error: str) -> None:
    seen = gather_docker(host(tmp_path), DEBIAN, socket_path=engine(routes).server_address)
    assert error in seen["error"]


@pytest.mark.parametrize("answer", [[], {}, "x", 5, None, {"State": [], "Config": 1, "HostConfig": {"Devices": 3}}])
def test_answers_of_a_wrong_shape(tmp_path: Path, engine: Callable[..., Any], answer: Any) -> None:
    routes = dict.fromkeys(("/version", "/info", "/containers/json", "/containers/a/json"), (200, answer))
    seen = gather_docker(host(tmp_path), DEBIAN, ["a"], [], engine(routes).server_address)
    assert seen["running"]
    json.dumps(seen)


def test_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name may not be long
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind("s")
        silent.listen()
        with pytest.raises(EngineError, match="no answer in time"):
            Engine("s", timeout=0.1).get("/version")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's eyes")
def test_permission_denied(tmp_path: Path, engine: Callable[..., Any]) -> None:
    path = engine({}).server_address
    Path(path).parent.chmod(0o755)
    os.chmod(path, 0o600)  # noqa: PTH101
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            Engine(path).get("/version")
        except EngineError as error:
            os._exit(0 if str(error) == f"{path}: permission denied" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_log_frames(engine: Callable[..., Any]) -> None:
    frames = b"\x01\0\0\0\0\0\0\x06one\ntw" + b"\x02\0\0\0\0\0\0\x03o\n\xff"
    server = engine({"/containers/webui/logs": (200, frames)})
    assert Engine(server.server_address).log("webui", since=12.5) == ["one", "two", "\ufffd"]
    assert "since=12.500000000" in server.asked[-1][1]
    assert demultiplex(b"plain text of a TTY\n") == b"plain text of a TTY\n"
    assert demultiplex(b"") == b""
    assert demultiplex(frames[:10]) == b"on"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    other: dict[str, Any] = {"user": 1234, "group": 1234, "extra_groups": [5678]} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **other) as child:
        yield child
        child.kill()


def test_access_is_read_from_proc(process: subprocess.Popen[bytes], inspected: Callable[..., Any]) -> None:
    seen = inspected(Pid=process.pid)
    seen["HostConfig"]["Devices"] = [
        {"PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rwm"},
        {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/full"},
        {"PathOnHost": "/dev/zero", "PathInContainer": "/dev/zero", "CgroupPermissions": "r"},
        {"PathOnHost": "/dev/kfd", "PathInContainer": "/dev/none"},
        {"PathOnHost": "/dev/null", "PathInContainer": "/etc/passwd"},
    ]
    access = describe(seen, Tree("/"))["access"]
    assert access["devices"] == {
        "/dev/null": {"exists": True, "same_as_host": True, "rw": True},
        "/dev/full": {"exists": True, "same_as_host": False, "rw": True},
        "/dev/zero": {"exists": True, "same_as_host": True, "rw": False},
        "/dev/none": {"exists": False, "same_as_host": False, "rw": False},
        "/etc/passwd": {"exists": True, "same_as_host": False, "rw": False},
    }
    if os.geteuid() == 0:
        assert (access["uid"], access["gid"], access["groups"]) == (1234, 1234, [5678])


def test_access_to_a_directory_of_nodes_and_of_privileged(inspected: Callable[..., Any]) -> None:
    seen = inspected(Pid=os.getpid())
    seen["HostConfig"]["Devices"] = [{"PathOnHost": "/dev", "PathInContainer": "/dev"}]
    seen["HostConfig"]["Privileged"] = True
    nodes = describe(seen, Tree("/"))["access"]["devices"]
    assert nodes["/dev/null"] == {"exists": True, "same_as_host": True, "rw": True}
    assert "/dev/kfd" in nodes
    assert describe(inspected(Pid=2**22 + 5), Tree("/"))["access"] is None
