# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the steps that install packages share: the question to apt, and the problems that stop them before anything
changes. Apt's own answer counts; where there is none, as for a recording, the tables here say what is known."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._apt import OURS, conflicts
from ansible_collections.navilab.webui.plugins.module_utils._archives import address, binary_places, is_disc, is_read
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import UNKNOWN
from ansible_collections.navilab.webui.plugins.module_utils._types import (
    AptAnswer,
    AptQuestion,
    Check,
    Facts,
    Questions,
    SourceFile,
)

from . import _bundle
from ._answers import apt_answer
from ._text import problem, without_login

_ENGINES = ("docker-ce", "docker-ce-cli", "docker-ce-rootless-extras", "moby-engine", "moby-cli")
_RUNTIMES = ("containerd.io", "moby-containerd", "moby-runc")
# What goes away where a package comes in, by the Conflicts of Debian 11 to 13, of Docker's packages of 2025
# (containerd.io has them with containerd and runc, which docker.io needs) and of Microsoft's moby.
DISPLACES: dict[str, tuple[str, ...]] = {
    "docker.io": (*_ENGINES, *_RUNTIMES, "podman-docker"),
    "docker-cli": ("docker-ce-cli", "moby-cli", "podman-docker"),
    "containerd": _RUNTIMES,
    "runc": _RUNTIMES,
    "docker-ce": ("docker.io", "docker-cli", "moby-engine"),
    "docker-ce-cli": ("docker.io", "docker-cli", "moby-cli"),
    "containerd.io": ("containerd", "runc", "moby-containerd", "moby-runc"),
}
# What comes in with a package, so that a hold on it, where it is not there, is in the way.
BRINGS: dict[str, tuple[str, ...]] = {
    "docker.io": ("containerd", "runc"),
    "docker-ce": ("docker-ce-cli", "containerd.io"),
    "amdgpu-dkms": ("amdgpu-dkms-firmware", "dkms"),
}
# What has the same files: apt need not know of it, and dpkg ends in the middle. pve-firmware has both in its releases.
OVERWRITES: dict[str, tuple[str, ...]] = {
    "firmware-amd-graphics": ("pve-firmware", "linux-firmware", "armbian-firmware", "armbian-firmware-full"),
    "docker-ce-cli": ("podman-docker",),
}
# Whom a package is there for, where one of these is installed.
_KUBERNETES = ("Kubernetes", ("kubelet", "kubeadm"))
_SERVES: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("containerd", "containerd.io", "moby-containerd", "runc", "moby-runc"), _KUBERNETES),
    "pve-firmware": ("Proxmox VE", ("proxmox-ve", "pve-manager")),
}
# A change of these stops what runs on them, though nobody asked for it.
_RUNNING = frozenset(
    "docker.io docker-ce containerd containerd.io moby-engine moby-containerd runc moby-runc podman crun cri-o kubelet "
    "proxmox-ve pve-manager".split()
)
_KERNEL_PART = re.compile(r"(?:linux|proxmox|pve)-(?:image|headers|kernel|kbuild)-.*|dkms|.*-dkms(?:-firmware)?")
_UNSOLVED = re.compile(
    r"held broken packages|generated breaks|Unable to (?:correct|satisfy)"
)  # of what apt's solver says
# AMD's releases whose signatures an apt with sqv refuses, as Debian 13 and later have it.
# https://github.com/ROCm/legacy-rocm-build/issues/5232 and 5619: 6.4.3 and 6.4.4 are refused, 7.1 is not.
_SHA1_SIGNED = re.compile(r"[1-6](?:\..*)?")  # releases of AMD's; later ones have two digits, or begin with 7
_AMDS = re.compile(r"(?:^|/)repo\.radeon\.com/(?:amdgpu|rocm/apt)/([^/]+)")
_BEFORE_TRIXIE = ("buster", "bullseye", "bookworm")
SHA1_POLICY = "/etc/crypto-policies/back-ends/apt-sequoia.config"
"""Where an administrator may let apt accept SHA-1 for longer."""


def mode_of(content: str) -> str:
    """Of a source file: an address with a login is root's to read alone."""
    return "0600" if re.search(r"://[^/\s]*@", content) else "0644"


def concerned(install: Iterable[str]) -> list[str]:
    """What dpkg has to be asked of, beside the packages themselves, to judge a transaction."""
    plain = [name.partition("=")[0] for name in install]
    names = [other for name in plain for table in (DISPLACES, OVERWRITES) for other in table.get(name, ())]
    names += [other for name in plain for other in BRINGS.get(name, ())]
    names += [user for name in names for user in _SERVES.get(name, ("", ()))[1]]
    return list(dict.fromkeys(names))


class Transaction(NamedTuple):
    """What a step means to do: packages to install, and files for apt before.

    `own` are packages of ours that it may change though they are on hold, `instead` is a way out for the remedies,
    `finishes` says that unfinished packages of the kernel and of DKMS are finished first, and `bundle` is where all of
    them come from in a lab without internet.
    """

    install: Sequence[str]
    files: Sequence[SourceFile] = ()
    own: Sequence[str] = ()
    instead: str = ""
    finishes: bool = False
    bundle: _bundle.Bundle | None = None


def finishes(variables: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the role amdgpu_dkms is in this run and wanted, which finishes what it can before anything else."""
    return (variables.get("amdgpu_dkms") or {}).get("__amdgpu_dkms_state") == "present"


def ask(transaction: Transaction) -> AptQuestion:
    """The question to the host's apt."""
    return {"install": list(transaction.install), "sources": list(transaction.files)}


def questions(transaction: Transaction) -> Questions:
    """The same as a plan has it. Of a bundle the host's apt knows nothing, and its own sources do not matter then."""
    return {} if transaction.bundle else {"apt": ask(transaction)}


def said(facts: Facts, transaction: Transaction) -> AptAnswer | None:
    """What apt said to it; None where it was not asked, or could not say."""
    answer = apt_answer(facts, ask(transaction))
    return None if answer is None or answer["error"] == UNKNOWN else answer


def problems(facts: Facts, transaction: Transaction) -> list[Check]:
    """All that stops a transaction, the cause first."""
    if not transaction.install:
        return []
    left = unfinished(facts, transaction.finishes)
    if left:
        return [left]
    answer = said(facts, transaction)
    why = [_held(facts, transaction, answer), _kept(facts, transaction, answer)]
    if transaction.bundle:
        lacks = _bundle.lacks(transaction.bundle, facts["release"]["debian_codename"], [*transaction.install])
        return [check for check in (*why, *lacks) if check]
    usable = _usable(facts, answer)
    if usable and any(why) and _UNSOLVED.search(usable["evidence"]):  # which is what that comes to
        usable = None
    return [check for check in (usable, *why, _available(answer, transaction.instead)) if check]


def notes(facts: Facts, transaction: Transaction) -> list[str]:
    """What is worth knowing of a transaction that may go on."""
    answer = said(facts, transaction) if transaction.install else None
    changed = [name for name in answer["changed"] if name not in _RUNNING] if answer else []
    return [f"apt changes the version of {', '.join(changed)} along with {_names(transaction)}"] if changed else []


class Weighed(TypedDict):
    """Of a plan what a transaction adds to."""

    problems: list[Check]
    warnings: list[str]
    questions: Questions


def weigh(facts: Facts, found: Weighed, transaction: Transaction) -> None:
    """Have the plan ask about a transaction, and say what stops it and what is worth knowing."""
    found["questions"] = {**found["questions"], **questions(transaction)}
    found["problems"] += problems(facts, transaction)
    found["warnings"] += notes(facts, transaction)


def sentence(transaction: Transaction) -> str:
    """What a plan says that it does."""
    return f"install {', '.join(transaction.install)}{_bundle.FROM if transaction.bundle else ''}"


def _names(transaction: Transaction) -> str:
    return ", ".join(name.partition("=")[0] for name in transaction.install)


# -- what was left unfinished ---------------------------------------------------------------------------------------


def unfinished(facts: Facts, finishes: bool = False) -> Check | None:
    """Packages that somebody else's transaction left half done. What an interrupted run of ours left, its roles finish;
    with `finishes`, the role amdgpu_dkms does so with the kernel's and DKMS's."""
    broken = facts["dpkg"]["broken"]
    if finishes:
        broken = [name for name in broken if not _KERNEL_PART.fullmatch(name)]
    if not broken or _left_by_us(facts):
        return None
    evidence = f"dpkg has not finished {', '.join(broken)}"
    dkms = [name for name in broken if name == "dkms" or name.endswith("-dkms")]
    why = _failed_builds(facts) if any(_KERNEL_PART.fullmatch(name) for name in broken) else ""
    remedy = "run dpkg --configure -a, and mend what it complains of"
    if dkms and ("amdgpu-dkms" in broken or "amdgpu" in why):
        remedy = (
            "apt-get purge amdgpu-dkms, which keeps the kernel's own driver, then dpkg --configure -a; or let the role "
            "finish it: amdgpu_dkms_state: present"
        )
    elif dkms and why:
        package = " ".join(name for name in dkms if name != "dkms") or "its package"
        remedy = f"mend that, or apt-get purge {package}, then dpkg --configure -a"
    return problem("packages_configured", f"{evidence}{why}", remedy)


def _failed_builds(facts: Facts) -> str:
    """Why modules did not build, for the end of a sentence."""
    texts = []
    for module in facts["dkms"]["modules"]:
        for failure in module["failures"][-1:]:
            cause = "; ".join(each["meaning"] for each in failure["causes"]) or " | ".join(failure["lines"])
            where = f"{module['name']} {failure['version']} did not build for {failure['kernel'] or 'a kernel'}"
            texts.append(f"{where}: {cause or 'see ' + failure['log']}")
    return f"; {'; '.join(texts)}" if texts else ""


def recorded(record: Mapping[str, Any]) -> list[str]:
    """The packages that a role's record has, whatever else somebody wrote there."""
    names = record.get("packages")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _left_by_us(facts: Facts) -> bool:
    """Whether a run of this collection was cut off: what a record has is unfinished, or what brings others along has
    not come in, nor anything beside it; and nothing of the kernel's or DKMS's is unfinished that no record has. One
    that is gone while others of its record are there was taken away by somebody."""
    packages, broken = facts["dpkg"]["packages"], set(facts["dpkg"]["broken"])
    brought = [set(recorded(record)) for record in facts["records"].values()]
    there = {name for name, package in packages.items() if package["installed"]}
    begun = any(names & set(packages) & set(BRINGS) and not names & there for names in brought)
    ours = set().union(*brought)
    foreign = {name for name in broken - ours if _KERNEL_PART.fullmatch(name)}
    return bool(begun or ours & broken) and not foreign


# -- whether apt works at all -----------------------------------------------------------------------------------------


def _usable(facts: Facts, answer: AptAnswer | None) -> Check | None:
    error = answer["error"] if answer else _refusal(facts)
    if not error:
        return None
    remedy = "mend or comment out what apt names, until apt-get update ends without an error"
    discs = _discs(facts)
    if "cdrom:" in error and discs:
        remedy = f"comment the line of the disc out in {', '.join(discs)}: apt-get update can't read a disc"
    elif "Conflicting values set for option Signed-By" in error:
        remedy = "keep one source for that archive, or give all of them the same Signed-By"
    elif "can't be reached" in error:
        remedy = "see that the host reaches it (its network, its proxy in /etc/apt/apt.conf.d), or comment it out"
    elif "SHA-1" in error or "SHA1" in error:
        remedy = "comment that source out, or take a release of AMD's that is signed anew (7.0, for amdgpu 30.10)"
    return problem("apt_usable", f"apt: {without_login(error)}", remedy)


def _refusal(facts: Facts) -> str:
    """What apt would refuse, as far as files tell."""
    found = [facts["apt"]["error"]] if facts["apt"]["error"] else []
    found += conflicts(facts["apt"]["sources"], strict=facts["release"]["debian_codename"] in _BEFORE_TRIXIE)
    found += [f"{uri} in {file} is a disc that apt was not told of" for file, uri in _unread_discs(facts)]
    for place in binary_places(facts["apt"]["sources"]):
        if not place.source["file"].startswith(OURS) and not is_read(facts["apt"], place):
            found += [f"{place.source['file']}: {why}" for why in [refused_signature(facts, place.uri)] if why]
    return "; ".join(dict.fromkeys(found))


def refused_signature(facts: Facts, uri: str) -> str:
    """Why this host's apt takes nothing from an archive that it has not read before; empty if it does."""
    where = address(uri)
    match = _AMDS.search(where)
    return refused_release(facts, match[1], where) if match else ""


def refused_release(facts: Facts, release: str, where: str) -> str:
    """The same for a release of AMD's, wherever it is served with AMD's own signature."""
    policy = facts["files"].get(SHA1_POLICY)
    accepted = facts["release"]["debian_codename"] in _BEFORE_TRIXIE or bool(policy and policy["exists"])
    if accepted or not _SHA1_SIGNED.fullmatch(release):
        return ""
    return (
        f"the apt of Debian 13 (sqv) has refused the SHA-1 signature of AMD's release {release} at {where} since "
        "2026-02-01"
    )


def _discs(facts: Facts) -> list[str]:
    """Files with a disc among their sources."""
    sources = facts["apt"]["sources"]
    return list(dict.fromkeys(each["file"] for each in sources if each["enabled"] and any(map(is_disc, each["uris"]))))


def _unread_discs(facts: Facts) -> list[tuple[str, str]]:
    """Discs that apt-cdrom has not read, which make apt-get update fail."""
    read = {(each["uri"].rstrip("/"), each["suite"]) for each in facts["apt"]["archives"]}
    return [
        (source["file"], uri)
        for source in facts["apt"]["sources"]
        if source["enabled"] and "deb" in source["types"]
        for uri in source["uris"]
        if is_disc(uri) and not any((uri.rstrip("/"), suite) in read for suite in source["suites"])
    ]


# -- what the transaction would do beside what is meant ----------------------------------------------------------------


def _held(facts: Facts, transaction: Transaction, answer: AptAnswer | None) -> Check | None:
    asked = [name.partition("=")[0] for name in transaction.install]
    packages = facts["dpkg"]["packages"]
    known = [name for name in asked if name in packages and packages[name]["held"]]
    brought = [other for name in asked for other in BRINGS.get(name, ()) if other in packages]
    known += [name for name in brought if packages[name]["held"] and not packages[name]["installed"]]
    found = dict.fromkeys([*known, *(answer["held"] if answer else ())])
    names = [name for name in found if name not in transaction.own]
    if not names:
        return None
    return problem(
        "packages_held",
        f"on hold, as apt-mark showhold says: {', '.join(names)}; without a change of that apt can't install "
        f"{_names(transaction)}",
        f"apt-mark unhold {' '.join(names)}, if the hold is no longer needed{_or(transaction.instead)}",
    )


def _kept(facts: Facts, transaction: Transaction, answer: AptAnswer | None) -> Check | None:
    removed = list(answer["removed"]) if answer else []
    if not answer or answer["error"] or answer["missing"]:  # apt did not come so far
        removed += _here(facts, transaction, DISPLACES)
    sure = {
        "remove": removed,
        "overwrite files of": [name for name in _here(facts, transaction, OVERWRITES) if name not in removed],
        "change": sorted(_RUNNING & set(answer["changed"])) if answer else [],
    }
    theirs = {
        verb: [name for name in dict.fromkeys(names) if name not in transaction.own] for verb, names in sure.items()
    }
    said = [f"{verb} {', '.join(_for_whom(facts, name) for name in names)}" for verb, names in theirs.items() if names]
    if not said:
        return None
    return problem(
        "packages_kept",
        f"to install {_names(transaction)}, apt would {' and '.join(said)}; what did not come with this collection is "
        "never taken away",
        _make_room(facts, transaction, [*theirs["remove"], *theirs["overwrite files of"]], theirs["change"]),
    )


def _make_room(facts: Facts, transaction: Transaction, gone: list[str], changed: list[str]) -> str:
    """The remedy for packages that are in the way. Nobody is told to take away what something here runs on."""
    if not gone:
        return f"apt-get install {' '.join(changed)} yourself, when a change of that suits what runs on it"
    whose = list(dict.fromkeys(_SERVES[name][0] for name in gone if _users(facts, name)))
    if whose and transaction.instead:
        return transaction.instead
    if whose:
        return f"take another host: this one is there for {' and '.join(whose)}"
    word = "it" if len(gone) == 1 else "them"
    before = f"{transaction.instead}; or, " if transaction.instead else ""
    return f"{before}if nobody needs {word}, apt-get remove {' '.join(gone)} yourself"


def _here(facts: Facts, transaction: Transaction, table: Mapping[str, Sequence[str]]) -> list[str]:
    """What a table says of these packages that is installed."""
    names = [other for name in transaction.install for other in table.get(name.partition("=")[0], ())]
    packages = facts["dpkg"]["packages"]
    return [name for name in dict.fromkeys(names) if packages.get(name) and packages[name]["installed"]]


def _for_whom(facts: Facts, name: str) -> str:
    """A package, with whom it is there for."""
    here = _users(facts, name)
    return f"{name} (on which {_SERVES[name][0]} runs: {', '.join(here)})" if here else name


def _users(facts: Facts, name: str) -> list[str]:
    """Which installed packages run on one."""
    packages = facts["dpkg"]["packages"]
    return [user for user in _SERVES.get(name, ("", ()))[1] if user in packages and packages[user]["installed"]]


def refused(result: Mapping[str, Any]) -> list[Check]:
    """What to say where apt was not let to remove what its transaction, since it was planned, has come to remove; empty
    where a task ended otherwise."""
    if "remove is disabled" not in str(result.get("stderr") or ""):
        return []
    _before, _head, rest = str(result.get("stdout") or "").partition("will be REMOVED:\n")
    lines = itertools.takewhile(lambda line: line.startswith(" "), rest.splitlines())
    names = [word.rstrip("*").partition(":")[0] for line in lines for word in line.split()]
    evidence = (
        f"apt would remove {', '.join(names) or 'packages'}, as it would not when this was planned; it was stopped"
    )
    instead = f"; or, if nobody needs them, apt-get remove {' '.join(names)} yourself" if names else ""
    remedy = f"run again, which says what to do about it{instead}"
    return [problem("packages_kept", evidence, remedy)]


def _available(answer: AptAnswer | None, instead: str) -> Check | None:
    names = answer["missing"] if answer else []
    if not names:
        return None
    return problem(
        "packages_available",
        f"no source of this host has {', '.join(names)}",
        f"see what apt-cache policy {' '.join(names)} says: an archive is missing among the sources, or pinned away"
        f"{_or(instead)}",
    )


def _or(instead: str) -> str:
    return f"; or {instead}" if instead else ""
