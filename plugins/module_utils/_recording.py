# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's recording: what its facts were read from, in one small archive without personal details.

The archive has recording.json (see Manifest of _sysfs.py) and below root/ each file that was read, as far as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pwd
import re
import stat
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ._gateway import KNOWN
from ._gather import gather
from ._scrub import Scrubber
from ._sysfs import FORMAT, MANIFEST

MAX_PACKED = 256 * 1024  # bytes of the archive
_PARTS = (1 << 20, 64 << 10, 16 << 10, 4 << 10, 1 << 10)  # bytes of a file, the first with which all fits
_WHOLE = ("uid", "gid", "size", "mtime", "ctime", "dev", "ino", "rdev")
_KERNELS = ("/sys/", "/proc/")  # of whose files the content alone counts
_FIRST_PERSON = 1000  # no last one: those of a directory have any number
_PACKAGES = range(60000, 65536)  # by Debian's policy the accounts of packages: their homes and names are words of paths
_GROUP_OF = re.compile(r"group of (\d+)")
_SERIALS = "product_serial board_serial chassis_serial product_uuid chassis_asset_tag board_asset_tag".split()
_BEFORE_COMMENT = re.compile(r"(?:\[[^\]]*\]|[^#])*")  # as in sources.list(5)
_UNIT = re.compile(r"(?:/etc|/run|/usr/lib|/lib|/usr/local/lib)/systemd/.*")
_ENVIRONMENT_FILE = re.compile(r"/etc/(?:default|sysconfig)/.*|/etc/environment|.*\.env")
_ASSIGNMENT = re.compile(r"\"(\w+)=([^\"]*)\"|'(\w+)=([^']*)'|(\w+)=(\"[^\"]*\"|'[^']*'|\S*)", re.ASCII)
_PLAIN_VARIABLE = re.compile(r".*_proxy|DOCKER.*|PATH|LANG|LC_\w+", re.IGNORECASE)


class Archive(NamedTuple):
    """The packed recording; what is in it, as path and bytes; the questions whose answers it has; what was replaced, by
    kind; files that had to be cut."""

    data: bytes
    files: list[tuple[str, int]]
    answers: list[str]
    replaced: dict[str, int]
    cut: list[str]


class Collector:
    """Takes note of all that is read: a Recorder of _sysfs.py."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.stats: dict[str, os.stat_result] = {}
        self.listings: dict[str, list[str]] = {}
        self.errors: dict[str, int] = {}
        self.answers: dict[str, Any] = {}
        self.digests: dict[str, bytes] = {}

    def file(self, path: str, data: bytes) -> None:
        if len(data) >= len(self.files.get(path, b"")):
            self.files[path] = data

    def link(self, path: str, target: str) -> None:
        self.links[path] = target

    def stat(self, path: str, seen: os.stat_result) -> None:
        self.stats[path] = seen

    def listing(self, path: str, names: list[str]) -> None:
        self.listings[path] = names

    def error(self, path: str, number: int) -> None:
        self.errors[path] = number

    def answer(self, question: str, answer: Any) -> None:
        self.answers[question] = json.loads(json.dumps(answer))

    def digest(self, question: str, data: bytes) -> None:
        self.digests[question] = data


def record(settings: Mapping[str, Any], names: Mapping[str, Iterable[str]], wants: Mapping[str, Any]) -> Archive:
    """Gather this host's facts, and pack what was read for it. `settings` are the variables that it is judged under,
    `names` those that the controller knows it by, of a kind that Scrubber.know() takes."""
    collector, scrubber = Collector(), Scrubber()
    gather(recorder=collector, **{**wants, "root": "/"})
    scrubber.keep(wants.get("packages", ()))
    for kind, known in [*names.items(), *names_of_host().items()]:
        scrubber.know(kind, known)
    return pack(collector, scrubber, settings)


# -- whose details these are -----------------------------------------------------------------------------------------


def names_of_host(root: str = "/") -> dict[str, list[str]]:
    """What this host and its people are called."""

    def words(path: str) -> list[str]:
        return [word for line in _lines(Path(root, path)) for word in line.split()]

    found: dict[str, list[str]] = {"host": [], "domain": [], "user": [], "name": [], "serial": []}
    full = [os.uname().nodename, *words("etc/hostname"), *words("etc/mailname")]
    for line in _lines(Path(root, "etc/hosts")):
        full += [name for name in line.split()[1:] if not name.startswith("ip6-")]
    for name in full:
        host, _dot, domain = name.partition(".")
        found["host"].append(host)
        found["domain"].append(domain)
    for line in _lines(Path(root, "etc/resolv.conf")):
        if line.startswith(("search", "domain")):
            found["domain"] += line.split()[1:]
    for entry in pwd.getpwall():
        if entry.pw_uid >= _FIRST_PERSON or entry.pw_dir.startswith("/home/"):
            found["user"] += _called(entry.pw_name)
            if entry.pw_uid in _PACKAGES:
                continue
            person = entry.pw_gecos.split(",")[0]
            found["user"].append(_last(entry.pw_dir))
            found["name"] += [person, *(word for word in re.split(r"\W+", person) if len(word) > 2)]
    found["user"] += [os.environ.get(name, "") for name in ("SUDO_USER", "USER", "LOGNAME")]
    found["serial"] += [word for name in _SERIALS for word in words(f"sys/class/dmi/id/{name}") if len(word) > 4]
    found["serial"] += words("etc/machine-id")
    return found


def _called(account: str) -> list[str]:
    """An account's name, and its parts where a directory has ``alice@corp.example`` or ``CORP\\alice``."""
    return [account, *re.split(r"[@\\]", account)]


def _last(directory: str) -> str:
    return directory.rstrip("/").rpartition("/")[2]


def _names_of_answers(answers: Mapping[str, Any]) -> dict[str, list[str]]:
    """Whom the answers are about: no list of a directory's people has to be had for them."""
    found: dict[str, list[str]] = {"user": [], "group": []}
    for question, answer in answers.items():
        kind, _space, name = question.partition(" ")
        if kind == "user" and isinstance(answer, dict):
            found["user"] += [*_called(name), _last(str(answer.get("home", "")))]
        elif kind == "group" and isinstance(answer, int) and answer >= _FIRST_PERSON:
            found["group"] += _called(name)
        elif (match := _GROUP_OF.fullmatch(question)) and isinstance(answer, str) and int(match[1]) >= _FIRST_PERSON:
            found["group"] += _called(answer)
    return found


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            text = stream.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return []
    return [plain for line in text.splitlines() if (plain := line.partition("#")[0].strip())]


# -- the archive -----------------------------------------------------------------------------------------------------


def pack(collector: Collector, scrubber: Scrubber, settings: Mapping[str, Any]) -> Archive:
    """The archive, with a part of the largest files alone where it would get too large."""
    texts = {path: data.decode("utf-8", "surrogateescape") for path, data in collector.files.items()}
    told = json.dumps([collector.answers, settings], ensure_ascii=False)
    for kind, names in _names_of_answers(collector.answers).items():
        scrubber.know(kind, names)
    for text in [*texts.values(), *collector.links.values(), *collector.files, *collector.stats, told]:
        scrubber.learn(text)
    files = {_path(scrubber, path): _content(scrubber, path, text) for path, text in sorted(texts.items())}
    links = {_path(scrubber, path): scrubber.text(target) for path, target in sorted(collector.links.items())}
    manifest = json.dumps(
        {
            "format": FORMAT,
            "settings": scrubber.value(dict(settings)),
            "answers": _answers(collector, scrubber),
            "stat": _stat(collector, scrubber, files, links),
            "errors": {_path(scrubber, path): number for path, number in sorted(collector.errors.items())},
            "listed": _listed(collector, scrubber, {*files, *links}),
        },
        ensure_ascii=False,
        indent=1,
    ).encode("utf-8", "replace")
    for limit in _PARTS:
        data = _tar(manifest, {path: content[:limit] for path, content in files.items()}, links)
        if len(data) < MAX_PACKED:
            break
    sizes = [(MANIFEST, len(manifest)), *((f"root{path}", min(len(files[path]), limit)) for path in sorted(files))]
    cut = [f"root{path}" for path in sorted(files) if len(files[path]) > limit]
    return Archive(data, sizes, sorted(json.loads(manifest)["answers"]), dict(scrubber.counts), cut)


def _path(scrubber: Scrubber, path: str) -> str:
    return scrubber.text(path, names=not path.startswith(_KERNELS))


def _content(scrubber: Scrubber, path: str, text: str) -> bytes:
    if not (path.startswith("/sys/") and "\0" in text):  # registers of a device
        text = scrubber.text(_plain(scrubber, path, text), names=not path.startswith("/sys/"))
    return text.encode("utf-8", "surrogateescape")


def _plain(scrubber: Scrubber, path: str, text: str) -> str:
    """A file of /etc without what people write beside its settings, and without variables that are none of dockerd's.
    Its lines keep their numbers."""
    if _UNIT.fullmatch(path):
        return "\n".join(_unit_line(scrubber, line) for line in text.split("\n"))
    if not path.startswith("/etc/") or path.endswith(".json"):
        return text
    lines = ["#" if line.lstrip().startswith("#") else line for line in text.split("\n")]
    if path.endswith(".list") or path == "/etc/fstab":
        lines = [_BEFORE_COMMENT.match(line)[0] for line in lines]  # type: ignore[index]  # it matches all
    if _ENVIRONMENT_FILE.fullmatch(path):
        lines = [_variables(scrubber, line) for line in lines]
    return "\n".join(lines)


def _unit_line(scrubber: Scrubber, line: str) -> str:
    if line.lstrip().startswith(("#", ";")):
        return "#"
    key, equals, value = line.partition("=")
    return f"{key}={_variables(scrubber, value)}" if equals and key.strip() == "Environment" else line


def _variables(scrubber: Scrubber, text: str) -> str:
    """Assignments, with a word in place of a value that is somebody's own."""

    def one(match: re.Match[str]) -> str:
        name, value = next((match[n], match[n + 1]) for n in (1, 3, 5) if match[n] is not None)
        if not value or _PLAIN_VARIABLE.fullmatch(name) or value.strip("\"'").startswith("-"):
            return match[0]
        return match[0].replace(value, str(scrubber.value(value, "secret")))

    return _ASSIGNMENT.sub(one, text)


def _answers(collector: Collector, scrubber: Scrubber) -> dict[str, Any]:
    found = {**collector.answers}
    for question, data in collector.digests.items():
        with suppress(UnicodeDecodeError):
            # Of a text with personal details, the digest of the one without them: nobody can try what they are.
            data = scrubber.text(data.decode("utf-8")).encode()
        # What proves the gateway's login would let a guess at its password be tried.
        found[question] = None if question == f"sha256 {KNOWN}" else hashlib.sha256(data).hexdigest()
    return {scrubber.text(question): scrubber.value(answer) for question, answer in sorted(found.items())}


def _stat(
    collector: Collector, scrubber: Scrubber, files: Mapping[str, bytes], links: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for path, seen in sorted(collector.stats.items()):
        name = _path(scrubber, path)
        if not path.startswith(_KERNELS):
            found[name] = {"mode": seen.st_mode, **{key: getattr(seen, f"st_{key}") for key in _WHOLE}}
        elif name not in files and name not in links:
            found[name] = {"mode": seen.st_mode}
    for path in collector.files:  # that one can be read without having been looked up
        if not path.startswith(_KERNELS) and path not in collector.stats:
            found.setdefault(_path(scrubber, path), {"mode": stat.S_IFREG | 0o644, "size": len(collector.files[path])})
    return found


def _listed(collector: Collector, scrubber: Scrubber, known: set[str]) -> dict[str, list[str]]:
    """The names in each directory that are not in the archive by themselves."""
    there = {"/".join(parts[:end]) for path in known for parts in [path.split("/")] for end in range(2, len(parts) + 1)}
    found: dict[str, list[str]] = {}
    for folder, names in sorted(collector.listings.items()):
        base = _path(scrubber, folder)
        paths = (_path(scrubber, f"{folder.rstrip('/')}/{name}") for name in names)
        found[base] = [path.rpartition("/")[2] for path in paths if path not in there]
    return found


def _tar(manifest: bytes, files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        entries = [(MANIFEST, manifest, ""), *((f"root{path}", content, "") for path, content in files.items())]
        entries += [(f"root{path}", b"", target) for path, target in links.items()]
        for name, content, target in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.linkname = len(content), target
            entry.type = tarfile.SYMTYPE if target else tarfile.REGTYPE
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
