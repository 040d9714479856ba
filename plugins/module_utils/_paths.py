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


def model_folder(folder: str = MODEL_FOLDER) -> str:
    """Where models of a kind lie below the data directory."""
    return f"{MODELS}/{folder}"


def written(data_dir: str) -> list[str]:
    """The directories that a webui must be able to write, the data directory (no trailing slash) first."""
    return [data_dir, *(f"{data_dir}/{name}" for name in (DATA, CACHE))]
