# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has to spare: disk and memory."""

from __future__ import annotations

from collections.abc import Sequence

from .._sysfs import UNKNOWN
from .._types import Disk, DiskNeed
from ._base import Case, Verdict, failed, ok, skipped, together

MEMORY_MIN_MIB = 6000  # what is left of 8 GB; a model in float32 takes about 5 GB while it loads
DISK_MIN_MIB = 2048
ELSEWHERE = "apt-get clean, docker system df, or another disk (docker_engine_data_root, webui_data_dir)"


def disk_space(case: Case) -> Verdict:
    """Each file system has what is to come to it, all of it added up, or 2048 MiB where nothing is to come."""
    if not case.complete:
        return skipped(UNKNOWN)
    disk = case.facts["disk"]
    pools: dict[tuple[str, int | None], list[DiskNeed]] = {}
    for need in _needs(case):
        seen = disk.get(need["path"])
        if seen:
            # One pool with two sizes has a quota or a mount that nothing tells of, but for ZFS, whose sets differ so.
            size = None if seen["fstype"] == "zfs" else seen["total_mib"]
            pools.setdefault((seen["pool"] or seen["path_seen"] or need["path"], size), []).append(need)
    if not pools:
        return skipped("no path was asked for")
    return together(
        [
            (", ".join(dict.fromkeys(need["path"] for need in needs)), _pool(case, disk[needs[0]["path"]], needs))
            for needs in pools.values()
        ]
    )


def _needs(case: Case) -> Sequence[DiskNeed]:
    wanted = case.wanted.get("disk")
    if wanted is not None:
        return wanted
    least, paths = case.wanted.get("min_disk_mib") or DISK_MIN_MIB, case.wanted.get("disk_paths")
    return [
        {"path": path, "mib": least, "what": "", "remedy": ELSEWHERE, "share": ""}
        for path in (case.facts["disk"] if paths is None else paths)
    ]


def _pool(case: Case, seen: Disk, needs: Sequence[DiskNeed]) -> Verdict:
    """One file system and all that is to come to it."""
    if seen["read_only"]:
        return failed("read-only file system", "mount it read-write (see `dmesg` for a failing disk)")
    if seen["free_mib"] is None:
        return skipped("the file system does not tell" if case.facts["live"] else UNKNOWN)
    shares: dict[str, int] = {}
    for need in needs:
        shares[need["share"]] = max(shares.get(need["share"], 0), need["mib"])
    total = sum(shares.values())
    text = f"{seen['free_mib']} MiB free on the file system of {seen['path_seen']}"
    if seen["free_mib"] >= total:
        return ok(text)
    what = [f"{mib} for {' and '.join(_what(needs, share))}" for share, mib in shares.items() if _what(needs, share)]
    why = f": {' + '.join(what)}" if len(what) > 1 else what[0].removeprefix(f"{total}") if what else ""
    remedies = ", ".join(dict.fromkeys(need["remedy"] for need in needs if need["remedy"]))
    return failed(text, f"free some there, {total} MiB are needed{why}; {remedies}")


def _what(needs: Sequence[DiskNeed], share: str) -> list[str]:
    return list(dict.fromkeys(need["what"] for need in needs if need["share"] == share and need["what"]))


def memory(case: Case) -> Verdict:
    """The host has at least 6000 MiB of memory (before the first change preflight_min_memory_mib)."""
    least = case.wanted.get("min_memory_mib") or MEMORY_MIN_MIB
    memory = case.facts["memory"]
    total, available, swap = memory["total_mib"], memory["available_mib"], memory["swap_mib"] or 0
    if total is None:
        return skipped("/proc/meminfo does not tell" if case.complete else UNKNOWN)
    text = f"{total} MiB of memory, {swap} MiB of swap"
    if total < least:
        return failed(text, f"fit memory: {least} MiB are needed, or loading a model ends in the out-of-memory killer")
    low = available is not None and available + swap < least // 2
    return ok(text, f"only {available} MiB are available now" if low else "")
