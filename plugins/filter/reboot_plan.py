# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a host needs a reboot, and why."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: reboot_plan
short_description: Decide whether a host needs a reboot
version_added: "0.1.0"
description:
  - Compares what runs with what lies on disk, kernel, driver and firmware, whoever put it there and when.
  - Pure function; it reaches no host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Decide whether a reboot is due
  ansible.builtin.set_fact:
    reboot_plan: "{{ navilab_host | navilab.webui.reboot_plan }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:required), and RV(ignore:reasons), one sentence each, which RV(ignore:actions) say as other plans do.
    - RV(ignore:blocking), whether a board waits for it, so that nothing that needs KFD can work before.
  type: dict
"""


def _kernel(host: dict[str, Any]) -> list[str]:
    pending, running = host["kernel"].get("pending"), host["kernel"]["release"]
    if not pending:
        return []
    if pending == running:
        return [f"kernel {running} was installed anew after it had booted"]
    return [f"kernel {pending} is installed, {running} runs"]


def _driver(host: dict[str, Any]) -> list[str]:
    """Debian's own module has neither number; amdgpu-dkms has both."""
    driver = host["driver"]
    on_disk = driver.get("on_disk")
    if not driver["loaded"] or not on_disk or not on_disk["vermagic"]:
        return []
    loaded = driver["version"], driver["srcversion"]
    if loaded == (on_disk["version"], on_disk["srcversion"]):
        return []
    name = "amdgpu {0} (source {1})".format
    there = name(on_disk["version"], on_disk["srcversion"]) if on_disk["version"] else "the kernel's own amdgpu"
    here = name(*loaded) if loaded[0] else "the kernel's own amdgpu"
    return [f"{here} is loaded, {there} lies on disk"]


def _firmware(host: dict[str, Any]) -> list[str]:
    reasons = []
    firmware = host["firmware"]
    for board in host["boards"]:
        if not board["supported"]:
            continue
        on_disk, loaded = firmware["mec_by_board"].get(board["bdf"]), board["mec_fw_loaded"]
        if board["driver"] is None and host["driver"]["loaded"] and firmware.get("since_boot"):
            reasons.append(f"{board['bdf']}: amdgpu is not bound; the firmware came after the driver's probe")
        elif on_disk and loaded and on_disk != loaded:
            reasons.append(f"{board['bdf']}: MEC firmware {loaded} is loaded, {on_disk} lies on disk")
    return reasons


def reboot_plan(host: dict[str, Any]) -> dict[str, Any]:
    reasons = [*_kernel(host), *_driver(host), *_firmware(host)]
    waiting = [board for board in host["boards"] if board["supported"] and board["driver"] is None]
    actions = [f"reboot required: {reason}" for reason in reasons]
    return {"required": bool(reasons), "reasons": reasons, "actions": actions, "blocking": bool(reasons and waiting)}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"reboot_plan": reboot_plan}
