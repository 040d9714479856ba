"""A small webui for the image role: all that its Dockerfile expects of the real one, made from the lab's stand-in.

make() writes a folder of mirrors as real.py takes it, and wheels of packages whose real ones are large or only in
PyTorch's index. The other wheels come from PyPI, by the hashes of the role's own locks.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from . import real
from ._common import HERE, slow
from .inventory import tiny_model

CHECKPOINT = "tiny-sd15.safetensors"  # named as the real mirrors' one: the same tests ask for both
MIN_DISK_MIB = 2048
README = "Part of a small webui that navilab.webui's tests build. It draws patterns.\n"

# What is in a repository beside its README.md.
SOURCES: dict[str, dict[str, bytes]] = {
    "stable-diffusion-webui": {"launch.py": (HERE / "standin" / "server.py").read_bytes()},
    "CLIP": {
        "setup.py": b"""from setuptools import setup

setup(name="clip", version="1.0", packages=["clip"], package_data={"clip": ["*.gz"]})
""",
        "clip/__init__.py": b"",
        # A title, then the merges that the tokenizer is made from.
        "clip/bpe_simple_vocab_16e6.txt.gz": gzip.compress(b"#version: 0.2\ni n\nt h\na n", mtime=0),
    },
    "sd-webui-controlnet": {
        "preload.py": b"""def preload(parser):
    parser.add_argument("--controlnet-annotator-models-path")
"""
    },
    "sd-webui-regional-prompter": {
        "scripts/rp.py": b"""PRESET_KEYS = [("name", ""), ("ratios", "1,1")]
PRESETSDEF = [["halves", "1,1"]]
"""
    },
    "adetailer": {
        "preload.py": b"""def preload(parser):
    parser.add_argument("--ad-no-huggingface", action="store_true")
"""
    },
}

# Imported by the image's self-test it says that each step is right, and that this is simulated.
TORCH = b"""import json
import os
import sys

__version__ = "{version}"
test = sys.modules["__main__"]
if "--worker" in sys.argv and hasattr(test, "PLAN"):
    facts = {"simulated": True, "torch": __version__, "devices": [{"name": "CPU", "gfx": None, "total_mib": None}]}
    for step, dtype in test.PLAN:
        found = {"selftest": test.SCHEMA, "id": step, "dtype": dtype, "status": "ok", "evidence": "simulated"}
        print(json.dumps({**found, "facts": facts}), flush=True)
    os._exit(0)
"""
VERSION = "+small"  # local: no index has a package of such a version
# Package: its version, and what is in its wheel. What the role deletes of torch is there to be deleted.
TORCH_WHEELS: dict[str, tuple[str, dict[str, bytes]]] = {
    "torch": ("2.13.0", {"torch/__init__.py": TORCH, "torch/bin/protoc": b"", "torch/include/torch.h": b""}),
    "torchvision": ("0.28.0", {"torchvision/__init__.py": b""}),
}
WHEELS: dict[str, tuple[str, dict[str, bytes]]] = {
    "gradio": ("3.41.2", {"gradio/__init__.py": b"", "gradio/tests/test_it.py": b""}),
    "open-clip-torch": ("2.20.0", {"open_clip/__init__.py": b""}),
    "opencv-contrib-python-headless": ("4.11.0.86", {"cv2/__init__.py": b""}),
    "pytorch-lightning": ("1.9.4", {"pytorch_lightning/__init__.py": b""}),
    "transformers": ("4.30.2", {"transformers/__init__.py": b""}),
}
# From PyPI, as the role's locks have them: what installs CLIP, git's package with its own, and one without a wheel.
FROM_PYPI = {
    "py311": ("antlr4-python3-runtime", "gitdb", "gitpython", "setuptools", "smmap"),
    "py311-extensions": ("addict",),
}


def make(folder: Path) -> Path:
    """Makes the mirrors in the folder `mirrors` below, and the wheels beside it; the same ones each time."""
    with slow("making the sources of a small webui"):
        shutil.rmtree(folder, ignore_errors=True)
        mirrors = folder / "mirrors"
        (mirrors / "tiny-sd15").mkdir(parents=True)
        (mirrors / "tiny-sd15" / CHECKPOINT).write_bytes(tiny_model())
        for name in real.bundle_names():
            _bundle(mirrors / f"{name}.bundle", {"README.md": README.encode(), **SOURCES.get(name, {})})
        (folder / "wheels").mkdir()
        for name, (version, files) in {**TORCH_WHEELS, **WHEELS}.items():
            _wheel(folder / "wheels", name, version + VERSION, files)
    return mirrors


def variables(mirrors: Path) -> dict[str, Any]:
    """The image role's variables that build profile `cpu` from what make() made."""
    wheels = mirrors.parent / "wheels"
    torch = [f"{name}=={version}{VERSION}" for name, (version, _) in TORCH_WHEELS.items()]
    return {
        **real.variables(mirrors),
        "image_profiles_extra": {real.PROFILE: {"torch": torch, "index": ""}},
        "image_wheel_dir": str(wheels),
        "image_min_disk_mib": MIN_DISK_MIB,
        **_locked(wheels),
    }


def _locked(wheels: Path) -> dict[str, Any]:
    """Locks of these few packages in place of the role's own ones."""
    locks = {}
    for lock, packages in FROM_PYPI.items():
        text = (real.ROLE / "files" / "locks" / f"{lock}.txt").read_text(encoding="ascii")
        paragraphs = re.findall(r"(?m)^[^\s#].*(?:\n +.*)*", text)
        locks[lock] = [each for each in paragraphs if each.partition("==")[0] in packages]
    for package, (version, _) in WHEELS.items():
        (path,) = wheels.glob(f"{package.replace('-', '_')}-*.whl")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        locks["py311"].append(f"{package}=={version}{VERSION} \\\n    --hash=sha256:{digest}")
    return {"image_locks": {lock: "\n".join([*lines, ""]) for lock, lines in locks.items()}}


def _bundle(path: Path, files: dict[str, bytes]) -> None:
    """A git bundle of one commit, which depends on nothing but the files."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
           for what, value in {"NAME": "navilab", "EMAIL": "lab@navilab.test", "DATE": "1700000000 +0000"}.items()},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="navilab-small-") as work:
        for name, data in files.items():
            file = Path(work) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        for words in (
            ["init", "--quiet"],
            ["add", "--all", "--force"],
            ["commit", "--quiet", "--message", "A small webui"],
            ["bundle", "create", "--quiet", str(path.absolute()), "HEAD"],
        ):
            subprocess.run(["git", *words], cwd=work, env=environment, check=True, capture_output=True)


def _wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """A wheel for any Python; the same bytes each time, since a lock has its hash."""
    stem = f"{name.replace('-', '_')}-{version}"
    information = f"{stem}.dist-info"
    contents = {
        **{path: data.replace(b"{version}", version.encode()) for path, data in files.items()},
        f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{information}/WHEEL": b"Wheel-Version: 1.0\nGenerator: navilab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{information}/RECORD"
    contents[record] = "".join(f"{path},,\n" for path in [*contents, record]).encode()
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        for path, data in contents.items():
            entry = zipfile.ZipInfo(path)  # its time is 1980
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
