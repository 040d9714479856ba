"""`navilab lab ...`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from navilab import lab

FAILED = 1


def add_parser(subparsers: Any) -> None:
    """Hang `lab` and its commands into the driver's parser."""
    purpose = "the embedded lab: Debian machines with simulated boards, in containers"
    top = subparsers.add_parser("lab", help=purpose, description=purpose)
    commands = top.hold_commands()

    def command(name: str, handler: Any, purpose: str) -> Any:
        parser = commands.add_parser(name, help=purpose, description=purpose)
        parser.set_defaults(run=lambda arguments: _guarded(handler, arguments))
        if name != "prepare":
            parser.add_argument(
                "--name", default="sim", help="of the lab; several can be up side by side (default: sim)"
            )
        return parser

    up = command("up", _up, "bring the lab up, or what is missing of it")
    up.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME=SUITE:BOARD",
        help="one more host, e.g. extra=bookworm:two-boards",
    )
    drivers = {"choices": ["container", "qemu"], "default": "container"}
    up.add_argument(
        "--driver", **drivers, help="qemu: virtual machines, with a kernel of their own (default: container)"
    )
    up.add_argument("--only", action="store_true", help="just these hosts, not the default three")
    up.add_argument(
        "--inventory", type=Path, metavar="FILE", help="where to write the inventory (default: inventory/sim/hosts.yml)"
    )
    up.add_argument(
        "--webui",
        default=lab.STANDIN,
        metavar="standin|real|small|built|built-small|IMAGE",
        help="what the lab's registry serves as the webui; real: the webui itself on the CPU, built here; "
        "small: a stand-in that the image role builds, where there are no sources of the real one; "
        "built: none, the hosts build their own; built-small: that, too, and small",
    )
    up.add_argument(
        "--mirrors",
        type=Path,
        metavar="DIR",
        help="with real: git bundles to build from (default: ../shared/mirrors if it is there, else upstream)",
    )
    up.add_argument("--site", action="store_true", help="run `navilab site` on it afterwards")
    down = command("down", _down, "take the lab away, with all that it made")
    down.add_argument("--images", action="store_true", help="the cached base images too")
    status = command("status", _status, "show what is up")
    status.add_argument("--json", action="store_true", help="as JSON")
    prepare = command(
        "prepare", _prepare, "make sure of the Docker Engine and the images, the slow part of a first `up`"
    )
    prepare.add_argument("--driver", **drivers, help="of the `up` to prepare for")
    ssh = command("ssh", _ssh, "log in to a host, or run a command there")
    ssh.add_argument("host", help="e.g. bookworm or sim-bookworm")
    ssh.add_argument("command", nargs=argparse.REMAINDER, help="to run instead of a shell")


def _guarded(handler: Any, arguments: argparse.Namespace) -> int:
    try:
        return int(handler(arguments))
    except lab.LabError as error:
        print(f"navilab lab: {error}", file=sys.stderr)
        return FAILED


def _up(arguments: argparse.Namespace) -> int:
    from navilab.lab.hosts import Host

    hosts = [Host.parse(text, arguments.driver) for text in arguments.host]
    inventory = lab.up(
        arguments.name, hosts, only=arguments.only, driver=arguments.driver,
        inventory=arguments.inventory, webui=arguments.webui, mirrors=arguments.mirrors,
    )  # fmt: skip
    if not arguments.site:
        return 0
    from navilab.cli import main

    return main(["site", "--inventory", str(inventory)])


def _down(arguments: argparse.Namespace) -> int:
    lab.down(arguments.name, remove_images=arguments.images)
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    lab.prepare(arguments.driver)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    state = lab.status(arguments.name)
    if arguments.json:
        import json

        print(json.dumps(state, indent=2))
        return 0
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"lab {state['lab']} of {state['checkout']}: Docker Engine {state['engine'] or 'does not answer'}, "
        f"image {state['image'] or 'none'}"
    )
    if state["hosts"]:
        table = Table(*state["hosts"][0], box=box.SIMPLE if console.is_terminal else None, pad_edge=False)
        for host in state["hosts"]:
            table.add_row(*host.values())
        console.print(table)
        console.print(f"inventory: {state['inventory'] or 'none; ./navilab lab up'}")
    else:
        console.print("no hosts; ./navilab lab up")
    return 0


def _ssh(arguments: argparse.Namespace) -> int:
    command = [*lab.ssh_command(arguments.name, arguments.host), *arguments.command]
    os.execvp(command[0], command)  # noqa: S606 - this process is done
