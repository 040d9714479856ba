"""Which file systems take a directory of root's for somebody else."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._filesystems import passing, unfit


@pytest.mark.parametrize("kind", "ext4 xfs btrfs zfs f2fs overlay tmpfs fuse.mergerfs fuse.glusterfs virtiofs".split())
def test_fit(kind: str) -> None:
    assert unfit(kind) == ""


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("nfs", "NFS (nfs): root may be nobody"),
        ("nfs4", "NFS (nfs4): root may be nobody"),
        ("cifs", "CIFS (cifs): it keeps no owners"),
        ("smb3", "CIFS (smb3)"),
        ("fuse.sshfs", "FUSE (fuse.sshfs): root and the engine may be shut out"),
        ("fuse", "FUSE (fuse)"),
        ("fuse.rclone", "FUSE (fuse.rclone)"),
        ("fuseblk", "NTFS and exFAT"),
        ("ntfs3", "NTFS (ntfs3)"),
        ("exfat", "exFAT (exfat)"),
        ("vfat", "FAT (vfat)"),
        ("9p", "a shared folder (9p)"),
        ("vboxsf", "a shared folder (vboxsf)"),
    ],
)
def test_unfit(kind: str, says: str) -> None:
    assert says in unfit(kind)


def test_unknown() -> None:
    assert unfit(None) == unfit("") == passing(None) == passing("ext4") == ""
    assert "next boot" in passing("overlay") and "next boot" in passing("tmpfs")
    assert "not known yet" in passing("autofs")
