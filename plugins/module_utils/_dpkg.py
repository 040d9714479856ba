# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dpkg's database says, dpkg(1) and /var/lib/dpkg/status, read in one pass and without running dpkg."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ._sysfs import Tree
from ._types import Dpkg, Package

_STATUS = "/var/lib/dpkg/status"
_LIMIT = 64 << 20  # a desktop's is about 5 MiB
# States in which a package waits for somebody to finish it. (triggers-pending and triggers-awaited are ordinary.)
_UNFINISHED = frozenset(("half-installed", "half-configured", "unpacked"))


def gather_dpkg(tree: Tree, names: Sequence[str] = ()) -> Dpkg:
    """`{packages: {name: {installed, version, held}}, interrupted, broken: [names]}`; installed means fully."""
    packages: dict[str, Package] = {name: {"installed": False, "version": None, "held": False} for name in names}
    broken: list[str] = []
    data = tree.read_head(_STATUS, _LIMIT, lambda data: _concerned(data, packages))
    for stanza in (data or b"").decode("utf-8", "replace").split("\n\n"):
        words = _field(stanza, "Status").split()  # want, flag, status
        if len(words) != 3:
            continue
        name = _field(stanza, "Package")
        if _unfinished(words):
            broken.append(name)
        elif name in packages and words[2] == "installed":
            version = _field(stanza, "Version") or None
            packages[name] = {"installed": True, "version": version, "held": words[0] == "hold"}
        if name in packages and words[0] == "hold":  # of what is gone, or was never here, too
            packages[name]["held"] = True
    # dpkg journals a transaction in updates/ and empties it at its end.
    interrupted = bool(broken) or any(entry.isdigit() for entry in tree.listdir("/var/lib/dpkg/updates"))
    return {"packages": packages, "interrupted": interrupted, "broken": sorted(set(broken))}


def holds(status: str) -> list[str]:
    """Every package that dpkg's database has on hold, installed or not."""
    return [_field(part, "Package") for part in status.split("\n\n") if _field(part, "Status").startswith("hold ")]


def installed(status: str) -> set[str]:
    """Every package that dpkg's database has whole."""
    return {
        _field(part, "Package") for part in status.split("\n\n") if _field(part, "Status").endswith(" ok installed")
    }


def _unfinished(words: Sequence[str]) -> bool:
    return words[2] in _UNFINISHED or words[1] == "reinstreq"


def _concerned(data: bytes, names: Container[str]) -> bytes:
    """Of the database what a recording needs: these packages and the unfinished ones, without their descriptions."""
    kept = []
    for stanza in data.decode("utf-8", "replace").split("\n\n"):
        words = _field(stanza, "Status").split()
        if len(words) == 3 and (_field(stanza, "Package") in names or _unfinished(words)):
            fields = ("Package", "Status", "Architecture", "Version")
            kept.append("".join(f"{name}: {value}\n" for name in fields if (value := _field(stanza, name))))
    return "\n".join(kept).encode()


def _field(stanza: str, name: str) -> str:
    """One field of a stanza by plain search: a regular expression over megabytes would outlast all else."""
    start = 0 if stanza.startswith(f"{name}: ") else stanza.find(f"\n{name}: ") + 1
    if start == 0 and not stanza.startswith(f"{name}: "):
        return ""
    end = stanza.find("\n", start)
    return stanza[start + len(name) + 2 : end if end >= 0 else None].strip()
