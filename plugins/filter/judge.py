# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks, as a filter over facts that a host has shown already."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.navilab.webui.plugins.module_utils._checks import judge as judge_checks

DOCUMENTATION = r"""
name: judge
short_description: Judge a look that was taken before
version_added: "0.1.0"
description:
  - The checks of M(navilab.webui.kfd_verify) over a look that is at hand, without another round trip to the host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  wanted:
    description:
      - What to judge, with the keys V(scope), V(only), V(waive), V(user), V(disk_paths), V(min_disk_mib) and
        V(min_memory_mib).
    type: dict
    default: {}
  failed_only:
    description: Whether to return the failed checks alone.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop where KFD does not see the board
  ansible.builtin.assert:
    that: failed | length == 0
  vars:
    failed: "{{ navilab_host | navilab.webui.judge(wanted={'scope': ['kfd']}, failed_only=true) }}"
"""

RETURN = r"""
_value:
  description: The checks, cause before effect, each with V(id), V(status), V(evidence) and V(remedy).
  type: list
  elements: dict
"""


def judge(
    host: dict[str, Any], wanted: dict[str, Any] | None = None, failed_only: bool = False
) -> list[dict[str, Any]]:
    try:
        checks = judge_checks(host, wanted or {})
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error
    return [check for check in checks if check["status"] == "failed"] if failed_only else checks


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"judge": judge}
