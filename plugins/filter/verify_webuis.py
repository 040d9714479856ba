# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What kfd_verify has to know of the webuis that should run on a host."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: verify_webuis
short_description: The webuis of a plan, as kfd_verify wants them
version_added: "0.1.0"
description:
  - Pure function over the instances of P(navilab.webui.webui_plan#filter).
positional: instances
options:
  _input:
    description: The instances.
    type: list
    elements: dict
    required: true
  instances:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: dict
  user:
    description: The user of the look.
    type: dict
    required: true
  listen:
    description: Address that the ports are published on.
    type: str
    default: 127.0.0.1
"""

EXAMPLES = r"""
- name: Judge the webuis
  navilab.webui.kfd_verify:
    scope: [webui]
    webuis: "{{ webui_plan.instances | navilab.webui.verify_webuis(navilab_host.user) }}"
"""

RETURN = r"""
_value:
  description: One dict a webui.
  type: list
  elements: dict
"""


def verify_webuis(
    instances: list[dict[str, Any]], user: dict[str, Any], listen: str = "127.0.0.1"
) -> list[dict[str, Any]]:
    return [
        {
            "name": instance["name"],
            "port": instance["port"],
            "listen": listen,
            "data_dir": f"{instance['data_dir']}/{instance['data']}",
            "uid": user["uid"],
            "devices": instance["devices"],
            "image": instance["image"],
            "selftest": instance["selftest"],
        }
        for instance in instances
    ]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"verify_webuis": verify_webuis}
