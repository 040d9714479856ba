# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which Ansible can't get to work on a host, each as a check with its remedy: ssh, the become method,
Python, and the directories for temporary files. Pure: the action plugins and the report read the same.

Known are Ansible's own messages and what a program said that died in a module's place. A module's own failure is never
taken for one of these, whatever is in its message. sudo and its like speak the host's language: what their words don't
tell, `Tried` does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._text import clean, problem

BLAND = re.compile(r"non-zero return code|MODULE FAILURE|Module result deserialization failed")
"""Messages that say that something failed and not why: what was printed does."""
WRAPPING = re.compile(r"\A(?:(?:Task|Module|Action) failed: )+")
CONNECT = re.compile(
    r"\A(?:Failed to connect to the host via \w+: |Data could not be sent to remote host .*? over ssh: )", re.I
)
"""What ansible-core says before ssh's own words; the second where a payload was on its way already."""
UNSENT = re.compile(r"\AData could not be sent to remote host")
PYTHON = "3.9"
"""The oldest Python on hosts; see galaxy.yml and the modules."""
_EVIDENCE = 400
"""So many characters of what was said are evidence."""
_LOOKED_AT = 10_000
"""So many first and last characters of what a host said are looked through."""
_REACHABLE = "see that it is up and that its name, port, account and key in the inventory are right, then run again"


class Tried(NamedTuple):
    """What was tried after a failure that does not say its cause: whether the account runs commands, whether it does
    with become, and what Python answers there when it is asked for its version; None for not known."""

    login: bool | None = None
    became: bool | None = None
    python: str | None = None
    said: str = ""


class _Way(NamedTuple):
    """Words that tell a cause, and what to do; `{host}` is the host's name."""

    words: str
    remedy: str


_PROGRAMS = "sudo|sudo-rs|su|doas|run0|pkexec|dzdo|pbrun|ksu|machinectl"
_ASK = (
    "let Ansible ask for the password with -K (--ask-become-pass), or keep it in ansible_become_password (in a vault), "
    "or let the account become root without one"
)
_BECOME = f"{_ASK}; where sudo is not what makes one root there, set ansible_become_method (su, community.general.doas)"
_WAYS: Mapping[str, tuple[_Way, ...]] = {
    "become": (
        _Way(
            r"you must have a tty|must be run from a terminal|no tty present|requiretty",
            "take requiretty from the account in sudoers (visudo: `Defaults:ACCOUNT !requiretty`), or set "
            "ansible_pipelining: false for {host}; " + _ASK,
        ),
        _Way(
            r"Incorrect \S+ password|incorrect password attempt|Sorry, try again|Duplicate become password prompt|"
            r"Authentication (?:failure|failed)|doas: Authorization failed",
            "correct the password that -K or ansible_become_password gives (su wants that of root, sudo and doas that "
            "of the account), or ansible_become_method where another program is meant",
        ),
        _Way(
            r"Missing \S+ password|password is required|doas: Authorization required|"
            r"waiting for privilege escalation prompt|waiting for become success or become password prompt",
            _BECOME,
        ),
        _Way(
            r"not in the sudoers|is not allowed to (?:execute|run)|may not run sudo|doas: Operation not permitted|"
            r"not permitted to su|doas: (?:command )?not (?:allowed|permitted)|su: Permission denied",
            "let the account become root (as root: usermod -aG sudo ACCOUNT, or a line in /etc/doas.conf), or name one "
            "that may in ansible_user, or set ansible_become_method: su and give root's password with -K or "
            "ansible_become_password",
        ),
        _Way(
            rf"(?:^|[/\s:'])(?:{_PROGRAMS})['\"]?: (?:command )?(?:not found|No such file)",
            "install it on the host (as root: apt-get install sudo), or set ansible_become_method: su and give root's "
            "password with -K or ansible_become_password, or log in as root (ansible_user: root)",
        ),
        _Way(
            r"Invalid become method specified|become plugin .* not found",
            "correct ansible_become_method (`ansible-doc -t become -l` lists what is there; doas is in the collection "
            "community.general)",
        ),
        _Way(
            r"unable to resolve host .*\n?.*sudo:|effective uid is not 0|must be owned by uid 0|setuid root|"
            r"no new privileges",
            "mend sudo on the host first (as root: dpkg --verify sudo; in a container let it gain privileges), or log "
            "in as root (ansible_user: root)",
        ),
        # In any language: whoever speaks by the name of such a program is the one that refused.
        _Way(
            rf"^(?:\S*/)?(?:{_PROGRAMS}): |waiting for become success|privilege escalation",
            _BECOME,
        ),
    ),
    "remote_tmp": (
        _Way(
            r"No space left on device|Disk quota exceeded|No usable temporary directory|Errno (?:28|122)\b",
            "make space on the host for the account that Ansible logs in with and for root (`df -h /tmp ~; df -i /tmp "
            "~` names what is full)",
        ),
        _Way(
            r"Failed to create temporary directory|failed to resolve remote temporary directory|Read-only file system|"
            r"failed to transfer (?:file|the file)|Errno 30\b",
            "let the account that Ansible logs in with write its home (it must exist, with space and not read-only), "
            "or name a directory of its own in ansible_remote_tmp: /var/tmp/ansible-ACCOUNT",
        ),
        _Way(
            r"Failed to (?:set (?:permissions|file mode)|change ownership)|ansible-tmp-\S*['\"]?: .*Permission denied|"
            r"Permission denied: b?'\S*ansible|Permission denied.*ansible-tmp|ansible-tmp-.*\n?.*Permission denied|"
            r"/bin/sh: .*Permission denied|can't open file '\S*ansible",
            "name a directory in ansible_remote_tmp where programs may start (not mounted noexec) and that root may "
            "read, as a home on NFS often can't be: /var/tmp/ansible-ACCOUNT",
        ),
    ),
    "python": (
        _Way(
            r"requires a minimum of Python|future feature annotations|SyntaxError|Python version.*not supported",
            "install Python " + PYTHON + " or newer on the host (Debian 11 and later have it: ansible {host} -b -m "
            "ansible.builtin.raw -a 'apt-get install -y python3'), or name another in ansible_python_interpreter",
        ),
        _Way(
            r"module interpreter .* was not found|set the interpreter|python[\d.]*['\"]?: .*not found|"
            r"python[\d.]*['\"]?: No such file|pyenv: |interpreter discovery|No python interpreters found|"
            r"bad interpreter|No module named '?(?:" + "|".join(sorted(sys.stdlib_module_names)) + r")\b",
            "install it on the host: ansible {host} -b -m ansible.builtin.raw -a 'apt-get update && apt-get install -y "
            "python3', or name the host's own in ansible_python_interpreter (/usr/bin/python3)",
        ),
    ),
    "ssh": (
        _Way(
            r"HOST IDENTIFICATION HAS CHANGED|Offending \S+ key|Host key for \S+ has changed",
            "where the host was installed again, compare the new key's fingerprint at its console (ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub), then take the old one out with ssh-keygen -R and log in once by ssh; "
            "else another machine answers in its place",
        ),
        _Way(
            r"Host key verification failed|host key is known for|Host Key checking is enabled|authenticity of host",
            "log in to it once by ssh and compare the fingerprint with the host's own (ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub at its console)",
        ),
        _Way(
            r"too open|bad permissions|Bad owner or permissions",
            "give the file to yourself alone (chmod 600)",
        ),
        _Way(
            r"Permission denied|Too many authentication failures|Invalid/incorrect password|"
            r"No supported authentication methods",
            "name the account in ansible_user and its key in ansible_ssh_private_key_file, and see that `ssh "
            "ACCOUNT@HOST` works by itself (ssh-copy-id puts a key there); a password goes into ansible_password",
        ),
        _Way(
            r"you must install the sshpass program",
            "log in with a key, or install sshpass on this machine (apt-get install sshpass)",
        ),
        _Way(
            r"Unable to execute ssh command line|No such file or directory: b?'\S*ssh",
            "install ssh on this machine (apt-get install openssh-client), or correct ansible_ssh_executable",
        ),
        _Way(
            r"Could not resolve hostname|Name or service not known|name resolution",
            "correct ansible_host of {host}, or give the name an address (DNS, /etc/hosts)",
        ),
        _Way(
            r"connect to (?:host|address) .*|timed? ?out|No route to host|Network is unreachable|Connection refused",
            "see that the host is up, that its sshd listens and no firewall is between, and that ansible_host and "
            "ansible_port are right",
        ),
        _Way(
            r"Unable to negotiate|no matching .* found|no mutual signature",
            "let both ends have an algorithm in common: upgrade the older one, or name its own in "
            "ansible_ssh_common_args of {host}",
        ),
        _Way(
            r"kex_exchange_identification|Connection (?:reset|closed)|closed by remote host|Broken pipe|"
            r"Connection to \S+ closed|mux_client|disconnect from",
            "see on the host why its sshd ends the connection (journalctl -u ssh: MaxStartups, AllowUsers, fail2ban, a "
            "host that is going down), then run again",
        ),
        _Way(r"account is currently not available|This account", "give the account a shell to log in with (chsh)"),
        _Way(
            r"subsystem request failed|sftp-server|scp: ",
            "let sshd have its sftp subsystem, or set ansible_ssh_transfer_method: piped for {host}",
        ),
    ),
}
_OWN = re.compile(
    r"\A(?:Missing \S+ password|Incorrect \S+ password|Timeout \(\d+s\) waiting for privilege escalation prompt|"
    r"(?:Premature end of stream|Timed out|Duplicate become password prompt encountered) waiting for become|"
    r"Duplicate become password prompt|Timeout waiting for privilege|privilege output closed while waiting|"
    r"Invalid become method specified|Failed to create temporary directory|"
    r"failed to resolve remote temporary directory|failed to transfer file to|Failed to transfer file to|"
    r"Failed to (?:set|change) .*(?:temporary|remote) files|"
    r"Unable to execute ssh command line|to use the .* sshpass program|Using a SSH password instead of a key|"
    r"Invalid/[Ii]ncorrect (?:username/)?password|Failed to connect to the host via|Data could not be sent to remote|"
    r"SSH Error|Bad ssh|Cannot write to ControlPath|The module interpreter .* was not found|"
    r"The module failed to execute correctly, you probably need to set the interpreter|"
    r"unhandled error in Python interpreter discovery|no python interpreters found|"
    r"the connection plugin .* was not found)",
    re.IGNORECASE,
)
"""What Ansible itself says in a module's place."""
_WAITING = re.compile(r"\A.*waiting for (?:become success|privilege escalation|password prompt).*", re.IGNORECASE)
_NOISE = re.compile(r">>> Standard \w+\n|\[sudo via ansible, key=\w+\] password:")
"""What Ansible puts before and between the words of sudo and its like."""
_INTERPRETER = re.compile(r"The module interpreter .* was not found|The module failed .* set the interpreter")
_PLUGIN = re.compile(r"\Athe connection plugin .* was not found")
_TRACE = re.compile(r"^Traceback \(most recent call last\)", re.MULTILINE)
_BEGUN = re.compile(r'File "(?:[^"\n]*_payload[^"\n]*\.zip|navilab_webui)/')
"""A frame within a module, or in what the plan sends in place of one: Python, and the directory that the module was
unpacked into, were good."""
_WRAPPER = re.compile(r"in _ansiballz_main|No usable temporary|\[Errno \d+\].*['/]\S*ansible")
"""What unpacks a module."""
_SURE: Mapping[str, str] = {
    "become": _BECOME,
    "python": _WAYS["python"][-1].remedy,
    "ssh": _REACHABLE,
}
"""What to do where the cause is sure and no words tell more."""


def checks(result: Mapping[str, Any], host: str, tried: Tried = Tried()) -> tuple[Check, ...]:  # noqa: B008 -- frozen
    """The failed check that a result comes to, where it says that Ansible did not get to work; else none."""
    message = WRAPPING.sub("", _text(result.get("msg")))
    printed = "\n".join(filter(None, (_text(result.get(key)).strip() for key in ("module_stderr", "module_stdout"))))
    unreachable, died = bool(result.get("unreachable")), "module_stderr" in result or "module_stdout" in result
    if tried.python and _number(tried.python) < _number(PYTHON):
        words = _evidence(printed or message, "") if printed or message.strip() else ""
        evidence = ": ".join(filter(None, [f"Python {tried.python} is there, {PYTHON} is needed", words]))
        return (problem("python", evidence, _WAYS["python"][0].remedy.replace("{host}", host)),)
    if not (unreachable or died or _OWN.match(message)):
        return ()
    if _PLUGIN.match(message):
        return (problem("reachable", message, "correct ansible_connection, or install the collection that has it"),)
    said = (printed if died else "") or _of_become(CONNECT.sub("", message)).strip() or message
    return _of(said, _order(died, message, printed, tried), host, tried, unreachable)


def _of_become(message: str) -> str:
    """What sudo and its like said; Ansible's words where there is nothing but a prompt."""
    whole = _NOISE.sub("", message)
    words = _WAITING.sub("", whole).strip() if _WAITING.match(whole) else whole
    return words if len(words.split()) > 1 else whole


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _order(died: bool, message: str, printed: str, tried: Tried) -> tuple[str, ...]:
    """The ids to look through, the sure one last: what comes first in the way to a module's start explains what comes
    after it."""
    if CONNECT.match(message) or re.match(r"SSH Error|Invalid/", message, re.IGNORECASE):
        return ("ssh!",)
    if _INTERPRETER.match(message):
        return ("python!",)
    if not died:
        return ("become!",) if _WAITING.match(message) else ("become", "remote_tmp", "python", "ssh")
    if _TRACE.search(printed):  # what Python says of itself comes from a host on which become worked
        return ("python",) if _BEGUN.search(printed) or not _WRAPPER.search(printed) else ("remote_tmp", "python")
    if tried.became is None:
        return ("become", "remote_tmp", "python", "ssh")
    if not tried.became:
        return ("become!",) if tried.login else ("ssh!",)
    return ("remote_tmp", "python") if tried.python else ("remote_tmp", "python!")


def _of(text: str, ids: Iterable[str], host: str, tried: Tried, unreachable: bool) -> tuple[Check, ...]:
    for each in ids:
        name, sure = each.rstrip("!"), each.endswith("!")
        said = f"{text}\n{tried.said}" if sure and tried.said not in text else text
        for way in _WAYS[name]:
            if re.search(way.words, said, re.IGNORECASE | re.MULTILINE):
                return (problem(name, _evidence(said, way.words), way.remedy.replace("{host}", host)),)
        if sure:
            return (problem(name, _evidence(said, ""), _SURE[name].replace("{host}", host)),)
    return (problem("reachable", _evidence(text, ""), _REACHABLE),) if unreachable else ()


def _evidence(text: str, words: str) -> str:
    """What was said, on one line: the last line of a trace; of a longer text the lines that tell the cause."""
    rows = list(dict.fromkeys(filter(None, (row.strip("@ \t\r") for row in text.splitlines()))))
    telling = [row for row in rows if words and re.search(words, row, re.IGNORECASE)]
    if _TRACE.search(text):
        rows = telling[-1:] or rows[-1:]
    elif len(" ".join(rows)) > _EVIDENCE:
        rows = telling or rows[-3:]
    line = clean(" ".join(rows)).removeprefix("ssh: ") or "it said nothing"
    return line if len(line) <= _EVIDENCE else f"{line[: _EVIDENCE - 3].rstrip()}..."


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return value if len(value) <= 2 * _LOOKED_AT else f"{value[:_LOOKED_AT]}\n{value[-_LOOKED_AT:]}"
