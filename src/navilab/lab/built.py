"""Hosts that build the webui's image themselves: what their builder needs where upstream is out of reach of a lab.

Each host gets a folder with the sources, wheels that only this machine's pip finds, and the authorities that this
machine trusts. All else comes from Debian's archive and PyPI, as for everybody.
"""

from __future__ import annotations

import io
import json
import ssl
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import docker

from . import real, small
from ._common import Lab, LabError, slow

SOURCES = "/srv/navilab-sources"  # in each host
CA = "ca.crt"


def make(folder: Path, mirrors: Path | None) -> tuple[Path, dict[str, Any]]:
    """The folder for the hosts, and the image role's variables that build from it; a small webui without mirrors."""
    if mirrors is None:
        recipe = small.variables(small.make(folder))
    else:
        recipe = real.variables(mirrors) | real.torch_index()
        (folder / "mirrors").mkdir(parents=True, exist_ok=True)
        for bundle in mirrors.glob("*.bundle"):
            (folder / "mirrors" / bundle.name).write_bytes(bundle.read_bytes())
        if "image_torch_index" in recipe:
            recipe["image_wheel_dir"] = str(_torch(folder / "wheels"))
    (folder / CA).write_bytes(Path(ssl.get_default_verify_paths().cafile or "/dev/null").read_bytes())
    kept = {key: recipe.pop(key) for key in ("image_tokenizer_cache",) if key in recipe}  # the controller's
    recipe.pop("image_profiles")  # what is built is for the plans to say
    text = json.dumps(recipe).replace(f"{folder}/", f"{SOURCES}/")
    text = text.replace(f"{mirrors}/", f"{SOURCES}/mirrors/") if mirrors else text
    return folder, {**json.loads(text), **kept, "image_ca_bundle": f"{SOURCES}/{CA}", "webui_image": ""}


def _torch(folder: Path) -> Path:
    """The builds of torch that this machine's pip finds, and a lab host's would not."""
    if not folder.is_dir():
        wanted = real.profile_data()
        new = folder.with_suffix(".new")
        pip = [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={new}", "--only-binary=:all:",
            f"--python-version={wanted['python']}", "--platform=manylinux_2_28_x86_64", *wanted["torch"],
        ]  # fmt: skip
        with slow("fetching torch for the lab"):
            done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"torch can't be had: {done.stderr.strip()[-300:]}", "see pip's configuration")
        new.rename(folder)
    return folder


def put(client: docker.DockerClient, lab: Lab, host: str, folder: Path) -> None:
    """The folder's content into a host."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(folder, SOURCES.lstrip("/"), filter=_of_root)
    client.api.put_archive(lab.container(host), "/", data.getvalue())


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
