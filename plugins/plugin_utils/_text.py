# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks, and what hosts say, as text that a person reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._types import Check

_STRANGE = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
"""Unicode's categories of control, format (bidirectional marks too), line and paragraph separators, surrogates."""


def clean(text: object) -> str:
    """What a host said, on one line: control characters are shown escaped, so that no terminal obeys them and no line
    begins that looks like ours."""
    return "".join(
        char if unicodedata.category(char) not in _STRANGE else " " if char in "\n\t" else ascii(char)[1:-1]
        for char in str(text)
    ).strip()


def clean_lines(text: object) -> str:
    """The same for a text of several lines, which stay lines."""
    return "\n".join(clean(line) for line in str(text).splitlines())


def problem_lines(checks: Iterable[Mapping[str, Any]], host: str = "") -> list[str]:
    """One line a failed check, with id, evidence and remedy; the one form in which this collection shows them."""
    prefix = f"{host}: " if host else ""
    return [
        f"{prefix}{check['id']}: {clean(check['evidence']).rstrip('.')}. Remedy: {clean(check['remedy']).rstrip('.')}."
        for check in checks
    ]


def without_login(text: str) -> str:
    """``https://bob:secret@host/x`` as ``https://host/x``, wherever in the text it stands; a token alone goes too."""
    # Up to the last @ before the path: a password that nobody encoded may have one, or any of #?:
    return re.sub(r"://[^/\s]*@", "://", text)


def problem(check: str, evidence: str, remedy: str) -> Check:
    """A failed check, as plans report what stops a host before anything changes."""
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy, "note": "", "reason": ""}


def plan_lines(plans: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the plans of a host come to: a line an action and a warning."""

    def said(key: str) -> list[str]:
        return [f"{name}: {clean(line)}" for name, plan in plans.items() for line in plan[key]]

    return (said("actions") or ["nothing to do"]) + said("warnings")
