"""`navilab image inspect` where no engine lets it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from docker.errors import DockerException

from navilab import image
from navilab.run import Exit

REFUSED = "Error while fetching server API version: ('Connection aborted.', PermissionError(13, 'Permission denied'))"


def test_no_engine_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    assert image.show("navilab/webui:cpu") == Exit.FAILED
    assert capsys.readouterr().err.startswith("navilab image: no Docker Engine answers on this machine\n")


def test_an_account_that_the_engine_refuses_is_told_of_sudo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: Any) -> None:
        raise DockerException(REFUSED)

    monkeypatch.setattr("docker.from_env", refuse)
    assert image.show("navilab/webui:cpu") == Exit.FAILED
    said = capsys.readouterr().err
    assert "does not let this account in\n  with sudo it does" in said and "PermissionError" not in said
