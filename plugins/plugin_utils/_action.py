# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action plugin that asks a host, and fails with a named check where Ansible can't get to work on it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.text.converters import to_bytes
from ansible.plugins.action import ActionBase
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from . import _access, _lock
from ._program import OURS, program
from ._text import clean_lines, problem_lines, shown

_HERE = "navilab-here"
_PRINTED = ("module_stderr", "module_stdout")
_WRAPPER = b"_ANSIBALLZ_WRAPPER"
"""In what Ansible makes of a module, beside its arguments and its library; not in what discovers an interpreter."""


class HostAction(ActionBase):  # type: ignore[misc]
    """`ask` is one module on the host; what comes back is its result, or a failure that a task may end with."""

    _as_file = False
    _instead = b""

    def ask(
        self, module: str, arguments: Mapping[str, Any], variables: Mapping[str, Any], *, as_file: bool = False
    ) -> dict[str, Any]:
        """A module's result. `as_file` sends it as Ansible sends files, by the directory for temporary files, which
        proves that later tasks can. A host that is fed through a pipe gets those of OURS as our own program."""
        self._as_file = as_file
        self._instead = program(module, arguments, bool(self._task.check_mode)) if module in OURS else b""
        try:
            name = f"navilab.webui.{module}"
            seen: dict[str, Any] = self._execute_module(
                module_name=name, module_args=dict(arguments), task_vars=variables, wrap_async=False
            )
        except AnsibleError as error:
            seen = {"msg": str(error)}
            seen["unreachable" if isinstance(error, AnsibleConnectionFailure) else "failed"] = True
            if not (found := self._unsent(seen, variables) or _access.checks(seen, self._name(variables))):
                raise
        else:
            if not seen.get("failed") and not seen.get("unreachable"):
                if self._instead and "ping" in seen:  # what was put together in its place has run
                    raise AnsibleError("this ansible-core sends modules in another form: set ansible_pipelining: false")
                return seen
            found = _access.checks(seen, self._name(variables), self._tried(seen))
        finally:
            self._as_file, self._instead = False, b""
        return _said(seen, found)

    def take(
        self,
        lease_s: int,
        variables: Mapping[str, Any],
        module: str = "host_lock",
        arguments: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Hold the host for this run, by the lock's own module or by another that begins with it; the result has `lock`
        where another run does."""
        held = {**(arguments or {}), **_lock.mine(), "lease": lease_s}
        seen = self.ask(module, held, variables, as_file=True)
        if (found := seen.get("lock")) and not _lock.other(found):  # of a run that is dead
            seen = self.ask(module, {**held, "over": found["run"]}, variables)
        return seen

    def _configure_module(self, module_name: str, *arguments: Any, **more: Any) -> Any:
        """What would be put together for the host, and replaced as it is sent: the least that brings its wrapper."""
        if self._instead and not super()._is_pipelining_enabled("new"):
            self._instead = b""
        replaced = bool(self._instead)
        return super()._configure_module("ansible.builtin.ping" if replaced else module_name, *arguments, **more)

    def _is_pipelining_enabled(self, module_style: str, wrap_async: bool = False) -> bool:
        return not self._as_file and bool(super()._is_pipelining_enabled(module_style, wrap_async))

    def _low_level_execute_command(
        self, cmd: str, sudoable: bool = True, in_data: bytes | None = None, *arguments: Any, **more: Any
    ) -> dict[str, Any]:
        if self._instead and in_data and _WRAPPER in in_data:
            in_data = self._instead
        result: dict[str, Any] = super()._low_level_execute_command(cmd, sudoable, in_data, *arguments, **more)
        return result

    def _transfer_data(self, remote_path: str, data: Any) -> str:
        replaced = self._instead and _WRAPPER in to_bytes(data, nonstring="empty")
        sent: str = super()._transfer_data(remote_path, self._instead if replaced else data)
        return sent

    @staticmethod
    def _name(variables: Mapping[str, Any]) -> str:
        return str(variables.get("inventory_hostname", "localhost"))

    def _unsent(self, seen: dict[str, Any], variables: Mapping[str, Any]) -> tuple[Check, ...]:
        """Where a program ended before it had read all that it was sent, Ansible has lost what it said. The host was
        reached then: what it says when nothing is sent."""
        if not _access.UNSENT.match(seen["msg"]):
            return ()
        died = {"failed": True, "module_stderr": ""}
        tried = self._tried(died)
        died["module_stderr"] = tried.said
        found = _access.checks(died, self._name(variables), tried) if tried.login else ()
        if found:
            seen.pop("unreachable", None)
            seen["failed"] = True
        return found

    def _tried(self, seen: Mapping[str, Any]) -> _access.Tried:
        """After a program died in the module's place: whether become works, and Python, whatever their language."""
        if not any(key in seen for key in (*_PRINTED, "exception")):
            return _access.Tried()
        python = (getattr(self, "_used_interpreter", None) or "").lstrip("#!").strip() or "/usr/bin/python3"
        script = f"import sys; print({_HERE!r}, '%d.%d' % sys.version_info[:2])"
        command = f"echo {_HERE}; LC_ALL=C {python} -c {shlex.quote(script)} </dev/null"
        try:
            answer = self._low_level_execute_command(command, sudoable=True)
            became = _HERE in str(answer.get("stdout"))
            login = became or _HERE in str(self._low_level_execute_command(f"echo {_HERE}", sudoable=False)["stdout"])
        except AnsibleError:  # a connection that is gone by now, or a password that is missing
            return _access.Tried()
        out = str(answer.get("stdout") or "")
        version = re.search(rf"{_HERE} (\d+\.\d+)", out)
        said = str(answer.get("stderr") or "").strip() or out.replace(_HERE, "").strip()
        return _access.Tried(login, became, version.group(1) if version else "", said)


class OwnModule(HostAction):
    """A module of OURS and nothing more."""

    _requires_connection = True
    _supports_check_mode = True
    _module = ""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(OURS[self._module].ARGUMENTS)
        result.update(self.ask(self._module, arguments, task_vars or {}))
        return result


def is_local(variables: Mapping[str, Any]) -> bool:
    """Whether a host's tasks run on the controller."""
    return str(variables.get("ansible_connection", "ssh")).rpartition(".")[2] == "local"


def failed(result: dict[str, Any], problems: Iterable[Check], **more: Any) -> dict[str, Any]:
    """Fail with all problems, as data and in words."""
    found = shown(problems)
    result.update(failed=True, msg="\n".join(problem_lines(found)), checks=found, **more)
    return result


def _said(seen: Mapping[str, Any], found: tuple[Check, ...]) -> dict[str, Any]:
    """A failure as the task's result: what the host said without control characters, and once."""
    kept = dict(seen)
    for key in ("msg", *_PRINTED):
        if isinstance(kept.get(key), str):
            kept[key] = clean_lines(kept[key])
    if not found:
        return kept
    checks = shown(found)
    evidence = " ".join(check["evidence"] for check in checks)
    for key in _PRINTED:
        if key in kept and " ".join(str(kept[key]).split()) in evidence:
            del kept[key]
    kept.pop("exception", None)
    kept.update(msg="\n".join(problem_lines(checks)), checks=checks)
    return kept
