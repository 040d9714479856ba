"""registry_login writes what it says, once and for nobody else; registry_published is read only."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _lab_registry
from ansible_collections.navilab.webui.plugins.modules import registry_login, registry_published


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = []
    for name in ("LOGIN", "HTPASSWD", "ENVIRONMENT"):
        path = str(tmp_path / name.lower())
        made.append(path)
        monkeypatch.setattr(registry_login, name, path)
        monkeypatch.setattr(_lab_registry, name, path)
    monkeypatch.setattr(_lab_registry, "MADE", made)
    monkeypatch.setattr(registry_login, "_gid", lambda _group: 65534)
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="files get root's owner")
def test_login(run_module: Callable[..., dict[str, Any]], folder: Path) -> None:
    foreseen = run_module(registry_login.main, port=5001, _ansible_check_mode=True)
    assert (foreseen["changed"], foreseen["made"], list(folder.iterdir())) == (True, [], [])
    first = run_module(registry_login.main, port=5001)
    assert first["changed"] and len(first["made"]) == 3
    password = _lab_registry.password_of((folder / "login").read_text(), 5001)
    assert password and password not in str(first)
    modes = {path.name: (f"{path.stat().st_mode:o}"[-4:], path.stat().st_gid) for path in folder.iterdir()}
    assert modes == {"login": ("0600", 0), "htpasswd": ("0640", 65534), "environment": ("0600", 0)}
    assert run_module(registry_login.main, port=5001) == {**first, "changed": False}
    (folder / "htpasswd").chmod(0o644)
    assert run_module(registry_login.main, port=5001) == {**first, "changed": True}
    assert f"{(folder / 'htpasswd').stat().st_mode:o}"[-4:] == "0640"


def test_login_without_the_group(run_module: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    found = run_module(registry_login.main, port=5001, group="no-such-group-here")
    assert found["failed"] and "no-such-group-here" in found["msg"]


def test_published(run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_lab_registry, "RECORD", str(tmp_path / "none.json"))
    found = run_module(registry_published.main, _ansible_check_mode=True)
    assert {key: found[key] for key in ("changed", "address", "images", "models", "error")} == {
        "changed": False, "address": "", "images": {}, "models": [], "error": "",
    }  # fmt: skip
