# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system: Debian's release, the kernel's kind, and who is in the groups of the GPU."""

from __future__ import annotations

from .._sysfs import UNKNOWN
from ._base import ACL, SITE, Case, Verdict, failed, ok, skipped

RELEASES = {"11": "bullseye", "12": "bookworm", "13": "trixie"}
KERNEL_MIN = (5, 10)  # Debian 11's


def release(case: Case) -> Verdict:
    release = case.facts["release"]
    name = release["pretty_name"] or release["id"]
    if not name:
        return failed("there is no /etc/os-release", "install Debian 12 or 13") if case.live else skipped(UNKNOWN)
    if release["id"] != "debian" or release["version_id"] not in RELEASES:
        known = ", ".join(f"{number} ({codename})" for number, codename in RELEASES.items())
        return failed(
            f"/etc/os-release says {name}",
            f"use Debian {known}; for a close relative, at your own risk, navilab_waive: {{release: your reason}}",
        )
    note = ""
    if release["version_id"] == "11":
        note = "Debian 11 left its long-term support in August 2026: plan the upgrade, its archive may move at any time"
    return ok(name, note)


def kernel_flavour(case: Case) -> Verdict:
    kernel = case.facts["kernel"]
    if not kernel["release"]:
        return failed("/proc/sys/kernel/osrelease is unreadable", "mount /proc") if case.live else skipped(UNKNOWN)
    if kernel["arch"] not in ("", "x86_64", "amd64"):
        return failed(f"the machine is {kernel['arch']}", "use an x86-64 machine: no image is made for another one")
    if case.kernel and case.kernel < KERNEL_MIN:
        return failed(
            f"kernel {kernel['release']} is older than Debian 11's",
            "apt-get install linux-image-amd64, then boot it: older kernels don't bring KFD up on Navi",
        )
    if kernel["flavour"].startswith("cloud"):
        return failed(
            f"kernel {kernel['release']}: Debian builds the cloud flavour without amdgpu",
            "apt-get install linux-image-amd64, apt-get purge 'linux-image*-cloud-amd64', then reboot",
        )
    note = "" if kernel["flavour"] else "not one of Debian's kernels: that it has amdgpu and HSA_AMD is yours to see to"
    return ok(f"kernel {kernel['release']}", note)


def groups(case: Case) -> Verdict:
    groups, user = case.facts["groups"], case.facts["user"]
    wanted = case.wanted.get("user")
    if not case.live and not any(gid is not None for gid in groups.values()) and not (user and user["exists"]):
        return skipped(UNKNOWN)
    absent = [name for name, gid in groups.items() if gid is None]
    if absent:
        return failed(f"no group {' and '.join(absent)}", SITE.format("gpu_access"))
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
            f"{SITE.format('gpu_access')} (or usermod -aG {','.join(lacking)} {wanted}), then log in again; " + ACL,
        )
    note = (
        f"sessions of {wanted} from before it joined lack the groups: log in again" if user.get("needs_login") else ""
    )
    return ok(f"{seen}; {wanted} may use them", note)
