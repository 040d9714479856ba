# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one look has to read, so that every room's plan can be made from it."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: look_arguments
short_description: The arguments of host_info that the roles' plans need
version_added: "0.1.0"
description:
  - Pure function over the settings of the webui, engine and driver roles; it reaches no host.
positional: webui
options:
  _input:
    description: The webui role's variables without their prefix.
    type: dict
    required: true
  webui:
    description: The same as O(_input), for use without a pipe.
    type: dict
  engine:
    description: The docker_engine role's variables without their prefix.
    type: dict
    required: true
  driver:
    description: The amdgpu_dkms role's variables without their prefix.
    type: dict
    required: true
  registry_images:
    description: Images to ask their registry for where the engine has not got them; by default no registry is asked.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Look at the host
  navilab.webui.host_info: >-
    {{ webui_settings | navilab.webui.look_arguments(engine=docker_engine_settings, driver=amdgpu_dkms_settings) }}
"""

RETURN = r"""
_value:
  description:
    - Arguments of M(navilab.webui.host_info).
    - A path may start with C(~), which the module expands for its O(navilab.webui.host_info#module:user).
  type: dict
"""

PACKAGES = (
    "firmware-amd-graphics initramfs-tools docker.io docker-cli docker-ce docker-ce-cli containerd containerd.io runc "
    "iptables apparmor python3-requests amdgpu-dkms amdgpu-dkms-firmware dkms linux-image-amd64 linux-headers-amd64"
).split()
ENGINE_FILES = (
    "/etc/docker",
    "/etc/docker/daemon.json",
    "/etc/systemd/system/docker.service.d",
    "/etc/systemd/system/docker.service.d/navilab-proxy.conf",
    "/etc/apt/sources.list.d/navilab-docker.list",
)
FIRMWARE_FILES = ("/etc/apt/sources.list.d/navilab-firmware.sources", "/etc/apt/sources.list.d/navilab-firmware.list")
DRIVER_FILES = (
    "/etc/apt/sources.list.d/navilab-amdgpu-dkms.list",
    "/etc/apt/preferences.d/navilab-amdgpu-dkms",
    "/etc/apt/keyrings/navilab-amdgpu-dkms.asc",
    "/var/lib/dkms",
)
# More boards in one host have not been seen; a fifth would be served, but its directory remade at each run.
BOARDS_AT_MOST = 4


def look_arguments(
    webui: dict[str, Any],
    engine: dict[str, Any],
    driver: dict[str, Any],
    registry_images: list[str] | None = None,
) -> dict[str, Any]:
    suffixes = ["", *(f"-{number}" for number in range(2, BOARDS_AT_MOST + 1))]
    data_dir = str(webui["data_dir"]).rstrip("/")
    models = f"{data_dir}/webui_data/models"
    folders = {str(model.get("folder", "Stable-diffusion")) for model in webui["models"]}
    certificates = [f"/etc/docker/certs.d/{registry}" for registry in engine["registry_cas"]]
    images = {
        webui["image"],
        *webui["images"].values(),
        *(profile.get("image", "") for profile in webui["profiles"].values()),
    }
    return {
        "user": webui["user"],
        "packages": PACKAGES,
        "webuis": [
            {"name": webui["name"] + suffix, "port": int(webui["port"]) + number}
            for number, suffix in enumerate(suffixes)
        ],
        "files": [
            *ENGINE_FILES,
            *FIRMWARE_FILES,
            *DRIVER_FILES,
            driver["tree_path"],
            *certificates,
            *(f"{directory}/ca.crt" for directory in certificates),
            data_dir,
            f"{data_dir}/cache",
            *(f"{data_dir}/webui_data{suffix}" for suffix in suffixes),
            models,
            *(f"{models}/{folder}" for folder in sorted(folders)),
            *(f"{models}/{model.get('folder', 'Stable-diffusion')}/{model['name']}" for model in webui["models"]),
        ],
        "disk": [engine["daemon"].get("data-root", "/var/lib/docker"), data_dir],
        "images": registry_images or sorted(images - {""}),
        "probe_images": bool(registry_images),
        "registry_ca": "\n".join(engine["registry_cas"].values()),
    }


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"look_arguments": look_arguments}
