# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What steps with a service of their own share: files to write, what is made on the host, certificates and units."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from .._packages import recorded
from .._text import problem
from ._base import Settings, file_of

DAY = 86400
CERT_LEFT, CA_LEFT = 90 * DAY, 180 * DAY
"""How long before their end certificates are made again."""


SIGNING = ("python3-cryptography", "python3-bcrypt", "python3-cffi-backend", "python3-six")
"""What makes certificates, with what it pulls in: of registry and gateway alike, so the record of each has those that
came in with the other, and the last one to go takes them out."""


class Write(TypedDict):
    """A file to write. A secret one has no content here, since plans are shown, but the name of its variable; `source`
    is a file of the role's."""

    path: str
    content: str
    secret: str
    source: str
    mode: str
    group: str


class Directory(TypedDict):
    path: str
    mode: str
    owner: str
    group: str


class Unit(TypedDict):
    """A unit, and the state that systemd is to bring it to."""

    name: str
    state: str
    enabled: bool


def write(path: str, content: str, secret: str = "", mode: str = "0644", group: str = "root") -> Write:
    return {"path": path, "content": content, "secret": secret, "source": "", "mode": mode, "group": group}


def shared(facts: Facts, other: str) -> list[str]:
    """What came in for certificates with the other role, by its record."""
    return [name for name in recorded(facts["records"].get(other) or {}) if name in SIGNING]


def parents(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(path.rpartition("/")[0] for path in paths))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def made(record: Mapping[str, Any]) -> dict[str, str]:
    """The digests of what was made, by path."""
    lines = [line.split("  ", 1) for line in record.get("made") or [] if isinstance(line, str) and "  " in line]
    return {path: digest for digest, path in lines}


def strange(facts: Facts, record: Mapping[str, Any], path: str, mode: str, group: str) -> bool:
    """Whether a file that is made on the host is not the one that the record knows, or not kept as it was."""
    seen = file_of(facts, path)
    gid = facts["groups"].get(group) if group != "root" else 0
    kept = (seen["mode"], seen["uid"], seen["gid"]) == (mode, 0, gid)
    return not (seen["exists"] and kept and seen["sha256"] == made(record).get(path))


def mistaken(values: Iterable[tuple[str, bool, str]]) -> list[Check]:
    """Of variables with what is wrong with each, and whether it is: those of which it is."""
    remedy = "correct it in the inventory; the role's README describes each"
    return [problem("variables", f"{name}: {why}", remedy) for name, bad, why in values if bad]


def texts(record: Mapping[str, Any], name: str) -> list[str]:
    """A list of the record's; a host's file may hold anything."""
    return [text for text in record.get(name) or [] if isinstance(text, str)]


def left(settings: Settings, record: Mapping[str, Any], which: str) -> float | None:
    """Seconds until a certificate ends, as the record has it; None where that is not known."""
    ends = record.get("ends")
    text = ends.get(which) if isinstance(ends, Mapping) else None
    try:
        end = datetime.strptime(str(text), "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return end.timestamp() - float(settings["now"])


def near(settings: Settings, record: Mapping[str, Any], which: str, least: float) -> bool:
    found = left(settings, record, which)
    return found is not None and found < least


def is_number(name: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def san(address: str) -> str:
    """An address as a certificate names it."""
    number = ":" in address or address.replace(".", "").isdigit()
    return f"{'IP' if number else 'DNS'}:{address}"
