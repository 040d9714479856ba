"""The command line: what becomes ansible-playbook's arguments, which inventory, which exit code."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import navilab
from navilab import cli, run
from navilab.events import Host, Run, Status
from navilab.run import Exit, Outcome


def parse(*words: str) -> argparse.Namespace:
    return cli.parser().parse_args(words)


def test_arguments_are_ansibles_own() -> None:
    words = ["site", "-i", "x", "-i", "y,z", "-l", "a:b", "-t", "firmware,webui", "--skip-tags", "verify", "-C", "-D"]
    words += ["-e", "a=1", "-e", "@f.yml", "-K", "--vault-password-file", "v v", "-f", "3", "-vv"]
    assert cli.ansible_arguments(parse(*words)) == [
        "--inventory=x",
        "--inventory=y,z",
        "--limit=a:b",
        "--forks=3",
        "--tags=firmware,webui",
        "--skip-tags=verify",
        "--extra-vars=a=1",
        "--extra-vars=@f.yml",
        "--vault-password-file=v v",
        "--check",
        "--diff",
        "--ask-become-pass",
        "-vv",
    ]


@pytest.mark.parametrize("name", ["site", "verify", "selftest", "plan", "remove"])
def test_each_command_has_its_playbook(name: str) -> None:
    assert (cli.ROOT / cli.PLAYBOOKS[name][0]).is_file()
    assert parse(name).command == name


def test_a_users_lab_comes_before_the_embedded_one(tmp_path: Path) -> None:
    with pytest.raises(cli.UsageError, match="navilab init"):
        cli.default_inventory(tmp_path)
    (tmp_path / "inventory" / "sim").mkdir(parents=True)
    with pytest.raises(cli.UsageError):
        cli.default_inventory(tmp_path)  # its group_vars alone are no lab
    (tmp_path / "inventory" / "sim" / "hosts.yml").touch()
    assert cli.default_inventory(tmp_path).name == "sim"
    (tmp_path / "inventory" / "lab").mkdir()
    assert cli.default_inventory(tmp_path).name == "lab"


def test_ansible_inventory_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_INVENTORY", "/elsewhere")
    assert cli.ansible_arguments(parse("site")) == []


def test_no_inventory_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> Path:
        raise cli.UsageError("no inventory")

    monkeypatch.delenv("ANSIBLE_INVENTORY", raising=False)
    monkeypatch.setattr(cli, "default_inventory", none)
    assert cli.main(["site"]) == Exit.USAGE
    assert "no inventory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["fly"], "navilab [-h]"),
        (["site", "--fly"], "navilab site [-h]"),
        (["-x", "lab", "up", "--fly"], "navilab lab up [-h]"),
        (["site", "-f", "many"], "navilab site [-h]"),
    ],
)
def test_wrong_usage_is_64_with_the_commands_own_usage(
    words: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 64
    assert capsys.readouterr().err.startswith(f"usage: {usage}")


@pytest.mark.parametrize("words", [[], ["lab"], ["image"], ["inventory"]])
def test_without_a_command_there_is_a_page(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == Exit.USAGE
    assert "usage: navilab" in capsys.readouterr().out


def test_the_page_has_every_command_once_and_fits_60_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    cli.main([])
    lines = capsys.readouterr().out.splitlines()
    named = sorted(name for group in cli.PAGE.values() for name in group)
    assert named == sorted(cli.parser().commands.choices)
    assert all(sum(line.startswith(f"   {name} ") for line in lines) == 1 for name in named)
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    "words", [["site"], ["upgrade"], ["image", "build"], ["lab", "status"], ["inventory", "check"]]
)
def test_whatever_prints_a_table_prints_json_too(words: list[str]) -> None:
    assert parse(*words, "--json").json is True


def test_an_error_of_our_own_is_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def crash(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(run, "run", crash)
    assert cli.main(["site", "-i", "x"]) == Exit.INTERNAL
    assert "RuntimeError: ours" in capsys.readouterr().err


def test_help_lists_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["site", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{code.value} {code.meaning}" in text for code in Exit)


def test_passwords_are_asked_here_and_answer_ansibles_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"<{prompt}>")
    answers = cli.ask_passwords(parse("site", "-K", "-J"))
    for prompt in ("BECOME password: ", "Vault password: "):
        assert [answer for pattern, answer in answers.items() if re.search(pattern, prompt)] == [f"<{prompt}>"]
    assert cli.ask_passwords(parse("site")) == {}


@pytest.mark.parametrize(
    ("statuses", "finished", "rc", "interrupted", "code"),
    [
        ([Status.OK, Status.CHANGED], True, 0, False, Exit.OK),
        ([Status.OK, Status.FAILED, Status.UNREACHABLE], True, 2, False, Exit.FAILED),
        ([Status.OK, Status.UNREACHABLE], True, 4, False, Exit.UNREACHABLE),
        ([Status.OK], True, 250, False, Exit.INTERNAL),
        ([], False, 4, False, Exit.NOTHING_RAN),
        ([], True, 0, False, Exit.NOTHING_RAN),  # no host matched
        ([Status.RUNNING], False, 250, False, Exit.INTERNAL),
        ([Status.RUNNING], False, 99, True, Exit.INTERRUPTED),
    ],
)
def test_exit_codes(statuses: list[Status], finished: bool, rc: int, interrupted: bool, code: Exit) -> None:
    hosts = {str(index): Host(str(index), status, started=1.0) for index, status in enumerate(statuses)}
    assert Outcome(Run(hosts, finished=finished), rc, Path(), interrupted).exit is code


def test_the_version_is_the_collections() -> None:
    galaxy = yaml.safe_load((cli.ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert navilab.__version__ == galaxy["version"]
    assert f'version = "{galaxy["version"]}"' in (cli.ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_recordings_are_hosts_of_an_inventory_of_their_own(tmp_path: Path) -> None:
    names = ["a.tar.gz", "b.recording.tar.gz", "x y{{ 1 }}.tgz", "c[1:3]", "d: e\n#.tar.gz", "...tar.gz", "sub/a.tgz"]
    (tmp_path / "sub").mkdir()
    for name in names:
        (tmp_path / name).touch()
    inventory = cli.recorded_inventory([tmp_path / name for name in names], [], tmp_path)

    class Loader(yaml.SafeLoader):
        """Knows the tag of what is no template."""

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
    found = yaml.load(inventory.read_text(encoding="utf-8"), Loader=Loader)["all"]
    assert found["vars"] == {"ansible_connection": "local", "ansible_become": False}
    assert [*found["hosts"]] == ["a", "b", "x-y-1", "c-1-3", "d-e", "recording", "a-2"]
    assert [host["navilab_recorded"] for host in found["hosts"].values()] == [str(tmp_path / name) for name in names]
    assert inventory.read_text().count("!unsafe") == len(names)


def test_recordings_add_up() -> None:
    assert parse("plan", "--recorded", "a", "b", "--recorded", "c").recorded == [Path("a"), Path("b"), Path("c")]
    assert parse("plan").recorded == []
    with pytest.raises(SystemExit):
        parse("plan", "--recorded", "")


def test_a_directory_has_to_be_a_recording(tmp_path: Path) -> None:
    (tmp_path / "host/root").mkdir(parents=True)
    (tmp_path / "host/recording.json").touch()
    cli.recorded_inventory([tmp_path / "host"], [], tmp_path)
    for path in (tmp_path, tmp_path / "host/root"):
        with pytest.raises(cli.UsageError, match="is no recording"):
            cli.recorded_inventory([path], [], tmp_path)


@pytest.mark.parametrize("words", [["-i", "x", "--recorded", "/etc/passwd"], ["--recorded", "/no/such/file"]])
def test_recordings_take_no_inventory_and_must_be_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", *words]) == Exit.USAGE
    assert "navilab: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["site", "selftest", "remove", "record"])
def test_only_what_changes_nothing_takes_recordings(name: str) -> None:
    with pytest.raises(SystemExit):
        parse(name, "--recorded", "x")


def test_record_is_of_one_host_into_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[run.Job] = []

    def keep(job: run.Job, *_: object) -> Outcome:
        jobs.append(job)
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", keep)
    cli.main(["record", "node1", "-i", "x", "-o", "some where.tar.gz", "-l", "lab"])
    (job,) = jobs
    assert (job.command, job.playbook.name) == ("record", "record.yml")
    path = json.dumps({"navilab_record_path": str(Path("some where.tar.gz").absolute())})
    assert job.arguments == ("--inventory=x", "--limit=lab:&node1", f"--extra-vars={path}")


def test_a_reader_who_has_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "navilab", "completion", "fish"]  # more than a buffer of it
    environment = os.environ | {"PYTHONPATH": f"{cli.ROOT}/src:{cli.ROOT}/collections"}
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    os.close(write)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "user", "again"),
    [
        (["site"], "", "./navilab site"),
        (["site", "-i", "inventory/localhost.yml", "-e", "webui_password=x"], "me",
         "sudo ./navilab site -i inventory/localhost.yml -e ..."),
        (["remove", "-l", "node01", "-i", "x", "-t", "webui"], "", "./navilab remove -i x -t webui -l node01"),
        (["site", "-C", "-D", "-K", "-f", "3", "--skip-tags", "gateway"], "",
         "./navilab site --skip-tags gateway -f 3 -C -D -K"),
        (["site", "--vault-password-file", "v", "--report", "r.html"], "",
         "./navilab site --report r.html --vault-password-file v"),
        (["plan", "--recorded", "a.tar.gz", "b"], "", "./navilab plan --recorded a.tar.gz b"),
        (["record", "node1", "-o", "x.tar.gz"], "", "./navilab record node1 -o x.tar.gz"),
        (["image", "build", "-i", "a b"], "", "./navilab image build -i 'a b'"),
    ],
)  # fmt: skip
def test_what_goes_on_after_an_interruption(
    monkeypatch: pytest.MonkeyPatch, words: list[str], user: str, again: str
) -> None:
    monkeypatch.setenv("SUDO_USER", user)
    assert cli._again(cli.parser().parse_args(words)) == again


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stie"], "navilab: there is no command 'stie'; did you mean site?\n"),
        (["inventory", "chekc"], "navilab inventory: there is no command 'chekc'; did you mean check?\n"),
        (["xyzzy"], "navilab: there is no command 'xyzzy'\n"),
    ],
)
def test_a_command_that_is_none(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert (ended.value.code, capsys.readouterr().err.endswith(said)) == (64, True)


@pytest.mark.parametrize("words", [["help"], ["help", "site"], ["verify", "--help"], ["record", "--help"]])
def test_help_fits_60_columns(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0 and len(lines) > 10
    assert [line for line in lines if len(line) > 60] == []
