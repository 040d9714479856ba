# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to come to which file system: images, data, packages, kernel modules and the initramfs. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._docker import engine_root, images_root
from ansible_collections.navilab.webui.plugins.module_utils._types import DiskNeed, Facts

from . import _models
from ._base import Settings, file_of
from ._docker_daemon import engine_version
from .webui import data_dir_of

BOOT, CACHE, TREE, SYSTEM = "/boot", "/var/cache/apt", "/var/lib/dkms", "/usr"
PLACES = (BOOT, CACHE, TREE, SYSTEM)
"""Where packages write, beside the engine's images and the webui's data."""
IMAGES = "images and data"
"""The share of both: preflight_min_disk_mib is what they need where they share a file system, too."""
PACKAGES_MIB: Mapping[str, tuple[int, int]] = {
    "docker_engine": (512, 128),
    "firmware": (256, 64),
    "amdgpu_dkms": (1024, 256),
}
"""What a step's packages, and what they bring along, take unpacked and as files of apt's, on Debian 13."""
MODEL_MIB = 4096
"""The models that preflight_min_disk_mib reckons with: one as large as the default one."""
BUILD_MIB = 2048
"""AMD's driver in DKMS's tree, while it is built."""
INITRAMFS_MIB = 200
"""What an initramfs with amdgpu's firmware takes at least: the new one lies beside the old one until it is whole."""


def data_needs(facts: Facts, settings: Settings, mib: int, provider: str = "") -> list[DiskNeed]:
    """Where the engine keeps images, really, and where the webui keeps its data; `settings` are the step webui's,
    `provider` is that of an engine to come."""
    root = _engine_root(facts, settings)
    docker = facts["docker"]
    version = engine_version(facts, provider, docker["installed"])
    images = images_root(docker, version, settings["daemon"], root)
    moves = "docker_engine_data_root moves them"
    if images != root:
        keeps = "docker_engine_daemon: {features: {containerd-snapshotter: false}} keeps them in"
        moves = f"root in /etc/containerd/config.toml moves them, {keeps} {root}"
    return [
        _need(images, mib, "images", moves, IMAGES),
        _need(data_dir_of(facts, settings), mib, "the webui's data", "webui_data_dir moves it", IMAGES),
    ]


def model_needs(facts: Facts, settings: Settings, pulls: bool) -> list[DiskNeed]:
    """All models that are missing, together; `settings` are the step webui's."""
    data_dir = data_dir_of(facts, settings)
    places: dict[str, list[dict[str, Any]]] = {}
    for model in _models.missing(facts, settings, data_dir):
        if model["size"]:
            folder = model["path"].rpartition("/")[0]
            places.setdefault(folder if _is_apart(facts, folder, data_dir) else data_dir, []).append(model)
    found = []
    for place, models in places.items():
        mib = -(-_models.bytes_to_come(facts, models) >> 20) - (MODEL_MIB if pulls and place == data_dir else 0)
        what = f"{len(models)} models" if len(models) > 1 else "a model"
        found.append(_need(place, mib, what, "webui_data_dir moves them", "models"))
    return [need for need in found if need["mib"] > 0]


def _is_apart(facts: Facts, path: str, data_dir: str) -> bool:
    """Whether a directory below the data directory lies on another file system."""
    seen, base = facts["disk"].get(path), facts["disk"].get(data_dir)
    return bool(seen and base and seen["pool"] != base["pool"])


def package_needs(facts: Facts, plans: Mapping[str, Mapping[str, Any]]) -> list[DiskNeed]:
    """What the plans of firmware, amdgpu_dkms and docker_engine bring to the system's own places."""
    found: list[DiskNeed] = []
    bring = [
        sizes
        for step, sizes in PACKAGES_MIB.items()
        if any(plans[step].get(key) for key in ("install", "reinstall", "headers_required"))
    ]
    if bring:
        unpacked, fetched = map(sum, zip(*bring))
        found.append(_need(SYSTEM, unpacked, "packages", "", "packages"))
        found.append(_need(CACHE, fetched, "what apt fetches", "apt-get clean makes room", "fetched"))
    firmware, driver = plans["firmware"], plans["amdgpu_dkms"]
    builds = bool(driver["install"] or driver["build"])
    if builds:
        found.append(
            _need(TREE, BUILD_MIB, "building AMD's driver", "amdgpu_dkms_state: absent keeps the kernel's own", "build")
        )
    if builds or firmware["install"] or firmware["reinstall"] or firmware["initramfs"]:
        remedy = (
            "apt-get autoremove --purge takes old kernels away, MODULES=dep in /etc/initramfs-tools/initramfs.conf "
            "makes the initramfs small"
        )
        # With the firmware it becomes larger than the one that is there.
        times = 3 if firmware["install"] or firmware["reinstall"] else 2
        found.append(_need(BOOT, max(INITRAMFS_MIB, times * _initrd_mib(facts)), "the initramfs", remedy, "initramfs"))
    return found


def _engine_root(facts: Facts, settings: Settings) -> str:
    wanted = str(settings["data_root"])
    # A running engine goes on where it is, unless it may be restarted with what is wanted.
    return wanted if wanted and settings["engine_restart_ok"] else engine_root(facts["docker"], wanted)


def _initrd_mib(facts: Facts) -> int:
    """The largest of those that are there."""
    sizes = [file_of(facts, f"/boot/initrd.img-{kernel}")["size"] or 0 for kernel in facts["kernel"]["installed"]]
    return max(sizes, default=0) >> 20


def _need(path: str, mib: int, what: str, remedy: str, share: str) -> DiskNeed:
    return {"path": path, "mib": mib, "what": what, "remedy": remedy, "share": share}
