# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory groups hosts by, from run to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.cache import BaseFileCacheModule

DOCUMENTATION = r"""
name: known
short_description: Keep what an inventory groups hosts by, and no other fact
version_added: "0.2.0"
description:
  - Keeps of each host two facts that M(navilab.webui.plan) sets. C(navilab_known) has the targets and the VRAM
    of its GPUs, and whether a reboot is due. C(navilab_verified) tells whether all checks passed; the callback
    P(navilab.webui.report#callback) takes that back where the host fails.
  - So the inventory plugin P(ansible.builtin.constructed#inventory) can group hosts by them, as the collection's
    C(inventory/lab.example/zz_constructed.yml) does.
  - All other facts are kept in memory, as by P(ansible.builtin.memory#cache), and are gone with the run.
options:
  _uri:
    description: Directory of a file a host, which is made for its owner alone.
    type: path
    required: true
    env: [{name: ANSIBLE_CACHE_PLUGIN_CONNECTION}]
    ini: [{key: fact_caching_connection, section: defaults}]
  _prefix:
    description: What the files' names begin with.
    type: str
    default: ""
    env: [{name: ANSIBLE_CACHE_PLUGIN_PREFIX}]
    ini: [{key: fact_caching_prefix, section: defaults}]
  _timeout:
    description: Seconds after which a file counts no more; 0 for never.
    type: integer
    default: 0
    env: [{name: ANSIBLE_CACHE_PLUGIN_TIMEOUT}]
    ini: [{key: fact_caching_timeout, section: defaults}]
"""

KEPT = ("navilab_known", "navilab_verified")


class CacheModule(BaseFileCacheModule):  # type: ignore[misc]
    """Ansible's cache of files, which has all facts in memory; what is written is ours."""

    _persistent = False  # ansible-core would have all facts as one text, to be read again for every task

    def validate_cache_connection(self) -> None:
        if self._cache_dir:
            Path(self._cache_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
        super().validate_cache_connection()

    def _load(self, filepath: str) -> Any:
        return json.loads(Path(filepath).read_text(encoding="utf-8"))

    def _dump(self, value: Any, filepath: str) -> None:
        kept = {name: value[name] for name in KEPT if name in value}
        Path(filepath).write_text(json.dumps(kept), encoding="utf-8")
