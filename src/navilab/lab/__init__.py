"""The embedded lab: Debian machines with simulated boards, in containers, and a registry that serves the webui to them.

    from navilab import lab
    lab.up("sim")          # three hosts; returns the path of the inventory
    lab.status("sim")      # what exists, as plain data
    lab.down("sim")        # nothing is left of it but the cache of base images

Each raises LabError for what a user can put right. Modules are imported inside: every `navilab` command passes here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._common import ROOT, STATE, Lab, LabError

if TYPE_CHECKING:
    from .hosts import Host

__all__ = ["LabError", "down", "prepare", "status", "up"]

STANDIN = "standin"
REAL = "real"
SMALL = "small"
BUILT = "built"
BUILT_SMALL = "built-small"


def prepare(driver: str = "container") -> None:
    """The slow part alone: an engine that answers, and the images; for `qemu` the default machine's disk too."""
    from . import disks, engine, images, vms

    with engine.used(), closing(engine.ensure()) as client, engine.explained():
        images.ensure(client, () if driver == "qemu" else images.SUITES)
    if driver == "qemu":
        for host in vms.DEFAULT:
            disks.ensure(host.suite)


def up(
    name: str = "sim",
    hosts: Iterable[Host] | None = None,
    *,
    only: bool = False,
    driver: str = "container",
    inventory: Path | None = None,
    webui: str = STANDIN,
    mirrors: Path | None = None,
) -> Path:
    """Bring a lab up, or what is missing of it; returns the inventory.

    hosts are added to the default three, or with `only` stand for themselves; hosts that the lab has already stay.
    The default of driver `qemu` is one virtual machine.
    inventory is where to write hosts.yml (default: where it was before, else inventory/sim/hosts.yml for the lab `sim`
    and the lab's own folder for others). webui is `standin`, an image of the Docker Engine to serve in its place, or
    `real`: then the image role builds the webui itself for the CPU, from a folder of mirrors if there is one. `small`
    has it build a stand-in, from sources that are made here: a test of the role where there are no mirrors. With
    `built` the lab serves none: its hosts build their own, as real ones do, and have what `real` is made of, or without
    mirrors `small`; with `built-small` that in any case.
    """
    from concurrent.futures import ThreadPoolExecutor

    from navilab.owner import give_to_owner

    from . import _keys, built, engine, images, real, registry, small, vms
    from . import hosts as machines
    from . import inventory as inventories
    from ._common import lock, say

    _check_name(name)
    lab = Lab(name, folder := STATE / name)
    mine = lock(STATE / f"{name}.lock", f"the lab {name}")
    with mine, engine.used(), closing(engine.ensure()) as client, engine.explained():
        # 1. Who is wanted: what was asked for, and what is there.
        boxes = machines.running(client, lab)
        present = boxes + vms.running(lab)
        default = vms.DEFAULT if driver == "qemu" else machines.DEFAULT
        wanted = {} if only else {host.name: host for host in default}
        wanted |= {each.host.name: each.host for each in present}
        wanted |= {host.name: host for host in hosts or ()}
        if not wanted:
            raise LabError("--only without --host leaves no host", "give at least one --host NAME=SUITE:BOARD")
        containers = [host for host in wanted.values() if host.driver == "container"]
        images.ensure(client, {host.suite for host in containers}, standin=webui == STANDIN)

        # 2. What they share.
        folder.mkdir(parents=True, exist_ok=True)
        login = _keys.ssh_pair(folder / "id_ed25519", f"navilab lab {name}")
        host_public = _keys.ssh_pair(folder / "host_ed25519", f"navilab lab {name} hosts")
        inventories.write_if_new(folder / "models" / "navilab-lab-tiny.safetensors", inventories.tiny_model())
        network = machines.ensure_network(client, lab)
        source = {STANDIN: images.STANDIN, REAL: None, SMALL: None, BUILT: None, BUILT_SMALL: None}.get(webui, webui)
        sources = real.find_mirrors(mirrors) if webui in (REAL, BUILT) else None
        inventories.write_if_new(folder / "known_hosts", inventories.known_hosts(present, host_public))

        # 3. The machines, all at once.
        address = machines.addresses(network, boxes, containers)
        served_at = str(network[2])

        def one(host: Host) -> None:
            if host.driver == "qemu":
                done = vms.ensure(lab, host, login, {served_at: registry.NAME})
            else:
                done = machines.ensure(client, lab, host, address[host.name], login, folder / "host_ed25519")
            where = address.get(host.name, "by QEMU")
            say(f"{lab.host(host.name)}: {done}, Debian {host.suite}, {host.board}, {where}")

        with ThreadPoolExecutor(8) as pool:
            served = pool.submit(registry.ensure, client, lab, served_at, source)
            for job in [pool.submit(one, host) for host in wanted.values()]:
                job.result()
            image = served.result()
        extra: dict[str, Any] = {}
        if webui in (REAL, SMALL):
            if webui == SMALL:
                sources = small.make(folder / SMALL)
                recipe = small.variables(sources)
            else:
                recipe = real.variables(sources) | real.torch_index()
            image = image.with_image(real.publish(image.port, image.registry, recipe))
            extra = real.host_variables(sources)

        if webui in (BUILT, BUILT_SMALL):
            made, recipe = built.make(folder / BUILT, sources)
            for each in containers:
                built.put(client, lab, each.name, made)
            extra = recipe | real.host_variables(sources)

        # 4. What Ansible reads.
        present = machines.running(client, lab) + vms.running(lab)
        inventories.write_if_new(folder / "known_hosts", inventories.known_hosts(present, host_public))
        path = _inventory_path(name, inventory)
        new = inventories.write_if_new(path, inventories.content(present, image, lab, extra))
        inventories.write_if_new(folder / "inventory", f"{path}\n")
        give_to_owner(STATE)
        give_to_owner(path)
        say(f"inventory: {_short(path)}{'' if new else ' (as it was)'}")
    return path


def down(name: str = "sim", *, remove_images: bool = False) -> None:
    """Take a lab away with all that it made: hosts, their volumes, registry, network, keys, inventory.

    The engine is stopped too if the lab started it and nothing else runs in it. Images stay as a cache, unless
    `remove_images` is set.
    """
    from . import disks, engine, hosts, images, vms
    from ._common import lock, say

    _check_name(name)
    folder = STATE / name
    with lock(STATE / f"{name}.lock", f"the lab {name}"), engine.used():
        removed = vms.remove(folder)
        client = engine.connect()
        if client is None:
            if folder.exists():
                raise LabError(
                    "no Docker Engine answers, so the lab's containers can't be removed",
                    "start it, then `./navilab lab down`",
                )
            say(f"lab {name}: not up")
            return
        with closing(client), engine.explained():
            removed += hosts.remove(client, Lab(name, folder))
            count = images.remove_all(client) + disks.remove_all() if remove_images else 0
        path = _inventory_path(name, None)
        path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    (STATE / f"{name}.lock").unlink(missing_ok=True)
    say(f"lab {name}: removed {', '.join(removed)}" if removed else f"lab {name}: not up")
    if remove_images:
        for log in STATE.glob("mmdebstrap-*.log"):
            log.unlink()
        say(f"images: {count} removed")
    stopped = engine.stop_if_ours()
    if stopped:
        say(stopped)


def status(name: str = "sim") -> dict[str, Any]:
    """`{engine, lab, checkout, inventory, image, hosts: [{name, state, suite, board, address}]}`; engine null if none
    answers."""
    import json

    from . import engine, hosts, vms

    _check_name(name)
    client = engine.connect()
    lab = Lab(name, STATE / name)
    machines = vms.running(lab)
    served = STATE / name / "served.json"
    path = _inventory_path(name, None)
    result: dict[str, Any] = {
        "engine": None,
        "lab": name,
        "checkout": str(ROOT),  # another one's lab of this name is another
        "inventory": str(path) if path.exists() else None,
        "image": json.loads(served.read_text(encoding="ascii"))["reference"] if served.exists() else None,
        "hosts": [],
    }
    if client is not None:
        with closing(client), engine.explained():
            result["engine"] = client.version()["Version"]
            machines += hosts.running(client, lab)
    result["hosts"] = [
        {
            "name": one.name,
            "state": one.state,
            "suite": one.host.suite,
            "board": one.host.board,
            "address": one.address if one.port == 22 else f"{one.address}:{one.port}",
        }
        for one in machines
    ]
    return result


def ssh_command(name: str, host: str) -> list[str]:
    """ssh to a host of the lab, by its name in the lab or in the inventory."""
    from ._common import ssh_words

    folder = STATE / name
    full = host if host.startswith(f"{name}-") else f"{name}-{host}"
    known = folder / "known_hosts"
    lines = known.read_text(encoding="ascii").splitlines() if known.exists() else []
    found = dict(line.split()[0].split(",") for line in lines)
    if full not in found:
        raise LabError(f"no host {full} in the lab {name}", f"it has: {', '.join(found) or 'none; ./navilab lab up'}")
    address, _, port = found[full].strip("[").partition("]:")
    return ssh_words(folder, address, int(port or 22))


def _check_name(name: str) -> None:
    import re

    if not re.fullmatch(r"[a-z][a-z0-9]{0,20}", name):
        raise LabError(f"--name {name}: not a name for a lab", "small letters and digits, a letter first")


def _inventory_path(name: str, asked: Path | None) -> Path:
    """As asked, else where it was written before, else the default."""
    memory = STATE / name / "inventory"
    if asked is not None:
        return asked.absolute()
    if memory.exists():
        return Path(memory.read_text(encoding="utf-8").strip())
    return ROOT / "inventory" / "sim" / "hosts.yml" if name == "sim" else STATE / name / "hosts.yml"


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
