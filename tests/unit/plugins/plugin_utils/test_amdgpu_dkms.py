"""What the amdgpu_dkms role decides: archive, packages, the short tree, the way back, and what a failed build says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.plugin_utils._steps.amdgpu_dkms import (
    DRIVER,
    KEY,
    PIN,
    SOURCE,
    build_failure,
    plan,
    settings,
    tree_wanted,
)

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
def wanted(variables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {**settings(variables), "state": "present"}


def planned(facts: Any, wanted: dict[str, Any]) -> Any:
    return plan(facts, wanted)


@pytest.fixture
def bullseye(facts: dict[str, Any]) -> dict[str, Any]:
    """A bare Debian 11 with one kernel."""
    facts["release"]["debian_codename"] = "bullseye"
    facts["kernel"].update(release=OLD, version=[5, 10], installed=[OLD])
    facts["dkms"]["tree"] = tree("/var/lib/dkms", "directory", None)
    return facts


def tree(path: str, kind: str, file: str | None = "/etc/dkms/framework.conf", fstab: bool = False) -> dict[str, Any]:
    return {"path": path, "kind": kind, "file": file, "fstab": fstab, "real": path, "believable": kind != "symlink"}


def module(*failures: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The driver as DKMS knows it."""
    return {"name": "amdgpu", "versions": [VERSION], "builds": [], "failures": [*failures], **changes}


@pytest.fixture
def provisioned(bullseye: dict[str, Any], wanted: dict[str, Any], seen: Callable[..., Any]) -> dict[str, Any]:
    """The host as the plan leaves it."""
    found = planned(bullseye, wanted)
    contents = ((SOURCE, found["source"]), (PIN, found["pin"]), (KEY, "key"))
    bullseye["files"] = {path: seen("file", content) for path, content in contents} | {"/v": seen("dir")}
    bullseye["dpkg"]["packages"]["dkms"] = {"installed": True, "version": "2.8.4-3", "held": False}
    for name in DRIVER:
        bullseye["dpkg"]["packages"][name] = {"installed": True, "version": f"1:{VERSION}", "held": True}
    bullseye["kernel"]["headers"] = [OLD]
    build = {"version": VERSION, "kernel": OLD, "arch": "x86_64", "linked": True, "installed": True, "files": []}
    bullseye["dkms"].update(present=True, tree=tree("/v", "bind", fstab=True), modules=[module(builds=[build])])
    bullseye["driver"]["on_disk"] = {
        "path": "/lib/modules/x/updates/dkms/amdgpu.ko", "version": "5.18.2.22.40", "srcversion": "AB",
        "vermagic": OLD, "signed": False, "signer": None, "since_boot": False,
    }  # fmt: skip
    bullseye["records"]["amdgpu_dkms"] = found["record"]
    return bullseye


def test_off_by_default(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert yaml.safe_load((ROLES / "amdgpu_dkms/defaults/main.yml").read_text())["amdgpu_dkms_state"] == "absent"
    assert planned(bullseye, {**wanted, "state": "absent"})["actions"] == []


def test_a_bare_host(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = planned(bullseye, wanted)
    assert found["problems"] == found["warnings"] == []
    assert found["source"].splitlines()[1:] == [
        f"deb [arch=amd64 signed-by={KEY}] https://repo.radeon.com/amdgpu/5.3.3/ubuntu focal main"
    ]
    assert (found["archive"], found["dkms"], found["fresh"], found["upgrade"]) == (True, True, True, False)
    assert found["headers_required"] == [f"linux-headers-{OLD}"]
    assert found["install"] == list(DRIVER)
    assert found["tree"]["make"] and not found["tree"]["undo"]
    assert found["record"]["packages"] == [*DRIVER, "dkms", f"linux-headers-{OLD}"]
    assert found["record"]["tree"] == {"path": "/v", "mode": "bind"}
    assert found["record"]["kfd_boards"] == ["0000:0a:00.0"]


def test_nothing_but_the_driver_may_come(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    general, special = planned(bullseye, wanted)["pin"].split("\n\n")
    assert general.splitlines()[1:] == ["Package: *", "Pin: release o=repo.radeon.com", "Pin-Priority: -1"]
    assert special.splitlines()[0] == "Package: amdgpu-dkms amdgpu-dkms-firmware"


def test_a_provisioned_host_needs_nothing(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = planned(provisioned, wanted)
    assert (found["actions"], found["rollback"]) == ([], "")
    assert found["record"] == provisioned["records"]["amdgpu_dkms"]


def test_every_kernel_gets_headers_and_a_build(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    provisioned["kernel"]["installed"] = ["5.10.0-9-amd64", OLD, "5.10.0-47-amd64"]
    found = planned(provisioned, wanted)
    assert found["headers_required"] == ["linux-headers-5.10.0-47-amd64"]
    assert found["headers_optional"] == ["linux-headers-5.10.0-9-amd64"]
    assert found["build"] == ["5.10.0-9-amd64", "5.10.0-47-amd64"]
    provisioned["records"]["amdgpu_dkms"]["without_headers"] = ["5.10.0-9-amd64"]
    assert planned(provisioned, wanted)["build"] == ["5.10.0-47-amd64"]


def test_a_stuck_package_is_finished_and_not_ours(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["dpkg"].update(broken=["amdgpu-dkms", "amdgpu-dkms-firmware"], interrupted=True)
    found = planned(bullseye, wanted)
    assert not found["fresh"]
    assert any(action.startswith("finish") for action in found["actions"])
    assert not set(DRIVER) & set(found["record"]["packages"])


def test_another_release_or_version_is_a_change(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert planned(provisioned, {**wanted, "release": "5.4.3"})["upgrade"]
    found = planned(provisioned, {**wanted, "version": "1:6"})
    assert (found["upgrade"], found["install"]) == (True, ["amdgpu-dkms=1:6", "amdgpu-dkms-firmware=1:6"])


def test_a_change_counts_once_it_is_there(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    changed = planned(provisioned, {**wanted, "release": "5.4.3"})
    assert (changed["record"]["release"], changed["release"]) == ("5.3.3", "5.4.3")
    provisioned["records"]["amdgpu_dkms"] = changed["record"]  # and then it failed
    assert planned(provisioned, {**wanted, "release": "5.4.3"})["upgrade"]


@pytest.mark.parametrize("path", ["v", "/v/", "/srv/../v", "/my v", "/"])
def test_a_path_that_is_none(bullseye: dict[str, Any], wanted: dict[str, Any], path: str) -> None:
    (problem,) = planned(bullseye, {**wanted, "tree_path": path})["problems"]
    assert problem["id"] == "dkms_tree"


def test_a_directory_of_the_users_is_not_covered(
    bullseye: dict[str, Any], wanted: dict[str, Any], seen: Callable[..., Any]
) -> None:
    bullseye["files"]["/v"] = seen("dir")
    (problem,) = planned(bullseye, wanted)["problems"]
    assert problem["evidence"] == "/v is somebody's dir"
    bullseye["records"]["amdgpu_dkms"] = {"tree": {"path": "/v", "mode": "bind"}}  # an interrupted run of ours
    assert planned(bullseye, wanted)["problems"] == []


def test_a_mount_without_the_setting_is_taken_away(
    bullseye: dict[str, Any], wanted: dict[str, Any], seen: Callable[..., Any]
) -> None:
    bullseye["files"]["/v"] = seen("dir")
    bullseye["records"]["amdgpu_dkms"] = {"packages": [], "tree": {"path": "/v", "mode": "bind"}}
    found = planned(bullseye, {**wanted, "state": "absent"})
    assert found["tree"]["undo"] and found["tree"]["old"]["mounted"]


def test_no_release_is_known_good_elsewhere(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["release"]["debian_codename"] = "bookworm"
    (problem,) = planned(bullseye, wanted)["problems"]
    assert problem["id"] == "amdgpu_dkms_release"


def modern(facts: dict[str, Any], codename: str, *kernels: str) -> dict[str, Any]:
    """The host with another release and kernels."""
    facts["release"]["debian_codename"] = codename
    facts["kernel"].update(release=kernels[-1], installed=[*kernels])
    return facts


@pytest.mark.parametrize(
    ("codename", "kernel", "release", "warned"),
    [
        ("bookworm", "6.1.0-28-amd64", "5.7", True),
        ("bookworm", "6.6.13+bpo-amd64", "6.1", True),
        ("trixie", "6.12.38+deb13-amd64", "6.2", True),
        ("bookworm", "6.1.0-28-amd64", "6.4.2", False),
    ],
)
def test_a_release_that_does_not_build_is_known_before_the_install(
    bullseye: dict[str, Any], wanted: dict[str, Any], codename: str, kernel: str, release: str, warned: bool
) -> None:
    found = planned(modern(bullseye, codename, kernel), {**wanted, "release": release})
    assert bool(found["warnings"]) is warned
    assert not warned or f"of release {release} is known not to build for {kernel}: " in found["warnings"][0]


def test_each_kernel_that_it_will_not_build_for_is_named(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = modern(bullseye, "bookworm", OLD, "6.1.0-28-amd64", "6.12.38+deb12-amd64")
    warnings = planned(host, {**wanted, "release": "6.2"})["warnings"]
    assert [warning.partition(" for ")[2].partition(":")[0] for warning in warnings] == ["6.12.38+deb12-amd64"]
    assert len(planned(host, {**wanted, "release": "5.7"})["warnings"]) == 2
    assert len(planned(host, {**wanted, "release": "6.2", "version": "1:6.2.4.50700-1652687.22.04"})["warnings"]) == 2


def test_what_is_to_come_counts_and_not_what_is_there(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    provisioned["kernel"]["installed"] = [OLD, "6.1.0-28-amd64"]
    (warning,) = planned(provisioned, wanted)["warnings"]  # 5.18, which is there, for the new kernel
    assert warning.startswith(f"driver {VERSION} is known not to build for 6.1.0-28-amd64")
    assert planned(provisioned, {**wanted, "release": "6.4.2"})["warnings"] == []
    provisioned["kernel"]["installed"] = [OLD]
    assert planned(provisioned, wanted)["warnings"] == []


def test_a_warning_comes_with_the_problem_that_stops(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = modern(bullseye, "bookworm", "6.1.0-28-amd64")
    found = planned(host, {**wanted, "release": "5.7", "tree": "always", "tree_path": "/"})
    assert found["problems"] and found["warnings"]


def package(version: str = "1") -> dict[str, Any]:
    return {"installed": True, "version": version, "held": False}


def test_proxmox_has_its_own_headers(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    host = modern(bullseye, "bookworm", "6.8.12-2-pve", "6.8.12-4-pve")
    host["dpkg"]["packages"] |= {"proxmox-kernel-6.8": package(), "proxmox-default-kernel": package()}
    found = planned(host, {**wanted, "release": "6.2"})
    assert found["headers_required"] == ["proxmox-headers-6.8.12-4-pve", "proxmox-default-headers"]
    assert found["headers_optional"] == ["proxmox-headers-6.8.12-2-pve"]
    assert found["headers_of"]["proxmox-headers-6.8.12-2-pve"] == "6.8.12-2-pve"
    assert "linux-headers" not in " ".join([*found["actions"], *found["record"]["packages"]])
    del host["dpkg"]["packages"]["proxmox-default-kernel"]
    assert planned(host, {**wanted, "release": "6.2"})["headers_required"][1:] == ["proxmox-headers-6.8"]
    host["records"]["amdgpu_dkms"] = {"packages": ["proxmox-headers-6.8.12-4-pve"]}
    host["kernel"]["headers"] = ["6.8.12-4-pve"]
    assert planned(host, {**wanted, "state": "absent"})["remove_last"] == ["proxmox-headers-6.8.12-4-pve"]


def test_kernels_to_come_bring_their_headers(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["dpkg"]["packages"] |= {"linux-image-amd64": package(), "linux-image-rt-amd64": package()}
    required = planned(bullseye, wanted)["headers_required"]
    assert required == [f"linux-headers-{OLD}", "linux-headers-amd64", "linux-headers-rt-amd64"]


def test_no_driver_can_come_to_a_kernel_without_graphics(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["kernel"]["installed"] = [OLD, "5.10.0-47-cloud-amd64"]
    assert planned(bullseye, wanted)["build"] == [OLD]


def test_the_version_that_is_built_is_the_packages(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    older, newer = "6.8.5-2041575.24.04", "6.10.5-2084815.24.04"
    bullseye["dkms"]["modules"] = [module(versions=[older, newer])]
    assert planned(bullseye, wanted)["version"] == newer
    bullseye["dpkg"]["packages"][DRIVER[0]] = package("1:6.8.5.60202-2041575.24.04")
    assert planned(bullseye, wanted)["version"] == older
    bullseye["dkms"]["modules"] = [module(versions=[], failures=[FAILURE])]  # a log without a registration
    assert planned(bullseye, wanted)["version"] == older


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
    bullseye["dkms"]["modules"] = [module(*[FAILURE] * seen)]
    assert tree_wanted(bullseye, {**wanted, "tree": setting}, {}) is short


@pytest.mark.parametrize("found", [tree("/v", "symlink"), tree("/v", "directory"), tree("/v", "bind")])
def test_another_kind_of_tree_is_changed(
    provisioned: dict[str, Any], wanted: dict[str, Any], found: dict[str, Any]
) -> None:
    provisioned["dkms"]["tree"] = found
    found = planned(provisioned, wanted)["tree"]
    assert (found["undo"], found["make"]) == (True, True)


def test_a_users_own_tree_stays(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    provisioned["records"]["amdgpu_dkms"]["tree"] = None
    assert planned(provisioned, wanted)["record"]["tree"] is None
    assert not planned(provisioned, {**wanted, "tree": "never"})["tree"]["undo"]
    provisioned["dkms"]["tree"] = tree("/dkms", "directory")
    assert [problem["id"] for problem in planned(provisioned, wanted)["problems"]] == ["dkms_tree"]


def test_somebodys_file_is_not_taken(
    bullseye: dict[str, Any], wanted: dict[str, Any], seen: Callable[..., Any]
) -> None:
    for kind in ("file", "link"):
        bullseye["files"]["/v"] = seen(kind)
        assert [problem["id"] for problem in planned(bullseye, wanted)["problems"]] == ["dkms_tree"]


def test_absent_takes_out_what_came_in(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    found = planned(provisioned, {**wanted, "state": "absent"})
    assert found["remove"] == list(DRIVER)
    assert found["remove_last"] == ["dkms", f"linux-headers-{OLD}"]
    assert found["tree"]["undo"] and found["tree"]["old"]["mounted"]
    assert found["record"] == {}
    provisioned["dkms"]["modules"].append({"name": "nvidia", "versions": ["1"], "builds": [], "failures": []})
    assert planned(provisioned, {**wanted, "state": "absent"})["remove_last"] == []


def test_the_way_back(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    provisioned["driver"].update(loaded=False)
    found = planned(provisioned, wanted)
    assert (found["rollback"], found["actions"]) == (
        "the module does not load",
        ["take AMD's driver back: the module does not load"],
    )
    provisioned["driver"]["on_disk"]["since_boot"] = True  # it was not tried yet
    assert planned(provisioned, wanted)["rollback"] == ""
    provisioned["driver"]["on_disk"]["since_boot"] = False
    provisioned["kernel"]["secure_boot"] = True
    assert "Secure Boot" in planned(provisioned, wanted)["rollback"]
    provisioned["driver"].update(loaded=True, version="5.18.2.22.40")
    assert planned(provisioned, wanted)["rollback"] == ""
    provisioned["boards"][0]["kfd_node"] = None
    assert planned(provisioned, wanted)["rollback"] == "KFD has lost its GPU node of 0000:0a:00.0"
    given = [{**provisioned["boards"][0], "driver": "vfio-pci", "held_by": "vfio-pci"}]
    assert planned({**provisioned, "boards": given}, wanted)["rollback"] == ""  # a virtual machine's: nothing is lost
    for change in ({"version": None}, {"blacklisted": ["/etc/modprobe.d/x.conf"]}):
        kept = {**provisioned, "driver": {**provisioned["driver"], **change}}
        assert planned(kept, wanted)["rollback"] == ""
    provisioned["records"]["amdgpu_dkms"]["kfd_boards"] = []  # it had no node before either
    assert planned(provisioned, wanted)["rollback"] == ""


def test_secure_boot_is_told_before_the_install(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["kernel"].update(secure_boot=True, signatures_enforced=True)
    (warning,) = planned(bullseye, wanted)["warnings"]
    assert "mokutil --import" in warning
    bullseye["kernel"].update(signatures_enforced=False)
    assert planned(bullseye, wanted)["warnings"] == []


def test_the_kernels_own_word_on_signatures_counts(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    provisioned["driver"].update(loaded=False)
    provisioned["kernel"].update(secure_boot=True, signatures_enforced=False)  # shim does not validate
    assert planned(provisioned, wanted)["rollback"] == "the module does not load"
    provisioned["kernel"].update(secure_boot=False, signatures_enforced=True)
    assert "refuses what is not signed" in planned(provisioned, wanted)["rollback"]


def test_a_rollback_that_was_cut_off_goes_on(provisioned: dict[str, Any], wanted: dict[str, Any]) -> None:
    back = {"release": "5.3.3", "kernel": OLD, "why": "it hangs"}
    provisioned["records"]["amdgpu_dkms"]["rolled_back"] = back  # as rollback.yml writes it, before the removal
    provisioned["dpkg"]["packages"][DRIVER[0]] = {"installed": False, "version": None, "held": False}
    provisioned["dkms"]["modules"] = []
    found = planned(provisioned, wanted)
    assert (found["rollback"], found["problems"]) == ("it hangs", [])
    assert found["record"]["rolled_back"] == back
    provisioned["records"]["amdgpu_dkms"] = {"rolled_back": back}  # as absent.yml leaves it
    found = planned(provisioned, wanted)
    assert (found["rollback"], [problem["id"] for problem in found["problems"]]) == ("", ["amdgpu_dkms_rollback"])


def test_the_record_comes_before_the_removal() -> None:
    tasks = yaml.safe_load((ROLES / "amdgpu_dkms/tasks/rollback.yml").read_text())
    order = [next(key for key in task if "." in key) for task in tasks]
    assert order.index("navilab.webui.role_record") < order.index("ansible.builtin.include_role")
    assert "rolled_back" in str(tasks[order.index("navilab.webui.role_record")])
    last = yaml.safe_load((ROLES / "amdgpu_dkms/tasks/absent.yml").read_text())[-1]
    assert "__amdgpu_dkms_kept" in last["navilab.webui.role_record"]["content"]


def test_what_was_taken_back_is_not_tried_again(bullseye: dict[str, Any], wanted: dict[str, Any]) -> None:
    bullseye["records"]["amdgpu_dkms"] = {"rolled_back": {"release": "5.3.3", "kernel": OLD, "why": "it hangs"}}
    (problem,) = planned(bullseye, wanted)["problems"]
    assert (problem["id"], "it hangs" in problem["evidence"]) == ("amdgpu_dkms_rollback", True)
    assert planned(bullseye, {**wanted, "release": "5.4.3"})["problems"] == []
    assert planned(bullseye, {**wanted, "state": "absent"})["actions"] == ["forget that the driver was taken back"]


def test_a_failed_build_is_named_with_its_cause(bullseye: dict[str, Any]) -> None:
    bullseye["dkms"]["modules"] = [module({**FAILURE})]
    failure = build_failure(bullseye)
    assert (failure["id"], failure["remedy"]) == ("dkms_build", f"linux-headers-{OLD}")
    seen = f"did not build for {OLD}: /bin/sh: Argument list too long | Error 127 (argument_list"
    assert seen in failure["evidence"]
    bullseye["dkms"]["modules"][0]["failures"][0]["causes"] = []
    assert "make.log" in build_failure(bullseye)["remedy"]
    bullseye["dkms"]["modules"] = []
    assert build_failure(bullseye) is None
