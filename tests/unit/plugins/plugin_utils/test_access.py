"""The ways in which Ansible can't get to work on a host: its own words, in every version, to a check with a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils import _access
from ansible_collections.navilab.webui.plugins.plugin_utils._access import Tried

DIED = "Module result deserialization failed: No start of json char found"
OLD = "MODULE FAILURE\nSee stdout/stderr for the exact error"
SENT = 'Data could not be sent to remote host "10.0.0.1". Make sure this host can be reached over ssh: '
FAILED = "Failed to connect to the host via ssh: "
TRACE = 'Traceback (most recent call last):\n  File "<stdin>", line 107, in <module>\n'
UNPACKS = f'{TRACE}  File "<stdin>", line 99, in _ansiballz_main\n'
INSIDE = (
    f'{TRACE}  File "/tmp/ansible_host_info_payload_x1/ansible_host_info_payload.zip/ansible_collections/navilab/webui/'
    'plugins/modules/host_info.py", line 3, in main\n'
)

PROGRAM = f'{TRACE}  File "navilab_webui/_gather.py", line 3, in gather\n'
"""What the plan sends in place of host_info."""


def died(stderr: str, rc: int = 1, msg: str = DIED, stdout: str = "") -> dict[str, Any]:
    return {"failed": True, "msg": msg, "module_stderr": stderr, "module_stdout": stdout, "rc": rc}


def said(msg: str) -> dict[str, Any]:
    return {"failed": True, "msg": msg}


def away(msg: str) -> dict[str, Any]:
    return {"unreachable": True, "msg": msg}


def local(words: str, first: str = "Premature end of stream waiting for become success") -> dict[str, Any]:
    return said(f"Task failed: {first}.\n>>> Standard Error\n{words}")


def one(result: dict[str, Any], *tried: Tried) -> tuple[str, str, str]:
    (check,) = _access.checks(result, "node1", *tried)
    assert (check["status"], check["remedy"].isprintable()) == ("failed", True)
    assert "{host}" not in check["remedy"]
    return check["id"], check["evidence"], check["remedy"]


@pytest.mark.parametrize(
    ("result", "evidence", "remedy"),
    [
        (said("Task failed: Missing sudo password"), "Missing sudo password", "-K (--ask-become-pass)"),
        (said("Missing su password"), "Missing su password", "ansible_become_password"),
        (said("Incorrect sudo password"), "Incorrect sudo password", "correct the password that -K"),
        (said("Task failed: Incorrect su password"), "Incorrect su password", "su wants that of root"),
        (died("sudo: a password is required\n"), "sudo: a password is required", "-K"),
        (died("sudo: a password is required\n", msg=OLD), "sudo: a password is required", "-K"),
        (died("sudo: Ein Passwort ist notwendig\n"), "sudo: Ein Passwort ist notwendig", "-K"),
        (died("sudo: il est nécessaire de saisir un mot de passe\n"), "mot de passe", "ansible_become_password"),
        (died("/usr/bin/sudo: パスワードが必要です\n"), "パスワード", "-K"),
        (died("sudo: 1 incorrect password attempt\n"), "incorrect password attempt", "correct the password"),
        (died("sudo: sorry, you must have a tty to run sudo\n"), "must have a tty", "ansible_pipelining: false"),
        (died("sudo: no tty present and no askpass program specified\n"), "no tty", "requiretty"),
        (died("lab is not in the sudoers file.  This incident will be reported.\n"), "sudoers", "ansible_user"),
        (
            died("Sorry, user lab is not allowed to execute '/bin/sh' as root on n.\n"),
            "not allowed",
            "usermod -aG sudo",
        ),
        (died("/bin/sh: 1: sudo: not found\n", rc=127), "sudo: not found", "apt-get install sudo"),
        (died("/bin/sh: line 1: sudo: command not found\n", rc=127), "not found", "ansible_become_method: su"),
        (died("bash: /usr/bin/sudo: No such file or directory\n", rc=127), "No such file", "apt-get install sudo"),
        (died("sudo: effective uid is not 0, is /usr/bin/sudo on a file system with 'nosuid'?\n"), "uid", "mend sudo"),
        (died('sudo: The "no new privileges" flag is set\n'), "no new privileges", "mend sudo"),
        (died("su: Authentication failure\n", stdout="Password: "), "su: Authentication", "su wants that of root"),
        (died("su: Fehler bei Authentifizierung\n", stdout="Passwort: "), "su: Fehler", "-K"),
        (died("doas: Authorization required\n"), "doas: Authorization required", "-K"),
        (died("doas: Authentication failed\n"), "doas", "correct the password"),
        (died("doas: Operation not permitted\n"), "doas", "/etc/doas.conf"),
        (local("sudo: a password is required"), "sudo: a password is required", "-K"),
        (local("sudo: Ein Passwort ist notwendig"), "sudo: Ein Passwort ist notwendig", "-K"),
        (local("lab is not in the sudoers file."), "lab is not in the sudoers file.", "usermod"),
        (local("so says nobody", "Timed out waiting for become success"), "so says nobody", "-K"),
        (
            said("privilege output closed while waiting for password prompt:\nlab is not in the sudoers file."),
            "lab is not in the sudoers file.",
            "usermod",
        ),
        (away("Timeout (32s) waiting for privilege escalation prompt: "), "Timeout (32s) waiting", "-K"),
        (said("Timeout (12s) waiting for privilege escalation prompt: "), "Timeout (12s) waiting", "-K"),
        (
            said("Task failed: Invalid become method specified, could not find matching plugin: 'doas'. Use `x`."),
            "'doas'",
            "community.general",
        ),
    ],
)
def test_become(result: dict[str, Any], evidence: str, remedy: str) -> None:
    found = one(result)
    assert found[0] == "become"
    assert evidence in found[1] and remedy in found[2], found
    assert "-K" in found[2] or "ansible_" in found[2] or "apt-get" in found[2]


def test_the_evidence_is_what_was_said_without_ansibles_frame() -> None:
    assert one(local("sudo: a password is required"))[1] == "sudo: a password is required"
    prompt = "[sudo via ansible, key=abcdefgh] password:Sorry, try again."
    assert one(local(prompt))[1] == "Sorry, try again."
    assert one(said("Timed out waiting for become success.\n>>> Standard Output\nPassword: "))[1] == (
        "Timed out waiting for become success. Password:"
    )


@pytest.mark.parametrize(
    ("result", "evidence", "remedy"),
    [
        (
            died("/bin/sh: 1: /usr/bin/python3: not found\n", rc=127),
            "/usr/bin/python3: not found",
            "install -y python3",
        ),
        (
            {"failed": True, "msg": "The module interpreter '/usr/bin/python3' was not found.", "rc": 127},
            "was not found",
            "ansible node1 -b -m ansible.builtin.raw",
        ),
        (
            died("x\n", rc=127, msg="The module failed to execute correctly, you probably need to set the interpreter"),
            "x",
            "ansible_python_interpreter",
        ),
        (died("bash: /usr/bin/python3: No such file or directory\n", rc=127), "No such file", "raw"),
        (died("pyenv: python3.13: command not found\n", rc=127), "pyenv: python3.13", "/usr/bin/python3"),
        (
            died("ansible-core requires a minimum of Python version 3.8. Current version: 3.7.3\n"),
            "3.7.3",
            "3.9 or newer",
        ),
        (
            died('  File "<stdin>", line 1\n    from __future__ import annotations\nSyntaxError: future feature'),
            "SyntaxError",
            "3.9 or newer",
        ),
        (died(f"{INSIDE}ModuleNotFoundError: No module named 'zipfile'\n"), "zipfile", "install -y python3"),
        (died(f"{TRACE}ImportError: No module named json\n"), "No module named json", "python3"),
        (said("unhandled error in Python interpreter discovery for host node1: x"), "interpreter discovery", "python3"),
    ],
)
def test_python(result: dict[str, Any], evidence: str, remedy: str) -> None:
    # A program that is missing under become is told from the interpreter by its name, or by what was tried.
    found = one(result)
    assert found[0] == "python"
    assert evidence in found[1] and remedy in found[2], found


@pytest.mark.parametrize(
    ("result", "evidence", "remedy"),
    [
        (
            away(
                "Task failed: Failed to create temporary directory. In some cases, you may have been able to "
                "authenticate and did not have permissions on the target directory. Failed command was: ( umask 77 )"
            ),
            "Failed to create temporary directory",
            "ansible_remote_tmp",
        ),
        (
            away("Failed to create temporary directory. Failed command was: ( umask 77 ), exited with result 1, "
                 "stderr output: mkdir: cannot create directory: No space left on device"),
            "No space left",
            "df -i",
        ),
        (said("failed to resolve remote temporary directory from x: `y` returned empty string"), "resolve", "home"),
        (died(f"{UNPACKS}OSError: [Errno 28] No space left on device\n"), "OSError: [Errno 28]", "make space"),
        (died(f"{UNPACKS}OSError: [Errno 30] Read-only file system: '/tmp/ansible_x'\n"), "Errno 30", "remote_tmp"),
        (died(f"{TRACE}FileNotFoundError: [Errno 2] No usable temporary directory found in []\n"), "usable", "space"),
        (died("/bin/sh: 1: /home/lab/.ansible/tmp/ansible-tmp-1/AnsiballZ_x.py: Permission denied\n", rc=126),
         "Permission denied", "noexec"),
        (died("/usr/bin/python3: can't open file '/home/lab/.ansible/tmp/ansible-tmp-1/AnsiballZ_x.py': [Errno 13] "
              "Permission denied\n", rc=2), "can't open file", "NFS"),
        (said("failed to transfer file to /home/lab/.ansible/tmp/x /home/y:\n\nwrite: No space left on device"),
         "No space left", "df -h"),
        (said("Failed to set permissions on the temporary files Ansible needs to create when becoming an unprivileged "
              "user (rc: 1, err: chmod: invalid mode)"), "Failed to set permissions", "ansible_remote_tmp"),
    ],
)  # fmt: skip
def test_remote_tmp(result: dict[str, Any], evidence: str, remedy: str) -> None:
    found = one(result)
    assert found[0] == "remote_tmp"
    assert evidence in found[1] and remedy in found[2], found


CHANGED = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:abc.
Please contact your system administrator.
Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/me/.ssh/known_hosts:3
Host key for 10.0.0.1 has changed and you have requested strict checking.
Host key verification failed."""


@pytest.mark.parametrize("prefix", [SENT, FAILED, f"Task failed: {FAILED}", "Failed to connect to the host via scp: "])
@pytest.mark.parametrize(
    ("words", "evidence", "remedy"),
    [
        (CHANGED, "Offending ED25519 key in /home/me/.ssh/known_hosts:3", "ssh-keygen -R"),
        ("No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
         "No ED25519 host key is known", "compare the fingerprint"),
        ("lab@10.0.0.1: Permission denied (publickey,password).", "Permission denied (publickey", "ssh-copy-id"),
        ("Received disconnect from h port 22:2: Too many authentication failures", "Too many", "ansible_user"),
        ('Load key "/k": bad permissions\nlab@h: Permission denied (publickey).', "bad permissions", "chmod 600"),
        ("ssh: Could not resolve hostname none: Name or service not known", "not resolve", "ansible_host of node1"),
        ("ssh: Could not resolve hostname nowhere: Der Name oder der Dienst ist nicht bekannt", "Der Name", "DNS"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "timed out", "sshd listens"),
        ("ssh: connect to host 10.0.0.1 port 22: Connection refused", "connect to host", "firewall"),
        ("ssh: connect to host 10.0.0.1 port 22: Verbindungsaufbau abgelehnt", "abgelehnt", "ansible_port"),
        ("Unable to negotiate with h port 22: no matching host key type found. Their: ssh-rsa", "ssh-rsa", "algorithm"),
        ("kex_exchange_identification: read: Connection reset by peer", "Connection reset", "journalctl -u ssh"),
        ("Bad owner or permissions on /home/me/.ssh/config", "Bad owner", "chmod"),
        ("words that nobody has seen", "nobody has seen", "key in the inventory"),
    ],
)  # fmt: skip
def test_ssh(prefix: str, words: str, evidence: str, remedy: str) -> None:
    name, seen, what = one(away(prefix + words))
    assert name == "ssh"
    assert evidence in seen and remedy in what, (seen, what)
    assert "@@" not in seen and not seen.startswith("ssh: ") and len(seen) <= 400


@pytest.mark.parametrize(
    ("result", "remedy"),
    [
        (said("Task failed: Unable to execute ssh command line on a controller: No such file"), "openssh-client"),
        (said("to use the 'ssh' connection type with passwords, you must install the sshpass program"),
         "sshpass"),
        (said("Using a SSH password instead of a key is not possible because Host Key checking is enabled."), "log in"),
        (died("This account is currently not available.\n"), "chsh"),
    ],
)  # fmt: skip
def test_ssh_that_ansible_counts_as_failed(result: dict[str, Any], remedy: str) -> None:
    name, _evidence, what = one(result)
    assert name == "ssh" and remedy in what, what


def test_another_connection() -> None:
    assert one(away("Could not connect to the Docker daemon"))[0] == "reachable"
    name, evidence, remedy = one(said("Task failed: the connection plugin 'ssj' was not found"))
    assert (name, "ssj" in evidence, "ansible_connection" in remedy) == ("reachable", True, True)


@pytest.mark.parametrize(
    ("stderr", "tried", "name", "words"),
    [
        ("nachricht ohne namen\n", Tried(True, False, None, "nachricht ohne namen"), "become", "nachricht ohne namen"),
        ("lab ist nicht in der sudoers-Datei.\n", Tried(True, False, "", "lab ist nicht"), "become", "sudoers-Datei"),
        ("kein Zugang\n", Tried(False, False, "", "kein Zugang"), "ssh", "kein Zugang"),
        ("Segmentation fault\n", Tried(True, True, "", "Segmentation fault"), "python", "Segmentation fault"),
        ("", Tried(True, True, "", "bad CPU type"), "python", "bad CPU type"),
    ],
)
def test_what_was_tried_tells_what_words_do_not(stderr: str, tried: Tried, name: str, words: str) -> None:
    assert _access.checks(died(stderr, msg="MODULE FAILURE"), "node1") == () or name == "become"
    found = one(died(stderr), tried)
    assert found[0] == name and words in found[1], found


@pytest.mark.parametrize(
    "result",
    [
        # What a module says of its own work, whatever is in it.
        said("E: Failed to fetch http://x: Permission denied"),
        said("git: lab@h: Permission denied (publickey)."),
        said("Timeout when waiting for 127.0.0.1:22"),
        said("the task said: Missing sudo password"),
        {"failed": True, "msg": "non-zero return code", "rc": 1, "stderr": "sudo: a password is required"},
        {"failed": True, "msg": "x", "stderr": "ssh: connect to host", "stdout": ""},
        # It began, so that nothing was in its way.
        died(f"{INSIDE}OSError: [Errno 28] No space left on device: '/var/lib/docker'\n"),
        died(f"{INSIDE}PermissionError: [Errno 13] Permission denied: '/etc/x'\n"),
        died(f"{PROGRAM}PermissionError: [Errno 13] Permission denied: '/home/ansible/x'\n"),
        died(f"{INSIDE}ModuleNotFoundError: No module named 'docker'\n"),
        died(f"{INSIDE}ModuleNotFoundError: No module named 'ansible_collections.community'\n"),
        died("", rc=137),
        {},
        {"msg": None, "module_stderr": 3},
        {"msg": ["Missing sudo password"]},
    ],
)
def test_a_failure_of_another_kind_is_none_of_these(result: dict[str, Any]) -> None:
    assert _access.checks(result, "node1") == ()
    if "module_stderr" in result:
        assert _access.checks(result, "node1", Tried(True, True, "3.11")) == ()


def test_a_python_that_is_too_old_is_named_whatever_it_stumbles_over() -> None:
    result = died(f"{INSIDE}ImportError: cannot import name 'TypedDict' from 'typing'\n")
    assert _access.checks(result, "node1") == ()
    name, evidence, remedy = one(result, Tried(True, True, "3.7"))
    assert name == "python" and evidence.startswith("Python 3.7 is there, 3.9 is needed: ImportError: cannot import")
    assert "3.9 or newer" in remedy
    assert _access.checks(result, "node1", Tried(True, True, "3.10")) == ()


def test_no_host_writes_a_line_of_ours() -> None:
    evil = "\x1b[2J\x1b]0;x\x07\nsudo: no\r\nnode2: failed\u202e\x9b"
    _name, evidence, _remedy = one(died(evil))
    assert evidence.isprintable()
    assert len(one(died(f"sudo: {'x ' * 100_000}"))[1]) <= 400
