# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waivers that no check can honour, found before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._checks import validate

DOCUMENTATION = r"""
name: waiver_problems
short_description: Name waivers of unknown checks and waivers without a reason
version_added: "0.1.0"
description:
  - Pure function; it reaches no host.
positional: waive
options:
  _input:
    description: Variables that hold waivers, each with its value, a dict of check id and reason.
    type: dict
    required: true
  waive:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Collect the problems
  ansible.builtin.set_fact:
    problems: "{{ {'verify_waive': verify_waive} | navilab.webui.waiver_problems }}"
"""

RETURN = r"""
_value:
  description: Failed checks of the id V(variables), one a variable that is wrong.
  type: list
  elements: dict
"""


def waiver_problems(waive: Mapping[str, Any]) -> list[dict[str, str]]:
    problems = []
    for variable, waivers in waive.items():
        try:
            validate({"waive": waivers})
        except (ValueError, TypeError) as error:
            remedy = f"write {variable} as a dict of check ids, each with the reason for living with it"
            problems.append(
                {"id": "variables", "status": "failed", "evidence": f"{variable}: {error}", "remedy": remedy}
            )
    return problems


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"waiver_problems": waiver_problems}
