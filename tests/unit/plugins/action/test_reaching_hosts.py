"""Hosts as people have them, which Ansible can't get to work on: ansible-playbook itself over a stand-in for ssh.

The stand-in runs its command on this machine, or says what a host's ssh or sudo would. What is looked at is the end of
the run, as a user reads it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
PLAY = """
- name: Site
  hosts: lab
  gather_facts: false
  tasks:
    - name: Plan
      navilab.webui.plan: {steps: [gpu_access]}
      become: true
    - name: Begin with a role
      navilab.webui.plan: {steps: [gpu_access], apply: true}
      become: true
      when: inventory_hostname == 'homeless'
    - name: Change
      ansible.builtin.command: touch changed
      when: inventory_hostname == 'homeless'
- name: Somebody else's task meets it first
  hosts: first
  gather_facts: false
  tasks:
    - name: Ask
      ansible.builtin.ping:
      become: true
"""
RUNS = """
while :; do case $1 in -u|-p) shift 2;; -*) shift;; *) break;; esac; done
exec "$@"
"""
# Asks as sudo does with -S, reads the password and refuses it.
ASKS = """
key=$(printf '%s' "$*" | sed -n 's/.*key=\\([a-z]*\\)\\].*/\\1/p')
printf '[sudo via ansible, key=%s] password:' "$key" >&2; read -r word
"""
# Ends its input before itself, so that what it said is lost to who was still sending.
EARLY = """
for last; do :; done
exec 3<&0 0</dev/null; /bin/sh -c "$last" <&3 3<&- & exec 3<&-
wait $!; rc=$?; sleep 0.3; exit $rc
"""
ESCAPES = "printf '\\033[2J\\033]0;x\\007\\nsudo: a password is required\\n' >&2; exit 1"


def says(*lines: str, rc: int = 1) -> str:
    return "".join(f"printf '%s\\n' {json.dumps(line)} >&2\n" for line in lines) + f"exit {rc}\n"


BECOME: dict[str, tuple[str, dict[str, Any], str]] = {
    "password": (says("sudo: a password is required"), {}, "ansible_become_password"),
    "german": (says("sudo: Ein Passwort ist notwendig"), {}, "-K"),
    "tty": (says("sudo: sorry, you must have a tty to run sudo"), {}, "requiretty"),
    "denied": (says("lab is not in the sudoers file."), {}, "usermod -aG sudo"),
    "verboten": (says("lab ist nicht in der sudoers-Datei."), {}, "-K"),
    "wrong": (f"{ASKS}{says('Sorry, try again.')}", {"ansible_become_password": "x"}, "correct the password"),
    "falsch": (f"{ASKS}{says('Leider falsch.')}", {"ansible_become_password": "x"}, "-K"),
    "doas": (says("doas: Authorization required"), {"ansible_become_method": "community.general.doas"}, "-K"),
    "escapes": (ESCAPES, {}, "-K"),
}
SSH = {
    "refused": (says("ssh: connect to host 10.0.0.1 port 22: Connection refused", rc=255), "sshd listens"),
    "name": (says("ssh: Could not resolve hostname none: Der Name ist nicht bekannt", rc=255), "ansible_host of name"),
    "key": (says("lab@10.0.0.1: Permission denied (publickey).", rc=255), "ssh-copy-id"),
    "changed": (
        says(
            "@@@@@@@", "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", "Host key verification failed.", rc=255
        ),
        "ssh-keygen -R",
    ),
    "unknown": (says("No ED25519 host key is known for h.", "Host key verification failed.", rc=255), "fingerprint"),
    "banner": (says("*** keep out ***", "kex_exchange_identification: Connection closed", rc=255), "journalctl"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture(scope="module")
def printed(place: Path) -> Iterator[str]:

    def script(name: str, text: str) -> str:
        path = place / name
        path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    base = {
        "ansible_host": "127.0.0.1",
        "ansible_user": "lab",
        "ansible_timeout": 5,
        "ansible_ssh_executable": script("ssh", 'for last; do :; done\nexec /bin/sh -c "$last"\n'),
        "ansible_ssh_transfer_method": "piped",
        "ansible_ssh_retries": 0,
        "ansible_become_exe": script("sudo-works", RUNS),
        "ansible_python_interpreter": sys.executable,
        "ansible_remote_tmp": str(place / "tmp"),
        "webui_user": "daemon",
    }
    hosts: dict[str, dict[str, Any]] = {"good": {}}
    for name, (text, more, _remedy) in BECOME.items():
        hosts[name] = {"ansible_become_exe": script(f"sudo-{name}", text), **more}
    for name, (text, _remedy) in SSH.items():
        hosts[name] = {"ansible_ssh_executable": script(f"ssh-{name}", text)}
    hosts["nologin"] = {
        "ansible_ssh_executable": script("ssh-nologin", says("This account is currently not available."))
    }
    hosts["nosudo"] = {"ansible_become_exe": str(place / "nowhere" / "sudo")}
    hosts["method"] = {"ansible_become_method": "nowhere"}
    hosts["nopython"] = {"ansible_python_interpreter": "/usr/bin/python9"}
    old = "ansible-core requires a minimum of Python version 3.9. Current version: 3.7.3 (default)"
    hosts["oldpython"] = {"ansible_python_interpreter": script("python3.7", says(old))}
    hosts["early"] = {**hosts["oldpython"], "ansible_ssh_executable": script("ssh-early", EARLY)}
    hosts["broken"] = {"ansible_python_interpreter": script("python3", "kill -SEGV $$\n")}
    hosts["piped"] = {"ansible_python_interpreter": script("python-tee", f"tee {place}/sent | {sys.executable}\n")}
    hosts["homeless"] = {"ansible_remote_tmp": "/proc/nowhere"}
    hosts["notmp"] = {"ansible_pipelining": False, "ansible_remote_tmp": "/proc/nowhere"}
    lines = {name: {**base, **more} for name, more in hosts.items()}
    inventory = {
        "lab": {"hosts": lines},
        "first": {"hosts": {"other": {**base, **hosts["german"]}}},
    }
    (place / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")
    (place / "play.yml").write_text(PLAY, encoding="utf-8")
    environment = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.json", "play.yml"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (2, 4, 6), done.stdout + done.stderr
    assert not (place / "changed").exists()
    yield done.stdout + done.stderr


def cause(printed: str, host: str) -> tuple[str, str, str]:
    """(state, id, the rest of the line) of a host's only cause."""
    end = printed.partition("PLAY RECAP")[2]
    found = re.search(rf"^{host}: (failed|unreachable)\n  (\w+): (.*)\n(?!  )", end, re.MULTILINE)
    assert found, end
    return found[1], found[2], found[3]


@pytest.mark.parametrize("host", BECOME)
def test_become(printed: str, host: str) -> None:
    state, name, line = cause(printed, host)
    assert (state, name) == ("failed", "become"), line
    assert BECOME[host][2] in line.partition("Remedy: ")[2], line


@pytest.mark.parametrize("host", SSH)
def test_ssh(printed: str, host: str) -> None:
    state, name, line = cause(printed, host)
    assert (state, name) == ("unreachable", "ssh"), line
    assert SSH[host][1] in line.partition("Remedy: ")[2], line
    assert re.search(rf"^{host} .*unreachable=1", printed, re.MULTILINE)  # natively


@pytest.mark.parametrize(
    ("host", "state", "name", "words"),
    [
        ("nosudo", "failed", "become", "apt-get install sudo"),
        ("method", "failed", "become", "ansible_become_method"),
        ("nopython", "failed", "python", "ansible nopython -b -m ansible.builtin.raw"),
        ("oldpython", "failed", "python", "3.9 or newer"),
        ("early", "failed", "python", "3.9 or newer"),
        ("broken", "failed", "python", "ansible_python_interpreter"),
        ("notmp", "unreachable", "remote_tmp", "ansible_remote_tmp"),
        ("nologin", "failed", "ssh", "chsh"),
    ],
)
def test_python_and_files(printed: str, host: str, state: str, name: str, words: str) -> None:
    found = cause(printed, host)
    assert found[:2] == (state, name), found
    assert words in found[2].partition("Remedy: ")[2], found


def test_a_host_that_works_is_planned(printed: str) -> None:
    assert re.search(r"^good .*planned, not verified$", printed, re.MULTILINE)


def test_another_task_than_ours_is_told_the_same_way(printed: str) -> None:
    assert cause(printed, "other")[:2] == ("failed", "become")


def test_where_no_file_can_come_a_role_does_not_begin(printed: str) -> None:
    """Facts are gathered without a file; the first one would stop the run in the middle."""
    state, name, line = cause(printed, "homeless")
    assert (state, name) == ("unreachable", "remote_tmp"), line


def test_the_table_names_the_check_and_nothing_obeys_a_host(printed: str) -> None:
    assert re.search(r"^password +.* failed: become$", printed, re.MULTILINE)
    assert "\x1b" not in printed and "\x07" not in printed
    # Once in Ansible's own words where they stand, and once at the end.
    assert printed.partition("PLAY RECAP")[2].count("lab ist nicht in der sudoers-Datei.") == 1


def test_sent(printed: str, place: Path) -> None:
    """Facts are gathered without Ansible's own library, which costs a host more than they do."""
    assert re.search(r"^piped +: ok=1 ", printed, re.MULTILINE), printed
    sent = (place / "sent").read_text(encoding="utf-8")
    assert "navilab_webui" in sent
    assert "ANSIBALLZ" not in sent
