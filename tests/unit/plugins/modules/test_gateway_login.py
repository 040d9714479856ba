"""gateway_login writes what it says, once and for nobody else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _gateway
from ansible_collections.navilab.webui.plugins.modules import gateway_login

LOGIN = {"user": "lab", "password": "twelve-or-more"}


@pytest.mark.skipif(os.geteuid() != 0, reason="files get root's owner")
def test_login(run_module: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTPASSWD", "KNOWN"):
        monkeypatch.setattr(_gateway, name, str(tmp_path / name.lower()))
    monkeypatch.setattr(gateway_login, "HTPASSWD", str(tmp_path / "htpasswd"))
    monkeypatch.setattr(gateway_login, "MADE", (str(tmp_path / "htpasswd"),))
    monkeypatch.setattr(gateway_login, "_gid", lambda: 33)
    foreseen = run_module(gateway_login.main, **LOGIN, _ansible_check_mode=True)
    assert (foreseen["changed"], foreseen["made"], list(tmp_path.iterdir())) == (True, [], [])
    first = run_module(gateway_login.main, **LOGIN)
    assert first["changed"] and len(first["made"]) == 1 and LOGIN["password"] not in str(first)
    modes = {path.name: (f"{path.stat().st_mode:o}"[-4:], path.stat().st_gid) for path in tmp_path.iterdir()}
    assert modes == {"htpasswd": ("0640", 33), "known": ("0640", 0)}
    assert run_module(gateway_login.main, **LOGIN) == {**first, "changed": False}
    assert run_module(gateway_login.main, **{**LOGIN, "password": "another-one-here"})["changed"]
