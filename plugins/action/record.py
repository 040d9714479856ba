# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has a host recorded, and writes the archive on the controller: it is in no result, and so in no log."""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.navilab.webui.plugins.action.plan import ActionModule as Plan
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import mask
from ansible_collections.navilab.webui.plugins.plugin_utils import _fresh, _recorded
from ansible_collections.navilab.webui.plugins.plugin_utils._action import failed
from ansible_collections.navilab.webui.plugins.plugin_utils._caller import caller
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS
from ansible_collections.navilab.webui.plugins.plugin_utils._text import problem

ARGUMENTS = {"path": {"type": "path", "default": "."}}
_OTHERS = frozenset(("hostvars", "vars", "groups", "ansible_facts", "role_names"))
_VAULTED = ("EncryptedString", "AnsibleVaultEncryptedUnicode")  # of ansible-core from 2.19, and before
_SECRET_NAME = re.compile(r"passw|_pass$|secret|token|credential|(?:api|access|private)_?key$|^vault_", re.IGNORECASE)
_KNOWN_BY = {
    "host": ("inventory_hostname", "ansible_host"),
    "user": ("ansible_user", "ansible_become_user", "navilab_user"),
}


class ActionModule(Plan):
    """See plugins/modules/record.py for what it takes and returns."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        variables = task_vars or {}
        result: dict[str, Any] = super(Plan, self).run(tmp, variables)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        self._recorded, result["calls"] = None, 0
        read, problems = self._variables(STEPS, variables)
        target = Path(arguments["path"]).expanduser().absolute()
        if len(variables.get("ansible_play_hosts_all") or []) > 1 and not target.is_dir():
            evidence = f"{target} is no directory, and several hosts are to be recorded"
            problems.append(problem("variables", evidence, "name a directory, or limit the run to one host"))
        if problems:
            return failed(result, problems)
        wants = _fresh.unite(step.wants(step.settings(read)) for step in STEPS.values())
        secrets = _secrets(variables)
        asked = {
            "wants": {"probe_images": False, **wants},
            "settings": json.dumps(_masked(_recorded.differing(read), [*secrets]), default=str),
            "secrets": json.dumps(_known_there(secrets, read)),
            "names": {kind: self._names_of(variables, names) for kind, names in _KNOWN_BY.items()},
        }
        seen = self.ask("record", asked, variables)
        result["calls"] = 1
        if seen.get("failed") or "archive" not in seen:
            result.update(seen, **({} if seen.get("unreachable") else {"failed": True}))
            return result
        data = base64.b64decode(seen["archive"])
        try:
            path = target if self._task.check_mode else _write(target, data)
        except OSError as error:
            evidence = f"{target} can't be written: {error.strerror}"
            return failed(result, [problem("recording", evidence, "name another path")])
        said = _recorded.contents(str(path), len(data), seen)
        if self._task.check_mode:
            said.insert(0, "check mode: nothing is written, there would be")
        result.update(changed=False, path=str(path), bytes=len(data), replaced=dict(seen["replaced"]), said=said)
        return result

    def _names_of(self, variables: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
        return [str(self._templar.template(variables[name])) for name in names if variables.get(name)]


def _secrets(variables: Mapping[str, Any]) -> dict[str, bool]:
    """What of the host's variables is vaulted, or has a secret's name; whether Ansible reaches the host with it."""
    found: dict[str, bool] = {}
    for name, value in variables.items():
        for text in () if name in _OTHERS else _secret_texts(name, value):
            if len(text) > 3 and "{{" not in text:
                found[text] = found.get(text, False) or name.startswith("ansible_")
    return found


def _known_there(secrets: Mapping[str, bool], read: Mapping[str, Any]) -> list[str]:
    """The secrets that the host has anyway, by its connection or by a role: no other one is sent to it."""
    texts = list(_texts(read))
    return sorted(secret for secret, reaches in secrets.items() if reaches or any(secret in text for text in texts))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ():
        yield from _texts(each)


def _masked(value: Any, secrets: list[str]) -> Any:
    """Settings as they leave the controller, with what the host's Scrubber puts in place of a secret's mask."""
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, mask(secret))
        return value
    if isinstance(value, Mapping):
        return {key: _masked(each, secrets) for key, each in value.items()}
    return [_masked(each, secrets) for each in value] if isinstance(value, (list, tuple)) else value


def _secret_texts(name: str, value: Any) -> Iterator[str]:
    if type(value).__name__ in _VAULTED:
        with suppress(AnsibleError):  # of another vault
            yield str(value)
    elif isinstance(value, str):
        if _SECRET_NAME.search(name):
            yield str(value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _secret_texts(f"{name}.{key}", each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _secret_texts(name, each)


def _write(target: Path, data: bytes) -> Path:
    """Write the archive, for who started the run alone; in a directory under the first name that is free."""
    number = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        number += 1
        path = target / f"navilab-recording-{number}.tar.gz" if target.is_dir() else target
        try:
            descriptor = os.open(path, flags | (os.O_TRUNC if path is target else os.O_EXCL), 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)
            if not os.geteuid():
                with suppress(KeyError):  # an account that has no name here
                    person = pwd.getpwnam(caller())
                    os.fchown(descriptor, person.pw_uid, person.pw_gid)
            stream.write(data)
        return path
