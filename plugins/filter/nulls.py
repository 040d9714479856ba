# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables that were written down without a value."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: nulls
short_description: Name what is null in settings, however deep
version_added: "0.1.0"
description:
  - In YAML a key without a value is null, which is neither the default nor an empty text.
  - Pure function; it reaches no host.
positional: value
options:
  _input:
    description: The settings.
    type: raw
    required: true
  value:
    description: The same as O(_input), for use without a pipe.
    type: raw
"""

EXAMPLES = r"""
- name: Refuse variables without a value
  ansible.builtin.assert:
    that: webui_settings | navilab.webui.nulls | length == 0
"""

RETURN = r"""
_value:
  description: Paths such as V(models.0.url).
  type: list
  elements: str
"""


def nulls(value: Any) -> list[str]:
    if isinstance(value, dict):
        inner = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [(str(number), item) for number, item in enumerate(value)]
    else:
        return []
    found = []
    for name, item in inner:
        found += [name] if item is None else [f"{name}.{path}" for path in nulls(item)]
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"nulls": nulls}
