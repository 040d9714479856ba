"""The bus: which functions are boards, and whether PCIe atomics reach them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._pci import (
    atomics_to_root,
    display_devices,
    express_capability,
    normal_bdf,
    upstream,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

GPU = "0000:0a:00.0"
PORTS = {"switch down": "0000:09:00.0", "switch up": "0000:08:00.0", "root": "0000:00:03.1"}
CAPABILITY = 0x64  # where the simulated functions have it


def config_of(root: Path, bdf: str) -> Path:
    return root / "sys/bus/pci/devices" / bdf / "config"


def patch(root: Path, bdf: str, layout: str, offset: int, value: int) -> None:
    path = config_of(root, bdf)
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, offset, value)
    path.write_bytes(data)


def test_only_display_devices_of_amd_are_boards(host: Callable[..., Path]) -> None:
    root = host("two-boards")
    present = {entry.name for entry in (root / "sys/bus/pci/devices").iterdir()}
    assert {"0000:08:00.0", "0000:09:00.0", "0000:0a:00.1"} <= present  # 1478 and 1479 'Navi 10' bridges, audio
    found = display_devices(Tree(str(root)))
    assert found is not None
    assert [(each["bdf"], each["device_id"], each["revision"], each["driver"]) for each in found] == [
        ("0000:0a:00.0", "731f", "c1", "amdgpu"),
        ("0000:0d:00.0", "7340", "c5", "amdgpu"),
    ]
    assert found[1]["subsystem"] == "1043:04e6"


@pytest.mark.parametrize("kind", ["0x030000", "0x030200", "0x038000"])
def test_every_display_class_counts(host: Callable[..., Path], kind: str) -> None:
    root = host("unbound")
    (root / "sys/bus/pci/devices" / GPU / "class").write_text(kind + "\n")
    assert [each["bdf"] for each in display_devices(Tree(str(root)))] == [GPU]


def test_the_usb_function_that_is_called_navi_10_is_no_board(host: Callable[..., Path]) -> None:
    root = host("unbound")
    function = root / "sys/bus/pci/devices" / GPU
    (function / "device").write_text("0x7314\n")
    (function / "class").write_text("0x0c0330\n")
    assert display_devices(Tree(str(root))) == []


def test_no_bus_is_not_an_empty_bus(tmp_path: Path, host: Callable[..., Path]) -> None:
    assert display_devices(Tree(str(tmp_path))) == []
    assert display_devices(Tree(str(host("no-board")))) == []


def test_a_board_without_a_driver(host: Callable[..., Path]) -> None:
    found = display_devices(Tree(str(host("unbound"))))
    assert found is not None
    assert found[0]["driver"] is None


def test_garbage_in_a_function_leaves_what_is_known(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    function = root / "sys/bus/pci/devices" / GPU
    (function / "device").write_bytes(b"\xff\xff")
    (function / "revision").write_text("0x123\n")
    (function / "subsystem_device").unlink()
    tree = Tree(str(root))
    found = display_devices(tree)
    assert found is not None
    assert (found[0]["device_id"], found[0]["revision"], found[0]["subsystem"]) == (None, None, None)
    assert any("/device: not a hexadecimal number" in text for text in tree.problems)


def test_the_way_up_is_nearest_first(host: Callable[..., Path]) -> None:
    assert [bdf for bdf, _path in upstream(Tree(str(host("rx5500xt-8g"))), GPU)] == list(PORTS.values())


def test_a_tree_without_the_links_has_no_way_up(tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices" / GPU).mkdir(parents=True)
    assert upstream(Tree(str(tmp_path)), GPU) == []


def test_atomics_reach_the_root_port(host: Callable[..., Path]) -> None:
    verdict, evidence = atomics_to_root(Tree(str(host("rx5500xt-8g"))), GPU)
    assert verdict is True
    assert PORTS["root"] in evidence


def test_a_chipset_that_does_not_route_is_named(host: Callable[..., Path]) -> None:
    verdict, evidence = atomics_to_root(Tree(str(host("no-atomics"))), "0000:07:00.0")
    assert verdict is False
    assert "0000:03:04.0" in evidence


@pytest.mark.parametrize(
    ("port", "layout", "offset", "value", "words"),
    [
        ("switch down", "<I", 0x24, 0x000, "does not route"),
        ("switch up", "<I", 0x24, 0x180, "does not route"),
        ("switch up", "<H", 0x28, 0x080, "blocks"),
        ("root", "<I", 0x24, 0x0C0, "does not complete"),  # 32 bit alone
        ("root", "<I", 0x24, 0x140, "does not complete"),  # 64 bit alone
    ],
)
def test_one_port_is_enough_to_lose_them(
    host: Callable[..., Path], port: str, layout: str, offset: int, value: int, words: str
) -> None:
    root = host("rx5500xt-8g")
    patch(root, PORTS[port], layout, CAPABILITY + offset, value)
    verdict, evidence = atomics_to_root(Tree(str(root)), GPU)
    assert verdict is False
    assert words in evidence
    assert PORTS[port] in evidence


def test_a_downstream_port_may_have_the_bit_that_blocks_upstream_ones(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    patch(root, PORTS["switch down"], "<H", CAPABILITY + 0x28, 0x80)
    assert atomics_to_root(Tree(str(root)), GPU)[0] is True


def test_the_first_pcie_version_has_no_atomics(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    patch(root, PORTS["root"], "<H", CAPABILITY + 2, 0x41)
    assert atomics_to_root(Tree(str(root)), GPU)[0] is False


@pytest.mark.parametrize("content", [b"", bytes(64), b"\xff" * 256, bytes(256), b"\x00" * 6 + b"\x10" * 250])
@pytest.mark.parametrize("bdf", [GPU, *PORTS.values()])
def test_configuration_space_that_tells_nothing_is_unknown(host: Callable[..., Path], bdf: str, content: bytes) -> None:
    root = host("rx5500xt-8g")
    config_of(root, bdf).write_bytes(content)
    verdict, evidence = atomics_to_root(Tree(str(root)), GPU)
    assert verdict is None
    assert evidence == ("" if bdf == GPU else f"configuration space of {bdf} tells nothing")


def test_no_root_port_is_unknown(host: Callable[..., Path], tmp_path: Path) -> None:
    config = config_of(host("rx5500xt-8g"), GPU).read_bytes()
    alone = tmp_path / "vm/sys/bus/pci/devices" / GPU
    alone.mkdir(parents=True)
    (alone / "config").write_bytes(config)
    assert atomics_to_root(Tree(str(tmp_path / "vm")), GPU) == (None, f"no root port above {GPU} is visible")


def test_a_list_of_capabilities_that_is_a_loop_ends() -> None:
    data = bytearray(256)
    data[6], data[0x34] = 0x10, 0x40
    data[0x40:0x42] = b"\x01\x40"
    assert express_capability(bytes(data)) is None
    data[0x41] = 0xFC
    data[0xFC] = 0x10  # the capability, with its registers beyond the end
    data[0xFE] = 0x02
    assert express_capability(bytes(data)) is None


@pytest.mark.parametrize(
    ("written", "bdf"),
    [
        ("0000:0a:00.0", "0000:0a:00.0"),
        ("0a:00.0", "0000:0a:00.0"),
        (" 0000:0A:00.0 ", "0000:0a:00.0"),
        ("A:0.0", "0000:0a:00.0"),
        ("10000:e1:1F.7", "10000:e1:1f.7"),
        ("0000:0a:00", None),
        ("0a:00.8", None),
        ("0a:20.0", None),
        ("pci:0a:00.0", None),
        ("180.0", None),
        ("", None),
        ("٣:00.0", None),
    ],
)
def test_addresses_as_people_write_them(written: str, bdf: str | None) -> None:
    assert normal_bdf(written) == bdf


OPTIONS = "options vfio-pci "


@pytest.mark.parametrize(
    ("driver", "files", "held_by"),
    [
        ("amdgpu", {"etc/modprobe.d/v.conf": OPTIONS + "ids=1002:7340"}, None),  # what has it counts
        ("vfio-pci", {}, "vfio-pci"),
        ("pci-stub", {}, "pci-stub"),
        ("pciback", {}, "pciback"),
        ("radeon", {}, None),
        (None, {}, None),
        (None, {"etc/modprobe.d/v.conf": OPTIONS + "ids=1002:7340,1002:ab38"}, "vfio-pci"),
        (None, {"etc/modprobe.d/v.conf": "options vfio_pci disable_vga=1 ids=8086:1,1002:7340"}, "vfio-pci"),
        (None, {"etc/modprobe.d/v.conf": OPTIONS + "ids=1002:7340:1043:04E6"}, "vfio-pci"),
        (None, {"etc/modprobe.d/v.conf": OPTIONS + "ids=1002:7340:ffffffff:ffffffff:00030000:ffff00ff"}, "vfio-pci"),
        (None, {"etc/modprobe.d/v.conf": OPTIONS + "ids=1002:7340:1043:1"}, None),
        (None, {"etc/modprobe.d/v.conf": OPTIONS + "ids=1002:731f,1002,:,zz:7340,1002:7340x"}, None),
        (None, {"etc/modprobe.d/v.conf": "# " + OPTIONS + "ids=1002:7340"}, None),
        (None, {"etc/modprobe.d/v.conf.bak": OPTIONS + "ids=1002:7340"}, None),
        (None, {"proc/cmdline": "quiet vfio-pci.ids=1002:7340"}, "vfio-pci"),
        (None, {"proc/cmdline": "quiet pci-stub.ids=1002:7340"}, "pci-stub"),
        (None, {"sys/bus/pci/devices/0000:0a:00.0/driver_override": "vfio-pci"}, "vfio-pci"),
        (None, {"sys/bus/pci/devices/0000:0a:00.0/driver_override": "(null)"}, None),
    ],
)
def test_who_holds_a_board_for_a_guest(
    host: Callable[..., Path], driver: str | None, files: dict[str, str], held_by: str | None
) -> None:
    root = host("unbound")
    if driver:
        (root / f"sys/bus/pci/drivers/{driver}").mkdir(parents=True, exist_ok=True)
        (root / "sys/bus/pci/devices" / GPU / "driver").symlink_to(f"../../bus/pci/drivers/{driver}")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (found,) = display_devices(Tree(str(root)))
    assert (found["driver"], found["held_by"]) == (driver, held_by)
