# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules of ours do that a run asks for often, as a program that has our sources with it and none of Ansible's: a
host compiles what it is sent at each call, and Ansible's own library for modules is the larger half. Ours root finds
compiled from the second call on, in a directory of its own in memory, which is gone with a boot."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import (
    _answers,
    _engine_apply,
    _gather,
    _host_files,
    _lock,
    _ready,
    _records,
)

OURS: dict[str, Any] = {
    "engine_service": _engine_apply, "host_answers": _answers, "host_files": _host_files, "host_info": _gather,
    "host_lock": _lock, "role_record": _records, "webui_ready": _ready,
}  # fmt: skip
"""Where the function of a module's name is, from the module's arguments and check mode to its result; and ARGUMENTS."""
KEPT = "/run/navilab.webui/sources"
"""Where a host keeps our sources, by their digest."""
ROOM = 16 << 20
"""Bytes that have to be free there: systemd needs them more."""
UNUSED_S = 86400
"""Seconds after which those of another version go."""
_KNOWLEDGE = Path(__file__).resolve().parents[1] / "module_utils"
_IMPORTED = re.compile(r"^ *from \.(?:(\w+) import| import ([\w, ]+))", re.MULTILINE)
# Read from standard input, so the directory that it is started in would be looked through first, for __future__ too:
# anybody's, for root.
_PROGRAM = """import sys
sys.path[:] = [path for path in sys.path if path not in ("", ".")]
sys.dont_write_bytecode = True
import base64, json, os, zlib
from importlib.machinery import ModuleSpec

class Sources:
    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path, target=None):
        return ModuleSpec(name, self, is_package="." not in name) if name in self.sources else None

    def get_source(self, name):
        return self.sources[name]

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        file = name.replace(".", "/") + ".py"
        exec(compile(self.sources[name], file, "exec", dont_inherit=True), module.__dict__)

def unpacked():
    return json.loads(zlib.decompress(base64.b64decode("{packed}")))

def keep(kept):
    import marshal, py_compile, shutil, time
    os.umask(0o022)
    new = "%s.%d" % (kept, os.getpid())
    try:
        os.makedirs(new + "/navilab_webui")
        if shutil.disk_usage(new).free < {room}:
            raise OSError("no room")
        for name, text in unpacked().items():
            file = "%s/navilab_webui/%s.py" % (new, name.partition(".")[2] or "__init__")
            with open(file, "w", encoding="utf-8") as source:
                source.write(text)
            with open(py_compile.compile(file, doraise=True), "rb") as compiled:
                marshal.loads(compiled.read()[16:])  # Python itself takes half a file for a whole one
        os.rename(new, kept)
        home = os.path.dirname(kept)
        for other in os.listdir(home):
            if time.time() - os.stat(os.path.join(home, other)).st_mtime > {unused}:
                shutil.rmtree(os.path.join(home, other))
    except (OSError, EOFError, ValueError):
        shutil.rmtree(new, ignore_errors=True)

def kept(home):
    if os.geteuid() != 0:
        return False
    if not os.path.isdir(home):
        keep(home)
    try:
        os.utime(home)
    except OSError:
        return False
    return True

if kept("{kept}"):
    sys.path.insert(0, "{kept}")
else:
    sys.meta_path.insert(0, Sources(unpacked()))
from navilab_webui.{file} import {module}
given = json.loads(base64.b64decode("{arguments}"))  # a line of its own, which no traceback shows: it may have secrets
print(json.dumps({module}(given, {check})))
"""


@functools.cache
def _packed() -> str:
    """The modules' functions and all that they import, early or late."""
    found, wanted = {"navilab_webui": ""}, [_file(module) for module in OURS]
    while wanted:
        name = wanted.pop()
        if f"navilab_webui.{name}" in found:
            continue
        text = found[f"navilab_webui.{name}"] = (_KNOWLEDGE / f"{name}.py").read_text("utf-8")
        for module, modules in _IMPORTED.findall(text):
            wanted += [module] if module else re.split(r"\s*,\s*", modules.strip())
    return base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()


def _file(module: str) -> str:
    return str(OURS[module].__name__).rpartition(".")[2]


_packed()  # in the parent, whose workers inherit it


def program(module: str, arguments: Mapping[str, Any], check: bool = False, kept: str = KEPT) -> bytes:
    """Prints what the module returns for these arguments, which are as its specification wants them."""
    whole = {name: option.get("default") for name, option in OURS[module].ARGUMENTS.items()} | dict(arguments)
    given = base64.b64encode(json.dumps(whole, default=str).encode()).decode()
    packed = _packed()
    home = f"{kept}/{hashlib.sha256(packed.encode()).hexdigest()[:32]}"
    return _PROGRAM.format(
        packed=packed,
        kept=home,
        room=ROOM,
        unused=UNUSED_S,
        file=_file(module),
        module=module,
        arguments=given,
        check=check,
    ).encode()
