"""The Dockerfile of each profile: what must be in it, and in which order."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.navilab.webui.plugins.filter._image_recipe import image_recipe

ROLE = Path(__file__).resolve().parents[3] / "roles" / "image"
ABSENT = ROLE / "tasks/absent.yml"
PROFILES = yaml.safe_load((ROLE / "vars/main.yml").read_text())["image_profile_data"]


def dockerfile(profile: str, base: str = "", **changes: Any) -> str:
    settings = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    settings = {key.removeprefix("image_"): value for key, value in settings.items()} | {
        "profiles": {profile: {**PROFILES[profile], "base": base}},
        "locks": {path.stem: path.read_text() for path in (ROLE / "files/locks").glob("*.txt")},
        "files_digest": "f", "tokenizer_digest": "", **changes,
    }  # fmt: skip
    recipe = image_recipe(profile, settings)
    sources = {kind: list(group) for kind, group in itertools.groupby(recipe["sources"], lambda source: source["kind"])}
    # Ansible's settings of Jinja, and the filters of its own that the template uses.
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(to_json=json.dumps, regex_replace=lambda text, old, new: re.sub(old, new, text), zip=zip)
    template = environment.from_string((ROLE / "templates/Dockerfile.j2").read_text())
    return template.render(recipe=recipe, sources=sources, files="files-f")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(profile: str) -> None:
    data = PROFILES[profile]
    text = dockerfile(profile, base="python:3.10-slim" if data["python"] == "3.10" else "")
    lines = text.splitlines()
    final = lines[lines.index("FROM base") :]
    assert lines[0].startswith(
        "FROM python:3.10-slim" if data["python"] == "3.10" else "FROM navilab/webui-base:bookworm-"
    )
    assert ("apt-get" in text) == (data["python"] == "3.10")
    assert f"trim_kernels.py . {' '.join(data['kernels'])}".strip() in text
    assert f"/opt/venv/lib/python{data['python']}/site-packages" in text
    assert 'ENTRYPOINT ["python3", "launch.py"]' in final
    assert "STOPSIGNAL SIGINT" in final
    assert (
        json.loads(next(line for line in final if line.startswith("CMD "))[4:])[-len(data["flags"]) :] == data["flags"]
    )
    assert re.sub(r"\[[^\]]*\]", "", data["torch"][0]) in text


def test_an_extension_is_a_layer_of_its_own_after_the_last_that_runs() -> None:
    lines = dockerfile("cpu").splitlines()
    adds = [number for number, line in enumerate(lines) if "ADD sources/" in line]
    last_run = max(number for number, line in enumerate(lines) if line.startswith("RUN "))
    assert len([number for number in adds if number > last_run]) == 5
    assert any("check_packages.py" in line for line in lines[last_run : last_run + 4])


def test_torch_comes_first_and_no_pip_runs_after_the_check() -> None:
    text = dockerfile("cpu")
    order = [
        "/layers/torch /wheels/torch",
        "/layers/webui /wheels/webui",
        "/layers/extensions /wheels/extensions",
        "check_packages",
    ]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    assert " install " not in text[text.index("check_packages.py /opt") :]


def test_without_extensions() -> None:
    text = dockerfile("cpu", extensions=[])
    assert "extensions" not in text
    assert "COMMANDLINE_ARGS" not in text


def test_a_ready_tokenizer_cache_comes_in_place_of_the_made_one() -> None:
    assert "tokenizer_cache.py" in dockerfile("cpu")
    text = dockerfile("cpu", tokenizer_digest="t1")
    assert "COPY tokenizer-t1/ /opt/huggingface/" in text
    assert "tokenizer_cache.py" not in text


def test_a_removal_finds_what_the_classic_builder_keeps_of_the_first_stage() -> None:
    text = dockerfile("cpu")
    labels = [line for line in text.splitlines() if line.startswith("LABEL navilab.")]
    (prune,) = [task for task in yaml.safe_load(ABSENT.read_text("utf-8")) if "community.docker.docker_prune" in task]
    label = prune["community.docker.docker_prune"]["images_filters"]["label"]
    assert [line.removeprefix("LABEL ").replace('"', "") for line in labels] == [label]
    assert text.index("FROM base AS build") < text.index(labels[0]) < text.index("FROM base\n")  # not in the result


def test_a_script_that_pip_does_not_need_does_not_run_pip_again() -> None:
    text = dockerfile("cpu")
    build = text[text.index("FROM base AS build") : text.index("FROM base\n")]
    assert "COPY files-f/ " not in build
    for script in ("trim_kernels.py", "mend_torchvision.py", "tokenizer_cache.py"):
        assert build.index(f"COPY files-f/{script} /opt/navilab/") < build.index(f"python3 /opt/navilab/{script}")
