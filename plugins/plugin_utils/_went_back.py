# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a webui's container did not take the place of the old one, and what runs now, as a check. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._commands import command
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._text import clean, problem

_LOG = 5
_WORDS = 500


def went_back(
    cause: Mapping[str, Any], changes: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]
) -> list[Check]:
    """`cause` is the result of the task that failed, `changes` are webui_swap's words on going back, and `answers`
    those of webui_ready on the old containers, in the same order."""
    found = []
    for change, answer in zip(changes, answers):
        name, old, new = change["name"], change["from"], change["to"]
        evidence = f"{name} with {new if new != old else 'other settings'} is no good: {why(cause)}"
        if answer.get("ready"):
            seconds = downtime(change, answer)
            silence = f", after {seconds} s without an answer" if seconds is not None else ""
            evidence += f"; {old} runs again{silence}"
            remedy = "correct the settings that were changed" if new == old else "name another image, or mend this one"
            remedy += f"; {command('upgrade')} tries it again" if new != old else ""
        else:
            said = "; ".join(check["evidence"] for check in answer.get("checks") or []) or answer.get("msg") or ""
            evidence += f"; and {old}, which it had before, does not answer either: {clean(str(said))}"
            remedy = f"see `docker logs {name}`, then run again"
        found.append(problem("webui_upgrade", evidence, remedy))
    return found


def downtime(change: Mapping[str, Any], answer: Mapping[str, Any]) -> int | None:
    """Seconds from the end of the old container to the answer of what runs now."""
    return None if change.get("downtime") is None else int(change["downtime"]) + int(answer.get("seconds") or 0)


def why(cause: Mapping[str, Any]) -> str:
    """What a failed task said, in one line: its checks with the end of the log, else its message."""
    said: list[str] = []
    for result in _failed(cause):
        checks = result.get("checks") or []
        said += [check["evidence"] for check in checks] or [str(result.get("msg") or result.get("stderr") or "")]
        log = [*dict.fromkeys(str(line).strip() for line in result.get("log") or [] if str(line).strip())]
        if log:
            said.append(f"its log ends with: {' / '.join(log[-_LOG:])}")
    text = clean(" ".join("; ".join(filter(None, said)).split()))
    return text[:_WORDS] or "its task failed and said nothing"


def _failed(result: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return [item for item in result.get("results") or [] if item.get("failed")] or [result]
