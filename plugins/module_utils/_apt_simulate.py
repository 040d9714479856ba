# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt would do, asked of apt-get --simulate with an apt of its own directory of lists.

Nothing of the host's apt is written: what has to be read anew goes into a directory of this process, where the host's
lists are links, and which is gone when the process ends, unless it is kept for the installation that follows at once.

All archives are read anew: a source that has broken since would stop the role in the middle. That is 1 to 2.5 s of a
first run with Debian's mirrors, and of no other, since nothing is asked where nothing comes in.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ._apt import SourceError, list_name, parse_sources, places
from ._dpkg import holds, installed
from ._files import make
from ._sysfs import UNKNOWN
from ._types import AptAnswer, AptQuestion, AptSource, SourceFile

TIME_S = 60.0  # for all of a question
_UPDATE_S = 40.0  # of it for reading archives anew
FRESH_S = 120.0  # lists that were read so lately, as by an earlier role of this run, are not read anew
_LEFT_S = 3600.0  # no installation reads them for so long
CACHE_BYTES = 256 << 20
"""Room for what apt makes of all lists, and of them with dpkg's database: 37 MB each for Debian 12 alone."""
_TEXT = 600  # characters of what apt says
# What apt's own configuration says of places; apt-config tells them, in this order.
_PLACES = {
    "lists": "Dir::State::lists/d", "parts": "Dir::Etc::sourceparts/d", "main": "Dir::Etc::sourcelist/f",
    "preferences": "Dir::Etc::preferencesparts/d", "status": "Dir::State::status/f",
    "cache": "Dir::Cache::srcpkgcache/f",
}  # fmt: skip
# After the host's own configuration: no hooks, no lock, no log, no waiting for what does not answer, no descriptions.
_CONFIG = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Debug::NoLocking "1";
APT::Get::List-Cleanup "0";
Acquire::Languages "none";
APT::Color "0";
Dir::Log::Planner "/dev/null";
#clear Dir::Log::Solver;
Acquire::Retries "0";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
"""
_LINE = re.compile(r"(Inst|Remv|Purg) (\S+?)(?::\S+)?( \[[^\]]*\])?(?: |$)")
_MISSING = re.compile(
    r"E: (?:Unable to locate package (\S+)"
    r"|Package '?([^\s']+)'? has no installation candidate"
    r"|Couldn't find any package by (?:glob|regex|task) '([^']+)'"
    r"|Version '[^']*' for '([^']+)' was not found"
    r"|Release '[^']*' for '([^']+)' was not found)"
)
_IN_THE_WAY = re.compile(r"(?:^|; )([a-z0-9][a-z0-9+.-]+)(?::\w+)? : (?:Conflicts|Breaks): ([a-z0-9][a-z0-9+.-]+)")
_FAILED_URL = re.compile(r"Failed to fetch ([a-z0-9+]+:/*[^/\s]*)")


class Said(NamedTuple):
    """What a command said; code is None where it did not end in its time."""

    code: int | None
    out: str
    err: str


class Lists(NamedTuple):
    """Lists that are up to date: where, what apt refused on the way, and the servers that could not be reached."""

    directory: str
    error: str
    unreachable: list[str]
    unread: bool

    @property
    def complete(self) -> bool:
        """Whether all was read that should be."""
        return not (self.error or self.unreachable or self.unread)


def simulate(question: AptQuestion, parent: str = "") -> AptAnswer:
    """The answer of this host's apt, with a box in that directory. Changes nothing."""
    try:
        return _simulate(question, box_in(parent), time.monotonic() + TIME_S)
    except FileNotFoundError as error:
        return {**nothing(), "error": f"{error.filename or 'apt-get'} is missing"}
    except (OSError, ValueError, subprocess.SubprocessError):  # no room for it: that is no word of apt's
        return {**nothing(), "error": UNKNOWN}


def nothing() -> AptAnswer:
    """The answer to what can be done as it was asked."""
    return {"removed": [], "held": [], "missing": [], "changed": [], "error": ""}


def _simulate(question: AptQuestion, box: Box, end: float) -> AptAnswer:
    host = _host()
    overlay = box.overlay(host, question["sources"])
    lists = box.lists(host, question["sources"], end)
    own = lists.directory == host["lists"].rstrip("/")
    caches = box.caches() if not own else {"srcpkgcache": box.theirs(host["cache"]), "pkgcache": ""}
    options = [*overlay, "-o", f"Dir::State::lists={lists.directory}/", *_options(caches)]
    said = _apt_get(box, ["--simulate", *options], question["install"], end)
    if said.code and "Unmet dependencies" in said.err:  # an interrupted run left them; the role has them mended first
        mended = _apt_get(box, ["--simulate", "--fix-broken", *options], [], end)
        more = [match[2] for line in mended.out.splitlines() if (match := _LINE.match(line)) and match[1] == "Inst"]
        said = _apt_get(box, ["--simulate", *options], [*question["install"], *more], end) if more else said
    if said.code is None:
        return {**nothing(), "error": UNKNOWN}
    status = Path(host["status"]).read_text("utf-8", "replace")
    answer = read_answer(said, [name.partition("=")[0] for name in question["install"]], status)
    if lists.unread and answer["missing"]:  # the archive may have them; nobody knows
        answer = {**answer, "missing": [], "error": answer["error"] or UNKNOWN}
    if lists.unreachable and not answer["error"] and _needs(lists, answer, box, options, question["install"], end):
        answer = {**answer, "missing": [], "error": f"can't be reached: {', '.join(lists.unreachable)}"}
    return {**answer, "error": clean_text([lists.error, answer["error"]])}


def _needs(lists: Lists, answer: AptAnswer, box: Box, options: list[str], install: list[str], end: float) -> bool:
    """Whether something would have to come from a server that could not be reached."""
    if answer["missing"]:
        return True
    said = _apt_get(box, ["--print-uris", "--yes", *options], install, end)
    wanted = re.findall(r"^'([a-z0-9+]+:/*[^/']*)", said.out, re.MULTILINE)
    return any(_plain(uri) in map(_plain, lists.unreachable) for uri in wanted)


def _plain(uri: str) -> str:
    return re.sub(r"://?/?", "/", uri).rstrip("/")


def read_answer(said: Said, asked: Iterable[str], status: str) -> AptAnswer:
    """What a simulation's output comes to, on a host whose dpkg has this database."""
    names, hold = set(asked), set(holds(status))
    steps = [match.groups() for line in said.out.splitlines() if (match := _LINE.match(line))]
    missing = [next(filter(None, groups)) for groups in _MISSING.findall(said.err)]
    answer: AptAnswer = {
        "removed": sorted({name for step, name, _version in steps if step != "Inst"}),  # Purg by APT::Get::Purge
        "held": sorted({name for _step, name, _version in steps} & hold),
        "missing": list(dict.fromkeys(name.partition(":")[0] for name in missing)),
        "changed": sorted({name for step, name, version in steps if step == "Inst" and version and name not in names}),
        "error": "",
    }
    if said.code and not missing:
        unmet = _unmet(said.out)
        answer["error"] = clean_text([*_errors(said.err), *unmet]) or f"apt-get ends with {said.code}"
        # Apt finds no way, and leaves it to us to say what would have to go: what is here and in conflict.
        pairs = {name for line in unmet for pair in _IN_THE_WAY.findall(line) for name in pair} - names
        answer["removed"] = sorted(pairs & installed(status))
        answer["held"] = sorted(hold & {word for line in unmet for word in re.findall(r"[a-z0-9][a-z0-9+.-]+", line)})
    return answer


def _errors(text: str) -> list[str]:
    """Lines that begin with E:, with those that go on after them."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        inside = line.startswith("E: ") or (inside and line.startswith(" "))
        if inside:
            found.append(line.partition("E: ")[2] if line.startswith("E: ") else line.strip())
    return found


def _unmet(text: str) -> list[str]:
    """What follows `The following packages have unmet dependencies:`."""
    _before, _head, rest = text.partition("have unmet dependencies:\n")
    lines = []
    for line in rest.splitlines():
        if not line.startswith(" "):
            break
        lines.append(" ".join(line.split()))
    return lines


def clean_text(lines: Iterable[str]) -> str:
    """What apt says, on one line, without the login of an address."""
    text = "; ".join(dict.fromkeys(line.strip() for line in lines if line.strip()))
    text = re.sub(r"://[^/\s]*@", "://", "".join(char if char.isprintable() else " " for char in text))
    return text if len(text) <= _TEXT else text[: _TEXT - 3] + "..."


# -- running apt ------------------------------------------------------------------------------------------------------


def _run(command: Sequence[str], end: float, **more: str) -> Said:
    # LANGUAGE would win over any locale but C itself.
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "", "DEBIAN_FRONTEND": "noninteractive", **more}
    left = max(end - time.monotonic(), 0.0)
    # A session of its own, so that the methods that it starts end with it.
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
        list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        text=True, encoding="utf-8", errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.communicate()
            return Said(None, "", "")
    return Said(process.returncode, out, err)


def _apt_get(box: Box, options: Sequence[str], install: Sequence[str], end: float) -> Said:
    return _run(["apt-get", *options, "-c", box.config, "--no-install-recommends", "install", "--", *install], end)


@functools.lru_cache(maxsize=1)
def _host() -> dict[str, str]:
    """Where this host's apt has its files."""
    names = [word for name, key in _PLACES.items() for word in (name, key)]
    said = _run(["apt-config", "shell", *names], time.monotonic() + 10)
    found = dict(re.findall(r"^(\w+)='([^']*)'$", said.out, re.MULTILINE))
    if set(found) != set(_PLACES):
        raise ValueError("apt-config does not tell where apt has its files")
    return found


def _options(caches: Mapping[str, str]) -> list[str]:
    return [word for name, path in caches.items() for word in ("-o", f"Dir::Cache::{name}={path}")]


def _drop(path: Path, parent: Path | None) -> None:
    shutil.rmtree(path, ignore_errors=True)
    if parent:
        with contextlib.suppress(OSError):  # something is kept there
            parent.rmdir()


class Box:
    """A directory of this process for one apt beside the host's; in `parent`, where it may be kept."""

    def __init__(self, parent: Path | None = None) -> None:
        if parent:
            make(str(parent))
            for other in parent.iterdir():  # what runs have left that were cut off
                with contextlib.suppress(OSError):  # another run takes it away
                    if time.time() - other.stat().st_mtime > _LEFT_S:
                        shutil.rmtree(other)
        self.path = Path(tempfile.mkdtemp(prefix="navilab-apt-", dir=parent))
        self._end = weakref.finalize(self, _drop, self.path, parent)
        self.path.chmod(0o755)  # apt fetches as another user
        self.config = str(self.path / "apt.conf")
        Path(self.config).write_text(_CONFIG)
        # Where they can't be written apt fails; without them it only takes longer.
        self._room = shutil.disk_usage(self.path).free > CACHE_BYTES
        self._read: dict[frozenset[tuple[str, str]], Lists] = {}

    def keep(self) -> str:
        """A configuration with our lists in the place of the host's, which stay now; "" where these are the host's, or
        where not all could be read: the role tries again then, without our limit of time."""
        try:
            return self._keep() if all(read.complete for read in self._read.values()) else ""
        except OSError:  # no room
            return ""

    def _keep(self) -> str:
        lists = self.path / "lists"
        if not lists.is_dir():
            return ""
        kept = self.path / "install.conf"
        theirs = os.environ.get("APT_CONFIG")
        lines = [f'#include "{theirs}";'] if theirs else []
        lines += [f'Dir::State::lists "{lists}/";']
        lines += [f'Dir::Cache::{name} "{path}";' for name, path in self.caches().items()]
        kept.write_text("\n".join([*lines, ""]))
        said = _run(["apt-config", "shell", "lists", _PLACES["lists"]], time.monotonic() + 10, APT_CONFIG=str(kept))
        if f"'{lists}/'" not in said.out:  # the host's own configuration comes after it
            return ""
        self._end.detach()
        return str(kept)

    def caches(self) -> dict[str, str]:
        """What apt makes of our lists; apt itself sees whether it is still of them. Empty where there is no room."""
        return {name: str(self.path / f"{name}.bin") if self._room else "" for name in ("srcpkgcache", "pkgcache")}

    def overlay(self, host: dict[str, str], files: Sequence[SourceFile]) -> list[str]:
        """Options by which apt takes the host's sources and preferences with the intended files among them."""
        options = []
        for kind, option in (("parts", "Dir::Etc::sourceparts"), ("preferences", "Dir::Etc::preferencesparts")):
            mine = [file for file in files if (Path(file["path"]).parent.name == "preferences.d") == (kind != "parts")]
            if mine:
                options += ["-o", f"{option}={self._folder(kind, host[kind], mine)}/"]
        return options

    def _folder(self, kind: str, theirs: str, files: Sequence[SourceFile]) -> Path:
        """The host's folder by links, with these files in it."""
        text = repr([(file["path"], file["content"]) for file in files])
        folder = self.path / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if folder.is_dir():
            return folder
        _make(folder)
        ours = {Path(file["path"]).name for file in files}
        if theirs:
            for path in sorted(Path(theirs).glob("*")):
                if path.name not in ours:
                    (folder / path.name).symlink_to(path)
        _write(folder, kind, files)
        return folder

    def lists(self, host: dict[str, str], files: Sequence[SourceFile], end: float) -> Lists:
        """The host's lists if they are fresh and have all that is wanted, else ours, read anew as far as needed."""
        own = host["lists"].rstrip("/")
        sources = [file for file in files if Path(file["path"]).parent.name != "preferences.d" and file["content"]]
        stale = not _fresh(own) or _unread(own, _parsed(host))
        if not sources and not stale:
            return Lists(own, "", [], False)
        wanted = frozenset((file["path"], file["content"]) for file in sources)
        if stale:
            wanted |= {("", "all of the host's")}
        for read, lists in self._read.items():
            if wanted == read or (wanted < read and lists.complete):
                return lists
        self._link(host, sources)
        self._read[wanted] = self._update(sources if not stale else [], self.overlay(host, files), end)
        return self._read[wanted]

    def _link(self, host: dict[str, str], sources: Sequence[SourceFile]) -> None:
        """The host's lists, as far as apt may begin with them: where it has one of an archive whose key is not there
        (any more), it takes that for an attack, though the source is trusted."""
        lists = self.path / "lists"
        if not lists.is_dir():
            _make(lists)
            _make(lists / "partial")
            for path in Path(host["lists"]).glob("*"):
                if path.is_file() and path.name != "lock":
                    (lists / path.name).symlink_to(path)
        keyless = tuple(
            list_name(uri, suite)
            for file in sources
            if trusted(file) != file["content"]
            for source in parse_sources(file["path"], file["content"])
            for uri, suite in places(source)
        )
        for path in lists.glob("*"):
            if path.is_symlink() and path.name.startswith(keyless):  # one that is none was read here
                path.unlink()

    def _update(self, alone: Sequence[SourceFile], overlay: list[str], end: float) -> Lists:
        """Read the archives of these files anew, or of all sources."""
        lists = self.path / "lists"
        if alone:
            folder = self._folder("alone", "", alone)
            overlay = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={folder}/"]
        options = [*overlay, "-o", f"Dir::State::lists={lists}/", *_options(self.caches())]
        until = min(end - 10, time.monotonic() + _UPDATE_S)
        said = _run(["apt-get", "update", *options, "-c", self.config], until)
        unreachable = list(dict.fromkeys(_FAILED_URL.findall(said.err))) if said.code == 0 else []
        return Lists(str(lists), clean_text(_errors(said.err)) if said.code else "", unreachable, said.code is None)

    def theirs(self, theirs: str) -> str:
        """The host's cache as a link: apt reads it, and what it would write replaces the link."""
        link = self.path / "theirs.bin"
        if not theirs or not Path(theirs).is_file():
            return ""
        if not link.is_symlink() and not link.exists():
            link.symlink_to(theirs)
        return str(link)


@functools.lru_cache(maxsize=1)
def box_in(parent: str) -> Box:
    """This process's, made at the first call; "" is where temporary directories are."""
    return Box(Path(parent) if parent else None)


def _make(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)  # whatever the umask: apt fetches as another user


def _write(folder: Path, kind: str, files: Iterable[SourceFile]) -> None:
    for file in files:
        path = folder / Path(file["path"]).name
        path.write_text(file["content"] if kind == "preferences" else trusted(file))
        path.chmod(0o600 if re.search(r"://[^/\s]*@", file["content"]) else 0o644)


def trusted(file: SourceFile) -> str:
    """A source file as it can be read while its key is not there yet: nothing is installed from it here."""
    text = file["content"]

    def there(match: re.Match[str]) -> bool:
        return not match[1].startswith("/") or Path(match[1]).exists()

    def one_line(match: re.Match[str]) -> str:
        return match[0] if there(match) else f"{match[0]} trusted=yes"

    def deb822(match: re.Match[str]) -> str:
        return match[0] if there(match) else f"{match[0]}\nTrusted: yes"

    if file["path"].endswith(".sources"):
        return re.sub(r"^Signed-By:[ \t]*(\S*).*$", deb822, text, flags=re.MULTILINE | re.IGNORECASE)
    return re.sub(r"signed-by=([^\s\]]*)", one_line, text, flags=re.IGNORECASE)


def _parsed(host: dict[str, str]) -> list[AptSource]:
    """The host's own sources; of a malformed file none, since apt itself says what is wrong with it."""
    found: list[AptSource] = []
    for path in [Path(host["main"]), *sorted(Path(host["parts"]).glob("*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        try:
            found += parse_sources(str(path), path.read_text("utf-8", "replace"))
        except SourceError:
            continue
    return found


def _unread(lists: str, sources: Iterable[AptSource]) -> bool:
    """Whether some source was never read."""
    return any(
        not any(Path(lists, list_name(uri, suite) + kind).exists() for kind in ("InRelease", "Release"))
        for source in sources
        if source["enabled"] and "deb" in source["types"]
        for uri, suite in places(source)
    )


def _fresh(lists: str) -> bool:
    """Whether apt tried to read all archives lately: its directory `partial` changes then."""
    times = []
    for path in (Path(lists), Path(lists, "partial")):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return bool(times) and 0 <= time.time() - max(times) < FRESH_S
