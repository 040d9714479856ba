# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats the module webui_ready and prints how far the webui is, one line a change."""

from __future__ import annotations

import time
from typing import Any

from ansible.utils.display import Display
from ansible_collections.navilab.webui.plugins.module_utils._commands import run_site
from ansible_collections.navilab.webui.plugins.module_utils._ready import ARGUMENTS
from ansible_collections.navilab.webui.plugins.plugin_utils._action import HostAction
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean, problem, problem_lines, shown

display = Display()
ANSWER = ("ready", "models", "phase", "state", "at")


class ActionModule(HostAction):
    """One round trip a slice, until the webui is ready, dead, or the time is over."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        if self._task.check_mode:
            result.update(changed=False, ready=False, seconds=0, models=None, phase="", state=None, calls=0)
            return result
        host = (task_vars or {}).get("inventory_hostname", "localhost")
        name, timeout = arguments["name"], arguments["timeout"]
        start, shown, restarts, deaths, calls = time.monotonic(), "", arguments["restarts"], 0, 0
        while True:
            left = timeout - (time.monotonic() - start)
            asked = {**arguments, "slice": max(0, min(arguments["slice"], int(left))), "restarts": restarts}
            seen = self.ask("webui_ready", asked, task_vars or {})
            seconds, calls = int(time.monotonic() - start), calls + 1
            if seen.get("failed") or "ready" not in seen:
                result.update(seen)
                return result
            restarts = seen["restarts"] - seen["deaths"] if restarts is None else restarts
            seen["phase"] = clean(seen["phase"] or "")
            result.update({key: seen[key] for key in ANSWER}, changed=False, seconds=seconds, calls=calls)
            if seen["ready"]:
                return result
            if seen["dead"]:
                return _failed(result, seen, name, seen["dead"])
            if seen["deaths"] > deaths:
                display.display(f"{host}: {name}: died, and was started again by the engine ({seconds} s)")
                deaths = seen["deaths"]
            progress = clean(seen["phase"] or seen["state"] or "no answer yet")
            if progress != shown:
                display.display(f"{host}: {name}: {progress} ({seconds} s)")
                shown = progress
            if seconds >= timeout:
                return _failed(result, seen, name, f"{name} is not ready after {seconds} s ({progress})")


def _failed(result: dict[str, Any], seen: dict[str, Any], name: str, why: str) -> dict[str, Any]:
    remedy = run_site("webui")
    if seen["log"]:
        remedy = f"read the end of its log (`docker logs {name}` has all of it), then {remedy}"
    checks = [problem("webui_healthy", why, remedy)]
    log = [clean(line) for line in seen["log"]]
    lines = [f"    {line[:200]}" for line in log]
    result.update(failed=True, msg="\n".join([*problem_lines(checks), *lines]), checks=shown(checks), log=log)
    return result
