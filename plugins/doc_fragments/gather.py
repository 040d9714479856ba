# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of modules that gather all facts."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  packages:
    description:
      - Debian packages whose state is wanted in RV(host).
    type: list
    elements: str
    default: []
  files:
    description:
      - Absolute paths whose kind, mode, owner and SHA-256 (of files up to 1 MiB) are wanted in RV(host).
      - A leading V(~) is the home of O(user), and the key in the answer is the expanded path.
    type: list
    elements: str
    default: []
  images:
    description:
      - Image references to search for, first in the engine, then in their registries.
    type: list
    elements: str
    default: []
  registry_ca:
    description:
      - CA certificates in PEM that are trusted beside the system's when a registry is asked.
    type: str
    default: ""
  probe_images:
    description:
      - Whether registries are asked for the O(images) that the engine does not have.
    type: bool
    default: true
  groups:
    description:
      - Groups whose numbers are wanted, beside video and render.
    type: list
    elements: str
    default: []
  ports:
    description:
      - Ports of TCP whose listeners are wanted, beside those of webuis.
    type: list
    elements: int
    default: []
  addresses:
    description:
      - IP addresses of which it is wanted whether they are this host's.
    type: list
    elements: str
    default: []
  gateways:
    description:
      - Gateways to ask over TLS, without a login.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name that it is asked by, and that its certificate has to be good for.
        type: str
        required: true
      address:
        description:
          - Address of the host's own that it listens on.
        type: str
        required: true
      port:
        description:
          - Port that it listens on.
        type: int
        required: true
      ca:
        description:
          - File of its certificate's authority; the system's authorities where it is empty.
        type: str
        default: ""
notes:
  - Root sees more than others do, namely the kernel log, PCI configuration space, the engine's socket and other users'
    processes.
"""
