# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fails with checks as data, so that whoever reports needs no text to parse."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.navilab.webui.plugins.plugin_utils._action import failed
from ansible_collections.navilab.webui.plugins.plugin_utils._text import problem, without_login

OPTIONS = {"id": {"type": "str"}, "evidence": {"type": "str"}, "remedy": {"type": "str"}}
ARGUMENTS = {**OPTIONS, "checks": {"type": "list", "elements": "dict"}}


class ActionModule(ActionBase):  # type: ignore[misc]
    """See plugins/modules/fail_check.py. The host is not asked for anything."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            ARGUMENTS,
            mutually_exclusive=[("checks", "id")],
            required_one_of=[("checks", "id")],
            required_together=[[*OPTIONS]],
        )
        found = arguments["checks"] or [arguments]
        checks = [problem(check["id"], without_login(str(check["evidence"])), str(check["remedy"])) for check in found]
        return failed(result, checks)
