# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a host for this run, or lets it go."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils import _fresh, _lock
from ansible_collections.navilab.webui.plugins.plugin_utils._action import HostAction, failed

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "lease": {"type": "int", "default": _lock.LEASE_S},
}


class ActionModule(HostAction):
    """See plugins/modules/host_lock.py for what it takes and returns."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        variables = task_vars or {}
        if self._task.check_mode:
            result.update(changed=False, held=False, lock=None, problem="")
            return result
        # What is known is the play's host's; a task may be another's.
        navilab = {} if self._task.delegate_to else (variables.get("ansible_facts") or {}).get("navilab") or {}
        known, begun = _fresh.read(navilab), time.time()
        if arguments["state"] == "absent":
            result.update(self.ask("host_lock", {"state": "absent", "run": _lock.mine()["run"]}, variables))
            return _knowing(result, navilab, {**known, "held_until": 0.0})
        if _lock.lasts(known.get("held_until", 0.0), arguments["lease"]):
            result.update(changed=False, held=True, lock=None, problem="", calls=0)
            return result
        seen = self.take(arguments["lease"], variables)
        result.update(seen)
        if seen.get("held"):  # a role that comes need not ask again
            _knowing(result, navilab, {**known, "held_until": begun + arguments["lease"]})
        if other := seen.get("lock"):
            failed(result, [_lock.busy(other, self._name(variables))])
        return result


def _knowing(result: dict[str, Any], navilab: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The result with the host's fact, where there is one."""
    if navilab.get("state"):
        fact = {**navilab, "state": _fresh.write(known), "held": bool(known["held_until"])}
        result["ansible_facts"] = {"navilab": fact}
    return result
