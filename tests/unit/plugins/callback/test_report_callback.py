"""The end of a real run of plain ansible-playbook, and results as older and newer ansible-core hand them over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.callback.report import CallbackModule

ROOT = Path(__file__).resolve().parents[4]
PLAYBOOK = """
- name: Plan
  hosts: lab
  gather_facts: false
  tasks:
    - name: Gather the facts and make the plans
      acts: {state: planned}
- name: Apply
  hosts: lab
  gather_facts: false
  vars:
    ansible_port: "{{ 1 if inventory_hostname == 'middle' else 22 }}"
    ansible_connection: "{{ 'ssh' if inventory_hostname in ['middle', 'away'] else 'local' }}"
  tasks:
    - name: Ensure the packages are there
      acts: {state: "{{ inventory_hostname }}"}
      when: inventory_hostname in ['apt', 'two', 'evil']
    - name: Ensure the image is there
      dies:
      when: inventory_hostname == 'dies'
    - name: Upgrade
      when: inventory_hostname == 'rescued'
      block: [{name: Try, acts: {state: apt}}]
      rescue: [{name: Go back, ansible.builtin.debug: {msg: back}}]
    - name: Ask the host
      ansible.builtin.ping:
- name: Verify
  hosts: lab
  gather_facts: false
  tasks:
    - name: Evaluate the checks
      acts: {state: verified}
"""
FOREIGN = """
- name: Somebody else's
  hosts: good
  gather_facts: false
  tasks: [{name: Fail, ansible.builtin.fail: {msg: no}}]
"""
ACTS = r"""
from ansible.plugins.action import ActionBase
def check(id, status="ok", evidence="seen", remedy="mend it"):
    return dict(id=id, status=status, evidence=evidence, remedy=remedy, note="", reason="")
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result, state = super().run(tmp, task_vars), self._task.args["state"]
        checks = [check("release"), check("kfd_open", "waived")] if state == "verified" else []
        webui = {"board_name": "RX", "vram_mib": 4080, "profile": "cpu", "url": "http://127.0.0.1:7860", "selftest": {}}
        navilab = {"boards": [], "plans": {"webui": {"instances": [webui]}}, "checks": checks}
        if state in ("planned", "verified"):
            self._low_level_execute_command("true")
            return {**result, "ansible_facts": {"navilab": navilab}, "checks": checks}
        if state == "two":
            failed = [check("user_exists", "failed"), check("b", "failed")]
            return {**result, "failed": True, "msg": "x", "checks": failed}
        if state == "evil":
            return {**result, "failed": True, "msg": "\x1b[2Jx\ngood: failed\nHOST  BOARD"}
        return {**result, "failed": True, "msg": "apt-get failed: E: no such package: x", "rc": 100, "stderr": "E: 404"}
"""
DIES = """#!/usr/bin/python
print("noise")
raise OSError(28, "No space left on device: /var")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = tmp_path_factory.mktemp("run")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    names = ("good", "apt", "dies", "two", "evil", "middle", "rescued")
    hosts = {**{name: {**local, "ansible_host": "127.0.0.1"} for name in names}, "away": away}
    (place / "hosts.json").write_text(json.dumps({"lab": {"hosts": hosts}}), encoding="utf-8")
    for directory, name, text in (("action_plugins", "acts", ACTS), ("library", "dies", DIES)):
        (place / directory).mkdir()
        (place / directory / f"{name}.py").write_text(text, encoding="utf-8")

    def play(text: str, **more: str) -> str:
        (place / "play.yml").write_text(text, encoding="utf-8")
        environment = os.environ | {
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
            "ANSIBLE_CALLBACKS_ENABLED": "navilab.webui.report",
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "1",
            **more,
        }
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.json", "play.yml"]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return play


@pytest.fixture(scope="module")
def printed(ran: Any) -> str:
    return str(ran(PLAYBOOK))


def row_of(printed: str, host: str) -> str:
    """A host's row of the table; there is one."""
    (row,) = (row for row in printed.rpartition("\nHOST ")[2].splitlines() if row.startswith(f"{host}  "))
    return row


@pytest.mark.parametrize(
    ("host", "result"),
    [
        ("good", "http://127.0.0.1:7860  verified, 1 waived"),
        ("rescued", "http://127.0.0.1:7860  verified, 1 waived"),
        ("apt", "-                      failed: Ensure the packages are there: apt-get failed: E: no such package: x"),
        ("dies", "failed: Ensure the image is there: OSError: [Errno 28] No space left on device: /var"),
        ("two", "failed: user_exists, b"),
        ("away", "unreachable: connect to host 127.0.0.1 port 1: Connection refused"),
        ("middle", "unreachable: connect to host 127.0.0.1 port 1: Connection refused"),
        ("evil", r"failed: Ensure the packages are there: \x1b[2Jx"),
    ],
)
def test_the_table_names_what_failed(printed: str, host: str, result: str) -> None:
    assert row_of(printed, host).endswith(result), printed


def test_causes_come_after_the_recap_and_once(printed: str) -> None:
    end = printed.partition("PLAY RECAP")[2]
    assert end.index("apt: failed") < end.index("HOST ")
    assert "\ntwo: failed\n  user_exists: seen. Remedy: mend it.\n  b: seen. Remedy: mend it.\n" in end
    whole = "  Apply: Ensure the packages are there:\n    apt-get failed: E: no such package: x\n    E: 404\n"
    assert f"\napt: failed\n{whole}" in end
    assert end.count("    OSError: [Errno 28]") == 1
    assert "rescued: failed" not in end


def test_a_host_writes_no_line_of_ours(printed: str) -> None:
    end = printed.partition("PLAY RECAP")[2]
    assert "\ngood: failed" not in end
    assert "\n    good: failed\n" in end
    assert "\x1b" not in end
    assert sum(line.startswith("HOST ") for line in end.splitlines()) == 1


def test_it_warns_of_nothing(printed: str) -> None:
    assert "DEPRECATION" not in printed
    assert "Callback" not in printed and "callback" not in printed


def test_somebody_elses_playbook_keeps_its_end(ran: Any) -> None:
    end = ran(FOREIGN).partition("PLAY RECAP")[2]
    assert "failed=1" in end
    assert "HOST" not in end and "good: failed" not in end


def test_it_has_to_be_enabled(ran: Any) -> None:
    assert "HOST " not in ran(PLAYBOOK, ANSIBLE_CALLBACKS_ENABLED="").partition("PLAY RECAP")[2]


@pytest.mark.parametrize("prefix", ["", "_"])
def test_results_of_older_and_newer_ansible_core(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    callback, shown = CallbackModule(), []
    monkeypatch.setattr(callback, "_display", SimpleNamespace(display=lambda text, **_: shown.append(text)))
    host = SimpleNamespace(get_name=lambda: "a")
    role = SimpleNamespace(get_name=lambda: "navilab.webui.webui")
    task = SimpleNamespace(name="Pull {{ it }}", action="navilab.webui.plan", _role=role)
    callback.v2_runner_on_start(host, task)
    parts = {"host": host, "task": task, "task_fields": {"name": "Pull it"}, "result": {"msg": "no"}}
    if not prefix:  # where the fields have gone, the task has its variables filled in
        parts = {**parts, "task": SimpleNamespace(**{**vars(task), "name": "Pull it"}), "task_fields": None}
    callback.v2_runner_on_failed(SimpleNamespace(**{prefix + key: value for key, value in parts.items()}))
    callback.v2_playbook_on_stats(SimpleNamespace(summarize=lambda _name: {"failures": 1, "unreachable": 0}))
    causes, table = shown
    assert causes == "\na: failed\n  webui: Pull it: no"
    assert table.splitlines()[-1].endswith("failed: Pull it: no")
