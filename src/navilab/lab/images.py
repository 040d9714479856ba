"""The images of the lab: Debian hosts made with mmdebstrap, the registry and the stand-in made on top of them.

Each carries the digest of its recipe as a label and is made again only when the recipe changes. They stay as a cache
when a lab goes down.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, BuildError, ImageNotFound

from ._common import (
    HERE,
    LABEL_RECIPE,
    LABEL_ROLE,
    ROOT,
    STATE,
    LabError,
    discard,
    lock,
    say,
    slow,
    tree_digest,
    workshop,
)

SUITES = ("bullseye", "bookworm", "trixie")
BASE = "navilab/lab-base"
REGISTRY = "navilab/lab-registry:latest"
STANDIN = "navilab/webui-standin:latest"

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "udev", "python3", "python3-apt", "sudo", "ca-certificates", "iproute2", "kmod",
    "openssh-server",
)  # fmt: skip
OPTIONS = (
    "--variant=minbase",
    f"--include={','.join(PACKAGES)}",
    '--aptopt=Acquire::Languages "none"',
    # A lab host is thrown away, nothing is lost if the power goes: packages install faster, later on the host too.
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
)
MIRROR = os.environ.get("NAVILAB_DEBIAN_MIRROR", "http://deb.debian.org/debian")
SECURITY = os.environ.get("NAVILAB_DEBIAN_SECURITY_MIRROR", "http://security.debian.org/debian-security")
ARCHIVE = ("http://archive.debian.org/debian", "http://archive.debian.org/debian-security")
WORK = (
    f"navilab-images-{tree_digest(str(ROOT))[:8]}-"  # in the temporary directory, one for each base image that is made
)
NEEDED_MIB = 3000  # for three base images, the tar files they pass through, and what the hosts install


def base_tag(suite: str) -> str:
    return f"{BASE}:{suite}"


def base_recipe(suite: str) -> str:
    return tree_digest(suite, MIRROR, SECURITY, *OPTIONS, HERE / "base")


def ensure(client: docker.DockerClient, suites: Iterable[str], standin: bool = True) -> None:
    """Makes what is missing or out of date: the base of each suite, registry and stand-in (both stand on bookworm)."""
    wanted = sorted({*suites, "bookworm"}, key=SUITES.index)
    with lock(STATE / "images.lock", "the lab's images"):
        stale = [suite for suite in wanted if recipe_of(client, base_tag(suite)) != base_recipe(suite)]
        if stale:
            for left in Path(tempfile.gettempdir()).glob(f"{WORK}*"):  # by a process that was killed, we have the lock
                discard(left)
            _need_space(client)
            with (
                slow(f"making base images: Debian {', '.join(stale)} (once, a minute each, two at a time)"),
                ThreadPoolExecutor(2) as pool,
            ):
                list(pool.map(lambda suite: _make_base(client, suite), stale))
        _build(client, REGISTRY, HERE / "registry_image")
        if standin:
            _build(client, STANDIN, HERE / "standin")


def recipe_of(client: docker.DockerClient, tag: str) -> str | None:
    try:
        labels = client.api.inspect_image(tag)["Config"]["Labels"]
    except ImageNotFound:
        return None
    return (labels or {}).get(LABEL_RECIPE)


def image_id(client: docker.DockerClient, reference: str) -> str:
    try:
        return str(client.api.inspect_image(reference)["Id"])
    except ImageNotFound:
        raise LabError(f"no image {reference} in the Docker Engine", "docker pull it or build it first") from None


def remove_all(client: docker.DockerClient) -> int:
    """Every image that the lab made; how many there were."""
    count = 0
    # Newest first: an image goes before the one that it stands on.
    for image in sorted(client.api.images(filters={"label": f"{LABEL_ROLE}=image"}), key=lambda each: -each["Created"]):
        client.api.remove_image(image["Id"], force=True)
        count += 1
    return count


def _make_base(client: docker.DockerClient, suite: str) -> None:
    start = time.monotonic()
    with workshop(WORK) as folder:
        tar = folder / f"{suite}.tar"
        bootstrap(suite, tar)
        changes = [
            'CMD ["/usr/local/sbin/lab-init"]',
            f"LABEL {LABEL_RECIPE}={base_recipe(suite)} {LABEL_ROLE}=image",
        ]
        with tar.open("rb") as stream:
            # In pieces: the SDK promises the engine a chunked body, which a plain file would not become.
            chunks = iter(lambda: stream.read(1 << 20), b"")
            client.api.import_image(src=chunks, repository=BASE, tag=suite, changes=changes, stream_src=True)
    say(f"base image Debian {suite}: made ({time.monotonic() - start:.0f} s)")


def bootstrap(suite: str, tar: Path, *options: str) -> None:
    """A Debian with the lab's login as a tar, made with mmdebstrap and its further options."""
    log = STATE / f"mmdebstrap-{tar.stem}.log"
    result = _mmdebstrap(suite, tar, log, MIRROR, SECURITY, *options)
    if result != 0 and suite == "bullseye":
        # Out of its long-term support: the archive may have moved, and its Release file has expired then.
        say(f"Debian {suite} is not at {MIRROR} as it should be: trying archive.debian.org")
        result = _mmdebstrap(suite, tar, log, *ARCHIVE, *options, '--aptopt=Acquire::Check-Valid-Until "false"')
    if result != 0:
        lines = log.read_text(errors="replace").splitlines()
        cause = [line for line in lines if line.startswith("E:")] or lines[-1:] or ["no output"]
        raise LabError(
            f"mmdebstrap could not make Debian {suite}: {cause[0]}",
            f"see {log}; NAVILAB_DEBIAN_MIRROR and NAVILAB_DEBIAN_SECURITY_MIRROR can name others that answer",
        )


def _mmdebstrap(suite: str, tar: Path, log: Path, mirror: str, security: str, *options: str) -> int:
    sources = (
        f"deb {mirror} {suite} main",
        f"deb {mirror} {suite}-updates main",
        f"deb {security} {suite}-security main",
    )
    hook = f"--customize-hook='{HERE}/base/customize' \"$1\""
    with log.open("wb") as output:
        return subprocess.run(
            ["mmdebstrap", *OPTIONS, hook, *options, suite, str(tar), *sources],
            env={**os.environ, "SUITE": suite, "MIRROR": mirror, "SECURITY": security, "TMPDIR": str(tar.parent)},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False,
        ).returncode  # fmt: skip


def _build(client: docker.DockerClient, tag: str, folder: Path) -> None:
    """docker build of a folder on top of the bookworm base."""
    base = image_id(client, base_tag("bookworm"))
    recipe = tree_digest(base, folder)
    if recipe_of(client, tag) == recipe:
        return
    with slow(f"making image {tag.removesuffix(':latest')}"):
        try:
            labels = {LABEL_RECIPE: recipe, LABEL_ROLE: "image"}
            # In the machine's network: its resolver may listen on loopback alone.
            client.images.build(path=str(folder), tag=tag, rm=True, labels=labels, network_mode="host")
        except (BuildError, APIError) as error:
            log = "".join(str(line.get("stream", "")) for line in getattr(error, "build_log", []))
            lines = " / ".join(log.strip().splitlines()[-3:])
            what = f"docker build of {folder.name} failed: {error}: {lines}"
            raise LabError(what, "put that right and start again") from error
        # The stages in between; what a lab still runs on is kept by the engine.
        client.images.prune(filters={"dangling": True, "label": f"{LABEL_ROLE}=image"})


def _need_space(client: docker.DockerClient) -> None:
    info: dict[str, Any] = client.info()
    for place in (info.get("DockerRootDir", "/var/lib/docker"), tempfile.gettempdir()):
        if Path(place).exists() and shutil.disk_usage(place).free >> 20 < NEEDED_MIB:
            raise LabError(f"less than {NEEDED_MIB} MiB free in {place}", "make space there and start again")
