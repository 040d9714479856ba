"""Lab hosts with a kernel of their own: virtual machines in QEMU, as an ordinary user's processes.

Each has a folder below the lab's: `disk.img` (its own copy of the suite's image), `seed.tar` (its second disk: keys,
names, board), `vm.json` (what it is), `console.log`, and `pid` while it runs. The network is QEMU's user-mode one: ssh
comes in by a port of loopback, and what this machine reaches, the lab's registry included, the guest reaches too.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from . import boards, disks, engine, hosts
from ._common import Lab, LabError, say, ssh_words, tree_digest, which
from .hosts import Host, Running

QEMU = "qemu-system-x86_64"
ADDRESS = "127.0.0.1"
MEMORY_MIB = 3072
BOOT_SECONDS = 900  # emulated, on a machine that has much else to do
KVM_SECONDS = 60  # with KVM a guest is up in ten
SEED_BYTES = 4 << 20  # the guest knows the second disk by its size, which stays
FILES = hosts.FILES.lstrip("/")
DEFAULT = (Host("vm", "bookworm", "rx5500xt-8g", "qemu"),)


def running(lab: Lab) -> list[Running]:
    """Every virtual machine of the lab, up or not, by name."""
    found = []
    for path in sorted((lab.folder / "vm").glob("*/vm.json")):
        known = json.loads(path.read_text(encoding="ascii"))
        host = Host(path.parent.name, known["suite"], known["board"], "qemu")
        pid = _pid(path.parent)
        state = f"running, {known['accel']}" if pid else "exited"
        found.append(Running(str(pid or ""), lab.host(host.name), host, state, ADDRESS, known["recipe"], known["port"]))
    return found


def ensure(lab: Lab, host: Host, login: str, names: dict[str, str]) -> str:
    """One machine, up and reached by ssh; says what was done. `names` are more lines of its hosts file.

    Another board is shown to the machine as it runs.
    """
    folder = lab.folder
    place = folder / "vm" / host.name
    known = _read(place)
    if not which(QEMU):
        engine.install(["qemu-system-x86"])
    recipe = tree_digest(disks.recipe(host.suite), login, (folder / "host_ed25519").read_text(encoding="ascii"))
    done = "kept" if known.get("recipe") == recipe else "remade" if known else "made"
    if done != "kept":
        _remove(place)
        image = disks.ensure(host.suite)
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", image, place / "disk.img"], check=True)
        known = {"suite": host.suite, "recipe": recipe, "port": 0, "accel": "kvm" if _may_use_kvm() else "tcg"}
    seed = _seed(lab.host(host.name), host, folder, login, names)
    shown = place / "seed.tar"
    switched = done == "kept" and shown.read_bytes() != seed
    with shown.open("r+b" if shown.exists() else "wb") as disk:
        disk.write(seed)
    known["board"] = host.board
    _write(place, known)

    if _pid(place) is None:
        done = "started" if done == "kept" else done
        _start(lab, host, known)
    elif switched:
        done = f"kept, board {host.board}"
        _ssh(folder, host, known, "sudo systemctl restart lab-board")
    else:
        _wait(place, known["port"], BOOT_SECONDS)
    return done


def remove(folder: Path) -> list[str]:
    """Every virtual machine of the lab with its disks; their names."""
    places = sorted((folder / "vm").glob("*"))
    for place in places:
        _remove(place)
    return [f"{folder.name}-{place.name}" for place in places]


def _seed(name: str, host: Host, folder: Path, login: str, names: dict[str, str]) -> bytes:
    """The second disk. Where the firmware is missing when the driver starts, the board is the `unbound` one."""
    lines = ["127.0.0.1 localhost", f"127.0.1.1 {name}", *(f"{address} {other}" for address, other in names.items())]
    texts = {"etc/hostname": f"{name}\n", "etc/hosts": "\n".join([*lines, ""])}
    with tempfile.TemporaryDirectory(prefix="navilab-") as scratch:
        root = Path(scratch)
        if boards.BOARDS[host.board].boards:
            kernel = hosts.KERNELS[host.suite]
            boards.write_tree(root / "board", host.board, kernel)
            boards.write_tree(root / "unbound", host.board, kernel, firmware=False)
            texts[f"{FILES}/firmware"] = f"{boards.firmware(host.board)}\n"
        data = hosts.archive(root, login, folder / "host_ed25519", texts)
    return data.ljust(SEED_BYTES, b"\0")


def _start(lab: Lab, host: Host, known: dict[str, Any]) -> None:
    """Starts QEMU and waits for ssh. A KVM that does not boot the guest is given up for good."""
    name, place = lab.host(host.name), lab.folder / "vm" / host.name
    while True:
        with socket.socket() as probe:
            probe.bind((ADDRESS, 0))
            known["port"] = probe.getsockname()[1]
        _write(place, known)
        started = subprocess.run(
            _command(name, place, known), cwd=place,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        kvm = known["accel"] == "kvm"
        if started.returncode == 0:
            say(f"{name}: booting Debian {host.suite} ({'KVM' if kvm else 'emulated, it takes a minute'})")
            try:
                _wait(place, known["port"], KVM_SECONDS if kvm else BOOT_SECONDS)
                return
            except LabError:
                if not kvm:
                    raise
                _stop(place)
        elif not kvm:
            raise LabError(f"{name}: QEMU does not start: {started.stderr.strip()}", "put that right")
        say(f"{name}: KVM does not boot it here, emulating the processor")
        known["accel"] = "tcg"
        (disks.cache() / "no-kvm").touch()


def _command(name: str, place: Path, known: dict[str, Any]) -> list[str]:
    # Without what an emulated processor pays dearly for: a clock that is a device, one more level of page tables.
    accel, processor = ("kvm", "host") if known["accel"] == "kvm" else ("tcg,thread=multi", "max,la57=off")
    disk = "format=raw,if=virtio,cache=unsafe"
    return [
        which(QEMU) or QEMU, "-name", name, "-machine", "pc,hpet=off", "-accel", accel, "-cpu", processor,
        "-smp", "2", "-m", str(MEMORY_MIB),
        "-nodefaults", "-display", "none", "-serial", "file:console.log",
        "-drive", f"file=disk.img,{disk},discard=unmap", "-drive", f"file=seed.tar,{disk},readonly=on",
        "-netdev", f"user,id=net,hostfwd=tcp:{ADDRESS}:{known['port']}-:22",
        "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci",
        "-pidfile", str(place / "pid"), "-daemonize",
    ]  # fmt: skip


def _may_use_kvm() -> bool:
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and not (disks.cache() / "no-kvm").exists()


def _wait(place: Path, port: int, seconds: float) -> None:
    """Until sshd greets. QEMU takes the connection itself, so an early one is closed without a word."""
    if not hosts.greets(ADDRESS, port, seconds, lambda: _pid(place) is not None):
        lines = (place / "console.log").read_text(errors="replace").split("\n")[-5:]
        raise LabError(
            f"{place.name}: no ssh after {seconds:.0f} s; its console ends with: {' / '.join(lines).strip()}",
            f"see {place / 'console.log'}",
        )


def _ssh(folder: Path, host: Host, known: dict[str, Any], command: str) -> None:
    result = subprocess.run(
        [*ssh_words(folder, ADDRESS, known["port"]), command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        raise LabError(f"{host.name}: {command}: {result.stderr.strip()}", "./navilab lab ssh shows more")


def _pid(place: Path) -> int | None:
    """The process of this machine's QEMU while it runs: a number alone may be another's by now."""
    try:
        pid = int((place / "pid").read_text(encoding="ascii"))
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if str(place / "pid").encode() in words else None


def _stop(place: Path) -> None:
    pid = _pid(place)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + 20
    while _pid(place) == pid:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _remove(place: Path) -> None:
    _stop(place)
    shutil.rmtree(place, ignore_errors=True)


def _read(place: Path) -> dict[str, Any]:
    path = place / "vm.json"
    return dict(json.loads(path.read_text(encoding="ascii"))) if path.exists() else {}


def _write(place: Path, known: dict[str, Any]) -> None:
    (place / "vm.json").write_text(json.dumps(known), encoding="ascii")
