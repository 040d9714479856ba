# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host has to spare: disk and memory."""

from __future__ import annotations

from .._sysfs import UNKNOWN
from ._base import Case, Verdict, failed, ok, skipped, together

MEMORY_MIN_MIB = 6000  # what is left of 8 GB; a model in float32 takes about 5 GB while it loads
DISK_MIN_MIB = 2048


def disk_space(case: Case) -> Verdict:
    if not case.live:
        return skipped(UNKNOWN)
    least = case.wanted.get("min_disk_mib") or DISK_MIN_MIB
    disk = case.facts["disk"]
    wanted = case.wanted.get("disk_paths")
    paths = [path for path in (disk if wanted is None else wanted) if path in disk]
    if not paths:
        return skipped("no path was asked for")
    verdicts = []
    for path in paths:
        seen = disk[path]
        if seen["free_mib"] is None:
            verdicts.append((path, skipped("the file system does not tell")))
            continue
        text = f"{seen['free_mib']} MiB free on the file system of {seen['path_seen']}"
        if seen["read_only"]:
            verdicts.append(
                (path, failed("read-only file system", "mount it read-write (see `dmesg` for a failing disk)"))
            )
        elif seen["free_mib"] < least:
            remedy = (
                f"free some there, {least} MiB are needed (apt-get clean, docker system df), "
                "or use another disk (docker_engine_data_root, webui_data_dir)"
            )
            verdicts.append((path, failed(text, remedy)))
        else:
            verdicts.append((path, ok(text)))
    return together(verdicts)


def memory(case: Case) -> Verdict:
    least = case.wanted.get("min_memory_mib") or MEMORY_MIN_MIB
    memory = case.facts["memory"]
    total, available, swap = memory["total_mib"], memory["available_mib"], memory["swap_mib"] or 0
    if total is None:
        return skipped("/proc/meminfo does not tell" if case.live else UNKNOWN)
    text = f"{total} MiB of memory, {swap} MiB of swap"
    if total < least:
        return failed(text, f"fit memory: {least} MiB are needed, or loading a model ends in the out-of-memory killer")
    low = available is not None and available + swap < least // 2
    return ok(text, f"only {available} MiB are available now" if low else "")
