# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories: how the webui's data is laid out, and which may be given to a role."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

# Below the data directory of a host: what is the first webui's own, its compiled kernels, and the models of all.
DATA = "webui_data"
CACHE = "cache"
MODELS = f"{DATA}/models"
MODEL_FOLDER = "Stable-diffusion"  # of checkpoints

# Where several webuis share the models, which none of them may write then: what each fetches for itself, below its own.
DOWNLOADS = "downloads"
# Folders of models that a webui (1.10) or its extensions make at each start; the start ends where they can't.
MADE_AT_START = ("Codeformer", "ControlNet", "GFPGAN", "Lora", MODEL_FOLDER, "hypernetworks")
# Folders that it fetches to when a picture needs a file, without an argument that names another one.
FETCHED = (
    "BLIP", "CLIP", "ControlNetPreprocessor", "VAE-approx", "VAE-taesd", "midas", "opencv", "torch_deepdanbooru",
)  # fmt: skip

# Directories of the system, which a role must never own or clear; and those that only hold other directories.
_OF_THE_SYSTEM = re.compile(
    r"(?:/(?:bin|boot|dev|etc|lib\w*|proc|run|sbin|sys|usr)(?:/.*)?|/(?:home|media|mnt|opt|root|srv|tmp|var))?"
)


def ownable(path: str) -> bool:
    """Whether a role may have this directory for itself: absolute, none of the system's."""
    plain = "/" + posixpath.normpath(path).strip("/")  # normpath keeps two slashes at the start
    return path.startswith("/") and not _OF_THE_SYSTEM.fullmatch(plain.rstrip("/"))


def expand(path: str, home: str | None) -> str:
    """`path` with the account's home for a leading ``~``, whatever characters are in it. One that can't be used leaves
    the path as it is, and so does another account's (``~bob/x``): it is not absolute then."""
    if (path != "~" and not path.startswith("~/")) or home_problem(home):
        return path
    return str(home).rstrip("/") + path[1:] or "/"


def home_problem(home: str | None) -> str:
    """Why nothing can be kept in a home as an account's entry has it; empty if it can."""
    if not home:
        return "it has none"
    if not home.startswith("/"):
        return f"it is {home!r}, which is no absolute path"
    if posixpath.normpath(home).lstrip("/").split("/")[0] in ("nonexistent", "dev", "proc", "sys"):
        return f"it is {home}, which is none on purpose"
    # Bytes that are no text came as one of these.
    return "it is not written in UTF-8" if re.search("[\ufffd\ud800-\udfff]", home) else ""


def model_folder(folder: str = MODEL_FOLDER) -> str:
    """Where models of a kind lie below the data directory."""
    return f"{MODELS}/{folder}"


def own(suffix: str, fetched: Sequence[str] = FETCHED) -> list[str]:
    """What one of several webuis has for itself below the data directory: its data with the places where the models
    and its `fetched` folders are mounted, and a cache of its own, since MIOpen's locks are in a container's /tmp."""
    data = DATA + suffix
    folders = (MODEL_FOLDER, *fetched)
    return [CACHE + suffix, data, f"{data}/models", *(f"{data}/{DOWNLOADS}/{folder}" for folder in folders)]


def shared(fetched: Sequence[str] = FETCHED) -> list[str]:
    """The models of several webuis: with what each makes at its start, and where its own folders are mounted."""
    return [MODELS, *(f"{MODELS}/{folder}" for folder in (*MADE_AT_START, *fetched))]


# What a path would have to be without, to reach the engine and the modules as it stands.
_SPECIAL = re.compile(r"[:\x00-\x1f\x7f\ufffd]|\$[\w{]")


def plain(path: str) -> bool:
    """Whether Docker's HOST:CONTAINER, and Ansible, which fills in variables of the environment, take a path for it."""
    return not _SPECIAL.search(path)


def written(data_dir: str) -> list[str]:
    """The directories that a webui must be able to write, the data directory (no trailing slash) first."""
    return [data_dir, *(f"{data_dir}/{name}" for name in (DATA, CACHE))]
