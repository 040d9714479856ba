"""A provisioned host and a bare one, as the look shows them; tests change what they are about."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).parents[4] / "roles"
BOARD = {
    "bdf": "0000:0a:00.0",
    "name": "Radeon RX 5500 XT",
    "gfx_target": "gfx1012",
    "supported": True,
    "driver": "amdgpu",
    "render_node": "/dev/dri/renderD128",
    "vram_mib": 8176,
    "mec_fw_loaded": 146,
}
BARE: dict[str, Any] = {
    "release": {"id": "debian", "version_id": "12", "codename": "bookworm"},
    "kernel": {"release": "6.1.0-56-amd64", "version": [6, 1]},
    "boards": [BOARD],
    "driver": {"loaded": True},
    "kfd": {"device": {"path": "/dev/kfd", "gid": 105}},
    "drm": [{"path": "/dev/dri/renderD128", "gid": 105}],
    "kernel_log": {"readable": True, "resets": []},
    "firmware": {"missing": ["navi14_sos.bin"], "shadowed": [], "mec_by_board": {}, "initrd_stale": False},
    "groups": {"video": 44, "render": 105},
    "user": {"name": "lab", "exists": True, "uid": 1000, "gid": 1000, "home": "/home/lab", "groups": ["lab"]},
    "apt": {
        "sources": [
            {
                "file": "/etc/apt/sources.list.d/debian.sources",
                "format": "deb822",
                "enabled": True,
                "types": ["deb"],
                "uris": ["http://deb.debian.org/debian"],
                "suites": ["bookworm", "bookworm-updates"],
                "components": ["main"],
                "options": {"Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"},
            }
        ]
    },
    "dpkg": {"packages": {}, "interrupted": False, "broken": []},
    "docker": {
        "installed": False,
        "running": False,
        "restart_pending": False,
        "config": {},
        "config_error": "",
        "foreign_containers": 0,
        "containers": {},
        "images": {},
    },
    "registry": {},
    "ports": {},
    "http": {},
    "files": {},
    "disk": {},
    "memory": {"total_mib": 32000},
    "records": {},
}


@pytest.fixture
def host() -> dict[str, Any]:
    return copy.deepcopy(BARE)


@pytest.fixture
def settings() -> dict[str, Any]:
    """The webui role's settings with its own defaults and profiles, and an image for each."""
    defaults = yaml.safe_load((ROLES / "webui/defaults/main.yml").read_text())
    variables = yaml.safe_load((ROLES / "webui/vars/main.yml").read_text())
    made = {key.removeprefix("webui_"): value for key, value in defaults.items()}
    made.update(user="lab", models=[], image_registry="", profiles=variables["webui_profiles"])
    made["images"] = {
        "rocm7": "registry.example/webui:rocm7",
        "rocm52": "registry.example/webui:rocm52",
        "cpu": "registry.example/webui:cpu",
    }
    return made
