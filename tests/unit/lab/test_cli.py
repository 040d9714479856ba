"""`navilab lab ...` as far as it goes without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from navilab import lab
from navilab.cli import parser
from navilab.lab import _common, cli, hosts


def run(*words: str) -> int:
    arguments = parser().parse_args(["lab", *words])
    return int(arguments.run(arguments))


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(lab, "STATE", tmp_path)
    monkeypatch.setattr(_common, "STATE", tmp_path)
    return tmp_path


def test_up_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    called: dict[str, Any] = {}

    def up(name: str, given: list[hosts.Host], **options: Any) -> Path:
        called.update(name=name, hosts=given, **options)
        return Path("hosts.yml")

    monkeypatch.setattr(lab, "up", up)
    assert run("up", "--name", "mol", "--only", "--host", "extra=bookworm:two-boards", "--host", "trixie:rx5600xt") == 0
    assert called == {
        "name": "mol",
        "hosts": [hosts.Host("extra", "bookworm", "two-boards"), hosts.Host("trixie", "trixie", "rx5600xt")],
        "only": True,
        "driver": "container",
        "inventory": None,
        "webui": "standin",
        "mirrors": None,
    }


def test_hosts_of_the_driver_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[hosts.Host] = []
    monkeypatch.setattr(lab, "up", lambda _name, given, **_: seen.extend(given) or Path("hosts.yml"))
    assert run("up", "--driver", "qemu", "--host", "vm=trixie:no-board") == 0
    assert seen == [hosts.Host("vm", "trixie", "no-board", "qemu")]


def test_site_runs_on_the_new_inventory(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(lab, "up", lambda *_, **__: Path("/tmp/hosts.yml"))
    monkeypatch.setattr("navilab.cli.main", lambda words: seen.append(words) or 4)
    assert run("up", "--site") == 4
    assert seen == [["site", "--inventory", "/tmp/hosts.yml"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["up", "--host", "bookworm"], "not NAME=SUITE:BOARD"),
        (["up", "--host", "a=sid:rx5700xt"], "known: bullseye, bookworm, trixie"),
        (["up", "--host", "a=trixie:voodoo2"], "known: rx5500xt-8g"),
        (["up", "--host", "registry=trixie:rx5700xt"], "the lab's registry"),
        (["up", "--name", "Not a name"], "small letters"),
        (["ssh", "nobody"], "no host sim-nobody"),
    ],
)
def test_mistakes_are_told_without_a_traceback(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == cli.FAILED
    assert said in capsys.readouterr().err


def test_ssh_command(state: Path) -> None:
    folder = state / "sim"
    folder.mkdir()
    (folder / "known_hosts").write_text(
        "sim-bookworm,10.213.0.11 ssh-ed25519 AAAA\nsim-vm,[127.0.0.1]:4022 ssh-ed25519 AAAA\n"
    )
    for name in ("bookworm", "sim-bookworm"):
        command = lab.ssh_command("sim", name)
        assert command[0] == "ssh"
        assert command[-3:] == ["-p", "22", "lab@10.213.0.11"]
    assert lab.ssh_command("sim", "vm")[-3:] == ["-p", "4022", "lab@127.0.0.1"]


def test_docker_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert run("up") == cli.FAILED
    assert "unset DOCKER_HOST" in capsys.readouterr().err


def test_nothing_in_the_engine_but_a_name_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "_inspect", lambda *_: {"Config": {"Labels": {}}})
    monkeypatch.setattr(hosts.images, "image_id", lambda *_: "sha256:0")
    key = _common.STATE / "key"
    key.write_text("key")
    with pytest.raises(lab.LabError, match="not this lab's"):
        hosts.ensure(None, _common.Lab("sim", _common.STATE), hosts.DEFAULT[0], "10.213.0.11", "login", key)
