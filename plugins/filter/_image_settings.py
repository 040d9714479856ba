# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The image role's variables as its other filters take them."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._image_settings import image_settings

DOCUMENTATION = r"""
name: _image_settings
short_description: Turn the image role's variables into what recipes are made from
version_added: "0.1.0"
description:
  - Adds the content of the role's locks and the digests of its scripts, so that a change of them is another image.
  - Reads files on the controller; it reaches no host.
options:
  _input:
    description: The image role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Have the settings of the recipes
  ansible.builtin.debug:
    msg: "{{ variables | navilab.webui._image_settings }}"
"""

RETURN = r"""
_value:
  description: The settings for P(navilab.webui._image_recipe#filter), P(navilab.webui._image_plan#filter) and
    P(navilab.webui._image_problems#filter).
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_settings": image_settings}
