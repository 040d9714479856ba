"""What the hosts learn of a builder that can't build, or can't be asked what it has published."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = """
lab:
  hosts: {one: {}, two: {}}
  vars:
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: PYTHON
    image_builder: one
    webui_image_source: build
    image_registry: registry.example
"""
PLAYBOOK = """
- ansible.builtin.import_playbook: BUILDER
  vars:
    navilab_image_build: false
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} goes on"
"""


def run(tmp_path: Path, playbook: Path, *more: str) -> tuple[int, str]:
    """Exit code and output of a playbook on two hosts whose Python is without requests."""
    venv.create(tmp_path / "bare", with_pip=False)
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY.replace("PYTHON", str(tmp_path / "bare/bin/python")), encoding="utf-8")
    command = [Path(sys.executable).with_name("ansible-playbook"), "--inventory", inventory, playbook, *more]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_every_host_goes_on_without_the_digests(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAYBOOK.replace("BUILDER", str(ROOT / "playbooks/builder.yml")), encoding="utf-8")
    code, output = run(tmp_path, playbook)
    assert code == 0, output
    assert "one does not say what it has published" in output
    assert "one goes on" in output
    assert "two goes on" in output


def test_every_host_names_why_there_is_no_image(tmp_path: Path) -> None:
    code, output = run(tmp_path, ROOT / "site.yml", "--check", "--extra-vars", '{"image_profiles": ["rocm9"]}')
    assert code == 2, output
    assert re.findall(r"(one|two) .*failed: profile_known", output) == ["one", "two"], output


def test_a_lost_builder_stops_every_host(tmp_path: Path) -> None:
    away = tmp_path / "away.yml"
    away.write_text(
        "lab: {hosts: {away: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}", encoding="utf-8"
    )
    more = ("--limit", "one,two", "--inventory", str(away), "--extra-vars", "image_builder=away")
    code, output = run(tmp_path, ROOT / "site.yml", *more)
    assert code != 0, output
    assert re.search(r"two .*failed: builder_reachable", output), output


def test_the_builder_of_the_inventory_builds(tmp_path: Path) -> None:
    """`one` is the inventory's; a variable of the command line goes before it, and without either it is localhost."""
    playbook = ROOT / "playbooks/image.yml"
    wrong = ("--check", "--extra-vars", '{"image_profiles": ["rocm9"]}')
    for more, builder in (((), "one"), (("--extra-vars", "image_builder=two"), "two")):
        _code, output = run(tmp_path, playbook, *wrong, *more)
        assert re.findall(r"^(\w+): failed$", output, re.MULTILINE) == [builder], output
