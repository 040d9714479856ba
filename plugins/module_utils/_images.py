# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines and containers say of an image that is damaged, and what mends it.

Texts of moby's overlay2 and layer store (moby 30531, 35747, 34760, 44909), of containerd's snapshots, of tar and gzip,
and of what a program says whose file a power failure has left empty (home-assistant 4913). A pull takes a damaged layer
for present (moby 36135), so the image has to go first.
"""

from __future__ import annotations

import re

from ._commands import command, run_site

_HERE = re.compile(
    r"error creating overlay mount to \S+: (?:no such file or directory|invalid argument)"
    r"|\b(?:l?stat|readlink|open|mkdir) /\S*/(?:overlay2|fuse-overlayfs|image)/\S*: "
    r"(?:no such file or directory|invalid argument)"
    r"|\blayer does not exist\b|\bfailed to verify: sha256:"
    r"|parent snapshot \S+ does not exist|content digest sha256:\w+: not found"
    r"|\bexec format error\b|invalid ELF header|: file too short\b|source code (?:string )?cannot contain null bytes"
    r"|marshal data too short|bad marshal data|EOF read where object expected|bad magic number in '",
    re.IGNORECASE,
)
_THERE = re.compile(
    r"(?:filesystem layer|image config|manifest) verification failed|layers from manifest don't match image config"
    r"|failed to register layer: .*(?:unexpected EOF|invalid tar header|invalid checksum|corrupt input)"
    r"|unexpected commit digest|\bdigest mismatch\b",
    re.IGNORECASE | re.DOTALL,
)


def damaged(text: str) -> bool:
    """Whether the engine's copy of an image is damaged, by what came of starting a container of it."""
    return bool(_HERE.search(text))


def damaged_at_registry(text: str) -> bool:
    """Whether what came with a pull was no whole image, by what the engine says of it."""
    return bool(_THERE.search(text))


def remedy(image: str, container: str = "") -> str:
    """How a person mends the engine's copy."""
    users = f"docker rm {container}" if container else "docker rm the containers that use it"
    return (
        f"{users}, docker image rm {image}, then {run_site('webui')}, which pulls it again (a pull alone takes "
        "the damaged layer for present); if it stays, remove the other images that share the layer too, and see "
        "`dmesg` for a failing disk"
    )


_LAYER = re.compile(r"\bsha256:([0-9a-f]{64})\b(?!.*\bsha256:)", re.DOTALL)


def registry_remedy(image: str, said: str = "") -> str:
    """How a person mends the registry's copy, with the engine's words on it."""
    layer = _LAYER.search(said.replace(image, ""))
    if layer and "/navilab/webui@" in image:  # the lab's own registry
        blob = f"/var/lib/navilab-registry/store/docker/registry/v2/blobs/sha256/{layer[1][:2]}/{layer[1]}"
        return (
            f"on {image.partition('/')[0].rpartition(':')[0]}: rm -r {blob} (below registry_data_dir, if that is set), "
            f"systemctl restart 'navilab-registry@*', then {run_site()}, which has the layer pushed again"
        )
    return (
        f"docker image rm {image} if it is there, and run again; if it stays, the registry's copy is damaged: push it "
        f"again ({command('image')} does), or name another in webui_images"
    )
