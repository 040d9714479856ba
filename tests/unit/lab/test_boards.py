"""The simulated boards are laid out as the kernel lays out real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from navilab.lab.boards import BOARDS, KERNELS, OVERLAID, DeviceNode, write_tree

FIXTURES = Path(__file__).parents[2] / "fixtures" / "sysfs"


def contents(topology: Path) -> dict[str, bytes]:
    return {str(path.relative_to(topology)): path.read_bytes() for path in topology.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_topology_is_the_derived_one_byte_for_byte(tmp_path: Path, kernel: str) -> None:
    write_tree(tmp_path, "rx5500xt-8g", kernel)
    place = "sys/class/kfd/kfd/topology"
    assert contents(tmp_path / place) == contents(FIXTURES / f"rx5500xt-{kernel}" / place)


def test_nodes_of_a_host(tmp_path: Path) -> None:
    assert write_tree(tmp_path, "two-boards", "6.1") == [
        DeviceNode("/dev/kfd", 120, 0, "0660", "render"),
        DeviceNode("/dev/dri/card0", 226, 0, "0660", "video"),
        DeviceNode("/dev/dri/renderD128", 226, 128, "0660", "render"),
        DeviceNode("/dev/dri/card1", 226, 1, "0660", "video"),
        DeviceNode("/dev/dri/renderD129", 226, 129, "0660", "render"),
    ]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("board", BOARDS)
def test_links_are_relative_and_lead_somewhere(tmp_path: Path, board: str, kernel: str) -> None:
    nodes = write_tree(tmp_path, board, kernel)
    links = [path for path in tmp_path.rglob("*") if path.is_symlink()]
    assert links
    for link in links:
        assert not link.readlink().is_absolute()
        assert link.resolve(strict=True).is_relative_to(tmp_path)
    for folder in (tmp_path / "sys").iterdir():
        assert f"sys/{folder.name}" in OVERLAID
    assert bool(nodes) == (tmp_path / "sys/module/amdgpu").is_dir() == (tmp_path / "sys/class/kfd").is_dir()
    names = {path.name for path in (tmp_path / "sys/class/drm").glob("*[0-9]") if "-" not in path.name}
    assert names == {Path(node.path).name for node in nodes} - {"kfd"}


@pytest.mark.parametrize("board", ["igpu-and-board", "no-atomics"])
def test_the_same_tree_each_time(tmp_path: Path, board: str) -> None:
    """A lab host is made again when its tree changes, so it must not change by itself."""
    for name in ("a", "b"):
        write_tree(tmp_path / name, board, "6.12")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_release_is_kept_and_a_series_gets_debians(tmp_path: Path) -> None:
    write_tree(tmp_path / "release", "no-board", "6.1.0-99-cloud-amd64")
    write_tree(tmp_path / "series", "no-board", "6.12")
    assert (tmp_path / "release/proc/sys/kernel/osrelease").read_text() == "6.1.0-99-cloud-amd64\n"
    assert (tmp_path / "series/proc/sys/kernel/osrelease").read_text() == KERNELS["6.12"] + "\n"


@pytest.mark.parametrize("kernel", ["", "4.19", "6.10", "latest"])
def test_an_unknown_kernel(tmp_path: Path, kernel: str) -> None:
    with pytest.raises(ValueError, match="known are "):
        write_tree(tmp_path, "rx5700xt", kernel)


def test_an_unknown_board(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_tree(tmp_path, "rx9999", "6.1")


def test_a_rejected_board_has_no_node(tmp_path: Path) -> None:
    write_tree(tmp_path, "no-atomics", "6.1")
    assert [path.name for path in (tmp_path / "sys/class/kfd/kfd/topology/nodes").iterdir()] == ["0"]
    assert (tmp_path / "sys/class/kfd/kfd/topology/generation_id").read_text() == "1\n"
    assert (tmp_path / "sys/class/drm/card0/device/driver").resolve().name == "amdgpu"
