# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory groups hosts by, from run to run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: known
short_description: Keep what an inventory groups hosts by, and no other fact
version_added: "0.1.0"
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

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.cache import BaseFileCacheModule

TARGET = re.compile(r"gfx[0-9a-f]{3,5}")


def kept(facts: Any) -> dict[str, Any]:
    """The two facts, in their form alone. Before ansible-core 2.19 `constructed` fills templates in a fact that comes
    out of a file, and what a host says is none; a file may be damaged, too."""
    found: dict[str, Any] = {}
    facts = facts if isinstance(facts, Mapping) else {}
    known, verified = facts.get("navilab_known"), facts.get("navilab_verified")
    if isinstance(known, Mapping):
        found["navilab_known"] = {
            "gfx_targets": [str(each) for each in _list(known, "gfx_targets") if TARGET.fullmatch(str(each))],
            "vram_gib": [int(each) for each in _list(known, "vram_gib") if isinstance(each, int)],
            "needs_reboot": known.get("needs_reboot") is True,
        }
    if isinstance(verified, bool):
        found["navilab_verified"] = verified
    return found


def _list(known: Mapping[str, Any], name: str) -> list[Any]:
    found = known.get(name)
    return list(found) if isinstance(found, (list, tuple)) else []


class CacheModule(BaseFileCacheModule):  # type: ignore[misc]
    """Ansible's cache of files, which has all facts in memory; what is written is ours."""

    _persistent = False  # ansible-core would have all facts as one text, to be read again for every task

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._written: dict[str, dict[str, Any]] = {}
        super().__init__(*arguments, **options)

    def validate_cache_connection(self) -> None:
        if self._cache_dir:
            try:
                Path(self._cache_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:  # Ansible goes on without a cache, but for errors of its own alone
                raise AnsibleError(f"what is known of hosts can't be kept in {self._cache_dir}: {error}") from error
        super().validate_cache_connection()

    def get(self, key: str) -> Any:
        value = super().get(key)
        self._written.setdefault(key, kept(value))
        return value

    def set(self, key: str, value: Any) -> None:
        """Any fact of a host comes here. What another run has written meanwhile stays, unless there is news."""
        new = kept(value)
        if new == self._written.get(key, {}):
            self._cache[key] = value
            return
        super().set(key, value)
        self._written[key] = new

    def _load(self, filepath: str) -> Any:
        return kept(json.loads(Path(filepath).read_text(encoding="utf-8")))

    def _dump(self, value: Any, filepath: str) -> None:
        Path(filepath).write_text(json.dumps(kept(value)), encoding="utf-8")
