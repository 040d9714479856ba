# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds a host for this run, or lets it go."""

from __future__ import annotations

import time
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
        if arguments["state"] == "absent":
            result.update(self.ask("host_lock", {"state": "absent", "run": _lock.mine()["run"]}, variables))
            return result
        navilab = (variables.get("ansible_facts") or {}).get("navilab") or {}
        known, begun = _fresh.read(navilab), time.time()
        if _lock.lasts(known.get("held_until", 0.0), arguments["lease"]):
            result.update(changed=False, held=True, lock=None, problem="", calls=0)
            return result
        seen = self.take(arguments["lease"], variables)
        result.update(seen)
        if seen.get("held") and navilab.get("state"):  # a role that comes need not ask again
            state = _fresh.write({**known, "held_until": begun + arguments["lease"]})
            result["ansible_facts"] = {"navilab": {**navilab, "state": state, "held": True}}
        if other := seen.get("lock"):
            failed(result, [_lock.busy(other, self._name(variables))])
        return result
