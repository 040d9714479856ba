# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses who builds the images that the plans of a run want built."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.navilab.webui.plugins.module_utils._types import Check
from ansible_collections.navilab.webui.plugins.plugin_utils import _builder, _bundle, _fresh, _variables
from ansible_collections.navilab.webui.plugins.plugin_utils._action import failed, is_local
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean, shown


class ActionModule(ActionBase):  # type: ignore[misc]
    """See plugins/modules/builder.py for what it returns."""

    _requires_connection = False
    _supports_check_mode = True
    BYPASS_HOST_LOOP = True  # the choice is the run's

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self.validate_argument_spec({})
        hostvars = variables["hostvars"]
        offers, dues = {}, []
        for host in variables["ansible_play_hosts"]:
            plan = _fresh.fact(hostvars[host])
            dues.append(plan.get("due") or [])
            if plan.get("offer"):
                offers[host] = plan["offer"]
        needed = any(each["builds"] or each["models"] for each in offers.values())
        build = _builder.choose(offers, *self._lab(variables)) if needed else _builder.choose({}, {})
        # In a host's own run, where all are local, a task for another would run on it, and its registry would answer.
        if build["ask"] and any(is_local(hostvars[host]) for host in variables["ansible_play_hosts"]):
            build["unasked"] = [host for host in build["ask"] if is_local(hostvars[host])]
        build["problems"] = shown(build["problems"])
        bundle, problems = self._bundle(variables)
        # Before anything changes, and read whole once for all hosts.
        if bundle and any(set(due) - {"reboot", "verify"} for due in dues):
            problems = problems or _bundle.damaged(bundle)
        if problems:
            return failed(result, problems)
        lines = [clean(line) for line in _builder.lines(build, bool(bundle))]
        result.update(changed=False, build=build, lines=lines)
        return result

    def _bundle(self, variables: dict[str, Any]) -> tuple[_bundle.Bundle | None, list[Check]]:
        return _bundle.read(str(self._templar.template(variables.get("navilab_bundle", "")) or ""))

    def _lab(self, variables: dict[str, Any]) -> tuple[dict[str, str], str, int, bool]:
        """The inventory's addresses, and what the variables say of builder and registry, as the first host has them."""
        hostvars = variables["hostvars"]
        addresses = {
            host: str(self._templar.template(hostvars[host].get("ansible_host") or host))
            for host in variables["groups"]["all"]
        }
        wanted, least, registry = (
            self._templar.template(variables.get(name, _variables.DEFAULTS.get(name, "")))
            for name in ("image_builder", "image_min_disk_mib", "image_registry")
        )
        return addresses, str(wanted or ""), int(least), bool(registry)
