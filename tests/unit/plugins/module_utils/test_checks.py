"""Each check in health and in trouble, the chain of causes, waivers, and the recorded trees."""

from __future__ import annotations

import copy
import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._checks import (
    CHECK_IDS,
    CHECKS,
    SCOPES,
    evaluate,
    first_failure,
    validate,
)
from ansible_collections.navilab.webui.plugins.module_utils._checks._metrics import RUNS
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._guard import EGRESS_ENABLED, RULES

from navilab.lab.boards import write_tree

BDF = "0000:0a:00.0"
RELEASE = {
    "id": "debian", "version_id": "12", "codename": "bookworm", "pretty_name": "Debian 12",
    "debian_codename": "bookworm", "debian_version": "12", "neighbour": None,
}  # fmt: skip
NODE = {"exists": True, "char": True, "mode": "0660", "uid": 0, "gid": 105, "group": "render"}
DIRECTORY = {"exists": True, "kind": "dir", "mode": "0755", "uid": 1000, "gid": 1000, "sha256": None}
DISK = {
    "path_seen": "/data", "total_mib": 99999, "free_mib": 50000, "read_only": False, "fstype": "ext4", "pool": "/data",
}  # fmt: skip
ON_DISK = {
    "path": "/lib/modules/amdgpu.ko", "version": None, "srcversion": None, "vermagic": "6.1.0-56-amd64",
    "signed": True, "signer": "Debian Secure Boot CA", "since_boot": False,
}  # fmt: skip
TCMALLOC = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4.5.3"
OPENS = {"exists": True, "same_as_host": True, "rw": True}
ARGUMENTS = {
    "kernel": "6.1.0-56-amd64",
    "causes": [{"meaning": "the headers of the kernel are missing", "remedy": "apt-get install linux-headers-KERNEL"}],
}
BUILDS, FAILED = "dkms|modules|0|builds", "dkms|modules|0|failures"
WANTED: dict[str, Any] = {
    "scope": list(SCOPES),
    "user": "lab",
    "amdgpu_dkms": True,
    "gateway": {"name": "lab.example", "port": 443},
    "webuis": [
        {
            "name": "webui",
            "port": 7860,
            "data_dir": "/data",
            "uid": 1000,
            "devices": ["/dev/kfd", "/dev/dri/renderD128"],
            "image": "r.test/webui:1",
            "selftest": {"status": "ok", "evidence": "half precision", "remedy": "", "note": "", "reason": ""},
            "tcmalloc": True,
            "egress": "deny",
        }
    ],
    "zram_mib": 4096,
}


TOLD = "/textfile/navilab.prom"
TELLS = {TOLD: {"exists": True, "mtime": 940.0}, RUNS: {"exists": True}}


def simulate(root: Path) -> dict[str, Any]:
    """The facts of a simulated host."""
    write_tree(root, "rx5500xt-8g", "6.1")
    return gather(str(root), disk=["/data"], webuis=[{"name": "webui", "port": 7860}])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return simulate(tmp_path_factory.mktemp("host"))


@pytest.fixture
def good(simulated: dict[str, Any]) -> dict[str, Any]:
    return live(simulated)


def live(simulated: dict[str, Any]) -> dict[str, Any]:
    """A live host on which all is well: a simulated tree, and what only a live one tells."""
    seen = copy.deepcopy(simulated)
    seen.update(
        root="/",
        live=True,
        complete=True,
        release=dict(RELEASE),
        groups={"video": 44, "render": 105},
        user={"name": "lab", "exists": True, "uid": 1000, "groups": ["lab", "video", "render"], "needs_login": False},
        disk={"/data": dict(DISK)},
        memory={"total_mib": 16000, "available_mib": 9000, "swap_mib": 0},
        files={"/data": dict(DIRECTORY), "/data/cache": dict(DIRECTORY), **TELLS},
        clock=1000.0,
        records={"metrics": {"textfile_dir": "/textfile", "interval": 60, "packages": ["prometheus-node-exporter"]}},
        http={"webui": {"status": 200, "ready": True, "models": 1, "error": ""}},
        gateways={"443": {"status": 401, "ends": time.time() + 90 * 86400, "error": ""}},
        ports={"7860": {"listeners": ["127.0.0.1"], "owner": "docker-proxy"}},
    )
    seen["kernel"].update(release="6.1.0-56-amd64", version=[6, 1], flavour="amd64", arch="x86_64")
    seen["kernel"].update(installed=["6.1.0-56-amd64"], headers=["6.1.0-56-amd64"], secure_boot=True)
    seen["kernel"].update(lockdown="integrity", signatures_enforced=True)
    seen["driver"].update(on_disk=dict(ON_DISK))
    build = {"version": "6.2", "kernel": "6.1.0-56-amd64", "installed": True, "files": []}
    seen["dkms"]["modules"] = [{"name": "amdgpu", "versions": ["6.2"], "builds": [build], "failures": []}]
    seen["kernel_log"]["readable"] = True
    seen["kfd"]["device"] = {"path": "/dev/kfd", **NODE}
    seen["kfd"].update(
        open={"known": True, "ok": True, "errno": None, "error": ""}, ioctl_version="1.11", ioctl_error=""
    )
    seen["kfd"]["apertures"] = [node["gpu_id"] for node in seen["kfd"]["nodes"] if node["simd_count"]]
    seen["drm"] = [{"path": "/dev/dri/renderD128", "kind": "render", "bdf": BDF, **NODE}]
    seen["boards"][0]["render_node"] = "/dev/dri/renderD128"
    seen["firmware"].update(directory="/lib/firmware/amdgpu", needed=["navi14_mec.bin"], missing=[], shadowed=[])
    opens = {"exists": True, "same_as_host": True, "rw": True}
    seen["init"] = "systemd"
    seen["docker"].update(installed=True, provider="docker.io", running=True, version="20.10", api_version="1.41")
    seen["guard"].update(bridge="navilab0", rules=RULES.replace("packets 0", "packets 7"), refused=7, zram_mib=4096)
    seen["guard"]["containers"]["webui"] = {
        "memory_swap": 12 << 30, "pids_limit": 2048, "networks": ["navilab"], "oom_kills": 0, "oom_noted": False,
        "tcmalloc": TCMALLOC,
    }  # fmt: skip
    seen["files"][EGRESS_ENABLED] = {**DIRECTORY, "kind": "link"}
    seen["docker"]["containers"]["webui"] = {
        "id": "c0ffee",
        "image": "r.test/webui:1",
        "image_id": "sha256:1",
        "state": "running",
        "health": "healthy",
        "started_at": "today",
        "exit_code": 0,
        "error": "",
        "oom_killed": False,
        "restart_count": 0,
        "memory": 8 << 30,
        "ports": [{"host_ip": "127.0.0.1", "host_port": 7860, "container_port": 7860}],
        "access": {
            "uid": 1000,
            "gid": 1000,
            "groups": [105],
            "devices": {"/dev/kfd": dict(opens), "/dev/dri/renderD128": dict(opens)},
        },
    }
    return seen


def change(host: dict[str, Any], path: str, value: Any) -> None:
    """Set `a|b|0|c`."""
    *parents, last = path.split("|")
    target: Any = host
    for part in parents:
        target = target[int(part)] if isinstance(target, list) else target[part]
    target[int(last) if isinstance(target, list) else last] = value


def evaluated(host: dict[str, Any], changes: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks of a host on which something is other than it should be."""
    for path, value in changes.items():
        change(host, path, copy.deepcopy(value))
    return list(evaluate(host, WANTED))


def by_id(checks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for check in checks}


def test_the_order_is_the_contract() -> None:
    names = (
        "release kernel_flavour board_present board_supported firmware_files firmware_not_shadowed dkms_built "
        "module_signed driver_bound driver_reset_free dri_nodes kfd_node kfd_open kfd_ioctl pcie_atomics kfd_gpu_node "
        "vram groups systemd docker_engine selftest "
        "container_running container_sees_gpu webui_memory webui_tcmalloc webui_healthy webui_not_exposed "
        "gateway_running gateway_login webui_egress data_writable disk_space memory zram metrics_fresh"
    )
    assert list(CHECK_IDS) == names.split()
    for place, check in enumerate(CHECKS):
        assert set(check.causes) <= set(CHECK_IDS[:place]), f"{check.id} comes before its cause"


def test_all_is_well(good: dict[str, Any]) -> None:
    checks = evaluate(good, WANTED)
    assert [check["id"] for check in checks] == list(CHECK_IDS)
    assert {check["id"]: check["status"] for check in checks if check["status"] != "ok"} == {}
    assert all(check["evidence"] and not check["remedy"] and not check["note"] for check in checks)
    assert first_failure(checks) is None


CONTAINER = "docker|containers|webui|"
GUARD = "guard|containers|webui|"
HANGS = {"http|webui": {"ready": False, "models": None, "error": "timed out"}}
DEVICE = "access|devices|/dev/kfd|"
FOREIGN = "access|devices|/dev/dri/renderD129"
NO_NODE = {"boards|0|kfd_node": None}
CLOUD = {"kernel|flavour": "cloud-amd64", "kernel|release": "6.1.0-56-cloud-amd64"}
FAILURES: list[tuple[str, dict[str, Any], str, str]] = [
    # id, what is changed, in the evidence, in the remedy
    ("release", {"release|id": "ubuntu", "release|pretty_name": "Ubuntu 24.04"}, "Ubuntu 24.04", "Debian 11"),
    ("release", {"release|version_id": "10", "release|pretty_name": "Debian 10"}, "Debian 10", "bookworm"),
    ("release", {"release": dict.fromkeys(RELEASE)}, "os-release", "Debian"),
    ("kernel_flavour", CLOUD, "cloud", "6.1.0-56-amd64 is installed"),
    ("kernel_flavour", {**CLOUD, "kernel|installed": []}, "cloud", "linux-image-amd64"),
    ("kernel_flavour", {"kernel|arch": "aarch64"}, "aarch64", "x86-64"),
    ("kernel_flavour", {"kernel|version": [4, 19], "kernel|release": "4.19.0-27-amd64"}, "older", "linux-image-amd64"),
    ("kernel_flavour", {"kernel|release": None}, "osrelease", "/proc"),
    ("board_present", {"boards": []}, "/sys/bus/pci/devices", "power cables"),
    (
        "board_supported",
        {
            "boards|0|name": "Radeon RX 580",
            "boards|0|supported": False,
            "boards|0|unsupported_reason": "Polaris 10 (gfx803)",
        },
        BDF,
        "cpu",
    ),
    ("firmware_files", {"firmware|missing": ["navi14_sos.bin"]}, "navi14_sos.bin", "non-free-firmware"),
    (
        "firmware_files",
        {"firmware|missing": ["navi14_sos.bin"], "release|debian_codename": "bullseye", "release|version_id": "11"},
        "/lib/firmware/amdgpu",
        "Debian's non-free)",
    ),
    (
        "firmware_not_shadowed",
        {"firmware|shadowed": ["/lib/firmware/updates/amdgpu/navi14_mec.bin"]},
        "updates/amdgpu/navi14_mec.bin",
        "amdgpu-dkms-firmware",
    ),
    (
        "dkms_built",
        {"kernel|installed": ["6.1.0-56-amd64", "6.1.0-99-amd64"]},
        "headers are missing",
        "--tags amdgpu_dkms",
    ),
    ("dkms_built", {BUILDS: [], FAILED: [ARGUMENTS]}, "the newest kernel: the headers", "-6.1.0-56-amd64"),
    ("dkms_built", {BUILDS + "|0|installed": False}, "is not installed for", "dkms install -m amdgpu -v 6.2 -k 6.1"),
    ("module_signed", {"driver|on_disk|signed": False}, "/lib/modules/amdgpu.ko is not signed", "mokutil"),
    ("module_signed", {"driver|on_disk|signed": False, "kernel|secure_boot": False}, "signed modules alone", "mokutil"),
    ("module_signed", {"driver|on_disk|signed": False}, "(lockdown: integrity)", "Secure Boot off"),
    ("driver_bound", {"boards|0|driver": "vfio-pci"}, f"{BDF}: bound to vfio-pci", "driverctl unset-override"),
    ("driver_bound", {"boards|0|driver": "radeon"}, "radeon", "blacklist radeon"),
    ("driver_bound", {"boards|0|driver": None, "driver|loaded": False}, "not loaded", "modprobe amdgpu"),
    (
        "driver_bound",
        {"boards|0|driver": None, "driver|blacklisted": ["/proc/cmdline (nomodeset)"]},
        "nomodeset",
        "/etc/default/grub",
    ),
    (
        "driver_bound",
        {"boards|0|driver": None, "driver|loaded": False, "driver|blacklisted": ["/etc/modprobe.d/x.conf"]},
        "/etc/modprobe.d/x.conf",
        "update-initramfs",
    ),
    (
        "driver_bound",
        {"boards|0|driver": None, "kernel_log|firmware_failed": ["failed to load amdgpu/navi14_sos.bin (-2)"]},
        "navi14_sos.bin (-2)",
        "--tags firmware",
    ),
    ("driver_bound", {"boards|0|driver": None}, "though amdgpu is loaded", "dmesg"),
    ("driver_reset_free", {"kernel_log|resets": ["ring gfx timeout"]}, "ring gfx timeout", "reboot"),
    ("dri_nodes", {"boards|0|render_node": None}, "no render node", "dmesg"),
    ("dri_nodes", {"drm|0|exists": False}, "not in /dev", "udevadm trigger"),
    ("dri_nodes", {"drm|0|group": "root", "drm|0|gid": 0}, "group root", "/etc/udev/rules.d"),
    ("dri_nodes", {"drm|0|mode": "0600"}, "0600", "udevadm"),
    ("kfd_node", {"kfd|device|exists": False}, "HSA_AMD", "--device=/dev/kfd"),
    (
        "kfd_node",
        {"kfd|device|exists": False, "kernel_log|kfd_errors": ["amdgpu: sched_policy has invalid value"]},
        "sched_policy",
        "module parameter",
    ),
    ("kfd_node", {"kfd|device|char": False}, "no character device", "modprobe"),
    ("kfd_node", {"kfd|device|group": "root"}, "group root", "subsystem-match=kfd"),
    ("kfd_node", {"kfd|device|mode": "0640"}, "0640", "render"),
    ("kfd_ioctl", {"kfd|ioctl_error": "GET_VERSION: EBADF"}, "EBADF", "reload amdgpu"),
    ("kfd_ioctl", {"kfd|ioctl_version": "2.0"}, "2.0", "version 1"),
    (
        "pcie_atomics",
        {
            **NO_NODE,
            "boards|0|atomics": False,
            "boards|0|mec_fw_loaded": 137,
            "boards|0|atomics_evidence": "port 0000:00:1c.0 has none",
        },
        f"{BDF}: the slot has no PCIe atomics (port 0000:00:1c.0 has none), which kernel 6.1 needs with firmware 137",
        "slot",
    ),
    (
        "pcie_atomics",
        {**NO_NODE, "kernel_log|atomics_rejected": ["kfd kfd: amdgpu: skipped device 1002:7340, PCI rejects atomics"]},
        "skipped device 1002:7340",
        "145",
    ),
    ("kfd_gpu_node", NO_NODE, "none with simd_count > 0", "dmesg"),
    ("kfd_gpu_node", {**NO_NODE, "kernel_log|kfd_errors": ["device 1002:7340 NOT added"]}, "NOT added", "firmware"),
    ("kfd_gpu_node", {**NO_NODE, "kfd|topology": None}, "/sys/class/kfd", "HSA_AMD"),
    ("kfd_gpu_node", {"kfd|apertures": []}, "not among the GPUs", "cgroup"),
    (
        "kfd_gpu_node",
        {**NO_NODE, "kfd|nodes|1|readable": False, "kfd|nodes|1|problems": ["gpu_id: EPERM"]},
        "gpu_id: EPERM",
        "--device=/dev/dri/renderD128",
    ),
    ("vram", {"boards|0|vram_mib": None}, "mem_info_vram_total", "reboot"),
    ("vram", {"boards|0|vram_mib": 512}, "512 MiB", "cpu"),
    ("groups", {"groups|render": None}, "no group render", "gpu_access"),
    ("groups", {"user|groups": ["lab", "video"]}, "not in render", "log in again"),
    ("groups", {"user|exists": False}, "no user lab", "adduser lab"),
    ("systemd", {"init": "init"}, "PID 1 is init", "boot the host with systemd"),
    ("docker_engine", {"docker|installed": False}, "no Docker engine", "--tags docker_engine"),
    ("docker_engine", {"docker|unit|masked": ["docker.service"]}, "masked", "systemctl unmask docker.service"),
    ("docker_engine", {"docker|config": None, "docker|config_error": "line 3"}, "line 3", "json.tool"),
    ("docker_engine", {"docker|running": False}, "does not answer", "systemctl start docker"),
    (
        "docker_engine",
        {"docker|running": False, "docker|error": "/run/docker.sock: permission denied"},
        "permission denied",
        "become",
    ),
    ("container_running", {CONTAINER[:-1]: None}, "no such container", "--tags webui"),
    ("container_running", {CONTAINER + "state": "exited", CONTAINER + "exit_code": 3}, "exit code 3", "docker logs"),
    ("container_running", {CONTAINER + "state": "exited", CONTAINER + "oom_killed": True}, "8192 MiB", "webui_memory"),
    ("container_running", {CONTAINER + "state": "paused"}, "paused", "docker unpause webui"),
    ("container_running", {CONTAINER + "state": "restarting"}, "restarting", "dies at each start"),
    (
        "container_running",
        {CONTAINER + "image": "old", "docker|images": {"r.test/webui:1": {"id": "sha256:2"}}},
        "it runs old",
        "--tags webui",
    ),
    ("container_sees_gpu", {CONTAINER + "access|devices": {}}, "not passed on", "makes the container again"),
    ("container_sees_gpu", {CONTAINER + DEVICE + "exists": False}, "/dev/kfd", "webui"),
    ("container_sees_gpu", {CONTAINER + DEVICE + "same_as_host": False}, "another device", "numbers changed"),
    ("container_sees_gpu", {CONTAINER + DEVICE + "rw": False}, "groups [105]", "group numbers"),
    ("container_sees_gpu", {CONTAINER + FOREIGN: OPENS}, "it sees /dev/dri/renderD129 too, beside", "makes the"),
    ("webui_healthy", {"http|webui": {"ready": False, "models": 0, "error": "none"}}, "no model", "webui_models"),
    ("webui_healthy", {"http|webui": {"ready": False, "models": None, "error": "refused"}}, "refused", "docker logs"),
    (
        "webui_healthy",
        {"http|webui": {"ready": False, "models": None, "error": "404"}, CONTAINER + "health": "starting"},
        "still starting",
        "wait",
    ),
    (
        "webui_memory",
        {GUARD + "oom_kills": 2, **HANGS},
        "killed a process of it for want of memory (limit 8192 MiB and 4096",
        "webui_memory_mib",
    ),
    ("webui_tcmalloc", {GUARD + "tcmalloc": ""}, "not loaded", "webui_tcmalloc: false"),
    ("webui_egress", {"guard|rules": ""}, "table inet navilab_egress is not loaded", "--tags webui"),
    ("webui_egress", {"guard|rules": RULES.replace("reject", "accept")}, "not the one that is wanted", "--tags webui"),
    ("webui_egress", {GUARD + "networks": ["bridge", "navilab"]}, "in the network bridge, navilab", "--tags webui"),
    ("webui_egress", {"guard|bridge": "br-1"}, "not behind navilab0 alone", "--tags webui"),
    ("webui_egress", {f"files|{EGRESS_ENABLED}|exists": False}, "gone after a boot", "--tags webui"),
    ("zram", {"guard|zram_mib": None}, "no compressed swap is in use; 4096 MiB are", "journalctl -u navilab-zram"),
    ("zram", {"guard|zram_mib": 100}, "100 MiB of compressed swap is in use; 4096 MiB are wanted", "--tags webui"),
    ("webui_not_exposed", {"ports|7860|listeners": ["0.0.0.0"]}, "0.0.0.0", "webui_listen"),
    ("gateway_running", {"gateways|443": {"status": None, "ends": None, "error": "refused"}}, "refused", "journalctl"),
    ("gateway_login", {"gateways|443|status": 200}, "answers 200", "systemctl stop"),
    ("webui_not_exposed", {CONTAINER + "ports|0|host_ip": "::"}, "::", "ssh -L"),
    ("data_writable", {"files|/data|uid": 0}, "belongs to 0:1000", "chown 1000 /data"),
    ("data_writable", {"files|/data/cache|mode": "0555"}, "/data/cache", "--tags webui"),
    ("data_writable", {"files|/data|exists": False}, "missing", "--tags webui"),
    ("data_writable", {"files|/data|kind": "file"}, "no directory", "webui"),
    ("data_writable", {"disk|/data|read_only": True}, "read-only", "mount"),
    ("disk_space", {"disk|/data|free_mib": 10}, "10 MiB free", "free some"),
    ("disk_space", {"disk|/data|read_only": True}, "read-only", "mount"),
    ("memory", {"memory|total_mib": 2000}, "2000 MiB", "6000 MiB"),
    ("metrics_fresh", {"clock": 1151.0}, "is 211 s old", "systemctl start navilab-metrics.timer"),
    (
        "metrics_fresh",
        {f"files|{TOLD}": {"exists": False, "mtime": None}},
        "is missing",
        "journalctl -u navilab-metrics",
    ),
    ("metrics_fresh", {f"files|{RUNS}": {"exists": False}}, "does not run", "--tags metrics"),
]
OPEN = {
    "ENOENT": "modprobe",
    "EACCES": "gpu_access",
    "EPERM": "--device=/dev/kfd",
    "ENXIO": "modprobe amdgpu",
    "ENODEV": "delete /dev/kfd",
    "EAGAIN": "reset",
    "EINVAL": "reset",
    "ENOMEM": "5.10",
    "ENOSPC": "fuser",
    "EFAULT": "integrated GPU",
    "EIO": "dmesg",
}
FAILURES += [
    (
        "kfd_open",
        {
            "kfd|open": {
                "known": True,
                "ok": False,
                "errno": name,
                "error": f"{name} ({os.strerror(getattr(errno, name))})",
            }
        },
        name,
        remedy,
    )
    for name, remedy in OPEN.items()
]


def test_every_check_has_a_failing_case() -> None:
    assert {case[0] for case in FAILURES} | {"selftest"} == set(CHECK_IDS)


def test_the_kept_self_test_is_handed_over(good: dict[str, Any]) -> None:
    found = {"status": "failed", "evidence": "rocm7: error 1", "remedy": "auto", "note": "", "reason": ""}
    for handed, status in ((found, "failed"), ({**found, "status": "skipped", "reason": "waived"}, "skipped")):
        webuis = [{**WANTED["webuis"][0], "selftest": handed}]
        (check,) = evaluate(good, {**WANTED, "webuis": webuis, "only": ["selftest"]})
        assert (check["status"], check["evidence"]) == (status, "webui: rocm7: error 1")
    (check,) = evaluate(good, {"webuis": [{"name": "webui", "port": 7860}], "only": ["selftest"]})
    assert (check["status"], check["reason"]) == ("skipped", "no result was handed over")


@pytest.mark.parametrize(
    ("check", "changes", "evidence", "remedy"),
    FAILURES,
    ids=[f"{number}-{case[0]}" for number, case in enumerate(FAILURES)],
)
def test_failure(good: dict[str, Any], check: str, changes: dict[str, Any], evidence: str, remedy: str) -> None:
    checks = evaluated(good, changes)
    seen = by_id(checks)[check]
    assert (seen["status"], seen["reason"]) == ("failed", "")
    assert evidence in seen["evidence"]
    assert remedy in seen["remedy"]
    assert first_failure(checks) is not None
    json.dumps(checks)

    # The same with a waiver: shown, and nothing behind it is held up.
    waived = by_id(evaluate(good, {**WANTED, "waive": {check: "known"}}))
    assert (waived[check]["status"], waived[check]["reason"]) == ("waived", "known")
    assert waived[check]["evidence"] == seen["evidence"]
    assert not any(f"because {check} failed" in item["reason"] for item in waived.values())


def test_the_kernels_own_driver_needs_no_dkms(good: dict[str, Any]) -> None:
    good["dkms"]["modules"] = []
    assert by_id(evaluate(good))["dkms_built"]["status"] == "skipped"


MISSING = {"kernel|installed": ["6.1.0-56-amd64", "6.1.0-99-amd64"]}


@pytest.mark.parametrize(
    ("wanted", "changes", "status"),
    [
        (None, {}, "ok"),
        (False, {}, "ok"),
        (True, {}, "failed"),
        (None, {"driver|version": "6.2"}, "failed"),  # it is at work
        (False, {"driver|version": "6.2"}, "failed"),
        (None, {"records": {"amdgpu_dkms": {"packages": ["amdgpu-dkms"]}}}, "failed"),
        (None, {"records": {"amdgpu_dkms": {"rolled_back": {"why": "it hangs"}}}}, "ok"),
        (False, {"records": {"amdgpu_dkms": {"packages": ["amdgpu-dkms"]}}}, "ok"),
    ],
)
def test_amds_driver_counts_where_it_is_wanted_or_at_work(
    good: dict[str, Any], wanted: Any, changes: dict[str, Any], status: str
) -> None:
    for path, value in {**MISSING, **changes}.items():
        change(good, path, value)
    seen = by_id(evaluate(good, {"amdgpu_dkms": wanted}))["dkms_built"]
    assert seen["status"] == status
    assert "6.1.0-99-amd64" in (seen["evidence"] if status == "failed" else seen["note"])
    assert ("apt-get purge amdgpu-dkms" in seen["note"]) is (status == "ok")


def test_the_newest_version_and_the_newest_kernel_are_not_the_last_of_the_alphabet(good: dict[str, Any]) -> None:
    builds = [{"version": "6.8.5-1", "kernel": "6.12.9-amd64", "installed": True, "files": []}]
    good["dkms"]["modules"][0].update(versions=["6.8.5-1", "6.10.5-1"], builds=builds)
    good["kernel"]["installed"] = ["6.1.0-56-amd64", "6.12.9-amd64", "6.12.10-amd64"]
    seen = by_id(evaluate(good, {"amdgpu_dkms": True}))["dkms_built"]
    assert "amdgpu-dkms 6.10.5-1 is not installed for 6.12.10-amd64, the newest kernel" in seen["evidence"]
    builds[0]["kernel"] = "6.12.10-amd64"
    seen = by_id(evaluate(good, {"amdgpu_dkms": True}))["dkms_built"]
    assert seen["evidence"] == "amdgpu-dkms 6.8.5-1 is installed for 6.12.10-amd64, the newest kernel"


def test_a_kernel_without_graphics_needs_no_driver(good: dict[str, Any]) -> None:
    good["kernel"]["installed"].append("6.1.0-99-cloud-amd64")
    assert by_id(evaluate(good, {"amdgpu_dkms": True}))["dkms_built"]["status"] == "ok"


def test_proxmox_has_other_headers(good: dict[str, Any]) -> None:
    good["kernel"]["installed"].append("6.8.12-4-pve")
    seen = by_id(evaluate(good, {"amdgpu_dkms": True}))["dkms_built"]
    assert "apt-get install proxmox-headers-6.8.12-4-pve" in seen["remedy"]


IGPU = {
    "bdf": "0000:30:00.0", "device_id": "1638", "chip": None, "supported": False, "unsupported_reason": "an iGPU",
    "integrated": True, "driver": "amdgpu",
}  # fmt: skip
RESETS = ["amdgpu 0000:30:00.0: amdgpu: GPU reset begin!", "amdgpu 0000:30:00.0: amdgpu: GPU reset(2) succeeded!"]
NAMELESS = "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx_0.0.0 timeout, signaled seq=1, emitted seq=3"


@pytest.mark.parametrize(
    ("lines", "neighbour", "status", "note"),
    [
        (RESETS, "amdgpu", "ok", "2 line(s) of resets that need not be of a board in use"),
        (RESETS, "vfio-pci", "ok", "0000:30:00.0"),
        ([f"amdgpu {BDF}: amdgpu: GPU reset begin!"], "amdgpu", "failed", ""),
        ([f"amdgpu {BDF}: amdgpu: GPU reset(1) succeeded!"], "amdgpu", "failed", ""),
        ([NAMELESS], "amdgpu", "ok", "ring gfx_0.0.0 timeout"),
        ([NAMELESS], "vfio-pci", "failed", ""),
        ([NAMELESS], "", "failed", ""),
        ([*RESETS, f"amdgpu {BDF}: amdgpu: GPU reset begin!"], "amdgpu", "failed", "2 line(s)"),
    ],
)
def test_resets_belong_to_a_board(
    good: dict[str, Any], lines: list[str], neighbour: str, status: str, note: str
) -> None:
    if neighbour:
        good["boards"].append({**good["boards"][0], **IGPU, "driver": neighbour})
    good["kernel_log"]["resets"] = lines
    seen = by_id(evaluate(good))["driver_reset_free"]
    assert seen["status"] == status
    assert note in seen["note"] if note else seen["note"] == ""
    assert "0000:30:00.0" not in seen["evidence"]


def test_firmware_of_another_device_is_no_cause(good: dict[str, Any]) -> None:
    good["boards"].append({**good["boards"][0], **IGPU, "driver": None})
    good["boards"][0]["driver"] = None
    line = "amdgpu 0000:30:00.0: firmware: failed to load amdgpu/psp_13_0_4_toc.bin (-2)"
    good["kernel_log"]["firmware_failed"] = [line]
    assert "though amdgpu is loaded" in by_id(evaluate(good))["driver_bound"]["evidence"]
    good["firmware"]["missing"] = ["navi14_sos.bin"]
    assert "the kernel says" not in by_id(evaluate(good))["firmware_files"]["evidence"]
    good["kernel_log"]["firmware_failed"] = [f"amdgpu {BDF}: firmware: failed to load amdgpu/navi14_sos.bin (-2)", line]
    assert "navi14_sos.bin (-2)" in by_id(evaluate(good))["firmware_files"]["evidence"]
    good["kernel_log"]["firmware_failed"] = ['gfx10: Failed to load firmware "amdgpu/navi10_mec.bin"']  # of neither
    good["firmware"]["missing"] = []
    assert "though amdgpu is loaded" in by_id(evaluate(good))["driver_bound"]["evidence"]


def test_kfds_lines_name_ids(good: dict[str, Any]) -> None:
    good["boards"].append({**good["boards"][0], **IGPU})
    good["boards"][0].update(kfd_node=None, atomics=None)
    line = "kfd kfd: amdgpu: skipped device 1002:1638, PCI rejects atomics"
    good["kernel_log"]["atomics_rejected"] = [line]
    good["kernel_log"]["kfd_errors"] = ["kfd kfd: amdgpu: device 1002:1638 NOT added due to errors"]
    seen = by_id(evaluate(good))
    assert seen["pcie_atomics"]["status"] == "skipped"
    assert "the kernel says" not in seen["kfd_gpu_node"]["evidence"]
    good["kfd"]["device"]["exists"] = False  # which is no device's doing
    assert "NOT added" not in by_id(evaluate(good))["kfd_node"]["evidence"]
    good["kernel_log"]["kfd_errors"].append("kfd kfd: amdgpu: device 1002:7340 NOT added due to errors")
    good["kfd"]["device"]["exists"] = True
    assert "1002:7340 NOT added" in by_id(evaluate(good))["kfd_gpu_node"]["evidence"]


def test_options_of_the_module_are_named(good: dict[str, Any]) -> None:
    good["boards"][0]["driver"] = None
    good["driver"]["options"] = ["virtual_display=0000:0a:00.0,1"]
    assert "with virtual_display=" in by_id(evaluate(good))["driver_bound"]["evidence"]


def test_an_older_kernel_without_the_driver_is_a_note(good: dict[str, Any]) -> None:
    good["kernel"]["installed"].insert(0, "6.1.0-9-amd64")  # with or without anybody who wants the driver
    seen = by_id(evaluate(good))["dkms_built"]
    assert (seen["status"], seen["note"]) == ("ok", "not for 6.1.0-9-amd64")


@pytest.mark.parametrize(
    ("secure_boot", "enforced", "signed", "status"),
    [
        (False, False, False, "ok"),
        (None, None, False, "ok"),
        (True, True, None, "ok"),
        (True, False, False, "ok"),  # shim does not validate
        (True, None, False, "failed"),  # nothing but the firmware's variable tells
        (False, True, False, "failed"),
    ],
)
def test_signatures_matter_where_the_kernel_asks_for_them(
    good: dict[str, Any], secure_boot: Any, enforced: Any, signed: Any, status: str
) -> None:
    good["kernel"].update(secure_boot=secure_boot, signatures_enforced=enforced)
    good["driver"]["on_disk"]["signed"] = signed
    assert by_id(evaluate(good))["module_signed"]["status"] == status


def test_an_unsigned_module_at_work_is_proof(good: dict[str, Any]) -> None:
    good["driver"]["on_disk"].update(signed=False, version="6.10.5", srcversion="AB")
    good["driver"].update(version="6.10.5", srcversion="AB")
    assert by_id(evaluate(good))["module_signed"]["status"] == "ok"
    good["driver"].update(srcversion="CD")  # another build came in since: nobody knows whether it loads
    assert by_id(evaluate(good))["module_signed"]["status"] == "failed"
    good["driver"].update(version=None, srcversion=None)  # the kernel's own runs, and nobody wants AMD's
    seen = by_id(evaluate(good))["module_signed"]
    assert (seen["status"], "refuse it at the next start" in seen["note"]) == ("ok", True)
    assert by_id(evaluate(good, {"amdgpu_dkms": True}))["module_signed"]["status"] == "failed"
    good["boards"][0]["driver"] = None
    assert by_id(evaluate(good))["module_signed"]["status"] == "failed"


def test_an_unsigned_module_explains_the_unbound_board(good: dict[str, Any]) -> None:
    good["driver"]["on_disk"]["signed"] = False
    good["boards"][0]["driver"] = None
    assert by_id(evaluate(good))["driver_bound"]["reason"] == "because module_signed failed"


def test_effects_are_skipped(good: dict[str, Any]) -> None:
    good["boards"] = []
    seen = by_id(evaluate(good, WANTED))
    assert [name for name, check in seen.items() if check["status"] == "failed"] == ["board_present"]
    skipped = [name for name, check in seen.items() if check["reason"] == "because board_present failed"]
    assert skipped[0] == "board_supported"
    assert {"kfd_gpu_node", "vram", "container_sees_gpu", "webui_healthy"} <= set(skipped)
    assert {seen[name]["status"] for name in ("groups", "docker_engine", "webui_not_exposed", "memory")} == {"ok"}


def test_a_machine_without_a_board_on_purpose(good: dict[str, Any]) -> None:
    good["boards"] = []
    seen = by_id(evaluate(good, {"waive": {"board_present": "a VM"}}))
    assert seen["board_present"]["status"] == "waived"
    assert seen["kfd_gpu_node"]["reason"] == "there is no supported board"
    assert seen["kfd_open"]["status"] == "ok"
    assert first_failure(list(seen.values())) is None
    on_cpu = {**WANTED, "webuis": [{**WANTED["webuis"][0], "devices": []}]}
    checks = evaluate(good, on_cpu)
    assert first_failure(checks) is None
    assert by_id(checks)["board_present"]["reason"] == "no webui here uses a board"


def test_neighbours_are_named_not_evaluated(host: Callable[..., Path]) -> None:
    seen = by_id(evaluate(gather(str(host("igpu-and-board")))))
    assert seen["board_supported"]["status"] == "ok"
    assert "gfx90c" in seen["board_supported"]["note"]
    assert "0000:04:00.0" not in seen["driver_bound"]["evidence"]


OTHER: dict[str, Any] = {"bdf": "0000:0d:00.0", "driver": None, "render_node": None, "kfd_node": None, "vram_mib": None}
BOARD_CHECKS = ("driver_bound", "dri_nodes", "kfd_gpu_node", "vram")


@pytest.mark.parametrize(
    ("held_by", "wanted", "note"),
    [
        ("vfio-pci", {}, "is not used: held by vfio-pci for a virtual machine"),
        ("pci-stub", {"gpus": None}, "is not used: held by pci-stub for a virtual machine"),
        (None, {"gpus": [BDF]}, "is not used: left out by webui_gpus"),
    ],
)
def test_only_boards_that_are_used_are_evaluated(
    good: dict[str, Any], held_by: str | None, wanted: dict[str, Any], note: str
) -> None:
    good["boards"].append({**good["boards"][0], **OTHER, "held_by": held_by})
    seen = by_id(evaluate(good, {**WANTED, **wanted}))
    assert {name: check["status"] for name, check in seen.items() if check["status"] == "failed"} == {}
    assert f"0000:0d:00.0 {note}" in seen["board_supported"]["note"]
    assert not any("0000:0d:00.0" in seen[name]["evidence"] for name in BOARD_CHECKS)


def test_the_only_board_is_judged_though_it_is_held(good: dict[str, Any]) -> None:
    good["boards"][0].update(driver="vfio-pci", held_by="vfio-pci")
    assert by_id(evaluate(good, WANTED))["driver_bound"]["status"] == "failed"


def test_firmware_of_a_board_that_is_left_out_is_nobodys_concern(good: dict[str, Any]) -> None:
    other = {**good["boards"][0], **OTHER, "chip": "navi10", "device_id": "731f", "revision": "c1"}
    good["boards"].append(other)
    good["firmware"]["missing"] = ["navi10_sos.bin"]
    assert by_id(evaluate(good, {**WANTED, "gpus": [BDF]}))["firmware_files"]["status"] == "ok"
    good["firmware"]["missing"] = ["navi10_sos.bin", "navi14_sos.bin"]
    seen = by_id(evaluate(good, {**WANTED, "gpus": [BDF]}))["firmware_files"]
    assert (seen["status"], "navi10" in seen["evidence"]) == ("failed", False)


def test_the_containers_own_user_decides_who_writes(good: dict[str, Any]) -> None:
    container = good["docker"]["containers"]["webui"]
    container["access"]["uid"] = 1001
    seen = by_id(evaluate(good, WANTED))["data_writable"]
    assert (seen["status"], "the webui is uid 1001" in seen["evidence"]) == ("failed", True)
    container["access"] = None
    assert by_id(evaluate(good, WANTED))["data_writable"]["status"] == "ok"


def test_a_node_of_another_board_counts_where_the_boards_are_named(good: dict[str, Any]) -> None:
    access = good["docker"]["containers"]["webui"]["access"]["devices"]
    node = FOREIGN.rpartition("|")[2]
    good["boards"].append({**good["boards"][0], "bdf": "0000:0d:00.0", "render_node": node})

    def seen(**changes: Any) -> tuple[str, str]:
        webui = {**WANTED["webuis"][0], **changes}
        (check,) = evaluate(good, {"webuis": [webui], "only": ["container_sees_gpu"]})
        return check["status"], check["evidence"]

    access["/dev/dri/card0"] = OPENS
    assert seen()[0] == "ok"
    access[node] = OPENS
    assert seen()[0] == "failed" and f"it sees {node} of 0000:0d:00.0 too" in seen()[1]
    assert seen(devices=None)[0] == seen(devices=["/dev/kfd", "/dev/dri/renderD128", node])[0] == "ok"
    access[node] = {**OPENS, "exists": False}
    assert seen()[0] == "ok"


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({}, ""),
        ({"/data/cache": {**DIRECTORY, "uid": 0}}, ""),  # another one's
        ({"/data/cache-2": {**DIRECTORY, "uid": 0}}, "/data/cache-2 belongs to 0"),
        ({"/data/webui_data-2": {**DIRECTORY, "mode": "0555"}}, "/data/webui_data-2 belongs to"),
        ({"/data/webui_data-2": {**DIRECTORY, "exists": False}}, ""),  # site makes it
    ],
)
def test_one_of_several_writes_its_own(good: dict[str, Any], changes: dict[str, Any], evidence: str) -> None:
    own = ["/data/webui_data-2", "/data/cache-2"]
    good["files"] |= {**{path: dict(DIRECTORY) for path in own}, **changes}
    seen = by_id(evaluate(good, {**WANTED, "webuis": [{**WANTED["webuis"][0], "writes": own}]}))["data_writable"]
    assert (seen["status"], evidence in seen["evidence"]) == ("failed" if evidence else "ok", True)


def test_a_data_directory_that_is_missing_on_nfs(good: dict[str, Any]) -> None:
    good["disk"]["/data"]["fstype"] = "nfs4"
    good["files"]["/data"]["exists"] = False
    assert "NFS (nfs4)" in by_id(evaluate(good, WANTED))["data_writable"]["remedy"]
    good["disk"] = {"/": {**DISK, "fstype": "cifs"}}  # what is above it is known
    assert "CIFS (cifs)" in by_id(evaluate(good, WANTED))["data_writable"]["remedy"]


@pytest.mark.parametrize("state", ["exited", "dead", "created"])
def test_a_damaged_image_has_its_remedy(good: dict[str, Any], state: str) -> None:
    good["docker"]["containers"]["webui"].update(state=state, error="layer does not exist")
    seen = by_id(evaluate(good, WANTED))["container_running"]
    assert (seen["status"], "docker image rm r.test/webui:1" in seen["remedy"]) == ("failed", True)


def test_what_only_a_live_host_knows(good: dict[str, Any]) -> None:
    """Of a recording where nobody asked the engine or the webui."""
    unknown = "can't be known from a recorded tree"
    good["docker"].update(error=unknown, containers={"webui": None})
    good["http"]["webui"] = {"ready": False, "status": None, "models": None, "error": unknown}
    seen = by_id(evaluate(good, {**WANTED, "only": ["container_running", "webui_healthy"]}))
    assert {check["status"] for check in seen.values()} == {"skipped"}
    assert {check["reason"] for check in seen.values()} == {unknown}


def test_needs_of_one_file_system_add_up(good: dict[str, Any]) -> None:
    def judge(*needs: tuple[str, int, str]) -> dict[str, Any]:
        disk = [
            {"path": path, "mib": mib, "what": share, "remedy": f"move {share}", "share": share}
            for path, mib, share in needs
        ]
        return by_id(evaluate(good, {"only": ["disk_space"], "disk": disk}))["disk_space"]

    good["disk"]["/other"] = dict(DISK)
    assert judge(("/data", 30000, "a"), ("/other", 30000, "a"), ("/unseen", 1 << 40, "b"))["status"] == "ok"
    seen = judge(("/data", 30000, "a"), ("/other", 30000, "b"))
    assert (seen["status"], "/data, /other: 50000 MiB free" in seen["evidence"]) == ("failed", True)
    assert "60000 MiB are needed: 30000 for a + 30000 for b; move a, move b" in seen["remedy"]
    good["disk"]["/other"]["pool"] = "/other"
    assert judge(("/data", 30000, "a"), ("/other", 30000, "b"))["status"] == "ok"
    assert judge()["reason"] == "no path was asked for"


def test_one_of_two_boards_fails(good: dict[str, Any]) -> None:
    good["boards"].append({**good["boards"][0], "bdf": "0000:0d:00.0", "driver": None})
    check = by_id(evaluate(good))["driver_bound"]
    assert check["status"] == "failed"
    assert check["evidence"].startswith("0000:0d:00.0: ")
    assert BDF not in check["evidence"]


OOM = "oom-kill:constraint=CONSTRAINT_NONE,cpuset=c0ffee,global_oom,task_memcg=/system.slice/docker-{}.scope,task=x"


def test_what_the_kernel_killed_of_others_is_nobodys_concern(good: dict[str, Any]) -> None:
    good["kernel_log"]["oom_kills"] = [OOM.format("deaf")]
    assert by_id(evaluate(good, WANTED))["webui_memory"]["note"] == ""


def test_a_webui_that_is_starting_after_its_death_is_waited_for(good: dict[str, Any]) -> None:
    for path, value in {CONTAINER + "oom_killed": True, CONTAINER + "health": "starting", **HANGS}.items():
        change(good, path, value)
    seen = by_id(evaluate(good, WANTED))
    assert (seen["webui_memory"]["status"], seen["webui_healthy"]["status"]) == ("ok", "failed")


@pytest.mark.parametrize(
    ("check", "changes", "note"),
    [
        ("release", {"release|version_id": "11"}, "long-term support"),
        ("kernel_flavour", {"kernel|flavour": ""}, "not one of Debian's"),
        ("firmware_files", {"firmware|initrd_stale": True}, "update-initramfs"),
        ("firmware_not_shadowed", {"firmware|shadowed": ["/x"], "driver|version": "5.18"}, "amdgpu-dkms 5.18"),
        ("pcie_atomics", {"boards|0|atomics": False, "boards|0|mec_fw_loaded": 146}, "PyTorch 2"),
        ("vram", {"boards|0|vram_mib": 4080}, "--lowvram"),
        ("groups", {"user|needs_login": True}, "log in again"),
        ("docker_engine", {"docker|restart_pending": True}, "restart it"),
        ("container_running", {CONTAINER + "restart_count": 2}, "2 time(s)"),
        ("container_running", {CONTAINER + "image": "old"}, "asked for was"),
        ("webui_memory", {CONTAINER + "oom_killed": True}, "killed a process of it for want of memory (limit 8192"),
        ("webui_memory", {GUARD + "oom_kills": 3}, "killed a process"),
        ("webui_memory", {GUARD + "oom_noted": True}, "killed a process"),
        ("webui_memory", {"kernel_log|oom_kills": [OOM.format("c0ffee")]}, "well again; give it more"),
        ("data_writable", {"disk|/data|fstype": "nfs4"}, "it lies on NFS (nfs4)"),
        ("container_sees_gpu", {CONTAINER + "access|uid": 0}, "uid 0, not 1000"),
        ("memory", {"memory|available_mib": 100}, "100 MiB are available"),
    ],
)
def test_notes(good: dict[str, Any], check: str, changes: dict[str, Any], note: str) -> None:
    for path, value in changes.items():
        change(good, path, value)
    seen = by_id(evaluate(good, WANTED))[check]
    assert seen["status"] == "ok"
    assert note in seen["note"]


@pytest.mark.parametrize(
    ("check", "changes", "reason"),
    [
        ("driver_reset_free", {"kernel_log|readable": False}, "root alone"),
        ("pcie_atomics", {"boards|0|atomics": None}, "nothing tells"),
        ("container_sees_gpu", {CONTAINER + "access": None}, "root alone"),
        ("data_writable", {"files": {}}, "not gathered"),
        ("metrics_fresh", {"records": {}}, "has not come in"),
        ("metrics_fresh", {"files": {}}, "not gathered"),
        ("metrics_fresh", {"clock": None}, "recorded tree"),
        ("disk_space", {"disk": {}}, "no path"),
        ("memory", {"memory|total_mib": None}, "meminfo"),
        ("groups", {"user": None}, "not gathered"),
        ("webui_tcmalloc", {GUARD + "tcmalloc": None}, "root alone"),
        ("webui_egress", {"guard|rules": None}, "root alone"),
        ("webui_memory", {GUARD[:-1]: None}, "does not run"),
    ],
)
def test_what_is_not_known_is_skipped(good: dict[str, Any], check: str, changes: dict[str, Any], reason: str) -> None:
    for path, value in changes.items():
        change(good, path, value)
    seen = by_id(evaluate(good, WANTED))[check]
    assert seen["status"] == "skipped"
    assert reason in seen["reason"]


def test_atomics_by_kernel_and_firmware(good: dict[str, Any]) -> None:
    change(good, "boards|0|kfd_node", None)
    change(good, "boards|0|atomics", False)
    for kernel, mec, status in (
        ([5, 10], 137, "ok"),
        ([6, 1], 137, "failed"),
        ([6, 1], 146, "ok"),
        ([6, 12], None, "failed"),
    ):
        change(good, "kernel|version", kernel)
        change(good, "boards|0|mec_fw_loaded", mec)
        change(good, "firmware|mec_by_board", {BDF: mec})
        assert by_id(evaluate(good))["pcie_atomics"]["status"] == status, (kernel, mec)


def test_a_proxy_of_ours_may_listen_wider(good: dict[str, Any]) -> None:
    good["ports"]["7860"]["listeners"] = ["127.0.0.1", "192.168.1.5"]
    webui = {**WANTED["webuis"][0], "listen": "192.168.1.5"}
    assert by_id(evaluate(good, WANTED))["webui_not_exposed"]["status"] == "failed"
    assert by_id(evaluate(good, {**WANTED, "webuis": [webui]}))["webui_not_exposed"]["status"] == "ok"


def test_root_needs_no_groups(good: dict[str, Any]) -> None:
    good["user"].update(uid=0, groups=["root"])
    assert by_id(evaluate(good, WANTED))["groups"]["status"] == "ok"


def test_scope_and_only(good: dict[str, Any]) -> None:
    assert [check["id"] for check in evaluate(good)] == list(CHECK_IDS[: CHECK_IDS.index("systemd")])
    host = ["systemd", "docker_engine", "disk_space", "memory", "zram", "metrics_fresh"]
    assert [check["id"] for check in evaluate(good, {"scope": ["host"]})] == host
    assert [check["id"] for check in evaluate(good, {"only": ["memory", "release"]})] == ["release", "memory"]
    good["boards"] = []
    only = by_id(evaluate(good, {"scope": ["host"], "only": ["board_present", "board_supported", "disk_space"]}))
    assert [check["status"] for check in only.values()] == ["failed", "skipped", "ok"]


def test_limits_can_be_set(good: dict[str, Any]) -> None:
    wanted = {"scope": ["host"], "min_disk_mib": 60000, "min_memory_mib": 20000, "disk_paths": ["/data", "/unseen"]}
    seen = by_id(evaluate(good, wanted))
    assert (seen["disk_space"]["status"], seen["memory"]["status"]) == ("failed", "failed")


def test_a_waiver_that_is_not_needed_is_shown(good: dict[str, Any]) -> None:
    assert "not needed: why" in by_id(evaluate(good, {"waive": {"vram": "why"}}))["vram"]["note"]


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"waive": {"kfd": "x"}}, "unknown check kfd"),
        ({"waive": {"vram": ""}}, "vram needs a reason"),
        ({"waive": {"vram": "  "}}, "vram needs a reason"),
        ({"waive": {"vram": None}}, "vram needs a reason"),
        ({"waive": {"vram": True}}, "vram needs a reason"),
        ({"waive": {1: "x"}}, "unknown check 1"),
        ({"only": ["nonsense"]}, "unknown check nonsense"),
        ({"scope": ["kfd", "moon"]}, "unknown scope moon"),
    ],
)
def test_wrong_wishes(good: dict[str, Any], wanted: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        evaluate(good, wanted)
    with pytest.raises(ValueError, match=text):
        validate(wanted)


# -- recorded trees -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12"])
def test_recorded_topology_of_a_supported_board(derived: Callable[[str], Path], kernel: str) -> None:
    seen = by_id(evaluate(gather(str(derived(kernel)), user="lab"), WANTED))
    assert {check["status"] for check in seen.values()} <= {"ok", "skipped"}
    for name in ("board_present", "board_supported", "pcie_atomics", "kfd_gpu_node", "vram"):
        assert seen[name]["status"] == "ok"
        assert "0a:00.0" in seen[name]["evidence"]
    assert "8176 MiB" in seen["vram"]["evidence"]
    for name in ("kfd_open", "kfd_ioctl", "docker_engine", "container_running", "disk_space"):
        assert seen[name]["reason"] == "can't be known from a recorded tree"


def topology(root: Path, *nodes: dict[str, int], names: tuple[str, ...] = ()) -> str:
    folder = root / "sys/class/kfd/kfd/topology/nodes"
    for index, properties in enumerate(nodes):
        (folder / str(index)).mkdir(parents=True)
        (folder / f"{index}/properties").write_text("".join(f"{key} {value}\n" for key, value in properties.items()))
        (folder / f"{index}/gpu_id").write_text(f"{100 + index if properties.get('simd_count') else 0}\n")
        (folder / f"{index}/name").write_text(f"{names[index] if names else ''}\n")
    return str(root)


CPU = {"cpu_cores_count": 8, "simd_count": 0}
MI210 = {"simd_count": 416, "simd_per_cu": 4, "vendor_id": 4098, "device_id": 29711, "location_id": 768, "domain": 0}
VEGA10 = {"simd_count": 256, "simd_per_cu": 4, "vendor_id": 4098, "device_id": 26751, "location_id": 17152}


@pytest.mark.parametrize(
    ("files", "check"), [(["gpu_id", "name", "properties"], "board_present"), (["gpu_id"], "kfd_gpu_node")]
)
def test_a_recorded_node_that_cannot_be_read(derived: Callable[[str], Path], files: list[str], check: str) -> None:
    root = derived("6.1")
    for name in files:
        file = root / "sys/class/kfd/kfd/topology/nodes/1" / name
        file.unlink()
        file.mkdir()  # as good as EPERM, which root can't be given
    failure = first_failure(evaluate(gather(str(root))))
    assert failure is not None
    assert failure["id"] == check
    assert "node(s) 1 can't be read" in failure["evidence"]
    assert "device cgroup" in failure["remedy"]


def test_processors_only(tmp_path: Path) -> None:
    checks = evaluate(gather(topology(tmp_path, CPU, CPU)))
    failure = first_failure(checks)
    assert failure is not None
    assert failure["id"] == "board_present"
    assert "2 node(s)" in failure["evidence"]


def test_nothing_at_all(tmp_path: Path) -> None:
    failure = first_failure(evaluate(gather(str(tmp_path)), WANTED))
    assert failure is not None
    assert failure["id"] == "board_present"


@pytest.mark.parametrize(
    ("gpu", "name", "target"),
    [({**MI210, "gfx_target_version": 90010}, "aldebaran", "gfx90a"), (VEGA10, "vega10", "gfx900")],
)
def test_machines_never_seen(tmp_path: Path, gpu: dict[str, int], name: str, target: str) -> None:
    seen = by_id(evaluate(gather(topology(tmp_path, CPU, gpu, gpu, names=("", name, name)))))
    assert seen["board_present"]["status"] == "ok"
    assert seen["board_supported"]["status"] == "failed"
    assert target in seen["board_supported"]["evidence"]
    assert [check["id"] for check in seen.values() if check["status"] == "failed"] == ["board_supported"]


@pytest.mark.parametrize(
    ("board", "failing"),
    [
        ("rx5500xt-8g", None),
        ("rx5600xt", None),
        ("two-boards", None),
        ("igpu-and-board", None),
        ("no-atomics", "pcie_atomics"),
        ("no-board", "board_present"),
        ("rx580", "board_supported"),
        ("rx6600", "board_supported"),
        ("unbound", "driver_bound"),
    ],
)
def test_simulated_hosts(host: Callable[..., Path], board: str, failing: str | None) -> None:
    failure = first_failure(evaluate(gather(str(host(board)))))
    assert (failure["id"] if failure else None) == failing


def test_atomics_do_not_matter_to_510(host: Callable[..., Path]) -> None:
    assert first_failure(evaluate(gather(str(host("no-atomics", "5.10"))))) is None
