"""What the bench's callback counts, on a real run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = """
- hosts: one
  gather_facts: false
  tasks:
    - {name: 1 for a module, ansible.builtin.ping: }
    - {name: 1 for an action, ansible.builtin.copy: {content: x, dest: "{{ place }}/x", mode: "0600"}, notify: last}
    - {name: 2 for a loop, ansible.builtin.command: "true {{ item }}", loop: [1, 2, 3], when: item != 2}
    - {name: 3 for attempts, ansible.builtin.command: "false", register: r, until: r is success, retries: 2, delay: 0,
       ignore_errors: true}
    - {name: 7 that the result tells, calls: {calls: 7}}
    - {name: 1 for a plan that gathers, plan: {gathered_now: true}}
    - {name: 0 for a plan of facts that are known, plan: {gathered_now: false}}
    - {name: 1 by the short name, ping: }
    - {name: 0 for a skipped one, ansible.builtin.ping: , when: false}
    - {name: 0 for the controller's, ansible.builtin.debug: {msg: x}, loop: [1, 2]}
    - {name: 0 for a fact, ansible.builtin.set_fact: {a: 1}}
    - {name: 0 for an assertion, ansible.builtin.assert: {that: true}}
    - {name: 0 where it is delegated to the controller, ansible.builtin.ping: , delegate_to: localhost}
    - {name: 1 for the other host, ansible.builtin.ping: , delegate_to: two}
    - {name: a second at least, ansible.builtin.pause: {seconds: 1}}
  handlers:
    - {name: last, ansible.builtin.debug: }
- hosts: one:two
  gather_facts: false
  tasks:
    - {name: 1 task for both, ansible.builtin.meta: end_host}
- hosts: away
  gather_facts: false
  tasks:
    - {name: 1 for an attempt to reach it, ansible.builtin.ping: , ignore_unreachable: false}
"""
ACTION = """
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        return {"changed": False, **self._task.args}
"""


def test_counts(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    (tmp_path / "action_plugins").mkdir()
    for action in ("calls", "plan"):
        (tmp_path / "action_plugins" / f"{action}.py").write_text(ACTION, encoding="utf-8")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    hosts = {"one": local, "two": local, "away": away}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    environment = os.environ | {
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "bench" / "callback_plugins"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "NAVILAB_BENCH_COUNTS": str(tmp_path / "counted.json"),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.json", "-e", f"place={tmp_path}"]
    done = subprocess.run(
        [*command, "play.yml"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (tmp_path / "counted.json").exists(), done.stdout + done.stderr
    counted = json.loads((tmp_path / "counted.json").read_text(encoding="utf-8"))
    assert counted["round_trips"] == {"one": 1 + 1 + 2 + 3 + 7 + 1 + 1, "two": 1, "away": 1}
    assert counted["changed"]["one"] == 3, "copy, the loop, and the attempts that failed"
    assert counted["failed"] == ["away"]
    assert counted["tasks"] == 18, "the handler is one, and so is a skipped task"
    assert counted["shown"] == 16, "all but the skipped one"
    assert counted["forks"] == 17
    assert 1 <= counted["seconds"]["a second at least"] < 10
