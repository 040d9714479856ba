# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel takes modules that nobody signed: Secure Boot, shim's switch, lockdown, sig_enforce.

Sources: the kernel's Documentation/ABI/testing/sysfs-firmware-efi-vars, drivers/firmware/efi/libstub/secureboot.c,
security/lockdown/lockdown.c and kernel/module/signing.c; shim's MokVars.txt.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ._modprobe import read_arguments
from ._sysfs import Tree
from ._types import KernelFacts

_VARIABLES = "/sys/firmware/efi/efivars"
_SECURE_BOOT = f"{_VARIABLES}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_SHIM_OFF = f"{_VARIABLES}/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23"  # mokutil --disable-validation
_LOCKDOWN = "/sys/kernel/security/lockdown"
_MODULES = "/sys/kernel/security/lsm"  # what of the kernel's security is built in and on
_SIG_ENFORCE = "/sys/module/module/parameters/sig_enforce"
_YES = frozenset(("", "1", "y", "Y", "on", "On", "ON", "yes"))


class Signatures(NamedTuple):
    """The firmware's variable, the kernel's lockdown, and what comes of both: see KernelFacts."""

    secure_boot: bool | None
    lockdown: str | None
    enforced: bool | None


def gather_signatures(tree: Tree) -> Signatures:
    """The kernel's own word counts; the firmware's variables stand in where it says nothing."""
    secure_boot = _variable(tree, _SECURE_BOOT)
    state = re.search(r"\[(\w+)\]", tree.read_text(_LOCKDOWN) or "", re.ASCII)
    lockdown = state.group(1) if state else None
    word = tree.read_word(_SIG_ENFORCE)
    asked = any(key == "module.sig_enforce" and value in _YES for _word, key, value in read_arguments(tree))
    if word == "Y" or asked or lockdown not in (None, "none"):
        enforced: bool | None = True
    elif lockdown == "none" or "lockdown" not in (tree.read_word(_MODULES) or "lockdown").split(","):
        enforced = False
    else:  # Debian's kernels are locked down where Secure Boot is on, unless shim was told not to validate
        enforced = secure_boot and not _variable(tree, _SHIM_OFF)
        enforced = False if enforced is None and word == "N" else enforced
    return Signatures(secure_boot, lockdown, enforced)


def refuses_unsigned(kernel: KernelFacts) -> bool:
    """Whether the kernel takes signed modules alone, as far as anything tells."""
    enforced = kernel["signatures_enforced"]
    return bool(kernel["secure_boot"] if enforced is None else enforced)


def _variable(tree: Tree, path: str) -> bool | None:
    """A variable of one byte behind four of attributes; None where there is none."""
    data = tree.read_head(path, 5)
    return data[4] == 1 if data is not None and len(data) == 5 else None
