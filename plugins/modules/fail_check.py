#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fail_check
short_description: Stop a host with a check that failed
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Fails as M(ansible.builtin.fail) does, and returns the check as data too, for the table and for machines.
  - This is an action plugin; the host is not asked for anything.
extends_documentation_fragment:
  - navilab.webui.attributes
options:
  id:
    description:
      - The check.
    type: str
  evidence:
    description:
      - What was seen. Logins in addresses are left out.
    type: str
  remedy:
    description:
      - What to do.
    type: str
  checks:
    description:
      - Several checks in place of one, each with V(id), V(evidence) and V(remedy).
    type: list
    elements: dict
seealso:
  - module: navilab.webui.kfd_verify
"""

EXAMPLES = r"""
- name: Stop where the key is another one
  navilab.webui.fail_check:
    id: docker_repository
    evidence: the key has another fingerprint
    remedy: see to the address
"""

RETURN = r"""
checks:
  description:
    - The failed check, as M(navilab.webui.kfd_verify) returns them.
  returned: always
  type: list
  elements: dict
"""
