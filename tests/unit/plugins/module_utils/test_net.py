"""Listeners and probes, on recorded text and on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _net
from ansible_collections.navilab.webui.plugins.module_utils._net import decode_address, listeners, own_addresses, probe
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1EB4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1EB4 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 100 0 0 10 0
   2: 0501A8C0:1EB5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 113 1 0 100 0 0 10 0
   3: garbage
   4: ZZ:1EB4 0:0 0A
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:1EB5 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 114 1 0
   1: 0000000000000000FFFF00000100007F:1EB6 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 115 1 0
   2: 00000000000000000000000001000000:1EB6 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 116 1 0
"""


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000000000000", "::"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "127.0.0.1"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert decode_address(text) == address


def test_recorded_listeners(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text(TCP)
    (tmp_path / "proc/net/tcp6").write_text(TCP6)
    assert listeners(Tree(str(tmp_path)), [7860, 7861, 7862, 7863]) == {
        "7860": {"listeners": ["127.0.0.1"], "owner": ""},
        "7861": {"listeners": ["192.168.1.5", "::"], "owner": ""},
        "7862": {"listeners": ["127.0.0.1", "::1"], "owner": ""},
        "7863": {"listeners": [], "owner": ""},
    }


def test_live_listener_and_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        seen = listeners(Tree("/"), [port])[str(port)]
    assert seen["listeners"] == ["127.0.0.1"]
    assert seen["owner"] == Path("/proc/self/comm").read_text().strip()


def test_own_addresses(tmp_path: Path) -> None:
    asked = ["127.0.0.1", "192.0.2.1", "node1.lab", ""]
    assert own_addresses(Tree("/"), asked) == {"127.0.0.1": True, "192.0.2.1": False, "node1.lab": None, "": None}
    assert own_addresses(Tree(str(tmp_path)), ["127.0.0.1"]) == {"127.0.0.1": None}  # another machine's tree


MODELS = [{"title": "tiny"}]


@pytest.mark.parametrize(
    ("routes", "ready", "models", "error"),
    [
        ({"/internal/ping": (200, {}), "/sdapi/v1/sd-models": (200, MODELS)}, True, 1, ""),
        ({"/sdapi/v1/sd-models": (200, MODELS)}, True, 1, ""),  # --nowebui: ping is 404
        ({"/internal/ping": (200, {}), "/sdapi/v1/sd-models": (200, [])}, False, 0, "no model is listed"),
        ({"/internal/ping": (200, {})}, False, None, "/sdapi/v1/sd-models answers 404"),
        ({"/internal/ping": (503, {})}, False, None, "/internal/ping answers 503"),
        ({"/sdapi/v1/sd-models": (200, b"<html>")}, False, None, "answers no list"),
        ({"/sdapi/v1/sd-models": (200, {"detail": "no"})}, False, None, "answers no list"),
        ({"/sdapi/v1/sd-models": (200, b"[" * 100000)}, False, None, "answers no list"),
    ],
)
def test_probe(serve: Callable[..., Any], routes: Any, ready: bool, models: int | None, error: str) -> None:
    seen = probe(serve(routes).server_address[1])
    assert (seen["ready"], seen["models"]) == (ready, models)
    assert error in seen["error"]


def test_probe_of_nobody_and_of_no_http(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr(_net, "TIMEOUT", 0.2)
        assert "timed out" in probe(port)["error"]
    assert probe(port)["error"] == "Connection refused"
    assert probe(port)["status"] is None
    assert probe(70000)["error"]


def test_probe_takes_the_address_that_is_listened_on(serve: Callable[..., Any]) -> None:
    server = serve({"/sdapi/v1/sd-models": (200, MODELS)})
    assert probe(server.server_address[1], ["127.0.0.1", "::"])["ready"]
    assert not probe(server.server_address[1], ["127.0.0.2"])["ready"]
    assert not probe(server.server_address[1], ["fe80::1"])["ready"]
