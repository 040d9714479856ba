# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose archive a source is: what apt knows of it first, then its address, then its suite.

Never by a suite's name alone where the address or the key is somebody else's.

Each address and suite is judged by itself: a stanza may have Debian's release, its updates and its backports in one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

from ._apt import SOURCE_PARTS, places
from ._types import Apt, AptArchive, AptSource

ALIASES = ("stable", "oldstable", "oldoldstable")
# Debian's own servers and its mirrors by name, behind a cache (localhost:3142/deb.debian.org/debian) too.
_OFFICIAL = re.compile(
    r"(?:^|/)(?:(?:deb|httpredir|archive|snapshot|http(?:\.[a-z]{2})?|ftp(?:\d*\.[a-z]{2,3})?|[a-z-]+\.deb)\.debian\.org"
    r"|(?:http|cloudfront)\.debian\.net)(?::\d+)?(?:/archive)?/debian(?:/|$)"
)
_KEY = re.compile(r"(?:^|/)debian-archive-[\w.-]*$")  # of debian-archive-keyring
_NEUTRAL_KEY = re.compile(r"(?:^|/)debian[\w.-]*$|^/etc/apt/trusted\.gpg$")
_MAIN_FILES = ("/etc/apt/sources.list", f"{SOURCE_PARTS}/debian.sources", f"{SOURCE_PARTS}/debian.list")


class Place(NamedTuple):
    """A suite at an address, of an enabled source that is no disc."""

    source: AptSource
    uri: str
    suite: str


def binary_places(sources: Iterable[AptSource]) -> Iterator[Place]:
    """Where packages can be had. A disc is no such place: it lies in no drive when a role runs."""
    return (place for place in _places(sources) if "deb" in place.source["types"])


def _places(sources: Iterable[AptSource]) -> Iterator[Place]:
    for source in sources:
        if source["enabled"]:
            for uri, suite in places(source):
                if not is_disc(uri):
                    yield Place(source, uri, suite)


def is_disc(uri: str) -> bool:
    return uri.startswith("cdrom:")


@functools.lru_cache(maxsize=4096)
def address(uri: str) -> str:
    """What two spellings of one address have in common: no scheme, login, default port or slash at the end."""
    rest = re.sub(r"^(?:[a-z0-9]+\+)*[a-z0-9]+:/*", "", uri.strip(), flags=re.IGNORECASE)
    host, slash, path = rest.partition("/")
    host = re.sub(r":(?:80|443)$", "", host.rpartition("@")[2].lower())
    return (host + slash + re.sub(r"/{2,}", "/", path)).rstrip("/")


def is_read(apt: Apt, place: Place) -> bool:
    """Whether apt has read it before, so that its lists have what it says."""
    return _said(apt, place) is not None


def _said(apt: Apt, place: Place) -> AptArchive | None:
    return next((each for each in apt["archives"] if (each["uri"], each["suite"]) == (place.uri, place.suite)), None)


# -- Debian's -------------------------------------------------------------------------------------------------------


def debian_places(apt: Apt, codename: str | None) -> list[Place]:
    """Debian's own archive of a release, with its updates: not its security archive, which has few packages, not its
    backports. The best evidence counts alone; an archive without the release's main is none."""
    known = _siblings(apt, codename)
    found = [(place, _doubt(apt, place, codename, known)) for place in binary_places(apt["sources"])]
    mains = [doubt for place, doubt in found if doubt is not None and _has_main(place) and not _is_updates(place)]
    return [place for place, doubt in found if mains and doubt is not None and doubt <= min(mains)]


def has_component(apt: Apt, codename: str | None, component: str) -> bool:
    """Whether a component of Debian's archive of this release is among the sources."""
    places = debian_places(apt, codename)
    return any(component in place.source["components"] and not _is_updates(place) for place in places)


def is_signed_anew(apt: Apt, codename: str | None, component: str) -> bool:
    """Whether a component is of a mirror of this release that says another origin of itself, as aptly's do."""
    places = (place for place in binary_places(apt["sources"]) if component in place.source["components"])
    return any(said["codename"] == codename for said in (_said(apt, place) for place in places) if said)


def to_extend(apt: Apt, codename: str | None) -> list[Place]:
    """Where a component of Debian's archive is to be added: where its main comes from."""
    return [place for place in debian_places(apt, codename) if _has_main(place)]


def _has_main(place: Place) -> bool:
    return "main" in place.source["components"]


def _is_updates(place: Place) -> bool:
    return place.suite.endswith("-updates")


def _doubt(apt: Apt, place: Place, codename: str | None, known: Container[str]) -> int | None:
    """How much doubt there is that a place is Debian's, 0 for none; None where it is not."""
    said = _said(apt, place)
    if not codename:
        return None
    if said:  # apt knows
        return 0 if said["origin"] == "Debian" and said["codename"] in _suites(codename) else None
    if place.suite not in _suites(codename, *ALIASES) or "debian-security" in place.uri:
        return None
    where, key = address(place.uri), place.source["options"].get("Signed-By", "")
    if _OFFICIAL.search(where) or _KEY.search(key):
        return 1
    if where in known:
        return 2
    if key and not _NEUTRAL_KEY.search(key):
        return None
    named = bool(re.search(r"(?:^|/)debian(?:/|$)", where))
    own = place.source["file"] in _MAIN_FILES or bool({"contrib", "non-free"} & set(place.source["components"]))
    return 3 if named and own else 4 if named else 5 if own else None


def _suites(*names: str) -> list[str]:
    return [f"{name}{suffix}" for name in names for suffix in ("", "-updates")]


def _siblings(apt: Apt, codename: str | None) -> set[str]:
    """Addresses that have Debian's updates or backports, too, or lie beside its security archive: nobody else's has."""
    found: set[str] = set()
    for source in apt["sources"]:
        for uri, suite in places(source):
            release, _dash, part = suite.partition("-")
            if release not in (codename, *ALIASES):
                continue
            where = address(uri)
            if part in ("updates", "backports", "proposed-updates", "backports-sloppy"):
                found.add(where)
            elif part == "security" and where.endswith("/debian-security"):
                root = where[: -len("/debian-security")]
                found |= {root, f"{root}/debian"}
    return found


# -- anybody's ------------------------------------------------------------------------------------------------------


def serving(apt: Apt, where: Iterable[str], suite: str, ours: str, origin: str = "") -> list[Place]:
    """The user's places that serve a suite of one of these addresses, or of a mirror whose Release file names that
    origin; those of the file `ours` are not the user's. Not all have packages for a PC (has_packages), and apt compares
    the keys of all."""
    wanted = {address(uri) for uri in where}
    return [
        place
        for place in _places(apt["sources"])
        if place.source["file"] != ours and place.suite == suite
        if address(place.uri) in wanted or (origin and _origin(apt, place) == origin)
    ]


def _origin(apt: Apt, place: Place) -> str:
    said = _said(apt, place)
    return said["origin"] if said else ""


def has_packages(source: AptSource, component: str) -> bool:
    """Whether a source has packages of a component for a PC."""
    options = source["options"]
    only = options.get("Architectures", "").split()
    there = "deb" in source["types"] and component in source["components"]
    return there and (not only or "amd64" in only) and "amd64" not in options.get("Architectures-Remove", "").split()
