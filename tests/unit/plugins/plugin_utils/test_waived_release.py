"""That a waiver of `release` works in full: the Debian beneath counts wherever its codename does."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS

MINT = {
    "file": "/etc/apt/sources.list.d/official-package-repositories.list", "format": "one-line", "enabled": True,
    "types": ["deb"], "uris": ["http://packages.linuxmint.com"], "suites": ["faye"],
    "components": ["main", "upstream", "import", "backport"], "options": {},
}  # fmt: skip
DEBIAN = {
    **MINT, "uris": ["http://mirror.example/debian"], "suites": ["bookworm"],
    "components": ["main", "contrib", "non-free"],
}  # fmt: skip


@pytest.fixture
def lmde(facts: dict[str, Any]) -> dict[str, Any]:
    """LMDE 6, bare."""
    facts["release"] = {
        "id": "linuxmint", "version_id": "6", "codename": "faye", "pretty_name": "LMDE 6 (faye)",
        "debian_codename": "bookworm", "debian_version": "12", "neighbour": "lmde",
    }  # fmt: skip
    facts["apt"]["sources"] = [MINT, DEBIAN]
    return facts


def planned(step: str, facts: Any, variables: Any) -> Any:
    return STEPS[step].plan(facts, STEPS[step].settings(variables))


def test_it_is_offered_and_counts(lmde: dict[str, Any], variables: dict[str, dict[str, Any]]) -> None:
    (problem,) = planned("preflight", lmde, variables)["problems"]
    assert problem["id"] == "release" and "navilab_waive: {release: LMDE is Debian 12}" in problem["remedy"]
    variables["_common"]["waive"] = {"release": "LMDE is Debian 12"}
    assert planned("preflight", lmde, variables)["problems"] == []


def test_the_component_comes_from_debians_archive(lmde: dict[str, Any], variables: dict[str, dict[str, Any]]) -> None:
    plan = planned("firmware", lmde, variables)
    lines = [line for line in plan["source"]["content"].splitlines() if not line.startswith("#")]
    assert lines == ["deb http://mirror.example/debian bookworm non-free-firmware"]
    lmde["release"].update(codename="elsie", debian_codename="bullseye", debian_version="11")
    lmde["apt"]["sources"] = [MINT, {**DEBIAN, "suites": ["bullseye"], "components": ["main"]}]
    plan = planned("firmware", lmde, variables)
    assert plan["source"]["content"].splitlines()[-1] == "deb http://mirror.example/debian bullseye non-free"


@pytest.mark.parametrize(("codename", "split"), [("bullseye", False), ("bookworm", False), ("trixie", True)])
def test_the_engine_is_that_debians(
    lmde: dict[str, Any], variables: dict[str, dict[str, Any]], codename: str, split: bool
) -> None:
    lmde["release"]["debian_codename"] = codename
    assert ("docker-cli" in planned("docker_engine", lmde, variables)["install"]) is split
    variables["docker_engine"]["provider"] = "docker-ce"
    plan = planned("docker_engine", lmde, variables)
    assert plan["source"].splitlines()[-1].endswith(f"/linux/debian {codename} stable")


def test_a_host_of_no_debian_gets_no_repository(lmde: dict[str, Any], variables: dict[str, dict[str, Any]]) -> None:
    lmde["release"].update(debian_codename=None, debian_version=None, neighbour="ubuntu")
    variables["docker_engine"]["provider"] = "docker-ce"
    plan = planned("docker_engine", lmde, variables)
    assert not plan["repository"]
    assert [problem["id"] for problem in plan["problems"]] == ["docker_repository"]


def test_amds_archive_has_that_debians_suite(lmde: dict[str, Any], variables: dict[str, dict[str, Any]]) -> None:
    variables["amdgpu_dkms"].update(__amdgpu_dkms_state="present", release="6.1")
    assert " jammy main" in planned("amdgpu_dkms", lmde, variables)["source"]
