"""The gateway's login, and what it answers to who has none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _gateway
from ansible_collections.navilab.webui.plugins.module_utils._gateway import HTPASSWD, KNOWN, answer, answers, login
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

PASSWORD = "twelve-or-more/ü"


def test_a_login() -> None:
    hashed, known = login("lab", PASSWORD, "")
    assert (hashed.path, hashed.mode, hashed.shared) == (HTPASSWD, 0o640, True)
    assert (known.path, known.mode, known.shared) == (KNOWN, 0o640, False)
    assert hashed.content.startswith("lab:$2y$07$") and PASSWORD not in hashed.content + known.content
    assert login("lab", PASSWORD, hashed.content) == [hashed, known]  # a good one stays


@pytest.mark.parametrize(("user", "password"), [("lab", "another-password"), ("other", PASSWORD)])
def test_another_login(user: str, password: str) -> None:
    hashed, known = login("lab", PASSWORD, "")
    others = login(user, password, hashed.content)
    assert others[0].content != hashed.content and others[1].content != known.content


def test_who_is_no_stranger_is_the_same_on_each_host() -> None:
    assert _gateway.known("lab", PASSWORD) == login("lab", PASSWORD, "")[1].content
    assert _gateway.token("lab", PASSWORD) in _gateway.known("lab", PASSWORD)


def test_an_answer(serve: Callable[..., Any], certificate: tuple[Path, Path]) -> None:
    chain, _key = certificate
    server = serve({"/internal/ping": (401, {})}, certificate)
    port = server.server_address[1]
    found = answer("127.0.0.1", "127.0.0.1", port, str(chain))
    assert (found["status"], found["error"]) == (401, "") and found["ends"] and found["ends"] > time.time()
    assert server.asked == [("GET", "/internal/ping")]
    assert "verify" in answer("127.0.0.1", "127.0.0.1", port)["error"]  # none of the system's
    assert "match" in answer("other.example", "127.0.0.1", port, str(chain))["error"]


def test_no_answer(serve: Callable[..., Any], tmp_path: Path) -> None:
    plain = serve({}).server_address[1]
    assert answer("127.0.0.1", "127.0.0.1", plain)["error"]
    assert answer("127.0.0.1", "127.0.0.1", 1) == {"status": None, "ends": None, "error": "Connection refused"}
    assert answer("127.0.0.1", "127.0.0.1", 1, str(tmp_path / "none"))["error"] == "No such file or directory"


def test_what_was_recorded_is_not_asked_again(tmp_path: Path) -> None:
    given = [{"name": "a", "address": "127.0.0.1", "port": 1, "ca": ""}]
    assert answers(Tree(str(tmp_path)), given) == {"1": {"status": None, "ends": None, "error": "not asked"}}
