# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps records and writes files on a host that this run holds, in one round trip."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._host_files import FILES
from ansible_collections.navilab.webui.plugins.plugin_utils import _lock
from ansible_collections.navilab.webui.plugins.plugin_utils._holding import HoldingAction

ARGUMENTS = {**FILES, "lease": {"type": "int", "default": _lock.LEASE_S}}


class ActionModule(HoldingAction):
    """See plugins/modules/host_files.py for what it takes and returns."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        variables = task_vars or {}
        known, lease = self.known(variables), arguments.pop("lease")
        # What takes the lock goes as a file, which no secret should.
        if (arguments["values"] or arguments["proxy"]) and not self._task.check_mode:
            if not _lock.lasts(known.get("held_until", 0.0), lease):
                self.hold(known, lease, variables, result)
            if result.get("failed") or result.get("unreachable"):
                return result
            result.update(self.ask("host_files", arguments, variables))
        elif self._task.check_mode or _lock.lasts(known.get("held_until", 0.0), lease):
            result.update(self.ask("host_files", arguments, variables))
        else:
            self.hold(known, lease, variables, result, "host_files", arguments)
        if self._task.check_mode or result.get("failed") or result.get("unreachable"):
            return result
        if known["facts"]:  # a role that comes need not keep them again
            known["facts"]["records"] = {**known["facts"]["records"], **arguments["records"]}
        return self.knowing(known, variables, result)
