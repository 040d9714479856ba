"""README and the pages: their commands parse, their variables are the roles' own, their links lead somewhere."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils._checks import CHECK_IDS
from ansible_collections.navilab.webui.plugins.module_utils._metrics import METRICS
from ansible_collections.navilab.webui.plugins.plugin_utils._problems import PROBLEMS
from ansible_collections.navilab.webui.plugins.plugin_utils._variables import PLAYBOOKS, RENAMED

from navilab import cli
from navilab.run import Exit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import pages  # noqa: E402

SITE = ROOT / "docs" / "docsite"
RST = sorted((SITE / "rst").glob("*.rst"))
MARKDOWN = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
LABEL = "ansible_collections.navilab.webui."
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
PLUGINS = [path.stem for kind in ("cache", "callback") for path in (ROOT / "plugins" / kind).glob("*.py")]
LINK = re.compile(r"(?<!`)`[^`<]+<([^>`]+)>`__")
PAGES = pytest.mark.parametrize("page", [*MARKDOWN, *RST], ids=lambda path: path.name)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The code blocks in one of these languages."""
    return (content for language, content, _line in pages.blocks(page) if language in languages)


def literals(page: Path) -> list[str]:
    """What stands in backquotes, on one line."""
    return [words for words, _line in pages.literals(page)]


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of blocks, and those of sentences that name ours; without sudo, paths and what a shell adds."""
    for line in (each.text for each in pages.commands(page) if not each.file):
        words: list[str] = []
        for word in [*shlex.split(line, comments=True), "&&"]:
            if word not in ("&&", ">", ">>", "|"):
                words.append(word)
                continue
            while words and (words[0] == "sudo" or "=" in words[0]):
                words.pop(0)
            if words:
                yield words
            words = []
            if word != "&&":
                break


def wrong(words: list[str]) -> str:
    """What is wrong with a command of ours; empty for others' commands."""
    program = words[0].rsplit("/", 1)[-1]
    if program == "navilab" and words[1:] in (["COMMAND", "--help"], ["completion", "SHELL"]):
        return ""
    if program == "navilab":
        try:
            arguments = cli.parser().parse_args(words[1:])
        except SystemExit as error:
            return "" if error.code == 0 else f"navilab does not take {words[1:]}"
        playbook = getattr(arguments, "playbook", None)
        return "" if playbook is None or (ROOT / playbook).is_file() else f"there is no {playbook}"
    if program == "ansible-playbook":
        return wrong_playbook(words[1:])
    if words[0] == "tests/run":
        lists = re.findall(r"^readonly (?:STAGES|ASKED)=\((.*?)\)", text_of(ROOT / "tests" / "run"), re.MULTILINE)
        assert len(lists) == 2
        return ", ".join(word for word in words[1:] if word not in " ".join(lists).split())
    if words[0].startswith(("tests/", "bench/")):
        return "" if (ROOT / words[0]).exists() else f"there is no {words[0]}"
    return ""


def wrong_playbook(words: list[str]) -> str:
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("-i", "--inventory")
    parser.add_argument("-l", "--limit")
    parser.add_argument("-t", "--tags")
    parser.add_argument("-e", "--extra-vars", action="append", default=[])
    for flag in (("-K", "--ask-become-pass"), ("-C", "--check"), ("-D", "--diff")):
        parser.add_argument(*flag, action="store_true")
    parser.add_argument("playbook")
    try:
        arguments = parser.parse_args(words)
    except (argparse.ArgumentError, SystemExit) as error:
        return f"ansible-playbook {words}: {error}"
    name = re.sub(r"^navilab\.webui\.(\w+)$", r"playbooks/\1.yml", arguments.playbook)
    inventory = arguments.inventory or "inventory"
    ours = inventory.startswith("inventory") and inventory != "inventory/lab"  # which a user makes
    missing = [path for path in (name, *([inventory] if ours else [])) if not (ROOT / path).exists()]
    unknown = [pair for pair in arguments.extra_vars if pair.partition("=")[0] not in variables()]
    return ", ".join(f"there is no {each}" for each in [*missing, *unknown])


def variables() -> set[str]:
    """All variables of ours, those within a dict too."""
    names = {*PLAYBOOKS, *RENAMED}
    for role in ROLES:
        specs = yaml.safe_load(text_of(ROOT / "roles" / role / "meta" / "argument_specs.yml"))["argument_specs"]
        for entry in specs.values():
            names |= {*(entry.get("options") or {})}
    return names


KNOWN = variables() | {*CHECK_IDS, *PROBLEMS, *MODULES, *ROLES, *(f"navilab_{metric.name}" for metric in METRICS)}
OURS = re.compile(rf"\b(?:navilab|{'|'.join(name for name in ROLES if name != '_common')})_[a-z0-9_]+\b")
NONE = {"webui_data", "webui_prot", "navilab_egress"}
"""A directory, a mistake on purpose, and the table of nftables."""


@PAGES
def test_commands_are_there(page: Path) -> None:
    found = list(commands(page))
    assert [error for words in found if (error := wrong(words))] == []


def test_commands_are_found() -> None:
    assert ["./navilab", "lab", "up", "--site"] in list(commands(ROOT / "README.md"))
    assert wrong(["./navilab", "lab", "up", "--sight"]) and wrong(["./navilab", "sight"])
    assert wrong(["ansible-playbook", "sight.yml"]) and wrong(["ansible-playbook", "site.yml", "-e", "webui_prot=1"])
    assert wrong(["tests/run", "sight"]) and not wrong(["tests/run", "unit", "installed"])
    assert wrong(["./navilab", "completion", "SHELF"]) and not wrong(["./navilab", "completion", "SHELL"])


RUN = [each for page in pages.to_run().values() for each in page]


@PAGES
def test_every_block_is_known(page: Path) -> None:
    """One in a language that nobody reads here would never be run."""
    assert {language for language, _content, _line in pages.blocks(page)} <= {*pages.SHELL, "yaml", "ini"}


def test_every_command_is_run_or_excused() -> None:
    """Stage `pages` of tests/run runs all that has no excuse, as it stands but for the words that have a value."""
    left = [f"{each.page}:{each.line}: {each.text}" for each in RUN if pages.WORD.search(pages.filled_in(each.text))]
    assert not left, "give it a value or an excuse in tests/tools/pages.py"


def test_no_excuse_is_left_over() -> None:
    everything = [each.text for page in pages.pages() for each in pages.commands(page)]
    ran = [each.text for each in RUN]
    assert [words for words in pages.EXCUSED if not any(re.search(words, text) for text in everything)] == []
    assert [words for words in (*pages.VALUES, *pages.AROUND) if not any(re.search(words, text) for text in ran)] == []


def test_what_is_run_is_found() -> None:
    texts = [each.text for each in RUN]
    assert len(texts) > 60 and "./navilab selftest" in texts and "sudo tests/run" not in texts
    assert pages.filled_in("ssh HOST NOBODY") == "ssh node01 NOBODY"
    assert pages.WORD.search("ssh NOBODY") and not pages.WORD.search("export ANSIBLE_FORKS=1")


def test_each_exit_code_is_there() -> None:
    rows = re.findall(r"^   \* - (\d+)\n", text_of(SITE / "rst" / "guide_commands.rst"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(map(int, Exit))


def test_the_two_commands_stand_in_the_readme() -> None:
    assert [block.strip() for block in blocks(ROOT / "README.md", "sh")][:2] == [
        "sudo ./navilab lab up --site",
        "sudo tests/run",
    ]
    assert len(text_of(ROOT / "README.md").splitlines()) <= 100


@PAGES
def test_variables_are_the_roles_own(page: Path) -> None:
    said = [*literals(page), *blocks(page, "sh", "shell", "yaml")]
    if page.name == "guide_checks.rst":  # whose words are the checks' own, here and there in no literal
        said = [text_of(page)]
    found = {name for text in said for name in OURS.findall(text) if f"{name}.rst" not in text}
    assert sorted(found - KNOWN - NONE) == []


@PAGES
def test_links_lead_somewhere(page: Path) -> None:
    text = text_of(page)
    if page.suffix == ".md":
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("https://")]
        assert [link for link in links if not (page.parent / link).exists()] == []
        return
    # To files, which the repository's own view follows, too; tests/tools/docs_site.sh knows these two kinds.
    links = [link for link in LINK.findall(text) if not link.startswith("https://")]
    assert [link for link in links if not (page.parent / link).is_file()] == []
    kinds = re.compile(r"guide_\w+\.rst|\.\./\.\./\.\./roles/\w+/README\.md")
    assert [link for link in links if not kinds.fullmatch(link)] == []
    assert re.findall(r":(?:ref|doc|ansplugin|ansopt):`", text) == []
    plugins = re.findall(r"``navilab\.webui\.(\w+)``", text)
    assert [name for name in plugins if name not in {*MODULES, *ROLES, *PLUGINS}] == []
    assert [
        path for path in re.findall(r"^\.\. figure:: (.+)$", text, re.MULTILINE) if not (page.parent / path).is_file()
    ] == []
    assert text.partition("\n.. _")[2].startswith(f"{LABEL}docsite.{page.stem}:") or text.startswith(
        f".. _{LABEL}docsite.{page.stem}:"
    )


def test_each_page_is_in_the_table_of_contents() -> None:
    sections = yaml.safe_load(text_of(SITE / "extra-docs.yml"))["sections"]
    listed = [name for section in sections for name in section["toctree"]]
    assert sorted(listed) == sorted(path.stem for path in RST)
    readme = text_of(ROOT / "README.md")
    assert [name for name in listed if f"docs/docsite/rst/{name}.rst" not in readme] == []


def test_each_role_is_in_the_readme() -> None:
    assert [role for role in ROLES if f"(roles/{role}/README.md)" not in text_of(ROOT / "README.md")] == []
