# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of what images compute on boards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.filter.summary import lay_out

DOCUMENTATION = r"""
name: selftest_table
short_description: Lay out the self-tests of all hosts as a text table
version_added: "0.1.0"
description:
  - One line a tested image and board, with host, board, profile, image, precision and result.
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
    description: Ansible's C(hostvars), of which C(navilab_host), C(webui_plan) and C(navilab_failure) are read.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | navilab.webui.selftest_table(hostvars) }}"
"""

RETURN = r"""
_value:
  description: The table, lines separated by newlines.
  type: str
"""

HEADER = ("HOST", "BOARD", "PROFILE", "IMAGE", "PRECISION", "RESULT")


def _short(image: str) -> str:
    """The name without its registry, and the first digits of its digest."""
    name, _at, digest = image.partition("@sha256:")
    return name.rpartition("/")[2] + (f"@{digest[:12]}" if digest else "")


def _rows(host: str, facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    record = ((facts.get("navilab_host") or {}).get("records") or {}).get("selftest") or {}
    tested = [
        (
            host,
            str(entry["board"]),
            str(entry["profile"]),
            _short(str(entry["image"])),
            str(entry["precision"] or "-"),
            f"{'ok' if entry['usable'] else 'failed'}: {entry['evidence']}"
            + (" (simulated)" * bool(entry["simulated"])),
        )
        for entry in (record.get("results") or {}).values()
    ]
    reasons = [
        str(instance["selftest"]["reason"])
        for instance in (facts.get("webui_plan") or {}).get("instances") or []
        if instance["selftest"]["status"] == "skipped"
    ]
    failure = str((facts.get("navilab_failure") or {}).get("message") or "")
    untold = [failure.partition("\n")[0]] if failure and not tested else reasons
    return tested + [(host, "-", "-", "-", "-", text) for text in untold]


def selftest_table(hosts: list[str], hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    return lay_out([HEADER, *(row for host in hosts for row in _rows(host, hostvars[host]))])


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"selftest_table": selftest_table}
