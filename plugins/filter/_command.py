# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Word a command for the reader of a message."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._commands import command

DOCUMENTATION = r"""
name: _command
short_description: Word the command that starts a playbook of this collection
version_added: "0.1.0"
description:
  - For messages of this collection's roles. A checkout has the driver, an installed collection C(ansible-playbook).
positional: tags
options:
  _input:
    description: Name of the playbook, without its ending.
    type: str
    required: true
  tags:
    description: What follows C(--tags).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say what to do
  ansible.builtin.debug:
    msg: "Run {{ 'site' | navilab.webui._command(tags='webui') }}"
"""

RETURN = r"""
_value:
  description: The command in backticks.
  type: str
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_command": command}
