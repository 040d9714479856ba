"""engine_service: arguments in, one call, result out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _engine_apply
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import Served
from ansible_collections.navilab.webui.plugins.modules import engine_service


def test_service(run_module: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(_engine_apply, "serve", lambda *arguments: asked.append(arguments) or Served(True))
    assert run_module(engine_service.main, state="restarted", daemon_reload=True)["changed"]
    assert run_module(engine_service.main, state="reloaded", enabled=True)["changed"]
    assert asked == [("restarted", True, False, False), ("reloaded", False, True, False)]
    monkeypatch.setattr(_engine_apply, "serve", lambda *_arguments: Served(True, "it is down", "mend it"))
    done = run_module(engine_service.main)
    assert done["failed"] and done["msg"] == "docker_engine: it is down. Remedy: mend it."
    assert [check["id"] for check in done["checks"]] == ["docker_engine"]
