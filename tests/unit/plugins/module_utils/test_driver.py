"""The module, what blocks it, and its lines in the kernel log."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._driver import (
    gather_driver,
    gather_kernel_log,
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
        "blacklisted": [],
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


@pytest.mark.parametrize(
    ("line", "blocked"),
    [
        ("blacklist amdgpu", True),
        ("  blacklist   amdgpu  ", True),
        ("install amdgpu /bin/false", True),
        ("install amdgpu /usr/bin/true", True),
        ("# blacklist amdgpu", False),
        ("blacklist amdgpu_extra", False),
        ("blacklist radeon", False),
        ("options amdgpu si_support=1", False),
        ("install amdgpu /sbin/modprobe --ignore-install amdgpu", False),
    ],
)
def test_blacklists(tmp_path: Path, line: str, blocked: bool) -> None:
    write(tmp_path, "etc/modprobe.d/gpu.conf", f"options snd index=1\n{line}\n")
    write(tmp_path, "etc/modprobe.d/notes.txt", "blacklist amdgpu\n")  # modprobe reads *.conf
    assert gather_driver(Tree(str(tmp_path)))["blacklisted"] == (["/etc/modprobe.d/gpu.conf"] if blocked else [])


def test_a_file_in_etc_hides_its_namesake(tmp_path: Path) -> None:
    write(tmp_path, "usr/lib/modprobe.d/gpu.conf", "blacklist amdgpu\n")
    assert gather_driver(Tree(str(tmp_path)))["blacklisted"] == ["/usr/lib/modprobe.d/gpu.conf"]
    write(tmp_path, "etc/modprobe.d/gpu.conf", "")
    assert gather_driver(Tree(str(tmp_path)))["blacklisted"] == []


@pytest.mark.parametrize(
    ("word", "blocked"),
    [
        ("nomodeset", True),
        ("modprobe.blacklist=nouveau,amdgpu", True),
        ("module_blacklist=amdgpu,radeon", True),
        ("modprobe.blacklist=nouveau", False),
        ("amdgpu.dc=0", False),
    ],
)
def test_the_kernels_arguments(tmp_path: Path, word: str, blocked: bool) -> None:
    write(tmp_path, "proc/cmdline", f"BOOT_IMAGE=/vmlinuz root=/dev/sda1 {word} quiet\n")
    assert gather_driver(Tree(str(tmp_path)))["blacklisted"] == ([f"/proc/cmdline ({word})"] if blocked else [])


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
}
HARMLESS = [
    "kfd kfd: amdgpu: added device 1002:7340",
    "amdgpu 0000:04:00.0: amdgpu: PCIE atomic ops is not supported",
    "firmware: direct-loading firmware amdgpu/navi14_sos.bin",
    "amdgpu: Topology: Add dGPU node [0x7340:0x1002]",
    "iwlwifi 0000:01:00.0: firmware: failed to load iwlwifi-cc-46.ucode (-2)",
    "[drm] amdgpu kernel modesetting enabled.",
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


def test_the_log_of_a_recorded_tree_is_unknown(tmp_path: Path) -> None:
    write(tmp_path, "dev/kmsg", "6,1,2,-;amdgpu: GPU reset begin!\n")
    seen = gather_kernel_log(Tree(str(tmp_path)))
    assert seen == {"readable": False, "resets": [], "atomics_rejected": [], "firmware_failed": [], "kfd_errors": []}


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


def test_another_user_than_root_does_not_try(monkeypatch: pytest.MonkeyPatch) -> None:
    Kmsg(monkeypatch, [b"6,1,2,-;amdgpu: GPU reset begin!"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert gather_kernel_log(Tree("/"))["readable"] is False


def test_a_refused_log_is_a_value(refuse: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tree, "device", lambda _tree, _path: {"char": True})
    refuse("/dev/kmsg", errno.EPERM)
    assert gather_kernel_log(Tree("/"))["readable"] is False
