# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account that is meant where none is named."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._caller import caller

DOCUMENTATION = r"""
name: _or_caller
short_description: A name, or who started this run of Ansible where it is empty
version_added: "0.1.0"
description:
  - Under sudo, doas or pkexec that is the person who called it. Else it is the account that Ansible runs as, whatever
    C($USER) says.
  - Internal to the roles of this collection.
positional: name
options:
  _input:
    description: Name of an account, or empty.
    type: str
    required: true
  name:
    description: The same as O(_input), for use without a pipe.
    type: str
"""

EXAMPLES = r"""
- name: Say who is meant
  ansible.builtin.debug:
    msg: "{{ navilab_user | default('') | navilab.webui._or_caller }}"
"""

RETURN = r"""
_value:
  description: The name; empty only where the account that Ansible runs as has none.
  type: str
"""


def or_caller(name: object) -> str:
    return str(name) if name else caller()


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_or_caller": or_caller}
