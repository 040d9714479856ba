# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option root of every module that gathers facts."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  root:
    description:
      - Directory below which C(sys/), C(dev/), C(proc/) and C(etc/) are read.
      - Another directory than V(/) is a tree recorded on some host. Its links are followed as if it were V(/).
        What only a running host can tell is then reported as not known.
      - A recording of M(navilab.webui.record), its archive or its directory, knows some of that, and what is missing in
        it was missing on the host. An archive is unpacked into a temporary directory.
    type: path
    default: /
"""
