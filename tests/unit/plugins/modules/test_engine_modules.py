"""engine_config and engine_service: arguments in, one call, result out, and nothing secret in it."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _engine_apply
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import public, render
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import Served
from ansible_collections.navilab.webui.plugins.modules import engine_config, engine_service

WANTED = {"proxies": {"http-proxy": "http://bob:s3cret@p"}}


def settings(path: Path, content: str, mode: str | None = None) -> list[dict[str, Any]]:
    return [{"path": str(path), "content": content, "mode": mode, "daemon": True}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_engine_apply, "BACKUP", str(tmp_path / "navilab/before"))
    return tmp_path


def test_config(run_module: Callable[..., Any], folder: Path) -> None:
    path = folder / "daemon.json"
    content = render(public(WANTED))
    done = run_module(engine_config.main, files=settings(path, content, "0600"), values=WANTED)
    assert json.loads(path.read_text()) == WANTED
    assert done["changed"] and [diff["after"] for diff in done["diff"]] == [content]
    assert "s3cret" not in json.dumps(done), "-vvv shows the arguments too"
    assert not run_module(engine_config.main, files=settings(path, content))["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_all_settings_at_once(run_module: Callable[..., Any], folder: Path, check: bool) -> None:
    certificate, unit = folder / "certs.d/lab:5000/ca.crt", folder / "docker.service.d/proxy.conf"
    proxy = 'Environment="http_proxy=http://bob:s3cret@p"'
    files = [
        {"path": str(certificate), "content": "pem\n", "mode": "0644"},
        {"path": str(unit), "content": "", "mode": "0600", "secret": True},
        *settings(folder / "daemon.json", "{}", "0644"),
    ]
    arguments = {"directories": [str(certificate.parent), str(unit.parent)], "files": files, "proxy": proxy}
    done = run_module(engine_config.main, _ansible_check_mode=check, **arguments)
    assert done["paths"] == [*arguments["directories"], *(file["path"] for file in files)]
    assert "s3cret" not in json.dumps(done)
    assert certificate.exists() is not check
    if check:
        return
    assert (certificate.read_text(), unit.read_text()) == ("pem\n", proxy)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (certificate.parent, certificate, unit)]
    assert modes == [0o755, 0o644, 0o600]
    assert not run_module(engine_config.main, **arguments)["changed"]
    unit.chmod(0o644)
    assert run_module(engine_config.main, **arguments)["paths"] == [str(unit)]


@pytest.mark.parametrize(
    ("before", "content", "says"),
    [
        ("{", "{}", "is not JSON"),
        ("{}", render(public(WANTED)), "proxies is another"),
        (None, "{}", "No such file or directory"),
    ],
)
def test_config_that_can_not_be_written(
    run_module: Callable[..., Any], folder: Path, before: Any, content: str, says: str
) -> None:
    path = folder / ("none/daemon.json" if before is None else "daemon.json")
    if before is not None:
        path.write_text(before)
    done = run_module(engine_config.main, files=settings(path, content))
    assert done["failed"] and says in done["msg"]


def test_service(run_module: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(engine_service, "serve", lambda *arguments: asked.append(arguments) or Served(True))
    assert run_module(engine_service.main, state="restarted", daemon_reload=True)["changed"]
    assert run_module(engine_service.main, state="reloaded", enabled=True)["changed"]
    assert asked == [("restarted", True, False, False), ("reloaded", False, True, False)]
    monkeypatch.setattr(engine_service, "serve", lambda *_arguments: Served(True, "it is down", "mend it"))
    done = run_module(engine_service.main)
    assert done["failed"] and done["msg"] == "docker_engine: it is down. Remedy: mend it."
    assert [check["id"] for check in done["checks"]] == ["docker_engine"]
