"""What the pull role decides."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _pull_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import pull
from pull_host import set_up_pull

ROOT = Path(__file__).resolve().parents[4]
URL = "https://git.example.org/lab.git"


@pytest.fixture
def chosen(variables: dict[str, dict[str, Any]]) -> Callable[..., Any]:
    """The step's settings, with changes."""

    def of(**changes: Any) -> Any:
        variables["pull"].update({"state": "present", "repository": URL, "own": "node1", **changes})
        variables["webui"]["user"] = changes.get("user", "lab")
        return {**pull.settings(variables), **changes}

    return of


@pytest.fixture
def bare(facts: Any) -> Any:
    facts["dpkg"]["packages"]["python3"] = {"installed": True, "version": "3.11.2-1+b1", "held": False}
    return facts


def test_a_bare_host(bare: Any, chosen: Callable[..., Any]) -> None:
    plan = pull.plan(bare, chosen())
    assert (plan["install"], plan["venv"], plan["ask"]) == (["git", "python3-venv"], files.venv(), "hourly")
    assert plan["units"] == [{"name": files.TIMER, "state": "restarted", "enabled": True}] and plan["daemon_reload"]
    assert plan["record"] == {"packages": ["git", "python3-venv"], "venvs": [files.venv()], "told": False}
    written = {each["path"]: each["content"] for each in plan["writes"]}
    assert list(written) == [files.SERVICE, files.TIMER_UNIT]
    assert "OnCalendar=hourly\nRandomizedDelaySec=1800\n" in written[files.TIMER_UNIT]
    (command,) = re.findall(r"^ExecStart=(.*)$", written[files.SERVICE], re.MULTILINE)
    assert command == (
        f"{files.venv()}/bin/ansible-pull --url {URL} --checkout main --clean"
        " --directory /var/lib/navilab-pull/checkout"
        " --limit node1 --extra-vars ansible_connection=local site.yml"
    )
    assert "/var/lib/navilab-pull/checkout/inventory/lab\n" in written[files.SERVICE]


def test_what_a_unit_would_take_for_more(chosen: Callable[..., Any]) -> None:
    unit = files.service(chosen(repository="https://h/a%20b", user='a"b\\%c', vault_password_file="/root/vault"))
    assert " --url https://h/a%%20b " in unit and '"SUDO_USER=a\\"b\\\\%%c"\n' in unit
    assert " --vault-password-file /root/vault site.yml\n" in unit and "--verify-commit" not in unit
    # Nothing ends dpkg in the middle: a stop waits for the run.
    assert "\nKillSignal=SIGCONT\nTimeoutStopSec=15min\n" in unit
    assert " --verify-commit " in files.service(chosen(verify_commit=True))


def test_a_host_as_the_role_leaves_it(bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert pull.plan(set_up_pull(bare, chosen(), seen), chosen())["actions"] == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (files.SERVICE, f"write {files.SERVICE}"),
        (files.TIMER_UNIT, f"have {files.TIMER} pull {URL}, hourly"),
        (files.TIMER_ENABLED, f"have {files.TIMER} pull"),
        (files.complete(), f"install Ansible in {files.venv()}"),
    ],
)
def test_what_is_gone_comes_again(
    bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any], path: str, says: str
) -> None:
    host = set_up_pull(bare, chosen(), seen)
    host["files"].pop(path)
    assert says in "; ".join(pull.plan(host, chosen())["actions"])


def test_another_python_makes_it_anew(bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any]) -> None:
    host = set_up_pull(bare, chosen(), seen)
    host["dpkg"]["packages"]["python3"]["version"] = "3.13.5-1"
    plan = pull.plan(host, chosen())
    assert plan["venv"] == files.venv() and plan["stamp"].endswith(", Python 3.13\n")
    # A run that was cut off in between has the record, and no stamp of this Python.
    host["records"]["pull"] = plan["record"]
    assert pull.plan(host, chosen())["venv"] == files.venv()


def test_a_run_does_not_delete_the_ansible_that_runs_it(
    bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = set_up_pull(bare, chosen(), seen)
    host["files"].pop(files.complete())
    (problem,) = pull.plan(host, chosen(runs_from=files.venv()))["problems"]
    assert problem["id"] == "pull_self" and "not whole" in problem["evidence"]


def test_systemd_is_told_what_an_interrupted_run_has_written(
    bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = set_up_pull(bare, chosen(), seen)
    # Cut off when all files were there, and systemd still knew the older ones.
    host["records"]["pull"]["told"] = False
    plan = pull.plan(host, chosen())
    assert (plan["writes"], plan["ask"], plan["daemon_reload"]) == ([], "hourly", True)
    assert plan["units"] == [{"name": files.TIMER, "state": "restarted", "enabled": True}]
    assert plan["actions"] == [f"have {files.TIMER} pull {URL}, hourly"]


def test_a_run_keeps_what_it_runs_with(bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any]) -> None:
    old = f"{files.VENVS}/000000000000"
    host = set_up_pull(bare, chosen(), seen)
    host["records"]["pull"]["venvs"].insert(0, old)
    assert pull.plan(host, chosen(runs_from=old))["actions"] == []
    plan = pull.plan(host, chosen(runs_from=files.venv()))
    assert (plan["outdated"], plan["actions"][0]) == ([old], f"delete {old}")
    assert plan["record"] == {**host["records"]["pull"], "told": False}  # until it is gone
    assert pull.plan(host, chosen())["outdated"] == []  # a controller's: the host's own may run with it


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"repository": ""}, "pull_repository: it is not set"),
        ({"repository": "https://bob:secret@h/x"}, "a login in it"),
        ({"repository": "https://token@h/x"}, "a login in it"),
        ({"repository": "HTTPS://token@h/x"}, "a login in it"),
        ({"repository": "git+ssh://bob:secret@h/x"}, "a login in it"),
        ({"repository": "--upload-pack=x"}, "characters that are not taken here"),
        ({"repository": "https://h/{{ x }}"}, "characters that are not taken here"),
        ({"repository": "https://[::1]/x"}, "characters that are not taken here"),
        ({"version": "a b"}, "pull_version"),
        ({"version": "-x"}, "pull_version"),
        ({"inventory": "../x"}, "pull_inventory"),
        ({"playbook": "/etc/x.yml"}, "pull_playbook"),
        ({"playbook": 'a".yml'}, "pull_playbook"),
        ({"calendar": "daily\nUnit=x"}, "pull_calendar"),
        ({"calendar": "--help"}, "pull_calendar"),
        ({"spread": -1}, "pull_spread"),
        ({"vault_password_file": "vault"}, "pull_vault_password_file"),
        ({"vault_password_file": "~/vault"}, "'~/vault' is no plain path from / on"),
        ({"own": "fe80::1"}, "--limit can't name 'fe80::1'"),
        ({"own": ""}, "--limit"),
        ({"user": "a\nb"}, "navilab_user"),
    ],
)
def test_what_can_not_be(bare: Any, chosen: Callable[..., Any], changes: Any, says: str) -> None:
    plan = pull.plan(bare, chosen(**changes))
    (problem,) = plan["problems"]
    assert problem["id"] == "variables" and says in problem["evidence"] and "secret" not in problem["evidence"]
    assert plan["actions"] == []


@pytest.mark.parametrize(
    "address", [URL, "git@github.com:o/r.git", "ssh://git@h:22/~o/r", "file:///srv/x.git", "/srv/x"]
)
def test_addresses_of_git(bare: Any, chosen: Callable[..., Any], address: str) -> None:
    assert pull.plan(bare, chosen(repository=address))["problems"] == []


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({}, False),
        ({"repository": "http://h/x"}, True),
        ({"repository": "HTTP://h/x"}, True),
        ({"repository": "git://h/x", "verify_commit": True}, False),
    ],
)
def test_a_way_that_anybody_may_change(bare: Any, chosen: Callable[..., Any], changes: Any, warned: bool) -> None:
    assert bool(pull.plan(bare, chosen(**changes))["warnings"]) is warned


@pytest.mark.parametrize(
    ("kept", "says"),
    [
        (None, "is not there"),
        ({"kind": "dir", "mode": "0700"}, "is no file"),
        ({"kind": "file", "mode": "0640"}, "mode 0640"),
        ({"kind": "file", "mode": "0600", "uid": 1000}, "uid 1000"),
        ({"kind": "file", "mode": "0600"}, ""),
        ({"kind": "file", "mode": "0700"}, ""),  # a program that says it
    ],
)
def test_the_password_of_the_vaults_is_roots(
    bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any], kept: Any, says: str
) -> None:
    settings = chosen(vault_password_file="/root/vault")
    assert "/root/vault" in pull.wants(settings)["files"]
    if kept:
        bare["files"]["/root/vault"] = seen(**kept)
    problems = pull.plan(bare, settings)["problems"]
    assert [check["id"] for check in problems] == (["pull_vault"] if says else [])
    assert not says or says in problems[0]["evidence"]


@pytest.mark.parametrize("version", ["3.9.2-3", "3.10.6-1~22.04", None])
def test_a_python_that_no_ansible_runs_with(bare: Any, chosen: Callable[..., Any], version: str | None) -> None:
    bare["dpkg"]["packages"]["python3"].update(version=version, installed=bool(version))
    (problem,) = pull.plan(bare, chosen())["problems"]
    assert problem["id"] == "pull_python" and (version or "not installed")[:3] in problem["evidence"]


def test_what_came_in_goes_out(bare: Any, chosen: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert pull.plan(bare, chosen(state="absent"))["actions"] == []
    host = set_up_pull(bare, chosen(state="present"), seen)
    host["files"][files.STAMP] = seen("file")
    plan = pull.plan(host, chosen(state="absent"))
    kept = [files.STAMP, files.VENVS, "/var/lib/navilab-pull"]
    assert plan["gone"] == [files.TIMER_UNIT, files.TIMER_ENABLED, files.SERVICE, *kept]
    assert (plan["remove"], plan["record"], plan["daemon_reload"]) == (["git", "python3-venv"], {}, True)
    assert [(unit["name"], unit["state"]) for unit in plan["units"]] == [
        (files.TIMER, "stopped"), (files.UNIT, "stopped"),
    ]  # fmt: skip
    del host["files"][files.TIMER_UNIT]  # by hand: nothing leads from its link, and systemd can't stop it
    plan = pull.plan(host, chosen(state="absent"))
    assert (plan["gone"], plan["daemon_reload"]) == ([files.TIMER_ENABLED, files.SERVICE, *kept], True)
    assert [unit["name"] for unit in plan["units"]] == [files.UNIT]
    own = pull.plan(host, chosen(state="absent", runs_from=files.venv()))
    assert [check["id"] for check in own["problems"]] == ["pull_self"] and own["actions"] == []


def test_what_a_variable_says_reaches_the_host_as_it_is() -> None:
    spec = yaml.safe_load((ROOT / "roles/pull/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = spec["argument_specs"]["main"]["options"]
    assert "path" not in {option["type"] for option in options.values()}  # its ~ would be the controller's
    tasks = yaml.safe_load((ROOT / "roles/pull/tasks/main.yml").read_text(encoding="utf-8"))
    (argv,) = (task["ansible.builtin.command"]["argv"] for task in tasks if task["name"] == "Ask systemd when that is")
    assert argv[-2:] == ["--", "{{ __pull.plan.ask }}"]


def test_the_lock_is_the_projects() -> None:
    """Its entries are the lock's own, none is missing, and it is nothing but ansible with what that needs."""

    def entries(path: Path) -> set[str]:
        text = re.sub(r"^ *#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return {entry.strip() for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if entry.strip()}

    ours, all_of_it = entries(ROOT / "roles/pull/files/requirements.txt"), entries(ROOT / "requirements.lock")
    assert ours <= all_of_it
    names = {entry.partition("==")[0] for entry in ours}
    assert names == {*needed("ansible")}
    assert {entry for entry in all_of_it if entry.partition("==")[0] in names} == ours


def needed(name: str) -> set[str]:
    """Packages by what `# via` of the project's lock says, with the one that is asked for."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    via = {
        entry.partition("==")[0]: set(re.findall(r"^    #(?: via)? +([\w.-]+)$", entry, re.MULTILINE))
        for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE)
        if "==" in entry.partition("\n")[0]
    }
    found = {name}
    while more := {each for each, users in via.items() if users & found} - found:
        found |= more
    return found
