"""What hosts say of themselves: Debian, its relatives, and os-release files that nobody should write."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils._checks import evaluate
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._neighbours import NEIGHBOURS
from ansible_collections.navilab.webui.plugins.module_utils._release import gather_release, parse
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import WORD, Tree

ROOT = Path(__file__).resolve().parents[4]
HOSTS = yaml.safe_load(Path(__file__).with_name("releases.yml").read_text(encoding="utf-8"))


def write(root: Path, path: str, text: str) -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host["name"])
def test_each_host(tmp_path: Path, host: dict[str, Any]) -> None:
    write(tmp_path, "/etc/os-release", host["os_release"])
    for path, text in host.get("files", {}).items():
        write(tmp_path, path, text + "\n")
    write(tmp_path, "/etc/apt/sources.list", host.get("sources", ""))
    facts = gather(str(tmp_path))
    facts["kernel"]["arch"] = host.get("arch", "x86_64")
    right = host["right"]
    seen = facts["release"]
    assert (seen["debian_codename"], seen["debian_version"]) == (right.get("codename"), right.get("number"))
    assert seen["neighbour"] == right.get("neighbour")
    (check,) = evaluate(facts, {"only": ["release"]})
    said = f"{check['evidence']}. {check['remedy']}. {check['note']}"
    assert check["status"] == right["status"], said
    assert re.search(right.get("says", ""), said), said
    assert ("navilab_waive" in said) == right.get("waiver", False), said
    if right["status"] == "failed":
        assert "use Debian 11 (bullseye), 12 (bookworm) or 13 (trixie)" in check["remedy"]


def test_each_relative_has_a_host() -> None:
    named = {host["right"].get("neighbour") for host in HOSTS}
    assert named - {None, "other"} == set(NEIGHBOURS)


def test_the_page_names_each_relative() -> None:
    text = (ROOT / "docs/docsite/rst/guide_found.rst").read_text(encoding="utf-8")
    assert [known.name for known in NEIGHBOURS.values() if known.name not in text] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ID=debian", "debian"),
        ('ID="debian"', "debian"),
        ("ID='debian'", "debian"),
        ("  ID=debian  ", "debian"),
        ("ID=debian\r", "debian"),
        ("\ufeffID=debian", "debian"),
        ("#ID=ubuntu\nID=debian", "debian"),
        ("ID=ubuntu\nID=debian", "debian"),  # as a shell takes it
        ("ID=debian # really", "debian"),
        (r'ID="a \"b\" \$c \\ \`d\`"', 'a "b" $c \\ `d`'),
        (r'ID="a\nb"', r"a\nb"),
        (r"ID='a\$b'", r"a\$b"),
        (r"ID=a\$b", "a$b"),
        ('ID="no end', "no end"),
        ("ID=", ""),
        ('ID=""', ""),
        ('ID="\x1b]0;title\x07\x1b[31mdebian\u202e"', "\ufffd]0;title\ufffd\ufffd[31mdebian\ufffd"),
        ("ID=\"{{ lookup('pipe', 'id') }}\"", "{{ lookup('pipe', 'id') }}"),  # data, never a template
        (f"ID={'x' * 5000}", "x" * WORD),
    ],
)
def test_a_value(text: str, value: str) -> None:
    assert parse(text)["ID"] == value


@pytest.mark.parametrize("text", ["", "\n\n", "garbage", "= =", "1D=debian", "ID debian", "\0" * 100, "a\vID=x", "é=1"])
def test_no_value(text: str) -> None:
    assert "ID" not in parse(text)


def test_the_second_file_counts_where_the_first_is_not_there(tmp_path: Path) -> None:
    write(tmp_path, "/usr/lib/os-release", 'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nNAME="Debian"')
    tree = Tree(str(tmp_path))
    seen = gather_release(tree)
    assert (seen["id"], seen["debian_codename"], seen["pretty_name"]) == ("debian", "trixie", "Debian")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    assert gather_release(tree) == seen
    write(tmp_path, "/usr/lib/os-release", "ID=arch")
    (tmp_path / "etc/os-release").unlink()
    write(tmp_path, "/etc/os-release", "ID=debian")
    assert gather_release(tree)["id"] == "debian"


def test_nothing_and_garbage(tmp_path: Path) -> None:
    nothing = {"id": None, "version_id": None, "codename": None, "pretty_name": None, "debian_codename": None}
    nothing |= {"debian_version": None, "neighbour": None}
    tree = Tree(str(tmp_path))
    assert gather_release(tree) == nothing
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_bytes(bytes(range(256)) * 400)
    assert gather_release(tree) == nothing
    (tmp_path / "etc/os-release").unlink()
    (tmp_path / "etc/os-release").mkdir()
    assert gather_release(tree) == nothing


@pytest.mark.parametrize("version", ["", "\n", "bookworm/sid/x", "12", "12.7\nmore", "🙂", "12/sid", "99", "9/sid"])
def test_debian_version_is_the_last_resort(tmp_path: Path, version: str) -> None:
    write(tmp_path, "/etc/os-release", "ID=someos\nID_LIKE=debian\n")
    write(tmp_path, "/etc/debian_version", version)
    wanted = "bookworm" if version.startswith(("12", "bookworm")) else None
    assert gather_release(Tree(str(tmp_path)))["debian_codename"] == wanted
