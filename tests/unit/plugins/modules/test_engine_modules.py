"""engine_config and engine_service: arguments in, one call, result out, and nothing secret in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _engine_apply
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import public, render
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import Served
from ansible_collections.navilab.webui.plugins.modules import engine_config, engine_service

WANTED = {"proxies": {"http-proxy": "http://bob:s3cret@p"}}


def test_config(run_module: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine_apply, "BACKUP", str(tmp_path / "navilab/before"))
    path = tmp_path / "daemon.json"
    content = render(public(WANTED))
    done = run_module(engine_config.main, path=str(path), content=content, values=WANTED, mode="0600")
    assert json.loads(path.read_text()) == WANTED
    assert done["changed"] and done["diff"]["after"] == content
    assert "s3cret" not in json.dumps(done), "-vvv shows the arguments too"
    assert not run_module(engine_config.main, path=str(path), content=content)["changed"]


@pytest.mark.parametrize(
    ("before", "content", "says"),
    [
        ("{", "{}", "is not JSON"),
        ("{}", render(public(WANTED)), "proxies is another"),
        (None, "{}", "No such file or directory"),
    ],
)
def test_config_that_can_not_be_written(
    run_module: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: Any,
    content: str,
    says: str,
) -> None:
    monkeypatch.setattr(_engine_apply, "BACKUP", str(tmp_path / "navilab/before"))
    path = tmp_path / ("none/daemon.json" if before is None else "daemon.json")
    if before is not None:
        path.write_text(before)
    done = run_module(engine_config.main, path=str(path), content=content)
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
