#!/usr/bin/env python3
"""Recordings from case files: a host as tests/recordings/cases/*.yml describe it, in the form of `navilab record`.

    python tests/tools/recordings.py CASE...          what is judged of each, and what is wrong with it
    python tests/tools/recordings.py -o DIR CASE...   write DIR/CASE.tar.gz, for navilab plan --recorded

A case names a base (BASES) and what is different from it; tests/recordings/README.md describes its keys.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import posixpath
import re
import shutil
import stat
import struct
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, cast

import yaml

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "recordings" / "cases"
sys.path[:0] = [path for path in (str(ROOT / "src"), str(ROOT / "collections")) if path not in sys.path]

from navilab.lab import boards  # noqa: E402

BOARD = "0000:0a:00.0"
BOOTED = 1764500000.0
"""When every host was booted; what a base has is older than that."""
BEFORE = BOOTED - 30 * 86400

BASES: Mapping[str, Mapping[str, str]] = {
    "bullseye": {"number": "11", "version": "11.11", "kernel": "5.10.0-36-amd64", "render": "107"},
    "bookworm": {"number": "12", "version": "12.12", "kernel": "6.1.0-28-amd64", "render": "105"},
    "trixie": {"number": "13", "version": "13.2", "kernel": "6.12.57+deb13-amd64", "render": "992"},
}
MIRROR = "http://mirror.example/debian"
SECURITY = "http://mirror.example/debian-security"
PACKAGES = "apt base-files bash coreutils dpkg initramfs-tools libc6 login passwd python3 sudo systemd udev".split()
FIRMWARE = "sos asd ta smc pfp me ce rlc mec mec2 sdma sdma1 vcn pfp_wks me_wks ce_wks mec_wks mec2_wks".split()
IOCTLS = {"5.10": "1.3", "6.1": "1.11", "6.12": "1.16"}
MEMORY = "MemTotal: 32786932 kB\nMemFree: 20000000 kB\nMemAvailable: 30000000 kB\nSwapTotal: 0 kB\n"
CHIPS = {
    "7340": boards.RX5500XT_8G, "731f": boards.RX5700XT, "67df": boards.RX580, "73ff": boards.RX6600,
    "1636": boards.RENOIR_IGPU,
}  # fmt: skip
KINDS = {
    "file": stat.S_IFREG, "directory": stat.S_IFDIR, "link": stat.S_IFLNK, "char": stat.S_IFCHR,
    "block": stat.S_IFBLK, "socket": stat.S_IFSOCK, "fifo": stat.S_IFIFO,
}  # fmt: skip
KEYS = frozenset(
    "kind about base kernel kernels firmware dpkg files absent directories links stat pci kernel_log answers free_mib "
    "settings right".split()
)


class Right(TypedDict, total=False):
    """What is to come of a case. Texts are regular expressions; the ids of `problems` are all that there are."""

    problems: dict[str, str]
    actions: list[str]
    no_actions: list[str]
    warnings: list[str]
    no_warnings: list[str]
    checks: dict[str, Any]


class Case(NamedTuple):
    """A case file; `sent` is the recording beside it that somebody sent, which is the host then."""

    name: str
    base: str
    kernel: str
    data: Mapping[str, Any]
    sent: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The host's variables."""
        return {**({} if self.sent else {"navilab_user": "lab"}), **(self.data.get("settings") or {})}

    @property
    def right(self) -> Right | None:
        """None of a recording that nobody has judged yet."""
        return cast(Right, self.data.get("right") or {}) if "right" in self.data or not self.sent else None


class Verdict(NamedTuple):
    """What was said of a host: sentences as `step: sentence`, problems as id to `evidence. Remedy: remedy`."""

    problems: dict[str, str]
    actions: list[str]
    warnings: list[str]
    checks: dict[str, dict[str, Any]]


def load(path: Path) -> Case:
    """Read a case, NAME.yml or a recording NAME.tar.gz; ValueError where it is none."""
    name = re.sub(r"\.(?:yml|tar\.gz)$", "", path.name)
    described, sent = path.with_name(f"{name}.yml"), path.with_name(f"{name}.tar.gz")
    data = yaml.safe_load(described.read_text(encoding="utf-8")) if described.exists() else {}
    unknown = sorted(set(data) - KEYS)
    base = data.get("base", "bookworm")
    if unknown or base not in BASES:
        raise ValueError(f"{path.name}: unknown {', '.join(unknown) or f'base {base}'}")
    unknown = sorted(set(data.get("right") or {}) - set(Right.__annotations__))
    if unknown:
        raise ValueError(f"{path.name}: right: unknown {', '.join(unknown)}")
    kernel = data.get("kernel") or BASES[base]["kernel"]
    return Case(name, base, kernel, data, sent if sent.exists() else None)


def cases(folder: Path = CASES) -> list[Case]:
    """Every case, by name."""
    return [
        *{case.name: case for case in map(load, sorted([*folder.glob("*.yml"), *folder.glob("*.tar.gz")]))}.values()
    ]


# -- a recording ---------------------------------------------------------------------------------------------------


class Host:
    """A recording while it is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self.answers: dict[str, Any] = {}
        self.stat: dict[str, dict[str, Any]] = {}
        self.settings: dict[str, Any] = {}

    def where(self, path: str) -> Path:
        """Where a path of the host lies; links to it are followed, as the host would, the last one too."""
        done: list[str] = []
        pending = [part for part in reversed(path.split("/")) if part]
        while pending:
            part = pending.pop()
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            here = self.root.joinpath(*done)
            if here.is_symlink():
                target = str(here.readlink())
                done = [] if target.startswith("/") else done[:-1]
                pending += [part for part in reversed(target.split("/")) if part]
        return self.root.joinpath(*done)

    def parent(self, path: str) -> Path:
        """Where a path lies, itself not followed; its directory is made."""
        folder, _slash, name = path.rstrip("/").rpartition("/")
        where = self.where(folder)
        where.mkdir(parents=True, exist_ok=True)
        return where / name

    def write(self, path: str, content: Any = "") -> None:
        """A file; content is text, or {hex: ...} or {base64: ...}."""
        where = self.where(path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(_bytes(content))

    def link(self, path: str, target: str) -> None:
        where = self.parent(path)
        where.unlink(missing_ok=True)
        where.symlink_to(target)

    def remove(self, path: str) -> None:
        where = self.parent(path)
        if where.is_dir() and not where.is_symlink():
            shutil.rmtree(where)
        else:
            where.unlink(missing_ok=True)

    def node(self, path: str, kind: str, mode: str, gid: int, rdev: int = 0) -> None:
        """What only a kernel makes; the recording tells of it in `stat`."""
        self.write(path)
        self.stat[path] = {"kind": kind, "mode": mode, "gid": gid, "rdev": rdev}

    def finish(self) -> None:
        """Write recording.json: owner and times of all that has any, and the answers."""
        told: dict[str, dict[str, Any]] = {}
        for number, where in enumerate(sorted(self.root.rglob("*")), start=1000):
            path = "/" + where.relative_to(self.root).as_posix()
            if not path.startswith(("/sys/", "/proc/")):
                told[path] = _told(where, number)
        for path, changes in self.stat.items():
            inside = "/" + self.parent(path).relative_to(self.root).as_posix()
            found = told.setdefault(inside, _told(self.root, 999))
            kind = KINDS[changes["kind"]] if "kind" in changes else stat.S_IFMT(found["mode"])
            mode = int(str(changes["mode"]), 8) if "mode" in changes else stat.S_IMODE(found["mode"])
            found.update({key: value for key, value in changes.items() if key != "kind"}, mode=kind | mode)
        manifest = {"format": 1, "answers": self.answers, "settings": self.settings, "stat": told}
        (self.folder / "recording.json").write_text(json.dumps(manifest, indent=1, sort_keys=True))


def _told(where: Path, number: int) -> dict[str, Any]:
    seen = where.lstat()
    kind = stat.S_IFMT(seen.st_mode)
    mode = {stat.S_IFDIR: 0o755, stat.S_IFLNK: 0o777}.get(kind, 0o644)
    return {
        "mode": kind | mode, "uid": 0, "gid": 0, "size": seen.st_size, "mtime": BEFORE, "ctime": BEFORE, "dev": 2049,
        "ino": number, "rdev": 0,
    }  # fmt: skip


def _bytes(content: Any) -> bytes:
    if isinstance(content, Mapping):
        return bytes.fromhex(content["hex"]) if "hex" in content else base64.b64decode(content["base64"])
    return str(content).encode()


def build(case: Case, folder: Path) -> Path:
    """Write the case's recording as a directory; `folder` must not exist."""
    if case.sent:
        return _sent(case, folder)
    host, data = Host(folder), case.data
    groups = {"root": 0, "sudo": 27, "video": 44, "lab": 1000, "render": int(BASES[case.base]["render"])}
    firmware = data.get("firmware", "present")
    _release(host, case)
    _hardware(host, case, groups, firmware != "missing")
    _kernels(host, case)
    _system(host, groups)
    _packages(host, case, firmware)
    if firmware != "missing":
        _firmware(host)
    for path in data.get("absent") or ():
        host.remove(path)
    for path in data.get("directories") or ():
        host.where(path).mkdir(parents=True, exist_ok=True)
    for path, content in (data.get("files") or {}).items():
        host.write(path, content)
    for path, target in (data.get("links") or {}).items():
        host.link(path, target)
    host.stat.update({"/home/lab": {"uid": 1000, "gid": 1000, "mode": "0700"}} | (data.get("stat") or {}))
    host.answers |= {"boot time": BOOTED, "machine": "x86_64", "kernel log": list(data.get("kernel_log") or ())}
    _space(host, case)
    host.settings |= case.settings
    host.answers |= data.get("answers") or {}
    host.finish()
    return folder


def _sent(case: Case, folder: Path) -> Path:
    """A recording that somebody sent, with the case's settings before those that it was made under."""
    from ansible_collections.navilab.webui.plugins.module_utils._unpack import unpack

    folder.mkdir(parents=True)
    if why := unpack(str(case.sent), str(folder)):
        raise ValueError(f"{case.sent}: {why}")
    manifest = json.loads((folder / "recording.json").read_text(encoding="utf-8"))
    manifest["settings"] = {**manifest.get("settings", {}), **case.settings}
    (folder / "recording.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _release(host: Host, case: Case) -> None:
    number, version = BASES[case.base]["number"], BASES[case.base]["version"]
    for path in ("bin", "sbin", "lib", "lib64"):
        host.where(f"/usr/{path}").mkdir(parents=True)
        host.link(f"/{path}", f"usr/{path}")
    host.write("/usr/lib/os-release", (
        f'PRETTY_NAME="Debian GNU/Linux {number} ({case.base})"\nNAME="Debian GNU/Linux"\nVERSION_ID="{number}"\n'
        f'VERSION="{number} ({case.base})"\nVERSION_CODENAME={case.base}\nID=debian\n'
        'HOME_URL="https://www.debian.org/"\n'
    ))  # fmt: skip
    host.where("/etc").mkdir()
    host.link("/etc/os-release", "../usr/lib/os-release")
    host.write("/etc/debian_version", f"{version}\n")
    firmware = "non-free" if case.base == "bullseye" else "non-free-firmware"
    suites = {case.base: MIRROR, f"{case.base}-updates": MIRROR, f"{case.base}-security": SECURITY}
    if case.base == "trixie":
        host.write("/etc/apt/sources.list.d/debian.sources", "\n".join(
            f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main {firmware}\n"
            "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
            for uri, suites in ((MIRROR, "trixie trixie-updates"), (SECURITY, "trixie-security"))
        ))  # fmt: skip
    else:
        lines = [f"deb {uri} {suite} main {firmware}\n" for suite, uri in suites.items()]
        host.write("/etc/apt/sources.list", "".join(lines))
    host.where("/etc/apt/sources.list.d").mkdir(parents=True, exist_ok=True)
    host.write("/usr/share/keyrings/debian-archive-keyring.gpg", {"hex": "99020d"})
    for suite, uri in suites.items():
        label = "Debian-Security" if uri == SECURITY else "Debian"
        place = uri.removeprefix("http://").replace("/", "_")
        host.write(
            f"/var/lib/apt/lists/{place}_dists_{suite}_InRelease",
            f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nLabel: {label}\n"
            f"Suite: {suite.replace(case.base, 'stable')}\nCodename: {suite}\n",
        )
    host.where("/var/lib/apt/lists/partial").mkdir()


def _hardware(host: Host, case: Case, groups: Mapping[str, int], firmware: bool) -> None:
    """The RX 5500 XT, and the devices of `pci`, which may change it too: {device, driver, subsystem, revision}; null
    for one that is not there."""
    wanted: dict[str, dict[str, Any] | None] = {BOARD: {}, **(case.data.get("pci") or {})}
    version = tuple(map(int, re.findall(r"\d+", case.kernel)[:2]))
    series = "5.10" if version < (6, 1) else "6.1" if version < (6, 12) else "6.12"
    nodes: list[boards.DeviceNode] = []
    gpus: list[boards._Gpu] = []
    for number, (bdf, device) in enumerate(wanted.items()):
        if device is None:
            continue
        product = _product(str(device.get("device", "7340")), device)
        driver = device.get("driver", "amdgpu" if firmware or product.chip.integrated else "none")
        driver = None if driver in (None, "none") else str(driver)
        bus = int(bdf[5:7], 16)
        slot = boards.Slot(f"00:{number + 3:02x}.1", bus - 2 if product.chip.switch else bus)
        *others, gpu, audio = boards._functions(product, slot, driver)
        if gpu.bdf != bdf:
            raise ValueError(f"{case.name}: a board can't be at {bdf}: the slots here give XX:00.0")
        for function in (*others, audio):
            boards._write_function(host.root, function)
        folder = boards._write_function(host.root, gpu)
        if driver != "amdgpu":
            continue
        boards._write(folder / "mem_info_vram_total", str(product.vram))
        mec = product.chip.mec[series]
        boards._write(folder / "fw_version/mec_fw_version", f"0x{mec:08x}")
        index = sum(node.group == "video" for node in nodes)
        nodes += boards._write_drm(host.root, folder, index)
        gpus.append(boards._Gpu(product, bdf, index, True, mec))
    host.write("/proc/sys/kernel/osrelease", f"{case.kernel}\n")
    if nodes:
        for name, text in (("initstate", "live"), ("taint", ""), ("refcnt", "0")):
            host.write(f"/sys/module/amdgpu/{name}", f"{text}\n")
        nodes.insert(0, boards._write_topology(host.root, series, gpus))
        ids = [0x1233 + number for number in range(1, len(gpus) + 1)]
        host.answers["kfd"] = {
            "open": {"known": True, "ok": True, "errno": None, "error": ""},
            "ioctl_version": IOCTLS[series], "apertures": ids, "ioctl_error": "",
        }  # fmt: skip
    else:
        error = "ENOENT (No such file or directory)"
        host.answers["kfd"] = {
            "open": {"known": True, "ok": False, "errno": "ENOENT", "error": error},
            "ioctl_version": None, "apertures": None, "ioctl_error": "",
        }  # fmt: skip
    for node in nodes:
        host.node(node.path, "char", node.mode, groups[node.group], node.major << 8 | node.minor)


def _product(device: str, wanted: Mapping[str, Any]) -> boards.Product:
    # Most that nobody put into a slot are a processor's own graphics.
    product = CHIPS.get(device) or replace(boards.RENOIR_IGPU, device=int(device, 16))
    if "revision" in wanted:
        product = replace(product, revision=int(str(wanted["revision"]), 16))
    if "subsystem" in wanted:
        vendor, _colon, board = str(wanted["subsystem"]).partition(":")
        product = replace(product, subsystem=(int(vendor, 16), int(board, 16)))
    return product


def _kernels(host: Host, case: Case) -> None:
    for release in dict.fromkeys([*(case.data.get("kernels") or ()), case.kernel]):
        place = "/lib/modules/" + release
        path = f"{place}/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko" + (".xz" if case.base == "trixie" else "")
        host.write(f"{place}/modules.dep", f"{path.removeprefix(f'{place}/')}: \n")
        host.write(path)
        for name in ("vmlinuz", "initrd.img", "config"):
            host.write(f"/boot/{name}-{release}")
        host.answers[f"modinfo {path}"] = {
            "version": None, "srcversion": None, "vermagic": f"{release} SMP preempt mod_unload modversions ",
            "signed": True, "signer": "Debian Secure Boot CA",
        }  # fmt: skip
    host.write("/proc/cmdline", f"BOOT_IMAGE=/boot/vmlinuz-{case.kernel} root=/dev/sda1 ro quiet\n")
    host.write("/proc/version", f"Linux version {case.kernel} (debian-kernel@lists.debian.org)\n")


def _system(host: Host, groups: Mapping[str, int]) -> None:
    host.write("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nlab:x:1000:1000:Lab,,,:/home/lab:/bin/bash\n")
    members = {"sudo": "lab", "video": "lab", "render": "lab"}
    host.write("/etc/group", "".join(f"{name}:x:{gid}:{members.get(name, '')}\n" for name, gid in groups.items()))
    host.write("/etc/hostname", "host1\n")
    host.write("/etc/fstab", "/dev/sda1 / ext4 errors=remount-ro 0 1\n")
    mounts = "/dev/sda1 / ext4 rw,relatime,errors=remount-ro 0 0\nproc /proc proc rw,nosuid 0 0\n"
    host.write("/proc/mounts", f"{mounts}sysfs /sys sysfs rw,nosuid 0 0\n")
    host.write("/proc/1/comm", "systemd\n")
    host.write("/proc/meminfo", MEMORY)
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    for name in ("tcp", "tcp6"):
        host.write(f"/proc/net/{name}", head)
    for path in ("/run/systemd/system", "/home/lab", "/srv", "/tmp", "/var/tmp", "/root", "/usr/lib/systemd/system"):
        host.where(path).mkdir(parents=True, exist_ok=True)
    host.stat["/tmp"] = {"mode": "1777"}


def _packages(host: Host, case: Case, firmware: str) -> None:
    kernels = [f"linux-image-{name}" for name in case.data.get("kernels") or [case.kernel]]
    found: dict[str, Any] = dict.fromkeys([*PACKAGES, *kernels], "install ok installed")
    if firmware == "present":
        found["firmware-amd-graphics"] = "install ok installed 20230210-5"
    found |= case.data.get("dpkg") or {}
    stanzas = []
    for name, said in sorted(found.items()):
        if said is None:
            continue
        fields = {"Package": name, **_fields(said), "Architecture": "amd64"}
        if not fields["Status"].endswith(("not-installed", "config-files")):
            host.write(f"/var/lib/dpkg/info/{name}.list", "/.\n")
        stanzas.append("".join(f"{key}: {value}\n" for key, value in fields.items()))
    host.write("/var/lib/dpkg/status", "\n".join(stanzas))
    host.where("/var/lib/dpkg/updates").mkdir()


def _fields(said: Any) -> dict[str, str]:
    """Of `install ok installed`, `install ok installed 1.2-3`, or {status: ..., version: ..., Depends: ...}."""
    if isinstance(said, Mapping):
        return {"Status": "install ok installed", "Version": "1.0"} | {str(k).title(): str(v) for k, v in said.items()}
    words = str(said).split()
    return {"Status": " ".join(words[:3]), "Version": words[3] if len(words) > 3 else "1.0"}


def _firmware(host: Host) -> None:
    """Debian's files for Navi 10 and 14, of which the header alone counts."""
    for chip, mec in (("navi14", 146), ("navi10", 151)):
        for part in FIRMWARE:
            header = struct.pack("<IIHHHHII", 4096, 32, 1, 0, 10, 1, mec if part.startswith("mec") else 1, 2048)
            where = host.where(f"/lib/firmware/amdgpu/{chip}_{part}.bin")
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(header)


def _space(host: Host, case: Case) -> None:
    """What statvfs(2) says of each directory, and of those that settings and daemon.json name."""
    free = {"/": 200000, **(case.data.get("free_mib") or {})}
    places = set(free) | {
        "/" + where.relative_to(host.root).as_posix() for where in host.root.rglob("*") if where.is_dir()
    }
    places |= {"/home/lab/dockerx", "/var/lib/docker", "/var/lib/containerd", "/var/lib/dkms", "/srv/docker", "/v"}
    texts = json.dumps([case.settings, case.data.get("files") or {}])
    places |= {posixpath.normpath(path) for path in re.findall(r"(?<![\w/.~-])(/[\w./-]+)", texts)}
    places |= {f"/home/lab/{path}" for path in re.findall(r"\"~/([\w./-]+)", texts)}
    for path in sorted(places):
        if path.startswith(("/sys/", "/proc/")):
            continue
        seen = path
        while not host.where(seen).is_dir():
            seen = posixpath.dirname(seen)
        device = max((mount for mount in free if f"{path}/".startswith(f"{mount.rstrip('/')}/")), key=len)
        host.answers[f"statvfs {path}"] = {
            "path_seen": seen, "total_mib": free[device] + 40000, "free_mib": free[device], "read_only": False,
        }  # fmt: skip


def below(folder: Path) -> list[Path]:
    """What a folder has, sorted, links as they are: rglob of Python 3.12 and later goes through some of them."""
    found = os.walk(folder) if not folder.is_symlink() else ()
    return sorted(Path(where, name) for where, folders, files in found for name in (*folders, *files))


def pack(folder: Path, archive: Path) -> Path:
    """A recording's archive, as `navilab record` writes it."""
    with tarfile.open(archive, "w:gz") as tar:
        for path in [folder / "recording.json", *below(folder / "root")]:
            entry = cast("tarfile.TarInfo | None", tar.gettarinfo(path, path.relative_to(folder).as_posix()))
            if entry is None:  # a socket
                continue
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mtime = 0
            tar.addfile(entry, io.BytesIO(path.read_bytes()) if entry.isreg() else None)
    return archive


# -- what is judged of it ------------------------------------------------------------------------------------------


def _read(settings: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[Any]]:
    """The roles' variables under these settings, and what is wrong with them."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar
    from ansible_collections.navilab.webui.plugins.plugin_utils import _variables

    templar = Templar(loader=DataLoader(), variables={"inventory_hostname": "host1", **_variables.DEFAULTS, **settings})
    read, problems = _variables.read(_variables.KNOWN, dict(settings), templar.template)
    read["_common"]["lab"] = {}
    return read, problems


def _wants(read: dict[str, dict[str, Any]]) -> dict[str, Any]:
    from ansible_collections.navilab.webui.plugins.plugin_utils import _fresh
    from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS

    return {"probe_images": False, **_fresh.unite(step.wants(step.settings(read)) for step in STEPS.values())}


def wants(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What all steps together want to be gathered."""
    return _wants(_read(settings)[0])


def judge(recording: Path) -> Verdict:
    """What the action plan says of a recording, in this process: quick, for somebody who writes a case.

    The tests ask `navilab plan --recorded` and `verify --recorded`.
    """
    from ansible_collections.navilab.webui.plugins.module_utils._answers import answer
    from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
    from ansible_collections.navilab.webui.plugins.plugin_utils import _answers
    from ansible_collections.navilab.webui.plugins.plugin_utils._recorded import Recorded
    from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS

    read, problems = _read(Recorded(str(recording), str(recording), "").settings)
    found = {check["id"]: _words(check) for check in problems}
    if problems:
        return Verdict(found, [], [], {})
    wanted = {name: step.settings(read) for name, step in STEPS.items()}
    asked = _wants(read)
    facts = gather(root=str(recording), **asked)
    plans: dict[str, Any] = {name: step.plan(facts, wanted[name]) for name, step in STEPS.items()}
    questions = _answers.questions(plans, facts)
    if questions:
        more = {"registry_ca": asked.get("registry_ca", ""), "docker_config": facts["docker"]["config"]}
        facts = _answers.learn(facts, json.loads(json.dumps(answer(root=str(recording), **questions, **more))))
        plans = {name: step.plan(facts, wanted[name]) for name, step in STEPS.items()}
    for plan in plans.values():
        found |= {check["id"]: _words(check) for check in plan["problems"]}
    return Verdict(
        found,
        [f"{name}: {text}" for name, plan in plans.items() for text in plan["actions"]],
        [f"{name}: {text}" for name, plan in plans.items() for text in plan["warnings"]],
        {check["id"]: dict(check) for check in plans["verify"]["checks"]},
    )


def verdict(planned: Mapping[str, Any], verified: Mapping[str, Any]) -> Verdict:
    """The same of a host in the JSON documents of `navilab plan` and `navilab verify`."""
    plans: Mapping[str, Any] = planned["plans"]
    return Verdict(
        {check["id"]: _words(check) for failure in planned["failures"] for check in failure["checks"]}
        | {failure["step"]: failure["message"] for failure in planned["failures"] if not failure["checks"]},
        [f"{name}: {text}" for name, plan in plans.items() for text in plan["actions"]],
        [f"{name}: {text}" for name, plan in plans.items() for text in plan["warnings"]],
        {check["id"]: dict(check) for check in verified["checks"]},
    )


def _words(check: Mapping[str, Any]) -> str:
    return f"{check['evidence']}. Remedy: {check['remedy']}"


def wrong(right: Right | None, verdict: Verdict) -> list[str]:
    """What of a verdict is not as it should be, a sentence each."""
    if right is None:
        return []
    return [*_wrong_problems(right, verdict), *_wrong_sentences(right, verdict), *_wrong_checks(right, verdict)]


def _wrong_problems(right: Right, verdict: Verdict) -> Iterator[str]:
    wanted = right.get("problems") or {}
    for name in sorted(wanted.keys() - verdict.problems.keys()):
        yield f"problem {name} is missing; there are: {', '.join(verdict.problems) or 'none'}"
    for name in sorted(verdict.problems.keys() - wanted.keys()):
        yield f"problem {name} should not be: {verdict.problems[name]}"
    for name in sorted(wanted.keys() & verdict.problems.keys()):
        if not re.search(wanted[name], verdict.problems[name]):
            yield f"problem {name} does not match {wanted[name]!r}: {verdict.problems[name]}"


def _wrong_sentences(right: Right, verdict: Verdict) -> Iterator[str]:
    if right.get("problems"):  # a failed host has no plan
        return
    asked = (
        ("action", right.get("actions"), right.get("no_actions"), verdict.actions),
        ("warning", right.get("warnings"), right.get("no_warnings"), verdict.warnings),
    )
    for kind, wanted, unwanted, said in asked:
        for pattern in wanted or ():
            if not any(re.search(pattern, text) for text in said):
                yield f"no {kind} matches {pattern!r}; there are: {said}"
        for pattern in unwanted or ():
            yield from (f"{kind} should not be ({pattern!r}): {text}" for text in said if re.search(pattern, text))


def _wrong_checks(right: Right, verdict: Verdict) -> Iterator[str]:
    for name, wanted in (right.get("checks") or {}).items():
        status, says = (wanted, "") if isinstance(wanted, str) else (wanted.get("status"), wanted.get("says", ""))
        check = verdict.checks.get(name)
        if check is None:
            yield f"check {name} is missing"
            continue
        text = " ".join(str(check[key]) for key in ("evidence", "remedy", "note", "reason") if check[key])
        if status and check["status"] != status:
            yield f"check {name} is {check['status']}, not {status}: {text}"
        elif not re.search(says, text):
            yield f"check {name} does not match {says!r}: {text}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="write archives there instead")
    parser.add_argument("cases", nargs="+", type=Path)
    arguments = parser.parse_args()
    from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

    _AnsibleCollectionFinder(paths=[str(ROOT / "collections")])._install()
    failed = 0
    for path in arguments.cases:
        case = load(path)
        with tempfile.TemporaryDirectory() as scratch:
            folder = build(case, Path(scratch, case.name))
            if arguments.output:
                arguments.output.mkdir(parents=True, exist_ok=True)
                print(pack(folder, arguments.output / f"{case.name}.tar.gz"))
                continue
            verdict = judge(folder)
        print(f"== {case.name}: {case.data.get('about', '')}")
        for name, text in verdict.problems.items():
            print(f"  problem {name}: {text}")
        for kind, sentences in (("action", verdict.actions), ("warning", verdict.warnings)):
            for text in sentences:
                print(f"  {kind} {text}")
        for name, check in verdict.checks.items():
            print(f"  check {name} {check['status']}: {check['evidence']} {check['note']} {check['reason']}".rstrip())
        bad = wrong(case.right, verdict)
        failed += bool(bad)
        for text in bad:
            print(f"  WRONG {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
