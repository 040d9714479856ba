"""What calls itself Docker and is no Docker Engine under systemd; and what is one, from wherever it came."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._docker import engine_root, gather_docker
from ansible_collections.navilab.webui.plugins.module_utils._engines import obstacle
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

UNIT = "/lib/systemd/system/docker.service"
SERVICE = "[Service]\nExecStart=/usr/local/bin/dockerd -H fd://\n"
ENGINE = {"Components": [{"Name": "Engine"}, {"Name": "containerd"}], "Version": "26.1.5", "ApiVersion": "1.45"}
PODMAN = {"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}], "Version": "4.3.1", "ApiVersion": "1.41"}
DESKTOP = {**ENGINE, "Platform": {"Name": "Docker Desktop 4.34.0"}}


@pytest.fixture
def host(tmp_path: Path, engine: Callable[..., Any]) -> Callable[..., Any]:
    """`host(files, packages, version, info, shown)`: the facts of a recording; with `version` something answers."""

    def facts(
        files: dict[str, str] | None = None,
        packages: tuple[str, ...] = (),
        version: dict[str, Any] | None = None,
        info: dict[str, Any] | None = None,
        **shown: str,
    ) -> Any:
        (tmp_path / "root").mkdir()
        for path, text in (files or {}).items():
            where = tmp_path / "root" / path.lstrip("/")
            where.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                where.symlink_to(text[2:])
            else:
                where.write_text(text)
        units = ("docker.service", "docker.socket", "containerd.service")
        keys = ("LoadState", "ActiveState", "UnitFileState", "FragmentPath", "DropInPaths")
        answer = {unit: dict.fromkeys(keys, "") for unit in units}
        answer["docker.service"].update(shown)
        answers = {f"systemctl show {' '.join(units)}": answer} if shown else {}
        (tmp_path / "recording.json").write_text(json.dumps({"format": 1, "answers": answers}))
        tree = Tree(str(tmp_path))
        routes = {"/version": (200, version), "/info": (200, {"DockerRootDir": "/srv/root", **(info or {})})}
        path = engine(routes).server_address if version else None
        known = {name: {"installed": True, "version": "1", "held": False} for name in packages}
        return gather_docker(tree, known, socket_path=path, home="/home/lab")

    return facts


LOADED = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
GONE = {"LoadState": "not-found", "ActiveState": "inactive"}


@pytest.mark.parametrize(
    ("arguments", "says", "remedy"),
    [
        ({"files": {"/snap/bin/docker": "x"}}, "is a snap (/snap/bin/docker)", "snap remove docker"),
        ({"files": {"/snap/bin/docker": "->/usr/bin/snap"}}, "is a snap", "snap remove docker"),
        ({"files": {"/var/snap/docker/current/config/daemon.json": "{}"}}, "is a snap", "snap remove"),
        ({"files": {"/snap/bin/docker": "x"}, "version": ENGINE, **GONE}, "is a snap", "snap remove"),
        ({"packages": ("podman-docker",)}, "Podman in Docker's place", "remove podman-docker"),
        ({"files": {"/usr/bin/docker": "#!/bin/sh\nexec podman \"$@\"\n"}}, "Podman in", "podman-docker"),
        ({"files": {"/usr/bin/docker": "->podman"}}, "Podman in", "podman-docker"),
        ({"files": {"/run/docker.sock": "->/run/podman/podman.sock"}}, "leads to podman.sock", "podman-docker"),
        ({"version": PODMAN}, "Podman Engine, Conmon answers at", "podman-docker"),
        # the engine's packages are there, and yet it is Podman that answers
        ({"version": PODMAN, "packages": ("docker.io",), **LOADED}, "Podman Engine", "podman-docker"),
        ({"version": DESKTOP, **GONE}, "Docker Desktop 4.34.0 answers", "docker-desktop"),
        ({"packages": ("docker-desktop",)}, "Docker Desktop", "docker-desktop"),
        ({"files": {"/opt/docker-desktop/bin/x": ""}}, "Docker Desktop", "docker-desktop"),
        ({"version": ENGINE, "info": {"OperatingSystem": "Docker Desktop"}}, "Docker Desktop", "docker-desktop"),
        ({"version": ENGINE, "info": {"SecurityOptions": ["name=rootless"]}}, "rootless engine", "dockerd-rootless"),
        ({"files": {"/run/user/1000/docker.sock": ""}}, "rootless engine (/run/user/1000/docker.sock)", "uninstall"),
        ({"files": {"/home/lab/.config/systemd/user/docker.service": ""}}, "rootless engine", "uninstall"),
        (
            {"files": {"/run/user/1000/docker.sock": ""}, "packages": ("docker-ce",), "LoadState": "loaded",
             "ActiveState": "inactive", "UnitFileState": "disabled"},
            "rootless engine", "uninstall",
        ),
        ({"files": {"/usr/local/bin/dockerd": "x"}}, "/usr/local/bin/dockerd belongs to no package", "move it away"),
        ({"version": ENGINE, **GONE}, "there is no docker.service", "the machine whose engine it is"),
        ({"version": ENGINE, "files": {"/usr/bin/dockerd": "x"}}, "there is no docker.service", "stop it"),
        ({"version": {"Components": [{"Name": "nerdd"}]}, **LOADED}, "nerdd answers at", "take it off"),
        (
            {"version": ENGINE, "packages": ("docker.io",), "LoadState": "loaded", "ActiveState": "inactive"},
            "while docker.service is inactive", "stop it",
        ),
        (
            {"files": {"/etc/systemd/system/docker.service": "->/dev/null"}}, "docker.service is masked",
            "systemctl unmask docker.service",
        ),
        (
            {"files": {"/etc/systemd/system/docker.service": "->/dev/null"}, "version": ENGINE,
             "packages": ("docker.io",), **LOADED},
            "docker.service is masked", "systemctl unmask docker.service",
        ),
        (
            {"files": {"/etc/systemd/system/docker.socket": "->/dev/null",
                       "/etc/systemd/system/containerd.service": "->/dev/null"}, "packages": ("docker.io",)},
            "docker.socket, containerd.service are masked", "systemctl unmask docker.socket containerd.service",
        ),
        ({"packages": ("docker.io",), **GONE}, "its docker.service is gone", "--reinstall docker.io"),
    ],
)  # fmt: skip
def test_no_engine_of_the_roles(host: Callable[..., Any], arguments: dict[str, Any], says: str, remedy: str) -> None:
    found = obstacle(host(**arguments))
    assert found
    assert says in found.evidence and remedy in found.remedy


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"files": {UNIT: SERVICE, "/usr/local/bin/dockerd": "x"}},  # somebody's own, with a unit
        {"files": {UNIT: SERVICE, "/usr/local/bin/dockerd": "x"}, "version": ENGINE},
        {"packages": ("docker.io",)},
        {"packages": ("docker.io",), "version": ENGINE, **LOADED},
        {"packages": ("docker-ce",), "version": {"Version": "20.10"}, **LOADED},  # an old one names no components
        {"packages": ("docker-ce",), "files": {"/snap/bin/docker": "x"}, "version": ENGINE, **LOADED},
        {"packages": ("docker-ce",), "files": {"/run/user/1000/docker.sock": ""}, "version": ENGINE, **LOADED},
        {"packages": ("docker-ce",), "files": {"/run/user/1000/docker.sock": ""}, **LOADED},
        {"packages": ("docker.io", "docker-desktop"), **LOADED},
        {"packages": ("docker.io",), "version": ENGINE,
         "files": {"/etc/systemd/system/containerd.service": "->/dev/null"}, **LOADED},  # it runs without that one
        {"files": {"/usr/bin/podman": "x", "/run/podman/podman.sock": ""}},  # Podman beside Docker is nobody's trouble
        {"files": {"/usr/bin/docker": "x"}},  # the client alone
        {"version": ENGINE, **LOADED},
    ],
)  # fmt: skip
def test_what_is_accepted(host: Callable[..., Any], arguments: dict[str, Any]) -> None:
    assert obstacle(host(**arguments)) is None


def test_what_dpkg_only_unpacked_is_no_strangers(host: Callable[..., Any]) -> None:
    seen = host({"/usr/sbin/dockerd": "x"})
    assert obstacle(seen) and obstacle(seen, unpacked=True) is None


def test_podman_is_no_running_engine(host: Callable[..., Any]) -> None:
    seen = host(version=PODMAN)
    assert (seen["installed"], seen["running"], seen["provider"], seen["root_dir"]) == (False, False, None, None)
    assert seen["components"] == ["Podman Engine", "Conmon"]


@pytest.mark.parametrize(
    ("changes", "wanted", "root"),
    [
        ({"root_dir": "/run", "config": {"data-root": "/config"}}, "/wanted", "/run"),
        ({"arguments": ["--data-root=/flag"], "config": {"data-root": "/config"}}, "/wanted", "/flag"),
        ({"arguments": ["-g", "/flag"]}, "", "/flag"),
        ({"config": {"data-root": "/config"}}, "", "/config"),
        ({"config": {"graph": "/old"}}, "", "/old"),
        ({"config": {"data-root": "/config"}}, "/wanted", "/wanted"),  # the variables win over the file
        ({"config": None}, "/wanted", "/wanted"),
        ({"config": {"data-root": 5}}, "", "/var/lib/docker"),
        ({}, "", "/var/lib/docker"),
    ],
)
def test_where_the_engine_writes(host: Callable[..., Any], changes: dict[str, Any], wanted: str, root: str) -> None:
    seen = host()
    assert seen["root"] == "/var/lib/docker"
    seen["unit"]["arguments"] = changes.pop("arguments", ["-H", "fd://"])
    seen.update(changes)
    assert engine_root(seen, wanted) == root


def test_its_own_configuration_file(host: Callable[..., Any]) -> None:
    unit = "[Service]\nExecStart=/usr/bin/dockerd --config-file=/srv/docker.json\n"
    seen = host({UNIT: unit, "/usr/bin/dockerd": "x", "/srv/docker.json": '{"data-root": "/d"}'})
    assert (seen["config_file"], seen["config"], seen["root"]) == ("/srv/docker.json", {"data-root": "/d"}, "/d")
