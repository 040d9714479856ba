# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""APT's sources in both of their formats, sources.list(5), and what its lists say of the archives behind them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from ._docker_config import mask
from ._sysfs import Tree
from ._types import Apt, AptArchive, AptSource, AptSourceFields

SOURCE_LIST = "/etc/apt/sources.list"
SOURCE_PARTS = "/etc/apt/sources.list.d"
LISTS = "/var/lib/apt/lists"
OURS = f"{SOURCE_PARTS}/navilab-"  # source files that the roles write begin so
EXTENDS = f"{OURS}firmware"  # and so the one that has addresses of the user's sources, with their logins
_NAME = re.compile(r"(?!\.)[A-Za-z0-9_.-]+\.(list|sources)")  # APT ignores files with any other name
_LINE = re.compile(r"(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?([^\s\[].*)")
_WORD = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|[^\s"\[\]])+')  # cdrom:[Debian GNU/Linux 12 ...]/ is one word
_LOGIN = re.compile(r"://([^/\s]*)@")
_OPTION_WORD = re.compile(r'(?:"[^"]*"|\S)+')
_OPTION = re.compile(r"([A-Za-z][\w-]*?)([+-]?)=(.+)", re.DOTALL)
# One-line options whose deb822 name is not just the capitalised one.
_OPTION_NAMES = {"arch": "Architectures", "lang": "Languages", "target": "Targets", "pdiffs": "PDiffs"}
_OPTION_SUFFIXES = {"": "", "+": "-Add", "-": "-Remove"}
_FALSE = frozenset(("no", "false", "without", "off", "disable", "0"))  # apt-pkg/contrib/strutl.cc, StringToBool
_LINE_LIMIT = 4096
_MANY = 64  # addresses and suites of a source that are looked at
_HEAD = 4096  # bytes of a Release file that surely give its fields; what follows are checksums
_RELEASE_FIELD = re.compile(r"^(Origin|Label|Codename): *(.*?) *$", re.MULTILINE)
_CHECKSUMS = re.compile(rb"^(?:MD5Sum|SHA1|SHA256|SHA512):", re.MULTILINE)
_MAX_ARCHIVES = 200
_QUOTED = frozenset('\\|{}[]<>"^~_=!@#$%&*')  # in the names of APT's lists, with all that is no printable ASCII


class SourceError(ValueError):
    """A source that APT would refuse too; the text says where."""


def gather_apt(tree: Tree) -> Apt:
    """Every source that APT reads, in its order, with a mask for a login; `error` tells what it would refuse."""
    sources: list[AptSource] = []
    errors: list[str] = []
    for path, text in _files(tree):
        try:
            for source in parse_sources(path, text):
                sources.append({**source, "uris": [without_secrets(uri) for uri in source["uris"]]})
        except SourceError as error:
            errors.append(f"{path}: {error}")
    refused = re.sub(r"://[^/\s]*@", "://", "; ".join(errors))  # without the login that a malformed line may have
    return {"sources": sources, "archives": _archives(tree, sources), "error": refused}


def _files(tree: Tree) -> Iterator[tuple[str, str]]:
    """Each file of sources with its text."""
    names = [f"{SOURCE_PARTS}/{name}" for name in tree.listdir(SOURCE_PARTS) if _NAME.fullmatch(name)]
    for path in [SOURCE_LIST, *names]:
        text = tree.read_text(path)
        if text is not None:
            yield path, text


def without_secrets(text: str) -> str:
    """Sources with a mask for each login, which facts, plans and results have."""
    return _LOGIN.sub(lambda found: f"://{mask(found[1])}@", text)


def with_secrets(text: str, tree: Tree) -> str:
    """The same with the logins that the host's own sources have. KeyError for a mask that is of none of them."""
    known = {mask(login): login for _path, theirs in _files(tree) for login in _LOGIN.findall(theirs)}
    return _LOGIN.sub(lambda found: f"://{known[found[1]] if mask(found[1]) == found[1] else found[1]}@", text)


def parse_sources(path: str, text: str) -> Iterator[AptSource]:
    """The sources of a file, by the format that its name stands for; SourceError at the first malformed one."""
    parse = parse_deb822 if path.endswith(".sources") else parse_one_line
    for source in parse(text):
        yield {"file": path, **source}


def conflicts(sources: Iterable[AptSource], strict: bool) -> list[str]:
    """What APT says where an archive is given twice with other keys: it refuses all sources then. `strict` is an APT
    before 3.0, to which a key that a later source leaves out is another one. Our own files don't count, since they are
    written anew with the key that the user's source has."""
    keys: dict[tuple[str, str], str] = {}
    found = []
    for source in sources:
        if not source["enabled"] or source["file"].startswith(OURS):
            continue
        key = " ".join(source["options"].get("Signed-By", "").split())
        for uri, suite in places(source):
            first = keys.setdefault((uri, suite), key)
            if not first:
                keys[uri, suite] = key
            elif first != key and (key or strict):
                found.append(
                    f"{source['file']}: Conflicting values set for option Signed-By regarding source {uri} {suite}: "
                    f"{first[:100]} != {key[:100]}"
                )
    return list(dict.fromkeys(found))


def places(source: AptSource) -> Iterator[tuple[str, str]]:
    """Each address and suite of a source; addresses end with a slash, as APT has them."""
    for uri in source["uris"][:_MANY]:
        for suite in source["suites"][:_MANY]:
            yield uri.rstrip("/") + "/", suite


# -- what APT's lists say -----------------------------------------------------------------------------------------


def list_name(uri: str, suite: str) -> str:
    """How the names of an archive's files in APT's lists begin: apt-pkg/contrib/strutl.cc, URItoFileName."""
    where = uri.rstrip("/") + "/"
    where += suite.lstrip("/") if suite.endswith("/") else f"dists/{suite}/"
    _scheme, _colon, rest = where.partition(":")
    host, slash, path = "", "", rest
    if rest.startswith("["):  # a disc's name may have slashes
        host, slash, path = rest[1:].partition("]")
        slash = ""
    elif rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        host = host.rpartition("@")[2].replace("[", "").replace("]", "")  # no login; an IPv6 address without brackets
    quoted = "".join(_quoted(char) for char in host + slash + path)
    return quoted.replace("/", "_")


def _quoted(char: str) -> str:
    plain = "!" <= char <= "~" and char not in _QUOTED
    return char if plain else "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def _archives(tree: Tree, sources: Iterable[AptSource]) -> list[AptArchive]:
    """What the lists say of each address and suite that a binary source names."""
    binary = (source for source in sources if source["enabled"] and "deb" in source["types"])
    wanted = dict.fromkeys(place for source in binary for place in places(source))
    found: list[AptArchive] = []
    for uri, suite in itertools.islice(wanted, _MAX_ARCHIVES):
        name = f"{LISTS}/{list_name(uri, suite)}"
        heads = (tree.read_head(name + kind, _HEAD, _fields) for kind in ("InRelease", "Release"))
        head = next((head for head in heads if head is not None), None)
        if head is not None:
            said = dict(_RELEASE_FIELD.findall(_fields(head).decode("utf-8", "replace")))
            found.append(
                {
                    "uri": uri,
                    "suite": suite,
                    "origin": said.get("Origin", ""),
                    "label": said.get("Label", ""),
                    "codename": said.get("Codename", ""),
                }
            )
    return found


def _fields(head: bytes) -> bytes:
    """A Release file up to its checksums."""
    end = _CHECKSUMS.search(head)
    return head[: end.start()] if end else head


# -- the two formats ----------------------------------------------------------------------------------------------


def parse_one_line(text: str) -> Iterator[AptSourceFields]:
    """Sources of a sources.list; SourceError at the first malformed line."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = _without_comment(raw).strip()
        if not line:
            continue
        if len(line) > _LINE_LIMIT:
            raise SourceError(f"line {number} has {len(line)} characters")
        match = _LINE.fullmatch(line)
        words = _WORD.findall(match.group(3)) if match else []
        if not match or len(words) < 2 or (len(words) == 2 and not words[1].endswith("/")):
            raise SourceError(f"line {number} is malformed: {line[:100]!r}")
        options = {}
        for word in _OPTION_WORD.findall(match.group(2) or ""):
            option = _OPTION.fullmatch(word)
            if not option:
                raise SourceError(f"line {number} is malformed: [{word[:100]}] is not an assignment")
            name, sign, value = option.groups()
            key = _OPTION_NAMES.get(name.lower(), name.title()) + _OPTION_SUFFIXES[sign]
            options[key] = value.replace('"', "").replace(",", " ")
        yield _source("one-line", True, [match.group(1)], words[:1], words[1:2], words[2:], options)


def _without_comment(line: str) -> str:
    """A line up to its #. One in brackets, as in a disc's name, begins no comment."""
    start = 0
    while True:
        end = line.find("#", start)
        bracket = line.find("[", start, end)
        closed = line.find("]", bracket) if end >= 0 and bracket >= 0 else -1
        if closed < 0:
            return line if end < 0 else line[:end]
        start = closed + 1


def parse_deb822(text: str) -> Iterator[AptSourceFields]:
    """Sources of a .sources file, one a stanza; SourceError at the first malformed one."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines).strip("\n")):
        fields: dict[str, str] = {}
        name = ""
        for line in filter(str.strip, stanza.splitlines()):
            if line[0] in " \t":
                if not name:
                    raise SourceError(f"a continuation line follows no field: {line.strip()[:100]!r}")
                fields[name] += "\n" + line.strip()
                continue
            name, colon, value = line.partition(":")
            name = name.strip().lower()
            if not colon or not name:
                raise SourceError(f"a field is expected: {line[:100]!r}")
            fields[name] = value.strip()
        if not fields:
            continue
        enabled = fields.pop("enabled", "yes").lower() not in _FALSE
        missing = [key for key in ("types", "uris", "suites") if not fields.get(key) and (enabled or key == "types")]
        if missing:
            raise SourceError(f"a stanza lacks {', '.join(key.title() for key in missing)}")
        types, uris, suites, components = (
            fields.pop(key, "").split() for key in ("types", "uris", "suites", "components")
        )
        for suite in suites if enabled else ():
            if suite.endswith("/") == bool(components):
                what = "names components" if components else "lacks Components"
                raise SourceError(f"a stanza of suite {suite} {what}")
        options = {_field_name(key): value.strip() for key, value in fields.items()}
        yield _source("deb822", enabled, types, uris, suites, components, options)


def _field_name(key: str) -> str:
    return "PDiffs" if key == "pdiffs" else key.title()


def _source(
    form: str,
    enabled: bool,
    types: list[str],
    uris: list[str],
    suites: list[str],
    components: list[str],
    options: dict[str, str],
) -> AptSourceFields:
    return {
        "format": form,
        "enabled": enabled,
        "types": types,
        "uris": uris,
        "suites": suites,
        "components": components,
        "options": options,
    }
