# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans as lines that a person reads."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._text import plan_lines

DOCUMENTATION = r"""
name: _plan_lines
short_description: Say what the plans of a host come to
version_added: "0.1.0"
description:
  - One line an action, and one a webui with its profile.
  - Internal to the playbooks of this collection.
positional: plans
options:
  _input:
    description: The plans by step, of M(navilab.webui.plan).
    type: dict
    required: true
  plans:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ ansible_facts.navilab.plans | navilab.webui._plan_lines }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_plan_lines": plan_lines}
