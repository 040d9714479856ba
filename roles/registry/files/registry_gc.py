#!/usr/bin/python3
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete what the registry of the lab no longer needs.

Of each profile the newest images stay, and what a tag of ours no longer leads to goes. Above the limit the oldest
images go, but never the newest of a profile, then the oldest models. A mirror above its limit is emptied.

Needs Python 3.9 and its standard library; run as root on the registry's host. Installed by navilab.webui.registry.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

CONFIG = Path("/etc/navilab/registry")
LOCK = "/run/navilab-registry-gc.lock"
IMAGES, MODELS = "navilab/webui", "navilab/models"
OURS = "navilab/"
QUIET_S = 3600
"""What is younger may be of a push that is not finished."""
START_S = 30
MIB = 1 << 20
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MODEL = re.compile(r"[0-9a-f]{64}")


class Tag(NamedTuple):
    """A tag of a repository, the manifest that it leads to, and when it was put there."""

    repository: str
    name: str
    digest: str
    time: float

    @property
    def profile(self) -> str:
        return self.name.rpartition("-")[0]


class Store:
    """What is in a registry's directory, read without its help: docs.docker.com/registry/storage-drivers, layout v2."""

    def __init__(self, root: Path) -> None:
        self.blobs = root / "docker/registry/v2/blobs/sha256"
        self.repositories = root / "docker/registry/v2/repositories"

    def names(self) -> list[str]:
        found = self.repositories.glob("**/_manifests")
        return sorted(path.parent.relative_to(self.repositories).as_posix() for path in found)

    def tags(self, repository: str) -> list[Tag]:
        found = []
        for link in (self.repositories / repository).glob("_manifests/tags/*/current/link"):
            with contextlib.suppress(OSError):
                digest = link.read_text(encoding="ascii", errors="replace").strip()
                found.append(Tag(repository, link.parts[-3], digest, link.stat().st_mtime))
        return sorted(found)

    def manifests(self, repository: str) -> list[str]:
        links = (self.repositories / repository).glob("_manifests/revisions/sha256/*/link")
        return sorted(f"sha256:{link.parent.name}" for link in links)

    def size(self, digest: str) -> int:
        try:
            return self._blob(digest).stat().st_size
        except OSError:
            return 0

    def needs(self, digest: str) -> set[str]:
        """The blobs that a manifest leads to, itself among them; of an index those of its manifests, too."""
        found: set[str] = set()
        waiting = [digest]
        while waiting:
            each = waiting.pop()
            if each in found or not DIGEST.fullmatch(each):
                continue
            found.add(each)
            document = self._manifest(each)
            waiting += _digests(document.get("manifests"))
            found.update(_digests([document.get("config")]), _digests(document.get("layers")))
        return found

    def all_mib(self) -> int:
        return usage(self.repositories.parent) // MIB

    def is_quiet(self, now: float) -> bool:
        """Whether nothing came in lately, not even a part of an upload."""
        places = [*self.blobs.glob("*/*"), *self.repositories.glob("**/_uploads/*/*")]
        return all(now - _changed(path) > QUIET_S for path in places)

    def _blob(self, digest: str) -> Path:
        value = digest.partition(":")[2]
        return self.blobs / value[:2] / value / "data"

    def _manifest(self, digest: str) -> Mapping[str, Any]:
        """The JSON of a manifest; empty for any other blob."""
        if self.size(digest) > 4 * MIB:
            return {}
        try:
            document = json.loads(self._blob(digest).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


def _digests(entries: Any) -> list[str]:
    found = (
        [each.get("digest") for each in entries or [] if isinstance(each, dict)] if isinstance(entries, list) else []
    )
    return [digest for digest in found if isinstance(digest, str) and DIGEST.fullmatch(digest)]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def usage(directory: Path) -> int:
    """Bytes on disk below a directory."""
    total = 0
    for folder, _folders, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - thousands of them
    return total


# -- what goes ------------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """The tags that go, in their order, and the MiB that the rest needs."""

    gone: list[Tag]
    rest_mib: int


def choose(store: Store, keep: int, limit_mib: int) -> Choice:
    """Beyond `keep` a profile, then the oldest until the limit (MiB, 0 for none) is kept."""
    images, models = store.tags(IMAGES), [tag for tag in store.tags(MODELS) if MODEL.fullmatch(tag.name)]
    by_profile: dict[str, list[Tag]] = {}
    for tag in sorted(images, key=lambda tag: (tag.time, tag.name), reverse=True):
        by_profile.setdefault(tag.profile, []).append(tag)
    gone = [tag for tags in by_profile.values() for tag in tags[keep:]]
    older = sorted((tag for tags in by_profile.values() for tag in tags[1:keep]), key=lambda tag: (tag.time, tag.name))
    others = [tag for name in store.names() if name not in (IMAGES, MODELS) for tag in store.tags(name)]
    stays = [tag for tag in [*images, *models, *others] if tag not in gone]
    needs = {tag: store.needs(tag.digest) for tag in stays}
    for tag in [*older, *sorted(models, key=lambda tag: (tag.time, tag.name))]:
        if not limit_mib or _mib(store, needs.values()) <= limit_mib:
            break
        gone.append(tag)
        del needs[tag]
    return Choice(gone, _mib(store, needs.values()))


def _mib(store: Store, needs: Iterable[set[str]]) -> int:
    return sum(map(store.size, set().union(*needs))) // MIB


def doomed(store: Store, gone: Sequence[Tag]) -> dict[str, list[str]]:
    """The manifests to delete, by repository: those that no tag leads to any more. A manifest that a tag that stays
    leads to stays with all of its tags, as deleting one takes away the other."""
    found = {}
    for repository in store.names():
        if not repository.startswith(OURS):
            continue
        stays = [tag for tag in store.tags(repository) if tag not in gone]
        needed = set().union(*(store.needs(tag.digest) for tag in stays)) if stays else set()
        lost = [digest for digest in store.manifests(repository) if digest not in needed]
        if lost:
            found[repository] = lost
    return found


# -- the doing ------------------------------------------------------------------------------------------------------


def _systemctl(verb: str, instance: str) -> None:
    subprocess.run(["systemctl", verb, f"navilab-registry@{instance}.service"], check=True)


def delete(port: int, manifests: Mapping[str, Iterable[str]]) -> None:
    """By the registry's own API, which takes the tags away along with a manifest."""
    login = json.loads((CONFIG / "push/config.json").read_text(encoding="utf-8"))
    headers = {"Authorization": f"Basic {login['auths'][f'127.0.0.1:{port}']['auth']}"}
    for repository, digests in manifests.items():
        for digest in digests:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("DELETE", f"/v2/{repository}/manifests/{digest}", headers=headers)
                status = connection.getresponse().status
            finally:
                connection.close()
            if status not in (202, 404):
                raise OSError(f"deleting {repository}@{digest} gives {status}")


def _await(port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v2/")
            connection.getresponse()
            return
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def sweep(store: Store, quiet: bool) -> bool:
    """Delete the blobs that nothing leads to, while nothing can be pushed; whether it was done.

    Without --delete-untagged, which in 2.7 and 2.8 takes the manifests of a tagged index for untagged ones.
    """
    _systemctl("stop", "push")
    try:
        if quiet and not store.is_quiet(time.time()):
            return False
        command = ["docker-registry", "garbage-collect", str(CONFIG / "push.yml")]
        subprocess.run(["runuser", "-u", "docker-registry", "--", *command], check=True, stdout=subprocess.DEVNULL)
    finally:
        _systemctl("start", "push")
    return True


def empty(directory: Path) -> None:
    """Clear the mirror's cache while it is stopped."""
    _systemctl("stop", "mirror")
    try:
        subprocess.run(["find", str(directory), "-mindepth", "1", "-delete"], check=True)
    finally:
        _systemctl("start", "mirror")


@contextlib.contextmanager
def locked() -> Iterator[None]:
    with Path(LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def collect(settings: Mapping[str, Any], now: bool, room_mib: int, dry: bool) -> dict[str, Any]:
    """What was done, as data."""
    store, mirror = Store(Path(settings["store"])), settings["mirror"]
    before = store.all_mib()
    report: dict[str, Any] = {"deleted": [], "emptied": False, "busy": False, "freed_mib": 0, "over_mib": 0}
    limit = max(1, settings["max_mib"] - room_mib) if settings["max_mib"] else 0
    if not now and not store.is_quiet(time.time()):
        report["busy"] = True
    else:
        choice = choose(store, settings["keep"], limit)
        manifests = doomed(store, choice.gone)
        lost = {digest for digests in manifests.values() for digest in digests}
        report["deleted"] = [f"{tag.repository}:{tag.name}" for tag in choice.gone if tag.digest in lost]
        report["over_mib"] = max(0, choice.rest_mib - limit) if limit else 0
        if not dry:
            _systemctl("start", "push")
            _await(settings["push_port"])
            delete(settings["push_port"], manifests)
            report["busy"] = not sweep(store, not now)
            report["freed_mib"] = max(0, before - store.all_mib())
    if mirror and settings["mirror_max_mib"] and usage(Path(mirror)) // MIB > settings["mirror_max_mib"]:
        report["emptied"] = True
        if not dry:
            empty(Path(mirror))
    return report


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report for a person."""
    found = [f"deleted {name}" for name in report["deleted"]]
    found += ["something is being pushed, or was less than an hour ago: the rest waits"] if report["busy"] else []
    found += [f"freed {report['freed_mib']} MiB"] if report["freed_mib"] else []
    over = report["over_mib"]
    found += [f"the newest images alone are {over} MiB over the limit: raise registry_max_mib"] if over else []
    found += ["emptied the mirror, which was over its limit"] if report["emptied"] else []
    return found or ["nothing to delete"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--now", action="store_true", help="also where something came in less than an hour ago")
    parser.add_argument("--room", type=int, default=0, metavar="MIB", help="make so much room below the limit")
    parser.add_argument("--dry-run", action="store_true", help="tell only what would go")
    parser.add_argument("--json", action="store_true", help="tell it as JSON")
    arguments = parser.parse_args()
    # So that what was stopped is started again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        settings = json.loads((CONFIG / "gc.json").read_text(encoding="utf-8"))
        with locked():
            report = collect(settings, arguments.now, arguments.room, arguments.dry_run)
    except (OSError, ValueError, KeyError, subprocess.SubprocessError, http.client.HTTPException) as error:
        print(f"navilab-registry-gc: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report) if arguments.json else "\n".join(lines(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
