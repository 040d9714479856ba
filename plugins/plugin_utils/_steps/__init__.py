# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps, in the order in which a host takes them."""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    amdgpu_dkms,
    docker_engine,
    firmware,
    gateway,
    gpu_access,
    metrics,
    preflight,
    pull,
    reboot,
    registry,
    verify,
    webui,
)
from ._base import Step

# AMD's driver comes first: its tree lets one that an earlier attempt left half-configured build, which would stop every
# later use of dpkg.
STEPS: Mapping[str, Step] = {
    module.STEP.name: module.STEP
    for module in (
        preflight,
        amdgpu_dkms,
        firmware,
        gpu_access,
        reboot,
        docker_engine,
        registry,
        webui,
        gateway,
        metrics,
        pull,
        verify,
    )
}
