# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps or drops a record, by a program that a host has compiled already."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.plugin_utils._action import OwnModule


class ActionModule(OwnModule):
    """See plugins/modules/role_record.py for what it takes and returns."""

    _module = "role_record"
