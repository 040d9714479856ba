# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system: Debian's release, the kernel's kind, and who is in the groups of the GPU."""

from __future__ import annotations

from .._archives import debian_places
from .._commands import run_site
from .._hardware import GROUPS
from .._neighbours import NEIGHBOURS, OTHER, Neighbour
from .._release import DEBIANS, SUPPORTED
from .._sysfs import UNKNOWN
from ._base import ACL, Case, Verdict, failed, ok, skipped

KERNEL_MIN = (5, 10)  # Debian 11's
X86 = ("", "x86_64", "amd64")  # "" where it is not known
USE = "use Debian " + " or ".join(", ".join(f"{number} ({DEBIANS[number]})" for number in SUPPORTED).rsplit(", ", 1))
LTS_ENDED = "Debian 11 left its long-term support in August 2026: plan the upgrade, its archive may move at any time"


def release(case: Case) -> Verdict:
    """/etc/os-release says Debian 11, 12 or 13, or a relative whose Debian beneath is one of them."""
    release = case.facts["release"]
    name, number = release["pretty_name"] or release["id"], release["version_id"]
    relative = NEIGHBOURS.get(release["neighbour"], OTHER) if release["neighbour"] else None
    known = release["id"] == "debian" and number in SUPPORTED
    if relative and not (known and relative.whole and release["codename"] in (None, release["debian_codename"])):
        return _relative(case, relative, name or relative.name)
    if not name:
        return failed("there is no /etc/os-release", "install Debian 12 or 13") if case.complete else skipped(UNKNOWN)
    if release["id"] != "debian":
        return failed(f"/etc/os-release says {name}", f"{USE}: nothing here is made for another distribution")
    if number is None:
        why = "testing or unstable, where kernel, firmware and engine change from day to day"
        return failed(f"/etc/os-release says {name}: {why}", USE)
    if not known:
        return failed(f"/etc/os-release says {name}", USE)
    notes = [LTS_ENDED] if number == "11" else []
    return ok(name, "; ".join([*notes, *([f"{relative.name}: {relative.says}"] if relative else [])]))


def _relative(case: Case, relative: Neighbour, name: str) -> Verdict:
    """What works on a relative of Debian, and what does not. A waiver is offered only where all of it would work."""
    facts, arch = case.facts["release"], case.facts["kernel"]["arch"]
    number, codename = facts["debian_version"], facts["debian_codename"]
    if relative is not OTHER and relative.name.split()[0].lower() not in name.lower():
        name = relative.name if name.startswith("Debian") else f"{name}, made of {relative.name}"
    seen = f"{name}, made of Debian {number} ({codename})" if number else name
    if arch not in X86:
        return failed(f"{seen}, on {arch}", f"{USE} on an x86-64 machine: no image is made for another one")
    if not relative.whole:
        return failed(f"{seen}: {relative.says}", USE)
    if number not in SUPPORTED:
        return failed(f"{seen}: " + ("too old or too new" if number else "of no release of Debian that is known"), USE)
    if not _reads(case, codename or ""):
        return failed(f"{seen}: apt has no source of Debian's {codename}, from which firmware and engine come", USE)
    waiver = f"navilab_waive: {{release: {relative.name} is Debian {number}}}"
    return failed(f"{seen}: {relative.says}", f"{relative.first}go on at your own risk with {waiver}; or {USE}")


def _reads(case: Case, codename: str) -> bool:
    """Whether apt has Debian's archive of that release. Where no source is known at all, it may."""
    apt = case.facts["apt"]
    return (not apt["sources"] and not case.complete) or bool(debian_places(apt, codename))


def systemd(case: Case) -> Verdict:
    """PID 1 is systemd, whose units the engine and all else are that the roles start."""
    init = case.facts["init"]
    if not init:
        return skipped("/proc/1 does not tell" if case.complete else UNKNOWN)
    if init == "systemd":
        return ok("systemd is PID 1")
    return failed(
        f"PID 1 is {init}, not systemd, so that there is no service to start",
        "boot the host with systemd (MX: the boot menu's advanced options; Debian: apt-get install systemd-sysv); "
        "in a container let systemd be its first process",
    )


def kernel_flavour(case: Case) -> Verdict:
    """The running kernel is 5.10 or newer, for x86-64, and of a kind that is built with amdgpu, as the cloud kernel
    is not."""
    kernel = case.facts["kernel"]
    if not kernel["release"]:
        return failed("/proc/sys/kernel/osrelease is unreadable", "mount /proc") if case.complete else skipped(UNKNOWN)
    if kernel["arch"] not in X86:
        return failed(f"the machine is {kernel['arch']}", "use an x86-64 machine: no image is made for another one")
    if case.kernel and case.kernel < KERNEL_MIN:
        return failed(
            f"kernel {kernel['release']} is older than Debian 11's",
            "apt-get install linux-image-amd64, then boot it: older kernels don't bring KFD up on Navi",
        )
    if kernel["flavour"].startswith("cloud"):
        others = [each for each in kernel["installed"] if "-cloud" not in each]
        get = f"{others[-1]} is installed" if others else "apt-get install linux-image-amd64"
        return failed(
            f"kernel {kernel['release']}: Debian builds the cloud flavour without amdgpu",
            f"{get}, apt-get purge 'linux-image*-cloud-amd64', then reboot{' into it' if others else ''}",
        )
    note = "" if kernel["flavour"] else "not one of Debian's kernels: that it has amdgpu and HSA_AMD is yours to see to"
    return ok(f"kernel {kernel['release']}", note)


def groups(case: Case) -> Verdict:
    """The groups video and render exist, and the user who works here (navilab_user) is in both."""
    # Among the facts are groups that other steps have asked for, too.
    names = {*GROUPS, *(case.wanted.get("groups") or ())}
    groups = {name: gid for name, gid in case.facts["groups"].items() if name in names}
    user, wanted = case.facts["user"], case.wanted.get("user")
    if not case.complete and not any(gid is not None for gid in groups.values()) and not (user and user["exists"]):
        return skipped(UNKNOWN)
    absent = [name for name, gid in groups.items() if gid is None]
    if absent:
        return failed(f"no group {' and '.join(absent)}", run_site("gpu_access"))
    seen = ", ".join(f"{name} is {gid}" for name, gid in groups.items())
    if not wanted:
        return ok(seen)
    if not user or user["name"] != wanted:
        return skipped(f"user {wanted} was not gathered", seen)
    if not user["exists"]:
        return failed(
            f"there is no user {wanted}", f"adduser {wanted}, or name the account that works here (navilab_user)"
        )
    lacking = [name for name in groups if name not in user["groups"]]
    if lacking and user["uid"] != 0:
        return failed(
            f"{wanted} is in {', '.join(user['groups'])}, not in {' and '.join(lacking)}",
            f"{run_site('gpu_access')} (or usermod -aG {','.join(lacking)} {wanted}), then log in again; " + ACL,
        )
    note = (
        f"sessions of {wanted} from before it joined lack the groups: log in again" if user.get("needs_login") else ""
    )
    return ok(f"{seen}; {wanted} may use them", note)
