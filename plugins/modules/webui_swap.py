#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: webui_swap
short_description: Let one webui's container take another one's place, or bring the old one back
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role webui, whose plan says what is to be done with each container.
  - With O(state=begun) a webui that draws is waited for, its small settings are copied, and its container is stopped
    and renamed, so that another one can be made with its name. All that is slow comes before the stop.
  - With O(state=back) whatever took its place is removed, and the old one runs again.
  - With O(state=settled) the old one is removed. The image of neither is touched.
requirements:
  - Linux with Python 3.9 or newer
  - the command C(docker)
options:
  state:
    description:
      - How far the change is to come.
    type: str
    choices: [begun, back, settled]
    required: true
  swaps:
    description:
      - The webuis, as the plan has them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the container.
        type: str
        required: true
      previous:
        description:
          - Name that the old one has in the meantime.
        type: str
        required: true
      port:
        description:
          - Port of the webui on loopback.
        type: int
        required: true
      do:
        description:
          - What the two containers need first. V(go_on) is nothing, since the old one is aside already; V(redo) removes
            what took its place; V(return) brings the old one back.
        type: str
        choices: [begin, go_on, redo, return]
        required: true
      data:
        description:
          - Directory with its settings.
        type: str
        required: true
      images:
        description:
          - References of the old and of the new container's image.
        type: list
        elements: str
        required: true
      restart_policy:
        description:
          - Docker's restart policy of the one that runs.
        type: str
        required: true
  drain:
    description:
      - Seconds to wait for pictures at most.
    type: int
    default: 600
  keep:
    description:
      - So many copies of the settings stay.
    type: int
    default: 2
  uid:
    description:
      - Number of the account that owns the settings.
    type: int
    default: 0
  gid:
    description:
      - Its group.
    type: int
    default: 0
  restore:
    description:
      - Whether the settings come back that the new container's image was last used with.
    type: bool
    default: false
  picture:
    description:
      - Whether a small picture has to be drawn before the old container is removed.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that the picture may take.
    type: int
    default: 900
  answered:
    description:
      - When each new container answered, by name, in seconds of the host's clock. Without it that is now.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Does nothing in check mode.
    support: full
  diff_mode:
    description: Returns nothing to compare.
    support: none
  platform:
    description: Target systems.
    support: full
    platforms: linux
seealso:
  - module: navilab.webui.webui_ready
"""

EXAMPLES = r"""
- name: Make way for the new container
  navilab.webui.webui_swap:
    state: begun
    swaps: "{{ plan.swaps }}"
  become: true
"""

RETURN = r"""
swaps:
  description:
    - With O(state=begun) how long each was waited for and whether it drew still (V(waited), V(drawing)), and where its
      settings are (V(saved), V(restored)). Else from which image to which it went (V(from), V(to)), whether it came
      back (V(back)), and for how many seconds nothing answered (V(downtime)).
  returned: success
  type: list
  elements: dict
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils import _swap

SWAP = {
    "name": {"type": "str", "required": True},
    "previous": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "do": {"type": "str", "choices": ["begin", "go_on", "redo", "return"], "required": True},
    "data": {"type": "str", "required": True},
    "images": {"type": "list", "elements": "str", "required": True},
    "restart_policy": {"type": "str", "required": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["begun", "back", "settled"], "required": True},
            "swaps": {"type": "list", "elements": "dict", "required": True, "options": SWAP},
            "drain": {"type": "int", "default": 600},
            "keep": {"type": "int", "default": 2},
            "uid": {"type": "int", "default": 0},
            "gid": {"type": "int", "default": 0},
            "restore": {"type": "bool", "default": False},
            "picture": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 900},
            "answered": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given, now = module.params, time.time()
    if module.check_mode:
        module.exit_json(changed=False, swaps=[])

    def run(words: list[str]) -> tuple[int, str, str]:
        rc, out, err = module.run_command(words)
        return rc, out, err

    found = []
    try:
        owner = given["uid"], given["gid"]
        if given["state"] == "begun":
            # All of them wait before one of them stops.
            found = [_swap.prepare(swap, given["drain"], given["keep"], owner) for swap in given["swaps"]]
            for swap, seen in zip(given["swaps"], found):
                seen["restored"] = _swap.begin(run, swap, owner, given["restore"])
        for swap in given["swaps"] if given["state"] != "begun" else ():
            if given["state"] == "back":
                found.append(_swap.back(run, swap))
            else:
                why_not = _swap.draw(swap["port"], given["timeout"]) if given["picture"] else ""
                if why_not:
                    raise _swap.SwapError(f"{swap['name']} draws no picture: {why_not}")
        if given["state"] == "settled":
            times = {name: float(at) for name, at in given["answered"].items()}
            settled = (_swap.settle(run, swap, times.get(swap["name"], now)) for swap in given["swaps"])
            found = [seen for seen in settled if seen]
    except (_swap.SwapError, OSError, ValueError) as error:
        module.fail_json(msg=str(error), swaps=found)
    changed = (bool(found) and any(swap["do"] != "go_on" for swap in given["swaps"])) or given["state"] != "begun"
    module.exit_json(changed=changed, swaps=found)


if __name__ == "__main__":
    main()
