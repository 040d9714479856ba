"""Where things are really written, and how much has to be free there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import preflight, verify


def disk(path: str, free: int, pool: str = "/dev/sda1", **changes: Any) -> dict[str, Any]:
    return {
        "path_seen": path, "total_mib": 1000000, "free_mib": free, "read_only": False, "fstype": "ext4", "pool": pool,
        **changes,
    }  # fmt: skip


PATHS = ("/var/lib/docker", "/home/lab/dockerx", "/boot", "/var/cache/apt", "/var/lib/dkms", "/usr")


@pytest.fixture
def roomy(facts: dict[str, Any]) -> dict[str, Any]:
    """A host whose directories are all on file systems of their own, with room."""
    facts["disk"] = {path: disk(path, 100000, pool=path) for path in PATHS}
    return facts


def problems(facts: Any, variables: dict[str, Any]) -> list[str]:
    found = preflight.plan(facts, preflight.settings(variables))["problems"]
    return [f"{check['evidence']}. {check['remedy']}" for check in found if check["id"] == "disk_space"]


@pytest.mark.parametrize(
    ("path", "free", "says"),
    [
        ("/var/lib/docker", 20479, "20480 MiB are needed for images; docker_engine_data_root"),
        ("/home/lab/dockerx", 20479, "20480 MiB are needed for the webui's data; webui_data_dir"),
        ("/boot", 199, "200 MiB are needed for the initramfs; apt-get autoremove"),
        ("/usr", 767, "768 MiB are needed for packages"),
        ("/var/cache/apt", 191, "192 MiB are needed for what apt fetches; apt-get clean"),
        ("/var/lib/dkms", 0, ""),  # no driver is to come
    ],
)
def test_each_path_has_its_own_minimum(
    roomy: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any], path: str, free: int, says: str
) -> None:
    assert problems(roomy, variables) == []
    roomy["disk"][path]["free_mib"] = free
    found = problems(roomy, variables)
    assert len(found) == bool(says)
    assert says in "".join(found)
    roomy["disk"][path]["free_mib"] = free + 1
    assert problems(roomy, variables) == []


@pytest.mark.parametrize(
    ("docker", "wanted", "judged"),
    [
        ({"installed": False}, {"docker_engine_provider": "docker-ce"}, "/srv/containerd"),
        ({"installed": False}, {"docker_engine_provider": "debian"}, "/var/lib/docker"),
        ({"installed": True, "version": "29.1.0"}, {}, "/srv/containerd"),
        ({"installed": True, "version": "29.1.0", "graph_driver": "overlay2"}, {}, "/var/lib/docker"),
        (
            {"installed": True, "version": "29.1.0"},
            {"docker_engine_daemon": {"features": {"containerd-snapshotter": False}}},
            "/var/lib/docker",
        ),
        (
            {"installed": True, "version": "28.0.1", "config": {"features": {"containerd-snapshotter": True}}},
            {},
            "/srv/containerd",
        ),
    ],
)
def test_images_that_are_left_to_containerd(
    roomy: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any], docker: Any, wanted: Any, judged: str
) -> None:
    roomy["docker"] |= {"containerd_root": "/srv/containerd", **docker}
    roomy["disk"]["/srv/containerd"] = disk("/srv/containerd", 100000, pool="/srv/containerd")
    for name, value in wanted.items():
        variables["docker_engine"][name.removeprefix("docker_engine_")] = value
    for path in ("/srv/containerd", "/var/lib/docker"):
        roomy["disk"][path]["free_mib"] = 1000
        assert [path in text for text in problems(roomy, variables)] == ([True] if path == judged else [])
        roomy["disk"][path]["free_mib"] = 100000


def test_on_one_file_system_it_adds_up(
    facts: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any]
) -> None:
    total = 20480 + 768 + 192 + 200
    for free, fits in ((total, True), (total - 1, False)):
        facts["disk"] = {path: disk(path, free) for path in PATHS}
        assert (problems(facts, variables) == []) is fits
    (said,) = problems(facts, variables)
    assert said.startswith("/var/lib/docker, /home/lab/dockerx, /usr, /var/cache/apt, /boot: ")
    assert "20480 for images and the webui's data + 768 for packages" in said


def test_two_sizes_are_two_file_systems(
    facts: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any]
) -> None:
    facts["disk"] = {path: disk(path, 21000, total_mib=number) for number, path in enumerate(PATHS)}
    assert problems(facts, variables) == []
    facts["disk"] = {path: disk(path, 21000, total_mib=number, fstype="zfs") for number, path in enumerate(PATHS)}
    assert len(problems(facts, variables)) == 1


@pytest.mark.parametrize(
    ("docker", "wanted", "restart", "judged"),
    [
        ({"root_dir": "/srv/docker"}, "", False, "/srv/docker"),
        ({"config": {"data-root": "/srv/docker"}}, "", False, "/srv/docker"),
        ({"unit": {"arguments": ["--data-root=/srv/docker"]}}, "", False, "/srv/docker"),
        ({}, "/srv/docker", False, "/srv/docker"),
        ({"root_dir": "/var/lib/docker"}, "/srv/docker", False, "/var/lib/docker"),
        ({"root_dir": "/var/lib/docker"}, "/srv/docker", True, "/srv/docker"),
    ],
)
def test_the_engines_own_directory_is_judged(
    roomy: dict[str, Any],
    variables: dict[str, Any],
    settings: dict[str, Any],
    docker: dict[str, Any],
    wanted: str,
    restart: bool,
    judged: str,
) -> None:
    roomy["docker"].update({**docker, "unit": {**roomy["docker"]["unit"], **docker.get("unit", {})}})
    variables["docker_engine"].update(data_root=wanted, restart_ok=restart)
    roomy["disk"]["/srv/docker"] = disk("/srv/docker", 100000, pool="/srv/docker")
    assert problems(roomy, variables) == []
    roomy["disk"][judged]["free_mib"] = 9000
    assert len(problems(roomy, variables)) == 1
    checks = verify.plan(roomy, verify.settings(variables))["checks"]  # type: ignore[arg-type]
    (check,) = [check for check in checks if check["id"] == "disk_space"]
    assert check["status"] == "ok" and judged in check["evidence"]  # 2048 suffice once all is there


def test_an_image_that_is_there_needs_little(
    roomy: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any]
) -> None:
    roomy["docker"]["images"] = {image: {"id": "1", "digests": [], "size": 1} for image in settings["images"].values()}
    roomy["disk"]["/var/lib/docker"]["free_mib"] = 1024
    assert problems(roomy, variables) == []


@pytest.mark.parametrize(("size", "needed"), [(None, 200), (50 << 20, 200), (80 << 20, 240), (150 << 20, 450)])
def test_the_initramfs_grows_with_the_firmware(
    roomy: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any], seen: Any, size: int, needed: int
) -> None:
    roomy["files"]["/boot/initrd.img-6.1.0-56-amd64"] = seen("file", size=size)
    roomy["disk"]["/boot"]["free_mib"] = needed - 1
    assert f"{needed} MiB are needed for the initramfs" in problems(roomy, variables)[0]
    roomy["disk"]["/boot"]["free_mib"] = needed
    assert problems(roomy, variables) == []


def test_where_nothing_comes_nothing_is_needed(
    roomy: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any]
) -> None:
    roomy["firmware"]["missing"] = []
    for name in ("firmware-amd-graphics", "python3-requests", "docker.io"):
        roomy["dpkg"]["packages"][name] = {"installed": True, "version": "1", "held": False}
    roomy["docker"].update(installed=True, running=True, provider="docker.io")
    for path in ("/boot", "/usr", "/var/cache/apt", "/var/lib/dkms"):
        roomy["disk"][path]["free_mib"] = 0
    assert problems(roomy, variables) == []


def test_what_a_host_does_not_tell(roomy: dict[str, Any], variables: dict[str, Any], settings: dict[str, Any]) -> None:
    for seen in roomy["disk"].values():
        seen.update(free_mib=None, total_mib=None, read_only=None, pool=None, fstype=None)
    assert problems(roomy, variables) == []
    roomy["disk"]["/home/lab/dockerx"]["read_only"] = True
    assert "mount it read-write" in problems(roomy, variables)[0]
    roomy["disk"] = {}
    assert problems(roomy, variables) == []
