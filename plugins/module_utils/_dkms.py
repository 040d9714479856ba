# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKMS modules that are registered on the host, from its tree: every version of `dkms status` prints its own format."""

from __future__ import annotations

from typing import Any

from ._sysfs import Tree

_TREE = "/var/lib/dkms"


def look_dkms(tree: Tree) -> dict[str, Any]:
    """`{present, modules: [{name, versions}]}`; kernel-* are links to what is built, no versions."""
    modules: list[dict[str, Any]] = []
    for name in tree.listdir(_TREE):
        versions = [
            version
            for version in tree.listdir(f"{_TREE}/{name}")
            if not version.startswith(("kernel-", "original_module")) and tree.is_dir(f"{_TREE}/{name}/{version}")
        ]
        if versions:
            modules.append({"name": name, "versions": versions})
    return {"present": tree.is_dir(_TREE), "modules": modules}
