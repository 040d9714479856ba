"""What stops a transaction of packages before anything changes: apt's answer, and the tables where there is none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import UNKNOWN
from ansible_collections.navilab.webui.plugins.plugin_utils._packages import (
    SHA1_POLICY,
    Transaction,
    ask,
    concerned,
    finishes,
    notes,
    problems,
    refused_signature,
    unfinished,
)
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS

NOTHING = {"removed": [], "held": [], "missing": [], "changed": [], "error": ""}
CAUSE = {"id": "kernel_interface", "meaning": "the kernel's interface is another one", "remedy": "x"}


def here(facts: Any, *names: str, held: str = "") -> None:
    for name in names:
        facts["dpkg"]["packages"][name] = {"installed": True, "version": "1", "held": name == held}


def answered(facts: Any, transaction: Transaction, **answer: Any) -> list[Any]:
    facts["answers"]["apt"] = [{"question": ask(transaction), "answer": {**NOTHING, **answer}}]
    return list(problems(facts, transaction))


def said(found: list[Any]) -> dict[str, str]:
    return {check["id"]: f"{check['evidence']}. Remedy: {check['remedy']}" for check in found}


DOCKER = Transaction(["docker.io", "iptables"])


def test_nothing_to_install_asks_and_says_nothing(facts: Any) -> None:
    facts["dpkg"]["broken"] = ["x"]
    facts["apt"]["error"] = "bad"
    assert problems(facts, Transaction([])) == []


def test_a_transaction_that_may_go_on(facts: Any) -> None:
    assert problems(facts, DOCKER) == [] == answered(facts, DOCKER)
    assert answered(facts, DOCKER, changed=["libseccomp2"]) == []
    assert notes(facts, DOCKER) == ["apt changes the version of libseccomp2 along with docker.io, iptables"]


@pytest.mark.parametrize(
    ("install", "installed", "evidence"),
    [
        (["docker.io"], ["containerd.io", "kubelet"], "remove containerd.io .on which Kubernetes runs: kubelet."),
        (["docker.io"], ["containerd.io"], "remove containerd.io;"),
        (["docker.io"], ["docker-ce-cli"], "remove docker-ce-cli"),
        (["docker.io"], ["podman-docker"], "remove podman-docker"),
        (["docker.io"], ["moby-engine", "moby-containerd"], "remove moby-engine, moby-containerd"),
        (["docker-cli"], ["podman-docker"], "remove podman-docker"),
        (["docker-ce", "docker-ce-cli", "containerd.io"], ["docker.io", "containerd"], "remove docker.io, containerd"),
        (
            ["containerd.io"],
            ["containerd", "runc", "kubeadm"],
            r"containerd \(on which Kubernetes runs: kubeadm\), runc",
        ),
        (["docker-ce-cli"], ["podman-docker"], "overwrite files of podman-docker"),
        (
            ["firmware-amd-graphics"],
            ["pve-firmware", "proxmox-ve"],
            "pve-firmware .on which Proxmox VE runs: proxmox-ve",
        ),
        (["firmware-amd-graphics=1"], ["linux-firmware"], "overwrite files of linux-firmware"),
    ],
)
def test_what_the_table_knows(facts: Any, install: list[str], installed: list[str], evidence: str) -> None:
    here(facts, *installed)
    transaction = Transaction(install)
    (found,) = problems(facts, transaction)
    assert found["id"] == "packages_kept"
    assert re.search(evidence, found["evidence"])
    assert set(installed) <= set(concerned(install)), "host_info is not asked for them"
    # apt knows better what it would remove, and not which files are in two packages
    assert bool(answered(facts, transaction)) is ("overwrite" in found["evidence"])
    assert said(answered(facts, transaction, removed=installed[:1]))["packages_kept"]


def test_what_apt_would_remove(facts: Any) -> None:
    found = answered(facts, Transaction(["docker.io"], instead="leave it"), removed=["proxmox-ve", "zfs"])
    text = said(found)["packages_kept"]
    assert (
        "would remove proxmox-ve, zfs" in text and "Remedy: leave it; or, if nobody needs them, apt-get remove" in text
    )


def test_a_change_of_what_others_run_on(facts: Any) -> None:
    here(facts, "kubelet")
    text = said(answered(facts, DOCKER, changed=["containerd.io", "libc6"]))["packages_kept"]
    assert "would change containerd.io (on which Kubernetes runs: kubelet)" in text and "libc6" not in text
    assert "apt-get install containerd.io yourself" in text


def test_nobody_is_told_to_remove_what_something_runs_on(facts: Any) -> None:
    here(facts, "containerd.io", "kubelet")
    text = said(problems(facts, DOCKER))["packages_kept"]
    assert text.endswith("Remedy: take another host: this one is there for Kubernetes")
    text = said(problems(facts, Transaction(["docker.io"], instead="do that")))["packages_kept"]
    assert text.endswith("Remedy: do that")


def test_changes_of_the_rest_are_worth_a_note(facts: Any) -> None:
    answered(facts, DOCKER, changed=["containerd.io", "libc6"])
    assert notes(facts, DOCKER) == ["apt changes the version of libc6 along with docker.io, iptables"]


def test_holds(facts: Any) -> None:
    facts["dpkg"]["packages"]["docker.io"] = {"installed": False, "version": None, "held": True}
    text = said(problems(facts, DOCKER))["packages_held"]
    assert "docker.io" in text and "apt-mark unhold docker.io" in text
    assert said(answered(facts, DOCKER)) == {"packages_held": text}, "dpkg's database is enough"
    assert "libfoo" in said(answered(facts, DOCKER, held=["libfoo"]))["packages_held"]
    ours = Transaction(["amdgpu-dkms"], own=["amdgpu-dkms"])
    assert answered(facts, ours, held=["amdgpu-dkms"], changed=[]) == []


def test_a_hold_that_apts_solver_stumbles_over(facts: Any) -> None:
    error = "Unable to correct problems, you have held broken packages."
    assert set(said(answered(facts, DOCKER, held=["runc"], error=error))) == {"packages_held"}
    assert set(said(answered(facts, DOCKER, error=error))) == {"apt_usable"}
    here(facts, "containerd.io")
    assert set(said(answered(facts, DOCKER, error=error))) == {"packages_kept"}, "the table has it"


def test_what_no_source_has(facts: Any) -> None:
    text = said(answered(facts, DOCKER, missing=["iptables"]))["packages_available"]
    assert "no source of this host has iptables" in text and "apt-cache policy iptables" in text


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        ("Malformed entry 1 in list file /etc/apt/sources.list.d/a.list (Component)", "mend or comment out"),
        ("Conflicting values set for option Signed-By regarding source x", "the same Signed-By"),
        ("can't be reached: http://mirror.example", "see that the host reaches it"),
        ("The repository 'http://me:pw@x Release' does not have a Release file.", "mend or comment out"),
    ],
)
def test_apts_own_refusal(facts: Any, error: str, remedy: str) -> None:
    found = said(answered(facts, DOCKER, error=error))
    assert set(found) == {"apt_usable"} and remedy in found["apt_usable"] and "me:pw" not in found["apt_usable"]


def test_apt_says_what_files_only_suggest(facts: Any) -> None:
    facts["apt"]["error"] = "/etc/apt/sources.list: line 1 is malformed"
    assert "line 1" in said(problems(facts, DOCKER))["apt_usable"]
    assert answered(facts, DOCKER) == []
    assert "line 1" in said(answered(facts, DOCKER, error=UNKNOWN))["apt_usable"], "it could not be asked"


DISC = "cdrom:[Debian GNU/Linux 12.8.0]/"


def source(uri: str, suite: str, file: str = "/etc/apt/sources.list", **options: str) -> dict[str, Any]:
    return {
        "file": file, "format": "one-line", "enabled": True, "types": ["deb"], "uris": [uri], "suites": [suite],
        "components": ["main"], "options": options,
    }  # fmt: skip


def test_discs(facts: Any) -> None:
    facts["apt"]["sources"].append(source(DISC, "bookworm"))
    text = said(problems(facts, DOCKER))["apt_usable"]
    assert "comment the line of the disc out in /etc/apt/sources.list" in text
    error = "The repository 'cdrom://[Debian GNU/Linux 12.8.0] bookworm Release' does not have a Release file."
    assert "comment the line of the disc out" in said(answered(facts, DOCKER, error=error))["apt_usable"]
    facts["answers"]["apt"] = []
    known = {"uri": DISC, "suite": "bookworm", "origin": "Debian", "label": "", "codename": "bookworm"}
    facts["apt"]["archives"] = [known]
    assert problems(facts, DOCKER) == [], "apt-cdrom has read it"
    facts["apt"].update(archives=[])
    facts["apt"]["sources"][-1]["enabled"] = False
    assert problems(facts, DOCKER) == []


def test_two_keys(facts: Any) -> None:
    both = [source("https://x.example/d", "s", f"/etc/apt/{name}.list", **{"Signed-By": name}) for name in "ab"]
    facts["apt"]["sources"] += both
    assert "Conflicting values" in said(problems(facts, DOCKER))["apt_usable"]


@pytest.mark.parametrize(
    ("uri", "codename", "refused"),
    [
        ("https://repo.radeon.com/amdgpu/6.2.4/ubuntu", "trixie", True),
        ("https://repo.radeon.com/amdgpu/5.3.3/ubuntu", "trixie", True),
        ("http://repo.radeon.com/rocm/apt/6.4.3", "trixie", True),
        ("https://repo.radeon.com/rocm/apt/6", "forky", True),
        ("https://repo.radeon.com/amdgpu/6.2.4/ubuntu", "bookworm", False),
        ("https://repo.radeon.com/amdgpu/30.10/ubuntu", "trixie", False),
        ("https://repo.radeon.com/amdgpu/latest/ubuntu", "trixie", False),
        ("https://repo.radeon.com/rocm/apt/7.1", "trixie", False),
        ("https://mirror.example/amdgpu/6.2.4/ubuntu", "trixie", False),
    ],
)
def test_signatures_that_an_apt_refuses(facts: Any, uri: str, codename: str, refused: bool) -> None:
    facts["release"]["debian_codename"] = codename
    assert bool(refused_signature(facts, uri)) is refused
    facts["apt"]["sources"].append(source(uri, "noble", "/etc/apt/sources.list.d/rocm.list"))
    assert ("apt_usable" in said(problems(facts, DOCKER))) is refused
    known = {"uri": f"{uri}/", "suite": "noble", "origin": "repo.radeon.com", "label": "", "codename": "noble"}
    facts["apt"]["archives"] = [known]
    assert problems(facts, DOCKER) == [], "apt goes on with the lists that it has"
    facts["apt"]["archives"] = []
    facts["files"][SHA1_POLICY] = {"exists": True}
    assert problems(facts, DOCKER) == []


# -- half-configured packages -----------------------------------------------------------------------------------------


BROKEN = ["amdgpu-dkms", "linux-headers-6.1.0-29-amd64", "linux-image-6.1.0-29-amd64"]


def failed(facts: Any, name: str = "amdgpu") -> None:
    failure = {
        "version": "6.3.6",
        "kernel": "6.1.0-29-amd64",
        "log": "/l",
        "causes": [CAUSE],
        "lines": ["x.c:1: error"],
    }
    facts["dkms"]["modules"] = [{"name": name, "versions": ["6.3.6"], "builds": [], "failures": [failure]}]


def test_a_driver_that_did_not_build(facts: Any) -> None:
    facts["dpkg"].update(broken=BROKEN, interrupted=True)
    failed(facts)
    check = unfinished(facts)
    assert check
    assert all(name in check["evidence"] for name in BROKEN)
    assert "amdgpu 6.3.6 did not build for 6.1.0-29-amd64: the kernel's interface is another one" in check["evidence"]
    assert "apt-get purge amdgpu-dkms" in check["remedy"] and "amdgpu_dkms_state: present" in check["remedy"]
    assert problems(facts, DOCKER) == [check], "the cause alone"
    assert unfinished(facts, finishes=True) is None


@pytest.mark.parametrize(
    ("broken", "module", "remedy"),
    [
        (["mysql-server"], "", "run dpkg --configure -a"),
        (
            ["nvidia-dkms", "linux-image-6.1.0-29-amd64"],
            "nvidia",
            "apt-get purge nvidia-dkms, then dpkg --configure -a",
        ),
        (["linux-image-6.1.0-29-amd64"], "", "run dpkg --configure -a"),
    ],
)
def test_other_packages(facts: Any, broken: list[str], module: str, remedy: str) -> None:
    facts["dpkg"].update(broken=broken, interrupted=True)
    if module:
        failed(facts, module)
    check = unfinished(facts)
    assert check and remedy in check["remedy"]
    assert module in check["evidence"]


def test_finishing_the_driver_mends_no_other_package(facts: Any) -> None:
    facts["dpkg"].update(broken=[*BROKEN, "mysql-server"], interrupted=True)
    check = unfinished(facts, finishes=True)
    assert check and check["evidence"] == "dpkg has not finished mysql-server"


@pytest.mark.parametrize(
    ("records", "packages", "broken", "ours"),
    [
        # cut off while docker.io's dependencies were unpacked, and while it was configured
        ({"docker_engine": {"packages": ["docker.io"]}}, {"docker.io": False}, ["libnetfilter-conntrack3"], True),
        ({"docker_engine": {"packages": ["docker.io"]}}, {}, ["docker.io"], True),
        ({"amdgpu_dkms": {"packages": ["amdgpu-dkms", "dkms"]}}, {}, ["amdgpu-dkms", "dkms"], True),
        # somebody else's
        ({"docker_engine": {"packages": ["docker.io"]}}, {"docker.io": True}, ["mysql-server"], False),
        ({"docker_engine": {"packages": ["docker.io"]}}, {"docker.io": False}, ["amdgpu-dkms"], False),
        # taken away by hand, or recorded by an older release, on which no such package is: the rest came in
        (
            {"docker_engine": {"packages": ["docker-cli", "docker.io"]}},
            {"docker-cli": False, "docker.io": True},
            ["mysql-server"],
            False,
        ),
        (
            {"firmware": {"packages": ["firmware-amd-graphics"]}},
            {"firmware-amd-graphics": False},
            ["mysql-server"],
            False,
        ),
        ({"webui": {"containers": []}}, {}, ["mysql-server"], False),
        ({"docker_engine": {"packages": None}, "x": {}}, {}, ["mysql-server"], False),
    ],
)
def test_an_interrupted_run_of_ours_is_no_problem(
    facts: Any, records: Any, packages: dict[str, bool], broken: list[str], ours: bool
) -> None:
    facts["records"] = records
    facts["dpkg"].update(broken=broken, interrupted=True)
    facts["dpkg"]["packages"] = {
        name: {"installed": there, "version": None, "held": False} for name, there in packages.items()
    }
    assert (unfinished(facts) is None) is ours


def test_who_finishes() -> None:
    assert finishes({"amdgpu_dkms": {"__amdgpu_dkms_state": "present"}})
    assert not finishes({"amdgpu_dkms": {"__amdgpu_dkms_state": "absent"}})
    assert not finishes({})


# -- preflight --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "missing", "stops"), [(False, [], True), (True, ["navi14_mec.bin"], True), (True, [], False)]
)
def test_preflight(facts: Any, variables: Any, engine: bool, missing: list[str], stops: bool) -> None:
    facts["dpkg"].update(broken=["mysql-server"], interrupted=True)
    facts["docker"].update(installed=engine, running=engine)
    here(facts, "firmware-amd-graphics", "python3-requests")
    facts["firmware"]["missing"] = missing
    plan = STEPS["preflight"].plan(facts, STEPS["preflight"].settings(variables))
    assert ("packages_configured" in said(plan["problems"])) is stops
    assert any(line.startswith("packages_configured: ") for line in plan["warnings"]) is not stops
