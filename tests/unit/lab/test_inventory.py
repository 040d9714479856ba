"""What the lab writes for Ansible, ssh and the webui."""

from __future__ import annotations

import ipaddress
import json
import shlex
import struct
from pathlib import Path

import yaml

from navilab.lab import hosts, inventory
from navilab.lab._common import Lab
from navilab.lab.registry import Served

HOSTS = [
    hosts.Running(
        "1", "sim-bookworm", hosts.Host("bookworm", "bookworm", "rx5500xt-8g"), "running", "10.213.0.11", "r"
    ),
    hosts.Running("2", "sim-two", hosts.Host("two", "trixie", "two-boards"), "running", "10.213.0.12", "r"),
    hosts.Running("3", "sim-vm", hosts.Host("vm", "trixie", "no-board", "qemu"), "running", "127.0.0.1", "r", 4022),
]
SERVED = Served(
    "registry.navilab.test:5000/navilab/webui-standin@sha256:00", "registry.navilab.test:5000", Path("/l/ca.pem")
)


def test_content() -> None:
    mine = Lab("sim", Path("/a folder/lab"))
    text = inventory.content(HOSTS, SERVED, mine)
    lab = yaml.safe_load(text)["lab"]
    assert lab["hosts"]["sim-two"] == {
        "ansible_host": "10.213.0.12",
        "navilab_lab_suite": "trixie",
        "navilab_lab_board": "two-boards",
        "navilab_lab_container": mine.container("two"),
    }
    assert lab["vars"]["navilab_lab_webui_image"] == SERVED.image
    assert (lab["hosts"]["sim-vm"]["ansible_host"], lab["hosts"]["sim-vm"]["ansible_port"]) == ("127.0.0.1", 4022)
    assert "navilab_lab_container" not in lab["hosts"]["sim-vm"]
    assert list(lab["hosts"]["sim-vm"]["navilab_waive"]) == ["kfd_gpu_node"]
    # Ansible splits as a shell does, ssh then takes the inner quotes.
    assert 'UserKnownHostsFile="/a folder/lab/known_hosts"' in shlex.split(lab["vars"]["ansible_ssh_common_args"])


def test_two_checkouts_may_have_a_lab_of_one_name() -> None:
    mine, other = (Lab("sim", Path(checkout, ".navilab/lab/sim")) for checkout in ("/one", "/two"))
    assert mine.host("two") == other.host("two") == "sim-two"
    assert not {mine.key, mine.network, mine.container("two")} & {other.key, other.network, other.container("two")}


def test_known_hosts() -> None:
    assert inventory.known_hosts(HOSTS, "ssh-ed25519 AAAA a comment\n").splitlines() == [
        "sim-bookworm,10.213.0.11 ssh-ed25519 AAAA",
        "sim-two,10.213.0.12 ssh-ed25519 AAAA",
        "sim-vm,[127.0.0.1]:4022 ssh-ed25519 AAAA",
    ]


def test_tiny_model_is_safetensors() -> None:
    data = inventory.tiny_model()
    (size,) = struct.unpack("<Q", data[:8])
    tensors = json.loads(data[8 : 8 + size])
    assert len(data) - 8 - size == max(
        each["data_offsets"][1] for name, each in tensors.items() if name != "__metadata__"
    )


def test_write_if_new(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "hosts.yml"
    assert inventory.write_if_new(path, "a\n")
    before = path.stat().st_mtime_ns
    assert not inventory.write_if_new(path, "a\n")
    assert path.stat().st_mtime_ns == before
    assert inventory.write_if_new(path, "b\n")
    assert [each.name for each in path.parent.iterdir()] == ["hosts.yml"]


def test_addresses_stay_and_new_ones_are_free() -> None:
    network = ipaddress.IPv4Network("10.213.0.0/24")
    wanted = [*hosts.DEFAULT, hosts.Host("two", "trixie", "two-boards")]
    assert hosts.addresses(network, HOSTS[:2], wanted) == {
        "bookworm": "10.213.0.11",
        "two": "10.213.0.12",
        "bullseye": "10.213.0.13",
        "trixie": "10.213.0.14",
    }
