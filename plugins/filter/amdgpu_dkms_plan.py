# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the amdgpu_dkms role has to do on one host."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._dkms import TREE, missing_builds

DOCUMENTATION = r"""
name: amdgpu_dkms_plan
short_description: Decide what the amdgpu_dkms role has to do on a host
version_added: "0.1.0"
description:
  - Compares the look of a host with the wanted driver of AMD's, its archive and DKMS's tree.
  - Pure function; it reaches no host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  settings:
    description: The role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Decide what the driver needs
  ansible.builtin.set_fact:
    amdgpu_dkms_plan: "{{ navilab_host | navilab.webui.amdgpu_dkms_plan(settings=amdgpu_dkms_settings) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:actions) is one sentence a difference, RV(ignore:problems) are checks that stop the host, and
      RV(ignore:warnings) what is known of the pair of driver and kernel.
    - RV(ignore:rollback) tells why the kernel's own driver has to come back, empty where it has not.
  type: dict
"""

DRIVER = ("amdgpu-dkms", "amdgpu-dkms-firmware")
SOURCE = "/etc/apt/sources.list.d/navilab-amdgpu-dkms.list"
PIN = "/etc/apt/preferences.d/navilab-amdgpu-dkms"
KEY = "/etc/apt/keyrings/navilab-amdgpu-dkms.asc"
SUITES = {"bullseye": "focal", "bookworm": "jammy", "trixie": "noble"}
RELEASES = {"bullseye": "5.3.3"}  # the one that is known to build on a Debian kernel and to drive these boards
SHORT_BEFORE = (5, 19)  # kbuild passes the list of objects in a file since then
# Pairs that are known not to build: versions of the driver, the kernels from which on, and what happens.
KNOWN_BAD: tuple[tuple[str, tuple[int, ...], str], ...] = (
    (r"5\.18\.", (6, 1), "5.18 is older than kernel 6.1's interfaces"),
    (r"6\.[0-7]\.", (6, 7), "dma_resv->seq is missing"),
    (r"6\.1[0-4]\.", (6, 12), "dma_resv->seq is missing"),
    (r"6\.16\.13", (6, 12, 100), "pci_resize_resource() has other arguments since 6.12.100"),
)


def amdgpu_dkms_plan(host: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    record = host["records"].get("amdgpu_dkms") or {}
    plan: dict[str, Any] = {
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
        "version": _version(host),
        "build": [],
        "tree": {"undo": False, "make": False, "old": _old_tree(host, settings, record)},
        "remove": [],
        "remove_last": [],
        "leftovers": host["dkms"]["leftovers"],
        "initramfs": _installed(host, "initramfs-tools"),
        "rollback": "",
        "release": "",
        "record": record,
    }
    if settings["state"] == "absent":
        return _absent(host, plan, record)
    return _present(host, plan, settings, record)


# -- wanted ---------------------------------------------------------------------------------------------------------


def _present(
    host: dict[str, Any], plan: dict[str, Any], settings: dict[str, Any], record: dict[str, Any]
) -> dict[str, Any]:
    codename = host["release"]["codename"]
    release = settings["release"] or RELEASES.get(codename, "")
    plan["release"] = release
    plan["rollback"] = rollback_reason(host, record)
    if plan["rollback"]:
        plan["actions"] = [f"take AMD's driver back: {plan['rollback']}"]
        return plan
    plan["problems"] = _problems(host, settings, release, record)
    if plan["problems"]:
        return plan
    kernels = [kernel for kernel in _kernels(host) if kernel not in record.get("without_headers", [])]
    actions = plan["actions"]

    suite = settings["suite"] or SUITES.get(codename, "noble")
    plan["source"] = (
        "# Written by navilab.webui.amdgpu_dkms.\n"
        f"deb [arch=amd64 signed-by={KEY}] {settings['repository']}/{release}/ubuntu {suite} main\n"
    )
    plan["pin"] = pin(settings["origin"])
    if not (_matches(host, SOURCE, plan["source"]) and _matches(host, PIN, plan["pin"]) and _exists(host, KEY)):
        plan["archive"] = True
        actions.append(f"add AMD's archive {release} ({suite}), for its driver alone")

    broken = [name for name in host["dpkg"]["broken"] if name in ("dkms", *DRIVER)]
    if broken:
        actions.append(f"finish what an interrupted installation left of {', '.join(broken)}")
    plan["dkms"] = not _installed(host, "dkms") and "dkms" not in broken
    wanted = [kernel for kernel in kernels if kernel not in host["kernel"]["headers"]]
    meta = ["linux-headers-amd64"] if _installed(host, "linux-image-amd64") else []
    plan["headers_required"] = [f"linux-headers-{kernel}" for kernel in wanted if kernel == kernels[-1]]
    plan["headers_optional"] = [f"linux-headers-{kernel}" for kernel in wanted if kernel != kernels[-1]]
    plan["headers_required"] += [name for name in meta if not _installed(host, name)]
    early = [*(["dkms"] if plan["dkms"] else []), *plan["headers_required"], *plan["headers_optional"]]
    if early:
        actions.append(f"install {', '.join(early)}")

    driver_version, here = settings["version"], _package(host, DRIVER[0])
    moved = record.get("release") not in (None, release) or driver_version not in ("", here["version"])
    plan["upgrade"] = bool(here["installed"] and moved)
    missing = [name for name in DRIVER if not _installed(host, name)]
    plan["fresh"] = DRIVER[0] in missing and DRIVER[0] not in broken
    if missing or plan["upgrade"]:
        plan["install"] = [f"{name}={driver_version}" if driver_version else name for name in DRIVER]
        actions.append(f"{'change' if plan['upgrade'] else 'install'} {', '.join(plan['install'])}")
    plan["build"] = missing_builds(host["dkms"], kernels)
    if plan["build"]:
        actions.append(f"build the driver for {', '.join(plan['build'])}")
    plan["hold"] = not all(_package(host, name).get("held") for name in DRIVER)
    if plan["hold"]:
        actions.append(f"hold {' and '.join(DRIVER)} at their version")

    tree = _plan_tree(host, plan, settings, record, kernels)
    plan["warnings"] = known_bad(plan["version"] or driver_version, kernels)
    ours = [name.partition("=")[0] for name in [*early, *missing] if not _known(host, name)]
    boards = [board["bdf"] for board in host["boards"] if board["supported"] and board["kfd_node"] is not None]
    plan["record"] = {
        "packages": sorted({*record.get("packages", []), *ours}),
        # Another release counts once it is there (present.yml), so that a change that failed is tried again.
        "release": record.get("release", release) if plan["upgrade"] else release,
        "tree": tree,
        "argument_list": argument_list_seen(host, record),
        "kfd_boards": record.get("kfd_boards", boards),
        "without_headers": record.get("without_headers", []),
    }
    return plan


def _problems(
    host: dict[str, Any], settings: dict[str, Any], release: str, record: dict[str, Any]
) -> list[dict[str, str]]:
    found = []
    own = "amdgpu_dkms_state: absent keeps the kernel's own driver, which is what these boards run best with"
    if not release:
        found.append(
            (
                "amdgpu_dkms_release",
                f"no release of AMD's driver is known to build on Debian's {host['release']['codename']} kernel",
                f"{own}; or name one in amdgpu_dkms_release",
            )
        )
    back = record.get("rolled_back") or {}
    if back and (back.get("release"), back.get("kernel")) == (release, host["kernel"]["release"]):
        found.append(
            (
                "amdgpu_dkms_rollback",
                f"release {release} was taken back on kernel {back['kernel']}: {back.get('why')}",
                f"{own}; or name another amdgpu_dkms_release; /var/lib/navilab/amdgpu_dkms.json keeps it back",
            )
        )
    place, path = host["dkms"]["tree"], settings["tree_path"]
    kind = (host["files"].get(path) or {}).get("kind")
    if not re.fullmatch(r"/[\w.+/-]+", path) or posixpath.normpath(path) != path:
        found.append(
            ("dkms_tree", f"amdgpu_dkms_tree_path is {path!r}", "a short absolute path in plain form, like /v")
        )
    elif tree_wanted(host, settings, record):
        if place["path"] not in (TREE, path, (record.get("tree") or {}).get("path")):
            remedy = f"amdgpu_dkms_tree_path: {place['path']}, or amdgpu_dkms_tree: never"
            found.append(("dkms_tree", f"{place['file']} puts DKMS's tree to {place['path']} already", remedy))
        elif kind and path not in (place["path"], (record.get("tree") or {}).get("path")):
            found.append(("dkms_tree", f"{path} is somebody's {kind}", "amdgpu_dkms_tree_path: another short path"))
    return [
        {"id": name, "status": "failed", "evidence": evidence, "remedy": remedy} for name, evidence, remedy in found
    ]


def _kernels(host: dict[str, Any]) -> list[str]:
    """Every installed kernel, newest last; a machine that hides them (a container) has the running one."""
    return host["kernel"]["installed"] or [host["kernel"]["release"]]


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


def argument_list_seen(host: dict[str, Any], record: dict[str, Any]) -> bool:
    """Whether a build's log on this host showed what the short tree mends."""
    failures = [failure for module in host["dkms"]["modules"] for failure in module["failures"]]
    causes = {cause["id"] for failure in failures for cause in failure["causes"]}
    return "argument_list" in causes or bool(record.get("argument_list"))


def tree_wanted(host: dict[str, Any], settings: dict[str, Any], record: dict[str, Any]) -> bool:
    if settings["tree"] != "auto":
        return bool(settings["tree"] == "always")
    old = any(() < kernel_version(kernel) < SHORT_BEFORE for kernel in _kernels(host))
    return old or argument_list_seen(host, record) or bool(record.get("tree"))


def _old_tree(host: dict[str, Any], settings: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """What there is to be taken away of a tree: where it is, and of which kind."""
    place, ours = host["dkms"]["tree"], record.get("tree") or {}
    path = ours.get("path") or settings["tree_path"]
    link = (host["files"].get(path) or {}).get("kind") == "link"
    bound = place["path"] == path and (place["kind"] == "bind" or place["fstab"])
    return {
        "path": path,
        # DKMS's setting is written last: an interrupted run leaves the mount without it.
        "mounted": bound or (ours.get("mode") == "bind" and place["path"] == TREE and not link),
        "link": link,
        "moved": ours.get("mode") == "directory" and (host["files"].get(TREE) or {}).get("kind") == "link",
    }


def _plan_tree(
    host: dict[str, Any],
    plan: dict[str, Any],
    settings: dict[str, Any],
    record: dict[str, Any],
    kernels: list[str],
) -> dict[str, str] | None:
    """Fill in the tree's part of the plan; what the record says of it afterwards."""
    place, path, mode = host["dkms"]["tree"], settings["tree_path"], settings["tree_mode"]
    if not tree_wanted(host, settings, record):
        if record.get("tree"):
            plan["tree"]["undo"] = True
            plan["actions"].append(f"let DKMS's tree be {TREE} again")
        return None
    right = place["path"] == path and place["kind"] == mode and (mode != "bind" or place["fstab"])
    if not right:
        plan["tree"]["make"] = True
        kind = (host["files"].get(path) or {}).get("kind")
        plan["tree"]["undo"] = bool(place["file"] or record.get("tree") or (kind == "link" and mode != "symlink"))
        plan["actions"].append(f"let DKMS's tree be {path} ({mode}), a path short enough for {kernels[0]}")
    elif not record.get("tree"):
        return None  # the user's own, and as it should be
    return {"path": path, "mode": mode}


# -- not wanted, or not any more ------------------------------------------------------------------------------------


def _absent(host: dict[str, Any], plan: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    plan["record"] = {}
    if not record:
        plan["leftovers"] = []
        return plan
    ours = [name for name in record.get("packages", []) if _known(host, name)]
    others = [module["name"] for module in host["dkms"]["modules"] if module["name"] != "amdgpu"]
    plan["remove"] = [name for name in ours if name in DRIVER]
    plan["remove_last"] = [name for name in ours if name not in DRIVER and not others]
    plan["tree"]["undo"] = bool(record.get("tree"))
    files = [path for path in (SOURCE, PIN, KEY) if _exists(host, path)]
    actions = plan["actions"]
    if plan["remove"]:
        actions.append(f"remove {', '.join(plan['remove'])} and the modules that they built")
    if plan["leftovers"]:
        actions.append(f"delete what is left of it: {', '.join(plan['leftovers'])}")
    if plan["tree"]["undo"]:
        actions.append(f"let DKMS's tree be {TREE} again")
    if plan["remove_last"]:
        actions.append(f"remove {', '.join(plan['remove_last'])}")
    actions += [f"delete {path}" for path in files]
    if not actions and not record.get("rolled_back"):
        actions.append("forget the record of an earlier run")
    elif not actions:
        actions.append("forget that the driver was taken back")
    return plan


def rollback_reason(host: dict[str, Any], record: dict[str, Any]) -> str:
    """Why the driver that the role put in failed on the running kernel; empty where it did not, or is not tried yet."""
    driver, running = host["driver"], host["kernel"]["release"]
    boards = [board for board in host["boards"] if board["supported"]]
    ours = DRIVER[0] in record.get("packages", []) and not missing_builds(host["dkms"], [running])
    on_disk = driver["on_disk"] or {}
    if not (ours and boards) or driver["blacklisted"] or on_disk.get("since_boot"):
        return ""
    if not driver["loaded"]:
        unsigned = host["kernel"]["secure_boot"] and not on_disk.get("signed")
        return "the module does not load" + (", as Secure Boot refuses what is not signed" if unsigned else "")
    if not driver["version"] or driver["version"] != on_disk.get("version"):
        return ""  # the kernel's own is still loaded
    lost = [
        board["bdf"] for board in boards if board["kfd_node"] is None and board["bdf"] in record.get("kfd_boards", [])
    ]
    return f"KFD has lost its GPU node of {', '.join(lost)}" if lost else ""


def _version(host: dict[str, Any]) -> str:
    """The version as DKMS knows it: what is registered last, else the package's without its epoch."""
    registered = [module["versions"] for module in host["dkms"]["modules"] if module["name"] == "amdgpu"]
    if registered:
        return str(registered[0][-1])
    version = _package(host, DRIVER[0])["version"] or ""
    return version.partition(":")[2] or version


def _package(host: dict[str, Any], name: str) -> dict[str, Any]:
    return host["dpkg"]["packages"].get(name) or {"installed": False, "version": None, "held": False}


def _installed(host: dict[str, Any], name: str) -> bool:
    return bool(_package(host, name)["installed"])


def _known(host: dict[str, Any], name: str) -> bool:
    """Installed, or half so. Headers are known by their kernel: the look can't ask for packages of every kernel."""
    kernel = name.partition("linux-headers-")[2]
    return _installed(host, name) or name in host["dpkg"]["broken"] or kernel in host["kernel"]["headers"]


def _exists(host: dict[str, Any], path: str) -> bool:
    return bool((host["files"].get(path) or {}).get("exists"))


def _matches(host: dict[str, Any], path: str, content: str) -> bool:
    return (host["files"].get(path) or {}).get("sha256") == hashlib.sha256(content.encode()).hexdigest()


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"amdgpu_dkms_plan": amdgpu_dkms_plan}
