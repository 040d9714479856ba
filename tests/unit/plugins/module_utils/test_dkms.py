"""DKMS's tree, what is really installed, failed builds, and the claims of `dkms status`."""

from __future__ import annotations

import lzma
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._dkms import (
    built_version,
    contradictions,
    failure_evidence,
    failure_remedy,
    gather_dkms,
    last_failure,
    missing_builds,
    newest,
    package_version,
    parse_status,
)
from ansible_collections.navilab.webui.plugins.module_utils._dkms_log import CAUSES, explain_log, keep_log

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


OLDER, NEWER = "6.8.5-2041575.24.04", "6.10.5-2084815.24.04"


def test_versions_are_ordered_as_versions(tmp_path: Path, tree_of: Trees) -> None:
    home = "var/lib/dkms/amdgpu"
    for version in (OLDER, NEWER, "6.10.5~rc1-1"):
        put(tmp_path, f"{home}/{version}/source/dkms.conf")
    seen = gather_dkms(tree_of(tmp_path))
    assert seen["modules"][0]["versions"] == [OLDER, "6.10.5~rc1-1", NEWER]
    assert newest(seen) == NEWER
    assert newest(seen, "nvidia") is None


def test_what_is_no_registration(tmp_path: Path, tree_of: Trees) -> None:
    home = "var/lib/dkms/amdgpu"
    put(tmp_path, f"{home}/{NEWER}/source/dkms.conf")
    (tmp_path / home / OLDER).mkdir()  # what an interrupted removal leaves
    (tmp_path / home / "9.9").write_text("a file")
    put(tmp_path, f"{home}/9.8/source", b"a file")
    put(tmp_path, f"{home}/9.7/build/x.c")
    put(tmp_path, f"{home}/9.6/6.12.57+deb13-amd64/x86_64/module/amdgpu.ko", MODULE)
    put(tmp_path, f"{home}/original_module/{KERNEL}/x86_64/amdgpu.ko")
    for odd in ("-k", ".9", "9 9", "9\n9", "$(x)", "9;x"):
        put(tmp_path, f"{home}/{odd}/source/dkms.conf")
    for other in ("lost+found", "mok.key"):
        put(tmp_path, f"var/lib/dkms/{other}")
    put(tmp_path, "var/lib/dkms/empty/1.0/x")
    (module,) = gather_dkms(tree_of(tmp_path))["modules"]
    assert (module["name"], module["versions"], module["builds"], module["failures"]) == ("amdgpu", [NEWER], [], [])


def test_a_dangling_source_is_a_registration_all_the_same(tmp_path: Path, tree_of: Trees) -> None:
    (tmp_path / "var/lib/dkms/amdgpu" / NEWER).mkdir(parents=True)
    (tmp_path / "var/lib/dkms/amdgpu" / NEWER / "source").symlink_to(f"/usr/src/amdgpu-{NEWER}")
    assert newest(gather_dkms(tree_of(tmp_path))) == NEWER


def test_which_version_a_kernel_would_load(tmp_path: Path, tree_of: Trees) -> None:
    tree(tmp_path)
    put(tmp_path, f"var/lib/dkms/amdgpu/{NEWER}/source/dkms.conf")
    seen = gather_dkms(tree_of(tmp_path))
    assert (newest(seen), built_version(seen, KERNEL), built_version(seen, "6.1")) == (NEWER, VERSION, None)


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("1:6.12.12.60401-2164967.24.04", "6.12.12-2164967.24.04"),
        ("1:5.18.2.22.40.50303-1504718.20.04", VERSION),
        ("1:6.16.13.30300000-2278356.24.04", "6.16.13-2278356.24.04"),
        (f"1:{VERSION}", VERSION),
        (VERSION, VERSION),
        ("", ""),
    ],
)
def test_a_package_and_its_module_have_the_same_version(package: str, version: str) -> None:
    assert package_version(package) == version


HEAD = f"DKMS make.log for amdgpu-{VERSION} for kernel {KERNEL} (x86_64)\nmake: Entering directory '/usr/src/x'\n"
# By cause, lines that make, compilers and DKMS write, most of public reports; the first of each has to be told.
LOGS = {
    "argument_list": [
        "make[3]: /bin/sh: Argument list too long\n"
        "make[3]: *** [/usr/src/x/scripts/Makefile.build:442: /var/lib/dkms/a/build/amd/amdgpu/amdgpu.o] Error 127\n",
        "make[3]: /bin/sh: Die Argumentliste ist zu lang\n",
    ],
    "no_space": [
        "fatal error: error writing to /tmp/ccX.s: No space left on device\n",
        "cp: error writing '/var/lib/dkms/x': No space left on device\n",
        "/usr/bin/ld: final link failed: Disk quota exceeded\n",
    ],
    "mount": [
        "/bin/sh: 1: /tmp/amd.Z35UpKSZ/amd/dkms/autogen.sh: Permission denied\n",
        "mkdir: cannot create directory 'x': Read-only file system\n",
    ],
    "memory": [
        "gcc: fatal error: Killed signal terminated program cc1\n",
        "cc1: out of memory allocating 65536 bytes after a total of 1 bytes\n",
    ],
    "interrupted": ["make[1]: *** [Makefile:1846: /v/amdgpu/x/build] Terminated\n"],
    "compiler_crash": [
        "amd/amdgpu/amdgpu_vm.c:12:1: internal compiler error: Segmentation fault\n",
        "make[4]: *** [x.o] Segmentation fault (core dumped)\n",
    ],
    "excluded": [
        "Error! The dkms.conf for module amdgpu includes a BUILD_EXCLUSIVE directive which does not match this kernel\n"
    ],
    "signing": [
        "sign-file: /var/lib/shim-signed/mok/MOK.priv\n",
        "- SSL error:FFFFFFFF80000002:system library::No such file or directory: crypto/bio/bss_file.c:67\n",
        "Error! Failed to sign module\n",
    ],
    "objtool": [
        "objtool: SRCARCH variable not defined\n",
        "error: objtool: amdgpu_init+0x1: unannotated intra-function call\n",
    ],
    "btf": [
        "/bin/sh: 1: ./tools/bpf/resolve_btfids/resolve_btfids: not found\n",
        "FAILED: load BTF from vmlinux: Invalid argument\n",
        "BTF: .tmp_vmlinux.btf: pahole (pahole) is not available\n",
    ],
    "headers": [
        "make: *** /lib/modules/5.10.0-46-amd64/build: No such file or directory.  Stop.\n",
        "make[1]: *** No rule to make target 'modules'.  Stop.\n",
        "make[3]: *** No rule to make target 'scripts/module.lds', needed by '/v/amdgpu.ko'.  Stop.\n",
        "./include/linux/compiler_types.h:1:10: fatal error: generated/autoconf.h: No such file or directory\n",
        "/bin/sh: 1: scripts/basic/fixdep: not found\n",
        "Error! Your kernel headers for kernel 6.1.0-28-amd64 cannot be found.\n",
        "make[1]: *** /usr/src/linux-headers-6.12.38+deb13-amd64: No such file or directory.  Stop.\n",
    ],
    "clang": [
        "gcc: error: unrecognized command-line option '-mretpoline-external-thunk'\n",
        "gcc: error: unrecognized argument to '-fsanitize=' option: 'kcfi'\n",
        "/bin/sh: 1: ld.lld: not found\n",
    ],
    "compiler": [
        "/bin/sh: 1: gcc-12: not found\nmake[1]: *** [x] Error 127\n",
        "make[1]: x86_64-linux-gnu-gcc-12: No such file or directory\n",
        "gcc: error: unrecognized command-line option '-ftrivial-auto-var-init=zero'\n",
        "cc1: error: incompatible gcc/plugin versions\n",
        "configure: error: C compiler cannot create executables\n",
    ],
    "tools": [
        "/tmp/amd.x/amd/dkms/autogen.sh: 3: autoconf: not found\n",
        "/bin/sh: line 1: bc: command not found\n",
        "Makefile:1: *** Cannot generate ORC metadata for CONFIG_UNWINDER_ORC=y, please install libelf-dev.  Stop.\n",
    ],
    "dma_resv_seq": [
        "/v/build/amd/dkms/Makefile:30: *** dma_resv->seq is missing. exit....  Stop.\n",
        "/v/build/Makefile:16: *** dma_resv->seq is missing., exit.... 中止.\n",
    ],
    "pci_resize_resource": ["amdgpu_device.c:1: error: too few arguments to function 'pci_resize_resource'\n"],
    "kernel_interface": [
        "kcl.c:4:5: error: 'struct drm_device' has no member named 'pdev'\n",
        "a.c:43:33: error: initialization of 'unsigned int' from 'char *' makes integer from pointer without a cast "
        "[-Wint-conversion]\n",
        "a.c:5:9: error: 'KCL_OLD_FLAG' undeclared (first use in this function)\n",
        "a.h:9:20: error: field 'base' has incomplete type\n",
        "a.h:22:19: error: static declaration of 'pm_idle' follows non-static declaration\n",
        "a.c:3:10: fatal error: drm/drm_old.h: No such file or directory\n",
        'a.c:7:41: error: macro "__assign_str" passed 2 arguments, but takes just 1\n',
        "ERROR: modpost: GPL-incompatible module amdkcl.ko uses GPL-only symbol 'rcu_x'\n",
        'ERROR: modpost: "kallsyms_lookup_name" [/v/amdkcl.ko] undefined!\n',
        "ERROR: modpost: module amdgpu uses symbol dma_buf_put from namespace DMA_BUF, but does not import it.\n",
        "a.c:1:2: error: implicit declaration of function 'drm_x' [-Werror=implicit-function-declaration]\n",
        "a.c:1:2: Fehler: Implizite Deklaration der Funktion »x« [-Werror=implicit-function-declaration]\n",
        "a.c:563:64: error: passing argument 2 of 'drm_dp_add_payload_part2' from incompatible pointer type "
        "[-Werror=incompatible-pointer-types]\n",
        "a.h:229:11: error: conflicting types for 'amd_iommu_pc_get_max_banks'\n",
        "a.c:1:2: error: too many arguments to function 'drm_x'\n",
        "a.c:1:2: error: unknown type name 'drm_x'\n",
        "a.c:1:2: error: redefinition of 'struct drm_x'\n",
        "a.c:1:2: error: storage size of 'x' isn't known\n",
        "a.c:1:2: error: 'struct file_operations' has no member named 'llseek'\n",
        "a.c:1:2: error: 'x' defined but not used [-Werror=unused-function]\n",
        "a.c:1:2: error: void value not ignored as it ought to be\n",
        "ld: x.o: in function `f': x.c:(.text+0x1): undefined reference to `drm_x'\n",
        "a.h:3:10: fatal error: asm/unaligned.h: No such file or directory\n",
    ],
}  # fmt: skip
NOISE = (
    "  CC [M]  /v/amdgpu/x.o\nwarning: the compiler differs from the one used to build the kernel\n"
    "Skipping BTF generation for /v/amdgpu.ko due to unavailability of vmlinux\n"
    "a.c:29:6: warning: no previous prototype for 'amdkcl_init' [-Wmissing-prototypes]\n"
    "   29 | void amdkcl_init(void)\nchecking for nproc... (cached) yes\n"
    "readelf: Error: Not an ELF file - it has the wrong magic bytes at the start\n"
    "ls: cannot access '/usr/src/ofa_kernel': No such file or directory\n"
    "pci.h:1421:18: note: declared here\n"
)
BEGINNING = "".join(
    f"grep: /usr/src/ofa_kernel/x86_64/6.12.38+deb13-amd64/f{number}: No such file or directory\n"
    for number in range(6)
)


@pytest.mark.parametrize(("cause", "log"), [(cause, log) for cause, logs in LOGS.items() for log in logs])
def test_causes_by_name(cause: str, log: str) -> None:
    explained = explain_log(HEAD + BEGINNING + NOISE * 50 + log + NOISE * 50)
    assert [found["id"] for found in explained["causes"]] == [cause]
    assert explained["lines"][0] == log.splitlines()[0].strip()[:240]
    assert len(explained["lines"]) == len(log.splitlines())
    kept = keep_log((HEAD + BEGINNING + NOISE * 50 + log + NOISE * 50).encode())
    assert explain_log(kept.decode()) == explained
    assert len(kept) < 4000 and kept.startswith(b"DKMS make.log for")


def test_every_cause_is_tested() -> None:
    assert set(LOGS) == {cause.id for cause in CAUSES}


def test_of_a_noisy_log_the_error_is_told() -> None:
    explained = explain_log(HEAD + BEGINNING + "configure: error: no usable compiler\n")
    assert explained["lines"] == ["configure: error: no usable compiler"]
    assert [cause["id"] for cause in explained["causes"]] == ["compiler"]
    explained = explain_log(HEAD + BEGINNING + "/bin/sh: 1: lsb_release: not found\nx.c:1:2: error: expected ';'\n")
    assert explained == {"causes": [], "lines": ["x.c:1:2: error: expected ';'"]}
    assert explain_log(HEAD + BEGINNING)["lines"] == BEGINNING.splitlines()[:4]  # where there is nothing else


def test_the_error_comes_before_what_follows_from_it() -> None:
    log = "make[2]: *** [x.o] Error 1\nmake: *** [all] Error 2\nx.c:3:1: error: expected identifier\n"
    assert explain_log(HEAD + log)["lines"][0] == "x.c:3:1: error: expected identifier"


def test_what_colours_and_garbles_a_log_is_taken_out() -> None:
    line = "\x1b[01m\x1b[Ka.c:1:2:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kx undeclared (first use\x07)\n"
    explained = explain_log(HEAD + line)
    assert explained["lines"] == ["a.c:1:2: error: x undeclared (first use\ufffd)"]
    assert explained["causes"][0]["id"] == "kernel_interface"


def test_a_huge_log_is_read_in_time() -> None:
    begin = time.monotonic()
    explain_log(HEAD + "a.c:1: error: error: error: /x/y: note that " * 50 + "\n" + ("error: " * 70 + "\n") * 5000)
    assert time.monotonic() - begin < 10


def test_an_unknown_cause_still_shows_its_lines() -> None:
    explained = explain_log(
        HEAD + "x.c:3:1: error: expected identifier\nmake[2]: *** [x.o] Error 1\nmake[2]: *** [x.o] Error 1\n"
    )
    assert explained == {"causes": [], "lines": ["x.c:3:1: error: expected identifier", "make[2]: *** [x.o] Error 1"]}
    assert explain_log("") == {"causes": [], "lines": []}


@pytest.mark.parametrize(
    ("kernel", "remedy"),
    [
        ("6.1.0-29-amd64", "apt-get install --reinstall linux-headers-6.1.0-29-amd64"),
        ("6.8.12-4-pve", "apt-get install --reinstall proxmox-headers-6.8.12-4-pve"),
        ("5.15.158-2-pve", "apt-get install --reinstall pve-headers-5.15.158-2-pve"),
    ],
)
def test_headers_by_their_distributions_name(tmp_path: Path, tree_of: Trees, kernel: str, remedy: str) -> None:
    log = f"DKMS (dkms-3.2.0) make.log for amdgpu/{NEWER} for kernel {kernel} (x86_64)\n{LOGS['headers'][1]}"
    put(tmp_path, f"/var/lib/dkms/amdgpu/{NEWER}/build/make.log", log.encode())
    failure = last_failure(gather_dkms(tree_of(tmp_path)))
    assert failure is not None
    assert failure_remedy(failure, None) == remedy
    assert failure_evidence(failure, None).startswith(
        f"amdgpu {NEWER} did not build for {kernel}: make[1]: *** No rule"
    )


def test_a_failed_build_is_found(tmp_path: Path, tree_of: Trees) -> None:
    log = f"/var/lib/dkms/amdgpu/{VERSION}/build/make.log"
    put(tmp_path, log, (HEAD + LOGS["argument_list"][0]).encode())
    (module,) = gather_dkms(tree_of(tmp_path))["modules"]
    (failure,) = module["failures"]
    assert (module["versions"], module["builds"]) == ([], [])  # what is not registered may have failed all the same
    assert (failure["kernel"], failure["log"]) == (KERNEL, log)
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
