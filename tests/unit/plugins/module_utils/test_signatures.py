"""Whether the kernel takes modules that nobody signed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._signatures import gather_signatures, refuses_unsigned

from .kmods import put

Trees = Callable[[Path], Any]
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SHIM_OFF = "sys/firmware/efi/efivars/MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23"
LOCKDOWN, LSM = "sys/kernel/security/lockdown", "sys/kernel/security/lsm"
ENFORCE, CMDLINE = "sys/module/module/parameters/sig_enforce", "proc/cmdline"
ON, OFF = b"\x06\0\0\0\1", b"\x06\0\0\0\0"


@pytest.mark.parametrize(
    ("files", "secure_boot", "enforced"),
    [
        ({}, None, None),
        ({SECURE_BOOT: OFF}, False, False),
        ({SECURE_BOOT: ON}, True, True),
        ({SECURE_BOOT: ON, SHIM_OFF: ON}, True, False),
        ({SECURE_BOOT: ON, SHIM_OFF: OFF}, True, True),
        ({SECURE_BOOT: ON, SHIM_OFF: b"\x06\0\0\0"}, True, True),  # cut short
        ({SECURE_BOOT: b"\1"}, None, None),
        ({SECURE_BOOT: ON, LOCKDOWN: b"[none] integrity confidentiality\n"}, True, False),
        ({SECURE_BOOT: ON, SHIM_OFF: ON, LOCKDOWN: b"[none] integrity confidentiality\n"}, True, False),
        ({SECURE_BOOT: ON, SHIM_OFF: ON, LOCKDOWN: b"none [integrity] confidentiality\n"}, True, True),
        ({SECURE_BOOT: OFF, LOCKDOWN: b"none integrity [confidentiality]\n"}, False, True),
        ({LOCKDOWN: b"none [integrity] confidentiality\n"}, None, True),  # lockdown=integrity among the arguments
        ({SECURE_BOOT: ON, LSM: b"capability,landlock,yama,apparmor"}, True, False),  # a kernel that has no lockdown
        ({SECURE_BOOT: ON, LSM: b"lockdown,capability,yama"}, True, True),
        ({ENFORCE: b"Y\n", LOCKDOWN: b"[none] integrity confidentiality\n"}, None, True),
        ({ENFORCE: b"N\n"}, None, False),
        ({ENFORCE: b"N\n", SECURE_BOOT: ON}, True, True),
        ({CMDLINE: b"root=/dev/sda1 module.sig_enforce=1\n"}, None, True),
        ({CMDLINE: b"root=/dev/sda1 module.sig_enforce\n"}, None, True),
        ({CMDLINE: b"module.sig_enforce=0\n", LOCKDOWN: b"[none] integrity\n"}, None, False),
        ({CMDLINE: b"quiet -- module.sig_enforce=1\n"}, None, None),
    ],
)
def test_what_the_kernel_takes(
    tmp_path: Path, tree_of: Trees, files: dict[str, bytes], secure_boot: bool | None, enforced: bool | None
) -> None:
    for path, data in files.items():
        put(tmp_path, path, data)
    seen = gather_signatures(tree_of(tmp_path))
    assert (seen.secure_boot, seen.enforced) == (secure_boot, enforced)


def test_the_state_has_its_name(tmp_path: Path, tree_of: Trees) -> None:
    put(tmp_path, LOCKDOWN, b"none [integrity] confidentiality\n")
    assert gather_signatures(tree_of(tmp_path)).lockdown == "integrity"
    put(tmp_path, LOCKDOWN, b"garbage\n")
    assert gather_signatures(tree_of(tmp_path)).lockdown is None


@pytest.mark.parametrize(
    ("secure_boot", "enforced", "refuses"),
    [(True, None, True), (True, False, False), (False, True, True), (None, None, False), (False, None, False)],
)
def test_what_is_not_known_is_the_firmwares(secure_boot: Any, enforced: Any, refuses: bool) -> None:
    kernel: Any = {"secure_boot": secure_boot, "signatures_enforced": enforced}
    assert refuses_unsigned(kernel) is refuses
