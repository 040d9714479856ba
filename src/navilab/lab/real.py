"""The real webui for the lab: the image role builds its profile `cpu`, from mirrors where a folder of them is.

Mirrors are a folder of git bundles named like their repositories, with tiny-sd15/ (a checkpoint that draws in a second)
and clip-cache/tiny/ (the tokenizer cache that fits it) beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import yaml

from ._common import ROOT, LabError

PROFILE = "cpu"
REPOSITORY = "navilab/webui"
ROLE = ROOT / "roles" / "image"
BUNDLES = {"stable-diffusion-stability-ai": "stablediffusion"}  # where the webui's name for a repository is not its own
SOURCES = {"image_webui": "stable-diffusion-webui", "image_clip": "CLIP"}
MEMORY_MIB = 2048


def find_mirrors(asked: Path | None = None) -> Path | None:
    """The folder that was asked for (or NAVILAB_MIRRORS names), else the one beside the checkout, else none."""
    named = asked or (Path(os.environ["NAVILAB_MIRRORS"]) if os.environ.get("NAVILAB_MIRRORS") else None)
    if named is not None and not named.is_dir():
        raise LabError(
            f"no folder {named} with mirrors", "name one that is there, or none to take the upstream sources"
        )
    beside = ROOT.parent / "shared" / "mirrors"
    return named.resolve() if named else beside.resolve() if beside.is_dir() else None


def variables(mirrors: Path | None) -> dict[str, Any]:
    """The image role's variables that make its sources the mirrors' bundles, with the commits that they hold."""
    result: dict[str, Any] = {"image_profiles": [PROFILE]}
    if mirrors is None:
        return result
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    result |= {name: _mirrored(defaults[name], bundle, mirrors) for name, bundle in SOURCES.items()}
    for name in ("image_repositories", "image_extensions"):
        result[name] = [_mirrored(one, BUNDLES.get(one["name"], one["name"]), mirrors) for one in defaults[name]]
    tokenizer = mirrors / "clip-cache" / "tiny"
    return result | ({"image_tokenizer_cache": str(tokenizer)} if tokenizer.is_dir() else {})


def bundle_names() -> list[str]:
    """The bundles that a folder of mirrors has for the role's own sources, without their ending."""
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    listed = [one["name"] for name in ("image_repositories", "image_extensions") for one in defaults[name]]
    return [*SOURCES.values(), *(BUNDLES.get(name, name) for name in listed)]


def profile_data() -> dict[str, Any]:
    """What the role builds the profile from."""
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    return dict(variables["image_profile_data"][PROFILE])


def torch_index() -> dict[str, str]:
    """Leaves torch to this machine's own pip where that finds the wanted build, else to the profile's index."""
    data = profile_data()
    pip = [
        sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps", "--target=/nowhere",
        "--only-binary=:all:", f"--python-version={data['python']}", "--platform=manylinux_2_28_x86_64", *data["torch"],
    ]  # fmt: skip
    found = subprocess.run(pip, capture_output=True, check=False).returncode == 0
    return {"image_torch_index": ""} if found else {}


def host_variables(mirrors: Path | None) -> dict[str, Any]:
    """What the lab's hosts need said to run it."""
    result: dict[str, Any] = {"webui_profile": PROFILE, "webui_tcmalloc": True, "webui_memory_mib": MEMORY_MIB}
    folder = mirrors / "tiny-sd15" if mirrors else None
    if folder and folder.is_dir():
        result["webui_models"] = [
            {"name": path.name, "src": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in sorted(folder.iterdir())
        ]
    return result


def publish(port: int, address: str, variables: dict[str, Any]) -> str:
    """Has the image role build the image, or see that it is there, and publish it; the hosts' reference.

    LabError if it can't.
    """
    from navilab.cli import main

    wanted = {**variables, "image_registry": f"127.0.0.1:{port}", "ansible_python_interpreter": sys.executable}
    inventory = ROOT / "inventory" / "localhost.yml"
    code = main(["image", "build", f"--inventory={inventory}", f"--extra-vars={json.dumps(wanted)}"])
    if code != 0:
        raise LabError("the webui's image was not built", "the lines above say why; put that right and start again")
    return f"{address}/{REPOSITORY}@{_digest(port)}"


def _digest(port: int) -> str:
    """What the registry calls the image that was pushed, as the engine has kept it."""
    names = docker.from_env().images.get(f"{REPOSITORY}:{PROFILE}").attrs["RepoDigests"]
    return next(str(name).rpartition("@")[2] for name in names if name.startswith(f"127.0.0.1:{port}/{REPOSITORY}@"))


def _mirrored(source: dict[str, Any], bundle: str, mirrors: Path) -> dict[str, Any]:
    """A source of the role with a bundle's address and its newest commit in place of the upstream ones."""
    path = mirrors / f"{bundle}.bundle"
    done = subprocess.run(["git", "bundle", "list-heads", str(path)], capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.split():
        raise LabError(f"{path} is no git bundle: {done.stderr.strip()}", "see the mirrors' own README")
    return {**source, "url": str(path), "commit": done.stdout.split()[0]}
