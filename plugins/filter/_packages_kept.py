# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packages that apt was kept from removing, by what a task of apt's came to."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._packages import refused

DOCUMENTATION = r"""
name: _packages_kept
short_description: Say which packages apt was kept from removing
version_added: "0.1.0"
description:
  - Internal to the roles of this collection.
positional: result
options:
  _input:
    description: Result of a task that ran apt with C(--no-remove).
    type: dict
    required: true
  result:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Stop where apt would take something away
  navilab.webui.fail_check:
    checks: "{{ installed | navilab.webui._packages_kept }}"
  when: installed | navilab.webui._packages_kept | length > 0
"""

RETURN = r"""
_value:
  description: One check with what apt would have removed; empty where the task ended otherwise.
  type: list
  elements: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_packages_kept": refused}
