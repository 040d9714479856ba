# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a DKMS build failed: the lines of make.log that matter, and the causes that are known by name.

Compilers and make speak the user's language: what they quote and the names of their warnings are the same in all.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ._plain import plain
from ._types import DkmsCause, DkmsExplanation

_LINES = 4  # shown at most
_WIDTH = 240  # characters of a line that is shown
_LONGEST = 500  # characters of a line that is looked at
_FIRST, _LAST = 4000, 12000  # lines that are looked at, of the beginning and of the end
_KEPT = 200  # lines that a recording keeps
_KERNEL_DRIVER = "use the kernel's own driver (amdgpu_dkms_state: absent)"
_OTHER_RELEASE = f"name a release of AMD's that knows this kernel (amdgpu_dkms_release), or {_KERNEL_DRIVER}"
_HEADERS = "apt-get install --reinstall linux-headers-KERNEL"
_GONE = r"(?:(?:command )?not found|No such file or directory)"
_HEAD = re.compile(r"^DKMS .*for kernel ")

# What configure and make say on the way: they ask for files that may be missing.
_NOISE = re.compile(
    r"^\s*(?:e?grep|ls|cat|cp|mv|rm|find|sed|g?awk|head|tail|test|which|stat|touch|readlink|install): .*"
    r"(?:No such file or directory|Is a directory|Permission denied)$"
    r"|^\s*(?:readelf|nm|objdump|dpkg[\w-]*|expr|fatal): |^checking |^Skipping BTF generation"
    r"|(?:^|: )(?:[Ww]arning|WARNING|[Nn]ote|Warnung|Anmerkung|attention|advertencia|nota): "
    r"|^\s*(?:CC|LD|AR|HOSTCC|MODPOST|BTF)\s|^\s*(?:\d+ )?\|"
)
# What compilers, linkers, scripts and make say when they give up; and what may be no more than noise.
_ERROR = r"(?:[Ee]rror|ERROR|Fehler|[Ee]rreur|[Ee]rrore|[Ff]out|エラー|错误|ошибка) ?:"
_TROUBLE = re.compile(
    _ERROR + r"|\bError! |\b(?:FATAL|FAILED)\b|\*\*\* |cannot execute|: Permission denied|Segmentation fault|Killed"
)
_STOP = re.compile(r"\*\*\* \[|\*\*\* Waiting for")  # what follows from an error before
_MAYBE = re.compile(r": not found$|: No such file or directory$")

# C, where a kernel has another interface than the driver expects.
_INTERFACE = "|".join(
    (
        r"implicit declaration of function",
        r"too (?:few|many) arguments to function",
        r"has no member named",
        r"incompatible[- ]pointer[- ]types?|incompatible types? ",
        r"unknown type name|unknown field|unknown attribute",
        r"conflicting types for|conflicting type qualifiers",
        r"makes (?:integer|pointer) from (?:integer|pointer)",
        r"undeclared \(|undeclared here|undeclared identifier",
        r"has incomplete type|incomplete type|isn.t known|invalid use of undefined type|dereferencing pointer to",
        r"(?:non-)?static declaration of .* follows|previous (?:declaration|definition) of",
        r"redefinition of|redeclar(?:ation|ed)|multiple definition of|undefined reference to",
        r"macro .* (?:passed \d+|requires (?:at least )?\d+) arguments",
        r"void value not ignored|used as pointer|called object .* is not a function|lvalue required",
        r"invalid (?:operands to|initializer|type argument|storage class)|request for member",
        r"passing argument \d+ of|returning .* from a function|(?:assignment|initialization) (?:to|of|discards|from)",
        r"discards .* qualifier|excess elements in|initializer element is not constant|wrong type argument",
        r"static assertion failed|declared with attribute error|inside parameter list|is deprecated",
        r"case label does not reduce|duplicate case value|size of array .* is negative|variably modified",
        r"no previous (?:prototype|declaration)|defined but not used|may be used uninitialized",
        r"not a member of|function .* is a (?:type|macro)|invalid application of",
    )
)


class Cause(NamedTuple):
    """A row of the table, the most telling first."""

    id: str
    pattern: re.Pattern[str]
    meaning: str
    remedy: str


CAUSES: tuple[Cause, ...] = (
    Cause(
        "argument_list",
        # make could not start its own shell: nothing else keeps it from that, in whatever language it says so
        re.compile(r"Argument list too long|^make(?:\[\d+\])?: /bin/sh: (?!Cannot allocate|No such)"),
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
        "mount",
        re.compile(r"(?<![^\s'])/\S*: Permission denied|Read-only file system|: Operation not permitted$"),
        "the file system that it was built on is read-only, or noexec and no program may be run from it",
        "mount -o remount,exec,rw /tmp (or /var/lib/dkms, whichever the line names), then run again",
    ),
    Cause(
        "memory",
        re.compile(
            r"Killed signal terminated program|virtual memory exhausted|Cannot allocate memory|out of memory"
            r"|fatal error: Killed",
            re.IGNORECASE,
        ),
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
        "compiler_crash",
        re.compile(r"internal compiler error|Segmentation fault|Illegal instruction|Bus error"),
        "the compiler crashed",
        "run again; if it crashes elsewhere each time, look for bad memory, or for the firmware update of an unstable "
        "processor (Intel's 13th and 14th generation)",
    ),
    Cause(
        "excluded",
        re.compile(r"BUILD_EXCLUSIVE"),
        "this release of the driver names the kernels that it is for, and this one is none of them",
        _OTHER_RELEASE,
    ),
    Cause(
        "signing",
        re.compile(
            r"\b(?:sign-file|kmodsign): |SSL error|Failed to sign|failed to sign|Key was rejected by service"
            r"|mok\.(?:key|pub|priv|der)\b.*(?:missing|" + _GONE + ")"
        ),
        "the module was built, but could not be signed with DKMS's key",
        "see that key and certificate (/etc/dkms/framework.conf names them, else /var/lib/dkms/mok.key and mok.pub) "
        "are there, belong together and need no passphrase; dkms generate_mok makes new ones",
    ),
    Cause(
        "objtool",
        re.compile(
            r"SRCARCH variable not defined|\bobjtool: .*(?:not found|No such file|can't|[Ee]rror)|error: objtool"
        ),
        "objtool of the kernel's headers does not work as AMD's build calls it, or refuses what was compiled",
        _OTHER_RELEASE,
    ),
    Cause(
        "btf",
        re.compile(
            r"resolve_btfids.*" + _GONE + r"|FAILED.* BTF|BTF: .*not available|\bpahole: .*[Ii]nvalid|pahole.*" + _GONE
        ),
        "the type information (BTF) of the module could not be made",
        f"apt-get install dwarves, {_HEADERS}",
    ),
    Cause(
        "headers",
        re.compile(
            r"/lib/modules/\S+/build: No such file|kernel headers for kernel \S+ (?:cannot be found|does not seem)"
            r"|headers .* do(?:es)? not seem to be installed|Kernel configuration is invalid"
            r"|include/generated/\S+ (?:or \S+ )?(?:are|is) missing|Module\.symvers is missing"
            r"|No rule to make target .?(?:modules\b|scripts/|/lib/modules/|/usr/src/|tools/|include/|arch/)"
            r"|fatal error: (?:generated/|linux/(?:kconfig|compiler|kernel|module|version)\.h)"
            r"|(?:/usr/src/linux-headers|/usr/lib/linux-kbuild)\S*: No such file"
            r"|scripts/(?:basic|mod|kconfig)/\S+: " + _GONE + r"|\*\*\* /usr/src/\S+: No such file"
        ),
        "the kernel's headers are missing or incomplete",
        _HEADERS,
    ),
    Cause(
        "clang",
        re.compile(
            r"unrecognized (?:command[- ]line option|argument to) .?-(?:mstack-alignment|mretpoline-external-thunk"
            r"|mllvm|mno-global-merge|Qunused-arguments|fsanitize|flto=thin|fsplit-lto-unit|fexperimental)"
            r"|\b(?:clang|ld\.lld|llvm-\w+)(?:-\d+)?: " + _GONE
        ),
        "this kernel was built with clang, and the driver was to be built with gcc, or without clang's tools",
        "apt-get install clang lld llvm (dkms 3.0.11 and newer take them then), or boot Debian's own kernel",
    ),
    Cause(
        "compiler",
        re.compile(
            r"(?:^|[\s/:])(?:[\w.]+-)*(?:gcc|g\+\+|cc|clang|ld|make|as|cc1|cpp|collect2)(?:[-.]\d+)*: "
            + _GONE
            + r"|unrecognized command[- ]line option|failed to load plugin|incompatible gcc/plugin versions"
            r"|^Compiler version check failed|configure: error: .*compiler|C compiler cannot create executables"
            r"|cannot execute .?(?:cc1|as|ld)\b"
        ),
        "the compiler that this kernel was built with is missing",
        f"{_HEADERS}, which depends on the right gcc",
    ),
    Cause(
        "tools",
        re.compile(
            r"(?:^|[\s/:])(?:autoconf|automake|aclocal|autoreconf|m4|bc|bison|flex|perl|python3?|rsync|patch|nproc|xz|zstd)"
            r"(?:-\d[\d.]*)?: " + _GONE + r"|please install libelf-dev|please install \S+-dev"
            r"|gelf\.h: No such file|openssl/\S+\.h: No such file"
        ),
        "a program or a library that the build needs is missing",
        "apt-get install --reinstall build-essential autoconf automake libelf-dev, then run again",
    ),
    Cause(
        "dma_resv_seq",
        re.compile(r"dma_resv->seq is missing"),
        "this release of the driver does not know this kernel: it misses dma_resv's sequence lock, which is long gone",
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
            rf"^(?=.*{_ERROR} )(?=.*(?:{_INTERFACE}|\[-W(?:error=)?[a-z-]+\]$))|undefined reference to"
            r"|fatal error: \S+\.h: |modpost: .* undefined!|GPL-incompatible module|uses symbol .* from namespace"
            r"|modpost: .* is a static|modpost: .* uses GPL-only"
        ),
        "the driver does not know this kernel's interfaces",
        _OTHER_RELEASE,
    ),
)


def _lines_of(text: str) -> list[str]:
    """Lines without what colours them, and none longer than anybody reads."""
    lines = text.splitlines()
    if len(lines) > _FIRST + _LAST:
        lines = lines[:_FIRST] + lines[-_LAST:]
    return [plain(line[:_LONGEST]).rstrip() for line in lines]


def explain_log(text: str) -> DkmsExplanation:
    """`{causes: [{id, meaning, remedy}], lines}`: of two causes for the same lines the special one. What is only noise
    on the way counts where nothing else tells of an error."""
    every = _lines_of(text)
    telling = [line for line in every if not _NOISE.search(line)]
    causes, explained = _causes(telling)
    errors = [line for line in telling if _TROUBLE.search(line)]
    first = [line for line in errors if not _STOP.search(line)]
    if not causes and not first:
        causes, explained = _causes(every)
        first = [line for line in every if _MAYBE.search(line)]
    shown = dict.fromkeys(line.strip()[:_WIDTH] for line in [*explained, *first, *errors])
    return {"causes": causes, "lines": list(shown)[:_LINES]}


def _causes(lines: list[str]) -> tuple[list[DkmsCause], list[str]]:
    """The causes that the lines tell of, and the lines that tell of them."""
    causes: list[DkmsCause] = []
    explained: list[str] = []
    for cause in CAUSES:
        hits = [line for line in lines if cause.pattern.search(line)]
        if any(line not in explained for line in hits):
            causes.append({"id": cause.id, "meaning": cause.meaning, "remedy": cause.remedy})
            explained += hits
    return causes, explained


def keep_log(data: bytes) -> bytes:
    """The lines of a log that a recording needs: they explain the same as all of it."""
    lines = _lines_of(data.decode("utf-8", "replace"))
    patterns = [_TROUBLE, *(cause.pattern for cause in CAUSES)]
    telling = [line for line in lines if not _NOISE.search(line)]
    kept = [line for line in telling if any(pattern.search(line) for pattern in patterns)]
    kept = kept or [line for line in lines if any(pattern.search(line) for pattern in (_MAYBE, *patterns))]
    head = [line for line in lines if _HEAD.search(line)][:1]
    return "".join(f"{line}\n" for line in list(dict.fromkeys(head + kept))[:_KEPT]).encode()
