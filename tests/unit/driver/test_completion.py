"""The completion scripts, in the shells that this machine has; bash is there wherever Ansible is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from navilab import cli, completion

ASK_BASH = 'source "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$(($# - 2)); _navilab; printf "%s\\n" "${COMPREPLY[@]}"'
ASK_FISH = 'source $argv[1]; complete -C "$argv[2]"'
CASES = [
    (["navilab", "verif"], {"verify"}),
    (["navilab", "lab", ""], {"up", "down", "status", "prepare", "ssh"}),
    (["./navilab", "lab", "up", "--dr"], {"--driver"}),
    (["navilab", "lab", "up", "--driver", ""], {"container", "qemu"}),
    (["navilab", "completion", ""], {"bash", "zsh", "fish"}),
    (["navilab", "verify", "--check"], {"--check", "--checks"}),
]


def script(shell: str, path: Path) -> str:
    path.write_text(completion.script(shell, cli.parser()), encoding="utf-8")
    return str(path)


IN_BASH = [  # which has the sign in COMP_WORDBREAKS
    (["navilab", "lab", "up", "--driver", "="], {"container", "qemu"}),
    (["navilab", "lab", "up", "--driver", "=", "q"], {"qemu"}),
    (["navilab", "lab", "up", "--driver", "=", "qemu", "--onl"], {"--only"}),
]


@pytest.mark.parametrize(("words", "offered"), [*CASES, *IN_BASH])
def test_bash(words: list[str], offered: set[str], tmp_path: Path) -> None:
    command = ["bash", "--norc", "-c", ASK_BASH, "bash", script("bash", tmp_path / "it"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (set(done.stdout.split()), done.stderr) == (offered, "")


@pytest.mark.skipif(not shutil.which("fish"), reason="no fish")
@pytest.mark.parametrize(("words", "offered"), CASES)
def test_fish(words: list[str], offered: set[str], tmp_path: Path) -> None:
    command = ["fish", "--no-config", "-c", ASK_FISH, script("fish", tmp_path / "it"), " ".join(words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {line.partition("\t")[0] for line in done.stdout.splitlines()} == offered


@pytest.mark.skipif(not shutil.which("zsh"), reason="no zsh")
def test_zsh_takes_it(tmp_path: Path) -> None:
    loaded = ["zsh", "-f", "-c", 'autoload -U compinit; compinit -u -D; source "$1"; echo $_comps[navilab]', "zsh"]
    done = subprocess.run([*loaded, script("zsh", tmp_path / "it")], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("_navilab\n", "")


@pytest.mark.parametrize("shell", completion.SCRIPTS)
def test_each_option_of_each_command_is_in_it(shell: str) -> None:
    text = completion.script(shell, cli.parser())
    for level in completion.levels(cli.parser()):
        assert all(option.lstrip("-") in text for option in level.options)
        assert all(name in text for name in level.commands)
