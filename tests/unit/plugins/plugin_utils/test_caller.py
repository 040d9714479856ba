"""Who started Ansible: the person behind sudo, and never a user without a name."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.filter._or_caller import FilterModule
from ansible_collections.navilab.webui.plugins.plugin_utils import _caller

ACCOUNTS = {0: "root", 1000: "ada", 1001: "bob"}


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd((ACCOUNTS[uid], "x", uid, uid, "", "", "")))
    monkeypatch.setattr(_caller, "LOGIN_UID", tmp_path / "loginuid")
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"SUDO_USER": "ada", "SUDO_UID": "1000", "USER": "root"}, "ada"),
        ({"DOAS_USER": "bob", "USER": "root"}, "bob"),
        ({"SUDO_USER": "root", "DOAS_USER": "bob"}, "bob"),  # doas, then sudo
        ({"PKEXEC_UID": "1001"}, "bob"),
        ({"SUDO_USER": "", "SUDO_UID": "1000"}, "ada"),
        ({"SUDO_USER": "ldap.user@corp.example"}, "ldap.user@corp.example"),  # whom only sssd knows
        ({"USER": "ada"}, "root"),  # what su leaves there proves nothing
        ({"USER": ""}, "root"),
        ({}, "root"),
        ({"SUDO_UID": "0", "SUDO_USER": "root"}, "root"),
        ({"SUDO_UID": "4711"}, "root"),
        ({"SUDO_UID": "-1", "PKEXEC_UID": "x"}, "root"),
    ],
)
def test_under_root(environment: dict[str, str], name: str) -> None:
    assert _caller.caller(environment) == name


@pytest.mark.parametrize(("login", "name"), [("1000", "ada"), ("4294967295", "root"), ("0", "root"), ("", "root")])
def test_su_leaves_who_logged_in(login: str, name: str) -> None:
    _caller.LOGIN_UID.write_text(login, encoding="ascii")
    assert _caller.caller({"USER": "root"}) == name


@pytest.mark.parametrize(
    ("uid", "environment", "name"),
    [
        (1000, {"USER": ""}, "ada"),
        (1000, {}, "ada"),
        (1000, {"USER": "bob"}, "ada"),  # the process is ada's
        (1000, {"SUDO_USER": "bob"}, "ada"),  # sudo -u ada
        (4711, {"USER": "some"}, "some"),  # a container without passwd
        (4711, {}, ""),
    ],
)
def test_as_oneself(uid: int, environment: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert _caller.caller(environment) == name


def test_a_name_goes_before_the_caller() -> None:
    filters = FilterModule().filters()
    assert filters["_or_caller"]("lab") == "lab"
    assert filters["_or_caller"]("") == filters["_or_caller"](None) == _caller.caller()
