"""What an inventory groups hosts by: kept from run to run, by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.plugins.loader import cache_loader
from ansible_collections.navilab.webui.plugins.cache.known import kept

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
    names = ("gfx1010", "gfx1012", "vram_4g", "needs_reboot", "unverified")
    groups = {name: sorted(after[name]["hosts"]) for name in names}  # the facts came in the order of the answers
    assert groups == {
        "gfx1010": ["good"],
        "gfx1012": ["broken", "small"],
        "vram_4g": ["small"],
        "needs_reboot": ["small"],
        "unverified": ["broken", "never"],
    }
    limited = ansible("ansible-playbook", lab, "play.yml", "--limit", "gfx1012", "--list-hosts")
    assert sorted(limited.split()[-2:]) == ["broken", "small"]


def test_nothing_else_is_kept_and_others_read_none_of_it(lab: Path) -> None:
    ansible("ansible-playbook", lab, "play.yml")
    assert (lab / "known").stat().st_mode & 0o777 == 0o700
    assert {name for path in (lab / "known").iterdir() for name in json.loads(path.read_text())} == {
        "navilab_known",
        "navilab_verified",
    }


LOOKUP = "{{ lookup('pipe', 'id') }}"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (
            {"navilab_known": {"gfx_targets": [LOOKUP, "gfx1010"], "vram_gib": [8, LOOKUP], "needs_reboot": LOOKUP}},
            {"navilab_known": {"gfx_targets": ["gfx1010"], "vram_gib": [8], "needs_reboot": False}},
        ),
        ({"navilab_known": LOOKUP, "navilab_verified": LOOKUP, LOOKUP: 1}, {}),
        (
            {"navilab_known": {"gfx_targets": LOOKUP}},
            {"navilab_known": {"gfx_targets": [], "vram_gib": [], "needs_reboot": False}},
        ),
        ([1], {}),
        (None, {}),
    ],
)
def test_what_a_host_says_is_no_template(facts: object, expected: object) -> None:
    """Before ansible-core 2.19 `constructed` would fill it in, on the controller."""
    assert kept(facts) == expected


def test_a_run_writes_what_it_has_found_and_no_more(lab: Path) -> None:
    ansible("ansible-playbook", lab, "play.yml")
    written = lab / "known" / "good"
    play = """
    - hosts: all
      gather_facts: false
      vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
      tasks:
        - ansible.builtin.set_fact: {one: "{{ navilab_verified | default(0) }}"}
        - ansible.builtin.copy: {content: '{"navilab_verified": false}', dest: %s}
          when: inventory_hostname == 'good'
        - ansible.builtin.set_fact: {cacheable: true, other: 1}
    """
    (lab / "other.yml").write_text(play % json.dumps(str(written)), encoding="utf-8")
    ansible("ansible-playbook", lab, "other.yml")
    assert json.loads(written.read_text()) == {"navilab_verified": False}
    assert not (lab / "known" / "never").exists()


def test_where_nothing_can_be_kept_ansible_goes_on(lab: Path) -> None:
    (lab / "known").write_text("a file in the directory's place", encoding="utf-8")
    with pytest.raises(AnsibleError, match="can't be kept in"):
        cache_loader.get("navilab.webui.known", _uri=str(lab / "known" / "below"))
    assert "failed: later" in ansible("ansible-playbook", lab, "play.yml")
