# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an image of a profile is made from, and the names that follow from it."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._image_recipe import image_recipe

DOCUMENTATION = r"""
name: _image_recipe
short_description: Turn the image role's variables into the recipe of one profile's image
version_added: "0.1.0"
description:
  - Names base, sources and wheels by what they are made from, so that a name that exists needs no work, and the image
    by all of them.
  - Addresses are no part of a name. A mirror that serves the same commit gives the same image.
  - Pure function; it reaches no host.
positional: profile
options:
  _input:
    description: Name of the profile.
    type: str
    required: true
  profile:
    description: The same as O(_input), for use without a pipe.
    type: str
  settings:
    description: The image role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what the image of the CPU's profile is made from
  ansible.builtin.debug:
    msg: "{{ 'cpu' | navilab.webui._image_recipe(settings=settings) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:image) and RV(ignore:base) are references in the builder's engine.
    - RV(ignore:sources) and RV(ignore:wheels) each have the RV(ignore:path) below the role's cache that they are
      fetched to.
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_recipe": image_recipe}
