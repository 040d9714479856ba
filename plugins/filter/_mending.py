# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be taken away, so that a damaged image can be pulled again."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._damage import mending

DOCUMENTATION = r"""
name: _mending
short_description: Say which containers and images may go, so that damaged images can be pulled again
version_added: "0.1.0"
description:
  - Our own containers that don't run, and images that nobody else's container uses.
  - Internal to the roles of this collection.
positional: users, ours
options:
  _input:
    description: Results of C(docker ps) in a loop over images, a line a container with its name and its state.
    type: list
    elements: dict
    required: true
  users:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: dict
  ours:
    description: Names of containers that the role has made.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Ensure damaged images are gone
  ansible.builtin.command:
    argv: [docker, image, rm, "{{ item }}"]
  loop: "{{ (users.results | navilab.webui._mending(['webui'])).images }}"
"""

RETURN = r"""
_value:
  description: Names in RV(ignore:containers), references in RV(ignore:images).
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_mending": mending}
