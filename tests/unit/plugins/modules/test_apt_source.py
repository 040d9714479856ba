"""apt_source, and host_answers with sources: what a plan has masks for is known on the host alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _answers
from ansible_collections.navilab.webui.plugins.module_utils._apt import without_secrets
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree
from ansible_collections.navilab.webui.plugins.modules import apt_source

THEIRS = "deb https://me:s3cret@mirror.test/debian bookworm main\n"
OURS = "deb https://me:s3cret@mirror.test/debian bookworm non-free-firmware\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(THEIRS)
    found = Tree(str(tmp_path))
    monkeypatch.setattr(apt_source, "Tree", lambda _root: found)
    return found


def test_the_login_is_put_in(run_module: Callable[..., Any], tree: Tree) -> None:
    path = Path(tree.root) / "etc/apt/sources.list.d/navilab-firmware.list"
    given = {"path": str(path), "content": without_secrets(OURS)}
    assert run_module(apt_source.main, **given, _ansible_check_mode=True)["changed"] and not path.exists()
    done = run_module(apt_source.main, **given)
    assert (path.read_text(), path.stat().st_mode & 0o777) == (OURS, 0o600)
    assert done["changed"] and done["diff"]["after"] == given["content"] and "s3cret" not in json.dumps(done)
    path.chmod(0o644)
    assert run_module(apt_source.main, **given)["changed"] and path.stat().st_mode & 0o777 == 0o600
    done = run_module(apt_source.main, **given)
    assert not done["changed"] and "s3cret" not in json.dumps(done)
    assert run_module(apt_source.main, path=str(path), content="deb http://x/ ./\n")["changed"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_can_not_be_written(run_module: Callable[..., Any], tree: Tree) -> None:
    changed = run_module(apt_source.main, path="/none/x", content="deb http://sha256:00000000@mirror.test/ ./")
    assert changed["failed"] and "has changed since" in changed["msg"]
    assert "No such file" in run_module(apt_source.main, path=f"{tree.root}/none/x", content="x")["msg"]


def test_apt_is_asked_with_the_login_and_answers_without(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(_answers, "simulate", lambda question: asked.append(question) or {"error": ""})
    monkeypatch.setattr(tree, "ask", lambda _question, live, *_more: live())
    monkeypatch.setattr(_answers, "Tree", lambda _root: tree)
    question: Any = {"install": ["x"], "sources": [{"path": "/p.list", "content": without_secrets(OURS)}]}
    (found,) = _answers.answer(apt=[question])["apt"]
    assert asked[0]["sources"] == [{"path": "/p.list", "content": OURS}]
    assert found["question"] == question and "s3cret" not in json.dumps(found)
    unknown: Any = {"install": ["x"], "sources": [{"path": "/p.list", "content": "deb http://sha256:00000000@x/ ./"}]}
    _answers.answer(apt=[unknown])
    assert asked[1] == unknown
