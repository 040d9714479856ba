"""Modules as a program of our own: it runs with nothing but Python, and gives what the module gives."""

from __future__ import annotations

import ast
import base64
import json
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path
from resource import RLIMIT_FSIZE, setrlimit
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.plugin_utils import _program
from ansible_collections.navilab.webui.plugins.plugin_utils._program import _packed, program


def sources() -> dict[str, str]:
    found: dict[str, str] = json.loads(zlib.decompress(base64.b64decode(_packed())))
    return found


def run(arguments: dict[str, Any], kept: Path, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """What it says, where it keeps the sources in `kept`, or can't where that is below a file."""
    text = program("host_info", arguments, kept=str(kept))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run([sys.executable], input=text, capture_output=True, check=False, env=environment, **more)


@pytest.fixture(params=["kept", "not kept"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "run/navilab" if request.param == "kept" else Path("/dev/null/navilab")


def test_program(tmp_path: Path, kept: Path) -> None:
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
    for _call in range(2):
        done = run(asked, kept, cwd=tmp_path)
        assert not done.returncode, done.stderr.decode()
        seen = json.loads(done.stdout)
        wanted = {**gather(**asked), "root": str(tmp_path)}
        assert seen == {"changed": False, "host": json.loads(json.dumps(wanted))}


@pytest.mark.parametrize("module", _program.OURS)
def test_each_module_has_its_function(module: str, tmp_path: Path) -> None:
    """In check mode and with no argument but those that it can't do without: it says something, and does nothing."""
    needed = {"role_record": {"name": "x y"}, "webui_ready": {"name": "none", "port": 0}}.get(module, {})
    needed |= {"root": "relative"} if module in ("host_info", "host_answers") else {}
    text = program(module, needed, check=True, kept=str(tmp_path / "kept"))
    done = subprocess.run([sys.executable], input=text, capture_output=True, check=False)
    assert not done.returncode, done.stderr.decode()
    said = json.loads(done.stdout)
    assert "msg" in said if needed else not said.get("failed")


ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="it keeps sources for root alone")


@ROOT
def test_sources_are_kept_once(tmp_path: Path) -> None:
    for _call in range(2):
        assert not run({"root": str(tmp_path)}, tmp_path / "kept").returncode
        (home,) = (tmp_path / "kept").iterdir()  # nothing is left of what it was made as
    assert list(home.rglob("_gather.*.pyc")), "Python keeps them compiled"
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "kept", *home.rglob("*.py"), home)}
    assert modes == {0o755, 0o644}


@ROOT
@pytest.mark.parametrize("limit", [99, max(map(len, sources().values()))])
def test_a_full_disk(tmp_path: Path, limit: int) -> None:
    """A host that has no room for the sources, or for what they are compiled to, tells what is wrong with it."""
    for _call in range(2):
        done = run(
            {"root": str(tmp_path)}, tmp_path / "kept", preexec_fn=lambda: setrlimit(RLIMIT_FSIZE, (limit, limit))
        )
        assert not done.returncode, done.stderr.decode()
        assert not list((tmp_path / "kept").iterdir())


@ROOT
def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program, "ROOM", 1 << 60)
    assert not run({"root": str(tmp_path)}, tmp_path / "kept").returncode
    assert not list((tmp_path / "kept").iterdir())


@ROOT
def test_sources_that_nobody_uses_go(tmp_path: Path) -> None:
    for name, age in (("old", 2 * _program.UNUSED_S), ("young", 60)):
        (tmp_path / "kept" / name).mkdir(parents=True)
        os.utime(tmp_path / "kept" / name, (time.time() - age,) * 2)
    assert not run({"root": str(tmp_path)}, tmp_path / "kept").returncode
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert len(names) == 2 and "young" in names
    (ours,) = names - {"young"}
    os.utime(tmp_path / "kept" / ours, (1e9, 1e9))
    assert not run({"root": str(tmp_path)}, tmp_path / "kept").returncode
    assert (tmp_path / "kept" / ours).stat().st_mtime > 1e9, "it is used"


def test_traceback(kept: Path) -> None:
    """It names file and line, as a module's does."""
    assert run({"none": 1}, kept).returncode == 1
    done = run({"disk": [0]}, kept)
    assert b"navilab_webui/_" in done.stderr
    assert not done.stdout


def test_a_traceback_has_no_argument(tmp_path: Path) -> None:
    """Read from a file, a program's lines are in it."""
    text = program("role_record", {"name": ["s3cret"]}, kept="/dev/null/navilab")
    (tmp_path / "program.py").write_bytes(text)
    done = subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, check=False)
    assert done.returncode == 1 and b"Traceback" in done.stderr
    assert base64.b64encode(b'"s3cret"')[2:8] not in done.stderr and b"b64decode" not in done.stderr


def test_all_that_is_imported_travels() -> None:
    """However an import is written: the program finds them by an expression, for its speed."""
    for source in sources().values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and node.level:
                names = [node.module.split(".")[0]] if node.module else [each.name for each in node.names]
                assert {f"navilab_webui.{name}" for name in names} <= set(sources())
