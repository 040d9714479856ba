# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a module of ours ends with what its function has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule


def finish(module: AnsibleModule, result: Mapping[str, Any]) -> None:
    """A result is a failure where it says so. Does not return."""
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
