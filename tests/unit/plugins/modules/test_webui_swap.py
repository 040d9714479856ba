"""One container takes another one's place: against an engine that remembers, a webui that answers, and real files."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _net, _swap

ENDED = "2026-01-02T03:04:05.5Z"
OWNER = (os.getuid(), os.getgid())


def begin(engine: Engine, swap: _swap.Swap) -> None:
    _swap.prepare(swap, 0, 2, OWNER)
    _swap.begin(engine, swap, OWNER, restores=False)


class Engine:
    """Containers by name, with whether each runs; `words` is what it was asked to do."""

    def __init__(self, **running: bool) -> None:
        self.running = dict(running)
        self.words: list[str] = []
        self.broken = ""

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        _docker, *words = argv
        if words[0] == self.broken:
            return 1, "", "Error: it does\nnot want to"
        if words[0] == "ps":
            return 0, "\n".join(self.running), ""
        if words[0] == "container":
            return 0, ENDED, ""
        self.words.append(" ".join(words))
        if words[0] in ("start", "stop"):
            self.running[words[-1]] = words[0] == "start"
        elif words[0] == "rm":
            del self.running[words[-1]]
        elif words[0] == "rename":
            self.running[words[2]] = self.running.pop(words[1])
        return 0, "", ""


def swap(tmp_path: Path, do: str = "begin", port: int = 1, new: str = "new") -> Any:
    return {
        "name": "webui", "previous": "webui-previous", "port": port, "do": do, "data": str(tmp_path),
        "images": ["old", new], "restart_policy": "always",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("do", "before", "after"),
    [
        ("begin", {"webui": True}, {"webui-previous": False}),
        ("begin", {"webui": False}, {"webui-previous": False}),
        ("go_on", {"webui-previous": False}, {"webui-previous": False}),
        ("go_on", {"webui": True, "webui-previous": False}, {"webui": True, "webui-previous": False}),
        ("redo", {"webui": True, "webui-previous": False}, {"webui-previous": False}),
        ("return", {"webui": True, "webui-previous": False}, {"webui": False}),
        ("return", {"webui-previous": False}, {"webui": False}),
    ],
)
def test_way_is_made(tmp_path: Path, do: str, before: dict[str, bool], after: dict[str, bool]) -> None:
    engine = Engine(**before)
    begin(engine, swap(tmp_path, do))
    assert engine.running == after


def test_it_does_not_start_by_itself_while_it_is_aside(tmp_path: Path) -> None:
    engine = Engine(webui=True)
    begin(engine, swap(tmp_path))
    assert engine.words == ["update --restart no webui", "stop webui", "rename webui webui-previous"]


@pytest.mark.parametrize(
    ("before", "aside"),
    [
        ({"webui": True, "webui-previous": False}, True),
        ({"webui-previous": False}, True),
        ({"webui": False}, False),  # it was not even renamed
    ],
)
def test_the_old_one_comes_back(tmp_path: Path, before: dict[str, bool], aside: bool) -> None:
    engine = Engine(**before)
    found = _swap.back(engine, swap(tmp_path))
    assert engine.running == {"webui": True}
    assert engine.words[-2:] == ["update --restart always webui", "start webui"]
    assert (found["back"], found["from"], found["to"]) == (aside, "old", "new")


def test_the_old_one_goes_and_the_time_without_an_answer_is_said(tmp_path: Path) -> None:
    engine = Engine(**{"webui": True, "webui-previous": False})
    found = _swap.settle(engine, swap(tmp_path), _swap.epoch(ENDED) + 7.2)
    assert engine.running == {"webui": True}
    assert found == {"name": "webui", "from": "old", "to": "new", "downtime": 7, "back": False}
    assert _swap.settle(engine, swap(tmp_path), 0) is None


def test_a_new_one_that_is_good_stays_though_the_old_one_does_not_go(tmp_path: Path) -> None:
    engine = Engine(**{"webui": True, "webui-previous": False})
    engine.broken = "rm"
    found = _swap.settle(engine, swap(tmp_path), 0.0)
    assert found and not found["back"]
    assert engine.running == {"webui": True, "webui-previous": False}


def test_one_that_never_stopped_was_never_without_an_answer(tmp_path: Path) -> None:
    assert _swap.back(Engine(webui=True), swap(tmp_path))["downtime"] is None


def test_the_engines_words_are_said(tmp_path: Path) -> None:
    engine = Engine(webui=True)
    engine.broken = "stop"
    with pytest.raises(_swap.SwapError, match="docker stop webui: Error: it does not want to"):
        begin(engine, swap(tmp_path))


def jobs(count: int) -> tuple[int, Any]:
    return 200, {"progress": 0.0, "state": {"job_count": count}}


@pytest.mark.parametrize(
    ("routes", "busy"),
    [
        ({"/sdapi/v1/progress": jobs(1)}, True),
        ({"/sdapi/v1/progress": jobs(-1)}, True),
        ({"/sdapi/v1/progress": jobs(0), "/internal/pending-tasks": (200, {"size": 2})}, True),
        ({"/sdapi/v1/progress": jobs(0), "/internal/pending-tasks": (200, {"size": 0})}, False),
        ({"/sdapi/v1/progress": (401, {})}, False),
        ({"/sdapi/v1/progress": (200, b"[")}, False),
        ({"/sdapi/v1/progress": (200, {"state": "x"})}, False),
        ({}, False),
    ],
)
def test_whether_it_draws(serve: Callable[..., Any], routes: dict[str, Any], busy: bool) -> None:
    assert _swap.drawing(serve(routes).server_address[1]) is busy


def test_one_that_takes_its_time_is_busy_and_one_that_is_gone_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, busy in (("timed out", True), ("Connection refused", False)):
        monkeypatch.setattr(_net, "get", lambda _url, error=error: (0, b"", error))
        assert _swap.drawing(1) is busy


def test_a_picture_is_waited_for_up_to_a_limit(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_swap, "_INTERVAL", 0.01)
    left = [1, 1, 0]
    port = serve({"/sdapi/v1/progress": lambda _request: jobs(left.pop(0) if left else 0)}).server_address[1]
    assert _swap.wait_idle(port, 60)[1] is False
    assert left == []
    port = serve({"/sdapi/v1/progress": jobs(1)}).server_address[1]
    assert _swap.wait_idle(port, 0.05)[1] is True


def write(path: Path, text: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_small_settings_alone_are_kept(tmp_path: Path) -> None:
    data, secret = tmp_path / "data", write(tmp_path / "secret.json")
    for name in ("config.json", "ui-config.json", "styles.csv", "selftest.json", "model.safetensors", "outputs/a.json"):
        write(data / name, name)
    write(data / "cache.json", "x" * (_swap.SMALL + 1))
    (data / "link.json").symlink_to(secret)
    os.mkfifo(data / "pipe.json")
    saved = Path(_swap.save(str(data), "old", 2))
    assert saved.parent == data / ".navilab"
    assert {path.name for path in saved.iterdir()} == {"image", "config.json", "ui-config.json", "styles.csv"}
    assert (saved / "config.json").read_text() == "config.json"


def test_the_newest_copies_stay(tmp_path: Path) -> None:
    saved = [Path(_swap.save(str(tmp_path), image, 2)) for image in ("one", "two", "three")]
    assert [path.exists() for path in saved] == [False, True, True]


def test_nothing_is_saved_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".navilab").symlink_to(tmp_path / "elsewhere")
    engine = Engine(webui=True)
    with pytest.raises((OSError, _swap.SwapError), match="is a link"):
        begin(engine, swap(tmp_path))
    assert engine.running == {"webui": True}, "it goes on running"


def test_settings_come_back_by_image_and_the_present_ones_are_kept(tmp_path: Path) -> None:
    config = write(tmp_path / "config.json", "then")
    _swap.save(str(tmp_path), "new", 5)
    write(config, "now")
    write(tmp_path / "styles.csv", "mine")
    found = _swap.prepare(swap(tmp_path), 0, 5, OWNER)
    assert _swap.begin(Engine(webui=True), swap(tmp_path), OWNER, restores=True)
    assert config.read_text() == "then"
    assert (tmp_path / "styles.csv").read_text() == "mine"
    assert (Path(found["saved"]) / "config.json").read_text() == "now"
    assert _swap.restore(str(tmp_path), "unknown") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another one")
def test_what_is_saved_is_the_owners_and_root_follows_none_of_his_links(tmp_path: Path) -> None:
    for path in (tmp_path, *list(tmp_path.parents)[:2]):
        path.chmod(0o755)
    data = tmp_path / "data"
    write(data / "config.json")
    os.chown(data, 12345, 12345)
    saved = Path(_swap.as_owner(12345, 12345, lambda: _swap.save(str(data), "old", 2)))
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (saved, *saved.iterdir())} == {(12345, 12345)}
    with pytest.raises(_swap.SwapError, match="PermissionError"):
        _swap.as_owner(12345, 12345, lambda: str((tmp_path / "root").write_text("x")))


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n...").decode()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"images": [PNG]}), ""),
        ((200, {"images": []}), "without a picture"),
        ((200, {"images": ["!"]}), "txt2img"),
        ((500, {"error": "OutOfMemoryError"}), "answers 500 .*OutOfMemoryError"),
    ],
)
def test_a_picture(serve: Callable[..., Any], answer: Any, says: str) -> None:
    server = serve({"/sdapi/v1/txt2img": answer})
    server.RequestHandlerClass = type("Posts", (server.RequestHandlerClass,), {"do_POST": lambda self: self.do_GET()})
    found = _swap.draw(server.server_address[1], 5)
    assert bool(found) == bool(says)
    assert re.search(says, found)
