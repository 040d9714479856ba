# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Problems as the lines that a person reads."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: problem_lines
short_description: One line a problem with check id, evidence and remedy
version_added: "0.1.0"
description:
  - The one form in which this collection shows a failed check.
positional: problems
options:
  _input:
    description: Failed checks, each with V(id), V(evidence) and V(remedy).
    type: list
    elements: dict
    required: true
  problems:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: dict
  host:
    description: Name of the host to begin each line with.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Stop with all problems
  ansible.builtin.fail:
    msg: "{{ problems | navilab.webui.problem_lines | join('\n') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


def problem_lines(problems: list[dict[str, Any]], host: str = "") -> list[str]:
    prefix = f"{host}: " if host else ""
    return [
        f"{prefix}{item['id']}: {str(item['evidence']).rstrip('.')}. Remedy: {str(item['remedy']).rstrip('.')}."
        for item in problems
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"problem_lines": problem_lines}
