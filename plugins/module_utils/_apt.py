# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""APT's sources in both of their formats, sources.list(5): one-line (*.list) and deb822 (*.sources)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._sysfs import Tree
from ._types import Apt, AptSource, AptSourceFields

_DIRECTORY = "/etc/apt/sources.list.d"
_NAME = re.compile(r"[A-Za-z0-9_.-]+\.(list|sources)")  # APT ignores files with any other name
_LINE = re.compile(r"(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?(\S.*)")
_WORD = re.compile(r'(?:"[^"]*"|\[[^\]]*\]|[^\s"\[\]])+')  # cdrom:[Debian GNU/Linux 12 ...]/ is one word
_OPTION = re.compile(r"([A-Za-z-]+)([+-]?)=(\S*)")
# One-line options whose deb822 name is not just the capitalised one.
_OPTION_NAMES = {"arch": "Architectures", "lang": "Languages", "target": "Targets", "pdiffs": "PDiffs"}
_OPTION_SUFFIXES = {"": "", "+": "-Add", "-": "-Remove"}
_FALSE = frozenset(("no", "false", "without", "off", "disable", "0"))  # apt-pkg/contrib/strutl.cc, StringToBool


class SourceError(ValueError):
    """A source that APT would refuse too; the text says where."""


def gather_apt(tree: Tree) -> Apt:
    """`{sources, error}`: every source that APT reads, in its order; `error` tells what it would refuse."""
    sources: list[AptSource] = []
    errors: list[str] = []
    paths = ["/etc/apt/sources.list"]
    paths += [f"{_DIRECTORY}/{name}" for name in tree.listdir(_DIRECTORY) if _NAME.fullmatch(name)]
    for path in paths:
        text = tree.read_text(path)
        if text is None:
            continue
        parse = parse_deb822 if path.endswith(".sources") else parse_one_line
        try:
            for source in parse(text):
                sources.append({"file": path, **source})
        except SourceError as error:
            errors.append(f"{path}: {error}")
    return {"sources": sources, "error": "; ".join(errors)}


def parse_one_line(text: str) -> Iterator[AptSourceFields]:
    """Sources of a sources.list; SourceError at the first malformed line."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if not line:
            continue
        match = _LINE.fullmatch(line)
        words = _WORD.findall(match.group(3)) if match else []
        if not match or len(words) < 2 or (len(words) == 2 and not words[1].endswith("/")):
            raise SourceError(f"line {number} is malformed: {line[:100]!r}")
        options = {}
        for name, sign, value in _OPTION.findall(match.group(2) or ""):
            key = _OPTION_NAMES.get(name.lower(), name.title()) + _OPTION_SUFFIXES[sign]
            options[key] = value.replace(",", " ")
        yield _source("one-line", True, [match.group(1)], words[:1], words[1:2], words[2:], options)


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
        missing = [key for key in ("types", "uris", "suites") if not fields.get(key)]
        if missing:
            raise SourceError(f"a stanza lacks {', '.join(key.title() for key in missing)}")
        enabled = fields.pop("enabled", "yes").lower() not in _FALSE
        types, uris, suites, components = (
            fields.pop(key, "").split() for key in ("types", "uris", "suites", "components")
        )
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
