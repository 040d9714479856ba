# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say why a host stays with the webui that it had."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._went_back import went_back

DOCUMENTATION = r"""
name: _went_back
short_description: Say why a host stays with the webui that it had
version_added: "0.1.0"
description:
  - Makes a check a webui of what failed, of what came of going back, and of the old container's answer.
  - Internal to the roles of this collection.
positional: changes, answers
options:
  _input:
    description: Result of the task that failed, C(ansible_failed_result) in a rescue.
    type: dict
    required: true
  changes:
    description: What M(navilab.webui.webui_swap) returned on going back.
    type: list
    elements: dict
    required: true
  answers:
    description: Results of M(navilab.webui.webui_ready) over the old containers, in the same order.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Stop
  navilab.webui.fail_check:
    checks: "{{ ansible_failed_result | navilab.webui._went_back(back.swaps, answers.results) }}"
"""

RETURN = r"""
_value:
  description: The checks.
  type: list
  elements: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_went_back": went_back}
