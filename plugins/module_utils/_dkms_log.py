# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a DKMS build failed: the lines of make.log that matter, and the causes that are known by name."""

from __future__ import annotations

import re
from typing import NamedTuple

from ._types import DkmsCause, DkmsExplanation

_LINES = 4  # shown at most
_WIDTH = 240  # characters of a line
_KERNEL_DRIVER = "use the kernel's own driver (amdgpu_dkms_state: absent)"
_OTHER_RELEASE = f"name a release of AMD's that knows this kernel (amdgpu_dkms_release), or {_KERNEL_DRIVER}"
# Where no cause is known: what compilers, make and the shell say when they give up.
_TROUBLE = re.compile(r"\berror:|\bError \d+|\*\*\* |ERROR: modpost|: not found$|: No such file or directory$")


class Cause(NamedTuple):
    """A row of the table, the most telling first."""

    id: str
    pattern: re.Pattern[str]
    meaning: str
    remedy: str


CAUSES: tuple[Cause, ...] = (
    Cause(
        "argument_list",
        re.compile(r"Argument list too long"),
        "the list of objects exceeds the 128 KiB that kernels before 5.19 pass to a shell in one argument",
        "let the path of DKMS's tree be short: amdgpu_dkms_tree: auto or always",
    ),
    Cause(
        "no_space",
        re.compile(r"No space left on device|Disk quota exceeded"),
        "the disk is full",
        "free space below /var/lib/dkms and /tmp: a build takes about 2 GiB",
    ),
    Cause(
        "memory",
        re.compile(r"Killed signal terminated program|virtual memory exhausted|Cannot allocate memory", re.IGNORECASE),
        "the compiler ran out of memory",
        "add swap, or build while nothing else runs",
    ),
    Cause(
        "interrupted",
        re.compile(r"\*\*\* \[.*\] (?:Interrupt|Terminated|Hangup|Killed)"),
        "the build was interrupted",
        "run again",
    ),
    Cause(
        "headers",
        re.compile(
            r"/lib/modules/\S+/build: No such file|kernel headers for kernel \S+ (?:cannot be found|does not seem)"
            r"|Kernel configuration is invalid|include/generated/\S+ (?:or \S+ )?(?:are|is) missing"
            r"|Module\.symvers is missing"
        ),
        "the kernel's headers are missing or incomplete",
        "apt-get install --reinstall linux-headers-KERNEL",
    ),
    Cause(
        "compiler",
        re.compile(
            r"\b(?:gcc|cc|clang|ld|make)(?:-\d+)?: (?:command )?not found|unrecognized command[- ]line option"
            r"|failed to load plugin|^Compiler version check failed",
            re.MULTILINE,
        ),
        "the compiler that this kernel was built with is missing",
        "apt-get install --reinstall linux-headers-KERNEL, which depends on the right gcc",
    ),
    Cause(
        "dma_resv_seq",
        re.compile(r"dma_resv->seq is missing"),
        "this release of the driver is older than the kernel's dma_resv without a sequence lock",
        _OTHER_RELEASE,
    ),
    Cause(
        "pci_resize_resource",
        re.compile(r"pci_resize_resource"),
        "a stable update of the kernel changed pci_resize_resource(), which this release of the driver does not know",
        _OTHER_RELEASE,
    ),
    Cause(
        "kernel_interface",
        re.compile(
            r"error: (?:implicit declaration of function|too (?:few|many) arguments to function|.* has no member named"
            r"|.*incompatible pointer type|unknown type name|conflicting types for)|modpost: .* undefined!"
        ),
        "the driver does not know this kernel's interfaces",
        _OTHER_RELEASE,
    ),
)


def explain_log(text: str) -> DkmsExplanation:
    """`{causes: [{id, meaning, remedy}], lines}`: of two causes for the same lines the special one."""
    causes: list[DkmsCause] = []
    explained: list[str] = []
    lines = text.splitlines()
    for cause in CAUSES:
        hits = [line for line in lines if cause.pattern.search(line)]
        if any(line not in explained for line in hits):
            causes.append({"id": cause.id, "meaning": cause.meaning, "remedy": cause.remedy})
            explained += hits
    shown = dict.fromkeys(line.strip()[:_WIDTH] for line in [*explained, *filter(_TROUBLE.search, lines)])
    return {"causes": causes, "lines": list(shown)[:_LINES]}
