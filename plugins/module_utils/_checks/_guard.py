# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the webui is confined: its memory, and the network that it may begin nothing on."""

from __future__ import annotations

import re

from .._commands import run_site
from .._guard import BRIDGE, EGRESS_ENABLED, NETWORK, TABLE, same_rules
from .._sysfs import UNKNOWN
from .._types import Container, ContainerGuard, WantedWebui
from ._base import Case, Verdict, failed, ok, skipped

MORE = "give it more (webui_memory_mib, webui_memory_swap_mib, webui_zram_mib), or have it draw smaller pictures"
NOT_RUNNING = skipped("it does not run")


def _running(case: Case, webui: WantedWebui) -> tuple[Container, ContainerGuard] | None:
    container, guard = case.container(webui), case.facts["guard"]["containers"].get(webui["name"])
    return (container, guard) if container and guard and container["state"] == "running" else None


def _out_of_memory(case: Case, container: Container, guard: ContainerGuard) -> bool:
    """Whether the kernel has killed a process of a container for want of memory, as far as somebody remembers: the
    kernel's log until the next boot, the engine for some of its starts and events."""
    ours = re.compile(rf"_memcg=[^,]*{re.escape(container['id'] or '-')}")
    logged = any(map(ours.search, case.facts["kernel_log"]["oom_kills"]))
    return logged or container["oom_killed"] or guard["oom_noted"] or bool(guard["oom_kills"])


def _webui_memory_one(case: Case, webui: WantedWebui) -> Verdict:
    seen = _running(case, webui)
    if seen is None:
        return NOT_RUNNING
    container, guard = seen
    memory, both = container["memory"], guard["memory_swap"]
    text = f"limit {memory >> 20} MiB" if memory else "no limit, since the engine can't set one"
    text += f" and {(both - memory) >> 20} MiB of swap" if memory and both > 0 else ""
    text += f", {guard['pids_limit']} processes at most" if guard["pids_limit"] > 0 else ""
    killed = f"the kernel killed a process of it for want of memory ({text})"
    answer = case.facts["http"].get(webui["name"])
    if not _out_of_memory(case, container, guard):
        return ok(text)
    if answer and answer["error"] != UNKNOWN and not answer["ready"] and container["health"] != "starting":
        return failed(f"{killed}, and it does not answer", f"{run_site('webui')}; {MORE}")
    return ok(text, f"{killed}, and the webui is well again; {MORE}")


def webui_memory(case: Case) -> Verdict:
    """The kernel has killed no process of the container for want of memory, or the webui has come back since, which
    is a note."""
    return case.each_webui(_webui_memory_one)


def _webui_tcmalloc_one(case: Case, webui: WantedWebui) -> Verdict:
    if not webui.get("tcmalloc"):
        return skipped("it is not asked for, or not the image's")
    seen = _running(case, webui)
    if seen is None:
        return NOT_RUNNING
    found = seen[1]["tcmalloc"]
    if found is None:
        return skipped("the container's process can be seen by root alone")
    if not found:
        return failed(
            "not loaded: the webui's process has no tcmalloc mapped",
            "use an image that has it (webui_image_source: auto builds one), or set webui_tcmalloc: false",
        )
    return ok(f"{found} is mapped")


def webui_tcmalloc(case: Case) -> Verdict:
    """The webui's process has tcmalloc mapped, where webui_tcmalloc asks for it and the image has it."""
    return case.each_webui(_webui_tcmalloc_one)


def _webui_egress_one(case: Case, webui: WantedWebui) -> Verdict:
    if webui.get("egress") != "deny":
        return skipped("webui_egress is allow")
    guard, site = case.facts["guard"], run_site("webui")
    seen = _running(case, webui)
    if seen is None:
        return NOT_RUNNING
    if guard["rules"] is None:
        return skipped("the rules can be seen by root alone")
    networks = seen[1]["networks"]
    if networks != [NETWORK] or guard["bridge"] != BRIDGE:
        return failed(f"it is in the network {', '.join(networks) or 'none'}, not behind {BRIDGE} alone", site)
    if not same_rules(guard["rules"]):
        state = "is not the one that is wanted" if guard["rules"] else "is not loaded"
        return failed(f"table {' '.join(TABLE)} {state}, so it may begin connections", site)
    enabled = case.facts["files"].get(EGRESS_ENABLED)
    if not (enabled and enabled["exists"]):
        return failed("the rules would be gone after a boot", site)
    return ok(f"it can begin no connection through {BRIDGE}; {guard['refused']} packet(s) refused so far")


def webui_egress(case: Case) -> Verdict:
    """With webui_egress: deny the container is in the network navilab alone, nftables has the rules that are wanted,
    and they come back with a boot."""
    return case.each_webui(_webui_egress_one)


def zram(case: Case) -> Verdict:
    """The compressed swap that webui_zram_mib asks for is in use, in just that size."""
    wanted = case.wanted.get("zram_mib") or 0
    if not wanted:
        return skipped("webui_zram_mib is 0")
    if not case.complete:
        return skipped(UNKNOWN)
    found = case.facts["guard"]["zram_mib"]
    if found == wanted:
        return ok(f"{found} MiB of compressed swap are in use")
    return failed(
        f"{f'{found} MiB of' if found else 'no'} compressed swap is in use; {wanted} MiB are wanted",
        f"{run_site('webui')}; see `journalctl -u navilab-zram` where it stays so; a host that is a container has no "
        "zram of its own: waive it there",
    )
