# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver: whether amdgpu is built, accepted and bound, and whether it stays up."""

from __future__ import annotations

from .._commands import run_site
from .._dkms import built_version, failure_remedy, missing_builds, newest
from .._driver import lines_of
from .._kmod import headers_package, without_graphics
from .._signatures import refuses_unsigned
from .._sysfs import UNKNOWN
from .._types import Board
from ._base import Case, Verdict, failed, last, ok, skipped, udev, unusable


def log_of(case: Case, kind: str, board: Board | None = None) -> list[str]:
    """The kernel log's lines of a kind about one board, or about any that is ours."""
    lines: list[str] = case.log[kind]  # type: ignore[literal-required]
    boards = [board] if board else case.boards
    others = [other for other in case.facts["boards"] if other not in case.boards]
    about = [lines_of(lines, each, others) for each in boards]
    return [line for line in lines if any(line in found for found in about)]


def _driver_is_amds(case: Case) -> bool:
    """Whether AMD's driver is wanted or at work: else the webui runs on the kernel's own."""
    wanted = case.wanted.get("amdgpu_dkms")
    if wanted is None:
        wanted = bool((case.facts["records"].get("amdgpu_dkms") or {}).get("packages"))
    return wanted or case.facts["driver"]["version"] is not None


def dkms_built(case: Case) -> Verdict:
    """Where AMD's driver is registered with DKMS, it is installed for the newest kernel, which the next boot takes.
    Kernels get updated: this is seen before that boot. Where nobody wants that driver and it is not at work, this
    is a note."""
    dkms, kernel = case.facts["dkms"], case.facts["kernel"]
    version = newest(dkms)
    if version is None:
        return skipped("the kernel's own driver is used, amdgpu-dkms is not registered")
    kernels = [release for release in kernel["installed"] if not without_graphics(release)]
    if not kernels:
        return skipped("no kernel is installed here" if case.complete else UNKNOWN)
    missing = missing_builds(dkms, kernels)
    if kernels[-1] not in missing:
        note = f"not for {', '.join(missing)}" if missing else ""
        built = built_version(dkms, kernels[-1])
        return ok(f"amdgpu-dkms {built} is installed for {kernels[-1]}, the newest kernel", note)
    verdict = _not_built(case, version, kernels[-1])
    if _driver_is_amds(case):
        return verdict
    note = (
        f"{verdict.evidence}; apt-get purge amdgpu-dkms, if nobody wants it, lets kernel updates end without an error"
    )
    return ok("AMD's driver is neither wanted nor at work here", note)


def _not_built(case: Case, version: str, kernel: str) -> Verdict:
    modules = [module for module in case.facts["dkms"]["modules"] if module["name"] == "amdgpu"]
    failures = [failure for module in modules for failure in module["failures"] if failure["kernel"] == kernel]
    if failures and failures[-1]["causes"]:
        meaning = failures[-1]["causes"][0]["meaning"]
        evidence = f"amdgpu-dkms {version} did not build for {kernel}, the newest kernel: {meaning}"
        return failed(evidence, failure_remedy(failures[-1], kernel))
    why = "" if kernel in case.facts["kernel"]["headers"] else ", whose headers are missing"
    return failed(
        f"amdgpu-dkms {version} is not installed for {kernel}, the newest kernel{why}",
        f"{run_site('amdgpu_dkms')} before the next boot, or apt-get install {headers_package(kernel)} and "
        f"dkms install -m amdgpu -v {version} -k {kernel}",
    )


def _is_at_work(case: Case) -> bool:
    """Whether the module on disk is the one that runs: AMD's alone has numbers by which to tell."""
    driver = case.facts["driver"]
    on_disk = driver["on_disk"]
    if driver["version"] is None or on_disk is None:
        return False
    return (driver["version"], driver["srcversion"]) == (on_disk["version"], on_disk["srcversion"])


def module_signed(case: Case) -> Verdict:
    """Where the kernel takes signed modules alone (Secure Boot, lockdown), the amdgpu on disk has a signature or is
    at work already."""
    kernel, on_disk = case.facts["kernel"], case.facts["driver"]["on_disk"]
    if not on_disk:
        return skipped("no amdgpu is on disk for this kernel" if case.complete else UNKNOWN)
    signer = f", signed by {on_disk['signer']}" if on_disk["signer"] else ""
    if not refuses_unsigned(kernel):
        state = {True: "on, but the kernel takes unsigned modules", False: "off", None: "not there"}
        return ok(f"{on_disk['path']}{signer}; Secure Boot is {state[kernel['secure_boot']]}")
    if on_disk["signed"] is False and _is_at_work(case):
        return ok(f"{on_disk['path']}{signer} is at work: the kernel takes it")
    runs = any(board["driver"] == "amdgpu" for board in case.boards)
    if on_disk["signed"] is False and on_disk["version"] and runs and not _driver_is_amds(case):
        note = f"AMD's {on_disk['path']} is not signed, and the kernel will refuse it at the next start: "
        return ok("the kernel's own driver is at work", f"{note}apt-get purge amdgpu-dkms, if nobody wants it")
    if on_disk["signed"] is False:
        why = "Secure Boot is on" if kernel["secure_boot"] else "the kernel takes signed modules alone"
        lockdown = f" (lockdown: {kernel['lockdown']})" if kernel["lockdown"] not in (None, "none") else ""
        return failed(
            f"{why}{lockdown}, and {on_disk['path']} is not signed: the kernel will refuse it",
            "let DKMS sign it: mokutil --import /var/lib/dkms/mok.pub (make the key with update-secureboot-policy or "
            "openssl), reboot and enroll it, rebuild; or turn Secure Boot off; or keep the kernel's own driver, which "
            "Debian signs (amdgpu_dkms_state: absent)",
        )
    note = "whether the firmware trusts the signer: mokutil --list-enrolled" if on_disk["version"] else ""
    return ok(f"{on_disk['path']}{signer}", "" if _is_at_work(case) else note)


def why_no_driver(case: Case, board: Board | None = None) -> tuple[str, str]:
    """(evidence, remedy) for a host whose amdgpu is not at work, the most telling cause first."""
    driver, kernel = case.facts["driver"], case.facts["kernel"]
    blacklisted: list[str] = driver["blacklisted"]
    arguments = [entry for entry in blacklisted if entry.startswith("/proc/cmdline")]
    files = [entry for entry in blacklisted if entry not in arguments]
    if arguments:
        return (
            f"{', '.join(arguments)} keeps amdgpu out",
            "take it out of GRUB_CMDLINE_LINUX in /etc/default/grub, update-grub, reboot",
        )
    if files and not driver["loaded"]:
        return (
            f"amdgpu is blacklisted in {', '.join(files)}",
            f"delete the line in {', '.join(files)}, update-initramfs -u, then modprobe amdgpu or reboot",
        )
    if kernel["flavour"].startswith("cloud"):
        return f"kernel {kernel['release']} has no amdgpu", "apt-get install linux-image-amd64 and boot it"
    if not driver["loaded"]:
        return (
            "the module amdgpu is not loaded",
            "modprobe amdgpu, and see `dmesg | grep -i amdgpu` if it refuses; "
            "in a container load it on the machine that runs the container",
        )
    failed = last(log_of(case, "firmware_failed", board))
    if failed:
        return f"the kernel says: {failed}", f"{run_site('firmware')}, then reboot"
    return "", ""


def _driver_bound_one(case: Case, board: Board) -> Verdict:
    bound = board["driver"]
    if bound == "amdgpu":
        version = case.facts["driver"]["version"]
        return ok(f"amdgpu{f' {version} (DKMS)' if version else ''}")
    if bound == "vfio-pci":
        return failed(
            "bound to vfio-pci, which keeps it for a virtual machine",
            "take its id out of vfio-pci.ids (kernel command line, /etc/modprobe.d), update-initramfs -u, reboot; "
            "or give it back now: driverctl unset-override " + board["bdf"],
        )
    if bound:
        return failed(
            f"bound to {bound}, not to amdgpu",
            f"blacklist {bound} in /etc/modprobe.d, update-initramfs -u, reboot",
        )
    evidence, remedy = why_no_driver(case, board)
    if evidence:
        return failed(f"no driver is bound; {evidence}", remedy)
    options = case.facts["driver"]["options"]
    return failed(
        "no driver is bound, though amdgpu is loaded" + (f" (with {', '.join(options)})" if options else ""),
        f"see why the driver refused it: dmesg | grep -e {board['bdf']} -e amdgpu; after new firmware a reboot is due",
    )


def driver_bound(case: Case) -> Verdict:
    """amdgpu is bound to every board that is used."""
    return case.each_board(_driver_bound_one)


def _driver_reset_free_one(case: Case, board: Board) -> Verdict:
    resets = log_of(case, "resets", board)
    if not resets:
        return ok("the kernel log has no GPU reset since boot")
    return failed(
        f"{len(resets)} line(s) of resets and time-outs in the kernel log, the last: {resets[-1]}",
        "reboot; if it comes back, use full precision (webui_precision: full), a profile made for this chip "
        "(webui_profile), and see to power supply and riser",
    )


def driver_reset_free(case: Case) -> Verdict:
    """The kernel log has no reset and no time-out of a board in use since the boot. Those of other devices are a
    note."""
    if not case.complete:
        return skipped(UNKNOWN)
    if not case.log["readable"]:
        return skipped("the kernel log can't be read here: root alone may, and not in a container")
    verdict = case.each_board(_driver_reset_free_one)
    ours = log_of(case, "resets")
    others = [line for line in case.log["resets"] if line not in ours]
    if verdict.status == "skipped" or not others:
        return verdict
    note = f"{len(others)} line(s) of resets that need not be of a board in use, the last: {others[-1]}"
    return verdict._replace(note="; ".join(filter(None, [verdict.note, note])))


def _dri_nodes_one(case: Case, board: Board) -> Verdict:
    path = board["render_node"]
    if path is None:
        if not case.complete and not case.drm:
            return skipped(UNKNOWN)
        return failed(
            "the driver made no render node", "see `dmesg | grep -i drm`: the driver did not finish; then reboot"
        )
    node = case.drm.get(path)
    if node is None or not node["exists"]:
        if not case.complete and not any(other["exists"] for other in case.drm.values()):
            return skipped(UNKNOWN)
        return failed(
            f"{path} is in sysfs, but not in /dev",
            "udevadm trigger --subsystem-match=drm --action=add; in a container pass it on (--device)",
        )
    why = unusable(node)
    if why:
        return failed(f"{path} {why}", udev("drm", path))
    return ok(f"{path} {node['group']} {node['mode']}")


def dri_nodes(case: Case) -> Verdict:
    """Every board that is used has a render node, in sysfs and in /dev, that the group render may open."""
    return case.each_board(_dri_nodes_one)
