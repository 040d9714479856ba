"""The module, what blocks it, and its lines in the kernel log."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._driver import (
    gather_driver,
    gather_kernel_log,
    lines_of,
    names_a_device,
    parse_record,
    sort_log,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_kernels_own_driver(host: Callable[..., Path]) -> None:
    assert gather_driver(Tree(str(host("rx5500xt-8g")))) == {
        "loaded": True, "initstate": "live", "version": None, "srcversion": None, "on_disk": None, "in_tree": True,
        "blacklisted": [], "options": [],
    }  # fmt: skip


def test_no_driver(host: Callable[..., Path]) -> None:
    seen = gather_driver(Tree(str(host("unbound"))))
    assert (seen["loaded"], seen["initstate"], seen["in_tree"]) == (False, None, None)


def test_the_dkms_driver_has_a_version(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    write(root, "sys/module/amdgpu/version", "5.18.2.22.40\n")
    seen = gather_driver(Tree(str(root)))
    assert (seen["version"], seen["in_tree"]) == ("5.18.2.22.40", False)


def test_an_out_of_tree_driver_without_a_version_taints(host: Callable[..., Path]) -> None:
    root = host("rx5500xt-8g")
    write(root, "sys/module/amdgpu/taint", "OE\n")
    assert gather_driver(Tree(str(root)))["in_tree"] is False


def test_a_topology_alone_proves_the_driver(derived: Callable[[str], Path]) -> None:
    seen = gather_driver(Tree(str(derived("6.1"))))
    assert (seen["loaded"], seen["in_tree"]) == (True, None)


def test_what_keeps_it_out_and_what_it_gets(tmp_path: Path) -> None:
    write(tmp_path, "etc/modprobe.d/gpu.conf", "blacklist amdgpu\noptions amdgpu dc=0\n")
    write(tmp_path, "proc/cmdline", "root=/dev/sda1 nomodeset quiet\n")
    seen = gather_driver(Tree(str(tmp_path)))
    assert seen["blacklisted"] == ["/etc/modprobe.d/gpu.conf", "/proc/cmdline (nomodeset)"]
    assert seen["options"] == ["dc=0"]


# Lines of public reports and of the kernels' sources.
LOG = {
    "resets": [
        "amdgpu 0000:0a:00.0: amdgpu: GPU reset begin!",
        "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx_0.0.0 timeout, signaled seq=1, emitted seq=3",
    ],
    "atomics_rejected": [
        "kfd kfd: skipped device 1002:7340, PCI rejects atomics",
        "kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics",
        "kfd kfd: amdgpu: skipped device 1002:7340, PCI rejects atomics 137<145",
    ],
    "firmware_failed": [
        "amdgpu 0000:0a:00.0: firmware: failed to load amdgpu/navi14_sos.bin (-2)",
        "amdgpu 0000:0a:00.0: Direct firmware load for amdgpu/navi14_sos.bin failed with error -2",
        "[drm:amdgpu_pci_probe [amdgpu]] *ERROR* amdgpu requires firmware installed",
    ],
    "kfd_errors": [
        "kfd kfd: amdgpu: device 1002:7340 NOT added due to errors",
        "kfd kfd: amdgpu: PITCAIRN  not supported in kfd",
        "kfd kfd: DID 7340 is missing in supported_devices",
        "kfd kfd: kgd2kfd_probe failed",
        "amdgpu: sched_policy has invalid value",
    ],
    "oom_kills": [
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=docker-c0ffee.scope,mems_allowed=0,"
        "oom_memcg=/system.slice/docker-c0ffee.scope,task_memcg=/system.slice/docker-c0ffee.scope,task=python3,pid=9,uid=7",
    ],
}
HARMLESS = [
    "kfd kfd: amdgpu: added device 1002:7340",
    "amdgpu 0000:04:00.0: amdgpu: PCIE atomic ops is not supported",
    "firmware: direct-loading firmware amdgpu/navi14_sos.bin",
    "amdgpu: Topology: Add dGPU node [0x7340:0x1002]",
    "iwlwifi 0000:01:00.0: firmware: failed to load iwlwifi-cc-46.ucode (-2)",
    "[drm] amdgpu kernel modesetting enabled.",
    "python3 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=500",
]


def test_lines_by_kind() -> None:
    lines = [line for kind in LOG.values() for line in kind] + HARMLESS
    assert sort_log(iter(lines)) == LOG


def test_the_newest_lines_are_kept() -> None:
    kept = sort_log(f"amdgpu: GPU reset({number}) succeeded!" for number in range(500))["resets"]
    assert len(kept) == 20
    assert kept[-1] == "amdgpu: GPU reset(499) succeeded!"


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (b"6,339,5140900,-;NET: Registered protocol family 10\n SUBSYSTEM=x\n", "NET: Registered protocol family 10"),
        (b"3,1,2,-;semi; colon", "semi; colon"),
        (b"12,1,2,-;written by a user\n", ""),
        (b"6,1,2,-;\xff\n", "\ufffd"),
        (b"garbage", ""),
        (b"", ""),
    ],
)
def test_records_of_kmsg(record: bytes, text: str) -> None:
    assert parse_record(record) == text


def recording(root: Path, lines: Any) -> Tree:
    (root / "root").mkdir(exist_ok=True)
    write(root, "recording.json", json.dumps({"answers": {"kernel log": lines}}))
    return Tree(str(root))


def test_a_recording_has_the_lines_that_matter(tmp_path: Path) -> None:
    lines = [*LOG["resets"], *HARMLESS, *LOG["kfd_errors"]]
    seen = gather_kernel_log(recording(tmp_path, lines))
    assert seen == {
        "readable": True, "resets": LOG["resets"], "atomics_rejected": [], "firmware_failed": [],
        "kfd_errors": LOG["kfd_errors"], "oom_kills": [],
    }  # fmt: skip
    assert gather_kernel_log(recording(tmp_path, []))["readable"] is True
    for garbage in ("x", [1], [["x"]], {}):
        assert gather_kernel_log(recording(tmp_path, garbage))["readable"] is False


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("[ 1234.567890] amdgpu: GPU reset begin!", "amdgpu: GPU reset begin!"),
        ("\x1b[31mamdgpu: GPU reset begin!\x1b[0m", "amdgpu: GPU reset begin!"),
        ("amdgpu: GPU reset\x00 begin!", "amdgpu: GPU reset\ufffd begin!"),
        ("amdgpu: GPU reset " + "x" * 9000, ("amdgpu: GPU reset " + "x" * 9000)[:400]),
    ],
)
def test_lines_are_text(tmp_path: Path, line: str, kept: str) -> None:
    assert gather_kernel_log(recording(tmp_path, [line]))["resets"] == [kept]


BOARD: Any = {"bdf": "0000:0a:00.0", "device_id": "7340", "chip": "navi14", "driver": "amdgpu"}
OTHER: Any = {"bdf": "0000:30:00.0", "device_id": "1638", "chip": None, "driver": "amdgpu"}
UNBOUND, HELD = {**OTHER, "driver": None}, {**OTHER, "driver": "vfio-pci"}


@pytest.mark.parametrize(
    ("line", "alone", "beside"),
    [  # whether it is about the board, without and with another device of amdgpu's
        ("amdgpu 0000:0a:00.0: amdgpu: GPU reset begin!", True, True),
        ("amdgpu 0000:0A:00.0: amdgpu: GPU reset begin!", True, True),
        ("amdgpu 0000:30:00.0: amdgpu: GPU reset begin!", False, False),
        ("amdgpu 0000:0a:00.1: amdgpu: GPU reset begin!", False, False),
        ("amdgpu 0001:0a:00.0: amdgpu: GPU reset begin!", False, False),
        ("amdgpu 10000:0a:00.0: amdgpu: GPU reset begin!", False, False),
        ("pcieport 0000:00:03.1: amdgpu 0000:0a:00.0 GPU reset", True, True),
        ("[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring gfx timeout", True, False),
        ("kfd kfd: amdgpu: skipped device 1002:7340, PCI rejects atomics 137<145", True, True),
        ("kfd kfd: skipped device 1002:67df, PCI rejects atomics", False, False),
        ("kfd kfd: amdgpu: device 1002:1638 NOT added due to errors", False, False),
        ("kfd kfd: DID 7340 is missing in supported_devices", True, True),
        ("amdgpu: Topology: Add dGPU node [0x7340:0x1002]", True, True),
        ("kfd kfd: amdgpu: PITCAIRN  not supported in kfd", True, False),
        ('gfx10: Failed to load firmware "amdgpu/navi14_mec.bin"', True, True),
        ('gfx10: Failed to load firmware "amdgpu/green_sardine_mec.bin"', False, False),
        ("amdgpu 0000:30:00.0: firmware: failed to load amdgpu/psp_13_0_4_toc.bin (-2)", False, False),
        ("amdgpu 0000:0a:00.0: firmware: failed to load amdgpu/navi14_sos.bin (-2)", True, True),
    ],
)
def test_a_line_belongs_to_the_device_that_it_names(line: str, alone: bool, beside: bool) -> None:
    assert (lines_of([line], BOARD, []) == [line]) is alone
    assert (lines_of([line], BOARD, [HELD]) == [line]) is alone
    assert (lines_of([line], BOARD, [OTHER]) == [line]) is beside
    assert (lines_of([line], BOARD, [UNBOUND]) == [line]) is beside


def test_ids_are_not_padded(tmp_path: Path) -> None:
    old: Any = {**BOARD, "device_id": "0042"}
    assert lines_of(["kfd kfd: skipped device 1002:42, PCI rejects atomics"], old, [OTHER])
    assert names_a_device("kfd kfd: amdgpu: device 1002:42 NOT added due to errors")
    assert not names_a_device("amdgpu: sched_policy has invalid value")


def test_the_log_of_a_recorded_tree_is_unknown(tmp_path: Path) -> None:
    write(tmp_path, "dev/kmsg", "6,1,2,-;amdgpu: GPU reset begin!\n")
    seen = gather_kernel_log(Tree(str(tmp_path)))
    assert seen == {"readable": False, **{kind: [] for kind in LOG}}


class Kmsg:
    """/dev/kmsg with given answers of read(), then EAGAIN."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[bytes | OSError]) -> None:
        self.answers: Iterator[bytes | OSError] = iter([*answers, BlockingIOError(errno.EAGAIN, "x")])
        real = os.read
        monkeypatch.setattr(Tree, "device", lambda _tree, _path: {"char": True})
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        null = os.open("/dev/null", os.O_RDONLY)
        monkeypatch.setattr(
            os, "open", lambda path, flags: null if flags & os.O_NONBLOCK and path == "/dev/kmsg" else -1
        )
        monkeypatch.setattr(os, "read", lambda fd, size: self.answer() if fd == null else real(fd, size))

    def answer(self) -> bytes:
        answer: Any = next(self.answers)
        if isinstance(answer, OSError):
            raise answer
        return bytes(answer)


def test_the_live_log_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = LOG["atomics_rejected"][2]
    Kmsg(monkeypatch, [b"6,1,2,-;hello", OSError(errno.EPIPE, "overwritten"), b"4,2,3,-;" + rejected.encode() + b"\n"])
    seen = gather_kernel_log(Tree("/"))
    assert (seen["readable"], seen["atomics_rejected"], seen["resets"]) == (True, [rejected], [])


def test_a_recorder_gets_what_the_facts_have(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recorder:
        kept: ClassVar[dict[str, Any]] = {}

        def answer(self, question: str, answer: Any) -> None:
            self.kept[question] = answer

    again = b"6,1,2,-;amdgpu: GPU reset begin!"
    Kmsg(monkeypatch, [b"6,1,2,-;hello", *[again] * 30, b"6,1,2,-;amdgpu: sched_policy has invalid value"])
    seen = gather_kernel_log(Tree("/", recorder=Recorder()))  # type: ignore[arg-type]
    assert Recorder.kept == {
        "kernel log": [*["amdgpu: GPU reset begin!"] * 20, "amdgpu: sched_policy has invalid value"]
    }
    assert (len(seen["resets"]), len(seen["kfd_errors"])) == (20, 1)


def test_another_user_than_root_does_not_try(monkeypatch: pytest.MonkeyPatch) -> None:
    Kmsg(monkeypatch, [b"6,1,2,-;amdgpu: GPU reset begin!"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert gather_kernel_log(Tree("/"))["readable"] is False


def test_a_refused_log_is_a_value(refuse: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tree, "device", lambda _tree, _path: {"char": True})
    refuse("/dev/kmsg", errno.EPERM)
    assert gather_kernel_log(Tree("/"))["readable"] is False
