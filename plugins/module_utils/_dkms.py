# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKMS: its tree, what is registered, built and really installed, why a build failed, and what `dkms status` claims.

Layout of a tree, the same in 2.8.4, 3.0.10 and 3.2.2: MODULE/VERSION/source, a link or a directory, without which
DKMS knows no such version; MODULE/VERSION/build, which only a build that failed or was interrupted leaves;
MODULE/VERSION/KERNEL/ARCH/module/*.ko of a finished one; and the link MODULE/kernel-KERNEL-ARCH to what is installed.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence

from ._kmod import base_directory, headers_package, modinfo, module_file, natural, stem
from ._sysfs import Tree
from ._types import Dkms, DkmsBuild, DkmsFailure, DkmsFile, DkmsModule, DkmsStatus, DkmsTree, ModuleInfo

PROGRAM = "/usr/sbin/dkms"
TREE = "/var/lib/dkms"
CONF = "/etc/dkms/framework.conf"
CONF_D = "/etc/dkms/framework.conf.d"
# What amdgpu-dkms builds; only these are searched for among files that nothing registered accounts for.
AMD_MODULES = frozenset(
    "amdgpu amdttm amdkcl amd_sched amddrm_ttm_helper amddrm_buddy amddrm_exec amdxcp".split()
)  # fmt: skip
_SCRIPT_LIMIT = 1 << 20
_LOG_LIMIT = 16 << 20
_NAME = re.compile(r"\w[\w.+~-]*", re.ASCII)  # of modules and versions; nothing else becomes an argument of a command
_SETTING = re.compile(r"^\s*dkms_tree=(?:\"([^\"]*)\"|'([^']*)'|(\S*))", re.MULTILINE)
_LOG_KERNEL = re.compile(r"^DKMS .*for kernel (\S+)", re.MULTILINE)
_KERNEL_LINK = re.compile(r"kernel-(.+)-([^-]+)")
_STATUS = re.compile(r"([^\s,/]+)(?:/|, )([^\s,:]+)(?:, ([^\s,]+), ([^\s,:]+))?: ([a-z-]+)(.*)")


def gather_dkms(tree: Tree) -> Dkms:
    """The shape of ``host.dkms``, read without running a command."""
    script = tree.read_head(PROGRAM, _SCRIPT_LIMIT, keep=_keep_script) or b""
    drop_ins = b"framework.conf.d" in script  # since 3.0.4; 2.8.4 would ignore the directory
    place = gather_tree(tree, drop_ins)
    names = [name for name in tree.listdir(place["path"]) if _NAME.fullmatch(name)]
    modules = [_module(tree, place["path"], name) for name in names]
    modules = [module for module in modules if module["versions"] or module["failures"]]
    return {
        "present": bool(script),
        "drop_ins": drop_ins,
        "tree": place,
        "modules": modules,
        "leftovers": _leftovers(tree, modules),
    }


def _keep_script(script: bytes) -> bytes:
    """What of the program a recording needs."""
    return b"#!/bin/bash\n" + (b"# framework.conf.d\n" if b"framework.conf.d" in script else b"")


def gather_tree(tree: Tree, drop_ins: bool) -> DkmsTree:
    """What the configuration says of the tree's place (`file` is null for the default), and what that really is."""
    path = TREE
    source: str | None = None
    files = [CONF]
    if drop_ins:
        files += [f"{CONF_D}/{name}" for name in tree.listdir(CONF_D) if name.endswith(".conf")]
    for file in files:  # the last word wins
        for match in _SETTING.finditer(tree.read_text(file) or ""):
            path, source = next(filter(None, match.groups()), ""), file
    path = path.rstrip("/") or TREE
    real = tree.realpath(path)
    return {
        "path": path,
        "file": source,
        "real": real,
        "kind": _kind(tree, path, real),
        "fstab": any(line.split()[1:2] == [path] for line in (tree.read_text("/etc/fstab") or "").splitlines()),
        "believable": real in (path, None),
    }


def _kind(tree: Tree, path: str, real: str | None) -> str:
    """missing, symlink (one in the path), bind (dkms's own directory under another name) or directory."""
    here, own = tree.lookup(path), tree.lookup(TREE)
    if here is None or real is None:
        return "missing"
    if real != path:
        return "symlink"
    same = own is not None and (here.st_dev, here.st_ino) == (own.st_dev, own.st_ino)
    return "bind" if same and tree.realpath(TREE) != path else "directory"


def _module(tree: Tree, place: str, name: str) -> DkmsModule:
    """A module with its versions, the newest last. What DKMS does not know may have left the log of a failed build."""
    home = f"{place}/{name}"
    entries = tree.listdir(home)
    folders = sorted((entry for entry in entries if _NAME.fullmatch(entry)), key=natural)
    versions = [version for version in folders if _registered(tree, f"{home}/{version}")]
    links: dict[tuple[str, str], str | None] = {}
    for match in filter(None, map(_KERNEL_LINK.fullmatch, entries)):
        if match[0] not in versions:
            links[match[1], match[2]] = tree.realpath(f"{home}/{match[0]}")
    builds = [build for version in versions for build in _builds(tree, home, version, links)]
    failures = [failure for version in folders for failure in _failures(tree, home, version)]
    return {"name": name, "versions": versions, "builds": builds, "failures": failures}


def _registered(tree: Tree, folder: str) -> bool:
    """Whether DKMS takes a directory for a version, as its is_module_added(); a dangling link as source will do."""
    source = tree.lookup(f"{folder}/source", follow=False) if tree.is_dir(folder) else None
    return source is not None and (stat.S_ISLNK(source.st_mode) or stat.S_ISDIR(source.st_mode))


def _builds(tree: Tree, home: str, version: str, links: dict[tuple[str, str], str | None]) -> list[DkmsBuild]:
    """What is built, and whether the module that each kernel would load is the one that was built."""
    found: list[DkmsBuild] = []
    kernels = [kernel for kernel in tree.listdir(f"{home}/{version}") if kernel not in ("build", "source")]
    for kernel in sorted(kernels, key=natural):
        for arch in tree.listdir(f"{home}/{version}/{kernel}"):
            folder = f"{home}/{version}/{kernel}/{arch}"
            files = [
                _compare(tree, kernel, f"{folder}/module/{name}")
                for name in tree.listdir(f"{folder}/module")
                if stem(name)
            ]
            if files:
                claimed = links.get((kernel, arch))
                found.append(
                    {
                        "version": version,
                        "kernel": kernel,
                        "arch": arch,
                        "linked": claimed is not None and claimed == tree.realpath(folder),
                        "files": files,
                        "installed": all(file["same"] for file in files),
                    }
                )
    return found


def _compare(tree: Tree, kernel: str, built: str) -> DkmsFile:
    """A built module beside the one that the kernel would load, which dkms may strip, sign and compress."""
    name = stem(built.rpartition("/")[2]) or ""
    path = module_file(tree, kernel, name)
    ours, theirs = modinfo(tree, built), modinfo(tree, path) if path else None
    same = theirs is not None and any(_marks(ours)) and _marks(ours) == _marks(theirs)
    return {
        "name": name,
        "path": path,
        "version": theirs["version"] if theirs else None,
        "signed": theirs["signed"] if theirs else None,
        "same": same,
    }


def _marks(info: ModuleInfo) -> tuple[str | None, str | None, str | None]:
    """What stays of a module when it is stripped, signed and compressed."""
    return info["version"], info["srcversion"], info["vermagic"]


def _failures(tree: Tree, home: str, version: str) -> list[DkmsFailure]:
    path = f"{home}/{version}/build/make.log"
    if not tree.is_dir(f"{home}/{version}/build"):  # nor is a file to be looked into
        return []
    from ._dkms_log import explain_log, keep_log  # few hosts have a build that failed, and each would compile it

    data = tree.read_head(path, _LOG_LIMIT, keep=keep_log)
    if data is None:
        return []
    text = data.decode("utf-8", "replace")
    kernel = _LOG_KERNEL.search(text)
    return [{"version": version, "kernel": kernel.group(1) if kernel else None, "log": path, **explain_log(text)}]


def _leftovers(tree: Tree, modules: list[DkmsModule]) -> list[str]:
    """AMD's modules below updates/ that no build accounts for, as `dkms remove` leaves them on a symlinked tree."""
    owned = {file["path"] for module in modules for build in module["builds"] for file in build["files"]}
    base, found = base_directory(tree), []
    for kernel in tree.listdir(base):
        folder = f"{base}/{kernel}/updates/dkms"
        for name in tree.listdir(folder):
            if stem(name) in AMD_MODULES and f"{folder}/{name}" not in owned:
                found.append(f"{folder}/{name}")
    return found


def missing_builds(dkms: Dkms, kernels: Sequence[str], name: str = "amdgpu") -> list[str]:
    """Kernels among `kernels` for which no registered version of a module is really installed."""
    done = {
        build["kernel"]
        for module in dkms["modules"]
        for build in module["builds"]
        if module["name"] == name and build["installed"]
    }
    return [kernel for kernel in kernels if kernel not in done]


def newest(dkms: Dkms, name: str = "amdgpu") -> str | None:
    """The newest registered version of a module."""
    versions = [version for module in dkms["modules"] if module["name"] == name for version in module["versions"]]
    return versions[-1] if versions else None


def built_version(dkms: Dkms, kernel: str, name: str = "amdgpu") -> str | None:
    """The version of a module that a kernel would load."""
    found = [build for module in dkms["modules"] if module["name"] == name for build in module["builds"]]
    return next((build["version"] for build in found if build["kernel"] == kernel and build["installed"]), None)


def last_failure(dkms: Dkms, kernel: str | None = None, name: str = "amdgpu") -> DkmsFailure | None:
    """The failed build of a module's newest version, if any; of one kernel, if that is named."""
    found = [failure for module in dkms["modules"] if module["name"] == name for failure in module["failures"]]
    found = [failure for failure in found if kernel is None or failure["kernel"] == kernel]
    return found[-1] if found else None


def failure_evidence(failure: DkmsFailure, kernel: str | None) -> str:
    """What failed and why: the lines that matter, and what they mean. `kernel` stands in where the log names none."""
    lines = " | ".join(failure["lines"]) or "its log names no error"
    evidence = f"amdgpu {failure['version']} did not build for {failure['kernel'] or kernel}: {lines}"
    meanings = "; ".join(cause["meaning"] for cause in failure["causes"])
    return f"{evidence} ({failure['causes'][0]['id']}: {meanings})" if meanings else evidence


def failure_remedy(failure: DkmsFailure, kernel: str | None) -> str:
    """What to do about it; the headers of a kernel have the name that its distribution gives them."""
    if not failure["causes"]:
        return f"read {failure['log']}, then run again"
    release = str(failure["kernel"] or kernel)
    remedy = failure["causes"][0]["remedy"].replace("linux-headers-KERNEL", headers_package(release))
    return remedy.replace("KERNEL", release)


def package_version(package: str) -> str:
    """A version of the package amdgpu-dkms as DKMS knows it: 1:6.12.12.60401-2164967.24.04 is 6.12.12-2164967.24.04."""
    plain = package.partition(":")[2] or package
    return re.sub(r"\.[0-9]{5,8}(?=-)", "", plain)


def parse_status(text: str) -> list[DkmsStatus]:
    """Lines of `dkms status` in the formats of 2.8.4, 3.0.10 and 3.2.2; warnings and the like are left out."""
    entries: list[DkmsStatus] = []
    for line in text.splitlines():
        match = _STATUS.fullmatch(line.strip())
        if match:
            module, version, kernel, arch, state, note = match.groups()
            entries.append(
                {
                    "module": module,
                    "version": version,
                    "kernel": kernel,
                    "arch": arch,
                    "state": state,
                    "note": note.strip().strip("()"),
                }
            )
    return entries


def contradictions(dkms: Dkms, entries: list[DkmsStatus]) -> list[str]:
    """Where `dkms status` says something else than the modules on disk, a sentence each."""
    states = {(entry["module"], entry["version"], entry["kernel"]): entry["state"] for entry in entries}
    found = []
    for module in dkms["modules"]:
        for build in module["builds"]:
            state = states.get((module["name"], build["version"], build["kernel"]))
            if state is not None and state.startswith("installed") != build["installed"]:
                real = "is" if build["installed"] else "is not"
                name = f"{module['name']}/{build['version']}"
                found.append(f"{name}: status says {state}, but it {real} what {build['kernel']} would load")
    return found
