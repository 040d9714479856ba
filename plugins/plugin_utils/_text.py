# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, and what hosts say, as text that a person reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._escape import clean, without_login
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

__all__ = ("clean", "clean_lines", "plan_lines", "problem", "problem_lines", "shown", "without_login")

_SAID = ("id", "evidence", "remedy", "note", "reason")


def clean_lines(text: object) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(clean(line) for line in str(text).splitlines())


def shown(checks: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Checks as a result carries them: whoever prints it, Ansible's own callbacks too, prints no control character."""
    return [{**check, **{key: clean(check[key]) for key in _SAID if key in check}} for check in checks]


def problem_lines(checks: Iterable[Mapping[str, Any]], host: str = "") -> list[str]:
    """One line a failed check, with id, evidence and remedy; the one form in which this collection shows them."""
    prefix = f"{host}: " if host else ""
    return [
        f"{prefix}{check['id']}: {check['evidence'].rstrip('.')}. Remedy: {check['remedy'].rstrip('.')}."
        for check in shown(checks)
    ]


def problem(check: str, evidence: str, remedy: str) -> Check:
    """A failed check, as plans report what stops a host before anything changes."""
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy, "note": "", "reason": ""}


def plan_lines(plans: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the plans of a host come to: a line an action and a warning."""

    def said(key: str) -> list[str]:
        return [f"{name}: {clean(line)}" for name, plan in plans.items() for line in plan[key]]

    return (said("actions") or ["nothing to do"]) + said("warnings")
