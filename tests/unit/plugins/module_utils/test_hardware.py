"""The facts of whole hosts: each of the lab's, the derived ones, and broken ones."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._hardware import (
    gather_hardware,
    gather_kernel,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

from navilab.lab.boards import BOARDS, KERNELS

KEYS = set("root live complete release kernel boards driver kernel_log kfd drm firmware groups problems".split())
RX5500, RX5700 = "Radeon RX 5500 XT", "Radeon RX 5700 XT"


def gather(root: Path) -> dict[str, Any]:
    seen: dict[str, Any] = gather_hardware(Tree(str(root)))
    assert set(seen) == KEYS
    json.dumps(seen).encode()
    return seen


def brief(seen: dict[str, Any], *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(board[key] for key in keys) for board in seen["boards"]]


# board: what every kernel sees (name, chip, VRAM in MiB, supported)
EXPECTED: dict[str, list[tuple[str, str | None, int | None, bool]]] = {
    "rx5500xt-8g": [(RX5500, "navi14", 8176, True)],
    "rx5500xt-4g": [(RX5500, "navi14", 4080, True)],
    "rx5600xt": [("Radeon RX 5600 XT", "navi10", 6128, True)],
    "rx5700xt": [(RX5700, "navi10", 8176, True)],
    "two-boards": [(RX5700, "navi10", 8176, True), (RX5500, "navi14", 8176, True)],
    "igpu-and-board": [("Renoir integrated graphics", None, 512, False), (RX5500, "navi14", 8176, True)],
    "no-atomics": [(RX5500, "navi14", 8176, True)],
    "no-board": [],
    "rx580": [("Radeon RX 470/480/570/580/590", "polaris10", 8192, False)],
    "rx6600": [("Radeon RX 6600/6650", "navi23", 8176, False)],
    "unbound": [(RX5500, "navi14", None, True)],
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("board", BOARDS)
def test_each_host_of_the_lab(host: Callable[..., Path], board: str, kernel: str) -> None:
    seen = gather(host(board, kernel))
    expected = EXPECTED[board]
    if (board, kernel) == ("rx6600", "5.10"):  # whose driver does not know the chip
        expected = [(*expected[0][:2], None, False)]
    assert brief(seen, "name", "chip", "vram_mib", "supported") == expected
    assert seen["problems"] == []
    assert seen["kernel"]["release"] == KERNELS[kernel]
    assert seen["kernel"]["version"] == [int(part) for part in kernel.split(".")]
    assert seen["kernel"]["flavour"] == "amd64"
    for each in seen["boards"]:
        bound = each["driver"] == "amdgpu"
        assert bound == (board != "unbound" and (board, kernel) != ("rx6600", "5.10"))
        assert (each["render_node"] is not None) == (each["card_node"] is not None) == bound
        assert each["source"] == "pci"


@pytest.mark.parametrize(("kernel", "navi14", "navi10"), [("5.10", 137, 137), ("6.1", 146, 146), ("6.12", 146, 151)])
def test_two_boards_are_kept_apart(host: Callable[..., Path], kernel: str, navi14: int, navi10: int) -> None:
    seen = gather(host("two-boards", kernel))
    keys = ("bdf", "gfx_target", "kfd_node", "card_node", "render_node", "mec_fw_loaded")
    assert brief(seen, *keys) == [
        ("0000:0a:00.0", "gfx1010", 1, "/dev/dri/card0", "/dev/dri/renderD128", navi10),
        ("0000:0d:00.0", "gfx1012", 2, "/dev/dri/card1", "/dev/dri/renderD129", navi14),
    ]
    assert [(node["path"], node["bdf"]) for node in seen["drm"]] == [
        ("/dev/dri/card0", "0000:0a:00.0"),
        ("/dev/dri/card1", "0000:0d:00.0"),
        ("/dev/dri/renderD128", "0000:0a:00.0"),
        ("/dev/dri/renderD129", "0000:0d:00.0"),
    ]
    assert set(seen["firmware"]["mec_by_board"]) == {"0000:0a:00.0", "0000:0d:00.0"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_igpu_is_told_from_the_board_beside_it(host: Callable[..., Path], kernel: str) -> None:
    seen = gather(host("igpu-and-board", kernel))
    assert brief(seen, "integrated", "gfx_target", "render_node") == [
        (True, "gfx90c", "/dev/dri/renderD128"),
        (False, "gfx1012", "/dev/dri/renderD129"),
    ]
    # 6.12 counts half of the host's memory as the processor's own: KFD says so, the board list does not.
    assert seen["kfd"]["nodes"][1]["vram_mib"] == (7989 if kernel == "6.12" else 512)
    assert not any(name.startswith("renoir") for name in seen["firmware"]["needed"])


def test_a_slot_without_atomics(host: Callable[..., Path]) -> None:
    lost = gather(host("no-atomics", "6.1"))["boards"][0]
    assert (lost["kfd_node"], lost["atomics"], lost["mec_fw_loaded"]) == (None, False, 137)
    assert "0000:03:04.0" in lost["atomics_evidence"]
    kept = gather(host("no-atomics", "5.10"))["boards"][0]  # 5.10 takes the board all the same
    assert (kept["kfd_node"], kept["atomics"]) == (1, False)
    assert "flags 0xd" in kept["atomics_evidence"]


def test_only_the_link_to_a_processor_tells_of_the_slot(host: Callable[..., Path]) -> None:
    root = host("two-boards")
    links = root / "sys/devices/virtual/kfd/kfd/topology/nodes/1/io_links"
    (links / "0").rename(links / "1")
    (links / "0").mkdir()
    (links / "0/properties").write_text("type 11\nnode_from 1\nnode_to 2\nflags 13\n")
    assert brief(gather(root), "atomics") == [(True,), (True,)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_tree_of_nothing_but_kfd(derived: Callable[[str], Path], kernel: str) -> None:
    seen = gather(derived(kernel))
    board = seen["boards"][0]
    assert len(seen["boards"]) == 1
    assert (board["bdf"], board["source"], board["chip"], board["gfx_target"]) == (
        "0000:0a:00.0",
        "kfd",
        "navi14",
        "gfx1012",
    )
    assert (board["supported"], board["driver"], board["kfd_node"], board["vram_mib"]) == (True, "amdgpu", 1, 8176)
    assert (board["render_node"], board["atomics"], board["revision"]) == ("/dev/dri/renderD128", True, None)
    assert seen["kfd"]["open"]["known"] is False
    assert seen["problems"] == []


def test_a_processor_alone(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    shutil.rmtree(root / "sys/class/kfd/kfd/topology/nodes/1")
    seen = gather(root)
    assert seen["boards"] == []
    assert [node["simd_count"] for node in seen["kfd"]["nodes"]] == [0]


def test_a_node_that_lost_its_driver_is_no_board(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    properties = root / "sys/class/kfd/kfd/topology/nodes/1/properties"
    properties.write_text(properties.read_text().replace("simd_count 44", "simd_count 0"))
    assert gather(root)["boards"] == []


def test_kfd_knows_what_the_bus_does_not_tell(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    whole = gather_hardware(Tree(str(root)))["boards"][0]
    function = root / "sys/bus/pci/devices" / whole["bdf"]
    (function / "driver").unlink()  # a copy that lost its links
    assert gather_hardware(Tree(str(root)))["boards"] == [whole]
    (function / "vendor").write_text("noise")
    (board,) = gather_hardware(Tree(str(root)))["boards"]
    assert (board["bdf"], board["source"], board["driver"], board["gfx_target"]) == (
        whole["bdf"],
        "kfd",
        "amdgpu",
        "gfx1012",
    )


def test_nothing_at_all(tmp_path: Path) -> None:
    seen = gather(tmp_path)
    assert seen["boards"] == seen["drm"] == seen["problems"] == []
    assert seen["live"] is False
    assert set(seen["release"].values()) == {None}
    assert seen["kernel"] == {
        "release": None,
        "version": [],
        "flavour": "",
        "arch": "",
        "installed": [],
        "pending": None,
        "headers": [],
        "secure_boot": None,
        "lockdown": None,
        "signatures_enforced": None,
    }
    assert seen["kfd"]["topology"] is None
    assert seen["groups"] == {"video": None, "render": None}
    assert gather(tmp_path / "not there")["boards"] == []


def test_a_file_as_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert gather(tmp_path / "file")["boards"] == []


def test_the_live_host() -> None:
    seen = gather(Path("/"))
    assert seen["live"] is True
    assert seen["kernel"]["release"]
    assert seen["kernel"]["arch"]
    assert seen["kfd"]["open"]["known"] is True


def test_owners_and_modes_of_nodes(host: Callable[..., Path]) -> None:
    """A wrong mode or group is reported as it is; the checks evaluate it."""
    import os

    root = host("rx5500xt-8g")
    (root / "etc").mkdir()
    (root / "etc/group").write_text("video:x:44:\nrender:x:105:lab\n")
    (root / "dev/dri").mkdir(parents=True)
    for path, mode, gid in (("kfd", 0o600, 0), ("dri/card0", 0o660, 44), ("dri/renderD128", 0o666, 4242)):
        (root / "dev" / path).write_text("")
        (root / "dev" / path).chmod(mode)
        os.chown(root / "dev" / path, 0, gid)
    seen = gather(root)
    assert seen["groups"] == {"video": 44, "render": 105}
    assert (seen["kfd"]["device"]["mode"], seen["kfd"]["device"]["char"]) == ("0600", False)
    assert [(node["kind"], node["mode"], node["gid"], node["group"]) for node in seen["drm"]] == [
        ("card", "0660", 44, "video"),
        ("render", "0666", 4242, None),
    ]


def test_a_node_in_dev_alone_finds_its_board(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    (root / "dev/dri/by-path").mkdir(parents=True)
    for name in ("renderD128", "renderD129", "card0"):
        (root / "dev/dri" / name).write_text("")
    assert [(node["path"][9:], node["bdf"]) for node in gather(root)["drm"]] == [
        ("card0", None),
        ("renderD128", "0000:0a:00.0"),
        ("renderD129", None),
    ]


def test_domains(host: Callable[..., Path]) -> None:
    """The same bus number in two domains is two places."""
    root = host("rx5500xt-8g")
    properties = root / "sys/devices/virtual/kfd/kfd/topology/nodes/1/properties"
    properties.write_text(properties.read_text().replace("domain 0\n", "domain 1\n"))
    assert brief(gather(root), "bdf", "kfd_node") == [("0000:0a:00.0", None)]


def test_boards_are_in_the_order_of_their_addresses(host: Callable[..., Path]) -> None:
    """Domain 10000 (a volume management device) comes after domain 0, though its text sorts before."""
    root = host("two-boards")
    devices = root / "sys/bus/pci/devices"
    (devices / "0000:0a:00.0").rename(devices / "10000:0a:00.0")
    assert brief(gather(root), "bdf") == [("0000:0d:00.0",), ("10000:0a:00.0",)]


def test_an_unknown_id_that_the_driver_calls_gfx1012(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    (root / "sys/bus/pci/devices/0000:0a:00.0/device").write_text("0x7ffe\n")
    board = gather(root)["boards"][0]
    assert (board["device_id"], board["supported"], board["chip"], board["gfx_target"]) == (
        "7ffe",
        True,
        "navi14",
        "gfx1012",
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_noise_in_any_file_of_a_host(host: Callable[..., Path], kernel: str) -> None:
    root = host("igpu-and-board", kernel)
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    for number, path in enumerate(files[::4]):
        whole = path.read_bytes()
        path.write_bytes(random.Random(number).randbytes(300))
        gather(root)
        path.write_bytes(whole)
    for number, path in enumerate(files):
        path.write_bytes(random.Random(number).randbytes(300))
    assert gather(root)["boards"] == []
    assert gather(root)["problems"]


def test_links_that_lead_in_a_circle(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    for place in ("sys/class/kfd/kfd", "sys/class/drm/card0", "sys/bus/pci/devices/0000:0a:00.0"):
        (root / place).unlink()
        (root / place).symlink_to(Path(place).name)
    seen = gather(root)
    assert [board["source"] for board in seen["boards"]] == ["kfd"]
    assert seen["kfd"]["topology"] == "/sys/devices/virtual/kfd/kfd/topology"
    assert any("ELOOP" in text for text in seen["problems"])


@pytest.mark.parametrize(
    ("release", "version", "flavour"),
    [
        ("5.10.0-46-amd64", [5, 10], "amd64"),
        ("6.1.0-56-cloud-amd64", [6, 1], "cloud-amd64"),
        ("6.12.107+deb13-rt-amd64", [6, 12], "rt-amd64"),
        ("6.12.107+deb13-amd64", [6, 12], "amd64"),
        ("6.8.0-45-generic", [6, 8], ""),
        ("7.0.13-3-liquorix-amd64", [7, 0], ""),
        ("nonsense", [], ""),
    ],
)
def test_kernels(tmp_path: Path, release: str, version: list[int], flavour: str) -> None:
    file = tmp_path / "proc/sys/kernel/osrelease"
    file.parent.mkdir(parents=True)
    file.write_text(release + "\n")
    seen = gather_kernel(Tree(str(tmp_path)))
    assert (seen["release"], seen["version"], seen["flavour"]) == (release, version, flavour)
