#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: role_record
short_description: Keep or drop the record of what came in with a role
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the roles of this collection.
  - Keeps a JSON file below C(/var/lib/navilab), written before a role acts, so that an interrupted run can still be
    removed and a removal takes out nothing else.
  - Directory and file are root's, with mode 0755 and 0644. The file is replaced in one step.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: full
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
options:
  name:
    description:
      - Name of the record, the role's own.
    type: str
  content:
    description:
      - The record. Without it, or with an empty one, the record is dropped.
    type: dict
    default: {}
  records:
    description:
      - Several records by name, in place of O(name) and O(content).
    type: dict
seealso:
  - module: navilab.webui.host_info
"""

EXAMPLES = r"""
- name: Keep the record of what comes in
  navilab.webui.role_record:
    name: firmware
    content:
      packages: [firmware-amd-graphics]
  become: true
"""

RETURN = r"""
paths:
  description:
    - The files.
  returned: success
  type: list
  elements: str
"""

import json
import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._machine import RECORDS


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "content": {"type": "dict", "default": {}},
            "records": {"type": "dict"},
        },
        mutually_exclusive=[("name", "records")],
        required_one_of=[("name", "records")],
        supports_check_mode=True,
    )
    records = module.params["records"]
    if records is None:
        records = {module.params["name"]: module.params["content"]}
    strange = [name for name in records if not name.isidentifier()]
    if strange:
        module.fail_json(msg=f"'{strange[0]}' is no name for a record: use letters, digits and '_'")
    paths, diffs = [], []
    for name, content in records.items():
        path = Path(RECORDS) / f"{name}.json"
        paths.append(str(path))
        wanted = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n" if content else ""
        try:
            before = _read(path)
            if before != wanted and not module.check_mode:
                _write(path, wanted)
        except OSError as error:
            module.fail_json(msg=f"{path}: {error}")
        if before != wanted:
            diffs.append({"before": before, "after": wanted, "before_header": str(path), "after_header": str(path)})
    module.exit_json(changed=bool(diffs), paths=paths, diff=diffs)


def _read(path: Path) -> str:
    """The record as it is; one that is no text is replaced, as the facts know none then."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    """Replace the file in one step, so that whoever reads it, after an interruption too, reads a whole one."""
    if not text:
        path.unlink()
        return
    path.parent.mkdir(exist_ok=True)
    path.parent.chmod(0o755)  # whatever the umask
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink()
        raise


if __name__ == "__main__":
    main()
