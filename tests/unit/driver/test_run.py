"""Real runs of tiny playbooks on this machine, through ansible-runner."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from navilab import cli, events, run
from navilab.run import Exit, Job, Outcome, Stop

INVENTORY = f"""
all:
  vars: {{ansible_connection: local, ansible_python_interpreter: "{sys.executable}"}}
  hosts: {{one: , two: }}
"""
SITE = """
- name: Site
  hosts: all
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug: {msg: "{{ word | default('hello') }}"}
    - name: Refuse
      refuse: {id: "{{ why | default('kfd_node') }}"}
      when: inventory_hostname == broken | default('')
    - name: Environment
      ansible.builtin.command: printenv ANSIBLE_CONFIG NAVILAB_TEST
      changed_when: true
"""
REFUSE = """
from ansible.plugins.action import ActionBase
class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        check = {"id": self._task.args["id"], "status": "failed", "evidence": "missing", "remedy": "mend it"}
        return {**super().run(tmp, task_vars), "failed": True, "msg": "not parsed", "checks": [check]}
"""
SLEEP = """
- name: Site
  hosts: one
  gather_facts: false
  tasks:
    - name: Sleep
      ansible.builtin.command: sleep 3600.5
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "site.yml").write_text(SITE, encoding="utf-8")
    (tmp_path / "sleep.yml").write_text(SLEEP, encoding="utf-8")
    (tmp_path / "action_plugins").mkdir()
    (tmp_path / "action_plugins" / "refuse.py").write_text(REFUSE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAVILAB_TEST", "passed through")
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "home"))
    return tmp_path


def go(place: Path, *arguments: str, playbook: str = "site.yml") -> Outcome:
    job = Job("site", place / playbook, ("--inventory=hosts.yml", *arguments))
    return run.run(job, lambda *_: None, runs=place / "runs")


def test_a_good_run(place: Path) -> None:
    outcome = go(place, "--extra-vars={'word': 'two words'}")
    assert outcome.exit is Exit.OK
    assert {host.name: host.status for host in outcome.run.hosts.values()} == {"one": "changed", "two": "changed"}
    log = outcome.log.read_text(encoding="utf-8")
    assert log.startswith("$ ansible-playbook --inventory=hosts.yml")
    assert "two words" in log
    assert "PLAY RECAP" in log
    assert "\r" not in log
    assert "\x1b" not in log
    assert (place / "runs" / "latest" / "log.txt").samefile(outcome.log)


def test_the_log_names_files_of_variables_but_no_values(place: Path) -> None:
    (place / "more.yml").write_text("word: theirs", encoding="utf-8")
    outcome = go(place, "--extra-vars=secret=hunter2", "--extra-vars=@more.yml")
    log = outcome.log.read_text(encoding="utf-8")
    assert "hunter2" not in log
    assert log.startswith("$ ansible-playbook --inventory=hosts.yml --extra-vars=... --extra-vars=@more.yml ")


def test_its_files_hold_the_events_but_no_environment(place: Path) -> None:
    outcome = go(place)
    read = [json.loads(path.read_text(encoding="utf-8")) for path in (outcome.directory / "job_events").glob("*.json")]
    printed = [
        item["event_data"]["res"]["stdout_lines"]
        for item in read
        if item["event"] == "runner_on_ok" and item["event_data"]["task"] == "Environment"
    ]
    assert printed == [[str(run.ROOT / "ansible.cfg"), "passed through"]] * 2
    assert not (outcome.directory / "command").exists()
    assert not (outcome.directory / "env").exists()
    assert outcome.directory.stat().st_mode & 0o077 == 0


def test_a_failed_host_is_2_and_says_why(place: Path) -> None:
    outcome = go(place, "--extra-vars=broken=two")
    assert outcome.exit is Exit.FAILED
    assert [host.name for host in outcome.run.having(events.Status.FAILED)] == ["two"]
    # The collection's callback resolves, and says it in the log too.
    assert "\n\ntwo: failed\n  kfd_node: missing. Remedy: mend it.\n" in outcome.log.read_text(encoding="utf-8")


def test_a_host_that_waits_for_a_reboot_is_5(place: Path) -> None:
    outcome = go(place, "--extra-vars={'broken': 'two', 'why': 'reboot_required'}")
    assert outcome.exit is Exit.REBOOT


def test_an_unreachable_host_is_3(place: Path) -> None:
    (place / "hosts.yml").write_text(
        "all: {hosts: {far: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}", encoding="utf-8"
    )
    assert go(place).exit is Exit.UNREACHABLE


@pytest.mark.parametrize("arguments", [["--limit=nobody"], ["--inventory=missing.yml", "--limit=three"]])
def test_nothing_to_run_on_is_4(place: Path, arguments: list[str]) -> None:
    outcome = go(place, *arguments)
    assert outcome.exit is Exit.NOTHING_RAN
    assert outcome.log.stat().st_size > 100


def test_a_broken_playbook_is_4(place: Path) -> None:
    (place / "site.yml").write_text("- hosts: [all\n", encoding="utf-8")
    assert go(place).exit is Exit.NOTHING_RAN


def test_a_prompt_is_answered_and_the_answer_kept_nowhere(place: Path) -> None:
    secret = "s3cret-of-the-vault"
    job = Job(
        "site", place / "site.yml", ("--inventory=hosts.yml", "--ask-vault-pass"), {r"Vault password:\s*$": secret}
    )
    outcome = run.run(job, lambda *_: None, runs=place / "runs")
    assert outcome.exit is Exit.OK
    kept = [path for path in outcome.directory.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if secret in path.read_text(encoding="utf-8")] == []


def test_ctrl_c_ends_the_playbook(place: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    pids: list[int] = []

    def interrupt(state: events.Run, *_: object) -> None:
        if state.began and state.pid and not pids:
            pids.append(state.pid)
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    job = Job("site", place / "sleep.yml", ("--inventory=hosts.yml",))
    begin = time.monotonic()
    outcome = run.run(job, interrupt, runs=place / "runs")
    assert time.monotonic() - begin < run.GRACE
    assert outcome.exit is Exit.INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_the_second_request_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    stop = Stop()
    stop.pid = 4711
    assert not stop()
    stop.request()
    assert sent == [(4711, signal.SIGINT)]
    assert not stop()
    stop.request()
    assert stop()
    assert len(sent) == 1


def test_a_request_is_enforced_after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: None)
    stop = Stop()
    stop.pid = 4711
    stop.request()
    later = time.monotonic() + run.GRACE + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert stop()


def test_before_anything_runs_the_first_request_kills() -> None:
    stop = Stop()
    stop.request()
    assert stop()


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    made = [run.new_directory(tmp_path, "site") for _ in range(run.KEEP + 2)]
    kept = {path.name for path in tmp_path.iterdir()} - {"latest", "mine"}
    assert len(kept) == run.KEEP
    assert made[-1].exists()
    assert (tmp_path / "latest").resolve() == made[-1]
    assert (tmp_path / "mine").exists()


def test_the_environment_adds_to_the_users() -> None:
    environment = run.environment({"ANSIBLE_COLLECTIONS_PATH": "/mine", "PATH": "/bin"}, Path("/here"))
    assert environment["ANSIBLE_COLLECTIONS_PATH"] == "/here/collections:/mine"
    assert environment["ANSIBLE_CONFIG"] == "/here/ansible.cfg"
    assert environment["PATH"].endswith(":/bin")
    assert environment["ANSIBLE_CALLBACKS_ENABLED"] == run.REPORT
    theirs = {"ANSIBLE_CALLBACKS_ENABLED": "profile_tasks"}
    assert run.environment(theirs)["ANSIBLE_CALLBACKS_ENABLED"] == f"profile_tasks,{run.REPORT}"


def test_host_keys_are_checked(place: Path) -> None:
    (place / "site.yml").write_text(
        "- {hosts: one, gather_facts: false, tasks: [{command: printenv ANSIBLE_HOST_KEY_CHECKING}]}", encoding="utf-8"
    )
    assert go(place).exit is Exit.FAILED  # runner would have set it to False


def test_verify_json_is_one_document(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.PLAYBOOKS, "verify", (str(place / "site.yml"), ""))
    code = cli.main(["verify", "--json", "-i", "hosts.yml", "-e", "broken=two"])
    document = json.loads(capsys.readouterr().out)
    assert code == document["exit_code"] == Exit.FAILED
    assert document["hosts"]["one"]["passed"] is True
    assert document["hosts"]["two"]["passed"] is False
    (failure,) = document["hosts"]["two"]["failures"]
    assert (failure["step"], failure["message"]) == ("Site: Refuse", "kfd_node: missing. Remedy: mend it.")
    assert [item["id"] for item in failure["checks"]] == ["kfd_node"]
    assert document["hosts"]["two"]["checks"] == failure["checks"]


def test_an_unreachable_host_is_a_failed_check_to_machines(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = "all: {hosts: {far: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}"
    (place / "hosts.yml").write_text(away, encoding="utf-8")
    monkeypatch.setitem(cli.PLAYBOOKS, "verify", (str(place / "site.yml"), ""))
    assert cli.main(["verify", "--json", "-i", "hosts.yml"]) == Exit.UNREACHABLE
    far = json.loads(capsys.readouterr().out)["hosts"]["far"]
    assert (far["status"], far["passed"]) == ("unreachable", False)
    (reachable,) = far["checks"]
    assert (reachable["id"], reachable["status"]) == ("ssh", "failed")
    assert "Connection refused" in reachable["evidence"] and reachable["remedy"]
