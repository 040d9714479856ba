"""What the amdgpu_dkms role decides: archive, packages, the short tree, the way back, and what a failed build tells."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.filter.amdgpu_dkms_plan import (
    DRIVER,
    KEY,
    PIN,
    SOURCE,
    amdgpu_dkms_plan,
    known_bad,
    tree_wanted,
)
from ansible_collections.navilab.webui.plugins.filter.dkms_failure import dkms_failure

ROLES = Path(__file__).parents[4] / "roles"
OLD, NEW = "5.10.0-46-amd64", "6.1.0-56-amd64"
VERSION = "5.18.2.22.40-1504718.20.04"
FAILURE = {
    "version": VERSION,
    "kernel": OLD,
    "log": "/var/lib/dkms/amdgpu/x/build/make.log",
    "causes": [{"id": "argument_list", "meaning": "the list is too long", "remedy": "linux-headers-KERNEL"}],
    "lines": ["/bin/sh: Argument list too long", "Error 127"],
}


@pytest.fixture
def wanted() -> dict[str, Any]:
    defaults = yaml.safe_load((ROLES / "amdgpu_dkms/defaults/main.yml").read_text())
    return {key.removeprefix("amdgpu_dkms_"): value for key, value in defaults.items()} | {"state": "present"}


@pytest.fixture
def bullseye(host: dict[str, Any]) -> dict[str, Any]:
    """A bare Debian 11 with one kernel."""
    host["release"]["codename"] = "bullseye"
    host["kernel"].update(release=OLD, version=[5, 10], installed=[OLD], headers=[], secure_boot=None)
    host["driver"] = {"loaded": True, "version": None, "on_disk": None, "blacklisted": []}
    host["boards"] = [{**host["boards"][0], "kfd_node": 1}]
    host["dpkg"]["broken"] = []
    host["dkms"] = {"tree": tree("/var/lib/dkms", "directory", None), "modules": [], "leftovers": [], "present": False}
    return host


def tree(path: str, kind: str, file: str | None = "/etc/dkms/framework.conf", fstab: bool = False) -> dict[str, Any]:
    return {"path": path, "kind": kind, "file": file, "fstab": fstab, "real": path, "believable": kind != "symlink"}


def provisioned(host: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The host as the plan leaves it."""
    plan = amdgpu_dkms_plan(host, wanted)
    for path, content in ((SOURCE, plan["source"]), (PIN, plan["pin"]), (KEY, "key")):
        host["files"][path] = {"exists": True, "kind": "file", "sha256": hashlib.sha256(content.encode()).hexdigest()}
    host["files"]["/v"] = {"exists": True, "kind": "dir"}
    host["dpkg"]["packages"]["dkms"] = {"installed": True, "version": "2.8.4-3", "held": False}
    for name in DRIVER:
        host["dpkg"]["packages"][name] = {"installed": True, "version": f"1:{VERSION}", "held": True}
    host["kernel"]["headers"] = [OLD]
    build = {"version": VERSION, "kernel": OLD, "installed": True, "files": []}
    host["dkms"].update(
        present=True,
        tree=tree("/v", "bind", fstab=True),
        modules=[{"name": "amdgpu", "versions": [VERSION], "builds": [build], "failures": []}],
    )
    host["driver"]["on_disk"] = {"version": "5.18.2.22.40", "signed": False}
    host["records"]["amdgpu_dkms"] = plan["record"]
    return host


def test_off_by_default(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert yaml.safe_load((ROLES / "amdgpu_dkms/defaults/main.yml").read_text())["amdgpu_dkms_state"] == "absent"
    assert amdgpu_dkms_plan(bullseye, {**wanted, "state": "absent"})["actions"] == []


def test_a_bare_host(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    plan = amdgpu_dkms_plan(bullseye, wanted)
    assert plan["problems"] == plan["warnings"] == []
    assert plan["source"].splitlines()[1:] == [
        f"deb [arch=amd64 signed-by={KEY}] https://repo.radeon.com/amdgpu/5.3.3/ubuntu focal main"
    ]
    assert (plan["archive"], plan["dkms"], plan["fresh"], plan["upgrade"]) == (True, True, True, False)
    assert plan["headers_required"] == [f"linux-headers-{OLD}"]
    assert plan["install"] == list(DRIVER)
    assert plan["tree"]["make"] and not plan["tree"]["undo"]
    assert plan["record"]["packages"] == [*DRIVER, "dkms", f"linux-headers-{OLD}"]
    assert plan["record"]["tree"] == {"path": "/v", "mode": "bind"}
    assert plan["record"]["kfd_boards"] == ["0000:0a:00.0"]


def test_nothing_but_the_driver_may_come(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    general, special = amdgpu_dkms_plan(bullseye, wanted)["pin"].split("\n\n")
    assert general.splitlines()[1:] == ["Package: *", "Pin: release o=repo.radeon.com", "Pin-Priority: -1"]
    assert special.splitlines()[0] == "Package: amdgpu-dkms amdgpu-dkms-firmware"


def test_a_provisioned_host_needs_nothing(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    plan = amdgpu_dkms_plan(provisioned(bullseye, wanted), wanted)
    assert (plan["actions"], plan["rollback"]) == ([], "")
    assert plan["record"] == bullseye["records"]["amdgpu_dkms"]


def test_every_kernel_gets_headers_and_a_build(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = provisioned(bullseye, wanted)
    host["kernel"]["installed"] = ["5.10.0-9-amd64", OLD, "5.10.0-47-amd64"]
    plan = amdgpu_dkms_plan(host, wanted)
    assert plan["headers_required"] == ["linux-headers-5.10.0-47-amd64"]
    assert plan["headers_optional"] == ["linux-headers-5.10.0-9-amd64"]
    assert plan["build"] == ["5.10.0-9-amd64", "5.10.0-47-amd64"]
    host["records"]["amdgpu_dkms"]["without_headers"] = ["5.10.0-9-amd64"]
    assert amdgpu_dkms_plan(host, wanted)["build"] == ["5.10.0-47-amd64"]


def test_a_stuck_package_is_finished_and_not_ours(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["dpkg"].update(broken=["amdgpu-dkms", "amdgpu-dkms-firmware"], interrupted=True)
    plan = amdgpu_dkms_plan(bullseye, wanted)
    assert not plan["fresh"]
    assert any(action.startswith("finish") for action in plan["actions"])
    assert not set(DRIVER) & set(plan["record"]["packages"])


def test_another_release_or_version_is_a_change(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = provisioned(bullseye, wanted)
    assert amdgpu_dkms_plan(host, {**wanted, "release": "5.4.3"})["upgrade"]
    plan = amdgpu_dkms_plan(host, {**wanted, "version": "1:6"})
    assert (plan["upgrade"], plan["install"]) == (True, ["amdgpu-dkms=1:6", "amdgpu-dkms-firmware=1:6"])


def test_a_change_counts_once_it_is_there(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = provisioned(bullseye, wanted)
    changed = amdgpu_dkms_plan(host, {**wanted, "release": "5.4.3"})
    assert (changed["record"]["release"], changed["release"]) == ("5.3.3", "5.4.3")
    host["records"]["amdgpu_dkms"] = changed["record"]  # and then it failed
    assert amdgpu_dkms_plan(host, {**wanted, "release": "5.4.3"})["upgrade"]


@pytest.mark.parametrize("path", ["v", "/v/", "/srv/../v", "/my v", "/"])
def test_a_path_that_is_none(bullseye: dict[str, Any], wanted: dict[str, Any], path: str) -> None:
    (problem,) = amdgpu_dkms_plan(bullseye, {**wanted, "tree_path": path})["problems"]
    assert problem["id"] == "dkms_tree"


def test_a_directory_of_the_users_is_not_covered(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["files"]["/v"] = {"exists": True, "kind": "dir"}
    (problem,) = amdgpu_dkms_plan(bullseye, wanted)["problems"]
    assert problem["evidence"] == "/v is somebody's dir"
    bullseye["records"]["amdgpu_dkms"] = {"tree": {"path": "/v", "mode": "bind"}}  # an interrupted run of ours
    assert amdgpu_dkms_plan(bullseye, wanted)["problems"] == []


def test_a_mount_without_the_setting_is_taken_away(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["files"]["/v"] = {"exists": True, "kind": "dir"}
    bullseye["records"]["amdgpu_dkms"] = {"packages": [], "tree": {"path": "/v", "mode": "bind"}}
    plan = amdgpu_dkms_plan(bullseye, {**wanted, "state": "absent"})
    assert plan["tree"]["undo"] and plan["tree"]["old"]["mounted"]


def test_no_release_is_known_good_elsewhere(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["release"]["codename"] = "bookworm"
    (problem,) = amdgpu_dkms_plan(bullseye, wanted)["problems"]
    assert problem["id"] == "amdgpu_dkms_release"


@pytest.mark.parametrize(
    ("version", "kernel", "bad"),
    [
        (f"1:{VERSION}", NEW, True),
        (VERSION, OLD, False),
        ("6.16.13-2341068.24.04", "6.12.107+deb13-amd64", True),
        ("6.16.13-2341068.24.04", "6.12.90+deb13-amd64", False),
        ("", NEW, False),
    ],
)
def test_known_bad_pairs(version: str, kernel: str, bad: bool) -> None:
    assert bool(known_bad(version, [kernel])) is bad


@pytest.mark.parametrize(
    ("kernels", "setting", "seen", "short"),
    [
        ([OLD], "auto", False, True),
        ([NEW, OLD], "auto", False, True),
        (["5.19.0-1-amd64"], "auto", False, False),
        ([NEW], "auto", False, False),
        ([NEW], "auto", True, True),
        ([NEW], "always", False, True),
        ([OLD], "never", True, False),
    ],
)
def test_when_the_tree_is_short(
    bullseye: dict[str, Any], wanted: dict[str, Any], kernels: list[str], setting: str, seen: bool, short: bool
) -> None:
    bullseye["kernel"]["installed"] = kernels
    bullseye["dkms"]["modules"] = [{"name": "amdgpu", "failures": [FAILURE] if seen else []}]
    assert tree_wanted(bullseye, {**wanted, "tree": setting}, {}) is short


@pytest.mark.parametrize("found", [tree("/v", "symlink"), tree("/v", "directory"), tree("/v", "bind")])
def test_another_kind_of_tree_is_changed(
    bullseye: dict[str, Any], wanted: dict[str, Any], found: dict[str, Any]
) -> None:
    host = provisioned(bullseye, wanted)
    host["dkms"]["tree"] = found
    plan = amdgpu_dkms_plan(host, wanted)["tree"]
    assert (plan["undo"], plan["make"]) == (True, True)


def test_a_users_own_tree_stays(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = provisioned(bullseye, wanted)
    host["records"]["amdgpu_dkms"]["tree"] = None
    assert amdgpu_dkms_plan(host, wanted)["record"]["tree"] is None
    assert not amdgpu_dkms_plan(host, {**wanted, "tree": "never"})["tree"]["undo"]
    host["dkms"]["tree"] = tree("/dkms", "directory")
    assert [problem["id"] for problem in amdgpu_dkms_plan(host, wanted)["problems"]] == ["dkms_tree"]


def test_somebodys_file_is_not_taken(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    for kind in ("file", "link"):
        bullseye["files"]["/v"] = {"exists": True, "kind": kind}
        assert [problem["id"] for problem in amdgpu_dkms_plan(bullseye, wanted)["problems"]] == ["dkms_tree"]


def test_absent_takes_out_what_came_in(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = provisioned(bullseye, wanted)
    plan = amdgpu_dkms_plan(host, {**wanted, "state": "absent"})
    assert plan["remove"] == list(DRIVER)
    assert plan["remove_last"] == ["dkms", f"linux-headers-{OLD}"]
    assert plan["tree"]["undo"] and plan["tree"]["old"]["mounted"]
    assert plan["record"] == {}
    host["dkms"]["modules"].append({"name": "nvidia", "versions": ["1"], "builds": [], "failures": []})
    assert amdgpu_dkms_plan(host, {**wanted, "state": "absent"})["remove_last"] == []


def test_the_way_back(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = provisioned(bullseye, wanted)
    host["driver"].update(loaded=False)
    plan = amdgpu_dkms_plan(host, wanted)
    assert (plan["rollback"], plan["actions"]) == (
        "the module does not load",
        ["take AMD's driver back: the module does not load"],
    )
    host["driver"]["on_disk"]["since_boot"] = True  # it was not tried yet
    assert amdgpu_dkms_plan(host, wanted)["rollback"] == ""
    host["driver"]["on_disk"]["since_boot"] = False
    host["kernel"]["secure_boot"] = True
    assert "Secure Boot" in amdgpu_dkms_plan(host, wanted)["rollback"]
    host["driver"].update(loaded=True, version="5.18.2.22.40")
    assert amdgpu_dkms_plan(host, wanted)["rollback"] == ""
    host["boards"][0]["kfd_node"] = None
    assert amdgpu_dkms_plan(host, wanted)["rollback"] == "KFD has lost its GPU node of 0000:0a:00.0"
    for change in ({"version": None}, {"blacklisted": ["/etc/modprobe.d/x.conf"]}):
        kept = {**host, "driver": {**host["driver"], **change}}
        assert amdgpu_dkms_plan(kept, wanted)["rollback"] == ""
    host["records"]["amdgpu_dkms"]["kfd_boards"] = []  # it had no node before either
    assert amdgpu_dkms_plan(host, wanted)["rollback"] == ""


def test_what_was_taken_back_is_not_tried_again(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["records"]["amdgpu_dkms"] = {"rolled_back": {"release": "5.3.3", "kernel": OLD, "why": "it hangs"}}
    (problem,) = amdgpu_dkms_plan(bullseye, wanted)["problems"]
    assert (problem["id"], "it hangs" in problem["evidence"]) == ("amdgpu_dkms_rollback", True)
    assert amdgpu_dkms_plan(bullseye, {**wanted, "release": "5.4.3"})["problems"] == []
    assert amdgpu_dkms_plan(bullseye, {**wanted, "state": "absent"})["actions"] == [
        "forget that the driver was taken back"
    ]


def test_a_failed_build_is_told_with_its_cause(bullseye: dict[str, Any]) -> None:
    bullseye["dkms"]["modules"] = [{"name": "amdgpu", "failures": [FAILURE]}]
    told = dkms_failure(bullseye)
    assert (told["id"], told["remedy"]) == ("dkms_build", f"linux-headers-{OLD}")
    assert f"did not build for {OLD}: /bin/sh: Argument list too long | Error 127 (argument_list" in told["evidence"]
    bullseye["dkms"]["modules"][0]["failures"][0]["causes"] = []
    assert "make.log" in dkms_failure(bullseye)["remedy"]
    bullseye["dkms"]["modules"] = []
    assert dkms_failure(bullseye, "apt said no")["evidence"] == "apt said no"
