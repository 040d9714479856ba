# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ssh line that brings a webui to one's desk."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._reach import ssh_forward

DOCUMENTATION = r"""
name: ssh_forward
short_description: The ssh command that forwards a host's port to one's desk
version_added: "0.1.0"
description:
  - Uses the same user, port, key and options that Ansible reaches the host with. A password is never part of it.
positional: connection
options:
  _input:
    description: The variables of the host that describe the connection (C(ansible_host), C(ansible_user), ...).
    type: dict
    required: true
  connection:
    description: The same as O(_input), for use without a pipe.
    type: dict
  port:
    description: The port on the host's loopback.
    type: int
    required: true
  local_port:
    description: The port on one's desk; the same by default.
    type: int
"""

EXAMPLES = r"""
- name: Say how to reach it
  ansible.builtin.debug:
    msg: "{{ hostvars[inventory_hostname] | navilab.webui.ssh_forward(port=7860) }}"
"""

RETURN = r"""
_value:
  description: The command, quoted for a shell; empty for a local connection.
  type: str
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"ssh_forward": ssh_forward}
