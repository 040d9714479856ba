#!/usr/bin/env python3
"""Prints what a provisioned machine shows to its own tools, as JSON; nothing of the collection is used."""

from __future__ import annotations

import grp
import json
import re
import subprocess
from pathlib import Path
from typing import Any

PACKAGES = ("firmware-amd-graphics", "docker.io", "python3-requests")


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def seen() -> dict[str, Any]:
    container = json.loads(run("docker", "inspect", "webui"))[0]
    host, config = container["HostConfig"], container["Config"]
    listening = [line.split()[3] for line in run("ss", "-Hltn").splitlines()]
    # Not what apt has read of it: a first run installs with the lists of its plan and leaves those of the host.
    sources = "\n".join(path.read_text() for path in Path("/etc/apt").glob("sources.list*/*"))
    return {
        "component": len(re.findall(r"(?m)^deb .* non-free(?:-firmware)?\b|^Components: .*non-free", sources)),
        "packages": run("dpkg-query", "-W", "-f", "${Package}=${db:Status-Status}\n", *PACKAGES).split(),
        "firmware": min(Path(f"/lib/firmware/amdgpu/{chip}_mec.bin").stat().st_size for chip in ("navi10", "navi14")),
        "groups": run("id", "-nG", "lab").split(),
        "gids": sorted(str(grp.getgrnam(name).gr_gid) for name in ("render", "video")),
        "daemon": json.loads(Path("/etc/docker/daemon.json").read_text()),
        "enabled": run("systemctl", "is-enabled", "docker").strip(),
        "state": container["State"]["Status"],
        "user": config["User"],
        "image": config["Image"],
        "group_add": sorted(host["GroupAdd"]),
        "devices": sorted(device["PathOnHost"] for device in host["Devices"]),
        "ports": host["PortBindings"],
        "privileged": host["Privileged"],
        "read_only": host["ReadonlyRootfs"],
        "restart": host["RestartPolicy"]["Name"],
        "memory": host["Memory"],
        "listening": [address for address in listening if address.endswith(":7860")],
        "owners": sorted({Path(path).stat().st_uid for path in Path("/home/lab/dockerx").rglob("*")}),
    }


if __name__ == "__main__":
    print(json.dumps(seen()))
