# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks: one small function each over the look, cause before effect, each with what was seen and what to do.

A check never reaches the host, so a look that was recorded anywhere can be judged anywhere.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ._dkms import missing_builds
from ._kfd import explain_open_error
from ._look import UNKNOWN

SCOPES = ("kfd", "host", "webui")
RELEASES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
KERNEL_MIN = (5, 10)  # Debian 11's
MEC_WITHOUT_ATOMICS = 145  # kfd_device.c: Navi1x's compute firmware from which kernels 6.x take a slot without atomics
VRAM_MIN_MIB = 2048
MEMORY_MIN_MIB = 6000  # what is left of 8 GB; a model in float32 takes about 5 GB while it loads
DISK_MIN_MIB = 2048
_SITE = "run site.yml --tags {0}"
_HIDDEN = (
    "the device cgroup of this container or unit hides the GPU: pass its render node on (--device={0}), "
    "or drop DevicePolicy= from the unit"
)
_ACL = "logind's ACL for the user at the seat covers /dev/dri alone, never /dev/kfd"


class Verdict(NamedTuple):
    """What one check says. `reason` tells why it was skipped."""

    status: str
    evidence: str = ""
    remedy: str = ""
    note: str = ""
    reason: str = ""


class Check(NamedTuple):
    """A row of the table: causes are checks whose failure explains this one's."""

    id: str
    scope: str
    causes: tuple[str, ...]
    judge: Callable[[Facts], Verdict]


def _ok(evidence: str, note: str = "") -> Verdict:
    return Verdict("ok", evidence, note=note)


def _failed(evidence: str, remedy: str, note: str = "") -> Verdict:
    return Verdict("failed", evidence, remedy, note)


def _skipped(reason: str, evidence: str = "") -> Verdict:
    return Verdict("skipped", evidence, reason=reason)


class Facts:
    """The look and the wish, with what several checks derive from them."""

    def __init__(self, host: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        self.host = host
        self.wanted = wanted
        self.live: bool = bool(host["live"])
        self.kernel: tuple[int, ...] = tuple(host["kernel"]["version"])
        self.boards: list[dict[str, Any]] = [board for board in host["boards"] if board["supported"]]
        self.neighbours: list[dict[str, Any]] = [board for board in host["boards"] if not board["supported"]]
        self.log: Mapping[str, Any] = host["kernel_log"]
        self.nodes: dict[int, dict[str, Any]] = {node["index"]: node for node in host["kfd"]["nodes"]}
        self.drm: dict[str, dict[str, Any]] = {node["path"]: node for node in host["drm"]}
        self.webuis: list[dict[str, Any]] = list(wanted.get("webuis") or [])
        # With the profile cpu everywhere the board is nobody's concern.
        self.without_board = bool(self.webuis) and all(webui.get("devices") == [] for webui in self.webuis)

    def container(self, webui: Mapping[str, Any]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.host["docker"]["containers"].get(webui["name"])
        return found

    def each_board(self, judge: Callable[[Facts, dict[str, Any]], Verdict]) -> Verdict:
        """One verdict over the supported boards."""
        if not self.boards:
            return _skipped("there is no supported board to judge")
        return _together([(board["bdf"], judge(self, board)) for board in self.boards])

    def each_webui(self, judge: Callable[[Facts, dict[str, Any]], Verdict]) -> Verdict:
        """One verdict over the webuis asked for."""
        if not self.live:
            return _skipped(UNKNOWN)
        if not self.webuis:
            return _skipped("no webui was asked for")
        return _together([(webui["name"], judge(self, webui)) for webui in self.webuis])


def _together(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """The worst of several verdicts, with the evidence of all that share it; each is named."""
    for status in ("failed", "ok", "skipped"):
        chosen = [(name, verdict) for name, verdict in verdicts if verdict.status == status]
        if chosen:
            break
    evidence = "; ".join(f"{name}: {verdict.evidence}" for name, verdict in chosen if verdict.evidence)
    notes = [f"{name}: {verdict.note}" for name, verdict in verdicts if verdict.note]
    remedies = dict.fromkeys(verdict.remedy for _name, verdict in chosen if verdict.remedy)
    reasons = dict.fromkeys(verdict.reason for _name, verdict in chosen if verdict.reason)
    return Verdict(status, evidence, "; ".join(remedies), "; ".join(notes), "; ".join(reasons))


def _named(items: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(
        f"{board['name']} ({board['gfx_target'] or 'unknown target'}) at {board['bdf']}" for board in items
    )


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else ""


# -- the host's system --------------------------------------------------------------------------------------------


def _release(facts: Facts) -> Verdict:
    release = facts.host["release"]
    name = release["pretty_name"] or release["id"]
    if not name:
        return _failed("there is no /etc/os-release", "install Debian 12 or 13") if facts.live else _skipped(UNKNOWN)
    if release["id"] != "debian" or release["version_id"] not in RELEASES:
        known = ", ".join(f"{number} ({codename})" for number, codename in RELEASES.items())
        return _failed(
            f"/etc/os-release says {name}",
            f"use Debian {known}; for a close relative, at your own risk, preflight_waive and verify_waive: "
            "{release: your reason}",
        )
    note = ""
    if release["version_id"] == "11":
        note = "Debian 11 left its long-term support in August 2026: plan the upgrade, its archive may move at any time"
    return _ok(name, note)


def _kernel_flavour(facts: Facts) -> Verdict:
    kernel = facts.host["kernel"]
    if not kernel["release"]:
        return _failed("/proc/sys/kernel/osrelease is unreadable", "mount /proc") if facts.live else _skipped(UNKNOWN)
    if kernel["arch"] not in ("", "x86_64", "amd64"):
        return _failed(f"the machine is {kernel['arch']}", "use an x86-64 machine: no image is made for another one")
    if facts.kernel and facts.kernel < KERNEL_MIN:
        return _failed(
            f"kernel {kernel['release']} is older than Debian 11's",
            "apt-get install linux-image-amd64, then boot it: older kernels don't bring KFD up on Navi",
        )
    if kernel["flavour"].startswith("cloud"):
        return _failed(
            f"kernel {kernel['release']}: Debian builds the cloud flavour without amdgpu",
            "apt-get install linux-image-amd64, apt-get purge 'linux-image*-cloud-amd64', then reboot",
        )
    note = "" if kernel["flavour"] else "not one of Debian's kernels: that it has amdgpu and HSA_AMD is yours to see to"
    return _ok(f"kernel {kernel['release']}", note)


# -- the board and its driver -------------------------------------------------------------------------------------


def _board_present(facts: Facts) -> Verdict:
    boards = facts.host["boards"]
    if boards:
        return _ok(_named(boards))
    seen = f"no AMD display device below {facts.host['root'].rstrip('/')}/sys/bus/pci/devices"
    unreadable = _unreadable_nodes(facts)
    if unreadable:
        return _failed(f"{seen}; KFD's {unreadable}", _HIDDEN.format("/dev/dri/renderD128"))
    nodes = facts.host["kfd"]["nodes"]
    kfd = f"; KFD's topology has {len(nodes)} node(s), none with SIMDs at a PCI address" if nodes else ""
    return _failed(
        seen + kfd,
        "seat the board, connect its power cables and see `lspci -nn -d 1002:`; in a VM pass the board through; "
        "without a board set webui_profile: cpu",
    )


def _board_supported(facts: Facts) -> Verdict:
    if not facts.host["boards"]:
        return _skipped("there is no board to judge")
    others = f"not used: {_named(facts.neighbours)}" if facts.neighbours else ""
    if facts.boards:
        return _ok(_named(facts.boards), others)
    seen = "; ".join(f"{board['bdf']}: {board['name']}: {board['unsupported_reason']}" for board in facts.neighbours)
    return _failed(
        seen,
        "fit a Navi 10 or Navi 14 board (RX 5300 to 5700 XT, Pro W5500, W5700), "
        "or draw on the processor with webui_profile: cpu",
    )


def _firmware_files(facts: Facts) -> Verdict:
    firmware, release = facts.host["firmware"], facts.host["release"]
    if not facts.boards:
        return _skipped("there is no supported board to judge")
    if not facts.live and firmware["directory"] is None:
        return _skipped(UNKNOWN)
    directory = firmware["directory"] or "/lib/firmware/amdgpu"
    if firmware["missing"]:
        component = "non-free" if release["codename"] == "bullseye" else "non-free-firmware"
        failures = _last(facts.log["firmware_failed"])
        return _failed(
            f"{', '.join(firmware['missing'])} missing in {directory}"
            + (f"; the kernel says: {failures}" if failures else ""),
            f"{_SITE.format('firmware')} (it installs firmware-amd-graphics from Debian's {component}), then reboot",
        )
    note = ""
    if firmware["initrd_stale"]:
        note = "the initramfs is older than the firmware: update-initramfs -u, or run site.yml --tags firmware"
    return _ok(f"{len(firmware['needed'])} files in {directory}", note)


def _firmware_not_shadowed(facts: Facts) -> Verdict:
    firmware, driver = facts.host["firmware"], facts.host["driver"]
    if not facts.boards:
        return _skipped("there is no supported board to judge")
    if not facts.live and firmware["directory"] is None:
        return _skipped(UNKNOWN)
    if not firmware["shadowed"]:
        return _ok("Debian's files are the ones that the kernel loads")
    seen = ", ".join(firmware["shadowed"])
    version = driver["version"] or (driver["on_disk"] or {}).get("version")
    if version:
        return _ok(seen, f"amdgpu-dkms {version} brings this firmware in place of Debian's")
    return _failed(
        f"{seen} hide Debian's files from the kernel's own driver",
        "apt-get purge amdgpu-dkms-firmware (or delete those files), update-initramfs -u, reboot",
    )


def _dkms_built(facts: Facts) -> Verdict:
    """Kernels get updated: whether AMD's driver is there for the next boot too is seen here before that boot."""
    dkms, kernel = facts.host["dkms"], facts.host["kernel"]
    modules = [module for module in dkms["modules"] if module["name"] == "amdgpu"]
    if not modules:
        return _skipped("the kernel's own driver is used, amdgpu-dkms is not registered")
    if not kernel["installed"]:
        return _skipped("no kernel is installed here" if facts.live else UNKNOWN)
    newest = kernel["installed"][-1]
    version = modules[0]["versions"][-1]
    missing = missing_builds(dkms, kernel["installed"])
    if newest not in missing:
        note = f"not for {', '.join(missing)}" if missing else ""
        return _ok(f"amdgpu-dkms {version} is installed for {newest}, the newest kernel", note)
    remedy = f"{_SITE.format('amdgpu_dkms')} before the next boot, or apt-get install linux-headers-{newest} and "
    remedy += f"dkms install -m amdgpu -v {version} -k {newest}"
    failures = [failure for failure in modules[0]["failures"] if failure["kernel"] == newest]
    if failures and failures[0]["causes"]:
        cause = failures[0]["causes"][0]
        return _failed(
            f"amdgpu-dkms {version} did not build for {newest}, the newest kernel: {cause['meaning']}",
            cause["remedy"].replace("KERNEL", newest),
        )
    why = "" if newest in kernel["headers"] else ", whose headers are missing"
    return _failed(f"amdgpu-dkms {version} is not installed for {newest}, the newest kernel{why}", remedy)


def _module_signed(facts: Facts) -> Verdict:
    enforced, on_disk = facts.host["kernel"]["secure_boot"], facts.host["driver"]["on_disk"]
    if not on_disk:
        return _skipped("no amdgpu is on disk for this kernel" if facts.live else UNKNOWN)
    signer = f", signed by {on_disk['signer']}" if on_disk["signer"] else ""
    if not enforced:
        return _ok(f"{on_disk['path']}{signer}; Secure Boot is {'off' if enforced is False else 'not there'}")
    if on_disk["signed"] is False:
        return _failed(
            f"Secure Boot is on, and {on_disk['path']} is not signed: the kernel will refuse it",
            "let DKMS sign it: mokutil --import /var/lib/dkms/mok.pub (make the key with update-secureboot-policy or "
            "openssl), reboot and enroll it, rebuild; or turn Secure Boot off; or keep the kernel's own driver, which "
            "Debian signs (amdgpu_dkms_state: absent)",
        )
    note = "whether the firmware trusts the signer: mokutil --list-enrolled" if on_disk["version"] else ""
    return _ok(f"{on_disk['path']}{signer}", note)


def _why_no_driver(facts: Facts) -> tuple[str, str]:
    """(evidence, remedy) for a host whose amdgpu is not at work, the most telling cause first."""
    driver, kernel = facts.host["driver"], facts.host["kernel"]
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
    failed = _last(facts.log["firmware_failed"])
    if failed:
        return f"the kernel says: {failed}", f"{_SITE.format('firmware')}, then reboot"
    return "", ""


def _driver_bound_one(facts: Facts, board: dict[str, Any]) -> Verdict:
    bound = board["driver"]
    if bound == "amdgpu":
        version = facts.host["driver"]["version"]
        return _ok(f"amdgpu{f' {version} (DKMS)' if version else ''}")
    if bound == "vfio-pci":
        return _failed(
            "bound to vfio-pci, which keeps it for a virtual machine",
            "take its id out of vfio-pci.ids (kernel command line, /etc/modprobe.d), update-initramfs -u, reboot; "
            "or give it back now: driverctl unset-override " + board["bdf"],
        )
    if bound:
        return _failed(
            f"bound to {bound}, not to amdgpu",
            f"blacklist {bound} in /etc/modprobe.d, update-initramfs -u, reboot",
        )
    evidence, remedy = _why_no_driver(facts)
    if evidence:
        return _failed(f"no driver is bound; {evidence}", remedy)
    return _failed(
        "no driver is bound, though amdgpu is loaded",
        f"see why the driver refused it: dmesg | grep -e {board['bdf']} -e amdgpu; after new firmware a reboot is due",
    )


def _driver_bound(facts: Facts) -> Verdict:
    return facts.each_board(_driver_bound_one)


def _driver_reset_free(facts: Facts) -> Verdict:
    if not facts.live:
        return _skipped(UNKNOWN)
    if not facts.log["readable"]:
        return _skipped("the kernel log can't be read here: root alone may, and not in a container")
    resets = facts.log["resets"]
    if not resets:
        return _ok("the kernel log has no GPU reset since boot")
    return _failed(
        f"{len(resets)} line(s) of resets and time-outs in the kernel log, the last: {resets[-1]}",
        "reboot; if it comes back, use full precision (webui_precision: full), a profile made for this chip "
        "(webui_profile), and see to power supply and riser",
    )


def _dri_nodes_one(facts: Facts, board: dict[str, Any]) -> Verdict:
    path = board["render_node"]
    if path is None:
        if not facts.live and not facts.drm:
            return _skipped(UNKNOWN)
        return _failed(
            "the driver made no render node", "see `dmesg | grep -i drm`: the driver did not finish; then reboot"
        )
    node = facts.drm.get(path)
    if node is None or not node["exists"]:
        if not facts.live and not any(other["exists"] for other in facts.drm.values()):
            return _skipped(UNKNOWN)
        return _failed(
            f"{path} is in sysfs, but not in /dev",
            "udevadm trigger --subsystem-match=drm --action=add; in a container pass it on (--device)",
        )
    why = _unusable(node)
    if why:
        return _failed(f"{path} {why}", _udev("drm", path))
    return _ok(f"{path} {node['group']} {node['mode']}")


def _unusable(node: Mapping[str, Any]) -> str:
    """Why the members of render can't use a device node; empty if they can."""
    mode = int(node["mode"] or "0", 8)
    if mode & 0o006 == 0o006:
        return ""
    if mode & 0o060 != 0o060:
        return f"has mode {node['mode']}, which shuts its group {node['group'] or node['gid']} out"
    if node["group"] not in ("render", "video"):
        return f"belongs to group {node['group'] or node['gid']} with mode {node['mode']}, not to render"
    return ""


def _udev(subsystem: str, path: str) -> str:
    return (
        "take the rule that sets it out of /etc/udev/rules.d, then udevadm control --reload and udevadm trigger "
        f"--subsystem-match={subsystem} --action=add: Debian's own rule gives {path} to render with mode 0660"
    )


def _dri_nodes(facts: Facts) -> Verdict:
    return facts.each_board(_dri_nodes_one)


# -- KFD ----------------------------------------------------------------------------------------------------------


def _kfd_node(facts: Facts) -> Verdict:
    device = facts.host["kfd"]["device"]
    path = device["path"]
    if not device["exists"]:
        if not facts.live and not any(node["exists"] for node in facts.drm.values()):
            return _skipped(UNKNOWN)
        evidence, remedy = _why_no_driver(facts)
        errors = _last(facts.log["kfd_errors"])
        if not evidence and errors:
            evidence = f"the kernel says: {errors}"
            remedy = (
                "take the module parameter that it names out of /etc/modprobe.d and the kernel command line, reboot"
            )
        if not evidence:
            evidence = "amdgpu is loaded, so its kernel was built without HSA_AMD, or /dev is not the host's own"
            remedy = "boot Debian's linux-image-amd64; in a container pass it on: --device=/dev/kfd"
        return _failed(f"{path} is missing; {evidence}", remedy)
    if not device["char"]:
        if not facts.live:
            return _skipped(UNKNOWN, f"{path} is a placeholder in this tree")
        return _failed(
            f"{path} is no character device",
            f"delete {path} (somebody's file), then modprobe -r amdgpu and modprobe amdgpu",
        )
    why = _unusable(device)
    if why:
        return _failed(f"{path} {why}", _udev("kfd", path))
    return _ok(f"{path} {device['group']} {device['mode']}; its existence alone proves no board")


def _kfd_open(facts: Facts) -> Verdict:
    seen, path = facts.host["kfd"]["open"], facts.host["kfd"]["device"]["path"]
    if not seen["known"]:
        return _skipped(UNKNOWN)
    if seen["ok"]:
        return _ok(f"{path} opens")
    name = seen["errno"] or ""
    meaning = explain_open_error(name, facts.kernel)
    remedies = {
        "ENOENT": _why_no_driver(facts)[1] or "modprobe amdgpu; in a container pass the node on: --device=/dev/kfd",
        "EACCES": f"{_SITE.format('gpu_access')} with navilab_user naming this user, then log in again; {_ACL}",
        "EPERM": "start the container with --device=/dev/kfd as the webui role does, or drop the unit's DevicePolicy=",
        "ENXIO": "modprobe amdgpu; in a container that holds a copy of the node, load it on the machine itself",
        "ENODEV": f"delete {path} and let the driver make it: modprobe -r amdgpu, modprobe amdgpu",
        "ENOMEM": "boot Debian's kernel 5.10 or newer; on a newer one free memory",
        "ENOSPC": "stop some of the processes that use KFD (fuser -v /dev/kfd)",
        "EFAULT": "hide the integrated GPU in the firmware's setup and reboot",
        "EAGAIN": "wait until the reset or suspend is over; reboot if it stays",
        "EINVAL": "wait until the reset or suspend is over; reboot if it stays",
    }
    return _failed(
        f"open({path}): {seen['error'] or name}" + (f": {meaning}" if meaning else ""),
        remedies.get(name, "see `dmesg | grep -i kfd`"),
    )


def _kfd_ioctl(facts: Facts) -> Verdict:
    kfd = facts.host["kfd"]
    if not kfd["open"]["known"]:
        return _skipped(UNKNOWN)
    if not kfd["open"]["ok"]:
        return _skipped(f"{kfd['device']['path']} can't be opened")
    version = kfd["ioctl_version"]
    if kfd["ioctl_error"] or not version:
        return _failed(
            f"{kfd['device']['path']}: {kfd['ioctl_error'] or 'no version'}",
            "see that the node is the driver's own (major number in /proc/devices); reload amdgpu or reboot",
        )
    if not version.startswith("1."):
        return _failed(f"KFD's interface is {version}", "ROCm's thunk takes version 1 alone: boot Debian's kernel")
    return _ok(f"interface {version}, {len(kfd['apertures'] or [])} GPU(s) open to this process")


def _rejected(facts: Facts, board: Mapping[str, Any]) -> str:
    """The kernel's line that it skipped this board for want of atomics (ids there are hex without padding)."""
    pattern = re.compile(rf"skipped device 1002:{(board['device_id'] or '?').lstrip('0')}\b")
    return _last([line for line in facts.log["atomics_rejected"] if pattern.search(line)])


def _pcie_atomics_one(facts: Facts, board: dict[str, Any]) -> Verdict:
    mec = board["mec_fw_loaded"] or facts.host["firmware"]["mec_by_board"].get(board["bdf"])
    line = _rejected(facts, board)
    remedy = (
        "put the board into a slot that the processor serves itself (the topmost x16, not one of the chipset's); "
        f"or load compute firmware {MEC_WITHOUT_ATOMICS} or newer, with which kernels 6.x waive them: "
        "Debian 12's firmware-amd-graphics has 146 for boards that don't use the _wks files"
    )
    if board["kfd_node"] is None and line:
        return _failed(f"the kernel says: {line}", remedy)
    evidence = board["atomics_evidence"]
    if board["atomics"] is None:
        return _skipped("nothing tells whether the slot has atomics" if facts.live else UNKNOWN)
    if board["atomics"]:
        return _ok(f"routed to the processor ({evidence})")
    required = facts.kernel >= (6, 0) and (mec is None or mec < MEC_WITHOUT_ATOMICS)
    if board["kfd_node"] is None and required:
        version = f"firmware {mec}" if mec is not None else "firmware of unknown version"
        return _failed(
            f"the slot has no PCIe atomics ({evidence}), which kernel {_dots(facts)} needs with {version}", remedy
        )
    return _ok(
        f"the slot has none ({evidence}), and the driver takes the board without",
        "without PCIe atomics PyTorch 2 may hang or give wrong sums: a slot of the processor's own is better",
    )


def _dots(facts: Facts) -> str:
    return ".".join(map(str, facts.kernel)) or "of unknown version"


def _pcie_atomics(facts: Facts) -> Verdict:
    return facts.each_board(_pcie_atomics_one)


def _unreadable_nodes(facts: Facts) -> str:
    """Which nodes can't be read, and why; empty if all can."""
    unreadable = [node for node in facts.host["kfd"]["nodes"] if not node["readable"]]
    why = "; ".join(dict.fromkeys(problem for node in unreadable for problem in node["problems"]))
    numbers = ", ".join(str(node["index"]) for node in unreadable)
    return f"node(s) {numbers} can't be read: {why or 'EPERM'}" if unreadable else ""


def _kfd_gpu_node_one(facts: Facts, board: dict[str, Any]) -> Verdict:
    kfd = facts.host["kfd"]
    node = facts.nodes.get(board["kfd_node"]) if board["kfd_node"] is not None else None
    hidden = _HIDDEN.format(board["render_node"] or "/dev/dri/renderD128")
    if node is not None and node["readable"]:  # ROCm's thunk skips a node whose gpu_id it can't read
        usable = kfd["apertures"]
        if usable is not None and node["gpu_id"] not in usable and kfd["ioctl_version"] and not kfd["ioctl_error"]:
            return _failed(
                f"node {node['index']} (gpu_id {node['gpu_id']}) is not among the GPUs open to this process: {usable}",
                hidden,
            )
        return _ok(
            f"node {node['index']}, gpu_id {node['gpu_id']}, simd_count {node['simd_count']}, {board['gfx_target']}"
        )
    unreadable = _unreadable_nodes(facts)
    if unreadable:
        return _failed(unreadable, hidden)
    if kfd["topology"] is None:
        if not facts.live:
            return _skipped(UNKNOWN)
        return _failed("/sys/class/kfd is missing", _why_no_driver(facts)[1] or "boot Debian's kernel, it has HSA_AMD")
    seen = f"the topology has {len(kfd['nodes'])} node(s), and none with simd_count > 0 for this board"
    error = _last(facts.log["kfd_errors"])
    if error:
        return _failed(
            f"{seen}; the kernel says: {error}",
            f"{_SITE.format('firmware')} and reboot; if it stays, boot Debian's newest kernel for this release",
        )
    return _failed(
        seen,
        "see `dmesg | grep -i kfd`: 'PCI rejects atomics' asks for another slot or newer firmware, "
        "'not supported in kfd' for a newer kernel, nothing at all for a reboot",
    )


def _kfd_gpu_node(facts: Facts) -> Verdict:
    return facts.each_board(_kfd_gpu_node_one)


def _vram_one(facts: Facts, board: dict[str, Any]) -> Verdict:
    size = board["vram_mib"]
    if size is None:
        if not facts.live:
            return _skipped(UNKNOWN)
        return _failed(
            "neither mem_info_vram_total nor KFD's memory banks tell the VRAM", "reboot; see `dmesg | grep VRAM`"
        )
    if size < VRAM_MIN_MIB:
        return _failed(f"{size} MiB", f"fit a board with {VRAM_MIN_MIB} MiB or more, or set webui_profile: cpu")
    return _ok(f"{size} MiB", "needs --lowvram (webui_vram_mode: auto sets it)" if size < 5 * 1024 else "")


def _vram(facts: Facts) -> Verdict:
    return facts.each_board(_vram_one)


def _groups(facts: Facts) -> Verdict:
    groups, user = facts.host["groups"], facts.host["user"]
    wanted = facts.wanted.get("user")
    if not facts.live and not any(gid is not None for gid in groups.values()) and not (user and user["exists"]):
        return _skipped(UNKNOWN)
    absent = [name for name, gid in groups.items() if gid is None]
    if absent:
        return _failed(f"no group {' and '.join(absent)}", _SITE.format("gpu_access"))
    seen = ", ".join(f"{name} is {gid}" for name, gid in groups.items())
    if not wanted:
        return _ok(seen)
    if not user or user["name"] != wanted:
        return _skipped(f"the look did not ask for user {wanted}", seen)
    if not user["exists"]:
        return _failed(
            f"there is no user {wanted}", f"adduser {wanted}, or name the account that works here (navilab_user)"
        )
    lacking = [name for name in groups if name not in user["groups"]]
    if lacking and user["uid"] != 0:
        return _failed(
            f"{wanted} is in {', '.join(user['groups'])}, not in {' and '.join(lacking)}",
            f"{_SITE.format('gpu_access')} (or usermod -aG {','.join(lacking)} {wanted}), then log in again; " + _ACL,
        )
    note = (
        f"sessions of {wanted} from before it joined lack the groups: log in again" if user.get("needs_login") else ""
    )
    return _ok(f"{seen}; {wanted} may use them", note)


# -- the engine and the webui -------------------------------------------------------------------------------------


def _docker_engine(facts: Facts) -> Verdict:
    docker = facts.host["docker"]
    if not facts.live:
        return _skipped(UNKNOWN)
    site = _SITE.format("docker_engine")
    if not docker["installed"]:
        return _failed("no Docker engine is installed", site)
    if docker["config"] is None:
        return _failed(
            f"/etc/docker/daemon.json is not JSON: {docker['config_error']}",
            "mend it (python3 -m json.tool /etc/docker/daemon.json shows where), or move it away; then " + site,
        )
    if not docker["running"] or docker["error"]:
        if docker["error"].endswith("permission denied"):
            return _failed(docker["error"], "look as root (become: true): the engine's socket is root's")
        return _failed(
            f"{docker['provider']} is installed, but does not answer: {docker['error'] or 'no socket'}",
            f"systemctl start docker, and see `journalctl -u docker -n 50` if it refuses; or {site}",
        )
    note = ""
    if docker["restart_pending"]:
        note = "/etc/docker/daemon.json is newer than the running engine: restart it when no picture is being drawn"
    return _ok(
        f"{docker['provider']} {docker['version']}, interface {docker['api_version']}, {docker['root_dir']}", note
    )


def _selftest(facts: Facts) -> Verdict:
    def kept(_facts: Facts, webui: dict[str, Any]) -> Verdict:
        found = webui.get("selftest")
        return Verdict(**found) if found else _skipped("no result was handed over")

    return facts.each_webui(kept)


def _container_running_one(facts: Facts, webui: dict[str, Any]) -> Verdict:
    name, container, docker = webui["name"], facts.container(webui), facts.host["docker"]
    site, log = _SITE.format("webui"), f"`docker logs --tail 50 {webui['name']}`"
    if container is None:
        return _failed(docker["error"] or "there is no such container", site)
    state = container["state"]
    if container["oom_killed"]:
        return _failed(
            f"{state}, killed for want of memory (limit {container['memory'] >> 20} MiB)",
            f"give it more (webui_memory_mib, or RAM and swap for the host), then {site}",
        )
    if state != "running":
        details = [f"exit code {container['exit_code']}"] if state in ("exited", "dead", "restarting") else []
        details += [container["error"]] if container["error"] else []
        remedies = {
            "paused": f"docker unpause {name}",
            "created": f"docker start {name}, or {site}",
            "restarting": f"it dies at each start: see {log}, then {site}",
        }
        evidence = f"{state}{' (' + ', '.join(details) + ')' if details else ''}"
        return _failed(evidence, remedies.get(state, f"see {log}, then {site}"))
    wanted, note = webui.get("image"), ""
    if wanted and container["image"] != wanted:
        image = docker["images"].get(wanted)
        if image and image["id"] != container["image_id"]:
            return _failed(f"it runs {container['image']}, not {wanted}", site)
        note = "" if image else f"it runs {container['image']}, asked for was {wanted}"
    if container["restart_count"]:
        note = "; ".join(filter(None, [note, f"the engine restarted it {container['restart_count']} time(s)"]))
    return _ok(f"running since {container['started_at']}", note)


def _container_running(facts: Facts) -> Verdict:
    return facts.each_webui(_container_running_one)


def _container_sees_gpu_one(facts: Facts, webui: dict[str, Any]) -> Verdict:
    container = facts.container(webui)
    if container is None or container["state"] != "running":
        return _skipped("it does not run")
    devices = webui.get("devices")
    if devices is None:
        devices = ["/dev/kfd", *(board["render_node"] for board in facts.boards if board["render_node"])][:2]
    if not devices:
        return _skipped("its profile uses no board")
    access = container["access"]
    if access is None:
        return _skipped("the container's process can be seen by root alone")
    site = _SITE.format("webui")
    for path in devices:
        seen = access["devices"].get(path)
        if seen is None or not seen["exists"]:
            return _failed(f"{path} was not passed on", f"{site} (it makes the container anew with its board's nodes)")
        if not seen["same_as_host"]:
            return _failed(
                f"{path} in the container is another device than on the host",
                f"{site}: the numbers changed since it was made",
            )
        if not seen["rw"]:
            node = facts.drm.get(path) or facts.host["kfd"]["device"]
            return _failed(
                f"uid {access['uid']} with groups {access['groups']} may not open {path} "
                f"(group {node['gid']}, mode {node['mode']})",
                f"{site}: it passes the host's group numbers on (names differ between host and image)",
            )
    uid = webui.get("uid")
    note = f"it runs as uid {access['uid']}, not {uid}" if uid is not None and uid != access["uid"] else ""
    return _ok(f"{', '.join(devices)} open to uid {access['uid']}", note)


def _container_sees_gpu(facts: Facts) -> Verdict:
    return facts.each_webui(_container_sees_gpu_one)


def _webui_healthy_one(facts: Facts, webui: dict[str, Any]) -> Verdict:
    name, container = webui["name"], facts.container(webui)
    http = facts.host["http"].get(name) or {"ready": False, "status": None, "models": None, "error": "not asked"}
    url = f"http://127.0.0.1:{webui['port']}"
    if http["ready"]:
        return _ok(f"{url} answers and lists {http['models']} model(s)")
    if http["models"] == 0:
        return _failed(
            f"{url} answers, but lists no model",
            f"name one in webui_models and {_SITE.format('webui')}, or put a file into models/Stable-diffusion "
            f"below {webui.get('data_dir') or 'its data directory'} and docker restart {name}",
        )
    health = container["health"] if container else "none"
    if health == "starting":
        return _failed(
            f"{url}: still starting ({http['error']})", f"wait a few minutes; `docker logs -f {name}` shows progress"
        )
    return _failed(
        f"{url}: {http['error']} (health: {health})",
        f"see `docker logs --tail 50 {name}`, then docker restart {name} or {_SITE.format('webui')}",
    )


def _webui_healthy(facts: Facts) -> Verdict:
    return facts.each_webui(_webui_healthy_one)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _webui_not_exposed_one(facts: Facts, webui: dict[str, Any]) -> Verdict:
    container, port = facts.container(webui), webui["port"]
    # Published by the engine, even without a process that listens (userland-proxy: false); or the host's own network.
    addresses = {item["host_ip"] for item in (container["ports"] if container else ()) if item["host_port"] == port}
    addresses |= set((facts.host["ports"].get(str(port)) or {"listeners": []})["listeners"]) - {webui.get("listen")}
    wide = sorted(address for address in addresses if not _loopback(address))
    if wide:
        return _failed(
            f"port {port} is open on {', '.join(wide)}",
            f"set webui_listen: 127.0.0.1 and {_SITE.format('webui')}; reach it through ssh -L: whoever reaches the "
            "webui itself reads its settings and may run code",
        )
    return _ok(f"port {port} is open on {', '.join(sorted(addresses)) or 'no address'}")


def _webui_not_exposed(facts: Facts) -> Verdict:
    return facts.each_webui(_webui_not_exposed_one)


def _data_writable_one(facts: Facts, webui: dict[str, Any]) -> Verdict:
    data = (webui.get("data_dir") or "").rstrip("/")
    if not data:
        return _skipped("no data directory was named")
    container = facts.container(webui)
    access = (container or {}).get("access") or {}
    uid = webui.get("uid") if webui.get("uid") is not None else access.get("uid")
    files = facts.host["files"]
    if data not in files:
        return _skipped("the look did not ask for it")
    if uid is None:
        return _skipped("the webui's uid is not known")
    if (facts.host["disk"].get(data) or {}).get("read_only"):
        return _failed(
            f"{data} lies on a read-only file system", "mount it read-write (see `dmesg` for a failing disk)"
        )
    groups = {access.get("gid"), *access.get("groups", ())}
    for path in (data, *(f"{data}/{name}" for name in ("webui_data", "cache"))):
        seen = files.get(path)
        if seen is None or (not seen["exists"] and path != data):
            continue
        if not seen["exists"] or seen["kind"] not in ("dir", "link"):
            return _failed(f"{path} is {'no directory' if seen['exists'] else 'missing'}", _SITE.format("webui"))
        mode = int(seen["mode"], 8)
        shift = 6 if seen["uid"] == uid else 3 if seen["gid"] in groups else 0
        if seen["kind"] == "dir" and uid != 0 and mode >> shift & 3 != 3:
            return _failed(
                f"{path} belongs to {seen['uid']}:{seen['gid']} with mode {seen['mode']}; the webui is uid {uid}",
                f"{_SITE.format('webui')}, or chown {uid} {path}",
            )
    return _ok(f"{data} can be written by uid {uid}")


def _data_writable(facts: Facts) -> Verdict:
    return facts.each_webui(_data_writable_one)


def _disk_space(facts: Facts) -> Verdict:
    if not facts.live:
        return _skipped(UNKNOWN)
    least = facts.wanted.get("min_disk_mib") or DISK_MIN_MIB
    disk = facts.host["disk"]
    wanted = facts.wanted.get("disk_paths")
    paths = [path for path in (disk if wanted is None else wanted) if path in disk]
    if not paths:
        return _skipped("no path was asked for")
    verdicts = []
    for path in paths:
        seen = disk[path]
        if seen["free_mib"] is None:
            verdicts.append((path, _skipped("the file system does not tell")))
            continue
        text = f"{seen['free_mib']} MiB free on the file system of {seen['path_seen']}"
        if seen["read_only"]:
            verdicts.append(
                (path, _failed("read-only file system", "mount it read-write (see `dmesg` for a failing disk)"))
            )
        elif seen["free_mib"] < least:
            remedy = (
                f"make room there, {least} MiB are needed (apt-get clean, docker system df), "
                "or use another disk (docker_engine_data_root, webui_data_dir)"
            )
            verdicts.append((path, _failed(text, remedy)))
        else:
            verdicts.append((path, _ok(text)))
    return _together(verdicts)


def _memory(facts: Facts) -> Verdict:
    least = facts.wanted.get("min_memory_mib") or MEMORY_MIN_MIB
    memory = facts.host["memory"]
    total, available, swap = memory["total_mib"], memory["available_mib"], memory["swap_mib"] or 0
    if total is None:
        return _skipped("/proc/meminfo does not tell" if facts.live else UNKNOWN)
    text = f"{total} MiB of memory, {swap} MiB of swap"
    if total < least:
        return _failed(text, f"fit memory: {least} MiB are needed, or loading a model ends in the out-of-memory killer")
    low = available is not None and available + swap < least // 2
    return _ok(text, f"only {available} MiB are available now" if low else "")


CHECKS: tuple[Check, ...] = (
    Check("release", "kfd", (), _release),
    Check("kernel_flavour", "kfd", (), _kernel_flavour),
    Check("board_present", "kfd", (), _board_present),
    Check("board_supported", "kfd", ("board_present",), _board_supported),
    Check("firmware_files", "kfd", ("board_supported",), _firmware_files),
    Check("firmware_not_shadowed", "kfd", ("board_supported",), _firmware_not_shadowed),
    Check("dkms_built", "kfd", (), _dkms_built),
    Check("module_signed", "kfd", (), _module_signed),
    Check("driver_bound", "kfd", ("kernel_flavour", "firmware_files", "module_signed"), _driver_bound),
    Check("driver_reset_free", "kfd", ("driver_bound",), _driver_reset_free),
    Check("dri_nodes", "kfd", ("driver_bound",), _dri_nodes),
    Check("kfd_node", "kfd", ("driver_bound",), _kfd_node),
    Check("kfd_open", "kfd", ("kfd_node",), _kfd_open),
    Check("kfd_ioctl", "kfd", ("kfd_open",), _kfd_ioctl),
    Check("pcie_atomics", "kfd", ("driver_bound",), _pcie_atomics),
    Check("kfd_gpu_node", "kfd", ("kfd_node", "pcie_atomics"), _kfd_gpu_node),
    Check("vram", "kfd", ("kfd_gpu_node",), _vram),
    Check("groups", "kfd", (), _groups),
    Check("docker_engine", "host", (), _docker_engine),
    Check("selftest", "webui", (), _selftest),
    Check("container_running", "webui", ("docker_engine",), _container_running),
    Check("container_sees_gpu", "webui", ("container_running", "dri_nodes", "kfd_gpu_node"), _container_sees_gpu),
    Check("webui_healthy", "webui", ("container_running", "container_sees_gpu"), _webui_healthy),
    Check("webui_not_exposed", "webui", ("container_running",), _webui_not_exposed),
    Check("data_writable", "webui", (), _data_writable),
    Check("disk_space", "host", (), _disk_space),
    Check("memory", "host", (), _memory),
)
CHECK_IDS = tuple(check.id for check in CHECKS)
_BOARD_CHECKS = frozenset(CHECK_IDS[CHECK_IDS.index("board_present") : CHECK_IDS.index("groups")])


def judge(host: Mapping[str, Any], wanted: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Judge a look: one `{id, status, evidence, remedy, note, reason}` a check, in the order of cause before effect.

    Keys of `wanted`, all optional: `scope` (list of kfd, host, webui; kfd alone), `only` (ids), `waive` (id to reason),
    `user`, `webuis` (name, port, listen, data_dir, uid, devices, image, selftest; no devices: it uses no board),
    `disk_paths`, `min_disk_mib`, `min_memory_mib`.
    Status is ok, failed, waived (failed, with a reason to live with it) or skipped. ValueError for an unknown id or
    scope, and for a waiver without a reason.
    """
    wanted = wanted or {}
    waive, selected = _selection(wanted)
    facts = Facts(host, wanted)
    results: dict[str, dict[str, Any]] = {}
    blocked: dict[str, str] = {}  # check -> the failed check that explains it
    for check in selected:
        cause = next((blocked[name] for name in check.causes if name in blocked), None)
        if cause is not None:
            blocked[check.id] = cause
            verdict = _skipped(f"because {cause} failed")
        else:
            verdict = check.judge(facts)
            if verdict.status == "failed" and facts.without_board and check.id in _BOARD_CHECKS:
                verdict = _skipped("no webui here uses a board", verdict.evidence)
            if verdict.status == "failed" and check.id in waive:
                verdict = verdict._replace(status="waived", reason=waive[check.id])
            elif verdict.status == "failed":
                blocked[check.id] = check.id
            elif check.id in waive:
                unneeded = f"the waiver is not needed: {waive[check.id]}"
                verdict = verdict._replace(note="; ".join(filter(None, [verdict.note, unneeded])))
        results[check.id] = {"id": check.id, **verdict._asdict()}
    return list(results.values())


def first_failure(checks: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """The first failed check, whose remedy is the one to follow."""
    return next((check for check in checks if check["status"] == "failed"), None)


def validate(wanted: Mapping[str, Any]) -> None:
    """ValueError where `judge` would raise one, without judging."""
    _selection(wanted)


def _selection(wanted: Mapping[str, Any]) -> tuple[dict[str, str], list[Check]]:
    scope, only, waive = wanted.get("scope") or ["kfd"], wanted.get("only"), dict(wanted.get("waive") or {})
    unknown = [str(name) for name in scope if name not in SCOPES]
    if unknown:
        raise ValueError(f"unknown scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    for where, ids in (("waive", waive), ("only", only or ())):
        strange = [str(name) for name in ids if name not in CHECK_IDS]
        if strange:
            raise ValueError(f"{where}: unknown check {', '.join(strange)}; there are {', '.join(CHECK_IDS)}")
    for name, reason in waive.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"waive: {name} needs a reason, a sentence that says why the host may live with it")
    return waive, [check for check in CHECKS if (check.id in only if only is not None else check.scope in scope)]
