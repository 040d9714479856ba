# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a module from loading: modprobe.d(5) as kmod's own parser takes it, and the kernel's arguments.

modprobe itself is asked where it can be, since it alone knows all that it reads; the files tell where a line stands.
Sources: libkmod-config.c (directories, names of files, lines), libkmod-module.c (patterns), and the kernel's params.c
(quotes), kernel/module/main.c (module_blacklist), init/main.c (initcall_blacklist).
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import subprocess
import threading
from collections.abc import Iterable
from typing import NamedTuple

from ._sysfs import Tree, clean

# A file hides those of the same name in the directories after its own.
DIRECTORIES = tuple(f"{place}/modprobe.d" for place in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))
_PROGRAMS = ("/sbin/modprobe", "/usr/sbin/modprobe")
_MODULES = ("amdgpu", "radeon", "vfio_pci")  # what is kept of modprobe's answer
_END = b"# End of configuration files"  # all indexes follow, which nobody wants
_SECONDS = 5.0
_FILE = 64 * 1024  # bytes of a file
_LINES = 200  # kept of an answer
_WIDTH = 500
_UNNAMED = "modprobe's configuration"
_KEYS = ("nomodeset", "modprobe.blacklist", "module_blacklist", "initcall_blacklist", "module.sig_enforce", "lockdown")
_PREFIXES = tuple(f"{module}." for module in _MODULES)
# What an `install` line runs in the module's place, and is no loading of it.
_SHELL = re.compile(r"^\S*\b(?:ba|da)?sh\s+-c\s+[\"']?")
_NOTHING = frozenset(("true", "false", ":", "exit", "echo", "logger", "test", "[", "sleep"))


class Line(NamedTuple):
    """A line of the configuration: command, module or pattern (with _ for -), the rest, the file that it stands in."""

    command: str
    name: str
    rest: str
    file: str


class Argument(NamedTuple):
    """An argument of the kernel: as it stands there, and its parts without quotes (the key with _ for -)."""

    word: str
    key: str
    value: str


class Config(NamedTuple):
    """What keeps a module out, as paths of files and `/proc/cmdline (WORD)`; and its options, as NAME=VALUE."""

    blocked: list[str]
    options: list[str]


def gather_config(tree: Tree, module: str, loaded: bool) -> Config:
    """What modprobe's configuration and the kernel's arguments say of a module; modprobe is asked where it matters."""
    lines = _lines(tree)
    arguments = read_arguments(tree)
    files = _blocking(lines, module)
    words = [f"/proc/cmdline ({clean(argument.word)})" for argument in arguments if _blocks(argument, module)]
    own = [f"/proc/cmdline ({clean(argument.word)})" for argument in arguments if _is_kmods(argument, module)]
    asked = _ask(tree) if files or own or not loaded else None
    if asked is not None:
        lines = [*filter(None, (_parse(line[:_WIDTH], _UNNAMED) for line in asked[:_LINES]))]
        answer = _blocking(lines, module)
        files, own = (files, own) if answer else ([], [])
        files = files or (answer if not own else [])
    given = [
        option for line in lines if (line.command, line.name) == ("options", module) for option in line.rest.split()
    ]
    given += [f"{key.partition('.')[2]}={value}" for _word, key, value in arguments if key.startswith(f"{module}.")]
    return Config([*files, *words, *own], [*dict.fromkeys(clean(option) for option in given)])


def _ask(tree: Tree) -> list[str] | None:
    """The lines of modprobe --showconfig that name one of our modules."""
    unknown: list[str] | None = None
    answer: list[str] | None = None
    if tree.live:
        program = next((path for path in _PROGRAMS if tree.exists(path)), None)
        answer = _show(program) if program else None
        if answer is None:  # nothing that a recording could keep
            return None
    return tree.ask("modprobe --showconfig", lambda: answer, unknown, like=[""])


def _show(program: str) -> list[str] | None:
    """What it prints before the indexes of all modules; None where it could not be run."""
    command = [program, "--showconfig"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    kept: list[str] = []
    try:
        with subprocess.Popen(  # pylint: disable=ansible-bad-function
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        ) as process:
            timer = threading.Timer(_SECONDS, process.kill)
            timer.start()
            try:
                for line in process.stdout or ():
                    if line.startswith(_END):
                        return kept[:_LINES]
                    text = line.decode("utf-8", "replace").strip()[:_WIDTH]
                    parsed = _parse(text, _UNNAMED)
                    if parsed and _is_ours(parsed):
                        kept.append(text)
                process.wait(_SECONDS)
            finally:
                timer.cancel()
                process.kill()
        return kept[:_LINES] if process.returncode == 0 else None
    except (OSError, subprocess.SubprocessError):
        return None


# -- files ----------------------------------------------------------------------------------------------------------


def _lines(tree: Tree) -> list[Line]:
    """The lines of all files that kmod reads, in its order: by the files' names, wherever they lie."""
    files: dict[str, str] = {}
    for folder in DIRECTORIES:
        for name in tree.listdir(folder):
            if len(name) > len(".conf") and name.endswith(".conf") and not name.startswith("."):
                files.setdefault(name, f"{folder}/{name}")
    found: list[Line] = []
    for _name, path in sorted(files.items()):
        seen = tree.lookup(path)
        if seen is None or stat.S_ISDIR(seen.st_mode) or stat.S_ISCHR(seen.st_mode):  # a link to /dev/null hides others
            continue
        data = tree.read_head(path, _FILE, keep=_keep_lines)
        found += filter(None, (_parse(line, clean(path)) for line in _unwrapped(data or b"")))
    return found


def _unwrapped(data: bytes) -> list[str]:
    """The lines of a file, those that go on in the next as one."""
    return data.decode("utf-8", "replace").replace("\\\n", "").split("\n")


def _keep_lines(data: bytes) -> bytes:
    """The lines of a file that a recording needs."""
    lines = [line for line in (_parse(text, "") for text in _unwrapped(data)) if line and _is_ours(line)]
    kept = [f"{line.command} {line.name}" + (f" {line.rest}" if line.command != "blacklist" else "") for line in lines]
    return "".join(f"{line}\n" for line in kept).encode()


def _is_ours(line: Line) -> bool:
    return any(fnmatch.fnmatchcase(module, line.name) or module in line.rest.replace("-", "_") for module in _MODULES)


def _parse(line: str, file: str) -> Line | None:
    """As kmod_config_parse(): a comment begins in the first column, what follows a blacklisted name is ignored."""
    words = re.split(r"[\t ]+", line.strip("\t \r"), maxsplit=2)
    if len(words) < 2 or line.startswith("#"):
        return None
    command, name, rest = (*words, "")[:3]
    return Line(command, name.replace("-", "_"), rest, file)


def _blocking(lines: Iterable[Line], module: str) -> list[str]:
    """The files that keep a module out: by a blacklist, or by the first `install` line that is about it."""
    found: list[str] = []
    loads = rf"\b(?:modprobe|insmod)\b[^;&|]*\b{module.replace('_', '[_-]')}\b"
    decided = False
    for line in lines:
        blocks = line.command == "blacklist" and line.name == module
        if line.command == "install" and not decided and fnmatch.fnmatchcase(module, line.name):
            decided = True
            program = re.split(r"[\s;&|\"']", _SHELL.sub("", line.rest.strip()), maxsplit=1)[0]
            blocks = program.rpartition("/")[2] in _NOTHING and not re.search(loads, line.rest)
        if blocks and line.file not in found:
            found.append(line.file)
    return found


# -- the kernel's arguments -----------------------------------------------------------------------------------------


def read_arguments(tree: Tree) -> list[Argument]:
    """The running kernel's arguments. Of the others, which may tell who somebody is, a recording has nothing."""
    data = tree.read_head("/proc/cmdline", _FILE, keep=_keep_arguments) or b""
    return kernel_arguments(data.decode("utf-8", "replace"))


def _keep_arguments(data: bytes) -> bytes:
    words = kernel_arguments(data.decode("utf-8", "replace"))
    return " ".join(word for word, key, _value in words if key in _KEYS or key.startswith(_PREFIXES)).encode() + b"\n"


def kernel_arguments(text: str) -> list[Argument]:
    """/proc/cmdline by words; a blank between double quotes parts none, and all after ``--`` is init's."""
    found: list[Argument] = []
    for word in re.findall(r'(?:"[^"]*(?:"|$)|[^\s"])+', text):
        if word == "--":
            break
        key, _equals, value = word.replace('"', "").partition("=")
        found.append(Argument(word, key.replace("-", "_"), value))
    return found


def _blocks(argument: Argument, module: str) -> bool:
    """Whether the kernel itself refuses the module for an argument, or the module for it."""
    names = argument.value.replace("-", "_").split(",")
    return (
        argument.word == "nomodeset"
        or (argument.key == "module_blacklist" and module in names)
        or (argument.key == "initcall_blacklist" and f"{module}_init" in names)
    )


def _is_kmods(argument: Argument, module: str) -> bool:
    return argument.key == "modprobe.blacklist" and module in argument.value.replace("-", "_").split(",")
