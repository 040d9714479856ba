# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action plugin that holds the host for this run, and tells the host's fact what it has done there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from . import _fresh, _lock
from ._action import HostAction


class HoldingAction(HostAction):
    """`hold` is one module on the host, `knowing` the result with what is known of it since."""

    _requires_connection = True
    _supports_check_mode = True

    def known(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the task's host: that of the play's, where the task is not another's."""
        return _fresh.read(self._navilab(variables))

    def hold(
        self, known: dict[str, Any], lease: int, variables: Mapping[str, Any],
        module: str = "host_lock", arguments: Mapping[str, Any] | None = None,
    ) -> tuple[dict[str, Any], list[Check]]:  # fmt: skip
        """Take or renew the lock, by that module: what it says, and the check that another run has it. `known` has how
        long the lock lasts, so that a role that comes need not ask again."""
        begun = time.time()
        seen = self.take(lease, variables, module, arguments)
        if seen.get("held"):
            known["held_until"] = begun + lease
        return seen, [_lock.busy(seen["lock"], self._name(variables))] if seen.get("lock") else []

    def knowing(self, known: Mapping[str, Any], variables: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """The result with the host's fact, where there is one."""
        navilab = self._navilab(variables)
        if navilab.get("state"):
            fact = {**navilab, "state": _fresh.write(known), "held": bool(known.get("held_until"))}
            result["ansible_facts"] = {"navilab": fact}
        return result

    def _navilab(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return {} if self._task.delegate_to else _fresh.fact(variables)
