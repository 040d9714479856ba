# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a host for this run, or lets it go."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._lock import RUN
from ansible_collections.navilab.webui.plugins.plugin_utils import _lock
from ansible_collections.navilab.webui.plugins.plugin_utils._action import failed
from ansible_collections.navilab.webui.plugins.plugin_utils._holding import HoldingAction

ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "lease": RUN["lease"],
}


class ActionModule(HoldingAction):
    """See plugins/modules/host_lock.py for what it takes and returns."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        variables = task_vars or {}
        if self._task.check_mode:
            result.update(changed=False, held=False, lock=None, problem="")
            return result
        known = self.known(variables)
        if arguments["state"] == "absent":
            result.update(self.ask("host_lock", {"state": "absent", "run": _lock.mine()["run"]}, variables))
            return self.knowing({**known, "held_until": 0.0}, variables, result)
        if _lock.lasts(known.get("held_until", 0.0), arguments["lease"]):
            result.update(changed=False, held=True, lock=None, problem="", calls=0)
            return result
        seen, busy = self.hold(known, arguments["lease"], variables)
        result.update(seen)
        if busy:
            failed(result, busy)
        return self.knowing(known, variables, result) if seen.get("held") else result
