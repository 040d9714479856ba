# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the image role's variables, before a recipe is made of them."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._image_recipe import image_problems

DOCUMENTATION = r"""
name: _image_problems
short_description: Name what is wrong with the image role's variables
version_added: "0.1.0"
description:
  - Checks what a role's argument specification can't describe. Without problems, P(navilab.webui._image_recipe#filter)
    can make each profile's recipe.
  - Pure function; it reaches no host.
positional: profiles
options:
  _input:
    description: Names of the wanted profiles.
    type: list
    elements: str
    required: true
  profiles:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: str
  settings:
    description: The image role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Find what is wrong with the variables
  ansible.builtin.set_fact:
    problems: "{{ image_profiles | navilab.webui._image_problems(settings=settings) }}"
"""

RETURN = r"""
_value:
  description: Failed checks, each with V(id), V(status), V(evidence) and V(remedy).
  type: list
  elements: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_problems": image_problems}
