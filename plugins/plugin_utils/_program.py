# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What host_info does, as a program that has our sources with it and none of Ansible's: a host compiles what it is sent
at each call, and Ansible's own library for modules is the larger half."""

from __future__ import annotations

import base64
import functools
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_KNOWLEDGE = Path(__file__).resolve().parents[1] / "module_utils"
_IMPORTED = re.compile(r"^ *from \.(?:(\w+) import| import ([\w, ]+))", re.MULTILINE)
# Read from standard input, so the directory that it is started in would be looked through first, for __future__ too:
# anybody's, for root.
_PROGRAM = """import sys
sys.path[:] = [path for path in sys.path if path not in ("", ".")]
import base64, importlib.abc, importlib.util, json, zlib

class Sources(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
    def __init__(self, packed):
        self.sources = json.loads(zlib.decompress(base64.b64decode(packed)))

    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_loader(name, self) if name in self.sources else None

    def is_package(self, name):
        return "." not in name

    def get_filename(self, name):
        return name.replace(".", "/") + ".py"

    def get_source(self, name):
        return self.sources[name]

sys.meta_path.insert(0, Sources("{packed}"))
from navilab_webui._gather import gather
print(json.dumps({{"changed": False, "host": gather(**json.loads(base64.b64decode("{arguments}")))}}))
"""


@functools.cache
def _packed() -> str:
    """_gather.py and all that it imports, early or late."""
    found, wanted = {"navilab_webui": ""}, ["_gather"]
    while wanted:
        name = wanted.pop()
        if f"navilab_webui.{name}" in found:
            continue
        text = found[f"navilab_webui.{name}"] = (_KNOWLEDGE / f"{name}.py").read_text("utf-8")
        for module, modules in _IMPORTED.findall(text):
            wanted += [module] if module else re.split(r"\s*,\s*", modules.strip())
    return base64.b64encode(zlib.compress(json.dumps(found).encode())).decode()


_packed()  # in the parent, whose workers inherit it


def program(arguments: Mapping[str, Any]) -> bytes:
    """Gathers with these arguments, prints what the module host_info returns."""
    given = base64.b64encode(json.dumps(dict(arguments), default=str).encode()).decode()
    return _PROGRAM.format(packed=_packed(), arguments=given).encode()
