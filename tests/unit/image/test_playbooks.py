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
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: # as the plan leaves it
        navilab: {offer: {builds: [cpu], models: [], builder: false, free_mib: FREE, registry: "", has: {}}}
        cacheable: true
- ansible.builtin.import_playbook: BUILD
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


def told(tmp_path: Path, free: int, *more: str) -> str:
    """What two hosts that need an image, with so many MiB free, are told by playbooks/build.yml."""
    playbook = tmp_path / "play.yml"
    text = PLAYBOOK.replace("FREE", str(free)).replace("BUILD", str(ROOT / "playbooks/build.yml"))
    playbook.write_text(text, encoding="utf-8")
    code, output = run(tmp_path, playbook, *more)
    assert code == 2, output  # each host that needs one fails
    return output


def test_a_builder_that_fails_tells_both(tmp_path: Path) -> None:
    # There is no systemd for the engine that it would install.
    output = told(tmp_path, 99999)
    assert "one builds the image of profile cpu, for itself and two" in output
    assert sorted(re.findall(r"(?m)^(one|two) .* failed: (\w+)$", output)) == [("one", "systemd"), ("two", "systemd")]


def test_nobody_has_the_space(tmp_path: Path) -> None:
    output = told(tmp_path, 7, "--extra-vars", "image_builder=")
    assert sorted(re.findall(r"(?m)^(one|two) .* failed: (\w+)$", output)) == [
        ("one", "disk_space"),
        ("two", "disk_space"),
    ]


def test_a_run_of_a_hosts_own_asks_no_other_host(tmp_path: Path) -> None:
    # `two`'s tasks would run here, as one's do.
    output = told(tmp_path, 99999, "--limit", "one", "--extra-vars", "image_builder=two")
    assert re.findall(r"(?m)^(one|two) .* failed: (\w+)$", output) == [("one", "image_build")]
    assert "two is not part of this run, which reaches no other host" in " ".join(output.split())
    assert "is asked for" not in output and "-> two" not in output


def test_a_builder_that_is_lost_is_named(tmp_path: Path) -> None:
    away = tmp_path / "away.yml"
    away.write_text(
        "lab: {hosts: {away: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}", encoding="utf-8"
    )
    more = ("--limit", "one,two", "--inventory", str(away), "--extra-vars", "image_builder=away")
    output = told(tmp_path, 99999, *more)
    assert sorted(re.findall(r"(?m)^(one|two) .* failed: (\w+)$", output)) == [
        ("one", "builder_reachable"),
        ("two", "builder_reachable"),
    ]


def test_the_builder_of_the_inventory_builds(tmp_path: Path) -> None:
    """`one` is the inventory's; a variable of the command line goes before it, and without either it is localhost."""
    playbook = ROOT / "playbooks/image.yml"
    wrong = ("--check", "--extra-vars", '{"image_profiles": ["rocm9"]}')
    for more, builder in (((), "one"), (("--extra-vars", "image_builder=two"), "two")):
        _code, output = run(tmp_path, playbook, *wrong, *more)
        assert re.findall(r"^(\w+): failed$", output, re.MULTILINE) == [builder], output
