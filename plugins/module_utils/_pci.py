# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD display devices on the PCI bus, and whether PCIe atomics reach them.

Sources: the kernel's Documentation/ABI/testing/sysfs-bus-pci, include/uapi/linux/pci_regs.h, and
pci_enable_atomic_ops_to_root() of drivers/pci/pci.c, whose verdict is what amdgpu hands to KFD.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from ._boards import AMD
from ._modprobe import gather_config
from ._sysfs import Tree
from ._types import PciDevice

DEVICES = "/sys/bus/pci/devices"
BDF = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", re.ASCII)
_WRITTEN = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([01]?[0-9a-f])\.([0-7])", re.ASCII)
# Drivers that keep a device for a guest: of KVM, and of Xen; or for a program in the driver's place.
HOLDERS = ("vfio-pci", "pci-stub", "pciback", "xen-pciback", "uio_pci_generic")
CLASS_DISPLAY = 0x03  # 0300 VGA, 0302 3D, 0380 other: a second or a laptop's board is often 0380

# pci_regs.h
_STATUS, _STATUS_CAP_LIST, _CAPABILITY_LIST, _CAP_ID_EXP = 0x06, 0x10, 0x34, 0x10
_DEVCAP2, _DEVCTL2 = 0x24, 0x28  # offsets in the PCI Express capability
_ATOMIC_ROUTE, _ATOMIC_COMP32, _ATOMIC_COMP64 = 0x40, 0x80, 0x100
_ATOMIC_EGRESS_BLOCK = 0x80
_ENDPOINT, _LEGACY_ENDPOINT, _ROOT_PORT, _UPSTREAM, _DOWNSTREAM, _RC_ENDPOINT = 0x0, 0x1, 0x4, 0x5, 0x6, 0x9
_CONFIG_SIZE = 256  # bytes; the rest is extended configuration


class Express(NamedTuple):
    """A function's PCI Express capability: its port type and the two registers that speak of atomics."""

    port: int
    devcap2: int
    devctl2: int


def normal_bdf(text: str) -> str | None:
    """A PCI address as sysfs has it, of what a person wrote: lower case, and the domain, which lspci leaves out."""
    match = _WRITTEN.fullmatch(text.strip().lower())
    if not match:
        return None
    domain, bus, device, function = (int(part or "0", 16) for part in match.groups())
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}"


def express_capability(config: bytes) -> Express | None:
    """Parse configuration space.

    None where it is cut short (64 bytes for other users than root) or without the capability, as that of a device
    which is switched off: all ones.
    """
    if len(config) < _CONFIG_SIZE or not struct.unpack_from("<H", config, _STATUS)[0] & _STATUS_CAP_LIST:
        return None
    position = config[_CAPABILITY_LIST] & ~3
    for _hop in range(48):  # as many as fit; a broken list may be a loop
        if not 0x40 <= position <= _CONFIG_SIZE - 4:
            return None
        if config[position] == _CAP_ID_EXP:
            break
        position = config[position + 1] & ~3
    else:
        return None
    flags = struct.unpack_from("<H", config, position + 2)[0]
    if flags & 0xF < 2:  # version 1 has no second registers: the kernel reads them as 0
        return Express(flags >> 4 & 0xF, 0, 0)
    if position + _DEVCTL2 + 2 > len(config):
        return None
    devcap2 = struct.unpack_from("<I", config, position + _DEVCAP2)[0]
    devctl2 = struct.unpack_from("<H", config, position + _DEVCTL2)[0]
    return Express(flags >> 4 & 0xF, devcap2, devctl2)


def upstream(tree: Tree, bdf: str) -> list[tuple[str, str]]:
    """(BDF, path) of the bridges above a device, nearest first: its parents in /sys/devices."""
    real = tree.realpath(f"{DEVICES}/{bdf}") or ""
    parts = real.split("/")[:-1]
    bridges = []
    while parts and BDF.fullmatch(parts[-1]):
        bridges.append((parts[-1], "/".join(parts)))
        parts.pop()
    return bridges


def atomics_to_root(tree: Tree, bdf: str) -> tuple[bool | None, str]:
    """Whether the kernel would enable 32 and 64-bit AtomicOps from the device to its root port, and why.

    None with an empty or explaining text where that is not known.
    """
    own = express_capability(tree.read_head(f"{DEVICES}/{bdf}/config", _CONFIG_SIZE) or b"")
    if own is None:
        return None, ""
    if own.port not in (_ENDPOINT, _LEGACY_ENDPOINT, _RC_ENDPOINT):
        return False, f"{bdf} is not a PCIe endpoint"
    for bridge, path in upstream(tree, bdf):
        seen = express_capability(tree.read_head(path + "/config", _CONFIG_SIZE) or b"")
        if seen is None:
            return None, f"configuration space of {bridge} tells nothing"
        if seen.port in (_UPSTREAM, _DOWNSTREAM) and not seen.devcap2 & _ATOMIC_ROUTE:
            return False, f"switch port {bridge} does not route AtomicOps"
        if seen.port == _UPSTREAM and seen.devctl2 & _ATOMIC_EGRESS_BLOCK:
            return False, f"switch port {bridge} blocks AtomicOps"
        if seen.port == _ROOT_PORT:
            wanted = _ATOMIC_COMP32 | _ATOMIC_COMP64
            if seen.devcap2 & wanted == wanted:
                return True, f"each port from {bdf} to root port {bridge} carries AtomicOps"
            return False, f"root port {bridge} does not complete 32 and 64-bit AtomicOps"
    # A virtual machine without an emulated root port: older kernels enabled AtomicOps there, newer ones refuse.
    return None, f"no root port above {bdf} is visible"


def _digits(number: int | None, width: int) -> str | None:
    return None if number is None or number >= 16**width else f"{number:0{width}x}"


def _listed(device: PciDevice, entries: Iterable[str]) -> bool:
    """Whether `ids` of vfio-pci or pci-stub have a device: VENDOR:DEVICE[:SUBVENDOR[:SUBDEVICE[:CLASS]]], in hex."""
    own = [device["vendor_id"], device["device_id"], *(device["subsystem"] or "").split(":")]
    for entry in entries:
        parts = entry.strip().split(":")
        if not all((*parts, "")[:2]):
            continue
        try:
            wanted = [int(part, 16) if part else None for part in parts[:4]]
            if all(want in (None, 0xFFFFFFFF, int(has or "x", 16)) for want, has in zip(wanted, own)):
                return True
        except ValueError:
            continue
    return False


def _held_by(tree: Tree, device: PciDevice) -> str | None:
    """The driver that keeps a device for a virtual machine: the one that has it, or is to have it where none has."""
    if device["driver"]:
        return device["driver"] if device["driver"] in HOLDERS else None
    override = tree.read_word(f"{device['path']}/driver_override") or ""
    if override in HOLDERS:
        return override
    for holder in ("vfio-pci", "pci-stub"):
        # Its files and the kernel's arguments suffice: modprobe is asked about what keeps a module out.
        given = gather_config(tree, holder.replace("-", "_"), loaded=True).options
        entries = [entry for option in given if option.startswith("ids=") for entry in option[4:].split(",")]
        if _listed(device, entries):
            return holder
    return None


def display_devices(tree: Tree) -> list[PciDevice]:
    """AMD's display devices on the PCI bus, by address."""
    found: list[PciDevice] = []
    for bdf in tree.listdir(DEVICES):
        path = f"{DEVICES}/{bdf}"
        if not BDF.fullmatch(bdf) or _digits(tree.read_hex(path + "/vendor"), 4) != AMD:
            continue
        if (tree.read_hex(path + "/class") or 0) >> 16 != CLASS_DISPLAY:
            continue
        vendor, subdevice = (_digits(tree.read_hex(f"{path}/subsystem_{part}"), 4) for part in ("vendor", "device"))
        device: PciDevice = {
            "bdf": bdf,
            "path": path,
            "vendor_id": AMD,
            "device_id": _digits(tree.read_hex(path + "/device"), 4),
            "subsystem": f"{vendor}:{subdevice}" if vendor and subdevice else None,
            "revision": _digits(tree.read_hex(path + "/revision"), 2),
            "driver": tree.link_name(path + "/driver"),
            "held_by": None,
        }
        found.append({**device, "held_by": _held_by(tree, device)})
    return found
