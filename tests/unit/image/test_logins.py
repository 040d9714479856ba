"""No output of the role shows the login in an address: real runs of its tasks on this machine, with -vv."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TASKS = ROOT / "roles" / "image" / "tasks"
LOGIN = "bob:SECRET@"
SOURCE = {
    "name": "BLIP", "url": f"file://{LOGIN}host/BLIP.git", "commit": "0" * 40, "prefix": "/x", "exclude": [],
    "prepare": "", "path": "sources/BLIP.tar",
}  # fmt: skip
BUILD = {
    "profile": "cpu",
    "image": "navilab/webui:cpu-1",
    "data": {},
    "missing_sources": [SOURCE],
    "missing_wheels": [],
    "make_base": False,
}


def play(place: Path, tasks: list[dict[str, Any]], **variables: Any) -> tuple[int, str]:
    """Exit code and output of a play on this machine, as -vv shows it."""
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
    variables |= {"ansible_become": False, "image_cache_dir": str(place / "cache"), "__image_files_name": "files"}
    (place / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
    book = [{"name": "Image", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (place / "play.yml").write_text(yaml.safe_dump(book, sort_keys=False), encoding="utf-8")
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "PATH": f"{place}:{os.environ['PATH']}"}
    tool = Path(sys.executable).with_name("ansible-playbook")
    command = [str(tool), "-vv", "-i", "localhost,", "-e", f"@{place}/variables.json", str(place / "play.yml")]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())  # lines are wrapped


def role(name: str) -> dict[str, Any]:
    return {"ansible.builtin.include_role": {"name": "navilab.webui.image", "tasks_from": name}}


def task(name: str) -> dict[str, Any]:
    found = [each for each in yaml.safe_load((TASKS / "main.yml").read_text()) if each["name"] == name]
    return dict(found[0])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "files").symlink_to(ROOT / "roles/image/files")
    return tmp_path


def test_a_source_that_cannot_be_had_is_named(cache: Path) -> None:
    code, output = play(cache, [role("build")], __image_build=BUILD, image_clip=SOURCE)
    assert code == 2
    assert (
        "source_available: BLIP 0000000000000000000000000000000000000000 from file://host/BLIP.git: fatal: " in output
    )
    assert "SECRET" not in output


def test_a_fetch_that_ends_without_a_list_is_named(cache: Path) -> None:
    (cache / "cache/files").unlink()
    code, output = play(cache, [role("build")], __image_build=BUILD, image_clip=SOURCE)
    assert code == 2
    assert "source_available: the script that fetches ended with 2: " in output
    assert "SECRET" not in output


def test_a_mirror_that_cannot_be_had_is_named(cache: Path) -> None:
    (cache / "mmdebstrap").write_text('#!/bin/sh\necho "E: no $*" >&2\nexit 25\n')
    (cache / "mmdebstrap").chmod(0o755)
    code, output = play(
        cache,
        [role("base")],
        __image_build={"base_packages": ["git"], "base": "x"},
        image_debian_mirror=f"http://{LOGIN}mirror/debian",
    )
    assert code == 2
    assert "source_available: Debian bookworm from http://mirror/debian: E: no " in output
    assert "SECRET" not in output


def test_a_plan_is_made_in_silence(cache: Path) -> None:
    url = {"url": f"https://{LOGIN}host/webui.git", "commit": "0" * 40}
    full = {"image_profiles": ["cpu"], "image_min_disk_mib": 1 << 40}
    code, output = play(cache, [role("main")], image_webui=url, **full)
    assert code == 2
    assert "disk_space: " in output
    assert "SECRET" not in output


def test_a_plan_that_cannot_be_made_is_explained(cache: Path) -> None:
    extra = {"mine": {"index": f"https://{LOGIN}host/simple"}}
    code, output = play(cache, [role("main")], image_profiles=["mine"], image_profiles_extra=extra)
    assert code == 2
    assert "python" in output.partition("Stop where that failed")[2]
    assert "SECRET" not in output


def test_what_differs_is_said(cache: Path) -> None:
    plan = {"actions": [f"fetch BLIP from https://{LOGIN}host/BLIP.git"]}
    code, output = play(cache, [task("Say what differs")], __image_plan=plan)
    assert code == 0
    assert "fetch BLIP from https://host/BLIP.git" in output
    assert "SECRET" not in output
