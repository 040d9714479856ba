"""An inventory from three answers, and what is wrong in one."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from navilab import inventory


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "192.0.2.1 fe80::1 node-a 192.0.2.1\n; rm\n192.0.2.1 fe80::1 node-a\nroot\nada\nyes\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    monkeypatch.setattr(inventory, "give_to_owner", lambda _path: None)


@pytest.mark.usefixtures("answers")
def test_three_answers_make_an_inventory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hosts, common, _groups = inventory.init(tmp_path / "lab")
    assert yaml.safe_load(hosts.read_text(encoding="utf-8"))["lab"] == {
        "hosts": {"node01": {"ansible_host": "192.0.2.1"}, "node02": {"ansible_host": "fe80::1"}, "node-a": {}},
        "vars": {"ansible_user": "ada"},
    }
    assert yaml.safe_load(common.read_text(encoding="utf-8")) == {"navilab_reboot_ok": True}
    said = capsys.readouterr().err
    assert [word for word in ("named twice", "neither a name", "not root's") if word not in said] == []


def test_an_address_takes_no_name_that_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("10.0.0.5 node01 no\njohn.doe\nno\n"))
    monkeypatch.setattr(inventory, "give_to_owner", lambda _path: None)
    hosts, _common, _groups = inventory.init(tmp_path / "lab")
    assert yaml.safe_load(hosts.read_text(encoding="utf-8"))["lab"]["hosts"] == {
        "node02": {"ansible_host": "10.0.0.5"}, "node01": {}, "no": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ("a: {ansible_host: 192.0.2.1}\n    b: {ansible_host: 192.0.2.1}", "a, b have one address"),
        ("a: {ansible_host: 192.0.2.1}\n    b: {ansible_host: 192.0.2.1, ansible_port: 2222}", ""),
        ("a: {ansible_host: 192.0.2.1, webui_prot: 8000}", "webui_port is (of a)"),
        ("a: {ansible_host: nowhere.invalid}", "nowhere.invalid has no address here"),
        ("localhost: {ansible_connection: local}", ""),
    ],
)
def test_what_is_wrong_is_told(hosts: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(f"lab:\n  hosts:\n    {hosts}\n", encoding="utf-8")
    found = inventory.check([str(path)])
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("lab: [", encoding="utf-8")
    assert inventory.check([str(path)])
