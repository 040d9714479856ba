"""What the steps do about sources of packages: Debian's component, Docker's repository, AMD's archive."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._apt import gather_apt, parse_sources
from ansible_collections.navilab.webui.plugins.module_utils._apt_source import replace
from ansible_collections.navilab.webui.plugins.module_utils._machine import gather_files
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree
from ansible_collections.navilab.webui.plugins.plugin_utils._packages import SHA1_POLICY
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import amdgpu_dkms, docker_engine, firmware
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._amdgpu_archive import KEY, PIN, SOURCE
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._docker_packages import REPOSITORY
from ansible_collections.navilab.webui.plugins.plugin_utils._steps.firmware import OWNED
from ansible_collections.navilab.webui.plugins.plugin_utils._together import together

LIST = "/etc/apt/sources.list"
PARTS = "/etc/apt/sources.list.d"
HEADER = "# non-free-firmware for the GPU's firmware, from the same mirrors as main. Written by navilab.webui.firmware."
D = "http://deb.debian.org/debian"
NOTHING = {"removed": [], "held": [], "missing": [], "changed": [], "error": ""}


def sources(facts: Any, tmp_path: Path, **files: str) -> None:
    """The host's sources, by the name of the file."""
    for name, text in files.items():
        path = tmp_path / ("etc/apt/sources.list" if name == "main" else f"etc/apt/sources.list.d/{name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    facts["apt"] = gather_apt(Tree(str(tmp_path)))


ENGINE = {
    "due": ["firmware", "docker_engine"], "install": ["docker.io"], "repository": False, "start": True,
    "directories": [], "writes": [], "record": {},
}  # fmt: skip


def ids(plan: Any) -> list[str]:
    return [check["id"] for check in plan["problems"]]


# -- Debian's component -----------------------------------------------------------------------------------------------


def firmware_plan(facts: Any, **changes: Any) -> Any:
    return firmware.plan(facts, {"state": "present", "package": "firmware-amd-graphics", "finishes": False, **changes})


CLOUD = """\
Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian.list
Suites: trixie trixie-updates trixie-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: mirror+file:///etc/apt/mirrors/debian-security.list
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def test_debian_13s_cloud_image(facts: Any, tmp_path: Path) -> None:
    facts["release"]["debian_codename"] = "trixie"
    sources(facts, tmp_path, **{"debian.sources": CLOUD})
    plan = firmware_plan(facts)
    assert plan["source"]["content"].splitlines() == [
        HEADER, "Types: deb", "URIs: mirror+file:///etc/apt/mirrors/debian.list", "Suites: trixie trixie-updates",
        "Components: non-free-firmware", "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
    ]  # fmt: skip
    assert plan["problems"] == []
    assert plan["questions"]["apt"] == {"install": ["firmware-amd-graphics"], "sources": [plan["source"]]}


@pytest.mark.parametrize(
    ("files", "name", "lines"),
    [
        (
            {"main": f"deb [arch=amd64] {D} bookworm main\ndeb {D}/ bookworm-updates main\ndeb {D} bookworm main\n"},
            "navilab-firmware.list",
            [f"deb [arch=amd64] {D} bookworm non-free-firmware", f"deb {D}/ bookworm-updates non-free-firmware"],
        ),
        (  # one format for both: a line can't hold a key
            {"main": f"deb [arch=amd64] {D} bookworm-updates main\n", "d.sources": f"Types: deb\nURIs: {D} {D}2\n"
             "Suites: bookworm bookworm-backports\nComponents: main\nSigned-By:\n -----BEGIN\n .\n x\n"},
            "navilab-firmware.sources",
            ["Types: deb", f"URIs: {D}", "Suites: bookworm-updates", "Components: non-free-firmware",
             "Architectures: amd64", "", "Types: deb", f"URIs: {D}", "Suites: bookworm",
             "Components: non-free-firmware", "Signed-By: -----BEGIN", " .", " x"],
        ),
        (  # another address for each suite
            {"d.sources": f"Types: deb\nURIs: {D} http://ftp.debian.org/debian\nSuites: bookworm bookworm-updates\n"
             "Components: main\n"},
            "navilab-firmware.sources",
            ["Types: deb", f"URIs: {D} http://ftp.debian.org/debian", "Suites: bookworm bookworm-updates",
             "Components: non-free-firmware"],
        ),
        (
            {"main": "deb cdrom:[Debian 12 DVD]/ bookworm main\ndeb file:/srv/mirror/debian bookworm main\n"},
            "navilab-firmware.list",
            ["deb file:/srv/mirror/debian bookworm non-free-firmware"],
        ),
    ],
)  # fmt: skip
def test_what_is_written(facts: Any, tmp_path: Path, files: dict[str, str], name: str, lines: list[str]) -> None:
    sources(facts, tmp_path, **files)
    source = firmware_plan(facts)["source"]
    assert source["path"] == f"{PARTS}/{name}"
    assert [line.rstrip() for line in source["content"].splitlines()[1:]] == [line.rstrip() for line in lines]
    assert list(parse_sources(source["path"], source["content"]))


def test_a_mirror_with_a_login(facts: Any, tmp_path: Path, seen: Callable[..., Any]) -> None:
    sources(
        facts, tmp_path, main="deb https://me:s3cret@mirror.example/debian bookworm main\nnonsense https://a:b@c d\n"
    )
    assert "a:b" not in facts["apt"]["error"] and "//c d" in facts["apt"]["error"]
    plan = firmware_plan(facts)
    source = plan["source"]
    assert "mirror.example/debian bookworm non-free-firmware" in source["content"]
    assert plan["questions"]["apt"]["sources"] == [source]
    said = json.dumps(
        [facts, plan, together({"firmware": plan, "docker_engine": ENGINE}, [*ENGINE["due"]], {}, (), "")]
    )
    assert "s3cret" not in said and "non-free-firmware" in said, "results, events, -v and a fact cache have all of it"
    # The host has it in, and knows it again without it.
    (tmp_path / PARTS.strip("/")).mkdir(parents=True)
    replace(str(tmp_path / source["path"].strip("/")), source["content"], Tree(str(tmp_path)))
    written = (tmp_path / source["path"].strip("/")).read_text()
    assert "https://me:s3cret@mirror.example/debian bookworm non-free-firmware" in written
    (there,) = gather_files(Tree(str(tmp_path)), [source["path"]]).values()
    facts["files"][source["path"]] = {**seen("file", source["content"]), "sha256": there["sha256"]}
    assert firmware_plan(facts)["source"], "others can read it"
    facts["files"][source["path"]]["mode"] = there["mode"]
    assert firmware_plan(facts)["source"] is None


def test_files_that_another_package_brought(facts: Any) -> None:
    facts["firmware"]["missing"] = []
    facts["dpkg"]["packages"]["pve-firmware"] = {"installed": True, "version": "3", "held": False}
    plan = firmware_plan(facts)
    assert (plan["actions"], plan["source"], plan["record"], plan["questions"]) == ([], None, {}, {})
    facts["firmware"]["missing"] = ["navi14_mes.bin"]
    plan = firmware_plan(facts)
    assert ids(plan) == ["packages_kept"]
    assert "apt-get install pve-firmware: it lacks navi14_mes.bin" in plan["problems"][0]["remedy"]


def test_a_host_whose_board_is_not_seen_gets_the_package(facts: Any) -> None:
    facts["firmware"].update(needed=[], missing=[])
    assert firmware_plan(facts)["install"] == ["firmware-amd-graphics"]


def test_the_users_own_package_brings_no_source_of_ours(facts: Any) -> None:
    facts["dpkg"]["packages"]["firmware-amd-graphics"] = {"installed": True, "version": "1", "held": False}
    facts["firmware"]["missing"] = []
    assert firmware_plan(facts)["actions"] == []
    facts["records"]["firmware"] = {"packages": ["firmware-amd-graphics"]}
    assert firmware_plan(facts)["source"], "ours has to get its updates"
    facts["firmware"]["missing"] = ["x"]
    facts["records"] = {}
    plan = firmware_plan(facts)
    assert plan["reinstall"] and plan["source"] and plan["record"] == {}


@pytest.mark.parametrize("path", OWNED)
def test_a_source_of_ours_that_the_users_makes_needless(facts: Any, seen: Callable[..., Any], path: str) -> None:
    facts["apt"]["sources"][0]["components"].append("non-free-firmware")
    facts["files"][path] = seen("file", "x")
    plan = firmware_plan(facts)
    assert (plan["source"], plan["sources_absent"]) == (None, [path])
    assert {"path": path, "content": ""} in plan["questions"]["apt"]["sources"], "apt is asked without it"


def test_where_no_source_is_debians(facts: Any, tmp_path: Path) -> None:
    sources(facts, tmp_path, main="deb cdrom:[Debian 12 DVD]/ bookworm main\n")
    facts["apt"]["archives"] = [  # the disc is no trouble to apt, and is no archive
        {"uri": "cdrom:[Debian 12 DVD]/", "suite": "bookworm", "origin": "Debian", "label": "", "codename": "bookworm"}
    ]
    plan = firmware_plan(facts)
    assert (plan["source"], ids(plan)) == (None, ["packages_available"])
    assert "deb http://deb.debian.org/debian bookworm main non-free-firmware" in plan["problems"][0]["remedy"]
    facts["answers"]["apt"] = [{"question": plan["questions"]["apt"], "answer": NOTHING}]
    assert ids(firmware_plan(facts)) == [], "apt has found it all the same"


# -- Docker's repository ----------------------------------------------------------------------------------------------

DOCKER = "https://download.docker.com/linux/debian"
LINE = "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] {} bookworm {}\n"


def engine_plan(facts: Any, variables: dict[str, dict[str, Any]], **changes: Any) -> Any:
    variables["docker_engine"].update(provider="docker-ce", **changes)
    return docker_engine.plan(facts, docker_engine.settings(variables))


def test_docker_without_a_source_of_the_users(facts: Any, variables: Any) -> None:
    plan = engine_plan(facts, variables)
    assert plan["repository"] and plan["record"]["repository"]
    assert plan["source"].splitlines()[1] == (
        f"deb [arch=amd64 signed-by=/etc/apt/keyrings/navilab-docker.asc] {DOCKER} bookworm stable"
    )
    assert plan["questions"]["apt"]["sources"] == [{"path": REPOSITORY, "content": plan["source"]}]


@pytest.mark.parametrize(
    "text", [LINE.format(DOCKER, "stable"), LINE.format("http://download.docker.com/linux/debian/", "test stable")]
)
def test_dockers_source_that_is_there(facts: Any, tmp_path: Path, variables: Any, text: str) -> None:
    sources(facts, tmp_path, **{"docker.list": text, "main": f"deb {D} bookworm main\n"})
    plan = engine_plan(facts, variables)
    assert (plan["repository"], plan["record"]["repository"], plan["problems"]) == (False, False, [])
    assert plan["questions"]["apt"]["sources"] == []
    assert "docker-ce" in plan["install"]


def test_a_mirror_of_the_users_and_of_the_settings(facts: Any, tmp_path: Path, variables: Any) -> None:
    mirror = "https://mirror.example/docker"
    sources(facts, tmp_path, **{"docker.list": LINE.format(mirror, "stable")})
    assert engine_plan(facts, variables)["repository"], "nobody knows yet what that is"
    assert not engine_plan(facts, variables, ce_repository=mirror)["repository"]
    known = {"uri": f"{mirror}/", "suite": "bookworm", "origin": "Docker", "label": "", "codename": "bookworm"}
    facts["apt"]["archives"] = [known]
    assert not engine_plan(facts, variables, ce_repository=DOCKER)["repository"]


def test_dockers_source_without_its_component(facts: Any, tmp_path: Path, variables: Any) -> None:
    sources(facts, tmp_path, **{"docker.list": LINE.format(DOCKER, "test")})
    plan = engine_plan(facts, variables)
    assert (plan["repository"], ids(plan)) == (False, ["docker_repository"])
    assert "make it a source of deb, amd64 and stable" in plan["problems"][0]["remedy"]


@pytest.mark.parametrize(
    ("provider", "here", "way_out"),
    [
        ("debian", "containerd.io", "docker-ce"),
        ("debian", "docker-ce-cli", "docker-ce"),
        ("docker-ce", "runc", "debian"),
    ],
)
def test_the_way_out_of_a_conflict(facts: Any, variables: Any, provider: str, here: str, way_out: str) -> None:
    facts["dpkg"]["packages"][here] = {"installed": True, "version": "1", "held": False}
    variables["docker_engine"]["provider"] = provider
    plan = docker_engine.plan(facts, docker_engine.settings(variables))
    assert ids(plan) == ["packages_kept"]
    assert f"docker_engine_provider: {way_out}" in plan["problems"][0]["remedy"]


# -- AMD's archive ----------------------------------------------------------------------------------------------------


def driver_plan(facts: Any, variables: dict[str, dict[str, Any]], **changes: Any) -> Any:
    variables["amdgpu_dkms"].update({"__amdgpu_dkms_state": "present", "release": "6.2.4", **changes})
    return amdgpu_dkms.plan(facts, amdgpu_dkms.settings(variables))


AMD = "deb [arch=amd64 signed-by=/etc/apt/keyrings/rocm.gpg] https://repo.radeon.com/{} {} main\n"


def test_amds_archive_without_a_source_of_the_users(facts: Any, variables: Any) -> None:
    plan = driver_plan(facts, variables)
    assert plan["archive"] and "amdgpu/6.2.4/ubuntu jammy main" in plan["source"]
    assert "Package: *" in plan["pin"]
    assert [each["path"] for each in plan["questions"]["apt"]["sources"]] == [SOURCE, PIN]
    assert plan["questions"]["apt"]["install"] == ["dkms", f"linux-headers-{facts['kernel']['release']}",
                                                   "amdgpu-dkms", "amdgpu-dkms-firmware"]  # fmt: skip
    assert plan["problems"] == []


def test_amds_source_that_is_there(facts: Any, tmp_path: Path, variables: Any) -> None:
    sources(facts, tmp_path, **{"rocm.list": AMD.format("amdgpu/6.2.4/ubuntu", "jammy")})
    plan = driver_plan(facts, variables)
    assert (plan["archive"], plan["source"], plan["pin"], plan["problems"]) == (False, "", "", [])
    assert plan["questions"]["apt"]["sources"] == []
    assert plan["install"]


def test_a_source_of_ours_beside_one_that_came_later(
    facts: Any, tmp_path: Path, variables: Any, seen: Callable[..., Any]
) -> None:
    sources(facts, tmp_path, **{"rocm.list": AMD.format("amdgpu/6.2.4/ubuntu", "jammy")})
    facts["files"] |= {path: seen("file", "x") for path in (SOURCE, PIN, KEY, REPOSITORY)}
    plan = driver_plan(facts, variables)
    assert plan["files_absent"] == [SOURCE, PIN, KEY]
    assert [each["path"] for each in plan["questions"]["apt"]["sources"]] == [SOURCE, PIN]
    assert not engine_plan(facts, variables)["files_absent"], "nobody else serves it"
    sources(facts, tmp_path, **{"docker.list": LINE.format(DOCKER, "stable")})
    plan = engine_plan(facts, variables)
    assert plan["files_absent"] == [REPOSITORY] and any("another source serves" in line for line in plan["actions"])
    assert plan["questions"]["apt"]["sources"] == [{"path": REPOSITORY, "content": ""}]
    facts["docker"].update(installed=True, running=True)
    facts["dpkg"]["packages"]["python3-requests"] = {"installed": True, "version": "1", "held": False}
    assert engine_plan(facts, variables)["files_absent"] == [REPOSITORY]


def test_another_release_of_amds(facts: Any, tmp_path: Path, variables: Any) -> None:
    sources(facts, tmp_path, **{"rocm.list": AMD.format("amdgpu/6.1/ubuntu", "jammy")})
    plan = driver_plan(facts, variables)
    assert ids(plan) == ["amdgpu_archive"]
    assert "of release 6.1 (/etc/apt/sources.list.d/rocm.list)" in plan["problems"][0]["evidence"]
    assert driver_plan(facts, variables, version="1:6.8.5.60204-2070768.22.04")["problems"] == []


def test_rocm_of_the_users_is_not_pinned_away(facts: Any, tmp_path: Path, variables: Any) -> None:
    sources(facts, tmp_path, **{"rocm.list": AMD.format("rocm/apt/6.2.4", "jammy")})
    plan = driver_plan(facts, variables)
    assert plan["archive"] and "Package: *" not in plan["pin"] and "Package: amdgpu-dkms " in plan["pin"]


def test_a_signature_that_debian_13_refuses(facts: Any, tmp_path: Path, variables: Any) -> None:
    facts["release"]["debian_codename"] = "trixie"
    sources(facts, tmp_path, **{"rocm.list": AMD.format("amdgpu/6.2.4/ubuntu", "noble")})
    plan = driver_plan(facts, variables)
    assert (plan["archive"], ids(plan)) == (False, ["amdgpu_archive", "apt_usable"])
    assert "SHA-1" in plan["problems"][0]["evidence"]
    facts["apt"]["sources"] = []
    assert ids(driver_plan(facts, variables)) == ["amdgpu_archive"], "of the source that is to come, too"
    assert ids(driver_plan(facts, variables, repository="https://mirror.example/amdgpu")) == ["amdgpu_archive"]
    own = {"repository": "https://mirror.example/amdgpu", "key_fingerprint": "0" * 40}
    assert ids(driver_plan(facts, variables, **own)) == [], "a mirror that signs anew"
    variables["amdgpu_dkms"].update(key_fingerprint="CA8BB4727A47B4D09B4EE8969386B48A1A693C5C")
    assert ids(driver_plan(facts, variables, release="30.10")) == []
    facts["files"][SHA1_POLICY] = {"exists": True}
    assert ids(driver_plan(facts, variables)) == []


def test_a_driver_of_ours_may_change_though_it_is_held(facts: Any, variables: Any, seen: Callable[..., Any]) -> None:
    for name in amdgpu_dkms.DRIVER:
        facts["dpkg"]["packages"][name] = {"installed": True, "version": "1:1", "held": True}
    facts["records"]["amdgpu_dkms"] = {"packages": [*amdgpu_dkms.DRIVER], "release": "6.1"}
    assert ids(driver_plan(facts, variables)) == []
    facts["records"]["amdgpu_dkms"] = {"packages": [], "release": "6.1"}
    assert ids(driver_plan(facts, variables)) == ["packages_held"], "a hold of somebody's on what is somebody's"
    facts["files"] |= {KEY: seen("file", "k")}
