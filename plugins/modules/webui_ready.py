#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: webui_ready
short_description: Wait until a webui is ready, and show how far it is
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Waits until the webui on this host is ready, or the time is over. It is ready when C(/internal/ping) answers below
    500 and C(/sdapi/v1/sd-models) lists a model.
  - The first start on a board compiles kernels for minutes, so the phase that the container's log tells is printed as
    it changes.
  - Fails at once, with the end of the log and the exit code, if the container exits for good, or dies a second time
    instead of getting ready. The first time the engine starts it again, and the waiting goes on. On a busy machine, the
    webui ends itself where its own page is slow to open.
  - Nothing but Python's standard library is needed on the host.
requirements:
  - Linux with Python 3.9 or newer
options:
  name:
    description:
      - Name of the container.
    type: str
    required: true
  port:
    description:
      - Port of the webui on the host.
    type: int
    required: true
  timeout:
    description:
      - Seconds to wait in all.
    type: int
    default: 900
  slice:
    description:
      - Seconds to wait on the host before it reports back; 0 asks once. Each slice is one round trip.
    type: int
    default: 10
  allow_no_models:
    description:
      - Whether a webui without any model counts as ready.
    type: bool
    default: false
  restarts:
    description:
      - How often the engine had started the container again when the waiting began. The action plugin remembers it.
    type: int
attributes:
  action:
    description: An action plugin on the controller repeats the module and prints the progress.
    support: full
  check_mode:
    description: Returns at once in check mode, without asking.
    support: full
  diff_mode:
    description: Returns nothing to compare.
    support: none
  platform:
    description: Target systems.
    support: full
    platforms: linux
notes:
  - The user needs access to the engine's socket for the state and the log of the container. Without it, readiness is
    all that is known.
seealso:
  - module: navilab.webui.kfd_verify
"""

EXAMPLES = r"""
- name: Wait until the webui draws
  navilab.webui.webui_ready:
    name: webui
    port: 7860
    timeout: 600
  become: true
"""

RETURN = r"""
ready:
  description:
    - Whether the webui is ready. V(false) in check mode.
  returned: always
  type: bool
seconds:
  description:
    - Seconds waited.
  returned: always
  type: int
models:
  description:
    - Number of models that it lists, null if it does not answer.
  returned: always
  type: int
phase:
  description:
    - What the container's log says it does, empty if that is not known.
  returned: always
  type: str
  sample: loading the model
state:
  description:
    - State of the container, null if there is none, empty if the engine can't be asked.
  returned: always
  type: str
  sample: running
at:
  description:
    - When it was last asked, as seconds of the host's clock.
  returned: when it was asked
  type: float
log:
  description:
    - Last 20 lines of the container's log.
  returned: failure
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._finish import finish
from ansible_collections.navilab.webui.plugins.module_utils._ready import ARGUMENTS, webui_ready


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    finish(module, webui_ready(module.params, module.check_mode))


if __name__ == "__main__":
    main()
