"""An inventory from three answers, and what is wrong in one."""

from __future__ import annotations

import io
import json
import subprocess
import sys
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
        ("a: {ansible_host: 192.0.2.1, webui_prot: 8000}", "did you mean webui_port? (of a)"),
        (
            "a: {ansible_host: 192.0.2.1, webui_zzzzzzzzzz: 1}",
            "webui_zzzzzzzzzz is no variable of this collection, though",
        ),
        ("nowhere.invalid:", "nowhere.invalid has no address here"),  # which has no variable
        (
            'a: {ansible_host: "2001:db8::1"}\n    b: {ansible_host: "2001:DB8:0::1"}',
            "a, b have one address, 2001:db8::1",
        ),
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


def test_what_the_last_plan_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile or a group of the user's against the host's GPUs, as a plan has left them."""
    known = {"navilab_known": {"gfx_targets": ["gfx1010"], "vram_gib": [8], "needs_reboot": False}}
    (tmp_path / "known").mkdir()
    for host in ("a", "b"):
        (tmp_path / "known" / host).write_text(json.dumps(known), encoding="utf-8")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path / "known"))
    path = tmp_path / "hosts.yml"
    hosts = {name: {"ansible_host": f"192.0.2.{n}", "webui_profile": "setsoft-pt2"} for n, name in enumerate("abc")}
    hosts["b"]["webui_profile"] = "rocm7"
    groups = {"lab": {"hosts": hosts}, "gfx1012": {"hosts": {"b": None}}, "vram_8g": {"hosts": {"a": None}}}
    path.write_text(yaml.safe_dump(groups), encoding="utf-8")
    assert inventory.check([str(path)]) == [
        "a: webui_profile setsoft-pt2 has code for gfx1012, and its last plan found gfx1010, vram_8g",
        "b: it is in gfx1012, and its last plan found gfx1010, vram_8g",
    ]


def test_a_vault_and_its_password(tmp_path: Path) -> None:
    secret, path = tmp_path / "password", tmp_path / "hosts.yml"
    secret.write_text("s\n", encoding="utf-8")
    path.write_text("lab: {hosts: {a: {ansible_host: 192.0.2.1}}}\n", encoding="utf-8")
    vault = [sys.executable, "-m", "ansible", "vault", "encrypt", "--vault-password-file", str(secret), str(path)]
    subprocess.run(vault, check=True, capture_output=True)
    assert inventory.check([str(path)])
    assert inventory.check([str(path)], [f"--vault-password-file={secret}"]) == []
