# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies the program that writes a host's metrics, which is made here of what all modules know."""

from __future__ import annotations

import tempfile
from typing import Any

from ansible.plugins.action.copy import ActionModule as Copy
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._metrics_files import program


class ActionModule(Copy):  # type: ignore[misc]
    """ansible.builtin.copy, with what there is to copy."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        with tempfile.NamedTemporaryFile(suffix=".pyz") as made:
            made.write(program())
            made.flush()
            self._task.args = {**self._task.args, "src": made.name}
            result: dict[str, Any] = super().run(tmp, task_vars)
            return result
