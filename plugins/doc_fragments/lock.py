# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of modules that hold the host for a run."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  lease:
    description:
      - Seconds after which the run counts as dead, unless it renews the lock.
    type: int
    default: 1800
  run:
    description:
      - The run that is to hold the host. The action plugin says it, and the options below. Without it the host is not
        held.
    type: str
  over:
    description:
      - A run that is known to be dead.
    type: str
    default: ""
  who:
    description:
      - Account and machine that started the run, or the job of AWX that it is.
    type: str
    default: ""
  machine:
    description:
      - Tells that machine from all others.
    type: str
    default: ""
  pid:
    description:
      - Process of the run there.
    type: int
    default: 0
  start:
    description:
      - When that process began, in the kernel's ticks.
    type: int
"""
