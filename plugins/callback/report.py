# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a run of navilab.webui: causes and table."""

from __future__ import annotations

DOCUMENTATION = r"""
name: report
type: aggregate
short_description: Say at the end why hosts failed, and lay out the results of all hosts as a table
version_added: "0.1.0"
description:
  - After the recap, each failed host with its causes, each once. A cause is a check with evidence and remedy, or the
    failed task with its whole message.
  - Then one line a webui with host, board, VRAM, profile, URL and result. After the playbook C(navilab.webui.selftest)
    one line a tested image and board.
  - What hosts say is shown without control characters.
  - Prints nothing after a playbook that has nothing of this collection in it.
requirements:
  - to be enabled by C(callbacks_enabled = navilab.webui.report) in the section C(defaults) of C(ansible.cfg), or by
    C(ANSIBLE_CALLBACKS_ENABLED=navilab.webui.report) in the environment
"""

from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.plugins.callback import CallbackBase
from ansible_collections.navilab.webui.plugins.plugin_utils import _report
from ansible_collections.navilab.webui.plugins.plugin_utils._report import HostReport, Kind, Step


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Folds each result, prints at the end."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "navilab.webui.report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._play = ""
        self._reports: dict[str, HostReport] = {}
        self._manager: Any = None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play.get_name().strip()
        self._manager = play.get_variable_manager()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        name, action = host.get_name(), getattr(task, "resolved_action", None) or task.action
        self._reports[name] = _report.start(self._report(name), self._step(task, task.name), action)

    def v2_runner_on_ok(self, result: Any) -> None:
        self._fold(result, "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._fold(result, "ok")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._fold(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._fold(result, "unreachable")

    def v2_playbook_on_stats(self, stats: Any) -> None:
        reports = []
        for name, report in self._reports.items():
            counts = stats.summarize(name)
            reports.append(_report.conclude(report, counts["failures"], counts["unreachable"]))
        if not _report.is_ours(reports):
            return
        self._remember(reports)
        if causes := _report.causes(reports):
            self._display.display("\n".join(["", *causes]), color=C.COLOR_ERROR)
        if table := _report.tables(reports):
            self._display.display(f"\n{table}")
        if remarks := _report.remarks(reports):
            self._display.display("\n".join(["", *remarks]))
        if ways := _report.ways(reports):
            self._display.display("\n".join(["", *ways]))

    def _remember(self, reports: list[HostReport]) -> None:
        """A failure takes no facts along: a host that was good before is so no more, for an inventory that groups."""
        for report in reports:
            if report.failures and self._manager:
                self._manager.set_host_facts(report.name, {"navilab_verified": False})

    def _report(self, name: str) -> HostReport:
        return self._reports.get(name) or HostReport(name)

    def _step(self, task: Any, name: str | None) -> Step:
        role = task._role.get_name() if task._role else ""
        return _report.step_of(role, self._play, name or task.action)

    def _fold(self, result: Any, kind: Kind) -> None:
        # ansible-core 2.19 has the names without underscore, and means to take the others away. The fields have the
        # task's name with its variables filled in; where they have gone, the task itself has it.
        new = hasattr(result, "result")
        host, task, data = (
            (result.host, result.task, result.result) if new else (result._host, result._task, result._result)
        )
        fields = getattr(result, "_task_fields", None) or {}
        name = host.get_name()
        step = self._step(task, fields.get("name") or task.name)
        self._reports[name] = _report.fold(self._report(name), step, kind, data)
