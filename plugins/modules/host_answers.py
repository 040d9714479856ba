#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_answers
short_description: Ask a host's own programs what they would say to an intended change
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Asks apt what a transaction would remove, change or be refused, dockerd whether it would start with a
    C(daemon.json), and registries whether they have an image.
  - Changes nothing on the host but what O(keep_lists) keeps. M(navilab.webui.plan) asks it where a plan means to
    install, to write that file or to pull.
extends_documentation_fragment:
  - navilab.webui.attributes
  - navilab.webui.root
options:
  apt:
    description:
      - Transactions to simulate. Several are one at first; where something is in its way, each is asked by itself.
    type: list
    elements: dict
    default: []
    suboptions:
      install:
        description:
          - Packages, as V(name) or V(name=version).
        type: list
        elements: str
        default: []
      sources:
        description:
          - Files of C(/etc/apt/sources.list.d) that would be there by then.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description:
              - Where the file would be.
            type: str
            required: true
          content:
            description:
              - What it would say.
            type: str
            required: true
  dockerd:
    description:
      - Files C(daemon.json) to validate.
    type: list
    elements: dict
    default: []
    suboptions:
      config:
        description:
          - The file's text.
        type: str
        required: true
  images:
    description:
      - Image references to look up at their registries.
    type: list
    elements: str
    default: []
  registry_ca:
    description:
      - Certificates in PEM form that registries may be signed by, beside the system's.
    type: str
    default: ""
  docker_config:
    description:
      - The engine's C(daemon.json), for its mirrors and insecure registries.
    type: dict
  keep_lists:
    description:
      - Whether the lists of apt that were read for several transactions, with nothing in the way of any, are kept in
        C(/var/cache/navilab.webui) for the installation that follows. M(navilab.webui.host_lock) takes them away as it
        lets the host go.
    type: bool
    default: false
seealso:
  - module: navilab.webui.host_info
"""

EXAMPLES = r"""
- name: Ask whether Docker could be installed
  navilab.webui.host_answers:
    apt:
      - install: [docker.io]
  become: true
  register: asked
"""

RETURN = r"""
answers:
  description:
    - RV(ignore:apt) and RV(ignore:dockerd) list each C(question) with its C(answer), RV(ignore:registry) is by image.
  returned: success
  type: dict
  sample:
    apt:
      - question:
          install: [docker.io]
          sources: []
        answer:
          removed: [containerd.io]
          held: []
          missing: []
          changed: []
          error: ""
    dockerd: []
    registry: {}
    lists: ""
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._answers import ARGUMENTS, host_answers
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, host_answers(module.params, module.check_mode))


if __name__ == "__main__":
    main()
