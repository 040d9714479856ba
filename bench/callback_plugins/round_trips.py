# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the tasks that reach a host."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: round_trips
type: aggregate
short_description: Counts the tasks that reach a host
description:
  - Writes one JSON object with the keys C(round_trips) (host to number), C(changed) (host to number) and C(failed)
    (list of hosts) to the file that E(NAVILAB_ROUND_TRIPS) names.
  - One result of an action that runs on the target counts 1, each attempt of a retried task and each item of a loop
    by itself. Skipped ones count 0, and so do actions that the controller carries out alone.
  - An action plugin that calls several modules (C(copy), C(template), C(reboot)) counts 1 as well, unless its result
    says how many in C(calls), as that of C(navilab.webui.webui_ready) does.
  - A delegated task counts for the host that it is delegated to, and not at all if that is the controller.
"""

CONTROLLER_ONLY = frozenset(
    {
        *("add_host", "assert", "debug", "fail", "group_by", "meta", "pause", "set_fact", "set_stats"),
        *("import_playbook", "import_role", "import_tasks", "include_role", "include_tasks", "include_vars"),
        "validate_argument_spec",
    }
)
CONTROLLER = frozenset({"localhost", "127.0.0.1", "::1"})


class CallbackModule(CallbackBase):
    """Adds up results; see DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "round_trips"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trips: Counter[str] = Counter()

    def _add(self, result: Any) -> None:
        task, content = result._task, result._result
        if task.action.rpartition(".")[2] in CONTROLLER_ONLY:
            return
        host = result._task_fields.get("delegate_to") or result._host.get_name()
        if host in CONTROLLER:
            return
        calls = content.get("calls")
        self._trips[host] += calls if isinstance(calls, int) else 1

    def _add_unless_loop(self, result: Any) -> None:
        """A loop's own result comes after those of its items, which were counted."""
        if result._task.loop is None and result._task.loop_with is None:
            self._add(result)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._add_unless_loop(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._add_unless_loop(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._add_unless_loop(result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        self._add(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._add(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._add(result)

    def v2_runner_retry(self, result: Any) -> None:
        self._add(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = sorted((set(stats.processed) | set(self._trips)) - CONTROLLER)
        document = {
            "round_trips": {host: self._trips[host] for host in hosts},
            "changed": {host: stats.changed.get(host, 0) for host in hosts},
            "failed": [host for host in hosts if stats.failures.get(host) or stats.dark.get(host)],
        }
        Path(os.environ["NAVILAB_ROUND_TRIPS"]).write_text(json.dumps(document), encoding="utf-8")
