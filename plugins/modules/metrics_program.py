#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_program
short_description: Put the program that writes a host's metrics there
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role metrics.
  - The program is an archive of what the modules of this collection know, which Python runs. It is made on the
    controller, where the same collection gives the same bytes.
  - This is an action plugin that goes on as M(ansible.builtin.copy).
extends_documentation_fragment:
  - navilab.webui.attributes
options:
  dest:
    description:
      - Path of the program.
    type: path
    required: true
  owner:
    description:
      - Its owner.
    type: str
  group:
    description:
      - Its group.
    type: str
  mode:
    description:
      - Its mode.
    type: raw
seealso:
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Ensure the program is the collection's
  navilab.webui.metrics_program:
    dest: /usr/local/lib/navilab-metrics.pyz
    owner: root
    group: root
    mode: "0644"
  become: true
"""

RETURN = r"""
checksum:
  description:
    - SHA-1 of the program, as of M(ansible.builtin.copy).
  returned: success
  type: str
"""
