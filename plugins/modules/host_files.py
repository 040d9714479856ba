#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Keep records, and write sources of apt and settings of the engine, in one round trip
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the roles of this collection.
  - First the host is held for this run, as M(navilab.webui.host_lock) does, then each record is kept, as
    M(navilab.webui.role_record) does, then directories are made and files written, each in one step.
  - The C(daemon.json) that was there is kept in C(/var/lib/navilab), for root alone, until
    M(navilab.webui.engine_service) has seen the engine come up.
  - Plans are shown, so that they have masks in place of secrets (a proxy's login, that of a mirror, a token). The host
    puts them in, from O(values), O(proxy), its own sources and the C(daemon.json) that it has.
  - This is an action plugin too, which holds the host unless this run does, and tells the host's facts of the records.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed, or would change.
    support: full
    details:
      - Secrets are masked, and a file that is one is not shown.
  platform:
    description: Target systems that the module is for.
    support: full
    platforms: debian
requirements:
  - Python 3.9 or newer on the target, with its standard library and nothing else.
options:
  lease:
    description:
      - Seconds after which the run counts as dead, unless it renews the lock.
    type: int
    default: 1800
  records:
    description:
      - Records by name.
    type: dict
    default: {}
  directories:
    description:
      - Directories that the files need, root's with mode 0755. Those that are there stay as they are.
    type: list
    elements: str
    default: []
  files:
    description:
      - The files, as a plan has them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - The file. A C(daemon.json) that is a link stays one.
        type: str
        required: true
      content:
        description:
          - The text that it is to have, that of C(daemon.json) a JSON object.
        type: str
        required: true
      mode:
        description:
          - Octal mode of the file. Without it a file keeps its own, and a new one is V(0644). A source of apt has
            V(0600) with a login in it, else V(0644).
        type: str
      kind:
        description:
          - V(text) is written as it is, V(daemon) is C(daemon.json), V(proxy) has O(proxy) for its text, and V(source)
            is one of apt's sources.
        type: str
        choices: [text, daemon, proxy, source]
        default: text
  values:
    description:
      - Values of keys of C(daemon.json) that hold a secret.
    type: dict
    default: {}
  proxy:
    description:
      - The unit file with the engine's proxy, whose address may hold a password.
    type: str
    default: ""
  run:
    description:
      - The run that is to hold the host, as O(navilab.webui.host_lock#module:run). The action plugin says it, and the
        options below. Without it the host is not held.
    type: str
  over:
    description:
      - A run that is known to be dead.
    type: str
    default: ""
  who:
    description:
      - Account and machine that started the run.
    type: str
    default: ""
  machine:
    description:
      - Tells that machine from all others.
    type: str
    default: ""
  pid:
    description:
      - Process of the run there.
    type: int
    default: 0
  start:
    description:
      - When that process began, in the kernel's ticks.
    type: int
seealso:
  - module: navilab.webui.engine_service
  - module: navilab.webui.host_lock
  - module: navilab.webui.role_record
"""

EXAMPLES = r"""
- name: Keep a record, then add a component of Debian
  navilab.webui.host_files:
    records:
      firmware:
        packages: [firmware-amd-graphics]
    files:
      - path: /etc/apt/sources.list.d/navilab-firmware.list
        content: |
          deb http://deb.debian.org/debian bookworm non-free-firmware
        kind: source
  become: true

- name: Set the log driver
  navilab.webui.host_files:
    files:
      - path: /etc/docker/daemon.json
        content: '{"log-driver": "local"}'
        kind: daemon
  become: true
"""

RETURN = r"""
paths:
  description:
    - What was made or written, or would be.
  returned: success
  type: list
  elements: str
held:
  description:
    - Whether this run holds the host now.
  returned: success
  type: bool
lock:
  description:
    - Another run that holds it; nothing was written then.
  returned: success
  type: dict
problem:
  description:
    - Why the lock could not be kept, empty where it could.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils import _apt_source, _engine_apply, _lock, _records
from ansible_collections.navilab.webui.plugins.module_utils._files import ApplyError, Replaced, make, write
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

_FILE = {
    "path": {"type": "str", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str"},
    "kind": {"type": "str", "choices": ["text", "daemon", "proxy", "source"], "default": "text"},
}
ARGUMENTS = {
    "lease": {"type": "int", "default": 1800},
    "records": {"type": "dict", "default": {}},
    "directories": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "values": {"type": "dict", "default": {}, "no_log": True},
    "proxy": {"type": "str", "default": "", "no_log": True},
    "run": {"type": "str"},
    "over": {"type": "str", "default": ""},
    "who": {"type": "str", "default": ""},
    "machine": {"type": "str", "default": ""},
    "pid": {"type": "int", "default": 0},
    "start": {"type": "int"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    given, check = module.params, module.check_mode
    held: _lock.Held = {"held": False, "lock": None, "problem": ""}
    if given["run"] and not check:
        mine = {key: given[key] for key in ("run", "who", "machine", "pid", "start")}
        held = _lock.hold(mine, given["lease"], given["over"], _lock.FOLDER)
        if held["lock"]:
            module.exit_json(changed=False, paths=[], **held)

    paths, diffs = [], []

    def note(path: str, done: Replaced) -> None:
        if done.changed:
            paths.append(path)
            diffs.append({"before": done.before, "after": done.after, "before_header": path, "after_header": path})

    path = ""
    try:
        for name, content in given["records"].items():
            path = str(_records.path_of(name))
            note(path, _records.keep(name, content, check))
        for path in given["directories"]:
            if make(path, check):
                paths.append(path)
        for file in given["files"]:
            path = file["path"]
            note(path, _write(file, given["values"], given["proxy"], check))
    except ApplyError as error:
        module.fail_json(msg=str(error), changed=bool(paths))
    except OSError as error:
        module.fail_json(msg=f"{path}: {error.strerror}", changed=bool(paths))
    module.exit_json(changed=bool(paths), paths=paths, diff=diffs, **held)


def _write(file: dict[str, str], values: dict[str, str], proxy: str, check: bool) -> Replaced:
    path, content, mode = file["path"], file["content"], file["mode"]
    if file["kind"] == "daemon":
        return _engine_apply.replace(path, content, values, mode, check)
    if file["kind"] == "source":
        return _apt_source.replace(path, content, Tree("/"), check)
    if file["kind"] == "proxy":
        return Replaced(write(path, proxy, mode, check).changed, "", "")
    return write(path, content, mode, check)


if __name__ == "__main__":
    main()
