# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images that are damaged, by what tasks with them came to."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._damage import damage

DOCUMENTATION = r"""
name: _damage
short_description: Find images that are damaged, by what came of their containers and of pulling them
version_added: "0.1.0"
description:
  - Internal to the roles of this collection.
positional: results
options:
  _input:
    description: Results of M(community.docker.docker_container) or M(community.docker.docker_image_pull) in a loop.
    type: list
    elements: dict
    required: true
  results:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: dict
"""

EXAMPLES = r"""
- name: Stop where an image is damaged
  navilab.webui.fail_check:
    checks: "{{ (started.results | navilab.webui._damage).problems }}"
  when: (started.results | navilab.webui._damage).problems | length > 0
"""

RETURN = r"""
_value:
  description: RV(ignore:images), references whose copy in the engine is damaged, and RV(ignore:problems), checks.
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_damage": damage}
