"""The facts as a whole: its keys, its JSON, its arguments, and trees full of garbage."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _gather
from ansible_collections.navilab.webui.plugins.module_utils._checks import CHECK_IDS, SCOPES, evaluate
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import unusable_root

KEYS = (
    "root live complete init release kernel boards driver kernel_log kfd drm firmware groups user apt dpkg dkms docker "
    "guard clock registry "
    "ports addresses http gateways files disk memory records lock answers problems"
)
ASKED: dict[str, Any] = {
    "user": "lab",
    "packages": ["docker.io", "bash"],
    "files": ["/etc/passwd", "~/dockerx"],
    "disk": ["~/dockerx", "/var/lib/docker"],
    "webuis": [{"name": "webui", "port": 7860}, {"name": "webui-2", "port": 7861}],
    "images": ["registry.test/webui:1", "BAD ref"],
}


def test_recorded_host(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/passwd").write_text("lab:x:1000:1000::/home/lab:/bin/sh\n")
    seen = gather(str(root), **ASKED)
    assert sorted(seen) == sorted(KEYS.split())
    assert seen["files"]["/etc/passwd"]["exists"]
    assert "/home/lab/dockerx" in seen["files"]
    assert "/home/lab/dockerx" in seen["disk"]
    assert seen["dpkg"]["packages"] == {
        name: {"installed": False, "version": None, "held": False} for name in ("docker.io", "bash")
    }
    assert seen["docker"]["containers"] == dict.fromkeys(("webui", "webui-2", "webui-previous", "webui-2-previous"))
    assert {found["status"] for found in seen["registry"].values()} == {"unknown"}
    assert seen["http"]["webui"]["error"] == "can't be known from a recorded tree"
    json.dumps(seen, allow_nan=False)


def test_groups_that_are_wanted_beside_the_gpus(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/group").write_text("video:x:44:\ndialout:x:20:\n")
    seen = gather(str(root), groups=["dialout", "none", "video"])
    assert seen["groups"] == {"video": 44, "render": None, "dialout": 20, "none": None}


def test_the_initramfs_of_each_kernel_is_among_the_files(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    (root / "boot").mkdir()
    (root / "boot/vmlinuz-6.1.0-1-amd64").write_text("")
    (root / "lib/modules/6.1.0-1-amd64").mkdir(parents=True)
    (root / "boot/initrd.img-6.1.0-1-amd64").write_text("123")
    assert gather(str(root))["files"]["/boot/initrd.img-6.1.0-1-amd64"]["size"] == 3


def test_live_host() -> None:
    start = time.monotonic()
    seen = gather("/", **{**ASKED, "user": "root"}, probe_images=False)
    assert time.monotonic() - start < 2  # 0.1 s, were this machine not busy with tests
    assert seen["live"]
    assert seen["memory"]["total_mib"] > 0
    assert "/root/dockerx" in seen["files"]
    json.dumps(seen, allow_nan=False)


def test_empty_root(tmp_path: Path) -> None:
    seen = gather(str(tmp_path))
    assert (seen["boards"], seen["problems"], seen["user"]) == ([], [], None)


def test_the_proxy_process_is_told_by_its_container() -> None:
    ports = {
        "7860": {"listeners": ["127.0.0.1"], "owner": "docker-proxy"},
        "80": {"listeners": ["::"], "owner": "nginx"},
    }
    published = [{"host_ip": "127.0.0.1", "host_port": port, "container_port": 7860} for port in (7860, 80, 9)]
    named = _gather._name_containers(ports, {"webui": {"ports": published}, "gone": None})
    assert named["7860"]["owner"] == "docker-proxy (container webui)"
    assert named["80"]["owner"] == "nginx"


def test_a_local_image_is_not_asked_for(tmp_path: Path) -> None:
    docker = {"images": {"a": {"id": "x"}, "b": None}, "config_file": "/etc/docker/daemon.json"}
    tree = _gather.Tree("/")
    assert _gather._registry(tree, "a", docker, "", True)["status"] == "local"
    assert _gather._registry(tree, "b", docker, "", False)["status"] == "unknown"
    assert _gather._registry(tree, "b d", docker, "", True)["status"] == "invalid"


def test_roots(tmp_path: Path) -> None:
    assert unusable_root("/") == unusable_root(str(tmp_path)) == ""
    (tmp_path / "file").write_text("")
    for root in ("relative", "", f"{tmp_path}/none", f"{tmp_path}/file", "/nul\0", "/" + 5000 * "n"):
        assert unusable_root(root).startswith("root: ")


def dress(root: Path) -> None:
    """Give a simulated host the files that the software side reads."""
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "etc/passwd": "lab:x:1000:1000::/home/lab:/bin/sh\n",
        "etc/group": "video:x:44:lab\nrender:x:105:lab\n",
        "etc/apt/sources.list": "deb http://deb.debian.org/debian bookworm main\n",
        "etc/apt/sources.list.d/d.sources": "Types: deb\nURIs: http://x.test\nSuites: s\nComponents: c\n",
        "etc/docker/daemon.json": '{"log-driver": "json-file"}',
        "etc/modprobe.d/x.conf": "blacklist amdgpu\n",
        "proc/meminfo": "MemTotal: 16000000 kB\n",
        "proc/cmdline": "quiet\n",
        "proc/net/tcp": "  sl\n   0: 0100007F:1EB4 00000000:0000 0A 0:0 0:0 0 0 0 1\n",
        "var/lib/dpkg/status": "Package: bash\nStatus: install ok installed\nVersion: 1\n",
        "var/lib/navilab/firmware.json": "{}",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


GARBAGE: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "bytes": lambda chance, _old: chance.randbytes(chance.randrange(1, 300)),
    "empty": lambda _chance, _old: b"",
    "cut": lambda chance, old: old[: chance.randrange(len(old) + 1)],
    "flipped": lambda chance, old: bytes(
        byte ^ (1 << chance.randrange(8)) if chance.random() < 0.2 else byte for byte in old
    ),
    "numbers": lambda chance, old: b" ".join(b"%d" % chance.choice([-1, 2**64, 10**40, 0]) for _word in old.split()),
    "doubled": lambda _chance, old: old + old,
    "lines": lambda chance, old: b"\n".join(chance.sample(old.split(b"\n"), len(old.split(b"\n")))) + b"\n\0\n",
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_any_file_is_never_a_traceback(host: Callable[..., Path], kind: str) -> None:
    chance = random.Random(kind)
    root = host("two-boards")
    dress(root)
    files = sorted(
        path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_size < 4096
    )
    originals = {path: path.read_bytes() for path in files}
    for _round in range(5):
        chosen = chance.sample(files, chance.randrange(1, 1 + len(files) // 3))
        for path in chosen:
            path.write_bytes(GARBAGE[kind](chance, originals[path]))
        host_seen = gather(str(root), **ASKED)
        checks = evaluate(host_seen, {"scope": list(SCOPES), "user": "lab", "webuis": ASKED["webuis"]})
        assert [check["id"] for check in checks] == list(CHECK_IDS)
        json.dumps([host_seen, checks], allow_nan=False)
        for path in chosen:
            path.write_bytes(originals[path])


@pytest.mark.parametrize("round_number", range(6))
def test_odd_kinds_of_files_are_never_a_traceback(host: Callable[..., Path], round_number: int) -> None:
    chance = random.Random(round_number)
    root = host("igpu-and-board")
    dress(root)
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    for path in chance.sample(files, len(files) // 4):
        path.unlink()
        kind = chance.randrange(4)
        if kind == 0:
            path.mkdir()
        elif kind == 1:
            path.symlink_to(path.name)
        elif kind == 2:
            os.mkfifo(path)
    seen = gather(str(root), **ASKED)
    json.dumps([seen, evaluate(seen, {"scope": list(SCOPES)})], allow_nan=False)
