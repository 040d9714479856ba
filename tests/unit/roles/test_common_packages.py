"""How the roles call apt and dpkg: what nobody asked for is never removed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.navilab.webui.plugins.plugin_utils._variables import trust_as_template

ROLES = Path(__file__).resolve().parents[3] / "roles"


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    for task in found or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


ALL = [
    (path.relative_to(ROLES).as_posix(), task)
    for path in sorted(ROLES.glob("*/tasks/*.yml"))
    for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8")))
]
PACKAGES = {task["name"]: task for path, task in ALL if path.startswith("_common/tasks/packages")}


def test_no_transaction_may_remove_what_it_was_not_asked_to() -> None:
    modules = [(path, task["ansible.builtin.apt"]) for path, task in ALL if "ansible.builtin.apt" in task]
    installing = [each for each in modules if each[1].get("state") != "absent" and "name" in each[1]]
    assert [path for path, arguments in installing if arguments.get("fail_on_autoremove") is not True] == []
    commands = [
        (path, str(task["ansible.builtin.command"]["argv"]), task["environment"])
        for path, task in ALL
        if "apt-get" in str(task.get("ansible.builtin.command"))
    ]
    assert [path for path, argv, _environment in commands if "--no-remove" not in argv] == []
    assert [path for path, _argv, environment in commands if environment.get("LC_ALL") != "C"] == [], "it is read"
    assert len(installing) >= 2 and len(commands) >= 3


def test_a_removal_goes_through_what_asks_who_needs_it() -> None:
    removing = [path for path, task in ALL if (task.get("ansible.builtin.apt") or {}).get("state") == "absent"]
    assert removing == ["_common/tasks/packages_absent.yml"]


@pytest.mark.parametrize(
    ("said", "locked"),
    [
        ("dpkg: error: dpkg frontend lock was locked by another process with pid 7", True),
        ("dpkg: error: dpkg status database is locked by another process", True),
        ("E: Could not get lock /var/lib/dpkg/lock-frontend", True),
        ("mkinitramfs: failed to look up the block device of /, and its clock", False),
    ],
)
def test_only_a_lock_is_waited_for(said: str, locked: bool) -> None:
    pattern = PACKAGES["Ensure nothing is left of an interrupted dpkg"]["vars"]["__common_packages_locked"]
    assert bool(re.search(pattern, said)) is locked


KEPT = {"id": "packages_kept", "evidence": "x", "remedy": "y"}
REFUSED = {"stdout": "will be REMOVED:\n  zfs\n", "stderr": "E: Packages need to be removed but remove is disabled."}


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        ({"checks": [KEPT]}, "packages_kept"),  # of what the role includes
        (REFUSED, "packages_kept"),
        ({"checks": [{**KEPT, "id": "else"}], "msg": "it"}, "dkms_install"),
        ({"msg": "it"}, "dkms_install"),
    ],
)
def test_a_driver_that_apt_was_kept_from_installing(result: dict[str, Any], cause: str) -> None:
    found = {task["name"]: task for path, task in ALL if path == "amdgpu_dkms/tasks/failed.yml"}
    variables = {**found["Stop, and say why"]["vars"], **found["Keep what was said"]["ansible.builtin.set_fact"]}
    templates = {name: trusted(value) for name, value in variables.items()}
    plan = {"ansible_failed_result": result, "__amdgpu_dkms": {"plan": {"failure": None}}}
    templar = Templar(loader=DataLoader(), variables={**templates, **plan})
    assert templar.template(trusted("{{ __amdgpu_dkms_cause }}"))["id"] == cause


def trusted(value: Any) -> Any:
    """Text that may be filled in, in what a file of tasks has."""
    if isinstance(value, dict):
        return {key: trusted(each) for key, each in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt-get here")
@pytest.mark.parametrize("more", ["", 'APT::Get::Purge "true";'])
def test_what_something_else_needs_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    status, lists = tmp_path / "status", tmp_path / "lists"
    (lists / "partial").mkdir(parents=True)
    needs = {"dkms": "", "amdgpu-dkms": "Depends: dkms\n", "theirs": "Depends: dkms\n", "alone": ""}
    status.write_text(
        "\n".join(
            f"Package: {name}\nStatus: {'hold' if name == 'alone' else 'install'} ok installed\nVersion: 1\n"
            f"Architecture: amd64\nMaintainer: x\nDescription: x\n{depends}"
            for name, depends in needs.items()
        )
    )
    config = tmp_path / "apt.conf"
    config.write_text(
        f'Dir::State::status "{status}";\nDir::State::lists "{lists}/";\nDir::Etc::sourcelist "/dev/null";\n'
        f'Dir::Etc::sourceparts "/dev/null";\nDir::Cache "{tmp_path}/";\nAPT::Architecture "amd64";\n'
        f'APT::Architectures {{ "amd64"; }};\n{more}\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    variables = {"_common_packages_absent": ["amdgpu-dkms", "dkms", "alone"]}
    templar = Templar(loader=DataLoader(), variables=variables)
    command = PACKAGES["Find which packages nothing else needs"]["ansible.builtin.shell"]["cmd"]
    script = templar.template(trust_as_template(command))
    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["amdgpu-dkms", "alone"], done.stderr
