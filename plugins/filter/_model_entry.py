# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a model can be had, of all that the hosts of a lab say about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._steps._models import addresses

DOCUMENTATION = r"""
name: _model_entry
short_description: Put together what several lists of models say about one
version_added: "0.1.0"
description:
  - The first name, size and file on the controller, and all addresses in the order in which they come.
  - Its value may hold logins; it is for a task's argument alone.
  - Internal to the roles of this collection. Pure function; it reaches no host.
positional: sha256
options:
  _input:
    description: Lists in the form of C(webui_models).
    type: list
    elements: list
    required: true
  sha256:
    description: The model's checksum.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Have the model
  navilab.webui.model:
    path: /srv/{{ sum }}
    sha256: "{{ sum }}"
    urls: "{{ ([webui_models] | navilab.webui._model_entry(sum)).urls }}"
"""

RETURN = r"""
_value:
  description: RV(ignore:name), RV(ignore:size), RV(ignore:urls), and RV(ignore:src) where there is one.
  type: dict
"""


def model_entry(lists: Iterable[Iterable[Mapping[str, Any]]], sha256: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": sha256[:12], "size": None, "urls": []}
    same = [each for entries in lists for each in entries or [] if str(each.get("sha256")).lower() == sha256.lower()]
    for entry in reversed(same):  # so that the first one counts
        found.update({key: entry[key] for key in ("name", "size", "src") if entry.get(key)})
    found["urls"] = list(dict.fromkeys(url for entry in same for url in addresses(entry)))
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_model_entry": model_entry}
