"""Lab hosts: containers that boot systemd, are reached by ssh, show a simulated board and can run Docker themselves."""

from __future__ import annotations

import io
import ipaddress
import json
import re
import socket
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, NotFound

from . import boards, images
from ._common import (
    LABEL,
    LABEL_BOARD,
    LABEL_FOLDER,
    LABEL_HOST,
    LABEL_RECIPE,
    LABEL_ROLE,
    LABEL_SUITE,
    Lab,
    LabError,
    say,
    tree_digest,
)

# What /proc/sys/kernel/osrelease shows.
KERNELS = {"bullseye": boards.KERNELS["5.10"], "bookworm": boards.KERNELS["6.1"], "trixie": boards.KERNELS["6.12"]}
FILES = "/usr/local/lib/navilab-lab"  # where lab-init finds the board
BOOT_SECONDS = 120
MTIME = 1 << 30  # of what the lab puts in: the same content is the same archive
FIRST_HOST = 11  # host part of the first lab host's address; the registry has 2

# Enough for systemd and a Docker Engine inside. SYS_RESOURCE is missing on machines that are containers themselves;
# modules and the clock are the machine's. Not --privileged: that would also show the machine's own devices.
CONTAINER: dict[str, Any] = {
    "CapAdd": ["ALL"],
    "CapDrop": ["SYS_RESOURCE", "SYS_MODULE", "SYS_TIME"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "DeviceCgroupRules": ["a *:* rwm"],
    "CgroupnsMode": "private",
    "Tmpfs": {"/run": "exec", "/run/lock": "", "/sys/fs/cgroup": ""},
    # The engine's own list without /proc/sys: Docker inside writes to its network part. (The CLI knows all or nothing.)
    "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sysrq-trigger"],
    "RestartPolicy": {"Name": "unless-stopped"},  # `reboot` inside comes back, as on a real host
}
ENVIRONMENT = {
    "container": "docker",
    "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1",
}  # the latter: systemd 256+ on cgroup v1
STOP_SIGNAL = "SIGRTMIN+3"  # systemd: halt
VOLUMES = ("/var/lib/docker",)  # anonymous, removed with the container: overlay2 needs a real file system below it


@dataclass(frozen=True)
class Host:
    """What a user asks for: `NAME=SUITE:BOARD`, a container or a virtual machine (driver `qemu`, see vms)."""

    name: str
    suite: str
    board: str
    driver: str = "container"

    @classmethod
    def parse(cls, text: str, driver: str = "container") -> Host:
        match = re.fullmatch(r"(?:([a-z0-9][a-z0-9-]{0,40})=)?([a-z]+):([a-z0-9.-]+)", text)
        if not match:
            raise LabError(f"--host {text}: not NAME=SUITE:BOARD", "for example --host extra=bookworm:two-boards")
        suite, board = match[2], match[3]
        if suite not in images.SUITES:
            raise LabError(f"--host {text}: no suite {suite}", f"known: {', '.join(images.SUITES)}")
        if board not in boards.BOARDS:
            raise LabError(f"--host {text}: no board {board}", f"known: {', '.join(boards.BOARDS)}")
        name = match[1] or suite
        if name == "registry":
            raise LabError(f"--host {text}: that is the name of the lab's registry", "take another NAME")
        return cls(name, suite, board, driver)


DEFAULT = (
    Host("bookworm", "bookworm", "rx5500xt-8g"),
    Host("bullseye", "bullseye", "rx5500xt-4g"),
    Host("trixie", "trixie", "rx5700xt"),
)


@dataclass(frozen=True)
class Running:
    """A host of the lab as the engine knows it, or a virtual machine as its process is."""

    id: str
    name: str  # <lab>-<host>, as Ansible and the host itself have it
    host: Host
    state: str  # created | running | exited | ...
    address: str
    recipe: str
    port: int = 22


def ensure_network(client: docker.DockerClient, lab: Lab) -> ipaddress.IPv4Network:
    """The lab's own network; the first 10.213.N.0/24 that neither the engine nor the machine uses."""
    name = lab.network
    networks = client.api.networks()
    taken = _routes()
    for network in networks:
        ranges = [
            ipaddress.ip_network(each["Subnet"])
            for each in network["IPAM"]["Config"] or []
            if ":" not in each["Subnet"]
        ]
        if network["Name"] == name:
            if network["Labels"].get(LABEL) != lab.key:
                raise LabError(
                    f"a Docker network {name} exists that is not this lab's", "remove it, or take another --name"
                )
            return ipaddress.IPv4Network(ranges[0])
        taken += [ipaddress.IPv4Network(each) for each in ranges]
    for subnet in ipaddress.IPv4Network("10.213.0.0/16").subnets(new_prefix=24):
        if any(subnet.overlaps(each) for each in taken):
            continue
        ipam = {"Config": [{"Subnet": str(subnet)}]}
        try:
            client.api.create_network(name, driver="bridge", ipam=ipam, labels={LABEL: lab.key}, check_duplicate=True)
        except APIError as error:
            if "overlap" in str(error.explanation).lower():
                continue
            raise
        return subnet
    raise LabError(
        "no free range in 10.213.0.0/16 for the lab's network", "docker network prune, or take down other labs"
    )


def _routes() -> list[ipaddress.IPv4Network]:
    """The machine's own networks, the default route left out."""
    found = []
    try:
        lines = Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    for line in lines:
        _, target, _, _, _, _, _, mask = line.split()[:8]
        address, netmask = (ipaddress.IPv4Address(bytes.fromhex(word)[::-1]) for word in (target, mask))
        if int(netmask):
            found.append(ipaddress.IPv4Network(f"{address}/{netmask}", strict=False))
    return found


def running(client: docker.DockerClient, lab: Lab) -> list[Running]:
    """Every host of the lab that exists, up or not, by name."""
    found = []
    for each in client.api.containers(all=True, filters={"label": [f"{LABEL}={lab.key}", f"{LABEL_ROLE}=host"]}):
        labels = each["Labels"]
        endpoint = each["NetworkSettings"]["Networks"].get(lab.network, {})
        address = (endpoint.get("IPAMConfig") or {}).get("IPv4Address") or endpoint.get("IPAddress", "")
        host = Host(labels[LABEL_HOST], labels[LABEL_SUITE], labels[LABEL_BOARD])
        recipe = labels.get(LABEL_RECIPE, "")
        found.append(Running(each["Id"], lab.host(host.name), host, each["State"], address, recipe))
    return sorted(found, key=lambda one: one.name)


def addresses(lab_net: ipaddress.IPv4Network, present: Iterable[Running], wanted: Iterable[Host]) -> dict[str, str]:
    """host name -> address: a host that exists keeps its own, a new one gets the lowest that is free."""
    result = {each.host.name: each.address for each in present if each.address}
    pool = (str(lab_net[number]) for number in range(FIRST_HOST, lab_net.num_addresses - 1))
    free = (address for address in pool if address not in set(result.values()))
    for host in wanted:
        if host.name not in result:
            result[host.name] = next(free)
    return result


def ensure(client: docker.DockerClient, lab: Lab, host: Host, address: str, login: str, host_key: Path) -> str:
    """One host, up and reached by ssh; says what was done: kept, started, made or remade."""
    name = lab.container(host.name)
    with tempfile.TemporaryDirectory(prefix="navilab-") as folder:
        # 1. What it is made of, and whether what exists was made of the same.
        root = Path(folder)
        nodes = boards.write_tree(root / "board", host.board, KERNELS[host.suite])
        (root / "nodes").write_text(
            "".join(f"{n.path} {n.mode} {n.major} {n.minor} {n.group}\n" for n in nodes), encoding="ascii"
        )
        image = images.image_id(client, images.base_tag(host.suite))
        config = json.dumps([CONTAINER, ENVIRONMENT, VOLUMES, STOP_SIGNAL, address], sort_keys=True)
        recipe = tree_digest(image, config, login, host_key.read_text(encoding="ascii"), root)
        container = _inspect(client, name)
        done = "kept"
        if container is not None:
            labels = container["Config"]["Labels"] or {}
            if labels.get(LABEL) != lab.key:
                raise LabError(f"a container {name} exists that is not this lab's", "remove it, or take another --name")
            if labels.get(LABEL_RECIPE) != recipe:
                say(f"{name}: its recipe has changed, making it again")
                client.api.remove_container(container["Id"], v=True, force=True)
                container, done = None, "remade"

        # 2. Made. Its files go in before each first start, so a kill in between leaves nothing half done.
        if container is None:
            done = "made" if done == "kept" else done
            labels = {
                LABEL: lab.key, LABEL_FOLDER: str(host_key.parent), LABEL_ROLE: "host", LABEL_RECIPE: recipe,
                LABEL_HOST: host.name, LABEL_SUITE: host.suite, LABEL_BOARD: host.board,
            }  # fmt: skip
            client.api.create_container(
                image, name=name, hostname=lab.host(host.name), labels=labels, environment=ENVIRONMENT,
                volumes=list(VOLUMES), stop_signal=STOP_SIGNAL,
                host_config={**CONTAINER, "NetworkMode": lab.network},
                networking_config={"EndpointsConfig": {lab.network: {"IPAMConfig": {"IPv4Address": address}}}},
            )  # fmt: skip
            container = client.api.inspect_container(name)
        if container["State"]["Status"] == "created":
            client.api.put_archive(container["Id"], "/", archive(root, login, host_key))
        if not container["State"]["Running"]:
            done = "started" if done == "kept" else done
            client.api.start(container["Id"])

    # 3. Up.
    state = _booted(client, name)
    if not greets(address, 22, 30):
        raise LabError(
            f"{name} can't be reached by ssh at {address}",
            "the engine must run on this machine, and no firewall or VPN may take 10.213.0.0/16",
        )
    if state != "running":
        failed = _exec(client, name, "systemctl", "list-units", "--failed", "--plain", "--no-legend").split("\n")
        say(f"{name}: systemd is {state}: {', '.join(line.split()[0] for line in failed if line.strip())}")
    return done


def remove(client: docker.DockerClient, lab: Lab) -> list[str]:
    """Every container of the lab with its volumes, and its network; their names."""
    removed = []
    for each in client.api.containers(all=True, filters={"label": f"{LABEL}={lab.key}"}):
        client.api.remove_container(each["Id"], v=True, force=True)
        removed.append(each["Names"][0].lstrip("/"))
    for network in client.api.networks(filters={"label": f"{LABEL}={lab.key}"}):
        client.api.remove_network(network["Id"])
        removed.append(f"network {network['Name']}")
    return sorted(removed)


def archive(root: Path, login: str, host_key: Path, texts: Mapping[str, str] | None = None) -> bytes:
    """A tar of what makes this host itself: its board, its ssh host key, who may log in, and further texts by path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:

        def owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.uid, info.gid, info.mtime = 0, 0, MTIME
            info.uname = info.gname = ""
            return info

        def put(path: str, mode: int, text: str, owner: int = 0) -> None:
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.uid, info.gid, info.mtime = len(text), mode, owner, owner, MTIME
            tar.addfile(info, io.BytesIO(text.encode("ascii")))

        tar.add(root, arcname=FILES.lstrip("/"), filter=owned_by_root)
        home = tarfile.TarInfo("home/lab/.ssh")
        home.type, home.mode, home.uid, home.gid = tarfile.DIRTYPE, 0o700, 1000, 1000
        tar.addfile(home)
        put("home/lab/.ssh/authorized_keys", 0o600, login, 1000)
        put("etc/ssh/ssh_host_ed25519_key", 0o600, host_key.read_text(encoding="ascii"))
        for path, text in (texts or {}).items():
            put(path, 0o644, text)
    return buffer.getvalue()


def _inspect(client: docker.DockerClient, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.api.inspect_container(name)
    except NotFound:
        return None
    return found


def _exec(client: docker.DockerClient, name: str, *command: str) -> str:
    return str(
        client.api.exec_start(client.api.exec_create(name, list(command))["Id"]).decode(errors="replace")
    ).strip()


def _booted(client: docker.DockerClient, name: str) -> str:
    """Waits for systemd; `running`, or `degraded` with failed units."""
    end = time.monotonic() + BOOT_SECONDS
    state = ""
    while time.monotonic() < end:
        try:
            state = _exec(client, name, "systemctl", "is-system-running").split("\n")[-1]
        except APIError as error:  # it has ended again
            state = str(error.explanation)
        if state in ("running", "degraded"):
            return state
        if not client.api.inspect_container(name)["State"]["Running"]:
            log = client.api.logs(name, tail=5).decode(errors="replace")
            raise LabError(
                f"{name} does not boot: {log.strip()}", "the engine must run as root and may not be rootless"
            )
        time.sleep(0.3)
    raise LabError(
        f"{name}: systemd is still {state!r} after {BOOT_SECONDS} s", f"docker exec {name} systemctl list-jobs"
    )


def greets(address: str, port: int, seconds: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """Waits until sshd greets from here; False after that time, or once the host is no longer alive."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        try:
            with socket.create_connection((address, port), timeout=3) as connection:
                connection.settimeout(10)
                if connection.recv(4) == b"SSH-":
                    return True
        except OSError:
            pass
        time.sleep(0.2)
    return False
