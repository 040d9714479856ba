# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of daemon.json whose values a plan does not show."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._docker_config import secrets

DOCUMENTATION = r"""
name: _daemon_secrets
short_description: The keys of daemon.json that hold a secret
version_added: "0.1.0"
description:
  - A proxy's login or a token is no part of a plan, which is shown; the task that writes the file calls this.
  - Internal to the roles of this collection.
positional: daemon
options:
  _input:
    description: Keys of C(daemon.json).
    type: dict
    required: true
  daemon:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Ensure daemon.json is as planned
  navilab.webui.host_files:
    files: "{{ plan.writes }}"
    values: "{{ docker_engine_daemon | navilab.webui._daemon_secrets }}"
"""

RETURN = r"""
_value:
  description: Those keys, as they are.
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_daemon_secrets": secrets}
