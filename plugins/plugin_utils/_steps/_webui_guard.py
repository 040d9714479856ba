# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What confines the webuis beside their containers' own settings: the rules that deny egress, and compressed swap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._guard import (
    BRIDGE,
    BRIDGE_OPTION,
    EGRESS_ENABLED,
    EGRESS_RULES,
    EGRESS_UNIT,
    ICC_OPTION,
    NETWORK,
    NFT,
    RULES,
    TABLE,
    ZRAM_DEVICE,
    same_rules,
)
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Questions

from .._bundle import Bundle
from .._packages import Transaction, recorded, sentence, weigh
from .._text import problem
from ._base import Settings, differs, file_of, is_installed
from ._webui_container import Instance

PACKAGE = "nftables"
PACKAGES = (PACKAGE, "libnftables1", "libjansson4", "libedit2")
"""nft, and what comes in with it where it is missing."""
NFTABLES_ENABLED = "/etc/systemd/system/sysinit.target.wants/nftables.service"
NFTABLES_ACTIVE = "/run/systemd/units/invocation:nftables.service"  # systemd's own link, there while the unit is active
ZRAM_UNIT = "/etc/systemd/system/navilab-zram.service"
ZRAM_ENABLED = "/etc/systemd/system/multi-user.target.wants/navilab-zram.service"
FILES = (EGRESS_RULES, EGRESS_UNIT, EGRESS_ENABLED, ZRAM_UNIT, ZRAM_ENABLED, NFTABLES_ENABLED, NFTABLES_ACTIVE)
"""What is asked of a host."""

_HEADER = "# Written by navilab.webui; changed settings come back at the next run.\n"
_TABLE = " ".join(TABLE)
_RULES = f"{_HEADER}# In one transaction: what was there of it goes.\ntable {_TABLE}\ndelete table {_TABLE}\n{RULES}"
# nftables.service begins with a flush of all tables, at a reload too, and no container is started before. Where
# somebody starts it for the first time, this is not started again: verify says so, and the next run mends it.
_EGRESS = f"""{_HEADER}[Unit]
Description=Let the webui's containers begin no connection
After=nftables.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={NFT} -f {EGRESS_RULES}
ExecReload={NFT} -f {EGRESS_RULES}
ExecStop={NFT} delete table {_TABLE}

[Install]
WantedBy=docker.service
"""
# util-linux's own zramctl, which all of Debian's releases have; a device beside those that others use.
_ZRAM = f"""{_HEADER}[Unit]
Description=Compressed swap for the webui
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=navilab-zram
ExecStartPre=-/sbin/modprobe zram
ExecStart=/bin/sh -ec 'zramctl --find --size %dM >{ZRAM_DEVICE}'
ExecStart=/bin/sh -ec 'read d <{ZRAM_DEVICE}; mkswap "$$d"; swapon -p 100 "$$d"'
ExecStopPost=-/bin/sh -c 'read d <{ZRAM_DEVICE} && {{ swapoff "$$d"; zramctl --reset "$$d"; }}'

[Install]
WantedBy=multi-user.target
"""


class File(TypedDict):
    path: str
    content: str


class Unit(TypedDict):
    """A unit, and the state that systemd is to bring it to."""

    name: str
    state: str


class Network(TypedDict):
    name: str
    options: dict[str, str]


class GuardPlan(TypedDict):
    """What comes before the containers (`comes`: `install`, `writes`, `units`, `network`), and what goes after them
    (`leaves`: all else). `packages` are for the record, and those that are `kept` once all is done."""

    comes: bool
    leaves: bool
    install: list[str]
    writes: list[File]
    units: list[Unit]
    network: Network | None
    stop: list[str]
    files_absent: list[str]
    network_absent: str
    remove: list[str]
    packages: list[str]
    kept: list[str]


class Found(TypedDict):
    """The plan, its sentences before and after those of the containers, and what a plan says beside."""

    plan: GuardPlan
    before: list[str]
    after: list[str]
    problems: list[Check]
    warnings: list[str]
    questions: Questions


def nothing() -> GuardPlan:
    return {
        "comes": False, "leaves": False, "install": [], "writes": [], "units": [], "network": None, "stop": [],
        "files_absent": [], "network_absent": "", "remove": [], "packages": [], "kept": [],
    }  # fmt: skip


def plan_guard(facts: Facts, settings: Settings, record: Mapping[str, Any]) -> Found:
    """Egress and compressed swap as they are wanted; `record` is that of the role."""
    present = settings["state"] == "present"
    deny = present and settings["egress"] == "deny"
    zram = int(settings["zram_mib"]) if present else 0
    found: Found = {
        "plan": nothing(), "before": [], "after": [], "problems": [], "warnings": [], "questions": {},
    }  # fmt: skip
    found["plan"]["packages"] = recorded(record)
    if deny:
        _deny(facts, found, settings.get("bundle"))
        found["plan"]["kept"] = found["plan"]["packages"]
    else:
        _allow(facts, found)
    if zram and "zram" not in settings["waive"]:
        content = _ZRAM % zram
        stale = differs(facts, ZRAM_UNIT, content) or not file_of(facts, ZRAM_ENABLED)["exists"]
        if stale or facts["guard"]["zram_mib"] != zram:
            _write(facts, found, ZRAM_UNIT, content)
            found["plan"]["units"].append({"name": "navilab-zram.service", "state": "restarted"})
            found["before"].append(f"have {zram} MiB of compressed swap")
    elif not zram:
        _stop(facts, found, [ZRAM_ENABLED, ZRAM_UNIT], facts["guard"]["zram_mib"] is not None)
    found["plan"]["comes"], found["plan"]["leaves"] = bool(found["before"]), bool(found["after"])
    return found


def _write(facts: Facts, found: Found, path: str, content: str) -> None:
    if differs(facts, path, content):
        found["plan"]["writes"].append({"path": path, "content": content})
        found["before"].append(f"write {path}")


def _deny(facts: Facts, found: Found, bundle: Bundle | None) -> None:
    plan, guard = found["plan"], facts["guard"]
    if not is_installed(facts, PACKAGE):
        plan["install"] = [PACKAGE]
        plan["packages"] = sorted({*plan["packages"], *(name for name in PACKAGES if not is_installed(facts, name))})
        transaction = Transaction([PACKAGE], bundle=bundle)
        weigh(facts, found, transaction)
        found["before"].append(sentence(transaction))
    _write(facts, found, EGRESS_RULES, _RULES)
    _write(facts, found, EGRESS_UNIT, _EGRESS)
    if plan["writes"] or not same_rules(guard["rules"] or "") or not file_of(facts, EGRESS_ENABLED)["exists"]:
        plan["units"].append({"name": "navilab-egress.service", "state": "reloaded"})
        found["before"].append("deny the webui's containers all that they begin (navilab-egress.service)")
    if guard["bridge"] is None:
        plan["network"] = {"name": NETWORK, "options": {BRIDGE_OPTION: BRIDGE, ICC_OPTION: "false"}}
        found["before"].append(f"make network {NETWORK} on the bridge {BRIDGE}")
    elif guard["bridge"] != BRIDGE:
        found["problems"].append(
            problem(
                "webui_egress",
                f"there is a network {NETWORK} of another bridge ({guard['bridge'] or 'one that Docker named'})",
                f"docker network rm {NETWORK} if nobody needs it, or leave webui_egress at allow",
            )
        )


def _allow(facts: Facts, found: Found) -> None:
    plan, guard = found["plan"], facts["guard"]
    if guard["bridge"] == BRIDGE:
        plan["network_absent"] = NETWORK
        found["after"].append(f"remove network {NETWORK}")
    _stop(facts, found, [EGRESS_ENABLED, EGRESS_RULES, EGRESS_UNIT], bool(guard["rules"]))
    if not plan["packages"]:
        return
    if any(file_of(facts, path)["exists"] for path in (NFTABLES_ENABLED, NFTABLES_ACTIVE)):
        found["warnings"].append(f"{PACKAGE} stays, since nftables.service is in use: its removal flushes all rules")
    else:
        plan["remove"] = [name for name in plan["packages"] if is_installed(facts, name)]
    found["after"].append(f"remove {', '.join(plan['remove'])}" if plan["remove"] else f"leave {PACKAGE} to the host")


def _stop(facts: Facts, found: Found, files: list[str], active: bool) -> None:
    """Stop the unit whose files these are, and delete them, its own last: it is there as long as something is."""
    there = [path for path in files if file_of(facts, path)["exists"]]
    name = files[-1].rpartition("/")[2]
    if active or files[-1] in there:  # else systemd knows no such unit
        found["plan"]["stop"].append(name)
        found["after"].append(f"stop {name}")
    found["plan"]["files_absent"] += there
    found["after"] += [f"delete {path}" for path in there]


def confined(facts: Facts, instance: Instance) -> list[str]:
    """How a container that is there differs from its limits and its network."""
    name, wanted = instance["name"], instance["container"]
    seen = facts["guard"]["containers"].get(name)
    if seen is None:
        return []
    drifts = []
    both = wanted["memory_swap"]
    if both and seen["memory_swap"] != int(both[:-1]) << 20:
        drifts.append(f"set limit {both} of memory and swap of container {name}")
    if wanted["pids_limit"] and seen["pids_limit"] != wanted["pids_limit"]:
        drifts.append(f"remake container {name}, which may have {seen['pids_limit'] or 'any number of'} processes")
    networks = [each["name"] for each in wanted["networks"] or []]
    if networks and seen["networks"] != networks:
        drifts.append(f"put container {name} into network {', '.join(networks)} alone")
    return drifts


def hangs(facts: Facts, name: str) -> bool:
    """Whether a webui answers no more since the kernel killed one of its processes, and not the first, whose end would
    have had the engine start it again."""
    container, seen = facts["docker"]["containers"].get(name), facts["guard"]["containers"].get(name)
    answer = facts["http"].get(name)
    ready = bool(answer and answer["ready"])
    return bool(container and container["health"] == "unhealthy" and seen and seen["oom_kills"] and not ready)
