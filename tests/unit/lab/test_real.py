"""What the lab says to the image role, and to the hosts, for the real webui."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from navilab.lab import LabError, real

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
