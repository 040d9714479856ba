"""Disk images for the lab's virtual machines: a Debian with its own kernel and GRUB, made without root.

One a suite, kept outside of the checkout, named by the digest of its recipe: /var/cache/navilab, or a user's own cache.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

from . import engine, images
from ._common import HERE, STATE, LabError, discard, lock, slow, tree_digest, which, workshop

PACKAGES = ("linux-image-amd64", "initramfs-tools", "zstd", "grub-pc-bin")
OPTIONS = (
    f"--include={','.join(PACKAGES)}",
    "--skip=cleanup/apt/lists",  # an emulated processor takes minutes to unpack them
)
HOOKS = (f"--essential-hook='{HERE}/vm/essential' \"$1\"", f"--customize-hook='{HERE}/vm/customize' \"$1\"")
TOOLS = {"fakeroot": "fakeroot", "e2fsprogs": "mke2fs"}
SIZE = 10 << 30  # apparent; the file is sparse
START = 1 << 20  # of the partition: GRUB lies before it
NEEDED_MIB = 4000


def cache() -> Path:
    """Where the images stay."""
    home = "/var/cache" if os.geteuid() == 0 else Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "navilab"


def recipe(suite: str) -> str:
    return tree_digest(images.base_recipe(suite), str(SIZE), *OPTIONS, HERE / "vm")


def ensure(suite: str) -> Path:
    """The image of a suite, made if it is missing or was made from another recipe."""
    folder = cache()
    path = folder / f"vm-{suite}-{recipe(suite)[:16]}.img"
    with lock(folder / f"vm-{suite}.lock", f"the disk image of Debian {suite}"):
        if path.exists():
            return path
        if missing := [package for package, tool in TOOLS.items() if not which(tool)]:
            engine.install(missing)
        if shutil.disk_usage(folder).free >> 20 < NEEDED_MIB:
            raise LabError(f"less than {NEEDED_MIB} MiB free in {folder}", "make space there, or set XDG_CACHE_HOME")
        with slow(f"making a disk image: Debian {suite} with its kernel (once, two minutes)"):
            for old in folder.glob(f"vm-{suite}-*"):  # another recipe's, or what a killed process left
                discard(old)
            _make(suite, path)
    return path


def remove_all() -> int:
    """Every image in the cache; how many there were."""
    count = len(list(cache().glob("vm-*.img")))
    discard(cache())
    return count


def _make(suite: str, path: Path) -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    with workshop(f"vm-{suite}-", path.parent) as folder:
        (folder / "root").mkdir()
        tar, new = folder / f"vm-{suite}.tar", folder / "disk"
        images.bootstrap(suite, tar, *OPTIONS, *HOOKS)
        with new.open("wb") as disk:
            disk.truncate(SIZE)
        parts = [tar, folder / "root", folder, new, f"{(SIZE - START) >> 10}k"]
        made = subprocess.run(
            ["fakeroot", str(HERE / "vm" / "disk"), *map(str, parts)],
            env={**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise LabError(f"no file system from Debian {suite}: {made.stderr.strip()}", "put that right, start again")
        with new.open("r+b") as disk:
            disk.write(boot_sectors((folder / "lab-boot.img").read_bytes(), (folder / "lab-core.img").read_bytes()))
        new.replace(path)


def boot_sectors(boot: bytes, core: bytes) -> bytes:
    """What comes before the partition: GRUB's first sector with a partition table of one entry, then its core."""
    entry = struct.pack("<B3sB3sII", 0x80, b"", 0x83, b"", START // 512, (SIZE - START) // 512)
    data = boot[:446] + entry.ljust(64, b"\0") + b"\x55\xaa" + core
    if len(data) > START:
        raise LabError("GRUB's core does not fit before the partition", "report it: its modules have grown")
    return data
