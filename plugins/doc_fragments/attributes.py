# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What modules that only read have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and return the same as without it, since it changes nothing.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: N/A
    details:
      - Nothing is ever changed.
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
"""

    # Of a module that changes something and shows the difference.
    WRITES = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: full
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
"""

    # Of one that shows none.
    CHANGES = r"""
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: none
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
"""
