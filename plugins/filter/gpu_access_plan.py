# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gpu_access role has to do on one host."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: gpu_access_plan
short_description: Decide which groups to make and join for the GPU's device nodes
version_added: "0.1.0"
description:
  - Compares the look of a host with the groups that own the GPU's device nodes.
  - Pure function; it reaches no host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  state:
    description: Whether the membership is wanted.
    type: str
    choices: [present, absent]
    default: present
  groups:
    description: Names of the groups.
    type: list
    elements: str
    default: [video, render]
"""

EXAMPLES = r"""
- name: Decide what the lab user lacks
  ansible.builtin.set_fact:
    gpu_access_plan: "{{ navilab_host | navilab.webui.gpu_access_plan(groups=['video', 'render']) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:actions) is one sentence a difference.
    - RV(ignore:create), RV(ignore:join) and RV(ignore:leave) are group names.
  type: dict
"""


def gpu_access_plan(
    host: dict[str, Any], state: str = "present", groups: tuple[str, ...] | list[str] = ("video", "render")
) -> dict[str, Any]:
    record = host["records"].get("gpu_access") or {}
    user = host["user"] or {"name": "", "exists": False, "groups": []}
    name = user["name"]
    if state == "absent":
        leave = [group for group in record.get("joined", {}).get(name, []) if group in user["groups"]]
        actions = [f"take {name} out of group {group}" for group in leave]
        if record and not actions:
            actions = ["forget the record of an earlier run"]
        return {"actions": actions, "create": [], "join": [], "leave": leave, "record": {}}
    create = [group for group in groups if host["groups"].get(group) is None]
    join = [group for group in groups if group not in user["groups"]]
    joined = dict(record.get("joined", {}))
    if join:
        joined[name] = sorted({*joined.get(name, []), *join})
    return {
        "actions": [f"make group {group}" for group in create] + [f"add {name} to group {group}" for group in join],
        "create": create,
        "join": join,
        "leave": [],
        "record": {"joined": joined},
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"gpu_access_plan": gpu_access_plan}
