"""Sources in both formats, as Debian's installers and people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._apt import (
    SourceError,
    gather_apt,
    parse_deb822,
    parse_one_line,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

ONE_LINE = """\
# deb http://old.test/debian buster main

deb cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 NETINST]/ bookworm main
deb [ arch=amd64,i386 signed-by=/etc/apt/keyrings/a.gpg ] http://deb.debian.org/debian bookworm main contrib # why
deb-src http://deb.debian.org/debian bookworm main
deb [lang+=de trusted=yes] http://flat.test/ ./
"""
DEB822 = """\
# a comment first

Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: bookworm
 bookworm-updates
# a comment within
Components: main non-free-firmware
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: No
types: deb
uris: http://security.debian.org
suites: bookworm-security
components: main
by-hash: force
"""


def test_one_line() -> None:
    cdrom, main, source, flat = parse_one_line(ONE_LINE)
    assert cdrom["uris"] == ["cdrom:[Debian GNU/Linux 12.0.0 _Bookworm_ - Official amd64 NETINST]/"]
    assert main["components"] == ["main", "contrib"]
    assert main["options"] == {"Architectures": "amd64 i386", "Signed-By": "/etc/apt/keyrings/a.gpg"}
    assert source["types"] == ["deb-src"]
    assert (flat["suites"], flat["components"]) == (["./"], [])
    assert flat["options"] == {"Languages-Add": "de", "Trusted": "yes"}


@pytest.mark.parametrize(
    "line", ["deb http://x.test", "dep http://x.test a b", "deb", "deb [a=b", "deb http://x.test suite"]
)
def test_one_line_malformed(line: str) -> None:
    with pytest.raises(SourceError, match="line 1"):
        list(parse_one_line(line))


def test_deb822() -> None:
    first, second = parse_deb822(DEB822)
    assert first["types"] == ["deb", "deb-src"]
    assert first["suites"] == ["bookworm", "bookworm-updates"]
    assert first["components"] == ["main", "non-free-firmware"]
    assert first["enabled"]
    assert "mQINBF" in first["options"]["Signed-By"]
    assert not second["enabled"]
    assert second["uris"] == ["http://security.debian.org"]
    assert second["options"] == {"By-Hash": "force"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Types: deb\nURIs: http://x.test\n", "lacks Suites"),
        (" continuation", "continuation"),
        ("words without a colon", "a field is expected"),
    ],
)
def test_deb822_malformed(text: str, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        list(parse_deb822(text))


def test_deb822_of_nothing() -> None:
    assert list(parse_deb822("\n\n# only words\n\n")) == []


def test_files_in_order_and_errors(tmp_path: Path) -> None:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text("deb http://one.test suite main\n")
    (folder / "b.sources").write_text("Types: deb\nURIs: http://three.test\nSuites: s\nComponents: c\n")
    (folder / "a.list").write_text("deb http://two.test suite main\nnonsense\n")
    (folder / "c.list.save").write_text("deb http://ignored.test suite main\n")
    (folder / "d e.list").write_text("deb http://ignored.test suite main\n")
    seen = gather_apt(Tree(str(tmp_path)))
    assert [source["uris"][0] for source in seen["sources"]] == [
        "http://one.test",
        "http://two.test",
        "http://three.test",
    ]
    assert [source["file"] for source in seen["sources"]][2] == "/etc/apt/sources.list.d/b.sources"
    assert seen["error"].startswith("/etc/apt/sources.list.d/a.list: line 2")


def test_no_apt(tmp_path: Path) -> None:
    assert gather_apt(Tree(str(tmp_path))) == {"sources": [], "error": ""}
