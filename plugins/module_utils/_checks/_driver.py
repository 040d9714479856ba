# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver: whether amdgpu is built, accepted and bound, and whether it stays up."""

from __future__ import annotations

from .._dkms import missing_builds
from .._sysfs import UNKNOWN
from .._types import Board
from ._base import SITE, Case, Verdict, failed, last, ok, skipped, udev, unusable


def dkms_built(case: Case) -> Verdict:
    """Kernels get updated: whether AMD's driver is there for the next boot too is seen here before that boot."""
    dkms, kernel = case.facts["dkms"], case.facts["kernel"]
    modules = [module for module in dkms["modules"] if module["name"] == "amdgpu"]
    if not modules:
        return skipped("the kernel's own driver is used, amdgpu-dkms is not registered")
    if not kernel["installed"]:
        return skipped("no kernel is installed here" if case.live else UNKNOWN)
    newest = kernel["installed"][-1]
    version = modules[0]["versions"][-1]
    missing = missing_builds(dkms, kernel["installed"])
    if newest not in missing:
        note = f"not for {', '.join(missing)}" if missing else ""
        return ok(f"amdgpu-dkms {version} is installed for {newest}, the newest kernel", note)
    remedy = f"{SITE.format('amdgpu_dkms')} before the next boot, or apt-get install linux-headers-{newest} and "
    remedy += f"dkms install -m amdgpu -v {version} -k {newest}"
    failures = [failure for failure in modules[0]["failures"] if failure["kernel"] == newest]
    if failures and failures[0]["causes"]:
        cause = failures[0]["causes"][0]
        return failed(
            f"amdgpu-dkms {version} did not build for {newest}, the newest kernel: {cause['meaning']}",
            cause["remedy"].replace("KERNEL", newest),
        )
    why = "" if newest in kernel["headers"] else ", whose headers are missing"
    return failed(f"amdgpu-dkms {version} is not installed for {newest}, the newest kernel{why}", remedy)


def module_signed(case: Case) -> Verdict:
    enforced, on_disk = case.facts["kernel"]["secure_boot"], case.facts["driver"]["on_disk"]
    if not on_disk:
        return skipped("no amdgpu is on disk for this kernel" if case.live else UNKNOWN)
    signer = f", signed by {on_disk['signer']}" if on_disk["signer"] else ""
    if not enforced:
        return ok(f"{on_disk['path']}{signer}; Secure Boot is {'off' if enforced is False else 'not there'}")
    if on_disk["signed"] is False:
        return failed(
            f"Secure Boot is on, and {on_disk['path']} is not signed: the kernel will refuse it",
            "let DKMS sign it: mokutil --import /var/lib/dkms/mok.pub (make the key with update-secureboot-policy or "
            "openssl), reboot and enroll it, rebuild; or turn Secure Boot off; or keep the kernel's own driver, which "
            "Debian signs (amdgpu_dkms_state: absent)",
        )
    note = "whether the firmware trusts the signer: mokutil --list-enrolled" if on_disk["version"] else ""
    return ok(f"{on_disk['path']}{signer}", note)


def why_no_driver(case: Case) -> tuple[str, str]:
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
    failed = last(case.log["firmware_failed"])
    if failed:
        return f"the kernel says: {failed}", f"{SITE.format('firmware')}, then reboot"
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
    evidence, remedy = why_no_driver(case)
    if evidence:
        return failed(f"no driver is bound; {evidence}", remedy)
    return failed(
        "no driver is bound, though amdgpu is loaded",
        f"see why the driver refused it: dmesg | grep -e {board['bdf']} -e amdgpu; after new firmware a reboot is due",
    )


def driver_bound(case: Case) -> Verdict:
    return case.each_board(_driver_bound_one)


def driver_reset_free(case: Case) -> Verdict:
    if not case.live:
        return skipped(UNKNOWN)
    if not case.log["readable"]:
        return skipped("the kernel log can't be read here: root alone may, and not in a container")
    resets = case.log["resets"]
    if not resets:
        return ok("the kernel log has no GPU reset since boot")
    return failed(
        f"{len(resets)} line(s) of resets and time-outs in the kernel log, the last: {resets[-1]}",
        "reboot; if it comes back, use full precision (webui_precision: full), a profile made for this chip "
        "(webui_profile), and see to power supply and riser",
    )


def _dri_nodes_one(case: Case, board: Board) -> Verdict:
    path = board["render_node"]
    if path is None:
        if not case.live and not case.drm:
            return skipped(UNKNOWN)
        return failed(
            "the driver made no render node", "see `dmesg | grep -i drm`: the driver did not finish; then reboot"
        )
    node = case.drm.get(path)
    if node is None or not node["exists"]:
        if not case.live and not any(other["exists"] for other in case.drm.values()):
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
    return case.each_board(_dri_nodes_one)
