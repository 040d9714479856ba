# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats the module model and prints how far a file is: a line a tenth, and one a minute."""

from __future__ import annotations

import posixpath
import time
import uuid
from typing import Any

from ansible.utils.display import Display
from ansible_collections.navilab.webui.plugins.module_utils._addresses import open_url
from ansible_collections.navilab.webui.plugins.module_utils._model import ARGUMENTS, size_text
from ansible_collections.navilab.webui.plugins.plugin_utils._action import HostAction, failed
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean

display = Display()
QUIET_S = 60.0
DEATHS = 3
OWN = ("secret_urls", "job")


class ActionModule(HostAction):
    """One round trip a slice, until the file is there or can't be had."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {key: spec for key, spec in ARGUMENTS.items() if key not in OWN}
        )
        variables = task_vars or {}
        name = arguments["name"] or posixpath.basename(arguments["path"])
        shown = _Shown(variables.get("inventory_hostname", "localhost"), name, bool(self._task.no_log))
        # The module logs its arguments, so that what is secret goes the way that it does not log.
        urls = arguments["urls"]
        opened = [open_url(url) for url in urls]
        secret = {str(number): url for number, url in enumerate(urls) if url != opened[number]}
        asked = {**arguments, "urls": opened, "secret_urls": secret, "job": uuid.uuid4().hex}
        start, deaths = time.monotonic(), 0
        while True:
            seen = self.ask("model", asked, variables)
            result["seconds"] = int(time.monotonic() - start)
            if seen.get("failed") or seen.get("unreachable"):
                return {**result, **seen}
            if seen.get("died") and (deaths := deaths + 1) < DEATHS:
                asked["job"] = uuid.uuid4().hex
            elif "running" in seen:
                shown.progress(seen["running"], result["seconds"])
            else:
                break
        seen.pop("invocation", None)
        result.update({"changed": False, "fetched": 0, "resumed": 0, "size": None, "address": "", "notes": [], **seen})
        if seen.get("died") or seen.get("error"):
            why = seen.get("error") or "the process that fetches it was killed, three times (see dmesg for memory)"
            return {**result, "failed": True, "msg": f"{shown.name}: {clean(why)}"}
        if seen["checks"]:
            return failed(result, seen["checks"])
        if self._task.diff and result["changed"]:
            after = f"{arguments['path']}\nsha256 {arguments['sha256']}\n"
            result["diff"] = {"before": "", "after": after, "before_header": "", "after_header": arguments["path"]}
        return result


class _Shown:
    """What was printed of a file's progress, so that little of it is printed again."""

    def __init__(self, host: str, name: str, quiet: bool) -> None:
        self.host, self.name, self.quiet = host, clean(name), quiet
        self._last: tuple[str, int] = ("", -1)
        self._second, self._mark = 0, (0.0, 0)

    def progress(self, seen: dict[str, Any], seconds: int) -> None:
        if not seen or self.quiet:
            return
        done, total, what = int(seen["done"]), seen["total"], clean(seen["what"])
        now = (what, done * 10 // total if total else -1)
        if now == self._last and seconds - self._second < QUIET_S:
            return
        before, was = self._mark
        rate = (done - was) / (seen["at"] - before) if what == self._last[0] and seen["at"] > before else 0
        self._last, self._second, self._mark = now, seconds, (seen["at"], done)
        much = f"{size_text(done)} of {size_text(total)}" if total else size_text(done)
        source = f" from {clean(seen['source'])}" if seen["source"] else ""
        pace = f", {size_text(int(rate))}/s" if rate > 0 else ""
        display.display(f"{self.host}: {self.name}: {what}{source}, {much}{pace} ({seconds} s)")
