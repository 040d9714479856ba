"""How messages word a command, and that none is worded anywhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils._commands import CHECKOUT, DRIVER, command, run_site

ROOT = Path(__file__).resolve().parents[4]
STRAY = re.compile(
    r"\./navilab\b|\bsite\.yml|\bplaybooks/\w+\.yml|`navilab |"
    r"\bnavilab (?:site|plan|verify|upgrade|rollback|remove|selftest|record|report|init|inventory|image|lab)\b"
)
DOCUMENTS = ("DOCUMENTATION", "EXAMPLES", "RETURN")


@pytest.fixture
def cli(controller: None) -> Any:
    from navilab import cli

    return cli


def test_a_checkout_has_the_driver_and_an_installed_collection_has_not(cli: Any) -> None:
    assert command("site", "webui", checkout=True) == "`./navilab site --tags webui`"
    assert command("site", "webui", checkout=False) == "`ansible-playbook navilab.webui.site --tags webui`"
    assert command("image", checkout=True) == "`./navilab image build`"
    assert set(DRIVER) - {"record", "image"} == set(cli.PLAYBOOKS)
    assert command("bundle", checkout=True) == "`ansible-playbook navilab.webui.bundle`"
    assert CHECKOUT
    assert run_site("webui") == "run `./navilab site --tags webui`"


@pytest.mark.parametrize("playbook", [path.stem for path in (ROOT / "playbooks").glob("*.yml")])
def test_each_command_that_is_named_is_there(playbook: str, cli: Any) -> None:
    worded = command(playbook, checkout=True).strip("`")
    if playbook in DRIVER:
        assert cli.parser().parse_args([*worded.split()[1:], *(["host"] if playbook == "record" else [])])
    else:
        assert worded == f"ansible-playbook navilab.webui.{playbook}"


def _messages_of_python(path: Path) -> Iterator[str]:
    """The texts of a module, without what documents it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") in DOCUMENTS for target in node.targets):
            silent.add(id(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


def _messages_of_yaml(value: Any) -> Iterator[str]:
    """The texts of a file of tasks, variables or rules."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _messages_of_yaml(each)
    elif isinstance(value, str):
        yield value


def test_no_message_words_a_command_by_itself() -> None:
    found = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if path.name != "_commands.py":
            found += [(path.name, text) for text in _messages_of_python(path) if STRAY.search(text)]
    for path in [*sorted((ROOT / "roles").rglob("*.yml")), *sorted((ROOT / "playbooks").glob("*.yml"))]:
        if path.parent.name not in ("meta", "defaults"):  # a variable of the user's may be a playbook of theirs
            texts = _messages_of_yaml(yaml.safe_load(path.read_text(encoding="utf-8")))
            found += [(str(path.relative_to(ROOT)), text) for text in texts if STRAY.search(text)]
    assert found == []
