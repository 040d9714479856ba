# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The systemd drop-in with the engine's proxy."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._steps.docker_engine import proxy_unit

DOCUMENTATION = r"""
name: _proxy_unit
short_description: Write the systemd drop-in with the engine's proxy
version_added: "0.1.0"
description:
  - A proxy's address may hold a password, so that it is no part of a plan, which is shown; the task that writes it
    calls this.
  - Internal to the roles of this collection.
positional: proxy
options:
  _input:
    description: The keys V(http), V(https) and V(no_proxy), each of which may be missing.
    type: dict
    required: true
  proxy:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Ensure the engine has its proxy
  navilab.webui.host_files:
    files: "{{ plan.writes }}"
    proxy: "{{ docker_engine_proxy | navilab.webui._proxy_unit }}"
"""

RETURN = r"""
_value:
  description: The drop-in, empty without a proxy.
  type: str
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_proxy_unit": proxy_unit}
