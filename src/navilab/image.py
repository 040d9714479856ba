"""`navilab image inspect`: what an image weighs, by layer and by package, against the original's."""

from __future__ import annotations

import contextlib
import json
import ssl
import sys
import urllib.request
from contextlib import closing
from typing import Any

import docker
from ansible_collections.navilab.webui.plugins.module_utils._escape import clean
from docker.errors import DockerException, ImageNotFound
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

ORIGINAL = {"compressed_mb": 2500, "disk_mb": 10500}
"""What the README of set-soft's image says of itself; megabytes of 1000 kB, as Docker counts."""
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

# Runs in the image: bytes by folder of site-packages, by Debian package, by part of the webui.
MEASURE = """
import json, os, pathlib, subprocess, sysconfig
def size(path):
    if not path.is_dir():
        return path.lstat().st_size
    return sum(os.lstat(os.path.join(at, name)).st_size for at, _, names in os.walk(path) for name in names)
def folders(path):
    return {each.name: size(each) for each in path.iterdir()} if path.is_dir() else {}
query = ["dpkg-query", "-W", "-f", "${Package} ${Installed-Size}\\n"]
debian = dict(line.split() for line in subprocess.run(query, capture_output=True, text=True).stdout.splitlines())
webui = pathlib.Path.cwd()
print(json.dumps({
    "python": folders(pathlib.Path(sysconfig.get_path("purelib"))),
    "debian": {name: int(kib) * 1024 for name, kib in debian.items()},
    "extension": folders(webui / "extensions-builtin"),
    "webui": {name: size(webui / name) for name in os.listdir(webui) if name != "extensions-builtin"},
}))
"""


def measure(client: docker.DockerClient, reference: str) -> dict[str, Any]:
    """What `--json` prints; layers from the first on, the largest packages first."""
    inspected = client.api.inspect_image(reference)
    history = client.api.history(reference)
    output = client.containers.run(
        reference, ["-c", MEASURE], entrypoint="python3", network_mode="none", remove=True, read_only=True
    )
    packages = [
        {"kind": kind, "name": name, "size": size}
        for kind, sizes in json.loads(output).items()
        for name, size in sizes.items()
    ]
    return {
        "image": reference,
        "size": inspected["Size"],
        "compressed": compressed(inspected["RepoDigests"] or []),
        "original": ORIGINAL,
        "layers": [
            {"size": layer["Size"], "made_by": _short(layer["CreatedBy"])}
            for layer in reversed(history)
            if layer["Size"]
        ],
        "packages": sorted(packages, key=lambda each: -each["size"]),
    }


def compressed(digests: list[str]) -> int | None:
    """Bytes that a host pulls, as the manifest in a registry of this machine says; None where there is none."""
    context = ssl._create_unverified_context()  # noqa: S323 - sizes of what was pushed, over loopback alone
    for reference in digests:
        registry, _, rest = reference.partition("/")
        if not registry.startswith("127.0.0.1:"):
            continue
        url = f"https://{registry}/v2/{rest.replace('@', '/manifests/')}"
        request = urllib.request.Request(url, headers={"Accept": MANIFEST})
        with contextlib.suppress(OSError), urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
            return sum(int(layer["size"]) for layer in json.load(answer)["layers"])
    return None


def _explained(error: str) -> str:
    """What the engine's client says, in words for a person where it has none."""
    if "Permission denied" in error:
        return "the Docker Engine does not let this account in\n  with sudo it does: sudo ./navilab image inspect ..."
    if "No such file" in error or "Connection refused" in error:
        return "no Docker Engine answers on this machine\n  an image of another one's is inspected there"
    return error


def show(reference: str, *, as_json: bool = False, largest: int = 25) -> int:
    """Print it; an exit code."""
    from navilab.run import Exit

    try:
        with closing(docker.from_env(timeout=300)) as client:
            found = measure(client, reference)
    except ImageNotFound:
        print(
            f"navilab image: no image {reference} in the Docker Engine\n  docker images shows those that are",
            file=sys.stderr,
        )
        return Exit.FAILED
    except DockerException as error:
        print(f"navilab image: {_explained(str(error))}", file=sys.stderr)
        return Exit.FAILED
    if as_json:
        print(json.dumps(found, indent=2))
        return Exit.OK
    console = Console(highlight=False)
    layers = Table("MB", "layer", box=box.SIMPLE, title=f"{reference} by layer")
    for layer in found["layers"]:
        layers.add_row(_megabytes(layer["size"]), Text(clean(layer["made_by"])))  # an image's words are data
    packages = Table("MB", "kind", "name", box=box.SIMPLE, title=f"its {largest} largest packages")
    for each in found["packages"][:largest]:
        packages.add_row(_megabytes(each["size"]), each["kind"], Text(clean(each["name"])))
    console.print(layers, packages)
    for size, where, original in (
        (found["size"], "on disk", ORIGINAL["disk_mb"]),
        (found["compressed"], "to pull", ORIGINAL["compressed_mb"]),
    ):
        if size:
            share = size / 10_000 / original
            console.print(f"{_megabytes(size)} MB {where}, {share:.0f} % of the original's {original} MB")
    return Exit.OK


def _short(command: str) -> str:
    """A line of history without the engine's own words and checksums."""
    words = command.removeprefix("/bin/sh -c ").removeprefix("#(nop) ").split()
    return " ".join(word for word in words if not word.startswith(("file:", "dir:", "multi:")))[:100]


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.0f}"
