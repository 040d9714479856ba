# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses as they may be shown."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._text import without_login

DOCUMENTATION = r"""
name: _without_login
short_description: Take user and password out of the addresses in a text
version_added: "0.1.0"
description:
  - C(https://bob:secret@host/x) becomes C(https://host/x), wherever in the text it stands.
  - A user alone goes too, since that is how many a token is given.
  - Internal to the roles of this collection.
positional: text
options:
  _input:
    description: Text that is to be shown.
    type: str
    required: true
  text:
    description: The same as O(_input), for use without a pipe.
    type: str
"""

EXAMPLES = r"""
- name: Say where it comes from
  ansible.builtin.debug:
    msg: "{{ address | navilab.webui._without_login }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_without_login": without_login}
