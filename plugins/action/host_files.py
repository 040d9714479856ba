# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps records and writes files on a host that this run holds, in one round trip."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._host_files import FILES
from ansible_collections.navilab.webui.plugins.module_utils._lock import RUN
from ansible_collections.navilab.webui.plugins.plugin_utils import _lock
from ansible_collections.navilab.webui.plugins.plugin_utils._action import failed
from ansible_collections.navilab.webui.plugins.plugin_utils._holding import HoldingAction

ARGUMENTS = {**FILES, "lease": RUN["lease"]}


class ActionModule(HoldingAction):
    """See plugins/modules/host_files.py for what it takes and returns."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        variables = task_vars or {}
        known, lease = self.known(variables), arguments.pop("lease")
        holds = not (self._task.check_mode or _lock.lasts(known.get("held_until", 0.0), lease))
        # What takes the lock goes as a file, which no secret should: then it is two round trips.
        apart = bool(arguments["values"] or arguments["proxy"])
        if holds:
            way = ("host_lock", None) if apart else ("host_files", arguments)
            seen, busy = self.hold(known, lease, variables, *way)
            result.update(seen)
            if busy:
                failed(result, busy)
        if not (result.get("failed") or result.get("unreachable")) and (apart or not holds):
            result.update(self.ask("host_files", arguments, variables))
        if self._task.check_mode or result.get("failed") or result.get("unreachable"):
            return result
        if known["facts"]:  # a role that comes need not keep them again
            known["facts"]["records"] = {**known["facts"]["records"], **arguments["records"]}
        return self.knowing(known, variables, result)
