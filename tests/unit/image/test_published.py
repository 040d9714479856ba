"""What the hosts learn of a builder that can't be asked what it has published."""

from __future__ import annotations

import os
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
- ansible.builtin.import_playbook: PUBLISHED
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} goes on"
"""


def test_every_host_goes_on_without_the_digests(tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)  # a Python without requests
    inventory, playbook = tmp_path / "hosts.yml", tmp_path / "play.yml"
    inventory.write_text(INVENTORY.replace("PYTHON", str(tmp_path / "bare/bin/python")), encoding="utf-8")
    playbook.write_text(PLAYBOOK.replace("PUBLISHED", str(ROOT / "playbooks/published.yml")), encoding="utf-8")
    command = [Path(sys.executable).with_name("ansible-playbook"), "--inventory", inventory, playbook]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "one does not say what it has published" in done.stdout
    assert "one goes on" in done.stdout
    assert "two goes on" in done.stdout
