"""Whose archive a source is, over sources as installers, people and vendors write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._apt import LISTS, gather_apt, list_name
from ansible_collections.navilab.webui.plugins.module_utils._archives import (
    address,
    debian_places,
    has_component,
    has_packages,
    is_read,
    serving,
    to_extend,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree
from ansible_collections.navilab.webui.plugins.module_utils._types import Apt

LIST = "/etc/apt/sources.list"
PARTS = "/etc/apt/sources.list.d"
KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"
Said = tuple[str, str, str, str]  # address, suite, Origin, Codename


def gather(tmp_path: Path, files: dict[str, str], said: tuple[Said, ...] = ()) -> Apt:
    for path, text in files.items():
        where = tmp_path / path.lstrip("/")
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
    (tmp_path / LISTS.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for uri, suite, origin, codename in said:
        text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: {origin}\nLabel: {origin}\nSuite: stable\n"
        where = tmp_path / LISTS.lstrip("/") / f"{list_name(uri, suite)}InRelease"
        where.write_text(f"{text}Codename: {codename}\nMD5Sum:\n 0 0 x\nOrigin: not this\n" + "x" * 9000)
    return gather_apt(Tree(str(tmp_path)))


def found(apt: Apt, codename: str = "bookworm") -> list[str]:
    return [f"{place.uri} {place.suite}" for place in to_extend(apt, codename)]


def deb822(uris: str, suites: str, components: str = "main", **more: str) -> str:
    fields = {"Types": "deb", "URIs": uris, "Suites": suites, "Components": components, **more}
    return "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items()) + "\n"


D, S = "http://deb.debian.org/debian", "http://deb.debian.org/debian-security"
M = "http://mirror.example/debian"
CLOUD, CLOUD_S = "mirror+file:///etc/apt/mirrors/debian.list", "mirror+file:///etc/apt/mirrors/debian-security.list"
DISC = "cdrom:[Debian GNU/Linux 12.8.0 _Bookworm_ - Official amd64 DVD Binary-1 #1 20241109-11:05]/"
VENDOR = deb822("https://repo.vendor.example/debian", "bookworm", Signed_By="/var/lib/extrepo/keys/vendor.asc")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # one stanza for release, updates and backports, as in Debian 13's cloud image
        (
            {
                f"{PARTS}/debian.sources": deb822(CLOUD, "bookworm bookworm-updates bookworm-backports", Signed_By=KEY)
                + deb822(CLOUD_S, "bookworm-security", Signed_By=KEY)
            },
            [f"{CLOUD}/ bookworm", f"{CLOUD}/ bookworm-updates"],
        ),
        # the same without a key and with one line a suite
        ({LIST: f"deb {CLOUD} bookworm main\ndeb {CLOUD} bookworm-updates main\n"}, 2),
        # somebody else's archive with Debian's suite
        ({LIST: f"deb {M} bookworm main\n", f"{PARTS}/extrepo_vendor.sources": VENDOR}, [f"{M}/ bookworm"]),
        (
            {
                LIST: f"deb {M} bookworm main\ndeb {M} bookworm-updates main\ndeb {M}-security bookworm-security a\n",
                f"{PARTS}/vendor.list": "deb http://repo.vendor.example/debian bookworm main\n",
            },
            [f"{M}/ bookworm", f"{M}/ bookworm-updates"],
        ),
        # a vendor without a key, in a file of its own
        (
            {LIST: f"deb {D} bookworm main\n", f"{PARTS}/v.list": "deb http://vendor.example/debian bookworm main\n"},
            [f"{D}/ bookworm"],
        ),
        # a vendor alone, whatever else there is
        ({f"{PARTS}/v.sources": VENDOR}, []),
        ({f"{PARTS}/v.list": "deb http://vendor.example/apt bookworm main\n"}, []),
        ({f"{PARTS}/v.sources": VENDOR, LIST: f"deb {DISC} bookworm main\n"}, []),
        ({LIST: f"deb {S} bookworm-security main\n"}, []),
        ({LIST: f"deb {D} bookworm-updates main\n"}, []),
        ({LIST: f"deb {D} bookworm-backports main\ndeb {D} sid main\ndeb {D} trixie main\n"}, []),
        ({LIST: f"deb-src {D} bookworm main\n"}, []),
        ({LIST: f"deb {D} bookworm non-free-firmware\n"}, []),
        ({f"{PARTS}/debian.sources": deb822(D, "bookworm", Enabled="no")}, []),
        ({LIST: "deb https://download.docker.com/linux/debian bookworm stable\n"}, []),
        # a disc beside a mirror
        ({LIST: f"deb {DISC} bookworm contrib main\ndeb {M} bookworm main\n"}, [f"{M}/ bookworm"]),
        # both formats
        (
            {LIST: f"deb {D} bookworm-updates main\n", f"{PARTS}/debian.sources": deb822(D, "bookworm", Signed_By=KEY)},
            [f"{D}/ bookworm-updates", f"{D}/ bookworm"],
        ),
        # two mirrors in a stanza
        ({f"{PARTS}/d.sources": deb822(f"{D} http://ftp.de.debian.org/debian", "bookworm", Signed_By=KEY)}, 2),
        # old and unusual addresses
        *(
            ({LIST: f"deb {uri} bookworm main\n"}, 1)
            for uri in (
                "http://ftp.debian.org/debian",
                "http://ftp2.de.debian.org/debian/",
                "https://deb.debian.org/debian",
                "http://archive.debian.org/debian",
                "http://cdn-aws.deb.debian.org/debian",
                "http://snapshot.debian.org/archive/debian/20250520T000000Z",
                "tor+https://deb.debian.org/debian",
                "tor+http://2s4yqjx5ul6okpp3f2gaunr2syex5jgbfpfvhxxbbjwnrsvbk5v3qbid.onion/debian",
                "http://localhost:3142/deb.debian.org/debian",
                "http://HTTPS///deb.debian.org/debian",
                "http://[fd00::1]:3142/ftp.de.debian.org/debian",
                "file:/srv/mirror/debian",
                "http://me:secret@mirror.example/debian",
                "https://mirrors.kernel.org/debian",
                "copy:/media/usb/debian",
                "http://mirror.example/apt",  # in the main file
            )
        ),
        # stable, as it was when the lists were read
        ({LIST: f"deb {D} stable main\ndeb {D} stable-updates main\n"}, 2),
        # a mirror with a key of its own, which has Debian's suites
        (
            {
                LIST: f"deb [signed-by=/usr/share/keyrings/m.gpg] {M} bookworm main\n"
                f"deb [signed-by=/usr/share/keyrings/m.gpg] {M} bookworm-backports main\n"
            },
            [f"{M}/ bookworm"],
        ),
        # LMDE and MX
        (
            {
                f"{PARTS}/official-package-repositories.list": "deb http://packages.linuxmint.com faye main upstream\n"
                f"deb {M} bookworm main contrib non-free\n"
            },
            [f"{M}/ bookworm"],
        ),
        (
            {
                f"{PARTS}/debian.list": f"deb {D} bookworm main\n",
                f"{PARTS}/mx.list": "deb http://mxrepo.com/mx/repo/ bookworm main non-free\n",
            },
            [f"{D}/ bookworm"],
        ),
        # Proxmox
        (
            {
                LIST: "deb http://ftp.de.debian.org/debian bookworm main contrib\n",
                f"{PARTS}/pve.list": "deb http://download.proxmox.com/debian/pve bookworm pve-no-subscription\n",
                f"{PARTS}/ceph.list": "deb http://download.proxmox.com/debian/ceph-quincy bookworm main\n",
            },
            ["http://ftp.de.debian.org/debian/ bookworm"],
        ),
    ],
)
def test_debians_archive_by_what_files_say(tmp_path: Path, files: dict[str, str], expected: list[str] | int) -> None:
    places = found(gather(tmp_path, files))
    assert places == expected if isinstance(expected, list) else len(places) == expected


OWN = "https://pkg.internal.example/apt"


@pytest.mark.parametrize(
    ("files", "said", "expected"),
    [
        # apt knows it whatever its address, key and suite are
        (
            {LIST: f"deb [signed-by=/etc/x.gpg] {OWN} bookworm main\n"},
            ((OWN, "bookworm", "Debian", "bookworm"),),
            [f"{OWN}/ bookworm"],
        ),
        ({LIST: f"deb {OWN} stable main\n"}, ((OWN, "stable", "Debian", "bookworm"),), [f"{OWN}/ stable"]),
        ({LIST: f"deb {OWN} stable main\n"}, ((OWN, "stable", "Debian", "trixie"),), []),
        # it is somebody else's, though all else looks like Debian's
        ({LIST: f"deb {M} bookworm main\n"}, ((M, "bookworm", "Vendor", "bookworm"),), []),
        (
            {LIST: f"deb {M} bookworm main\ndeb http://other.example/debian bookworm main\n"},
            ((M, "bookworm", "Raspbian", "bookworm"),),
            ["http://other.example/debian/ bookworm"],
        ),
        # backports and security have other words in it
        ({LIST: f"deb {OWN} b main\n"}, ((OWN, "b", "Debian Backports", "bookworm-backports"),), []),
        ({LIST: f"deb {OWN} s main\n"}, ((OWN, "s", "Debian", "bookworm-security"),), []),
        # what is known wins over what looks alike
        (
            {LIST: f"deb {OWN} bookworm main\ndeb {M} bookworm main\n"},
            ((OWN, "bookworm", "Debian", "bookworm"),),
            [f"{OWN}/ bookworm"],
        ),
    ],
)
def test_debians_archive_by_what_apt_knows(
    tmp_path: Path, files: dict[str, str], said: tuple[Said, ...], expected: list[str]
) -> None:
    assert found(gather(tmp_path, files, said)) == expected


@pytest.mark.parametrize(
    ("text", "has"),
    [
        (f"deb {D} bookworm main non-free-firmware\n", True),
        (f"deb {D} bookworm main\ndeb {D} bookworm non-free-firmware\n", True),
        (f"deb {D} bookworm main\ndeb {S} bookworm-security main non-free-firmware\n", False),
        (f"deb {D} bookworm main\ndeb {DISC} bookworm main non-free-firmware\n", False),
        (f"deb {D} bookworm main\ndeb {D} bookworm-updates main non-free-firmware\n", False),
        (f"deb {D} bookworm main\ndeb {D} bookworm-backports main non-free-firmware\n", False),
        (f"deb {D} bookworm main\ndeb {D} sid main non-free-firmware\n", False),
        (f"deb {D} bookworm main\ndeb-src {D} bookworm non-free-firmware\n", False),
        (f"deb {D} bookworm main\ndeb [signed-by=/x] http://v.example/debian bookworm non-free-firmware\n", False),
        (f"#deb {D} bookworm main non-free-firmware\n", False),
    ],
)
def test_whether_a_component_is_there(tmp_path: Path, text: str, has: bool) -> None:
    assert has_component(gather(tmp_path, {LIST: text}), "bookworm", "non-free-firmware") is has


def test_no_release_has_no_archive(tmp_path: Path) -> None:
    apt = gather(tmp_path, {LIST: f"deb {D} bookworm main\n"})
    assert debian_places(apt, None) == []
    assert found(apt, "trixie") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://download.docker.com/linux/debian", "http://Download.Docker.com/linux/debian/"),
        ("https://me:secret@x.example:443/a", "tor+http://x.example/a"),
        ("mirror+file:///etc/m", "mirror+file:/etc/m"),
        ("http://x.example/a//b", "http://x.example/a/b/"),
    ],
)
def test_addresses_that_are_one(one: str, other: str) -> None:
    assert address(one) == address(other)


DOCKER = "https://download.docker.com/linux/debian"
OURS = f"{PARTS}/navilab-docker.list"


@pytest.mark.parametrize(
    ("files", "said", "serves"),
    [
        ({f"{PARTS}/docker.list": f"deb [arch=amd64 signed-by=/k.asc] {DOCKER} bookworm stable\n"}, (), True),
        ({f"{PARTS}/docker.sources": deb822(DOCKER + "/", "bookworm", "stable test")}, (), True),
        ({f"{PARTS}/docker.list": "deb http://download.docker.com/linux/debian bookworm stable\n"}, (), True),
        ({f"{PARTS}/docker.list": f"deb [arch=arm64] {DOCKER} bookworm stable\n"}, (), False),
        ({f"{PARTS}/docker.list": f"deb {DOCKER} bullseye stable\n"}, (), False),
        ({f"{PARTS}/docker.list": "deb https://download.docker.com/linux/ubuntu bookworm stable\n"}, (), False),
        ({f"{PARTS}/docker.list": f"deb-src {DOCKER} bookworm stable\n"}, (), False),
        ({f"{PARTS}/docker.sources": deb822(DOCKER, "bookworm", "stable", Enabled="false")}, (), False),
        ({OURS: f"deb {DOCKER} bookworm stable\n"}, (), False),
        ({LIST: "deb http://cache.example/d bookworm stable\n"}, (), False),
        (
            {LIST: "deb http://cache.example/d bookworm stable\n"},
            (("http://cache.example/d", "bookworm", "Docker", "bookworm"),),
            True,
        ),
    ],
)
def test_who_serves_an_archive(tmp_path: Path, files: dict[str, str], said: tuple[Said, ...], serves: bool) -> None:
    apt = gather(tmp_path, files, said)
    places = serving(apt, [DOCKER], "bookworm", OURS, "Docker")
    assert any(has_packages(place.source, "stable") for place in places) is serves
    assert all(is_read(apt, place) is bool(said) for place in places)


@pytest.mark.parametrize("line", ["deb [arch=arm64]", "deb [arch-=amd64]", "deb-src"])
def test_a_source_without_packages_for_a_pc_is_one_too(tmp_path: Path, line: str) -> None:
    apt = gather(tmp_path, {f"{PARTS}/docker.list": f"{line} {DOCKER} bookworm stable\n"})
    (place,) = serving(apt, [DOCKER], "bookworm", OURS, "Docker")
    assert not has_packages(place.source, "stable")
