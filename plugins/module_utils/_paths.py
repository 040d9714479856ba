# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories: how the webui's data is laid out, and which may be given to a role."""

from __future__ import annotations

import posixpath
import re

# Below the data directory of a host, which its webuis share: what is the first webui's own, and compiled kernels.
DATA = "webui_data"
CACHE = "cache"
MODELS = f"{DATA}/models"
MODEL_FOLDER = "Stable-diffusion"  # of checkpoints

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


# What a path would have to be without, to reach the engine and the modules as it stands.
_SPECIAL = re.compile(r"[:\x00-\x1f\x7f\ufffd]|\$[\w{]")


def plain(path: str) -> bool:
    """Whether Docker's HOST:CONTAINER, and Ansible, which fills in variables of the environment, take a path for it."""
    return not _SPECIAL.search(path)


def written(data_dir: str) -> list[str]:
    """The directories that a webui must be able to write, the data directory (no trailing slash) first."""
    return [data_dir, *(f"{data_dir}/{name}" for name in (DATA, CACHE))]
