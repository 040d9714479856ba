# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker.service as systemd knows it: its state, its files, and the command line that they come to.

Which files there are and in what state is systemd's to say (`systemctl show`), on a recording their places decide. What
stands in them: systemd.unit(5), systemd.syntax(7), systemd.service(5) "COMMAND LINES", systemd.exec(5).
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple

from ._docker_config import public_text
from ._sysfs import Tree
from ._types import DockerUnit

SERVICE = "docker.service"
UNITS = (SERVICE, "docker.socket", "containerd.service")
PLACES = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system",
    "/usr/lib/systemd/system",
)  # fmt: skip
"""Where units are, the first one wins; the generators' and systemctl edit's own ones are systemd's to say."""
PID = "/run/docker.pid"
_TIMEOUT = 5.0
_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "FragmentPath", "DropInPaths")
_SHOWN = {unit: dict.fromkeys(_PROPERTIES, "") for unit in UNITS}
# Debian's own unit, which is what a host gets that has only drop-ins yet.
_PACKAGED = """[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
"""
_SHELLS = ("sh", "bash", "dash")
# systemd.unit(5) "SPECIFIERS": those that a command line of dockerd's is likely to have.
_SPECIFIERS = {
    "%": "%", "C": "/var/cache", "E": "/etc", "L": "/var/log", "S": "/var/lib", "n": SERVICE,
    "N": "docker", "p": "docker", "t": "/run",
}  # fmt: skip
# Variables that units pass on as arguments, and those of dockerd's own that change what it does.
_NAMES = re.compile(
    r"\w*(?:OPTS|OPTIONS|ARGS|FLAGS)|(?:HTTPS?|NO|ALL)_PROXY"
    r"|DOCKER_(?:CERT_PATH|DRIVER|HOST|MIN_API_VERSION|RAMDISK|TLS_VERIFY|TMPDIR)",
    re.I,
)
_ENVIRONMENT = re.compile(r"^(\s*Environment=)(.*)$", re.M)
_CONTINUED = re.compile(r"\\\n(?:[ \t]*[#;].*\n)*")


class Command(NamedTuple):
    """What systemd would run, with secrets and all. `arguments` is None where dockerd is not what it runs itself;
    `sources` names the file that each variable comes from."""

    program: str | None
    arguments: list[str] | None
    environment: dict[str, str]
    sources: dict[str, str]
    paths: list[str]


def gather_unit(tree: Tree, packaged: bool, present: bool) -> DockerUnit:
    """docker.service's part of the facts. `packaged`: dpkg brought it; `present`: there is something to ask about."""
    shown = _show(tree) if present or _fragment(tree, SERVICE) else _SHOWN
    service = shown[SERVICE]
    command = command_of(tree, packaged, service)
    masked = [unit for unit in UNITS if shown[unit]["LoadState"] == "masked" or _masked(tree, unit)]
    load = "masked" if SERVICE in masked else service["LoadState"]
    if not load and tree.complete and not packaged:
        load = "loaded" if _fragment(tree, SERVICE) else "not-found"
    return {
        "load": load,
        "active": service["ActiveState"],
        "enabled": service["UnitFileState"],
        "masked": masked,
        "paths": command.paths,
        "arguments": None if command.arguments is None else [public_text(each) for each in command.arguments],
        "environment": {name: path for name, path in command.sources.items() if _NAMES.fullmatch(name)},
        "newer": _newer(tree, command.paths),
    }


# -- what systemd says --------------------------------------------------------------------------------------------


def _show(tree: Tree) -> dict[str, dict[str, str]]:
    return tree.ask(f"systemctl show {' '.join(UNITS)}", lambda: _systemctl(tree), _SHOWN)


def _systemctl(tree: Tree) -> dict[str, dict[str, str]]:
    if not tree.is_dir("/run/systemd/system"):  # sd_booted(3)
        return _SHOWN
    command = ["systemctl", "show", *UNITS, "--no-pager", f"--property=Id,{','.join(_PROPERTIES)}"]
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            command, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True,
            timeout=_TIMEOUT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return _SHOWN
    return parse_show(done.stdout.decode("utf-8", "replace"))


def parse_show(text: str) -> dict[str, dict[str, str]]:
    """What `systemctl show` says, by unit; "" for what it leaves out."""
    shown = {unit: dict(properties) for unit, properties in _SHOWN.items()}
    for block in re.split(r"\n\s*\n", text):
        said = dict(line.partition("=")[::2] for line in block.splitlines())
        if said.get("Id") in shown:
            shown[said["Id"]].update({name: said[name] for name in _PROPERTIES if name in said})
    return shown


# -- which files --------------------------------------------------------------------------------------------------


def _fragment(tree: Tree, unit: str) -> str | None:
    return next((f"{place}/{unit}" for place in PLACES if tree.lookup(f"{place}/{unit}", follow=False)), None)


def _masked(tree: Tree, unit: str) -> bool:
    """Whether the unit is a link to /dev/null, or empty."""
    path = _fragment(tree, unit)
    if path is None:
        return False
    seen = tree.lookup(path)
    return tree.link_name(path) == "null" or bool(seen and seen.st_size == 0 and not tree.is_dir(path))


def _drop_ins(tree: Tree) -> list[str]:
    """In the order in which they count: by name, one that comes first in PLACES hides its namesakes."""
    found: dict[str, str] = {}
    for folder in (f"{SERVICE}.d", "service.d"):
        for place in PLACES:
            for name in tree.listdir(f"{place}/{folder}"):
                if name.endswith(".conf"):
                    found.setdefault(name, f"{place}/{folder}/{name}")
    return [found[name] for name in sorted(found) if tree.link_name(found[name]) != "null"]


def _newer(tree: Tree, paths: Iterable[str]) -> bool:
    """Whether one of the files is newer than the engine that runs: it writes its PID file when it starts."""
    started = tree.lookup(PID)
    if started is None:
        return False
    folders = {path.rpartition("/")[0] for path in paths if path.endswith(".conf")} | {f"{PLACES[0]}/{SERVICE}.d"}
    seen = [tree.lookup(path) for path in (*paths, *sorted(folders))]
    return any(each.st_mtime > started.st_mtime for each in seen if each)


# -- what stands in them ------------------------------------------------------------------------------------------


def command_of(tree: Tree, packaged: bool = True, shown: Mapping[str, str] | None = None) -> Command:
    """What docker.service runs. Where there is no unit of that name yet, it is the package's."""
    shown = shown or _show(tree)[SERVICE]
    fragment = shown["FragmentPath"] or _fragment(tree, SERVICE)
    drop_ins = shown["DropInPaths"].split() or _drop_ins(tree)
    texts = [] if fragment or not packaged else [("", _PACKAGED)]
    for path in [*([fragment] if fragment else []), *drop_ins]:
        data = tree.read_head(path, 1 << 16, keep=_kept_unit())
        texts.append((path, (data or b"").decode("utf-8", "replace")))
    starts: list[str] = []
    own: list[tuple[str, str]] = []
    files: list[str] = []
    for path, text in texts:
        for key, value in settings(text):
            if key == "ExecStart":
                starts = [*starts, value] if value else []
            elif key == "Environment":
                own = [*own, *((word, path) for word in split(value))] if value else []
            elif key == "EnvironmentFile":
                files = [*files, value.removeprefix("-")] if value else []
    named = frozenset(re.findall(r"\$\{?([A-Za-z_]\w*)", starts[-1])) if starts else frozenset()
    for path in [path for path, _text in texts if path and named]:  # what is passed on belongs into a recording
        tree.read_head(path, 1 << 16, keep=_kept_unit(named))
    environment, sources = _environment(tree, own, files, named)
    words = _words(starts[-1], environment) if starts else []
    program, arguments = _dockerd(words, environment)
    if arguments is None:
        program, arguments = _running(tree, program)
    paths = [path for path, _text in texts if path] + [path for path in files if tree.exists(path)]
    return Command(program, arguments, environment, sources, paths)


def program_of(tree: Tree) -> str:
    """The dockerd that a docker.service starts, wherever it lies; "" where there is no such unit yet."""
    there = _fragment(tree, SERVICE)
    program = command_of(tree, packaged=False, shown=_SHOWN[SERVICE]).program if there else None
    return program if program and program.endswith("/dockerd") else ""


def settings(text: str, section: str = "Service") -> list[tuple[str, str]]:
    """The settings of a section in order; lines that end in a backslash go on in the next."""
    found: list[tuple[str, str]] = []
    where, held = "", ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")) or not (line or held):
            continue
        if line.endswith("\\"):
            held += line[:-1] + " "
            continue
        line, held = held + line, ""
        if line.startswith("[") and line.endswith("]"):
            where = line[1:-1]
        elif where == section and "=" in line:
            key, _equal, value = line.partition("=")
            found.append((key.strip(), value.strip()))
    return found


def split(text: str) -> list[str]:
    """Words as systemd takes them, quotes undone."""
    try:
        words = shlex.split(text)
    except ValueError:  # an unclosed quote
        words = text.split()
    return [re.sub(r"%(.)", lambda found: _SPECIFIERS.get(found[1], found[0]), word) for word in words]


def _environment(
    tree: Tree, own: Iterable[tuple[str, str]], files: Iterable[str], named: Container[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Variables, and the file that each comes from. Those of an EnvironmentFile win over the unit's."""
    environment: dict[str, str] = {}
    sources: dict[str, str] = {}
    for word, path in own:
        name, equal, value = word.partition("=")
        if equal:
            environment[name], sources[name] = value, path
    for path in files:
        data = tree.read_head(path, 1 << 16, keep=_kept_environment(named)) if tree.exists(path) else None
        for name, value in variables((data or b"").decode("utf-8", "replace")):
            environment[name], sources[name] = value, path
    return environment, sources


def variables(text: str) -> list[tuple[str, str]]:
    """The assignments of an EnvironmentFile; what is none is left out, as systemd does."""
    found = []
    for line in re.sub(r"\\\n", "", text).splitlines():
        name, equal, value = line.strip().partition("=")
        if equal and re.fullmatch(r"[A-Za-z_]\w*", name.strip(), re.ASCII):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found.append((name.strip(), re.sub(r"\\(.)", r"\1", value[1:-1]) if quoted else value))
    return found


def _words(line: str, environment: Mapping[str, str]) -> list[str]:
    """A command line as it is run. $NAME alone becomes as many words as it holds, ${NAME} stays one."""
    words: list[str] = []
    for word in split(line.lstrip("@-:+!|")):
        alone = re.fullmatch(r"\$([A-Za-z_]\w*)", word)
        words += split(environment.get(alone[1], "")) if alone else [_expand(word, environment)]
    return words


def _expand(word: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$(\$|\{(\w+)\})", lambda found: environment.get(found[2], "") if found[2] else "$", word)


def _dockerd(words: list[str], environment: Mapping[str, str]) -> tuple[str | None, list[str] | None]:
    """dockerd and its arguments in a command line, which may be a shell's; (program, None) where it is another's."""
    program = words[0] if words else None
    if program and program.rpartition("/")[2] in _SHELLS and "-c" in words[:-1]:
        script = words[words.index("-c") + 1]
        lines = [line for line in re.split(r"[;&|\n]+", script) if "dockerd" in line]
        words = _shell_words(lines[-1], environment) if lines else []
    for number, word in enumerate(words):
        if word.rpartition("/")[2] == "dockerd":
            return word, words[number + 1 :]
    return program, None


def _shell_words(line: str, environment: Mapping[str, str]) -> list[str]:
    simple = re.sub(r"\$\{?([A-Za-z_]\w*)\}?", lambda found: environment.get(found[1], ""), line)
    return [word for word in split(simple) if word not in ('"$@"', "$@", "$*")]


def _running(tree: Tree, program: str | None) -> tuple[str | None, list[str] | None]:
    """The command line of the engine that runs, for a unit that starts it through something else."""
    pid = tree.read_word(PID) or ""
    data = tree.read_head(f"/proc/{pid}/cmdline", 1 << 16, keep=_public_bytes) if pid.isdigit() else None
    words = [word.decode("utf-8", "replace") for word in (data or b"").split(b"\0")[:-1]]
    if words and words[0].rpartition("/")[2] == "dockerd":
        return words[0], words[1:]
    return program, None


# -- what of them belongs into a recording ------------------------------------------------------------------------


def _public_bytes(data: bytes) -> bytes:
    return public_text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _of_lines(keep: Callable[[str], str]) -> Callable[[bytes], bytes]:
    return lambda data: _public_bytes(keep(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))


def _known(words: Iterable[str], named: Container[str]) -> Iterable[str]:
    names = ((word, word.partition("=")[0].strip()) for word in words)
    return (word for word, name in names if name in named or _NAMES.fullmatch(name))


def _kept_unit(named: Container[str] = ()) -> Callable[[bytes], bytes]:
    """A unit with those variables alone that matter here, or that are `named` in its command line: others may be
    secrets."""

    def kept(found: re.Match[str]) -> str:
        return found[1] + " ".join(map(shlex.quote, _known(split(found[2]), named)))

    return _of_lines(lambda text: _ENVIRONMENT.sub(kept, _CONTINUED.sub(" ", text)))


def _kept_environment(named: Container[str]) -> Callable[[bytes], bytes]:
    """The same of an EnvironmentFile."""
    return _of_lines(lambda text: "".join(f"{line}\n" for line in _known(_CONTINUED.sub("", text).splitlines(), named)))
