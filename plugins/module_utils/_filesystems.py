# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of file systems, and which of them can't take a directory that root makes and hands over to a user."""

from __future__ import annotations

_SQUASHED = "root may be nobody there, who can neither make directories nor hand them over"
_OWNERLESS = "it keeps no owners, so that nothing can be handed over to a user"
_FUSE = "root and the engine may be shut out of it, and it may keep no owners"
_SHARED = "the machine that shares it decides on owners, so that nothing can be handed over to a user"
# The kernel's name of a kind: what people call it, and why it is unfit.
_UNFIT: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("nfs", "nfs4"), ("NFS", _SQUASHED)),
    **dict.fromkeys(("afs", "coda"), ("a network's file system", _SQUASHED)),
    **dict.fromkeys(("cifs", "smb3", "smbfs"), ("CIFS", _OWNERLESS)),
    **dict.fromkeys(("vfat", "msdos", "umsdos"), ("FAT", _OWNERLESS)),
    "exfat": ("exFAT", _OWNERLESS),
    **dict.fromkeys(("ntfs", "ntfs3"), ("NTFS", _OWNERLESS)),
    "fuseblk": ("FUSE, as NTFS and exFAT are", _OWNERLESS),
    **dict.fromkeys(("9p", "vboxsf", "prl_fs", "vmhgfs", "fuse.vmhgfs-fuse"), ("a shared folder", _SHARED)),
}
# These pass root's rights and the owners on.
_FIT_FUSE = frozenset({"fuse.mergerfs", "fuse.glusterfs"})
_PASSING = frozenset({"tmpfs", "ramfs", "overlay", "aufs"})


def unfit(fstype: str | None) -> str:
    """What a file system is, and why root can't give a user a directory there; empty where it can, or where the kind is
    not known."""
    kind = fstype or ""
    if kind in _FIT_FUSE:
        return ""
    name, why = _UNFIT.get(kind) or (("FUSE", _FUSE) if kind == "fuse" or kind.startswith("fuse.") else ("", ""))
    return f"{name} ({kind}): {why}" if why else ""


def passing(fstype: str | None) -> str:
    """What is worth knowing of a file system that may be gone with the next boot, or is not mounted yet."""
    if fstype in _PASSING:
        return f"{fstype}: in memory, or in a live system, it is gone with the next boot"
    return "autofs: what will be mounted there is not known yet" if fstype == "autofs" else ""
