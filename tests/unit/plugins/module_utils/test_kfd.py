"""The topology as kernels print it, whole and broken, and the device's answers."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _kfd
from ansible_collections.navilab.webui.plugins.module_utils._kfd import (
    ask_driver,
    bdf_of,
    explain_open_error,
    gather_kfd,
    gfx_name,
    read_topology,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

TOPOLOGY = "sys/class/kfd/kfd/topology"
KERNELS = ("5.10", "6.1", "6.12")


def nodes_of(root: Path) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = read_topology(Tree(str(root)))["nodes"]
    return nodes


def rewrite(root: Path, path: str, **values: int | None) -> None:
    """Change keys of a properties file; None takes one out."""
    file = root / TOPOLOGY / path
    pairs = dict(line.split() for line in file.read_text().splitlines())
    pairs.update({key: str(value) for key, value in values.items()})
    file.write_text("".join(f"{key} {value}\n" for key, value in pairs.items() if value != "None"))


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (100102, "gfx1012"),
        (100100, "gfx1010"),
        (90012, "gfx90c"),
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (80003, "gfx803"),
        (120001, "gfx1201"),
        (0, None),
        (102, None),
        (2**63, None),
    ],
)
def test_targets(version: int, name: str | None) -> None:
    assert gfx_name(version) == name


@pytest.mark.parametrize(
    ("location", "domain", "bdf"),
    [
        (2560, 0, "0000:0a:00.0"),
        (0x0331, 0, "0000:03:06.1"),
        (2560, 1, "0001:0a:00.0"),
        (2560, 0x10000, "10000:0a:00.0"),
        (0x3000_0A00, 0, "0000:0a:00.0"),  # a partition
        (0x0001_0A00, 0, None),
        (2**40, 0, None),
        (2560, 2**33, None),
    ],
)
def test_pci_addresses(location: int, domain: int, bdf: str | None) -> None:
    assert bdf_of(location, domain) == bdf


@pytest.mark.parametrize(
    ("kernel", "source", "mec"), [("5.10", "device_id", 137), ("6.1", "property", 146), ("6.12", "property", 146)]
)
def test_the_derived_trees(derived: Callable[[str], Path], kernel: str, source: str, mec: int) -> None:
    tree = Tree(str(derived(kernel)))
    seen = read_topology(tree)
    assert (seen["topology"], seen["generation_id"]) == ("/" + TOPOLOGY, 2)
    processor, gpu = seen["nodes"]
    assert (processor["index"], processor["gpu_id"], processor["cpu_cores_count"], processor["simd_count"]) == (
        0,
        0,
        12,
        0,
    )
    assert (processor["bdf"], processor["gfx_target"], processor["vram_mib"]) == (None, None, 0)
    assert {key: value for key, value in gpu.items() if key != "links"} == {
        "index": 1, "gpu_id": 4660, "name": "navi14", "cpu_cores_count": 0, "simd_count": 44, "compute_units": 22,
        "bdf": "0000:0a:00.0", "vendor_id": "1002", "device_id": "7340", "gfx_target": "gfx1012",
        "gfx_target_source": source, "vram_mib": 8176, "render_minor": 128, "fw_version": mec, "readable": True,
        "problems": [],
    }  # fmt: skip
    assert gpu["links"] == [
        {
            "kind": "io",
            "node_from": 1,
            "node_to": 0,
            "type": 2,
            "weight": 20,
            "flags": 1,
            "atomics_32": True,
            "atomics_64": True,
        }
    ]
    assert tree.problems == []


def test_only_the_other_directory(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    (root / "sys/devices/virtual").mkdir(parents=True)
    (root / "sys/class/kfd").rename(root / "sys/devices/virtual/kfd")
    (root / "sys/class").rmdir()
    seen = read_topology(Tree(str(root)))
    assert seen["topology"] == "/sys/devices/virtual/kfd/kfd/topology"
    assert len(seen["nodes"]) == 2


def test_no_kfd(tmp_path: Path) -> None:
    assert read_topology(Tree(str(tmp_path))) == {"topology": None, "generation_id": None, "nodes": []}


@pytest.mark.parametrize(("heap", "mib"), [(0, None), (1, 8176), (2, 8176), (3, None)])
def test_private_and_public_banks_are_video_memory(derived: Callable[[str], Path], heap: int, mib: int | None) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/mem_banks/0/properties", heap_type=heap)
    assert nodes_of(root)[1]["vram_mib"] == mib


def test_banks_add_up(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    second = root / TOPOLOGY / "nodes/1/mem_banks/1"
    second.mkdir()
    (second / "properties").write_text("heap_type 1\nsize_in_bytes 1048576\n")
    assert nodes_of(root)[1]["vram_mib"] == 8177


def test_local_mem_size_is_not_asked(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/properties", local_mem_size=1 << 40)
    assert nodes_of(root)[1]["vram_mib"] == 8176


def test_sources_of_the_target_in_turn(derived: Callable[[str], Path]) -> None:
    root = derived("6.12")
    rewrite(root, "nodes/1/properties", gfx_target_version=90012)
    assert (nodes_of(root)[1]["gfx_target"], nodes_of(root)[1]["gfx_target_source"]) == ("gfx90c", "property")
    rewrite(root, "nodes/1/properties", gfx_target_version=None, device_id=0x731F)
    assert (nodes_of(root)[1]["gfx_target"], nodes_of(root)[1]["gfx_target_source"]) == ("gfx1010", "device_id")
    rewrite(root, "nodes/1/properties", device_id=0x7FFF)
    assert (nodes_of(root)[1]["gfx_target"], nodes_of(root)[1]["gfx_target_source"]) == ("gfx1012", "name")
    (root / TOPOLOGY / "nodes/1/name").write_text("ip discovery\n")
    assert (nodes_of(root)[1]["gfx_target"], nodes_of(root)[1]["gfx_target_source"]) == (None, None)


def test_simds_of_a_compute_unit_differ_by_kernel(derived: Callable[[str], Path]) -> None:
    root = derived("5.10")
    rewrite(root, "nodes/1/properties", simd_count=88, simd_per_cu=4)
    assert nodes_of(root)[1]["compute_units"] == 22
    rewrite(root, "nodes/1/properties", simd_count=44, simd_per_cu=0)
    assert nodes_of(root)[1]["compute_units"] == 22


@pytest.mark.parametrize(
    ("flags", "small", "large"), [(1, True, True), (0xD, False, False), (0x5, False, True), (0x9, True, False)]
)
def test_atomics_of_a_link(derived: Callable[[str], Path], flags: int, small: bool, large: bool) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/io_links/0/properties", flags=flags)
    link = nodes_of(root)[1]["links"][0]
    assert (link["atomics_32"], link["atomics_64"]) == (small, large)


def test_a_link_without_flags_is_unknown(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/io_links/0/properties", flags=None)
    assert nodes_of(root)[1]["links"][0]["atomics_64"] is None


def test_a_gpu_without_its_driver_is_still_a_gpu(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/properties", simd_count=0)
    node = nodes_of(root)[1]
    assert (node["simd_count"], node["bdf"], node["gfx_target"]) == (0, "0000:0a:00.0", "gfx1012")


def test_every_key_is_optional(derived: Callable[[str], Path]) -> None:
    root = derived("6.12")
    file = root / TOPOLOGY / "nodes/1/properties"
    lines = file.read_text().splitlines(keepends=True)
    for line in lines:
        file.write_text("".join(other for other in lines if other is not line))
        assert len(nodes_of(root)) == 2
    file.write_text("simd_count 44\n")  # the oldest kernels print little
    node = nodes_of(root)[1]
    assert (node["bdf"], node["device_id"], node["render_minor"], node["fw_version"]) == (None, None, None, None)
    assert node["readable"] is True


def test_the_oldest_key_set_has_no_domain(derived: Callable[[str], Path]) -> None:
    root = derived("5.10")
    rewrite(root, "nodes/1/properties", domain=None, num_gws=None, hive_id=None)
    assert nodes_of(root)[1]["bdf"] == "0000:0a:00.0"


def test_another_domain(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/properties", domain=1)
    assert nodes_of(root)[1]["bdf"] == "0001:0a:00.0"


def test_numbers_that_the_kernel_never_prints(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    rewrite(root, "nodes/1/properties", simd_count=-44, location_id=2**70, drm_render_minor=2**32 - 1)
    tree = Tree(str(root))
    node = read_topology(tree)["nodes"][1]
    assert (node["simd_count"], node["bdf"], node["render_minor"]) == (0, None, None)
    assert node["problems"] == [f"/{TOPOLOGY}/nodes/1/properties: 2 lines are not 'key number'"] == tree.problems


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_a_node_that_a_container_may_not_read(
    derived: Callable[[str], Path], refuse: Callable[[str, int], None], number: int
) -> None:
    root = derived("6.1")
    refuse("nodes/1/gpu_id", number)
    processor, node = nodes_of(root)
    assert processor["readable"]
    assert not node["readable"]
    assert any(errno.errorcode[number] in text for text in node["problems"])
    refuse("nodes/1/properties", number)
    assert not nodes_of(root)[1]["readable"]


def test_a_node_without_anything(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    (root / TOPOLOGY / "nodes/2").mkdir()
    node = nodes_of(root)[2]
    assert (node["readable"], node["gpu_id"], node["simd_count"], node["links"]) == (False, None, 0, [])


def test_empty_files(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    for name in ("gpu_id", "properties", "mem_banks/0/properties", "io_links/0/properties", "name"):
        (root / TOPOLOGY / "nodes/1" / name).write_text("")
    node = nodes_of(root)[1]
    assert node["readable"] is False
    assert sum(text.endswith(": empty") for text in node["problems"]) == 3  # no bank is asked of what is no GPU


def test_nodes_are_sorted_as_numbers_and_others_ignored(derived: Callable[[str], Path]) -> None:
    root = derived("6.1")
    nodes = root / TOPOLOGY / "nodes"
    (nodes / "1").rename(nodes / "10")
    (nodes / "2").mkdir()
    (nodes / "x").mkdir()
    (nodes / "3").write_text("a file")
    tree = Tree(str(root))
    assert [node["index"] for node in read_topology(tree)["nodes"]] == [0, 2, 3, 10]
    assert any(text.endswith("/nodes/x: not a number, ignored") for text in tree.problems)


def test_a_machine_that_the_project_has_never_seen(tmp_path: Path) -> None:
    """Two sockets and eight MI210 with xGMI and PCIe peer links and no memory banks, as ROCm's k8s plugin tests."""
    for index in range(10):
        gpu = index >= 2
        folder = tmp_path / TOPOLOGY / f"nodes/{index}"
        folder.mkdir(parents=True)
        (folder / "gpu_id").write_text(f"{50000 + index if gpu else 0}\n")
        (folder / "name").write_text("aldebaran\n" if gpu else "\n")
        pairs = {"cpu_cores_count": 0 if gpu else 64, "simd_count": 416 if gpu else 0, "simd_per_cu": 4 if gpu else 0}
        if gpu:
            pairs |= {"gfx_target_version": 90010, "vendor_id": 4098, "device_id": 0x740F, "domain": 0}
            pairs |= {"location_id": 0x1100 * index, "drm_render_minor": 126 + index, "unique_id": 2**64 - 1}
        (folder / "properties").write_text("".join(f"{key} {value}\n" for key, value in pairs.items()))
        for kind, others in (("io_links", range(2)), ("p2p_links", range(2, 10))):
            for number, other in enumerate(each for each in others if each != index):
                link = folder / kind / str(number)
                link.mkdir(parents=True)
                (link / "properties").write_text(
                    f"type {11 if other % 2 else 2}\nnode_from {index}\nnode_to {other}\nflags 13\n"
                )
    tree = Tree(str(tmp_path))
    nodes = read_topology(tree)["nodes"]
    assert [node["index"] for node in nodes] == list(range(10))
    assert {node["gfx_target"] for node in nodes[2:]} == {"gfx90a"}
    assert {node["vram_mib"] for node in nodes[2:]} == {None}
    assert [node["compute_units"] for node in nodes] == [0, 0] + [104] * 8
    assert len({node["bdf"] for node in nodes[2:]}) == 8
    kinds = [link["kind"] for link in nodes[5]["links"]]
    assert (kinds.count("io"), kinds.count("p2p")) == (2, 7)
    assert tree.problems == []


@pytest.mark.parametrize("kernel", KERNELS)
def test_random_bytes_in_any_file(derived: Callable[[str], Path], kernel: str) -> None:
    """Every file in turn with noise in its place, in its middle, and with one byte changed; then all at once."""
    root = derived(kernel)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    assert len(files) > 10
    for number, path in enumerate(files):
        whole = path.read_bytes()
        noise = random.Random(number)
        at = noise.randrange(len(whole))
        for content in (
            noise.randbytes(300),
            whole[:at] + noise.randbytes(40) + whole[at:],
            whole[:at] + bytes([noise.randrange(256)]) + whole[at + 1 :],
            whole[:at],
            b"\0" * 100,
        ):
            path.write_bytes(content)
            assert len(nodes_of(root)) == 2
        path.write_bytes(whole)
    for path in files:
        path.write_bytes(random.Random(str(path.name)).randbytes(500))
    tree = Tree(str(root))
    nodes = read_topology(tree)["nodes"]
    assert [node["readable"] for node in nodes] == [False, False]
    assert len(tree.problems) >= 4


@pytest.mark.parametrize("name", ["properties", "gpu_id", "name", "mem_banks", "io_links"])
def test_a_directory_for_a_file_and_a_pipe_for_a_directory(derived: Callable[[str], Path], name: str) -> None:
    root = derived("6.1")
    path = root / TOPOLOGY / "nodes/1" / name
    path.rename(path.with_name("away"))
    if name.endswith("s") and name != "properties":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert len(nodes_of(root)) == 2


# -- the device --------------------------------------------------------------------------------------------------------


class Driver:
    """Answers ioctls in KFD's place. `gpus` are the ids that the process may use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, gpus: list[int], version: tuple[int, int] = (1, 11)) -> None:
        self.gpus, self.version, self.refused = gpus, version, 0
        self.opened: list[int] = []
        real_open, real_device = os.open, Tree.device

        def fake_open(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            if path != _kfd.DEVICE:
                return real_open(path, flags, *rest, **more)
            assert flags & os.O_RDWR
            self.opened.append(real_open("/dev/null", os.O_RDWR))
            return self.opened[-1]

        def fake_device(tree: Tree, path: str) -> dict[str, Any]:
            return {**real_device(tree, path), "exists": True, "char": True}

        monkeypatch.setattr(os, "open", fake_open)
        monkeypatch.setattr(fcntl, "ioctl", self.ioctl)
        monkeypatch.setattr(Tree, "device", fake_device)

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes:
        assert descriptor == self.opened[-1]
        if request == self.refused:
            raise OSError(errno.ENOTTY, "x")
        if request == 0x80084B01:
            assert len(argument) == 8
            return struct.pack("=II", *self.version)
        assert request == 0xC0104B14
        pointer, places, _pad = struct.unpack("=QII", argument)
        if places > len(self.gpus):
            raise OSError(errno.EINVAL, "x")
        for number in range(places):
            element = struct.pack("=6QII", 1, 2, 3, 4, 5, 6, self.gpus[number], 0)
            ctypes.memmove(pointer + 56 * number, element, 56)
        return struct.pack("=QII", pointer, len(self.gpus), 0)


@pytest.mark.parametrize("gpus", [[], [4660], [4660, 65535, 1]])
def test_version_and_gpus_of_the_process(monkeypatch: pytest.MonkeyPatch, gpus: list[int]) -> None:
    driver = Driver(monkeypatch, gpus)
    answer = ask_driver(Tree("/"))
    assert answer == {
        "open": {"known": True, "ok": True, "errno": None, "error": ""},
        "ioctl_version": "1.11",
        "apertures": gpus,
        "ioctl_error": "",
    }
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(driver.opened[0])  # closed again


@pytest.mark.parametrize(
    ("request_", "name", "version"),
    [(0x80084B01, "GET_VERSION", None), (0xC0104B14, "GET_PROCESS_APERTURES_NEW", "1.11")],
)
def test_an_ioctl_that_fails(monkeypatch: pytest.MonkeyPatch, request_: int, name: str, version: str | None) -> None:
    Driver(monkeypatch, [4660]).refused = request_
    answer = ask_driver(Tree("/"))
    assert answer["open"]["ok"]
    assert (answer["ioctl_version"], answer["apertures"]) == (version, None)
    assert answer["ioctl_error"].startswith(f"{name}: ENOTTY")


def test_a_driver_that_answers_nothing_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver(monkeypatch, [])
    monkeypatch.setattr(fcntl, "ioctl", lambda *_arguments: b"")
    assert ask_driver(Tree("/"))["ioctl_error"].startswith("GET_VERSION")


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENXIO, errno.EAGAIN])
def test_a_device_that_can_not_be_opened(refuse: Callable[[str, int], None], number: int) -> None:
    refuse("/dev/kfd", number)
    answer = ask_driver(Tree("/"))["open"]
    assert answer["known"] is True
    assert answer["ok"] is False
    assert answer["errno"] == errno.errorcode[number]
    assert explain_open_error(answer["errno"])


def test_a_recorded_tree_is_not_asked(derived: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver(monkeypatch, [4660])
    seen = gather_kfd(Tree(str(derived("6.1"))))
    assert driver.opened == []
    assert seen["open"] == {"known": False, "ok": False, "errno": None, "error": "can't be known from a recorded tree"}
    assert (seen["ioctl_version"], seen["apertures"]) == (None, None)


def test_a_device_that_is_a_plain_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kfd").write_text("")
    monkeypatch.setattr(_kfd, "DEVICE", str(tmp_path / "kfd"))
    answer = ask_driver(Tree("/"))["open"]
    assert (answer["ok"], answer["error"]) == (False, f"{tmp_path}/kfd is not a character device")


def test_a_recording_has_the_drivers_answers(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    unknown = ask_driver(Tree(str(tmp_path)))
    assert (unknown["open"]["known"], unknown["ioctl_version"]) == (False, None)
    said = {**unknown, "open": {"known": True, "ok": True, "errno": None, "error": ""}, "ioctl_version": "1.11"}
    for apertures, known in (([4660], True), (None, True), (["4660"], False), ([True], False)):
        manifest = {"format": 1, "answers": {"kfd": {**said, "apertures": apertures}}}
        (tmp_path / "recording.json").write_text(json.dumps(manifest))
        assert ask_driver(Tree(str(tmp_path)))["open"]["known"] is known


def test_the_same_errno_means_different_things() -> None:
    assert "before 5.8" in explain_open_error("ENOMEM", [5, 4])
    assert "before 5.8" not in explain_open_error("ENOMEM", [5, 10])
    assert "locked" in explain_open_error("EAGAIN", [6, 1])
    assert "locked" in explain_open_error("EINVAL", [6, 12])
    assert explain_open_error("EINVAL", [5, 10]) == ""
    assert "render" in explain_open_error("EACCES", [6, 1])
    assert explain_open_error("ESTALE") == ""
