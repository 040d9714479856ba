# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DRM nodes: which card and render node belongs to which board, and who may open them."""

from __future__ import annotations

import re

from ._pci import BDF
from ._sysfs import Tree
from ._types import DrmNode

CLASS = "/sys/class/drm"
_NODE = re.compile(r"(card|renderD)(0|[1-9][0-9]{0,6})", re.ASCII)  # not card0-DP-1, which is a connector


def _address(tree: Tree, name: str) -> str | None:
    """BDF of a node's device: the end of its ``device`` link, or the folder above ``drm`` in /sys/devices."""
    candidates = [tree.link_name(f"{CLASS}/{name}/device")]
    parts = (tree.realpath(f"{CLASS}/{name}") or "").split("/")
    candidates += parts[-3:-2]
    return next((text for text in candidates if text and BDF.fullmatch(text)), None)


def gather_drm(tree: Tree, by_render_minor: dict[int, str]) -> list[DrmNode]:
    """Nodes of /sys/class/drm and /dev/dri in the shape of ``host.drm``, cards first.

    ``by_render_minor`` (KFD's word) tells the board of a render node that sysfs does not.
    """
    nodes: list[tuple[str, int, DrmNode]] = []
    for name in sorted(set(tree.listdir(CLASS)) | set(tree.listdir("/dev/dri"))):
        match = _NODE.fullmatch(name)
        if not match:
            continue
        number = int(match.group(2))
        kind = "card" if match.group(1) == "card" else "render"
        seen = tree.device("/dev/dri/" + name)
        bdf = _address(tree, name) or (by_render_minor.get(number) if kind == "render" else None)
        nodes.append(
            (
                kind,
                number,
                {
                    "path": seen["path"],
                    "kind": kind,
                    "exists": seen["exists"],
                    "mode": seen["mode"],
                    "uid": seen["uid"],
                    "gid": seen["gid"],
                    "group": seen["group"],
                    "bdf": bdf,
                },
            )
        )
    return [node for _kind, _number, node in sorted(nodes, key=lambda item: item[:2])]


def node_of(nodes: list[DrmNode], kind: str, bdf: str) -> str | None:
    """Path of a board's first node of that kind, or None."""
    return next((node["path"] for node in nodes if node["kind"] == kind and node["bdf"] == bdf), None)
