"""What an inventory groups hosts by: kept from run to run, by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
HOSTS = """
all:
  vars: {ansible_connection: local, ansible_python_interpreter: auto_silent, boot: false}
  hosts:
    good: {targets: [gfx1010], gib: [8], ok: true}
    small: {targets: [gfx1012], gib: [4], ok: true, boot: true}
    broken: {targets: [gfx1012], gib: [8], ok: true}
    never:
"""
PLAYBOOK = """
- hosts: all:!never
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        cacheable: true
        navilab: {state: a secret}
        navilab_known: {gfx_targets: "{{ targets }}", vram_gib: "{{ gib }}", needs_reboot: "{{ boot }}"}
        navilab_verified: "{{ ok }}"
    - navilab.webui.fail_check: {id: later, evidence: it broke, remedy: mend it}
      when: inventory_hostname == 'broken'
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A lab with the example's groups and the checkout's settings, but for where it keeps what it knows."""
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    example = ROOT / "inventory" / "lab.example" / "zz_constructed.yml"
    (tmp_path / "lab" / "zz_constructed.yml").write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    return tmp_path


def ansible(program: str, lab: Path, *words: str) -> str:
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(lab / "known"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(Path(sys.executable).with_name(program)), "-i", str(lab / "lab"), *words]
    return subprocess.run(command, env=environment, cwd=lab, capture_output=True, text=True, check=False).stdout


def test_groups_are_of_the_last_run(lab: Path) -> None:
    before = json.loads(ansible("ansible-inventory", lab, "--list"))
    assert before["unverified"]["hosts"] == ["good", "small", "broken", "never"]
    assert not {"gfx1010", "gfx1012", "vram_4g", "needs_reboot"} & set(before)

    assert "failed: later" in ansible("ansible-playbook", lab, "play.yml")
    after = json.loads(ansible("ansible-inventory", lab, "--list"))
    groups = {name: after[name]["hosts"] for name in ("gfx1010", "gfx1012", "vram_4g", "needs_reboot", "unverified")}
    assert groups == {
        "gfx1010": ["good"],
        "gfx1012": ["small", "broken"],
        "vram_4g": ["small"],
        "needs_reboot": ["small"],
        "unverified": ["broken", "never"],
    }
    limited = ansible("ansible-playbook", lab, "play.yml", "--limit", "gfx1012", "--list-hosts")
    assert limited.split()[-2:] == ["small", "broken"]


def test_nothing_else_is_kept_and_others_read_none_of_it(lab: Path) -> None:
    ansible("ansible-playbook", lab, "play.yml")
    assert (lab / "known").stat().st_mode & 0o777 == 0o700
    assert {name for path in (lab / "known").iterdir() for name in json.loads(path.read_text())} == {
        "navilab_known",
        "navilab_verified",
    }
