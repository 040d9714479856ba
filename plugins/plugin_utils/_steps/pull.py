# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pull role has to do so that a host converges by itself."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._metrics import PULL
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts, Questions

from .._packages import Transaction, concerned, recorded, sentence, weigh
from .._text import problem
from . import _pull_files as _files
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed
from ._made import Unit, mistaken, texts

PYTHON_AT_LEAST = (3, 11)
"""What the lock is made for."""
# What neither systemd, nor ansible-pull, nor the module git takes for more than a word.
_WORD = r"[A-Za-z0-9_][\w@:/.~%+=-]*"
_PATH = r"[A-Za-z0-9_][\w@/.+-]*"
_LOGIN = re.compile(r"https?://[^/]*@|[\w+.-]+://[^/@]*:[^/@]*@", re.IGNORECASE)


class Write(TypedDict):
    path: str
    content: str


class PullPlan(Plan):
    """`venv` is to be made, and `stamp` comes into it last; `ask` is a calendar event that systemd is to be asked about
    first. What is `gone` are files and directories, `outdated` are venvs that no unit names any more."""

    install: list[str]
    remove: list[str]
    ask: str
    venv: str
    stamp: str
    writes: list[Write]
    gone: list[str]
    outdated: list[str]
    daemon_reload: bool
    units: list[Unit]
    record: dict[str, Any]
    questions: Questions


def settings(variables: Variables) -> Settings:
    return {
        **variables["pull"],
        "user": variables["webui"]["user"],
        "bundle": variables["_common"].get("bundle"),
        "runs_from": sys.prefix,
    }


def wants(settings: Settings) -> Wants:
    return {
        "packages": ["python3", *_files.PACKAGES, *concerned(_files.PACKAGES)],
        "files": [
            _files.SERVICE, _files.TIMER_UNIT, _files.TIMER_ENABLED, _files.STAMP,
            _files.complete(), _files.VENVS, PULL, *_secrets(settings),
        ],
    }  # fmt: skip


def plan(facts: Facts, settings: Settings) -> PullPlan:
    record = facts["records"].get("pull") or {}
    found: PullPlan = {
        "actions": [], "problems": [], "warnings": [], "install": [], "remove": [], "ask": "", "venv": "", "stamp": "",
        "writes": [], "gone": [], "outdated": [], "daemon_reload": False, "units": [], "record": record,
        "questions": {},
    }  # fmt: skip
    if settings["state"] == "absent":
        return _absent(facts, found, settings, record)
    found["problems"] = [
        *_checks.failures(facts, {"only": ["systemd"]}), *_mistaken(settings), *_too_old(facts),
        *_open(facts, settings),
    ]  # fmt: skip
    if found["problems"]:
        return found
    found["install"] = [name for name in _files.PACKAGES if not is_installed(facts, name)]
    if found["install"]:
        transaction = Transaction(found["install"], bundle=settings.get("bundle"))
        weigh(facts, found, transaction)
        found["actions"].append(sentence(transaction))
    _plan_venv(facts, found, settings, record)
    if found["problems"]:
        return found
    _plan_units(facts, found, settings, told=record.get("told") is True)
    if settings["repository"].lower().startswith(("http://", "git://")) and not settings["verify_commit"]:
        found["warnings"].append(
            "whoever is on the way to the repository may change what root runs here: take https or ssh"
        )
    if found["actions"]:
        found["record"] = {
            "packages": sorted({*recorded(record), *found["install"]}),
            "venvs": sorted({*texts(record, "venvs"), _files.venv()}),  # the outdated until they are gone
            "told": False,
        }
    return found


# -- why it can't be done ----------------------------------------------------------------------------------------------


def _mistaken(settings: Settings) -> list[Check]:
    """Values that the specs let through."""
    paths = {name: settings[name.removeprefix("pull_")] for name in ("pull_inventory", "pull_playbook")}
    secret = settings["vault_password_file"]
    url, own = settings["repository"], settings["own"]
    wrong = [
        ("pull_repository", not url, "it is not set; a host that pulls needs a git repository"),
        ("pull_repository", bool(_LOGIN.match(url)), "a login in it could be read by all; give root a key or a helper"),
        ("pull_repository", bool(url) and not _is(rf"/?{_WORD}", url), "it has characters that are not taken here"),
        ("pull_version", not _is(_PATH, settings["version"]), f"'{settings['version']}' is no branch, tag or commit"),
        *(
            (name, not _is(_PATH, path) or ".." in path.split("/"), f"'{path}' is no path in the repository")
            for name, path in paths.items()
        ),
        ("pull_spread", settings["spread"] < 0, f"{settings['spread']}: 0 or more"),
        (
            "pull_vault_password_file",
            bool(secret) and not _is(rf"/{_PATH}", secret),
            f"'{secret}' is no plain path from / on",
        ),
        (
            "pull_calendar",
            not _is(r"[\w*][\w*/:.,~+ -]*", settings["calendar"]),
            "it is no calendar event of systemd's",
        ),
        ("navilab_user", not settings["user"].isprintable(), "it has characters that no account has"),
        ("inventory_hostname", not _is(_PATH, own) or "/" in own, f"--limit can't name '{own}'"),
    ]
    return mistaken(wrong)


def _is(pattern: str, text: str) -> bool:
    return bool(re.fullmatch(pattern, text, re.ASCII))


def _python(facts: Facts) -> str:
    """Debian's, as 3.11; empty where there is none."""
    package = facts["dpkg"]["packages"].get("python3")
    match = re.match(r"\d+\.\d+", (package and package["installed"] and package["version"]) or "")
    return match[0] if match else ""


def _too_old(facts: Facts) -> list[Check]:
    python, least = _python(facts), ".".join(map(str, PYTHON_AT_LEAST))
    if python and tuple(map(int, python.split("."))) >= PYTHON_AT_LEAST:
        return []
    evidence = f"Ansible needs Python {least} on a host that pulls, and Debian's is {python or 'not installed'} here"
    return [problem("pull_python", evidence, "upgrade it to Debian 12 or newer, or leave it to a controller")]


def _secrets(settings: Settings) -> list[str]:
    """The vaults' password, where that is a path at all."""
    path = settings["vault_password_file"]
    return [path] if _is(rf"/{_PATH}", path) else []


def _open(facts: Facts, settings: Settings) -> list[Check]:
    """A password that is not there, or that others read: every pull would end with it, or give the vaults away."""
    found = []
    for path in _secrets(settings):
        seen = file_of(facts, path)
        if seen["kind"] == "file" and seen["uid"] == 0 and not int(seen["mode"] or "77", 8) & 0o077:
            continue
        kept = f"is of uid {seen['uid']}, mode {seen['mode']}" if seen["kind"] == "file" else "is no file"
        evidence = f"{path} {kept if seen['exists'] else 'is not there'}"
        remedy = f"bring the password there as a file of root's that nobody else reads (mode 0600): {path}"
        found.append(problem("pull_vault", evidence, remedy))
    return found


# -- what is to be there -----------------------------------------------------------------------------------------------


def _plan_venv(facts: Facts, found: PullPlan, settings: Settings, record: Mapping[str, Any]) -> None:
    own = settings["runs_from"] == _files.venv()
    stamp = _files.stamp(_python(facts))
    if differs(facts, _files.complete(), stamp, mode=None):
        found["venv"], found["stamp"] = _files.venv(), stamp
        found["actions"].append(f"install Ansible in {_files.venv()}")
    if own and found["venv"]:
        evidence = f"{_files.venv()} is not whole, and this run, the host's own, can't make anew what it runs with"
        found["problems"] = [problem("pull_self", evidence, "run the site for this host from a controller")]
    # By nobody else: a run of the host's own may have begun with one of them.
    old = [path for path in texts(record, "venvs") if path != _files.venv()] if own else []
    if old:
        found["outdated"] = old
        found["actions"].append(f"delete {', '.join(old)}")


def _plan_units(facts: Facts, found: PullPlan, settings: Settings, told: bool) -> None:
    """An earlier run that was interrupted may have written them all, and systemd was not `told`."""
    for path, content in _files.files(settings).items():
        if differs(facts, path, content):
            found["writes"].append({"path": path, "content": content})
            found["actions"].append(f"write {path}")
    anew = not told or _files.TIMER_UNIT in {each["path"] for each in found["writes"]}
    if anew or not file_of(facts, _files.TIMER_ENABLED)["exists"]:
        found["ask"] = settings["calendar"]
        state = "restarted" if anew else "started"
        found["units"] = [{"name": _files.TIMER, "state": state, "enabled": True}]
        found["actions"].append(f"have {_files.TIMER} pull {settings['repository']}, {settings['calendar']}")
    found["daemon_reload"] = bool(found["units"] or found["writes"])


def _absent(facts: Facts, found: PullPlan, settings: Settings, record: dict[str, Any]) -> PullPlan:
    """Take out what the record calls ours."""
    if not record:
        return found
    if settings["runs_from"] in texts(record, "venvs"):
        evidence = "pull_state is absent, and this run is the host's own, which can't take away what it runs with"
        found["problems"] = [problem("pull_self", evidence, "run the site for this host from a controller")]
        return found
    found["record"] = {}
    # The service too, which could begin or go on; systemd stops nothing whose file is gone.
    units = [(_files.TIMER, _files.TIMER_UNIT), (_files.UNIT, _files.SERVICE)]
    names = [name for name, path in units if file_of(facts, path)["exists"]]
    found["units"] = [{"name": name, "state": "stopped", "enabled": False} for name in names]
    if names:
        found["actions"].append(f"stop {', '.join(names)}")
    paths = [_files.TIMER_UNIT, _files.TIMER_ENABLED, _files.SERVICE, _files.STAMP, _files.VENVS, PULL]
    found["gone"] = [path for path in paths if file_of(facts, path)["exists"]]
    found["daemon_reload"] = any(path.startswith(_files.UNITS) for path in found["gone"])
    if found["gone"]:
        found["actions"].append(f"delete {', '.join(found['gone'])}")
    found["remove"] = [name for name in recorded(record) if is_installed(facts, name)]
    if found["remove"]:
        found["actions"].append(f"remove {', '.join(found['remove'])}")
    if not found["actions"]:
        found["actions"] = [FORGET]
    return found


def _is_wanted(settings: Settings) -> bool:
    return bool(settings["state"] == "present")


STEP = Step("pull", settings, wants, plan, stale_after=frozenset({"reboot", "pull"}), optional=True, wanted=_is_wanted)
