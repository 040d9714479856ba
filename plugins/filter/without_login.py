# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses as they may be shown."""

from __future__ import annotations

import re
from typing import Any

DOCUMENTATION = r"""
name: without_login
short_description: Take user and password out of the addresses in a text
version_added: "0.1.0"
description:
  - C(https://bob:secret@host/x) becomes C(https://host/x), wherever in the text it stands.
  - A user alone goes too, since that is how many a token is given.
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
    msg: "{{ address | navilab.webui.without_login }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""


def without_login(text: str) -> str:
    # Up to the last @ before the path: a password that nobody encoded may have one, or any of #?:
    return re.sub(r"://[^/\s]*@", "://", text)


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"without_login": without_login}
