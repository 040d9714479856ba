# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An action plugin that holds the host for this run, and tells the host's fact what it has done there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import _fresh, _lock
from ._action import HostAction, failed


class HoldingAction(HostAction):
    """`hold` is one module on the host, `knowing` the result with what is known of it since."""

    def known(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the task's host: that of the play's, where the task is not another's."""
        return _fresh.read(self._navilab(variables))

    def hold(
        self, known: dict[str, Any], lease: int, variables: Mapping[str, Any], result: dict[str, Any],
        module: str = "host_lock", arguments: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Take or renew the lock, by that module; `result` has what it says, and `known` how long the lock lasts."""
        begun = time.time()
        seen = self.take(lease, variables, module, arguments)
        result.update(seen)
        if seen.get("held"):  # a role that comes need not ask again
            known["held_until"] = begun + lease
        if other := seen.get("lock"):
            failed(result, [_lock.busy(other, self._name(variables))])

    def knowing(self, known: Mapping[str, Any], variables: Mapping[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """The result with the host's fact, where there is one."""
        navilab = self._navilab(variables)
        if navilab.get("state"):
            fact = {**navilab, "state": _fresh.write(known), "held": bool(known.get("held_until"))}
            result["ansible_facts"] = {"navilab": fact}
        return result

    def _navilab(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (variables.get("ansible_facts") or {}).get("navilab") or {}
        return {} if self._task.delegate_to else found
