"""Sources in both formats, as Debian's installers and people write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._apt import (
    OURS,
    SourceError,
    conflicts,
    gather_apt,
    list_name,
    parse_deb822,
    parse_one_line,
    parse_sources,
    with_secrets,
    without_secrets,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree
from ansible_collections.navilab.webui.plugins.module_utils._types import AptSource

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
    "line",
    [
        "deb http://x.test", "dep http://x.test a b", "deb", "deb [a=b", "deb http://x.test suite",
        "deb [arch=$(dpkg --print-architecture)] http://x.test a b", "deb [ arch = amd64 ] http://x.test a b",
        "deb [arch=amd64 http://x.test a b", "deb [trusted] http://x.test a b",
    ],
)  # fmt: skip
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
        ("Types: deb\nURIs: http://x.test\nSuites: y\n", "lacks Components"),
        ("Types: deb\nURIs: http://x.test\nSuites: ./\nComponents: main\n", "names components"),
    ],
)
def test_deb822_malformed(text: str, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        list(parse_deb822(text))


def test_a_disabled_stanza_may_be_incomplete() -> None:
    (found,) = parse_deb822("Enabled: no\nTypes: deb\nURIs:\nSuites: x\n")
    assert not found["enabled"]
    with pytest.raises(SourceError, match="lacks Types"):
        list(parse_deb822("Enabled: no\nURIs: http://x.test\n"))


def test_options_of_a_line() -> None:
    (found,) = parse_one_line('deb [arch-=i386 signed-by="/a b.gpg" by-hash=force] http://x.test a b')
    assert found["options"] == {"Architectures-Remove": "i386", "Signed-By": "/a b.gpg", "By-Hash": "force"}


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
    seen = gather_apt(Tree(str(tmp_path)))
    assert (seen["sources"], seen["archives"], seen["error"]) == ([], [], "")


@pytest.mark.parametrize(
    ("uri", "suite", "name"),  # as apt-get update --print-uris says them
    [
        ("http://deb.debian.org/debian", "bookworm", "deb.debian.org_debian_dists_bookworm_"),
        ("http://deb.debian.org/debian/", "buster/updates", "deb.debian.org_debian_dists_buster_updates_"),
        ("mirror+file:///etc/apt/mirrors/debian.list", "trixie", "_etc_apt_mirrors_debian.list_dists_trixie_"),
        ("mirror+file:/etc/apt/mirrors/debian.list", "trixie", "_etc_apt_mirrors_debian.list_dists_trixie_"),
        ("file:/srv/m", "bookworm", "_srv_m_dists_bookworm_"),
        ("http://flat/", "./", "flat_._"),
        ("http://flat/x", "/", "flat_x_"),
        ("tor+https://u:p@x.org:80/a~b_c/", "sid", "x.org:80_a%7eb%5fc_dists_sid_"),
        ("http://[::1]:3142/debian", "sid", "::1:3142_debian_dists_sid_"),
        ("http://x/\u00e9%20", "s", "x_%c3%a9%2520_dists_s_"),
        (
            "cdrom:[Debian GNU/Linux 12.8.0 _Bookworm_ - Official amd64 DVD Binary-1 20241109-11:05]/",
            "bookworm",
            "Debian%20GNU_Linux%2012.8.0%20%5fBookworm%5f%20-%20Official%20amd64%20DVD%20Binary-1%2020241109-11:05_dists_"
            "bookworm_",
        ),
    ],
)
def test_names_in_the_lists(uri: str, suite: str, name: str) -> None:
    assert list_name(uri, suite) == name


def test_archives_as_the_lists_say(tmp_path: Path) -> None:
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(
        "deb http://a/d s main\ndeb http://a/d t main\ndeb-src http://a/d u x\n"
    )
    (lists / "a_d_dists_s_InRelease").write_text("Origin: A b\nLabel:\nCodename: c\nSHA256:\n 0 0 x\nLabel: not this\n")
    (lists / "a_d_dists_u_Release").write_text("Origin: A\n")
    seen: list[bytes] = []

    class Kept(Tree):
        def read_head(self, path: str, size: int, keep: Callable[[bytes], bytes] | None = None) -> bytes | None:
            data = super().read_head(path, size, keep)
            seen.extend([keep(data)] if keep and data else [])
            return data

    archives = gather_apt(Kept(str(tmp_path)))["archives"]
    assert archives == [{"uri": "http://a/d/", "suite": "s", "origin": "A b", "label": "", "codename": "c"}]
    assert seen == [b"Origin: A b\nLabel:\nCodename: c\n"], "a recording needs no checksums"


def test_a_number_sign_in_a_discs_name_begins_no_comment() -> None:
    (source,) = parse_one_line("deb cdrom:[Debian 12 #1 x]/ bookworm main # why\n")
    assert (source["uris"], source["components"]) == (["cdrom:[Debian 12 #1 x]/"], ["main"])


SIGNED = "deb [signed-by={}] https://x.example/d s main\n"


@pytest.mark.parametrize(
    ("texts", "before", "since"),  # of APT 3
    [
        ((SIGNED.format("/a"), SIGNED.format("/b")), True, True),
        ((SIGNED.format("/a"), "deb https://x.example/d/ s other\n"), True, False),
        (("deb https://x.example/d s other\n", SIGNED.format("/a")), False, False),
        ((SIGNED.format("/a"), SIGNED.format("/a")), False, False),
        ((SIGNED.format("/a"), SIGNED.format("/b").replace(" s ", " t ")), False, False),
        ((SIGNED.format("/a"), SIGNED.format("/b").replace("https", "http")), False, False),
        ((SIGNED.format("/a"), "deb-src [signed-by=/b] https://x.example/d s main\n"), True, True),
    ],
)
def test_two_keys_for_an_archive(texts: tuple[str, str], before: bool, since: bool) -> None:
    sources = [source for name, text in zip("ab", texts) for source in parse_sources(f"/etc/{name}.list", text)]
    assert [bool(conflicts(sources, strict)) for strict in (True, False)] == [before, since]
    ours: list[AptSource] = [{**source, "file": source["file"].replace("/etc/a", f"{OURS}a")} for source in sources]
    assert conflicts(ours, True) == [], "ours is written anew with the user's key"


def test_logins_stay_on_the_host(tmp_path: Path) -> None:
    line = "deb https://me:p@ss@mirror.test/debian bookworm main\n"
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text(line)
    tree = Tree(str(tmp_path))
    (source,) = gather_apt(tree)["sources"]
    public = without_secrets(line)
    assert source["uris"] == [public.split()[1]] and "p@ss" not in public
    assert without_secrets(public) == public and with_secrets(public, tree) == line
    assert with_secrets("deb http://x:y@other.test/ ./", tree) == "deb http://x:y@other.test/ ./"
    with pytest.raises(KeyError):
        with_secrets("deb http://sha256:00000000@mirror.test/ ./", tree)
