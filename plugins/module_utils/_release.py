# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Debian a host is or is made of: os-release(5), and the files by which Debian's relatives can be told.

Sources: base-files of Debian and of each relative, as of 2026; https://www.devuan.org/os/releases,
https://www.linuxmint.com/download_lmde.php, https://pureos.net.
"""

from __future__ import annotations

import re

from ._sysfs import WORD, Tree
from ._types import ReleaseFacts

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
DEBIANS = {"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky", "15": "duke"}
"""Debian's releases by their number."""
SUPPORTED = ("11", "12", "13")
_NUMBERS = {codename: number for number, codename in DEBIANS.items()}
# Codenames of relatives that name their Debian nowhere else, or not in each of their releases.
_MADE_OF = {
    "chimaera": "bullseye", "daedalus": "bookworm", "excalibur": "trixie",  # Devuan
    "elsie": "bullseye", "faye": "bookworm", "gigi": "trixie",  # LMDE
    "byzantium": "bullseye", "crimson": "bookworm",  # PureOS
}  # fmt: skip
# Files that tell a relative whose os-release may be Debian's own; MX has antiX's too.
_MARKS = (
    ("/etc/mx-version", "mx"),
    ("/etc/antix-version", "antix"),
    ("/etc/devuan_version", "devuan"),
    ("/etc/armbian-release", "armbian"),
    ("/etc/rpi-issue", "raspbian"),
    ("/usr/bin/midclt", "truenas"),
    ("/usr/bin/pveversion", "proxmox"),
    ("/etc/pve", "proxmox"),
    ("/var/lib/dpkg/info/proxmox-ve.list", "proxmox"),
    ("/var/lib/dpkg/info/pve-manager.list", "proxmox"),
)
# ID and ID_LIKE of os-release, and the first word of NAME where ID is debian.
_IDS = {
    "linuxmint": "lmde", "lmde": "lmde", "mx": "mx", "mxlinux": "mx", "antix": "antix", "devuan": "devuan",
    "armbian": "armbian", "raspbian": "raspbian", "kali": "kali", "parrot": "parrot", "pureos": "pureos",
    "deepin": "deepin", "uos": "deepin",
}  # fmt: skip
OTHER = "other"
_NO_BASE = ("ubuntu", "kali", "deepin")  # none of Debian's releases, whatever /etc/debian_version says there
_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'([^\']*)\'|([^\s"\'#]\S*)', re.DOTALL)
_CODENAME = re.compile(r"[a-z]{3,20}", re.ASCII)


def parse(text: str) -> dict[str, str]:
    """Fields of os-release(5): shell assignments without expansion; of two alike the last one counts, as in a shell."""
    fields: dict[str, str] = {}
    for line in text.lstrip("\ufeff").split("\n"):
        match = _LINE.fullmatch(line.rstrip())
        if match:
            fields[match.group(1)] = _printable(_unquoted(match.group(2).strip()))
    return fields


def _unquoted(value: str) -> str:
    match = _QUOTED.match(value)
    if not match:  # empty, or a quote that nobody closed
        return value.strip("\"'") if value[:1] in ("'", '"') else ""
    double, single, plain = match.groups()
    if single is not None:
        return single
    return re.sub(r'\\([$"`\\\'])', r"\1", double if double is not None else plain)


def _printable(text: str) -> str:
    """As Tree.read_word: a name on one line, of a length that a table bears."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:WORD]).strip()


def gather_release(tree: Tree) -> ReleaseFacts:
    """os-release(5) of the host, and the release of Debian beneath it."""
    fields = parse(tree.read_text(OS_RELEASE[0]) or tree.read_text(OS_RELEASE[1]) or "")
    neighbour = _neighbour(tree, fields)
    codename = _debian_codename(tree, fields, neighbour)
    return {
        "id": fields.get("ID") or None,
        "version_id": fields.get("VERSION_ID") or None,
        "codename": fields.get("VERSION_CODENAME") or None,
        "pretty_name": fields.get("PRETTY_NAME") or fields.get("NAME") or None,
        "debian_codename": codename,
        "debian_version": _NUMBERS.get(codename or ""),
        "neighbour": neighbour,
    }


def _neighbour(tree: Tree, fields: dict[str, str]) -> str | None:
    """Which of Debian's relatives this is; None for Debian itself, and for what is none of them."""
    ids = [name.lower() for name in [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()] if name]
    if "ubuntu" in ids or fields.get("UBUNTU_CODENAME"):
        return "ubuntu"
    mark = next((name for path, name in _MARKS if tree.exists(path)), None) or _kernel_mark(tree)
    if mark:
        return mark
    known = next((_IDS[name] for name in ids if name in _IDS), None)
    if known:
        return known
    name = fields.get("NAME") or "Debian"
    if ids[:1] == ["debian"] and (name.startswith("Debian") or _is_release(fields)):
        return None
    return _IDS.get(name.split()[0].lower(), OTHER) if "debian" in ids else None


def _kernel_mark(tree: Tree) -> str | None:
    """Who built the kernel, where it is the host's own: a container sees its host's."""
    if tree.exists("/run/systemd/container"):
        return None
    release = tree.read_word("/proc/sys/kernel/osrelease") or ""
    return "proxmox" if release.endswith("-pve") else "truenas" if release.endswith("+truenas") else None


def _is_release(fields: dict[str, str]) -> bool:
    """Whether number and codename are those of one release of Debian."""
    return DEBIANS.get(fields.get("VERSION_ID", ""), "") == fields.get("VERSION_CODENAME")


def _debian_codename(tree: Tree, fields: dict[str, str], neighbour: str | None) -> str | None:
    """Codename of the Debian that the host is or is made of, from the first that tells it."""
    is_debian = fields.get("ID", "").lower() == "debian"
    if neighbour in _NO_BASE or not (is_debian or neighbour):
        return None
    own = fields.get("VERSION_CODENAME", "").lower()
    base = fields.get("DEBIAN_CODENAME", "").lower()
    if neighbour is None and _CODENAME.fullmatch(own):
        return own  # sid's is that of testing
    if _CODENAME.fullmatch(base):
        return base
    return (
        (own if own in _NUMBERS else _MADE_OF.get(own))
        or _numbered(fields.get("DEBIAN_VERSION_FULL", ""))
        or (_numbered(fields.get("VERSION_ID", "")) if neighbour is None else None)
        or _numbered(tree.read_word("/etc/debian_version") or "")
    )


def _numbered(version: str) -> str | None:
    """`12.7` and `bookworm/sid`, which /etc/debian_version says before a release."""
    word = re.split(r"[./]", version.strip().lower())[0]
    return DEBIANS.get(word) or (word if word in _NUMBERS else None)
