# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count tasks, forks and the tasks that reach a host."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: counts
type: aggregate
short_description: Counts tasks, forks and round trips
description:
  - Writes one JSON object to the file that E(NAVILAB_BENCH_COUNTS) names, with the keys C(tasks) (that were started,
    handlers and skipped ones included), C(shown) (those with a result that was not skipped), C(forks) (a task on a host
    is one), C(round_trips) and C(changed) (host to number), C(failed) (list of hosts) and C(seconds) (name of a task to
    the wall seconds until its last result).
  - In C(round_trips), one result of an action that runs on the target counts 1, each attempt of a retried task and each
    item of a loop by itself. Skipped ones count 0, and so do actions that the controller carries out alone.
  - An action plugin that calls several modules (C(copy), C(template), C(reboot)) counts 1 as well, unless its result
    says how many in C(calls), as that of C(navilab.webui.webui_ready) does. C(navilab.webui.plan) without C(calls)
    counts 1 where its result says C(gathered_now), else 0.
  - A delegated task counts for the host that it is delegated to, and not at all if that is the controller.
"""

CONTROLLER_ONLY = frozenset(
    {
        *("add_host", "assert", "debug", "fail", "group_by", "meta", "pause", "set_fact", "set_stats"),
        *("import_playbook", "import_role", "import_tasks", "include_role", "include_tasks", "include_vars"),
        *("validate_argument_spec", "fail_check", "builder"),
    }
)
CONTROLLER = frozenset({"localhost", "127.0.0.1", "::1"})


class CallbackModule(CallbackBase):
    """Adds up results; see DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "counts"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trips: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._shown: set[str] = set()
        self._tasks: set[str] = set()
        self._forks = 0
        self._started = 0.0

    def _add(self, result: Any) -> None:
        task, content = result._task, result._result
        action = task.action.rpartition(".")[2]
        if action in CONTROLLER_ONLY:
            return
        host = result._task_fields.get("delegate_to") or result._host.get_name()
        if host in CONTROLLER:
            return
        calls = content.get("calls")
        if not isinstance(calls, int):
            calls = int(action != "plan" or content.get("gathered_now") is True)
        self._trips[host] += calls

    def _end(self, result: Any) -> None:
        """A result of a whole task; that of a loop comes after those of its items, which were counted."""
        self._seconds[result._task.get_name()] += max(0.0, time.monotonic() - self._started)
        self._started = time.monotonic()
        self._shown.add(result._task._uuid)
        if result._task.loop is None and result._task.loop_with is None:
            self._add(result)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._tasks.add(task._uuid)  # a meta task is started once a host
        self._started = time.monotonic()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        self._forks += 1

    def v2_runner_on_ok(self, result: Any) -> None:
        self._end(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._end(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._end(result)

    def v2_runner_on_async_poll(self, result: Any) -> None:
        self._add(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._add(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._add(result)

    def v2_runner_retry(self, result: Any) -> None:
        self._add(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        if "NAVILAB_BENCH_COUNTS" not in os.environ:
            return
        hosts = sorted((set(stats.processed) | set(self._trips)) - CONTROLLER)
        document = {
            "tasks": len(self._tasks),
            "shown": len(self._shown),
            "forks": self._forks,
            "round_trips": {host: self._trips[host] for host in hosts},
            "changed": {host: stats.changed.get(host, 0) for host in hosts},
            "failed": [host for host in hosts if stats.failures.get(host) or stats.dark.get(host)],
            "seconds": {name: round(seconds, 2) for name, seconds in self._seconds.items()},
        }
        Path(os.environ["NAVILAB_BENCH_COUNTS"]).write_text(json.dumps(document), encoding="utf-8")
