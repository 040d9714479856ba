# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the amdgpu_dkms role has to do on one host: AMD's archive, its driver for each kernel, DKMS's tree."""

from __future__ import annotations

import posixpath
import re
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._dkms import (
    TREE,
    failure_evidence,
    failure_remedy,
    last_failure,
    missing_builds,
    newest,
    package_version,
)
from ansible_collections.navilab.webui.plugins.module_utils._driver_pairs import kernel_version, known_bad
from ansible_collections.navilab.webui.plugins.module_utils._kmod import headers_package, without_graphics
from ansible_collections.navilab.webui.plugins.module_utils._signatures import refuses_unsigned
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Package, Questions

from .._packages import SHA1_POLICY
from .._text import problem
from . import _amdgpu_archive as archive
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, file_of, is_installed

DRIVER, SOURCE, PIN, KEY = archive.DRIVER, archive.SOURCE, archive.PIN, archive.KEY
SUITES = {"bullseye": "focal", "bookworm": "jammy", "trixie": "noble"}
RELEASES = {"bullseye": "5.3.3"}  # the one that is known to build on a Debian kernel and to drive these boards
SHORT_BEFORE = (5, 19)  # kbuild passes the list of objects in a file since then
PROXMOX = [f"proxmox-kernel-{series}" for series in ("6.2", "6.5", "6.8", "6.11", "6.14", "6.17", "7.0")]
# Packages that bring each new kernel, and those that bring its headers. Of Proxmox's the first that is there counts.
METAPACKAGES = {
    "linux-image-amd64": "linux-headers-amd64",
    "linux-image-rt-amd64": "linux-headers-rt-amd64",
    "linux-image-liquorix-amd64": "linux-headers-liquorix-amd64",
    **{name: name.replace("kernel", "headers") for name in ("proxmox-default-kernel", *reversed(PROXMOX))},
}
PACKAGES = (*DRIVER, "dkms", *METAPACKAGES, *METAPACKAGES.values(), "initramfs-tools")


class OldTree(TypedDict):
    """What there is to be taken away of a tree: where it is, and of which kind."""

    path: str
    mounted: bool
    link: bool
    moved: bool


class Tree(TypedDict):
    """What is to be done about DKMS's tree."""

    undo: bool
    make: bool
    old: OldTree


class AmdgpuDkmsPlan(Plan):
    """Packages and kernels by name, files by their content; `rollback` tells why the kernel's own driver has to come
    back, empty where it has not."""

    archive: bool
    source: str
    pin: str
    dkms: bool
    headers_required: list[str]
    headers_optional: list[str]
    headers_of: dict[str, str]
    install: list[str]
    fresh: bool
    upgrade: bool
    hold: bool
    version: str
    build: list[str]
    tree: Tree
    remove: list[str]
    remove_last: list[str]
    leftovers: list[str]
    initramfs: bool
    rollback: str
    release: str
    kernel: str
    codename: str
    loaded: bool
    broken: bool
    failure: Check | None
    files_absent: list[str]
    record: dict[str, Any]
    questions: Questions


def settings(variables: Variables) -> Settings:
    """The variables; a state that the rollback asks for wins, even over --extra-vars."""
    own = variables["amdgpu_dkms"]
    return {**own, "state": own["__amdgpu_dkms_state"], "bundle": variables["_common"].get("bundle")}


def wants(settings: Settings) -> Wants:
    return {"packages": list(PACKAGES), "files": [SOURCE, PIN, KEY, SHA1_POLICY, TREE, settings["tree_path"]]}


def plan(facts: Facts, settings: Settings) -> AmdgpuDkmsPlan:
    record = facts["records"].get("amdgpu_dkms") or {}
    found: AmdgpuDkmsPlan = {
        "actions": [],
        "problems": [],
        "warnings": [],
        "archive": False,
        "source": "",
        "pin": "",
        "dkms": False,
        "headers_required": [],
        "headers_optional": [],
        "headers_of": {},
        "install": [],
        "fresh": False,
        "upgrade": False,
        "hold": False,
        "version": _version(facts),
        "build": [],
        "tree": {"undo": False, "make": False, "old": _old_tree(facts, settings, record)},
        "remove": [],
        "remove_last": [],
        "leftovers": facts["dkms"]["leftovers"],
        "initramfs": is_installed(facts, "initramfs-tools"),
        "rollback": "",
        "release": "",
        "kernel": facts["kernel"]["release"] or "",
        "codename": facts["release"]["debian_codename"] or "",
        "loaded": facts["driver"]["loaded"],
        "broken": DRIVER[0] in facts["dpkg"]["broken"],
        "failure": build_failure(facts),
        "files_absent": [],
        "record": record,
        "questions": {},
    }
    if settings["state"] == "absent":
        return _absent(facts, found, record)
    return _present(facts, found, settings, record)


# -- wanted ---------------------------------------------------------------------------------------------------------


def _present(facts: Facts, plan: AmdgpuDkmsPlan, settings: Settings, record: dict[str, Any]) -> AmdgpuDkmsPlan:
    codename = facts["release"]["debian_codename"] or ""
    release = settings["release"] or RELEASES.get(codename, "")
    plan["release"] = release
    plan["rollback"] = rollback_reason(facts, record) or _interrupted_rollback(facts, record, release)
    if plan["rollback"]:
        plan["actions"] = [f"take AMD's driver back: {plan['rollback']}"]
        return plan
    plan["warnings"] = _known_bad(facts, settings, release, record) + _unsigned(facts)
    plan["problems"] = _problems(facts, settings, release, record)
    if plan["problems"]:
        return plan
    kernels = [kernel for kernel in _kernels(facts) if kernel not in record.get("without_headers", [])]
    actions = plan["actions"]

    suite = settings["suite"] or SUITES.get(codename, "noble")
    archive.plan_archive(facts, plan, settings, suite)

    broken = [name for name in facts["dpkg"]["broken"] if name in ("dkms", *DRIVER)]
    if broken:
        actions.append(f"finish what an interrupted installation left of {', '.join(broken)}")
    plan["dkms"] = not is_installed(facts, "dkms") and "dkms" not in broken
    wanted = [kernel for kernel in kernels if kernel not in facts["kernel"]["headers"]]
    plan["headers_of"] = {headers_package(kernel): kernel for kernel in wanted}
    plan["headers_required"] = [name for name, kernel in plan["headers_of"].items() if kernel == kernels[-1]]
    plan["headers_optional"] = [name for name, kernel in plan["headers_of"].items() if kernel != kernels[-1]]
    plan["headers_required"] += [name for name in _metapackages(facts) if not is_installed(facts, name)]
    early = [*(["dkms"] if plan["dkms"] else []), *plan["headers_required"], *plan["headers_optional"]]
    if early:
        actions.append(f"install {', '.join(early)}")

    driver_version = settings["version"]
    plan["upgrade"] = _is_upgrade(facts, settings, release, record)
    missing = [name for name in DRIVER if not is_installed(facts, name)]
    plan["fresh"] = DRIVER[0] in missing and DRIVER[0] not in broken
    if missing or plan["upgrade"]:
        plan["install"] = [f"{name}={driver_version}" if driver_version else name for name in DRIVER]
        actions.append(f"{'change' if plan['upgrade'] else 'install'} {', '.join(plan['install'])}")
    plan["build"] = missing_builds(facts["dkms"], kernels)
    if plan["build"]:
        actions.append(f"build the driver for {', '.join(plan['build'])}")
    plan["hold"] = not all(_package(facts, name).get("held") for name in DRIVER)
    if plan["hold"]:
        actions.append(f"hold {' and '.join(DRIVER)} at their version")

    tree = _plan_tree(facts, plan, settings, record, kernels)
    if not actions:
        return plan
    ours = [name.partition("=")[0] for name in [*early, *missing] if not _known(facts, name)]
    boards = [board["bdf"] for board in facts["boards"] if board["supported"] and board["kfd_node"] is not None]
    plan["record"] = {
        "packages": sorted({*record.get("packages", []), *ours}),
        # Another release counts once it is there (present.yml), so that a change that failed is tried again.
        "release": record.get("release", release) if plan["upgrade"] else release,
        "tree": tree,
        "argument_list": argument_list_seen(facts, record),
        "kfd_boards": record.get("kfd_boards", boards),
        "without_headers": record.get("without_headers", []),
    }
    archive.judge_packages(facts, plan, settings, suite, early)
    return plan


def _is_upgrade(facts: Facts, settings: Settings, release: str, record: dict[str, Any]) -> bool:
    """Whether the driver that is there is not the one that is wanted."""
    here = _package(facts, DRIVER[0])
    moved = record.get("release") not in (None, release) or settings["version"] not in ("", here["version"])
    return here["installed"] and moved


def _known_bad(facts: Facts, settings: Settings, release: str, record: dict[str, Any]) -> list[str]:
    """Kernels that the driver won't build for. Before it is there the release alone tells which driver it will be."""
    stays = _package(facts, DRIVER[0])["installed"] and not _is_upgrade(facts, settings, release, record)
    kernels = [kernel for kernel in _kernels(facts) if kernel not in record.get("without_headers", [])]
    kernels = missing_builds(facts["dkms"], kernels) if stays else kernels
    return known_bad(settings["version"] or (_version(facts) if stays else ""), release, kernels)


def _unsigned(facts: Facts) -> list[str]:
    """What else it takes before a kernel loads a driver that comes in."""
    if not refuses_unsigned(facts["kernel"]) or is_installed(facts, DRIVER[0]):
        return []
    key = "mokutil --import /var/lib/dkms/mok.pub, then confirm it at the next start"
    return [f"the kernel takes signed modules alone, and AMD's is signed with DKMS's own key: {key}"]


def _problems(facts: Facts, settings: Settings, release: str, record: dict[str, Any]) -> list[Check]:
    found = []
    own = "amdgpu_dkms_state: absent keeps the kernel's own driver, which is what these boards run best with"
    if not release:
        found.append(
            (
                "amdgpu_dkms_release",
                f"no release of AMD's driver is known to build on {facts['release']['debian_codename']}'s kernel",
                f"{own}; or name one in amdgpu_dkms_release",
            )
        )
    back = record.get("rolled_back") or {}
    if back and (back.get("release"), back.get("kernel")) == (release, facts["kernel"]["release"]):
        found.append(
            (
                "amdgpu_dkms_rollback",
                f"release {release} was taken back on kernel {back['kernel']}: {back.get('why')}",
                f"{own}; or name another amdgpu_dkms_release; /var/lib/navilab/amdgpu_dkms.json keeps it back",
            )
        )
    place, path = facts["dkms"]["tree"], settings["tree_path"]
    kind = file_of(facts, path)["kind"]
    if not re.fullmatch(r"/[\w.+/-]+", path) or posixpath.normpath(path) != path:
        found.append(
            ("dkms_tree", f"amdgpu_dkms_tree_path is {path!r}", "a short absolute path in plain form, like /v")
        )
    elif tree_wanted(facts, settings, record):
        if place["path"] not in (TREE, path, (record.get("tree") or {}).get("path")):
            remedy = f"amdgpu_dkms_tree_path: {place['path']}, or amdgpu_dkms_tree: never"
            found.append(("dkms_tree", f"{place['file']} puts DKMS's tree to {place['path']} already", remedy))
        elif kind and path not in (place["path"], (record.get("tree") or {}).get("path")):
            found.append(("dkms_tree", f"{path} is somebody's {kind}", "amdgpu_dkms_tree_path: another short path"))
    return [problem(*each) for each in found]


def _kernels(facts: Facts) -> list[str]:
    """Every installed kernel that a driver can come to, newest last; a machine that hides them (a container) has the
    running one."""
    kernels = facts["kernel"]["installed"] or [facts["kernel"]["release"] or ""]
    return [kernel for kernel in kernels if not without_graphics(kernel)] or kernels


def _metapackages(facts: Facts) -> list[str]:
    """What brings the headers of kernels to come."""
    found = {name: headers for name, headers in METAPACKAGES.items() if is_installed(facts, name)}
    proxmox = [headers for name, headers in found.items() if name.startswith("proxmox")]
    return [*(headers for name, headers in found.items() if not name.startswith("proxmox")), *proxmox[:1]]


# -- the short tree -------------------------------------------------------------------------------------------------


def argument_list_seen(facts: Facts, record: dict[str, Any]) -> bool:
    """Whether a build's log on this host showed what the short tree mends."""
    failures = [failure for module in facts["dkms"]["modules"] for failure in module["failures"]]
    causes = {cause["id"] for failure in failures for cause in failure["causes"]}
    return "argument_list" in causes or bool(record.get("argument_list"))


def tree_wanted(facts: Facts, settings: Settings, record: dict[str, Any]) -> bool:
    if settings["tree"] != "auto":
        return bool(settings["tree"] == "always")
    old = any(() < kernel_version(kernel) < SHORT_BEFORE for kernel in _kernels(facts))
    return old or argument_list_seen(facts, record) or bool(record.get("tree"))


def _old_tree(facts: Facts, settings: Settings, record: dict[str, Any]) -> OldTree:
    place, ours = facts["dkms"]["tree"], record.get("tree") or {}
    path = ours.get("path") or settings["tree_path"]
    link = file_of(facts, path)["kind"] == "link"
    bound = place["path"] == path and (place["kind"] == "bind" or place["fstab"])
    return {
        "path": path,
        # DKMS's setting is written last: an interrupted run leaves the mount without it.
        "mounted": bound or (ours.get("mode") == "bind" and place["path"] == TREE and not link),
        "link": link,
        "moved": ours.get("mode") == "directory" and file_of(facts, TREE)["kind"] == "link",
    }


def _plan_tree(
    facts: Facts,
    plan: AmdgpuDkmsPlan,
    settings: Settings,
    record: dict[str, Any],
    kernels: list[str],
) -> dict[str, str] | None:
    """Fill in the tree's part of the plan; what the record says of it afterwards."""
    place, path, mode = facts["dkms"]["tree"], settings["tree_path"], settings["tree_mode"]
    if not tree_wanted(facts, settings, record):
        if record.get("tree"):
            plan["tree"]["undo"] = True
            plan["actions"].append(f"let DKMS's tree be {TREE} again")
        return None
    right = place["path"] == path and place["kind"] == mode and (mode != "bind" or place["fstab"])
    if not right:
        plan["tree"]["make"] = True
        kind = file_of(facts, path)["kind"]
        plan["tree"]["undo"] = bool(place["file"] or record.get("tree") or (kind == "link" and mode != "symlink"))
        plan["actions"].append(f"let DKMS's tree be {path} ({mode}), a path short enough for {kernels[0]}")
    elif not record.get("tree"):
        return None  # the user's own, and as it should be
    return {"path": path, "mode": mode}


# -- not wanted, or not any more ------------------------------------------------------------------------------------


def _absent(facts: Facts, plan: AmdgpuDkmsPlan, record: dict[str, Any]) -> AmdgpuDkmsPlan:
    plan["record"] = {}
    if not record:
        plan["leftovers"] = []
        return plan
    ours = [name for name in record.get("packages", []) if _known(facts, name)]
    others = [module["name"] for module in facts["dkms"]["modules"] if module["name"] != "amdgpu"]
    plan["remove"] = [name for name in ours if name in DRIVER]
    plan["remove_last"] = [name for name in ours if name not in DRIVER and not others]
    plan["tree"]["undo"] = bool(record.get("tree"))
    plan["files_absent"] = [path for path in (SOURCE, PIN, KEY) if file_of(facts, path)["exists"]]
    actions = plan["actions"]
    if plan["remove"]:
        actions.append(f"remove {', '.join(plan['remove'])} and the modules that they built")
    if plan["leftovers"]:
        actions.append(f"delete what is left of it: {', '.join(plan['leftovers'])}")
    if plan["tree"]["undo"]:
        actions.append(f"let DKMS's tree be {TREE} again")
    if plan["remove_last"]:
        actions.append(f"remove {', '.join(plan['remove_last'])}")
    actions += [f"delete {path}" for path in plan["files_absent"]]
    if not actions and not record.get("rolled_back"):
        actions.append(FORGET)
    elif not actions:
        actions.append("forget that the driver was taken back")
    return plan


def rollback_reason(facts: Facts, record: dict[str, Any]) -> str:
    """Why the driver that the role put in failed on the running kernel; empty where it did not, or is not tried yet."""
    driver, running = facts["driver"], facts["kernel"]["release"] or ""
    boards = [board for board in facts["boards"] if board["supported"] and not board["held_by"]]
    ours = DRIVER[0] in record.get("packages", []) and not missing_builds(facts["dkms"], [running])
    on_disk = driver["on_disk"]
    if not (ours and boards) or driver["blacklisted"] or (on_disk and on_disk["since_boot"]):
        return ""
    if not driver["loaded"]:
        unsigned = refuses_unsigned(facts["kernel"]) and not (on_disk and on_disk["signed"])
        return "the module does not load" + (", as Secure Boot refuses what is not signed" if unsigned else "")
    if not driver["version"] or not on_disk or driver["version"] != on_disk["version"]:
        return ""  # the kernel's own is still loaded
    lost = [
        board["bdf"] for board in boards if board["kfd_node"] is None and board["bdf"] in record.get("kfd_boards", [])
    ]
    return f"KFD has lost its GPU node of {', '.join(lost)}" if lost else ""


def _interrupted_rollback(facts: Facts, record: dict[str, Any], release: str) -> str:
    """Why the driver was being taken back when a run was cut off: the record is emptied at the end of that."""
    back = record.get("rolled_back") or {}
    same = (back.get("release"), back.get("kernel")) == (release, facts["kernel"]["release"])
    return str(back.get("why") or "it failed") if same and "packages" in record else ""


def build_failure(facts: Facts) -> Check | None:
    """The check of a failed build, with the lines of its log that matter; None where no log tells of one."""
    failure, kernel = last_failure(facts["dkms"]), facts["kernel"]["release"]
    if failure is None:
        return None
    return problem("dkms_build", failure_evidence(failure, kernel), failure_remedy(failure, kernel))


def _version(facts: Facts) -> str:
    """The version as DKMS knows it: the package's, once that is registered, else the newest."""
    package = package_version(_package(facts, DRIVER[0])["version"] or "")
    registered = [module["versions"] for module in facts["dkms"]["modules"] if module["name"] == "amdgpu"]
    return package if not registered or package in registered[0] else newest(facts["dkms"]) or package


def _package(facts: Facts, name: str) -> Package:
    return facts["dpkg"]["packages"].get(name) or {"installed": False, "version": None, "held": False}


def _known(facts: Facts, name: str) -> bool:
    """Installed, or half so. Headers are known by their kernel: host_info is not asked for packages of every kernel."""
    headers = {headers_package(kernel) for kernel in facts["kernel"]["headers"]}
    return is_installed(facts, name) or name in facts["dpkg"]["broken"] or name in headers


STEP = Step("amdgpu_dkms", settings, wants, plan, stale_after=frozenset({"amdgpu_dkms", "firmware", "reboot"}))
