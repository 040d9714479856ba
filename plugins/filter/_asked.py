# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the lab's builder among hosts outside of a run."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._builder import asked

DOCUMENTATION = r"""
name: _asked
short_description: Find the lab's builder among hosts outside of a run
version_added: "0.1.0"
description:
  - For playbooks/build.yml alone. Pure function; it reaches no host.
positional: answers
options:
  _input:
    description: What M(navilab.webui.builder) has chosen.
    type: dict
    required: true
  answers:
    description: Results of M(navilab.webui.registry_published), one a host.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep what the builder has
  ansible.builtin.set_fact:
    navilab_lab: "{{ result | navilab.webui._asked(results) }}"
"""

RETURN = r"""
_value:
  description: The fact C(navilab_lab).
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_asked": asked}
