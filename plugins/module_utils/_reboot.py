# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host needs a reboot: what runs against what lies on disk, whoever put it there and when."""

from __future__ import annotations

from ._types import Facts


def reasons(facts: Facts) -> list[str]:
    """A sentence a reason; none where nothing waits for a reboot."""
    return [*_kernel(facts), *_driver(facts), *_firmware(facts)]


def _kernel(facts: Facts) -> list[str]:
    pending, running = facts["kernel"]["pending"], facts["kernel"]["release"]
    if not pending:
        return []
    if pending == running:
        return [f"kernel {running} was installed again after it had booted"]
    return [f"kernel {pending} is installed, {running} runs"]


def _driver(facts: Facts) -> list[str]:
    """Debian's own module has neither number; amdgpu-dkms has both."""
    driver = facts["driver"]
    on_disk = driver["on_disk"]
    if not driver["loaded"] or not on_disk or not on_disk["vermagic"]:
        return []
    loaded = driver["version"], driver["srcversion"]
    if loaded == (on_disk["version"], on_disk["srcversion"]):
        return []
    name = "amdgpu {0} (source {1})".format
    there = name(on_disk["version"], on_disk["srcversion"]) if on_disk["version"] else "the kernel's own amdgpu"
    here = name(*loaded) if loaded[0] else "the kernel's own amdgpu"
    return [f"{here} is loaded, {there} lies on disk"]


def _firmware(facts: Facts) -> list[str]:
    reasons = []
    firmware = facts["firmware"]
    for board in facts["boards"]:
        if not board["supported"] or board["held_by"]:
            continue
        on_disk, loaded = firmware["mec_by_board"].get(board["bdf"]), board["mec_fw_loaded"]
        if board["driver"] is None and facts["driver"]["loaded"] and firmware["since_boot"]:
            reasons.append(f"{board['bdf']}: amdgpu is not bound; the firmware came after the driver's probe")
        elif on_disk and loaded and on_disk != loaded:
            reasons.append(f"{board['bdf']}: MEC firmware {loaded} is loaded, {on_disk} lies on disk")
    return reasons
