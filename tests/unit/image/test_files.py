"""The scripts that fetch and build: real git on small repositories, real pip against an index that refuses."""

from __future__ import annotations

import gzip
import http.server
import importlib.util
import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "image" / "files"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FILES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(monkeypatch: pytest.MonkeyPatch, name: str, request: Any, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
    return int(load(name).main())


# Kernel files


def test_kernels_of_other_chips_go(tmp_path: Path) -> None:
    names = [
        "rocblas/library/Kernels.so-000-gfx1030.hsaco",
        "rocblas/library/Kernels.so-000-gfx1012.hsaco",
        "rocblas/library/TensileLibrary_Type_HH_gfx90a.co",
        "rocblas/library/TensileLibrary_lazy_gfx908.dat",
        "miopen/db/gfx1030_20.HIP.fdb.txt",
        "miopen/db/gfx906_60.kdb",
        "libtorch_hip.so",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(1000))
    trim = load("trim_kernels").trim
    assert trim(tmp_path, set()) == (7000, 7000)
    assert trim(tmp_path, {"gfx1030"}) == (7000, 3000)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["libtorch_hip.so", "miopen/db/gfx1030_20.HIP.fdb.txt", names[0]]


# Sources


@pytest.fixture
def source(tmp_path: Path) -> dict[str, Any]:
    """A repository with one commit, as the recipe names it."""
    work = tmp_path / "upstream"
    (work / "assets").mkdir(parents=True)
    (work / "launch.py").write_text("print('x')\n")
    (work / "assets/demo.png").write_bytes(bytes(100))
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=work, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, capture_output=True, text=True, check=True).stdout
    subprocess.run(["git", "bundle", "create", "-q", str(tmp_path / "x.bundle"), "HEAD"], cwd=work, check=True)
    return {
        "name": "webui", "url": str(tmp_path / "x.bundle"), "commit": commit.strip(), "prefix": "/opt/webui",
        "exclude": ["assets"], "prepare": "", "path": "sources/webui.tar",
    }  # fmt: skip


def test_a_source_is_the_same_tar_wherever_it_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: dict[str, Any]
) -> None:
    made = []
    for cache, url in (("one", source["url"]), ("two", str(tmp_path / "upstream"))):
        assert run(monkeypatch, "fetch_sources", [{**source, "url": url}], str(tmp_path / cache)) == 0
        made.append((tmp_path / cache / source["path"]).read_bytes())
    assert made[0] == made[1]
    with tarfile.open(fileobj=io.BytesIO(made[0])) as tar:
        assert tar.getnames() == ["opt", "opt/webui", "opt/webui/launch.py"]
        assert {(member.uid, member.uname) for member in tar} == {(0, "")}
        assert len({member.mtime for member in tar}) == 1


@pytest.mark.parametrize("change", [{"url": "/nowhere/x.bundle"}, {"commit": "0" * 40}])
def test_a_source_that_cannot_be_had_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    source: dict[str, Any],
    change: dict[str, str],
) -> None:
    other = {**source, "name": "other", "path": "sources/other.tar"}
    assert run(monkeypatch, "fetch_sources", [{**source, **change}, other], str(tmp_path / "cache")) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert failed["name"] == "webui"
    assert "fatal" in failed["stderr"]
    assert [path.name for path in (tmp_path / "cache/sources").iterdir()] == ["other.tar"]


@pytest.mark.parametrize("name", ["{outside}", "../../../../../..{outside}", "assets/..", "", "link/kept"])
def test_an_exclude_that_leads_out_deletes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    source: dict[str, Any],
    name: str,
) -> None:
    outside = tmp_path / "outside/kept"
    outside.parent.mkdir()
    outside.write_text("x")
    work = tmp_path / "upstream"
    (work / "link").symlink_to(outside.parent)
    for words in (["add", "."], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "link"]):
        subprocess.run(["git", *words], cwd=work, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, capture_output=True, text=True, check=True).stdout
    wanted = {**source, "url": str(work), "commit": commit.strip(), "exclude": [name.format(outside=outside)]}
    assert run(monkeypatch, "fetch_sources", [wanted], str(tmp_path / "cache")) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert "leads out of webui" in failed["stderr"]
    assert outside.exists()
    assert list((tmp_path / "cache/sources").iterdir()) == []
    wanted["exclude"] = ["link"]  # of a link itself nothing but the link goes
    assert run(monkeypatch, "fetch_sources", [wanted], str(tmp_path / "cache")) == 0
    assert outside.exists()


def test_a_name_that_leads_out_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, source: dict[str, Any]
) -> None:
    for change in ({"name": "../../x"}, {"path": "sources/../../x.tar"}, {"prefix": "/opt/../../x"}):
        assert run(monkeypatch, "fetch_sources", [{**source, **change}], str(tmp_path / "cache")) == 1
        (failed,) = json.loads(capsys.readouterr().out)
        assert "leads out of" in failed["stderr"]


def test_a_clone_that_was_interrupted_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: dict[str, Any]
) -> None:
    clone = tmp_path / "cache/git/webui"
    clone.mkdir(parents=True)
    (clone / "HEAD").touch()
    (clone / "config.lock").touch()
    assert run(monkeypatch, "fetch_sources", [source], str(tmp_path / "cache")) == 0
    other = {**source, "url": "/nowhere", "exclude": [], "path": "sources/all.tar"}  # the clone has the commit
    assert run(monkeypatch, "fetch_sources", [other], str(tmp_path / "cache")) == 0


def test_a_cache_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, source: dict[str, Any]
) -> None:
    (tmp_path / "sources").touch()
    assert run(monkeypatch, "fetch_sources", [source], str(tmp_path)) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert (failed["name"], "sources" in failed["stderr"]) == ("webui", True)


# Wheels


@pytest.fixture
def pip(tmp_path: Path) -> Path:
    """A cache with this machine's pip for the one of its own."""
    tools = tmp_path / "pip/bin"
    tools.mkdir(parents=True)
    (tools / "pip").touch()
    text = f'#!/bin/sh\nexec env PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= {sys.executable} "$@"\n'
    (tools / "python").write_text(text)
    (tools / "python").chmod(0o755)
    return tmp_path


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of an index that answers 403."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/whl/cpu"
        server.shutdown()


def test_an_index_that_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pip: Path, refusing: str
) -> None:
    wanted = {"name": "torch", "requirements": ["torch==2.13.0+cpu"], "path": "wheels/torch-1"}
    request = {"python": "3.11", "index": refusing, "resolve": False, "sets": [wanted]}
    assert run(monkeypatch, "fetch_wheels", request, str(pip)) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert failed["name"] == "torch"
    assert "403 Client Error" in failed["stdout"] + failed["stderr"]
    assert not (pip / "wheels/torch-1").exists()


def test_a_full_disk_is_named_for_each_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pip: Path
) -> None:
    (pip / "wheels").mkdir()
    (pip / "wheels/webui-1.new.wheels").symlink_to("/dev/full")
    sets = [
        {"name": "webui", "lock": "a==1 --hash=sha256:1\n", "path": "wheels/webui-1"},
        {"name": "none", "lock": "", "path": "wheels/none-1"},
    ]
    request = {"python": "3.11", "index": "", "resolve": False, "source_packages": [], "sets": sets}
    assert run(monkeypatch, "fetch_wheels", request, str(pip)) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert (failed["name"], "No space left on device" in failed["stderr"]) == ("webui", True)
    assert [path.name for path in (pip / "wheels").glob("none*")] == ["none-1"]


def test_a_disk_that_is_full_before_pip_is_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, ["ensurepip"], output=b"OSError: [Errno 28] No space left on device")

    monkeypatch.setattr("venv.create", full)
    request = {"python": "3.11", "sets": [{"name": "torch", "requirements": [], "path": "wheels/torch-1"}]}
    assert run(monkeypatch, "fetch_wheels", request, str(tmp_path)) == 1
    (failed,) = json.loads(capsys.readouterr().out)
    assert (failed["name"], "No space left" in failed["stderr"]) == ("torch", True)


def test_pip_comes_in_whole(tmp_path: Path) -> None:
    (tmp_path / "pip/bin").mkdir(parents=True)  # as an interruption leaves it
    python = load("fetch_wheels").own_python(tmp_path)
    assert subprocess.run([python, "-m", "pip", "--version"], check=False).returncode == 0
    assert not (tmp_path / "pip.new").exists()


def test_locks_are_complete_and_name_no_index() -> None:
    paragraphs = load("fetch_wheels").paragraphs
    for lock in sorted((FILES / "locks").glob("*.txt")):
        packages = paragraphs(lock.read_text())
        assert packages
        assert [each for each in packages if "--hash=sha256:" not in each] == []
        assert "://" not in lock.read_text()
        opencv = [each.partition("==")[0] for each in packages if each.startswith("opencv")]
        assert opencv == (["opencv-contrib-python-headless"] if lock.stem in ("py310", "py311") else [])
        assert [each for each in packages if each.startswith(("torch==", "torchvision==", "nvidia-"))] == []


# In the image


def test_packages_that_changed_are_named() -> None:
    problems = load("check_packages").problems
    wanted = {"torch": "2.13.0+cpu", "torchvision": "0.28.0"}
    good = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cpu", "opencv-contrib-python-headless": "4.11"}
    assert problems(wanted, good) == []
    assert problems(wanted, {**good, "torch": "2.13.1"}) == [
        "torch is 2.13.1, wanted is 2.13.0+cpu: a package has replaced it"
    ]
    assert "exactly one OpenCV" in problems(wanted, {**good, "opencv-python": "4.11"})[0]


def test_tokenizer_follows_from_the_merges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    with gzip.open(tmp_path / "clip/bpe_simple_vocab_16e6.txt.gz", "wt", encoding="utf-8") as file:
        file.write("bpe\ni n\nt h\nin g</w>\n")
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path), str(tmp_path / "home")])
    tool = load("tokenizer_cache")
    tool.MERGES = 3
    assert tool.main() == 0
    hub = tmp_path / "home/hub" / tool.MODEL
    snapshot = hub / "snapshots" / (hub / "refs/main").read_text()
    vocabulary = json.loads((snapshot / "vocab.json").read_text())
    assert (vocabulary["!"], vocabulary["!</w>"], vocabulary["in"], vocabulary["ing</w>"]) == (0, 256, 512, 514)
    assert vocabulary["<|endoftext|>"] == 516
    assert (snapshot / "merges.txt").read_text().startswith("#version: 0.2\ni n\nt h\n")


def test_presets_are_those_of_the_extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    text = 'PRESETSDEF =[\n["V-3", "Vertical", False],\n]\n'
    text += 'PRESET_KEYS = [("name", str, ""), ("mode", f, "x"), ("b", str, 1), ("c", str, 2)]\n'
    (tmp_path / "scripts/rp.py").write_text(text)
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path)])
    assert load("regional_prompter_presets").main() == 0
    presets = json.loads((tmp_path / "regional_prompter_presets.json").read_text())
    assert presets == [{"name": "V-3", "mode": "Vertical", "b": False}]


def test_middleware_that_comes_late_does_not_end_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/initialize_util.py").write_text("import os\n")
    monkeypatch.setattr(sys, "argv", ["mend_webui.py", str(tmp_path)])
    assert load("mend_webui").main() == 0
    # Starlette 0.26's way, which refuses once a request has built the stack.
    applications, middleware = ModuleType("starlette.applications"), ModuleType("starlette.middleware")
    applications.Starlette = type("Starlette", (), {"user_middleware": ["first"], "middleware_stack": "built"})  # type: ignore[attr-defined]
    middleware.Middleware = lambda kind, **options: (kind, options)  # type: ignore[attr-defined]
    for name, module in {"starlette": ModuleType("starlette"), applications.__name__: applications}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, middleware.__name__, middleware)
    exec((tmp_path / "modules/initialize_util.py").read_text(), {})
    app = applications.Starlette()
    app.add_middleware("late", dispatch=1)
    assert (app.user_middleware, app.middleware_stack) == ([("late", {"dispatch": 1}), "first"], None)


def test_a_webui_without_that_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mend_webui.py", str(tmp_path)])
    assert load("mend_webui").main() == 0
    assert list(tmp_path.iterdir()) == []


# A bundle


def test_the_index_of_a_bundle_has_its_files_and_packages(tmp_path: Path) -> None:
    (tmp_path / "debs").mkdir()
    text = b"Package: a\nDepends: x\nPackage: y\n\nPackage: b\n".replace(b"\nPackage: y", b"\n Package: y")
    with tarfile.open(tmp_path / "debs/trixie.tar", "w") as tar:
        member = tarfile.TarInfo("./Packages")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    script = (FILES / "bundle/index.py").read_text(encoding="utf-8")
    subprocess.run([sys.executable, "-c", script, str(tmp_path), "debs/trixie.tar"], check=True)
    found = json.loads((tmp_path / "bundle.json").read_text())
    assert found["packages"] == {"trixie": ["a", "b"]}
    assert found["files"]["debs/trixie.tar"]["size"] == (tmp_path / "debs/trixie.tar").stat().st_size
    assert [path.name for path in tmp_path.iterdir()].count("bundle.json.new") == 0
