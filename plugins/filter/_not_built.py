# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say why hosts get no image."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._builder import failures

DOCUMENTATION = r"""
name: _not_built
short_description: Say why hosts that need an image get none
version_added: "0.1.0"
description:
  - For playbooks/build.yml alone. Pure function; it reaches no host.
positional: lab, mirror
options:
  _input:
    description: What M(navilab.webui.builder) has chosen.
    type: dict
    required: true
  lab:
    description: The fact C(navilab_lab) of the builder.
    type: dict
    required: true
  mirror:
    description: The host's C(webui_registry_mirror).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Stop where none was built
  navilab.webui.fail_check:
    checks: "{{ build | navilab.webui._not_built(lab) }}"
"""

RETURN = r"""
_value:
  description: Failed checks; empty where the image is there.
  type: list
  elements: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_not_built": failures}
