"""The inventory of a running lab: what an Ansible user would have written by hand for three real hosts."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from . import _keys
from ._common import Lab
from .hosts import Running
from .registry import Served

HEADER = "# Made by `navilab lab up`, made again by each. Role variables belong in group_vars/ beside it.\n---\n"

WAIVE = {"kfd_gpu_node": "the driver has no GPU in a virtual machine, an overlay adds the board to its topology"}
VM = {
    "navilab_waive": dict(WAIVE),
}  # in place of what sim/group_vars waive for containers


def content(hosts: Iterable[Running], served: Served, lab: Lab, extra: Mapping[str, Any] | None = None) -> str:
    """hosts.yml: group `lab`, hosts with addresses and `extra`, which wins over group_vars, and what they share."""
    folder = lab.folder
    known_hosts = json.dumps(str(folder / "known_hosts"))  # quoted for ssh, which splits at spaces
    ssh = f"-o 'UserKnownHostsFile={known_hosts}' -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    data: dict[str, Any] = {
        "lab": {
            "hosts": {
                each.name: {
                    "ansible_host": each.address,
                    **({} if each.port == 22 else {"ansible_port": each.port}),
                    "navilab_lab_suite": each.host.suite,
                    "navilab_lab_board": each.host.board,
                    **(VM if each.host.driver == "qemu" else {"navilab_lab_container": lab.container(each.host.name)}),
                    **(extra or {}),
                }
                for each in hosts
            },
            "vars": {
                "ansible_user": "lab",
                "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
                "ansible_ssh_common_args": ssh,
                "ansible_python_interpreter": "/usr/bin/python3",
                "navilab_lab_webui_image": served.image,
                "navilab_lab_registry": served.registry,
                "navilab_lab_registry_ca_file": str(served.ca_file),
                "navilab_lab_model": str(folder / "models" / "navilab-lab-tiny.safetensors"),
            },
        }
    }
    return HEADER + yaml.safe_dump(data, sort_keys=False, width=1000)


def known_hosts(hosts: Iterable[Running], host_key: str) -> str:
    """One line a host: they share the lab's host key."""
    key = " ".join(host_key.split()[:2])
    return "".join(f"{each.name},{_known(each)} {key}\n" for each in hosts)


def _known(host: Running) -> str:
    """An address as ssh writes it down."""
    return host.address if host.port == 22 else f"[{host.address}]:{host.port}"


def tiny_model() -> bytes:
    """A safetensors checkpoint for everyone who reads no more than its header: one fp16 tensor of four zeros."""
    header = json.dumps(
        {
            "__metadata__": {"format": "pt", "note": "made by the lab; draws nothing"},
            "model.diffusion_model.out.2.bias": {"dtype": "F16", "shape": [4], "data_offsets": [0, 8]},
        }
    ).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + bytes(8)


def write_if_new(path: Path, text: str | bytes) -> bool:
    """Writes only what differs, so that a second `lab up` leaves times alone too; True if it wrote."""
    data = text.encode() if isinstance(text, str) else text
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    _keys.write(path, data)
    return True
