"""host_info as a program of our own: it runs with nothing but Python, and gives what the module gives."""

from __future__ import annotations

import ast
import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.plugin_utils._program import _packed, program


def test_program(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=debian\nPRETTY_NAME='D \u00fc {x} \"'\n", encoding="utf-8")
    for name in ("json", "__future__", "base64"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('whoever has the directory runs code as root')", "utf-8")
    # A registry and a gateway are late imports.
    asked: dict[str, Any] = {
        "root": str(tmp_path),
        "user": "l'ab",
        "images": ["r/x:1"],
        "webuis": [],
        "probe_images": True,
    }
    asked["gateways"] = [{"name": "gateway", "port": 443, "address": "127.0.0.1", "ca": ""}]
    done = subprocess.run([sys.executable], input=program(asked), cwd=tmp_path, capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert seen == {"changed": False, "host": json.loads(json.dumps(gather(**asked)))}


def test_traceback() -> None:
    """It names file and line, as a module's does."""
    done = subprocess.run([sys.executable], input=program({"none": 1}), capture_output=True, check=False)
    assert done.returncode == 1
    done = subprocess.run([sys.executable], input=program({"disk": [0]}), capture_output=True, check=False)
    assert b"navilab_webui/_" in done.stderr
    assert not done.stdout


def test_all_that_is_imported_travels() -> None:
    """However an import is written: the program finds them by an expression, for its speed."""
    sources: dict[str, str] = json.loads(zlib.decompress(base64.b64decode(_packed())))
    for source in sources.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.level:
                names = [node.module.split(".")[0]] if node.module else [each.name for each in node.names]
                assert {f"navilab_webui.{name}" for name in names} <= set(sources)
