"""DKMS's tree, what is really installed, failed builds, and the claims of `dkms status`."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._dkms import (
    contradictions,
    gather_dkms,
    missing_builds,
    parse_status,
)
from ansible_collections.navilab.webui.plugins.module_utils._dkms_log import CAUSES, explain_log

from .kmods import elf, put

VERSION, KERNEL = "5.18.2.22.40-1504718.20.04", "5.10.0-46-amd64"
MODULE = elf(version="5.18.2.22.40", srcversion="ABC", vermagic=f"{KERNEL} SMP")
INBOX = elf(vermagic=f"{KERNEL} SMP")
OLD, NEW = b"# reads $dkms_frameworkconf", b"for i in /etc/dkms/framework.conf /etc/dkms/framework.conf.d/*.conf; do"
Trees = Callable[[Path], Any]


def tree(root: Path, place: str = "var/lib/dkms", script: bytes = OLD) -> Path:
    """A finished build that is installed."""
    put(root, "usr/sbin/dkms", script)
    home = f"{place}/amdgpu"
    put(root, f"{home}/{VERSION}/{KERNEL}/x86_64/module/amdgpu.ko", MODULE)
    put(root, f"{home}/{VERSION}/{KERNEL}/x86_64/log/make.log")
    (root / f"{home}/{VERSION}/source").symlink_to(f"/usr/src/amdgpu-{VERSION}")
    (root / f"{home}/kernel-{KERNEL}-x86_64").symlink_to(f"{VERSION}/{KERNEL}/x86_64")
    put(root, f"lib/modules/{KERNEL}/kernel/drivers/gpu/drm/amd/amdgpu/amdgpu.ko", INBOX)
    put(root, f"lib/modules/{KERNEL}/updates/dkms/amdgpu.ko", MODULE)
    return root


def build(seen: dict[str, Any]) -> dict[str, Any]:
    ((found,),) = [module["builds"] for module in seen["modules"]]
    return dict(found)


def test_nothing(tmp_path: Path, tree_of: Trees) -> None:
    seen = gather_dkms(tree_of(tmp_path))
    assert (seen["present"], seen["modules"], seen["leftovers"]) == (False, [], [])
    assert (seen["tree"]["path"], seen["tree"]["kind"], seen["tree"]["believable"]) == (
        "/var/lib/dkms", "missing", True,
    )  # fmt: skip


def test_installed(tmp_path: Path, tree_of: Trees) -> None:
    seen = gather_dkms(tree_of(tree(tmp_path)))
    assert seen["modules"][0]["versions"] == [VERSION]
    found = build(seen)
    assert (found["kernel"], found["arch"], found["linked"], found["installed"]) == (KERNEL, "x86_64", True, True)
    assert found["files"][0]["path"] == f"/lib/modules/{KERNEL}/updates/dkms/amdgpu.ko"
    assert seen["leftovers"] == []
    assert missing_builds(seen, [KERNEL, "5.10.0-99-amd64"]) == ["5.10.0-99-amd64"]


def test_compressed(tmp_path: Path, tree_of: Trees) -> None:
    file = tree(tmp_path) / f"lib/modules/{KERNEL}/updates/dkms/amdgpu.ko"
    put(tmp_path, f"lib/modules/{KERNEL}/updates/dkms/amdgpu.ko.xz", lzma.compress(MODULE))
    file.unlink()
    assert build(gather_dkms(tree_of(tmp_path)))["installed"]


def test_the_file_decides_and_not_the_link(tmp_path: Path, tree_of: Trees) -> None:
    installed = tree(tmp_path) / f"lib/modules/{KERNEL}/updates/dkms/amdgpu.ko"
    installed.write_bytes(elf(version="5.18.2.22.40", srcversion="OTHER", vermagic=f"{KERNEL} SMP"))
    found = build(gather_dkms(tree_of(tmp_path)))
    assert (found["linked"], found["installed"]) == (True, False)
    installed.unlink()
    assert not build(gather_dkms(tree_of(tmp_path)))["installed"]


@pytest.mark.parametrize(
    ("conf", "drop_in", "script", "path"),
    [
        ('# dkms_tree="/no"\n  dkms_tree="/v/"\n', "", OLD, "/v"),
        ("dkms_tree=/a\ndkms_tree='/v'\n", "", NEW, "/v"),
        ("dkms_tree=/a\n", 'dkms_tree="/v"\n', NEW, "/v"),
        ("dkms_tree=/v\n", 'dkms_tree="/ignored"\n', OLD, "/v"),
    ],
)
def test_configuration(tmp_path: Path, tree_of: Trees, conf: str, drop_in: str, script: bytes, path: str) -> None:
    tree(tmp_path, "v", script)
    put(tmp_path, "etc/dkms/framework.conf", conf.encode())
    put(tmp_path, "etc/dkms/framework.conf.d/navilab.conf", drop_in.encode())
    put(tmp_path, "etc/fstab", b"# x\n/var/lib/dkms /v none bind 0 0\n")
    seen = gather_dkms(tree_of(tmp_path))
    assert (seen["tree"]["path"], seen["tree"]["kind"], seen["tree"]["fstab"]) == (path, "directory", True)
    assert build(seen)["installed"]


def test_a_symlink_is_not_to_be_believed(tmp_path: Path, tree_of: Trees) -> None:
    tree(tmp_path)
    (tmp_path / "v").symlink_to("/var/lib/dkms")
    put(tmp_path, "etc/dkms/framework.conf", b'dkms_tree="/v"\n')
    seen = gather_dkms(tree_of(tmp_path))
    assert (seen["tree"]["kind"], seen["tree"]["real"], seen["tree"]["believable"]) == (
        "symlink", "/var/lib/dkms", False,
    )  # fmt: skip
    explained = parse_status(f"amdgpu, {VERSION}, {KERNEL}, x86_64: built\n")
    assert contradictions(seen, explained) == [
        f"amdgpu/{VERSION}: status says built, but it is what {KERNEL} would load"
    ]  # fmt: skip


def test_a_tree_that_dkms_own_directory_leads_to(tmp_path: Path, tree_of: Trees) -> None:
    tree(tmp_path, "v")
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/dkms").symlink_to("/v")
    put(tmp_path, "etc/dkms/framework.conf", b'dkms_tree="/v"\n')
    seen = gather_dkms(tree_of(tmp_path))
    assert (seen["tree"]["kind"], seen["tree"]["believable"]) == ("directory", True)


def test_leftovers(tmp_path: Path, tree_of: Trees) -> None:
    put(tmp_path, f"lib/modules/{KERNEL}/updates/dkms/amdgpu.ko", MODULE)
    put(tmp_path, f"lib/modules/{KERNEL}/updates/dkms/amd-sched.ko", MODULE)
    put(tmp_path, f"lib/modules/{KERNEL}/updates/dkms/nvidia.ko", MODULE)
    assert gather_dkms(tree_of(tmp_path))["leftovers"] == [
        f"/lib/modules/{KERNEL}/updates/dkms/{name}.ko" for name in ("amd-sched", "amdgpu")
    ]


HEAD = f"DKMS make.log for amdgpu-{VERSION} for kernel {KERNEL} (x86_64)\nmake: Entering directory '/usr/src/x'\n"
LOGS = {
    "argument_list": "make[3]: /bin/sh: Argument list too long\n"
    "make[3]: *** [/usr/src/x/scripts/Makefile.build:442: /var/lib/dkms/a/build/amd/amdgpu/amdgpu.o] Error 127\n",
    "no_space": "fatal error: error writing to /tmp/ccX.s: No space left on device\n",
    "memory": "gcc: fatal error: Killed signal terminated program cc1\n",
    "interrupted": "make[1]: *** [Makefile:1846: /v/amdgpu/x/build] Terminated\n",
    "headers": "make: *** /lib/modules/5.10.0-46-amd64/build: No such file or directory.  Stop.\n",
    "compiler": "/bin/sh: 1: gcc-12: not found\nmake[1]: *** [x] Error 127\n",
    "dma_resv_seq": "/v/build/amd/dkms/Makefile:30: *** dma_resv->seq is missing. exit....  Stop.\n",
    "pci_resize_resource": "amdgpu_device.c:1: error: too few arguments to function 'pci_resize_resource'\n",
    "kernel_interface": "kcl.c:4:5: error: 'struct drm_device' has no member named 'pdev'\n",
}


@pytest.mark.parametrize("cause", LOGS)
def test_causes_by_name(cause: str) -> None:
    noise = "  CC [M]  /v/amdgpu/x.o\nwarning: the compiler differs from the one used to build the kernel\n" * 50
    explained = explain_log(HEAD + noise + LOGS[cause] + noise)
    assert [found["id"] for found in explained["causes"]] == [cause]
    assert explained["lines"][0] == LOGS[cause].splitlines()[0].strip()
    assert len(explained["lines"]) <= 4


def test_every_cause_is_tested() -> None:
    assert set(LOGS) == {cause.id for cause in CAUSES}


def test_an_unknown_cause_still_shows_its_lines() -> None:
    explained = explain_log(
        HEAD + "x.c:3:1: error: expected identifier\nmake[2]: *** [x.o] Error 1\nmake[2]: *** [x.o] Error 1\n"
    )
    assert explained == {"causes": [], "lines": ["x.c:3:1: error: expected identifier", "make[2]: *** [x.o] Error 1"]}
    assert explain_log("") == {"causes": [], "lines": []}


def test_a_failed_build_is_found(tmp_path: Path, tree_of: Trees) -> None:
    log = f"/var/lib/dkms/amdgpu/{VERSION}/build/make.log"
    put(tmp_path, log, (HEAD + LOGS["argument_list"]).encode())
    (module,) = gather_dkms(tree_of(tmp_path))["modules"]
    (failure,) = module["failures"]
    assert (module["builds"], failure["kernel"], failure["log"]) == ([], KERNEL, log)
    assert failure["causes"][0]["id"] == "argument_list"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (f"amdgpu, {VERSION}: added", ("amdgpu", VERSION, None, None, "added", "")),
        (f"amdgpu/{VERSION}: added", ("amdgpu", VERSION, None, None, "added", "")),
        (
            f"amdgpu, {VERSION}, {KERNEL}, x86_64: installed (original_module exists)",
            ("amdgpu", VERSION, KERNEL, "x86_64", "installed", "original_module exists"),
        ),
        (
            "amdgpu/6.1~rc+1, 6.12.107+deb13-amd64, x86_64: installed "
            "(Differences between built and installed modules)",
            (
                "amdgpu", "6.1~rc+1", "6.12.107+deb13-amd64", "x86_64", "installed",
                "Differences between built and installed modules",
            ),
        ),
        ("a, 1, 5.10.0, x86_64: installed-weak from 5.9", ("a", "1", "5.10.0", "x86_64", "installed-weak", "from 5.9")),
        ("amdgpu/1: broken", ("amdgpu", "1", None, None, "broken", "")),
    ],
)  # fmt: skip
def test_status_lines(line: str, wanted: tuple[str, ...]) -> None:
    noise = "Deprecated feature: REMAKE_INITRD (/var/lib/dkms/a/1/source/dkms.conf)\n"
    noise += "Error! Could not locate dkms.conf file.\n"
    (entry,) = parse_status(f"{noise}{line}\n\n")
    assert tuple(entry.values()) == wanted
