# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The board, its firmware and its memory."""

from __future__ import annotations

from .._boards import LOWVRAM_BELOW_MIB
from .._boards import firmware_files as files_of
from .._commands import run_site
from .._firmware import component_for
from .._sysfs import UNKNOWN
from .._types import Board
from ._base import HIDDEN, Case, Verdict, failed, last, named, ok, skipped, unreadable_nodes, why_unused
from ._driver import log_of

VRAM_MIN_MIB = 2048


def board_present(case: Case) -> Verdict:
    """The PCI bus has a display device of AMD's, or KFD's topology has a node with SIMDs at a PCI address."""
    boards = case.facts["boards"]
    if boards:
        return ok(named(boards))
    root = "" if case.facts["complete"] else case.facts["root"].rstrip("/")
    seen = f"no AMD display device below {root}/sys/bus/pci/devices"
    unreadable = unreadable_nodes(case)
    if unreadable:
        return failed(f"{seen}; KFD's {unreadable}", HIDDEN.format("/dev/dri/renderD128"))
    nodes = case.facts["kfd"]["nodes"]
    kfd = f"; KFD's topology has {len(nodes)} node(s), none with SIMDs at a PCI address" if nodes else ""
    return failed(
        seen + kfd,
        "seat the board, connect its power cables and see `lspci -nn -d 1002:`; in a VM pass the board through; "
        "without a board set webui_profile: cpu",
    )


def board_supported(case: Case) -> Verdict:
    """At least one board that may be used is a Navi 10 or a Navi 14. Others are named and left alone."""
    if not case.facts["boards"]:
        return skipped("there is no board")
    others = [f"not used: {named(case.neighbours)}"] if case.neighbours else []
    others += [f"{named([board])} is not used: {why_unused(board)}" for board in case.left_out]
    if case.boards:
        return ok(named(case.boards), "; ".join(others))
    seen = "; ".join(f"{board['bdf']}: {board['name']}: {board['unsupported_reason']}" for board in case.neighbours)
    return failed(
        seen,
        "fit a Navi 10 or Navi 14 board (RX 5300 to 5700 XT, Pro W5500, W5700), "
        "or draw on the processor with webui_profile: cpu",
    )


def firmware_files(case: Case) -> Verdict:
    """All files that the boards' chips ask for lie where the kernel looks for firmware."""
    firmware, release = case.facts["firmware"], case.facts["release"]
    if not case.boards:
        return skipped("there is no supported board")
    if not case.complete and firmware["directory"] is None:
        return skipped(UNKNOWN)
    directory = firmware["directory"] or "/lib/firmware/amdgpu"
    missing = _missing(case)
    if missing:
        component = component_for(release["debian_codename"])
        failures = last(log_of(case, "firmware_failed"))
        return failed(
            f"{', '.join(missing)} missing in {directory}" + (f"; the kernel says: {failures}" if failures else ""),
            f"{run_site('firmware')} (it installs firmware-amd-graphics from Debian's {component}), then reboot",
        )
    note = ""
    if firmware["initrd_stale"]:
        note = f"the initramfs is older than the firmware: update-initramfs -u, or {run_site('firmware')}"
    return ok(f"{len(firmware['needed'])} files in {directory}", note)


def _missing(case: Case) -> list[str]:
    """The files that the boards which are used lack."""
    missing = case.facts["firmware"]["missing"]
    if not case.left_out:
        return missing
    ids = [(board["chip"] or "", board["device_id"], board["revision"]) for board in case.boards]
    return [name for name in missing if any(name in files_of(*each, case.kernel) for each in ids)]


def firmware_not_shadowed(case: Case) -> Verdict:
    """No files in /lib/firmware/updates come before Debian's, unless they are those of AMD's driver, which is in
    use."""
    firmware, driver = case.facts["firmware"], case.facts["driver"]
    if not case.boards:
        return skipped("there is no supported board")
    if not case.complete and firmware["directory"] is None:
        return skipped(UNKNOWN)
    if not firmware["shadowed"]:
        return ok("Debian's files are the ones that the kernel loads")
    seen = ", ".join(firmware["shadowed"])
    version = driver["version"] or (driver["on_disk"]["version"] if driver["on_disk"] else None)
    if version:
        return ok(seen, f"amdgpu-dkms {version} brings this firmware in place of Debian's")
    return failed(
        f"{seen} hide Debian's files from the kernel's own driver",
        "apt-get purge amdgpu-dkms-firmware (or delete those files), update-initramfs -u, reboot",
    )


def _vram_one(case: Case, board: Board) -> Verdict:
    size = board["vram_mib"]
    if size is None:
        if not case.complete:
            return skipped(UNKNOWN)
        return failed(
            "neither mem_info_vram_total nor KFD's memory banks tell the VRAM", "reboot; see `dmesg | grep VRAM`"
        )
    if size < VRAM_MIN_MIB:
        return failed(f"{size} MiB", f"fit a board with {VRAM_MIN_MIB} MiB or more, or set webui_profile: cpu")
    return ok(f"{size} MiB", "needs --lowvram (webui_vram_mode: auto sets it)" if size < LOWVRAM_BELOW_MIB else "")


def vram(case: Case) -> Verdict:
    """Driver or KFD tell how much VRAM a board has, and it is 2048 MiB or more."""
    return case.each_board(_vram_one)
