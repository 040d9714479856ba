"""modprobe.d as kmod takes it, the kernel's arguments, and modprobe's own word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _modprobe
from ansible_collections.navilab.webui.plugins.module_utils._modprobe import gather_config, kernel_arguments
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

Trees = Callable[[Path], Any]


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def blocked(root: Path, module: str = "amdgpu", loaded: bool = True) -> list[str]:
    return gather_config(Tree(str(root)), module, loaded).blocked


@pytest.mark.parametrize(
    ("text", "out"),
    [
        ("blacklist amdgpu", True),
        ("  blacklist\tamdgpu  ", True),
        ("blacklist amdgpu # the user's reason", True),
        ("blacklist amdgpu radeon", True),
        ("blacklist \\\namdgpu", True),
        ("black\\\nlist amdgpu", True),
        ("install amdgpu /bin/false", True),
        ("install amdgpu /usr/bin/true", True),
        ("install amdgpu :", True),
        ("install amdgpu exit 0", True),
        ("install amdgpu /bin/sh -c 'exit 0'", True),
        ("install amdgpu sh -c 'echo comes; modprobe -i amdgpu'", False),
        ("install amdgpu echo comes; /sbin/modprobe --ignore-install amdgpu", False),
        ("install amdgpu false; modprobe radeon", True),
        ("install amd* /bin/false", True),
        ("# blacklist amdgpu", False),
        (" # blacklist amdgpu", False),
        ("# a comment that goes on \\\nblacklist amdgpu", False),
        ("blacklist amdgpu_extra", False),
        ("blacklist", False),
        ("blacklist radeon", False),
        ("blacklist amdgpu-pro", False),
        ("Blacklist amdgpu", False),
        ("blacklistamdgpu", False),
        ("options amdgpu si_support=1", False),
        ("install amdgpu /sbin/modprobe --ignore-install amdgpu", False),
        ("install amdgpu /sbin/modprobe vfio-pci; /sbin/modprobe -i amdgpu", False),
        ("install amdgpu /sbin/modprobe -i amdgpu\ninstall amdgpu /bin/false", False),  # the first one counts
        ("install nouveau /bin/false", False),
        ("remove amdgpu /bin/true", False),
        ("softdep amdgpu pre: vfio-pci", False),
        ("alias pci:v00001002d* vfio-pci", False),
    ],
)
def test_lines(tmp_path: Path, text: str, out: bool) -> None:
    write(tmp_path, "etc/modprobe.d/gpu.conf", f"options snd index=1\n{text}\n")
    assert blocked(tmp_path) == (["/etc/modprobe.d/gpu.conf"] if out else [])


def test_a_hyphen_is_an_underscore(tmp_path: Path) -> None:
    write(tmp_path, "etc/modprobe.d/x.conf", "blacklist vfio-pci\n")
    assert blocked(tmp_path, "vfio_pci") == ["/etc/modprobe.d/x.conf"]


def test_which_files_are_read(tmp_path: Path) -> None:
    for name in ("notes.txt", "x.conf.dpkg-old", ".hidden.conf", ".conf", "x.conf~"):
        write(tmp_path, f"etc/modprobe.d/{name}", "blacklist amdgpu\n")
    (tmp_path / "etc/modprobe.d/folder.conf").mkdir()
    write(tmp_path, "etc/modprobe.d/folder.conf/y.conf", "blacklist amdgpu\n")
    write(tmp_path, "etc/modprobe.conf", "blacklist amdgpu\n")
    assert blocked(tmp_path) == []
    write(tmp_path, "usr/local/lib/modprobe.d/z.conf", "blacklist amdgpu\n")
    assert blocked(tmp_path) == ["/usr/local/lib/modprobe.d/z.conf"]


def test_a_file_in_etc_hides_its_namesake(tmp_path: Path) -> None:
    for folder in ("usr/lib", "lib", "run"):
        write(tmp_path, f"{folder}/modprobe.d/gpu.conf", "blacklist amdgpu\n")
    assert blocked(tmp_path) == ["/run/modprobe.d/gpu.conf"]
    (tmp_path / "etc/modprobe.d").mkdir(parents=True)
    (tmp_path / "etc/modprobe.d/gpu.conf").symlink_to("/dev/null")
    assert blocked(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("quiet nomodeset", True),
        ("modprobe.blacklist=nouveau,amdgpu", True),
        ("module_blacklist=amdgpu,radeon", True),
        ("module-blacklist=amdgpu", True),
        ('module_blacklist="radeon,amdgpu"', True),
        ('"module_blacklist=amdgpu"', True),
        ("initcall_blacklist=amdgpu_init", True),
        ("modprobe.blacklist=nouveau", False),
        ("modprobe.blacklist=amdgpu_extra", False),
        ("module_blacklist=xamdgpu", False),
        ("amdgpu.dc=0", False),
        ("i915.nomodeset", False),
        ('dyndbg="file x.c +p nomodeset module_blacklist=amdgpu"', False),
        ("quiet -- nomodeset", False),
        ("rd.driver.blacklist=amdgpu", False),
    ],
)
def test_arguments_of_the_kernel(tmp_path: Path, line: str, out: bool) -> None:
    write(tmp_path, "proc/cmdline", f"BOOT_IMAGE=/vmlinuz root=/dev/sda1 {line} \n")
    assert bool(blocked(tmp_path)) is out
    assert not out or blocked(tmp_path)[0].startswith("/proc/cmdline (")


def test_words() -> None:
    assert [tuple(each) for each in kernel_arguments('a b="c d" "e=f g" h-i=1,2')] == [
        ("a", "a", ""),
        ('b="c d"', "b", "c d"),
        ('"e=f g"', "e", "f g"),
        ("h-i=1,2", "h_i", "1,2"),
    ]
    assert kernel_arguments("") == []
    assert kernel_arguments('x="open')[0].value == "open"


def test_options(tmp_path: Path) -> None:
    write(
        tmp_path, "etc/modprobe.d/a.conf", "options amdgpu dc=0 \\\n  ppfeaturemask=0xffffffff\noptions radeon si=0\n"
    )
    write(tmp_path, "proc/cmdline", "amdgpu.dc=0 amdgpu.sched_policy=2\n")
    found = gather_config(Tree(str(tmp_path)), "amdgpu", True)
    assert found.options == ["dc=0", "ppfeaturemask=0xffffffff", "sched_policy=2"]


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Tree]:
    """`recording(answer, files)` is a recording with modprobe's answer."""

    def make(answer: Any, files: dict[str, str]) -> Tree:
        for path, text in files.items():
            write(tmp_path / "root", path, text)
        (tmp_path / "root").mkdir(exist_ok=True)
        answers = {} if answer is None else {"modprobe --showconfig": answer}
        write(tmp_path, "recording.json", json.dumps({"answers": answers}))
        return Tree(str(tmp_path))

    return make


OURS = {"etc/modprobe.d/a.conf": "blacklist amdgpu\n"}
ARGUMENT = {"proc/cmdline": "modprobe.blacklist=amdgpu\n"}


@pytest.mark.parametrize(
    ("answer", "files", "out"),
    [
        (["blacklist amdgpu"], OURS, ["/etc/modprobe.d/a.conf"]),
        ([], OURS, []),  # modprobe does not see it
        (["install amdgpu /bin/false"], {}, ["modprobe's configuration"]),
        (["blacklist amdgpu"], ARGUMENT, ["/proc/cmdline (modprobe.blacklist=amdgpu)"]),
        ([], ARGUMENT, []),
        ([], {"proc/cmdline": "nomodeset\n"}, ["/proc/cmdline (nomodeset)"]),  # which is the kernel's
        (None, OURS, ["/etc/modprobe.d/a.conf"]),
        ("garbage", OURS, ["/etc/modprobe.d/a.conf"]),
        ([["x"]], OURS, ["/etc/modprobe.d/a.conf"]),
    ],
)
def test_modprobes_own_word(recording: Callable[..., Tree], answer: Any, files: dict[str, str], out: list[str]) -> None:
    assert gather_config(recording(answer, files), "amdgpu", loaded=False).blocked == out


def test_a_recording_keeps_what_matters_alone(tmp_path: Path) -> None:
    text = "# by Bob\nblacklist \\\n  amdgpu # Bob's\noptions snd id=Bob\ninstall amd* true\noptions vfio-pci ids=1:2\n"
    kept = _modprobe._keep_lines(text.encode())
    assert kept == b"blacklist amdgpu\ninstall amd* true\noptions vfio_pci ids=1:2\n"
    line = 'BOOT_IMAGE=/x root=UUID=1 ip=10.0.0.1 nomodeset amdgpu.dc=0 "module-blacklist=a,b" user=bob -- x'
    assert _modprobe._keep_arguments(line.encode()) == b'nomodeset amdgpu.dc=0 "module-blacklist=a,b"\n'
    for part in (kept, text.encode()):
        write(tmp_path, "etc/modprobe.d/x.conf", part.decode())
        assert blocked(tmp_path) == ["/etc/modprobe.d/x.conf"]


def program(root: Path, text: str) -> str:
    path = root / "modprobe"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_program_is_read_up_to_its_indexes(tmp_path: Path) -> None:
    said = (
        "printf 'blacklist amdgpu\\nblacklist nouveau\\noptions vfio-pci ids=1\\n\\n# End of configuration files. D\\n'"
    )
    path = program(tmp_path, f"{said}; sleep 60")
    assert _modprobe._show(path) == ["blacklist amdgpu", "options vfio-pci ids=1"]
    assert _modprobe._show(program(tmp_path, "echo blacklist amdgpu; exit 1")) is None
    assert _modprobe._show(program(tmp_path, "echo 'install amd* false'")) == ["install amd* false"]
    assert _modprobe._show(str(tmp_path / "none")) is None


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_modprobe, "_SECONDS", 0.2)
    assert _modprobe._show(program(tmp_path, "exec sleep 60")) is None


def test_noise_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "etc/modprobe.d").mkdir(parents=True)
    (tmp_path / "etc/modprobe.d/x.conf").write_bytes(b"blacklist amd\xff\ngpu\0\n" + bytes(range(256)) * 100)
    assert blocked(tmp_path) == []
