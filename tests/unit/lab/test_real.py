"""What the lab says to the image role, and to the hosts, for the real webui."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from navilab.lab import LabError, real, small

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def mirrors(tmp_path: Path) -> Path:
    """A bundle for every source of the role, and a checkpoint."""
    defaults = yaml.safe_load((ROOT / "roles/image/defaults/main.yml").read_text())
    names = [each["name"] for each in defaults["image_repositories"] + defaults["image_extensions"]]
    subprocess.run(["git", "init", "-q", str(tmp_path / "work")], check=True)
    commit = ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(["git", *commit], cwd=tmp_path / "work", check=True)
    first = tmp_path / "first.bundle"
    subprocess.run(["git", "bundle", "create", "-q", str(first), "HEAD"], cwd=tmp_path / "work", check=True)
    for name in ["stable-diffusion-webui", "CLIP", *(real.BUNDLES.get(name, name) for name in names)]:
        (tmp_path / f"{name}.bundle").write_bytes(first.read_bytes())
    (tmp_path / "tiny-sd15").mkdir()
    (tmp_path / "tiny-sd15/tiny.safetensors").write_bytes(b"x")
    return tmp_path


def test_mirrors_take_the_place_of_every_source(mirrors: Path) -> None:
    wanted = real.variables(mirrors)
    sources = [wanted["image_webui"], wanted["image_clip"], *wanted["image_repositories"], *wanted["image_extensions"]]
    assert len(sources) == 12
    assert {Path(each["url"]).parent for each in sources} == {mirrors}
    assert len({each["commit"] for each in sources}) == 1
    assert wanted["image_extensions"][0]["arguments"]  # all else is the default's
    assert "image_tokenizer_cache" not in wanted  # there is none


def test_without_mirrors_upstream_it_is() -> None:
    assert real.variables(None) == {"image_profiles": ["cpu"]}
    assert "webui_models" not in real.host_variables(None)


def test_the_small_checkpoint_comes_with_the_mirrors(mirrors: Path) -> None:
    (model,) = real.host_variables(mirrors)["webui_models"]
    assert model == {
        "name": "tiny.safetensors",
        "src": str(mirrors / "tiny-sd15/tiny.safetensors"),
        "sha256": hashlib.sha256(b"x").hexdigest(),
    }


def test_a_folder_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no folder"):
        real.find_mirrors(tmp_path / "nowhere")
    monkeypatch.setenv("NAVILAB_MIRRORS", str(tmp_path))
    assert real.find_mirrors() == tmp_path.resolve()


def test_a_bundle_that_is_none(mirrors: Path) -> None:
    (mirrors / "BLIP.bundle").write_text("no bundle")
    with pytest.raises(LabError, match=r"BLIP\.bundle is no git bundle"):
        real.variables(mirrors)


@pytest.fixture
def small_mirrors(tmp_path: Path) -> Path:
    return small.make(tmp_path / "small")


def test_a_small_webui_has_every_source_and_a_checkpoint(small_mirrors: Path) -> None:
    wanted = small.variables(small_mirrors)
    sources = [wanted["image_webui"], wanted["image_clip"], *wanted["image_repositories"], *wanted["image_extensions"]]
    assert len(sources) == 12
    assert all(Path(each["url"]).parent == small_mirrors and len(each["commit"]) == 40 for each in sources)
    (model,) = real.host_variables(small_mirrors)["webui_models"]
    assert model["name"] == "tiny-sd15.safetensors"


def test_a_small_webui_is_the_same_each_time(tmp_path: Path, small_mirrors: Path) -> None:
    first = small.variables(small_mirrors)
    assert small.variables(small.make(tmp_path / "small")) == first


def test_a_small_webui_is_the_stand_in(tmp_path: Path, small_mirrors: Path) -> None:
    bundle = str(small_mirrors / "stable-diffusion-webui.bundle")
    subprocess.run(["git", "clone", "-q", bundle, str(tmp_path / "webui")], check=True)
    standin = ROOT / "src/navilab/lab/standin/server.py"
    assert (tmp_path / "webui/launch.py").read_bytes() == standin.read_bytes()


def test_a_small_webuis_locks_name_what_the_image_imports(small_mirrors: Path) -> None:
    locks = small.variables(small_mirrors)["image_locks"]
    assert set(locks) == set(small.FROM_PYPI)  # the others stay the role's own
    for lock, packages in small.FROM_PYPI.items():
        own = {*packages, *(small.WHEELS if lock == "py311" else ())}
        assert {line.partition("==")[0] for line in locks[lock].splitlines() if not line.startswith(" ")} == own
    for wheel in (small_mirrors.parent / "wheels").glob("*.whl"):
        if not wheel.name.startswith("torch"):
            assert hashlib.sha256(wheel.read_bytes()).hexdigest() in locks["py311"]


def test_a_small_torch_says_in_the_self_test_that_it_is_simulated(tmp_path: Path, small_mirrors: Path) -> None:
    (wheel,) = (small_mirrors.parent / "wheels").glob("torch-*.whl")
    script = ROOT / "roles/image/files/selftest.py"
    done = subprocess.run(
        [sys.executable, str(script), "--device", "cpu", "--profile", "cpu"],
        env={"PYTHONPATH": str(wheel), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    assert result["simulated"] is True
    assert result["decision"]["usable"] is True
    assert {step["status"] for step in result["steps"]} == {"ok"}


@pytest.fixture
def tests_run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`tests/run STAGE` in a checkout of nothing else, whose tools do nothing: `tests_run(STAGE, VARIABLE=...)`."""
    checkout = tmp_path / "checkout"
    tools = checkout / ".venv/bin"
    tools.mkdir(parents=True)
    for tool in (checkout / "navilab", *(tools / name for name in ("chromium", "chromedriver"))):
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    (tools / "molecule").write_text('#!/bin/sh\necho "NAVILAB_WEBUI=$NAVILAB_WEBUI"\n')
    (tools / "molecule").chmod(0o755)
    (checkout / "tests").mkdir()
    shutil.copy(ROOT / "tests/run", checkout / "tests/run")

    def run(stage: str = "image", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [str(checkout / "tests/run"), stage]
        environment |= {"PATH": os.environ["PATH"]}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


def test_the_test_command_names_that_the_real_webui_was_not_built(
    tests_run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = tests_run()
    assert done.returncode == 0, done.stderr
    assert "NAVILAB_WEBUI=small" in done.stdout
    last = done.stdout.splitlines()[-2:]
    assert any("skipped: image with the real webui: no mirrors in ../shared/mirrors" in line for line in last)


def test_the_test_command_fails_where_the_real_webui_is_demanded(
    tests_run: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = tests_run(NAVILAB_REQUIRE_REAL="1")
    assert done.returncode == 1
    assert "no mirrors in ../shared/mirrors" in done.stderr
    assert "NAVILAB_WEBUI" not in done.stdout


def test_a_lab_builds_the_real_webui_where_that_is_asked_for(
    tests_run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = tests_run("lab", NAVILAB_MIRRORS=str(tmp_path), NAVILAB_REQUIRE_REAL="1")
    assert (done.returncode, "NAVILAB_WEBUI=small" in done.stdout, "skipped" in done.stdout) == (0, True, False)
    assert "NAVILAB_WEBUI=real" in tests_run("real", NAVILAB_MIRRORS=str(tmp_path)).stdout
    assert "skipped: lab with the real webui: no mirrors" in tests_run("real").stdout


def test_the_test_command_builds_the_real_webui_from_mirrors(
    tests_run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = tests_run(NAVILAB_MIRRORS=str(tmp_path), NAVILAB_REQUIRE_REAL="1")
    assert done.returncode == 0, done.stderr
    assert "NAVILAB_WEBUI=real" in done.stdout
    assert "skipped" not in done.stdout
