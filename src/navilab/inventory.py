"""`navilab init` writes a lab's inventory, `navilab inventory check` looks for what is wrong in one."""

from __future__ import annotations

import getpass
import ipaddress
import itertools
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils import _variables
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean

from navilab.owner import give_to_owner
from navilab.run import ROOT, environment

EXAMPLE = ROOT / "inventory" / "lab.example"
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+")
GPU_GROUP = re.compile(r"gfx\d+|vram_\d+g")
ACCOUNT = re.compile(r"[a-z_][a-z0-9_.-]*")
HOSTS = """\
---
# The machines of your lab. Variables for all are in group_vars/all.yml, for one in host_vars/NAME.yml.
lab:
  hosts:
{hosts}
  vars:
    ansible_user: {account}
"""


def ask(question: str, default: str, fits: Callable[[str], str]) -> str:
    """An answer that fits: `fits` says what is wrong with one."""
    while True:
        answer = input(f"{question} [{default}]: " if default else f"{question}: ").strip() or default
        wrong = fits(answer)
        if not wrong:
            return answer
        print(wrong, file=sys.stderr)


def init(target: Path) -> list[Path]:
    """Ask for the machines, their account and whether they may be rebooted; the files that were written."""
    machines = ask("Names or addresses of the machines, separated by spaces", "", _bad_machines).split()
    account = ask("Account of theirs to log in with, which may sudo", _caller(), _bad_account)
    reboot = ask("May they be rebooted where a new kernel or driver needs it, yes or no", "no", _bad_yes)
    (target / "group_vars").mkdir(parents=True)
    names = (name for name in map("node{:02}".format, itertools.count(1)) if name not in machines)
    lines = "\n".join(f"    {_host(machine, names)}" for machine in machines)
    hosts, common, groups = target / "hosts.yml", target / "group_vars" / "all.yml", target / "zz_constructed.yml"
    hosts.write_text(HOSTS.format(hosts=lines, account=account), encoding="utf-8")
    text = EXAMPLE.joinpath("group_vars", "all.yml").read_text(encoding="utf-8")
    common.write_text(
        text.replace("# navilab_reboot_ok: true", f"navilab_reboot_ok: {_yaml(reboot)}"), encoding="utf-8"
    )
    groups.write_text(EXAMPLE.joinpath(groups.name).read_text(encoding="utf-8"), encoding="utf-8")
    give_to_owner(target)
    return [hosts, common, groups]


def _caller() -> str:
    """Who asks, under sudo the person who called it; root is nobody's account."""
    found = os.environ.get("SUDO_USER") or getpass.getuser()
    return "" if found == "root" else found


def _bad_machines(answer: str) -> str:
    names = answer.split()
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong or not names:
        return f"{wrong[0]} is neither a name nor an address" if wrong else "at least one machine is needed"
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"{twice[0]} is named twice" if twice else ""


def _bad_account(answer: str) -> str:
    if answer == "root":
        return "an account of a person is needed, who owns the webui's data; it is not root's"
    if not answer:
        return "an account is needed"
    return "" if ACCOUNT.fullmatch(answer) else f"{answer} is no name of an account"


def _bad_yes(answer: str) -> str:
    return "" if answer in ("yes", "no", "y", "n") else "yes or no"


def _yaml(answer: str) -> str:
    return "true" if answer.startswith("y") else "false"


def _host(machine: str, names: Iterator[str]) -> str:
    """A name is a host's name; an address gets one. In quotes, since YAML takes some for something else."""
    address = ":" in machine or machine.replace(".", "").isdigit()
    return f"{next(names)}: {{ansible_host: {json.dumps(machine)}}}" if address else f"{json.dumps(machine)}: {{}}"


# -- what is wrong with one -------------------------------------------------------------------------------------------


def check(inventories: Iterable[str], options: Iterable[str] = ()) -> list[str]:
    """What is wrong, a line each; ansible-inventory reads the files, with `options` of its own, and says what it can't
    read."""
    words = [f"--inventory={path}" for path in inventories]
    surroundings = {**os.environ, **environment(os.environ)}
    command = ["ansible-inventory", "--list", *words, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)
    if done.returncode:
        return [clean(line) for line in done.stderr.splitlines() if line.strip()] or ["ansible-inventory failed"]
    document = json.loads(done.stdout)
    groups = {name: group.get("hosts", []) for name, group in document.items() if name != "_meta"}
    known = document.get("_meta", {}).get("hostvars", {})
    names = dict.fromkeys(
        host for each in groups.values() for host in each
    )  # one without variables is in no other list
    hosts: dict[str, Mapping[str, Any]] = {name: known.get(name, {}) for name in [*known, *names]}
    warnings = [clean(line.removeprefix("[WARNING]: ")) for line in done.stderr.splitlines() if "[WARNING]" in line]
    if not hosts:
        return [*warnings, "it has no host"]
    return [*warnings, *_twice(hosts), *_misspelt(hosts), *_unknown_names(hosts), *_contradicted(hosts, groups)]


def _address(name: str, variables: Mapping[str, Any]) -> str:
    return str(variables.get("ansible_host") or name)


def _same(address: str) -> str:
    """One text for all that an address can be written as."""
    try:
        return ipaddress.ip_address("127.0.0.1" if address == "localhost" else address).compressed
    except ValueError:
        return address.lower()


def _twice(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hosts that are one machine."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, variables in hosts.items():
        if variables.get("ansible_connection") != "local":
            place = (_same(_address(name, variables)), str(variables.get("ansible_port") or 22))
            found.setdefault(place, []).append(name)
    return [
        f"{', '.join(names)} have one address, {address} port {port}: a run would provision it several times at once"
        for (address, port), names in found.items()
        if len(names) > 1
    ]


def _misspelt(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Variables that begin as ours do and are none, each with the hosts that have it."""
    found: dict[str, list[str]] = {}
    for name, variables in hosts.items():
        for line in _variables.unknown(variables):
            found.setdefault(line, []).append(name)
    return [f"{line} (of {_some(names)})" for line, names in found.items()]


def _unknown_names(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hosts whose name this machine does not know. An address needs none, and ssh may know more."""
    found = []
    for name, variables in hosts.items():
        address = _address(name, variables)
        if variables.get("ansible_connection") == "local" or "{{" in address:
            continue
        try:
            socket.getaddrinfo(address, None)
        except OSError as error:
            found.append(
                f"{name}: {address} has no address here ({error.strerror}); an alias of ~/.ssh/config may have one"
            )
    return found


def _contradicted(hosts: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Iterable[str]]) -> list[str]:
    """What the inventory says of a host's GPUs, and its last plan found otherwise."""
    found = []
    for name, variables in hosts.items():
        if not (known := variables.get("navilab_known")):
            continue
        targets = sorted(map(_plain, known.get("gfx_targets", [])))
        seen = {*targets, *(f"vram_{size}g" for size in known.get("vram_gib", []))}
        said = ", ".join(sorted(seen)) or "no supported GPU"
        mine = [group for group in groups if name in groups[group] and GPU_GROUP.fullmatch(group)]
        found += [f"{name}: it is in {group}, and its last plan found {said}" for group in mine if group not in seen]
        wanted, more = variables.get("webui_profile"), variables.get("webui_profiles_extra") or {}
        profile = {**_variables.KNOWN["webui"].constants["webui_profiles"], **more}.get(wanted) or {}
        code = profile.get("gfx_targets") or []
        if code and not {*code} & {*targets}:
            has = f"has code for {', '.join(map(_plain, code))}"
            found.append(f"{name}: webui_profile {wanted} {has}, and its last plan found {said}")
    return found


def _plain(value: Any) -> str:
    """A text that Ansible marks as no template, as ansible-inventory prints it."""
    return str(value.get("__ansible_unsafe", "")) if isinstance(value, Mapping) else str(value)


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
