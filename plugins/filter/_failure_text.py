# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failed task said, for the evidence of a check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean_lines

DOCUMENTATION = r"""
name: _failure_text
short_description: The message of a failed task, of its loop's items too
version_added: "0.1.0"
description:
  - Ansible's result of a loop says only that items failed; this gathers what they said, without control characters.
  - Internal to the roles of this collection.
positional: result
options:
  _input:
    description: The result, C(ansible_failed_result) in a rescue.
    type: dict
    required: true
  result:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Keep what failed
  ansible.builtin.set_fact:
    why: "{{ ansible_failed_result | navilab.webui._failure_text }}"
"""

RETURN = r"""
_value:
  description: The text, without a trace.
  type: str
"""


def failure_text(result: Mapping[str, Any]) -> str:
    items = [item for item in result.get("results") or [] if item.get("failed")]
    if items:
        return "\n".join(failure_text(item) for item in items)
    text = str(result.get("msg") or result.get("stderr") or "the task failed and said nothing").strip()
    details = str(result.get("stderr") or "").strip()
    return clean_lines(f"{text}\n{details}" if details and details not in text else text)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_failure_text": failure_text}
