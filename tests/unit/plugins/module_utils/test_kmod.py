"""Installed kernels, the file that modprobe would load, and what is written in it."""

from __future__ import annotations

import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._driver import gather_driver
from ansible_collections.navilab.webui.plugins.module_utils._kmod import (
    debian_flavour,
    headers_package,
    installed_kernels,
    kernels_with_headers,
    modinfo,
    module_file,
    natural,
    without_graphics,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

from .kmods import elf, put, signed

RELEASE = "6.1.0-56-amd64"
Trees = Callable[[Path], Any]


DKMS = elf(license="GPL", version="5.18.2.22.40", srcversion="ABC123", vermagic=f"{RELEASE} SMP mod_unload modversions")
KEYS = ("version", "srcversion", "vermagic", "signed", "signer")
NOTHING = dict.fromkeys(KEYS)


def test_kernels_are_sorted_as_people_count(tmp_path: Path, tree_of: Trees) -> None:
    for release in ("5.10.0-9-amd64", "5.10.0-46-amd64", "6.12.107+deb13-amd64", "gone"):
        put(tmp_path, f"lib/modules/{release}/modules.dep")
        put(tmp_path, f"boot/vmlinuz-{release}")
    (tmp_path / "boot/vmlinuz-gone").unlink()
    put(tmp_path, "lib/modules/6.1.0-1-x/vmlinuz")
    wanted = ["5.10.0-9-amd64", "5.10.0-46-amd64", "6.1.0-1-x", "6.12.107+deb13-amd64"]
    assert installed_kernels(tree_of(tmp_path)) == wanted
    assert installed_kernels(tree_of(tmp_path / "none")) == []
    put(tmp_path, "usr/src/linux-headers/include/x.h")
    for release in (wanted[0], "gone"):
        (tmp_path / f"lib/modules/{release}/build").symlink_to("/usr/src/linux-headers")
    assert kernels_with_headers(tree_of(tmp_path)) == wanted[:1]


def test_the_order_is_dpkgs() -> None:
    ordered = (
        "5.10.0-9-amd64 5.10.0-46-amd64 6.1.0-28-amd64 6.8.5-2041575.24.04 6.8.12-4-pve 6.8.12-10-pve "
        "6.10.5-2084815.24.04 6.12~rc1 6.12-rc3-amd64 6.12-amd64 6.12.1-amd64 6.12.10-x64v3-xanmod1 "
        "6.12.57+deb13-amd64 6.12.57+deb13-rt-amd64 6.12.107+deb13-amd64 7.0.13-3-liquorix-amd64"
    ).split()
    for seed in range(20):
        mixed = random.Random(seed).sample(ordered, len(ordered))
        assert sorted(mixed, key=natural) == ordered
    assert sorted(["\u0663x", "1", "", "a1", "~", "1~", "a"], key=natural) == ["~", "", "1~", "1", "a", "a1", "\u0663x"]


@pytest.mark.parametrize(
    ("release", "flavour"),
    [
        ("5.10.0-46-amd64", "amd64"),
        ("5.10.0-0.bpo.15-amd64", "amd64"),
        ("6.1.0-0.deb11.21-rt-amd64", "rt-amd64"),
        ("6.1.0-28-cloud-amd64", "cloud-amd64"),
        ("6.6.13+bpo-amd64", "amd64"),
        ("6.12.57+deb13-amd64", "amd64"),
        ("6.12.57+deb13-rt-amd64", "rt-amd64"),
        ("6.12.57+deb13-cloud-amd64", "cloud-amd64"),
        ("6.12.38+deb12-amd64", "amd64"),
        ("6.16.12+deb14+1-amd64", "amd64"),
        ("6.12-rc6-amd64", "amd64"),
        ("6.8.12-amd64", "amd64"),
        ("7.0.13-3-liquorix-amd64", ""),
        ("6.12.1-1-siduction-amd64", ""),
        ("6.1.60-antix.1-amd64-smp", ""),
        ("6.8.12-4-pve", ""),
        ("6.12.10-x64v3-xanmod1", ""),
        ("6.8.0-45-generic", ""),
        ("6.1.0-28-amd64-mine", ""),
        ("6.12.57+mine-amd64", ""),
        ("6.1.119", ""),
        ("", ""),
    ],
)
def test_only_debians_kernels_are_debians(release: str, flavour: str) -> None:
    assert debian_flavour(release) == flavour
    assert without_graphics(release) is (flavour == "cloud-amd64")


@pytest.mark.parametrize(
    ("release", "package"),
    [
        ("6.8.12-4-pve", "proxmox-headers-6.8.12-4-pve"),
        ("6.2.16-20-pve", "proxmox-headers-6.2.16-20-pve"),
        ("5.15.158-2-pve", "pve-headers-5.15.158-2-pve"),
        ("6.1.0-28-amd64", "linux-headers-6.1.0-28-amd64"),
        ("7.0.13-3-liquorix-amd64", "linux-headers-7.0.13-3-liquorix-amd64"),
        ("6.12.10-x64v3-xanmod1", "linux-headers-6.12.10-x64v3-xanmod1"),
    ],
)
def test_headers_have_their_distributions_name(release: str, package: str) -> None:
    assert headers_package(release) == package


def test_a_recording_keeps_what_is_made_of_large_files(tmp_path: Path) -> None:
    path = f"/lib/modules/{RELEASE}/updates/dkms/amdgpu.ko"
    info = {"version": "6.10.5", "srcversion": "AB", "vermagic": RELEASE, "signed": False, "signer": None}
    answers = {f"modinfo {path}": info, f"module amdgpu {RELEASE}": path}
    put(tmp_path, "recording.json", json.dumps({"answers": answers}).encode())
    (tmp_path / "root").mkdir()
    tree = Tree(str(tmp_path))
    assert (module_file(tree, RELEASE, "amdgpu"), modinfo(tree, path)) == (path, info)
    assert gather_driver(tree, RELEASE)["on_disk"] == {"path": path, **info, "since_boot": False}
    put(tmp_path, "recording.json", json.dumps({"answers": {f"modinfo {path}": {"version": []}}}).encode())
    assert modinfo(Tree(str(tmp_path)), path) == NOTHING


def test_modules_dep_has_the_word(tmp_path: Path, tree_of: Trees) -> None:
    folder = f"/usr/lib/modules/{RELEASE}"  # without the link /lib
    inbox, dkms = f"{folder}/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz", f"{folder}/updates/dkms/amdgpu.ko"
    put(tmp_path, inbox)
    put(tmp_path, f"{folder}/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu_extra.ko")
    tree = tree_of(tmp_path)
    assert module_file(tree, RELEASE, "amdgpu") == inbox
    put(tmp_path, dkms)
    assert module_file(tree, RELEASE, "amdgpu") == dkms
    put(tmp_path, f"{folder}/modules.dep", b"kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko.xz: kernel/x.ko\n")
    assert module_file(tree, RELEASE, "amdgpu") == inbox
    (tmp_path / inbox.lstrip("/")).unlink()
    assert module_file(tree, RELEASE, "amdgpu") == dkms
    assert module_file(tree, RELEASE, "amd-gpu") is None
    assert module_file(tree, RELEASE, "amdgpu-extra").endswith("amdgpu_extra.ko")
    assert module_file(tree, "9.9", "amdgpu") is None


def test_the_walk_follows_no_link(tmp_path: Path, tree_of: Trees) -> None:
    put(tmp_path, f"lib/modules/{RELEASE}/updates/dkms/x.ko")
    (tmp_path / f"lib/modules/{RELEASE}/updates/loop").symlink_to(".")
    assert module_file(tree_of(tmp_path), RELEASE, "amdgpu") is None


@pytest.mark.parametrize("name", ["amdgpu.ko", "amdgpu.ko.xz"])
@pytest.mark.parametrize("signer", [None, b"DKMS module signing key"])
def test_modinfo(tmp_path: Path, tree_of: Trees, name: str, signer: bytes | None) -> None:
    data = signed(DKMS, signer) if signer else DKMS
    put(tmp_path, name, lzma.compress(data) if name.endswith(".xz") else data)
    tree = tree_of(tmp_path)
    assert modinfo(tree, f"/{name}") == {
        "version": "5.18.2.22.40",
        "srcversion": "ABC123",
        "vermagic": f"{RELEASE} SMP mod_unload modversions",
        "signed": bool(signer),
        "signer": signer.decode() if signer else None,
    }
    assert tree.problems == []


def test_what_cant_be_read_is_nothing(tmp_path: Path, tree_of: Trees) -> None:
    put(tmp_path, "a.ko.zst", b"\x28\xb5\x2f\xfd")
    tree = tree_of(tmp_path)
    assert modinfo(tree, "/a.ko.zst") == modinfo(tree, "/none.ko") == NOTHING
    assert tree.problems == []


@pytest.mark.parametrize("name", ["amdgpu.ko", "amdgpu.ko.xz"])
def test_garbage_is_named(tmp_path: Path, tree_of: Trees, name: str) -> None:
    chance = random.Random(name)
    good = lzma.compress(signed(DKMS, b"me")) if name.endswith(".xz") else signed(DKMS, b"me")
    for data in (b"", b"\x7fELF\x01\x01" + bytes(80), elf()[:100], chance.randbytes(5000)):
        put(tmp_path, name, data)
        tree = tree_of(tmp_path)
        assert modinfo(tree, f"/{name}") == NOTHING
        assert "no kernel module" in tree.problems[0]
    for _round in range(300):  # flipped bits: any answer, but an answer
        put(
            tmp_path,
            name,
            bytes(byte ^ (1 << chance.randrange(8)) if chance.random() < 0.02 else byte for byte in good),
        )
        assert set(modinfo(tree_of(tmp_path), f"/{name}")) == set(KEYS)


def test_loaded_and_on_disk(tmp_path: Path, tree_of: Trees) -> None:
    assert gather_driver(tree_of(tmp_path), RELEASE)["on_disk"] is None
    put(tmp_path, "sys/module/amdgpu/srcversion", b"OLD999\n")
    put(tmp_path, f"lib/modules/{RELEASE}/updates/dkms/amdgpu.ko", DKMS)
    seen = gather_driver(tree_of(tmp_path), RELEASE)
    assert seen["srcversion"] == "OLD999"
    assert (seen["on_disk"]["srcversion"], seen["on_disk"]["signed"]) == ("ABC123", False)
    assert seen["on_disk"]["path"] == f"/lib/modules/{RELEASE}/updates/dkms/amdgpu.ko"
