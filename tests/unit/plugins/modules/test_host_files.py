"""host_files: the lock, records, sources and settings in one call, and nothing secret in its result."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _answers, _engine_apply, _host_files, _lock, _records
from ansible_collections.navilab.webui.plugins.module_utils._apt import without_secrets
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import public, render
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree
from ansible_collections.navilab.webui.plugins.modules import host_files

MINE = {"run": "a" * 32, "who": "ada@desk", "machine": "m", "pid": 1, "start": 2}
WANTED = {"proxies": {"http-proxy": "http://bob:s3cret@p"}}


def settings(path: Path, content: str, mode: str | None = None) -> list[dict[str, Any]]:
    return [{"path": str(path), "content": content, "mode": mode, "kind": "daemon"}]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_engine_apply, "BACKUP", str(tmp_path / "navilab/before"))
    return tmp_path


def test_config(run_module: Callable[..., Any], folder: Path) -> None:
    path = folder / "daemon.json"
    content = render(public(WANTED))
    done = run_module(host_files.main, files=settings(path, content, "0600"), values=WANTED)
    assert json.loads(path.read_text()) == WANTED
    assert done["changed"] and [diff["after"] for diff in done["diff"]] == [content]
    assert "s3cret" not in json.dumps(done), "-vvv shows the arguments too"
    assert not run_module(host_files.main, files=settings(path, content))["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_all_settings_at_once(run_module: Callable[..., Any], folder: Path, check: bool) -> None:
    certificate, unit = folder / "certs.d/lab:5000/ca.crt", folder / "docker.service.d/proxy.conf"
    proxy = 'Environment="http_proxy=http://bob:s3cret@p"'
    files = [
        {"path": str(certificate), "content": "pem\n", "mode": "0644"},
        {"path": str(unit), "content": "", "mode": "0600", "kind": "proxy"},
        *settings(folder / "daemon.json", "{}", "0644"),
    ]
    arguments = {"directories": [str(certificate.parent), str(unit.parent)], "files": files, "proxy": proxy}
    done = run_module(host_files.main, _ansible_check_mode=check, **arguments)
    assert done["paths"] == [*arguments["directories"], *(file["path"] for file in files)]
    assert "s3cret" not in json.dumps(done)
    assert certificate.exists() is not check
    if check:
        return
    assert (certificate.read_text(), unit.read_text()) == ("pem\n", proxy)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (certificate.parent, certificate, unit)]
    assert modes == [0o755, 0o644, 0o600]
    assert not run_module(host_files.main, **arguments)["changed"]
    unit.chmod(0o644)
    assert run_module(host_files.main, **arguments)["paths"] == [str(unit)]


def test_directories_of_an_account(run_module: Callable[..., Any], tmp_path: Path) -> None:
    """With those above it that are missing; one that is there is given to it, and its content stays as it is."""
    mine = {"owner": os.geteuid(), "group": os.getegid()}
    leaf, there = tmp_path / "a/b/c", tmp_path / "there"
    (there / "kept").mkdir(parents=True, mode=0o700)
    there.chmod(0o700)
    arguments = {"directories": [str(leaf), str(there)], **mine}
    assert run_module(host_files.main, **arguments, _ansible_check_mode=True)["paths"] == arguments["directories"]
    assert not (tmp_path / "a").exists() and stat.S_IMODE(there.stat().st_mode) == 0o700
    done = run_module(host_files.main, **arguments)
    owner = f"{os.geteuid()}:{os.getegid()}"
    assert [diff["before"] for diff in done["diff"]] == ["absent\n", f"directory 0700 {owner}\n"]
    assert {diff["after"] for diff in done["diff"]} == {f"directory 0755 {owner}\n"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (leaf, leaf.parent, tmp_path / "a", there)} == {0o755}
    assert stat.S_IMODE((there / "kept").stat().st_mode) == 0o700
    assert not run_module(host_files.main, **arguments)["changed"]
    there.chmod(0o700)
    assert not run_module(host_files.main, directories=[str(there)])["changed"], "nobody's in particular"
    assert "go together" in run_module(host_files.main, directories=[str(leaf)], owner=0)["msg"]
    assert "invalid literal" in run_module(host_files.main, files=[{"path": "/x", "content": "", "mode": "rw"}])["msg"]
    (tmp_path / "file").write_text("in the way")
    failed = run_module(host_files.main, directories=[str(tmp_path / "file")], **mine)
    assert failed["failed"] and failed["msg"] == f"{tmp_path}/file: File exists"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_directories_of_another_account(run_module: Callable[..., Any], tmp_path: Path) -> None:
    leaf = tmp_path / "a/b"
    assert run_module(host_files.main, directories=[str(leaf)], owner=1234, group=1235)["changed"]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in (leaf, leaf.parent)} == {(1234, 1235)}
    assert tmp_path.stat().st_uid == 0


@pytest.mark.parametrize(
    ("before", "content", "says"),
    [
        ("{", "{}", "is not JSON"),
        ("{}", render(public(WANTED)), "proxies is another"),
        (None, "{}", "No such file or directory"),
    ],
)
def test_config_that_can_not_be_written(
    run_module: Callable[..., Any], folder: Path, before: Any, content: str, says: str
) -> None:
    path = folder / ("none/daemon.json" if before is None else "daemon.json")
    if before is not None:
        path.write_text(before)
    done = run_module(host_files.main, files=settings(path, content))
    assert done["failed"] and says in done["msg"]


@pytest.fixture
def kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where records are; the lock is beside them."""
    monkeypatch.setattr(_records, "RECORDS", str(folder / "navilab"))
    monkeypatch.setattr(_lock, "FOLDER", folder / "run")
    return folder / "navilab"


def test_held_and_recorded_before_anything_is_written(run_module: Callable[..., Any], kept: Path) -> None:
    # The file can't be written, the record is kept all the same: what is begun has to be known.
    files = [{"path": str(kept / "none/x"), "content": "x"}]
    failed = run_module(host_files.main, **MINE, records={"firmware": {"packages": ["fw"]}}, files=files)
    assert failed["failed"] and "No such file" in failed["msg"]
    assert json.loads((kept / "firmware.json").read_text()) == {"packages": ["fw"]}
    done = run_module(host_files.main, **MINE, records={"firmware": {"packages": ["fw"]}, "webui": {}})
    assert (done["held"], done["changed"]) == (True, False)
    other = run_module(host_files.main, **{**MINE, "run": "b" * 32}, records={"webui": {"a": 1}})
    assert (other["held"], other["lock"]["who"], other["changed"]) == (False, "ada@desk", False)
    assert not (kept / "webui.json").exists()
    over = run_module(host_files.main, **{**MINE, "run": "b" * 32}, over=MINE["run"], records={"webui": {"a": 1}})
    assert (over["held"], over["paths"]) == (True, [str(kept / "webui.json")])


def test_check_mode_holds_nothing(run_module: Callable[..., Any], kept: Path) -> None:
    done = run_module(host_files.main, **MINE, records={"webui": {"a": 1}}, _ansible_check_mode=True)
    assert (done["held"], done["changed"]) == (False, True)
    assert not kept.exists() and not (kept.parent / "run").exists()


def test_lists_are_used_while_they_are_fresh(
    run_module: Callable[..., Any], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = kept.parent / "install.conf"
    sources = kept.parent / "sources.list.d"
    sources.mkdir()
    monkeypatch.setattr(_host_files, "SOURCES", (str(kept.parent / "none"), str(sources)))
    assert run_module(host_files.main, lists=str(lists))["lists"] == "", "they are gone"
    (cache := lists.with_name("pkgcache.bin")).write_text("")
    lists.write_text("")
    os.utime(cache, (1e9, 1e9))
    ours = source(sources / "ours.list", "deb http://x/ ./\n")
    assert run_module(host_files.main, lists=str(lists), files=ours)["lists"] == str(lists)
    assert cache.stat().st_mtime >= (sources / "ours.list").stat().st_mtime, "apt would make it anew"
    assert run_module(host_files.main, lists=str(lists))["lists"] == "", "a source is newer"
    for path in (sources, *sources.iterdir()):
        os.utime(path, (1e9, 1e9))
    assert run_module(host_files.main, lists=str(lists))["lists"] == str(lists)
    os.utime(lists, (time.time() - 700,) * 2)
    assert run_module(host_files.main, lists=str(lists))["lists"] == ""
    assert run_module(host_files.main)["lists"] == ""


def test_a_record_stays_in_its_directory(run_module: Callable[..., Any], kept: Path) -> None:
    assert "is no name for a record" in run_module(host_files.main, records={"../x": {"a": 1}})["msg"]
    assert not kept.exists()


THEIRS = "deb https://me:s3cret@mirror.test/debian bookworm main\n"
OURS = "deb https://me:s3cret@mirror.test/debian bookworm non-free-firmware\n"


def source(path: Path, content: str) -> list[dict[str, Any]]:
    return [{"path": str(path), "content": content, "kind": "source"}]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(THEIRS)
    found = Tree(str(tmp_path))
    monkeypatch.setattr(_host_files, "Tree", lambda _root: found)
    return found


def test_the_login_is_put_in(run_module: Callable[..., Any], tree: Tree) -> None:
    path = Path(tree.root) / "etc/apt/sources.list.d/navilab-firmware.list"
    given = {"files": source(path, without_secrets(OURS))}
    assert run_module(host_files.main, **given, _ansible_check_mode=True)["changed"] and not path.exists()
    done = run_module(host_files.main, **given)
    assert (path.read_text(), path.stat().st_mode & 0o777) == (OURS, 0o600)
    assert [diff["after"] for diff in done["diff"]] == [without_secrets(OURS)] and "s3cret" not in json.dumps(done)
    path.chmod(0o644)
    assert run_module(host_files.main, **given)["changed"] and path.stat().st_mode & 0o777 == 0o600
    done = run_module(host_files.main, **given)
    assert not done["changed"] and "s3cret" not in json.dumps(done)
    assert run_module(host_files.main, files=source(path, "deb http://x/ ./\n"))["changed"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_source_that_can_not_be_written(run_module: Callable[..., Any], tree: Tree) -> None:
    changed = run_module(host_files.main, files=source(Path("/none/x"), "deb http://sha256:00000000@mirror.test/ ./"))
    assert changed["failed"] and "has changed since" in changed["msg"]
    assert "No such file" in run_module(host_files.main, files=source(Path(tree.root, "none/x"), "x"))["msg"]


def test_apt_is_asked_with_the_login_and_answers_without(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(_answers, "simulate", lambda question, _parent: asked.append(question) or {"error": ""})
    monkeypatch.setattr(tree, "ask", lambda _question, live, *_more: live())
    monkeypatch.setattr(_answers, "Tree", lambda _root: tree)
    question: Any = {"install": ["x"], "sources": [{"path": "/p.list", "content": without_secrets(OURS)}]}
    (found,) = _answers.answer(apt=[question])["apt"]
    assert asked[0]["sources"] == [{"path": "/p.list", "content": OURS}]
    assert found["question"] == question and "s3cret" not in json.dumps(found)
    unknown: Any = {"install": ["x"], "sources": [{"path": "/p.list", "content": "deb http://sha256:00000000@x/ ./"}]}
    _answers.answer(apt=[unknown])
    assert asked[1] == unknown
