# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table at the end of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DOCUMENTATION = r"""
name: summary
short_description: Lay out the results of all hosts as a text table
version_added: "0.1.0"
description:
  - One line a webui (or a host that has none), with host, board, VRAM, profile, URL and result.
positional: hosts
options:
  _input:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
  hosts:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: str
  hostvars:
    description: Ansible's C(hostvars), of which C(navilab_failure), C(webui_plan) and the like are read.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | navilab.webui.summary(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The table, lines separated by newlines.
  type: str
"""

HEADER = ("HOST", "BOARD", "VRAM", "PROFILE", "URL", "RESULT")


def _result(facts: Mapping[str, Any]) -> str:
    failure = facts.get("navilab_failure")
    if failure:
        # The message begins with the check's id.
        return f"failed: {str(failure['message']).split(':', 1)[0].splitlines()[0]}"
    checks = facts.get("verify_checks")
    if checks is None:
        return "looked at, not verified" if facts.get("navilab_host") else "lost; see its last task above"
    waived = sum(check["status"] == "waived" for check in checks)
    reboot = (facts.get("reboot_plan") or {}).get("actions") or []
    return ", ".join(["verified", *([f"{waived} waived"] if waived else []), *reboot])


def _rows(host: str, facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    result = _result(facts)
    instances = (facts.get("webui_plan") or {}).get("instances") or []
    verified = facts.get("verify_checks") is not None and not facts.get("navilab_failure")
    if not instances:
        boards = (facts.get("navilab_host") or {}).get("boards") or []
        return [(host, ", ".join(str(board["name"]) for board in boards) or "-", "-", "-", "-", result)]
    return [
        (
            host,
            str(instance["board_name"]),
            f"{instance['vram_mib']} MiB" if instance["vram_mib"] else "-",
            str(instance["profile"] or "-"),
            str(instance["url"]) if verified else "-",
            result,
        )
        for instance in instances
    ]


def summary(hosts: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    return lay_out([HEADER, *(row for host in hosts for row in _rows(host, hostvars[host]))])


def lay_out(rows: list[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"summary": summary}
