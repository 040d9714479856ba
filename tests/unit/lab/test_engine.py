"""The Docker Engine that labs share: who starts it stops it, and nobody under another's hands."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from navilab.lab import engine


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine of ours that runs nothing; the file that says so."""
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "RUN", run)
    monkeypatch.setattr(engine, "STARTED", run / "engine")
    monkeypatch.setattr(engine, "USED", tmp_path / "used")
    client = SimpleNamespace(api=SimpleNamespace(containers=list), close=lambda: None)
    monkeypatch.setattr(engine, "connect", lambda: client)
    (run / "engine").write_text(f"{os.getpid()}\n", encoding="ascii")  # no dockerd, so that nothing is ended
    return run / "engine"


def test_nobody_stops_an_engine_that_another_command_works_with(started: Path) -> None:
    with engine.used(), engine.used():
        assert "another lab's command" in (engine.stop_if_ours() or "")
    assert started.exists()
    assert "stopped" in (engine.stop_if_ours() or "")
    assert not started.exists()
    assert engine.stop_if_ours() is None


def test_a_user_who_may_not_lock(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "USED", Path("/dev/null/used"))
    with engine.used():
        assert started.exists()
