# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the amdgpu_dkms role has to do on one host: AMD's archive, its driver for each kernel, DKMS's tree."""

from __future__ import annotations

import posixpath
import re
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._dkms import TREE, missing_builds
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Package

from .._text import problem
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed

DRIVER = ("amdgpu-dkms", "amdgpu-dkms-firmware")
SOURCE = "/etc/apt/sources.list.d/navilab-amdgpu-dkms.list"
PIN = "/etc/apt/preferences.d/navilab-amdgpu-dkms"
KEY = "/etc/apt/keyrings/navilab-amdgpu-dkms.asc"
SUITES = {"bullseye": "focal", "bookworm": "jammy", "trixie": "noble"}
RELEASES = {"bullseye": "5.3.3"}  # the one that is known to build on a Debian kernel and to drive these boards
PACKAGES = (*DRIVER, "dkms", "linux-image-amd64", "linux-headers-amd64", "initramfs-tools")
SHORT_BEFORE = (5, 19)  # kbuild passes the list of objects in a file since then
# Pairs that are known not to build: versions of the driver, the kernels from which on, and what happens.
KNOWN_BAD: tuple[tuple[str, tuple[int, ...], str], ...] = (
    (r"5\.18\.", (6, 1), "5.18 is older than kernel 6.1's interfaces"),
    (r"6\.[0-7]\.", (6, 7), "dma_resv->seq is missing"),
    (r"6\.1[0-4]\.", (6, 12), "dma_resv->seq is missing"),
    (r"6\.16\.13", (6, 12, 100), "pci_resize_resource() has other arguments since 6.12.100"),
)


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


def settings(variables: Variables) -> Settings:
    """The variables; a state that the rollback asks for wins, even over --extra-vars."""
    own = variables["amdgpu_dkms"]
    return {**own, "state": own["__amdgpu_dkms_state"]}


def wants(settings: Settings) -> Wants:
    return {"packages": list(PACKAGES), "files": [SOURCE, PIN, KEY, TREE, settings["tree_path"]]}


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
        "codename": facts["release"]["codename"] or "",
        "loaded": facts["driver"]["loaded"],
        "broken": DRIVER[0] in facts["dpkg"]["broken"],
        "failure": build_failure(facts),
        "files_absent": [],
        "record": record,
    }
    if settings["state"] == "absent":
        return _absent(facts, found, record)
    return _present(facts, found, settings, record)


# -- wanted ---------------------------------------------------------------------------------------------------------


def _present(facts: Facts, plan: AmdgpuDkmsPlan, settings: Settings, record: dict[str, Any]) -> AmdgpuDkmsPlan:
    codename = facts["release"]["codename"] or ""
    release = settings["release"] or RELEASES.get(codename, "")
    plan["release"] = release
    plan["rollback"] = rollback_reason(facts, record)
    if plan["rollback"]:
        plan["actions"] = [f"take AMD's driver back: {plan['rollback']}"]
        return plan
    plan["problems"] = _problems(facts, settings, release, record)
    if plan["problems"]:
        return plan
    kernels = [kernel for kernel in _kernels(facts) if kernel not in record.get("without_headers", [])]
    actions = plan["actions"]

    suite = settings["suite"] or SUITES.get(codename, "noble")
    plan["source"] = (
        "# Written by navilab.webui.amdgpu_dkms.\n"
        f"deb [arch=amd64 signed-by={KEY}] {settings['repository']}/{release}/ubuntu {suite} main\n"
    )
    plan["pin"] = pin(settings["origin"])
    sources = ((SOURCE, plan["source"]), (PIN, plan["pin"]))
    if any(differs(facts, *each) for each in sources) or not file_of(facts, KEY)["exists"]:
        plan["archive"] = True
        actions.append(f"add AMD's archive {release} ({suite}), for its driver alone")

    broken = [name for name in facts["dpkg"]["broken"] if name in ("dkms", *DRIVER)]
    if broken:
        actions.append(f"finish what an interrupted installation left of {', '.join(broken)}")
    plan["dkms"] = not is_installed(facts, "dkms") and "dkms" not in broken
    wanted = [kernel for kernel in kernels if kernel not in facts["kernel"]["headers"]]
    meta = ["linux-headers-amd64"] if is_installed(facts, "linux-image-amd64") else []
    plan["headers_required"] = [f"linux-headers-{kernel}" for kernel in wanted if kernel == kernels[-1]]
    plan["headers_optional"] = [f"linux-headers-{kernel}" for kernel in wanted if kernel != kernels[-1]]
    plan["headers_required"] += [name for name in meta if not is_installed(facts, name)]
    early = [*(["dkms"] if plan["dkms"] else []), *plan["headers_required"], *plan["headers_optional"]]
    if early:
        actions.append(f"install {', '.join(early)}")

    driver_version, here = settings["version"], _package(facts, DRIVER[0])
    moved = record.get("release") not in (None, release) or driver_version not in ("", here["version"])
    plan["upgrade"] = bool(here["installed"] and moved)
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
    plan["warnings"] = known_bad(plan["version"] or driver_version, kernels)
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
    return plan


def _problems(facts: Facts, settings: Settings, release: str, record: dict[str, Any]) -> list[Check]:
    found = []
    own = "amdgpu_dkms_state: absent keeps the kernel's own driver, which is what these boards run best with"
    if not release:
        found.append(
            (
                "amdgpu_dkms_release",
                f"no release of AMD's driver is known to build on Debian's {facts['release']['codename']} kernel",
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
    """Every installed kernel, newest last; a machine that hides them (a container) has the running one."""
    return facts["kernel"]["installed"] or [facts["kernel"]["release"] or ""]


def pin(origin: str) -> str:
    """Nothing of AMD's archive but the driver: its ROCm and Mesa would win over Debian's otherwise. The driver comes as
    the archive has it, an older one in place of a newer too (apt_preferences: over 1000); a hold keeps it there."""
    return (
        "# Written by navilab.webui.amdgpu_dkms.\n"
        f"Package: *\nPin: release o={origin}\nPin-Priority: -1\n\n"
        f"Package: {' '.join(DRIVER)}\nPin: release o={origin}\nPin-Priority: 1001\n"
    )


def known_bad(version: str, kernels: list[str]) -> list[str]:
    """Sentences about kernels on which a driver is known not to build."""
    plain = version.partition(":")[2] or version
    return [
        f"driver {plain} is known not to build for {kernel}: {why}"
        for kernel in kernels
        for pattern, since, why in KNOWN_BAD
        if re.match(pattern, plain) and kernel_version(kernel) >= since
    ]


# -- the short tree -------------------------------------------------------------------------------------------------


def kernel_version(release: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release or "")
    return tuple(int(number) for number in match.groups() if number is not None) if match else ()


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
    boards = [board for board in facts["boards"] if board["supported"]]
    ours = DRIVER[0] in record.get("packages", []) and not missing_builds(facts["dkms"], [running])
    on_disk = driver["on_disk"]
    if not (ours and boards) or driver["blacklisted"] or (on_disk and on_disk["since_boot"]):
        return ""
    if not driver["loaded"]:
        unsigned = facts["kernel"]["secure_boot"] and not (on_disk and on_disk["signed"])
        return "the module does not load" + (", as Secure Boot refuses what is not signed" if unsigned else "")
    if not driver["version"] or not on_disk or driver["version"] != on_disk["version"]:
        return ""  # the kernel's own is still loaded
    lost = [
        board["bdf"] for board in boards if board["kfd_node"] is None and board["bdf"] in record.get("kfd_boards", [])
    ]
    return f"KFD has lost its GPU node of {', '.join(lost)}" if lost else ""


def build_failure(facts: Facts) -> Check | None:
    """The check of a failed build, with the lines of its log that matter; None where no log tells of one."""
    failures = [
        failure for found in facts["dkms"]["modules"] if found["name"] == "amdgpu" for failure in found["failures"]
    ]
    if not failures:
        return None
    failure = failures[-1]
    kernel = failure["kernel"] or facts["kernel"]["release"]
    lines = " | ".join(failure["lines"]) or "its log names no error"
    evidence = f"amdgpu {failure['version']} did not build for {kernel}: {lines}"
    if not failure["causes"]:
        return problem("dkms_build", evidence, f"read {failure['log']}, then run again")
    meanings = "; ".join(cause["meaning"] for cause in failure["causes"])
    remedy = failure["causes"][0]["remedy"].replace("KERNEL", str(kernel))
    return problem("dkms_build", f"{evidence} ({failure['causes'][0]['id']}: {meanings})", remedy)


def _version(facts: Facts) -> str:
    """The version as DKMS knows it: what is registered last, else the package's without its epoch."""
    registered = [module["versions"] for module in facts["dkms"]["modules"] if module["name"] == "amdgpu"]
    if registered:
        return str(registered[0][-1])
    version = _package(facts, DRIVER[0])["version"] or ""
    return version.partition(":")[2] or version


def _package(facts: Facts, name: str) -> Package:
    return facts["dpkg"]["packages"].get(name) or {"installed": False, "version": None, "held": False}


def _known(facts: Facts, name: str) -> bool:
    """Installed, or half so. Headers are known by their kernel: host_info is not asked for packages of every kernel."""
    kernel = name.partition("linux-headers-")[2]
    return is_installed(facts, name) or name in facts["dpkg"]["broken"] or kernel in facts["kernel"]["headers"]


STEP = Step("amdgpu_dkms", settings, wants, plan, stale_after=frozenset({"amdgpu_dkms", "firmware", "reboot"}))
