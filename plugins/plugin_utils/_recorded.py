# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recording in place of a host: which, under which settings it was made, what it answers, what can't be done with it.

It lies on the controller, which reads it by itself: no connection is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.navilab.webui.plugins.module_utils import _answers, _sysfs
from ansible_collections.navilab.webui.plugins.module_utils._commands import command
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._text import clean, problem
from ._variables import DEFAULTS, KNOWN

VARIABLE = "navilab_recorded"
_SETTINGS = frozenset(name for role in KNOWN.values() for name in role.specs) - {VARIABLE}


class Recorded(NamedTuple):
    """A recording: its path, the directory that it can be read in, and why it can't be."""

    path: str
    root: str
    unusable: str

    @property
    def settings(self) -> dict[str, Any]:
        """The roles' variables that it was made under. They are data: no template in them is filled in."""
        manifest = None if self.unusable else _sysfs.read_manifest(Path(self.root))
        found = manifest.settings if manifest else {}
        return {name: wrap_var(value) for name, value in found.items() if name in _SETTINGS}

    def ask(self, module: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What the module host_info or host_answers would return."""
        if module == "host_info":
            return {"host": {**gather(**{**arguments, "root": self.root}), "root": self.path}}
        return {"answers": _answers.answer(**{**arguments, "root": self.root})}

    def problems(self, begins: bool) -> list[Check]:
        """Why no plan can be made of it; `begins` if the plan would be applied."""
        if begins:
            evidence = f"{self.path} is the recording of a host, on which nothing can be changed"
            remedy = f"plan or verify with it; to set the host up itself, take {VARIABLE} out of its variables"
            return [problem("recording", evidence, remedy)]
        if self.unusable:
            why = self.unusable.removeprefix("root: ")
            evidence = why if self.path in why else f"{self.path}: {why}"
            return [problem("recording", evidence, f"take a file that {command('record')} wrote, or its directory")]
        return []


@contextmanager
def opened(variables: Mapping[str, Any], template: Callable[[Any], Any]) -> Iterator[Recorded | None]:
    """The recording that a host's variables name; None for a host that is itself."""
    given = str(template(variables.get(VARIABLE) or "") or "")
    if not given:
        yield None
        return
    path = str(Path(given).expanduser().absolute())
    with _sysfs.opened(path) as (root, unusable):
        if not unusable and not Path(root, _sysfs.MANIFEST).exists():  # a tree of files is no host's word
            unusable = f"{_sysfs.clean(path)}: there is no {_sysfs.MANIFEST} in it"
        yield Recorded(path, root, unusable)


def differing(read: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The roles' variables that are not as by default, by their whole names: what a recording is judged under."""
    found: dict[str, Any] = {}
    for name, role in KNOWN.items():
        for key in role.specs:
            value = read[name].get(key.removeprefix(role.prefix))
            if value is not None and key in _SETTINGS and value != DEFAULTS.get(key):
                found[key] = value
    return found


def contents(path: str, size: int, seen: Mapping[str, Any]) -> list[str]:
    """What is in an archive, for who is about to send it."""
    folders: dict[str, list[str]] = {}
    for name, length in seen["files"]:
        folder, _slash, file = name.rpartition("/")
        folders.setdefault(folder, []).append(f"{file} ({length})")
    replaced = [f"{count} {_KINDS[kind][count != 1]}" for kind, count in sorted(seen["replaced"].items())]
    lines = [
        f"{path}: {size} bytes, readable by you alone. Look into it before you send it to anybody.",
        "files in it, with their bytes:",
        *(f"  {folder or '.'}: {', '.join(files)}" for folder, files in sorted(folders.items())),
        f"answers in it: {'; '.join(seen['answers'])}",
        f"replaced: {', '.join(replaced) or 'nothing'}; comments in files of /etc are left out",
    ]
    if seen["cut"]:
        lines.append(f"cut, since the archive has to stay small: {', '.join(seen['cut'])}")
    return [f"{'  ' * line.startswith('  ')}{clean(line)}" for line in lines]


_KINDS = {
    "host": ("name of the host", "names of the host"),
    "domain": ("domain", "domains"),
    "user": ("user name", "user names"),
    "name": ("name of a person", "names of people"),
    "group": ("name of a group", "names of groups"),
    "server": ("server", "servers"),
    "secret": ("secret", "secrets"),
    "key": ("key or certificate", "keys or certificates"),
    "email": ("e-mail address", "e-mail addresses"),
    "serial": ("serial number", "serial numbers"),
    "number": ("serial number", "serial numbers"),
    "uuid": ("UUID", "UUIDs"),
    "id": ("machine id", "machine ids"),
    "mac": ("MAC address", "MAC addresses"),
    "ipv4": ("IPv4 address", "IPv4 addresses"),
    "ipv6": ("IPv6 address", "IPv6 addresses"),
}
