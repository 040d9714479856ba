# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what the lab's builder has, for the plans of all hosts."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._builder import told

DOCUMENTATION = r"""
name: _told
short_description: Say what the lab's builder has, for the plans of all hosts
version_added: "0.1.0"
description:
  - For playbooks/build.yml alone. Pure function; it reaches no host.
positional: external
options:
  _input:
    description: What M(navilab.webui.registry_published) has returned.
    type: dict
    required: true
  external:
    description: References by tag, at a registry of the user's own.
    type: dict
"""

EXAMPLES = r"""
- name: Keep what the builder has
  ansible.builtin.set_fact:
    navilab_lab: "{{ result | navilab.webui._told }}"
"""

RETURN = r"""
_value:
  description: The fact C(navilab_lab).
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_told": told}
