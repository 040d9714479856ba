"""A recording has what was read and nothing personal, stays small, and says the same as its host."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pwd
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _recording
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._recording import Collector, names_of_host, pack, record
from ansible_collections.navilab.webui.plugins.module_utils._scrub import Scrubber
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree, opened

WANTS: dict[str, Any] = {
    "user": "root", "packages": ["bash", "no-such-package"], "files": ["/etc/passwd", "/etc/fstab", "/none", "~/x"],
    "disk": ["/", "~/data"], "webuis": [{"name": "webui", "port": 9}], "images": ["registry.example/x:1"],
    "probe_images": False,
}  # fmt: skip
SECRETS = [
    "skylla7", "corp-quux", "alice", "Liddell", "hunter2", "s3cr3t-proxy", "52:54:00:12:34:56", "10.11.12.13",
    "fd00:77::1", "1b2c3d4e-aaaa-4bbb-8ccc-ddddeeeeffff", "0123456789abcdef0123456789abcdee", "ABCD-1234", "SER1AL-99",
    "b3BlbnNzaC1rZXktdjEAAAAA", "ghp_0123456789abcdefghij", "aliceliddell@quux.org", "apt.quux-internal.net", "my note",
    "planted-value", "nas-of-quux",
]  # fmt: skip
FILES = {
    "/etc/os-release": "ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\n",
    "/etc/fstab": "# my note about Liddell\nUUID=1b2c3d4e-aaaa-4bbb-8ccc-ddddeeeeffff / ext4 rw 0 1 # my note\n"
    "UUID=ABCD-1234 /boot/efi vfat rw 0 1\n/dev/mapper/skylla7--vg-home /home ext4 rw 0 2\n",
    "/proc/self/mounts": "nas-of-quux:/export/alice /home/alice nfs4 rw,addr=10.11.12.13 0 0\n"
    "//10.11.12.13/alice /mnt cifs rw,username=alice,password=hunter2,domain=QUUX 0 0\n",
    "/proc/cmdline": "root=UUID=1b2c3d4e-aaaa-4bbb-8ccc-ddddeeeeffff ip=10.11.12.13 ro quiet\n",
    "/etc/apt/sources.list.d/alice.list": "# my note\n"
    "deb http://alice:hunter2@apt.quux-internal.net/debian bookworm main\n"
    "deb [signed-by=/home/alice/key.asc] http://10.11.12.13/debian bookworm contrib # my note\n",
    "/etc/apt/sources.list.d/inline.sources": "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\n"
    "Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n b3BlbnNzaC1rZXktdjEAAAAA\n"
    " -----END PGP PUBLIC KEY BLOCK-----\n",
    "/etc/docker/daemon.json": '{"proxies": {"http-proxy": "http://alice:s3cr3t-proxy@10.11.12.13:3128"},'
    ' "log-opts": {"splunk-token": "hunter2", "max-size": "1m"}, "data-root": "/home/alice/docker"}',
    "/etc/systemd/system/docker.service.d/http-proxy.conf": "# my note\n[Service]\n"
    'Environment="HTTPS_PROXY=http://alice:hunter2@10.11.12.13:3128" "OWN=planted-value" OTHER=planted-value\n',
    "/etc/default/docker": "# my note\nDOCKER_OPTS=\"--log-driver=journald\"\nexport OWN='planted-value'\n",
    "/etc/modprobe.d/alice.conf": "# my note\noptions amdgpu dc=1\n",
    "/var/lib/navilab/gpu_access.json": '{"joined": {"alice": ["video"]}}',
    "/var/lib/dpkg/status": "Package: bash\nStatus: install ok installed\n"
    "Maintainer: Alice Liddell <aliceliddell@quux.org>\nVersion: 5.2.15-2+b2\n",
    "/sys/class/kfd/kfd/topology/nodes/1/properties": "simd_count 44\nunique_id 1234567890123\n",
    "/sys/class/kfd/kfd/topology/nodes/1/gpu_id": "4660\n",
}


def texts(archive: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {}
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            found[member.name] = stream.read().decode("utf-8", "replace") if stream else f"-> {member.linkname}"
    return found


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Collector, Scrubber, Path]:
    """A tree full of personal details, what was read of it, and who knows whose they are."""
    root = tmp_path / "tree"
    for path, text in FILES.items():
        where = Path(str(root) + path)
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text)
    (root / "lib").symlink_to("/home/alice/lib")
    (root / "proc/mounts").symlink_to("self/mounts")
    for path, text in {
        "etc/hostname": "skylla7\n", "etc/machine-id": "0123456789abcdef0123456789abcdee\n",
        "etc/hosts": "127.0.0.1 localhost\n10.11.12.13 skylla7.corp-quux.net skylla7\nfe00::0 ip6-localnet\n",
        "etc/resolv.conf": "# x\nsearch corp-quux.net\nnameserver 10.11.12.13\n",
        "sys/class/dmi/id/product_serial": "SER1AL-99\n",
    }.items():  # fmt: skip
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    collector, scrubber = Collector(), Scrubber()
    files = [*FILES, "/home/alice/dockerx"]
    gather(str(root), user="alice", packages=["bash"], files=files, recorder=collector)
    collector.answer("user alice", {"home": "/home/alice", "gids": [1000]})
    collector.answer("kernel log", ["skylla7.corp-quux.net eth0: 52:54:00:12:34:56 fd00:77::1 serial: SER1AL-99"])
    collector.answer("docker engine", {"labels": {"by": "Alice Liddell", "token": "hunter2"}})
    collector.answer("systemctl show", {"ExecStart": "dockerd --registry-token ghp_0123456789abcdefghij -H fd://"})
    collector.digest("sha256 /etc/docker/daemon.json", FILES["/etc/docker/daemon.json"].encode())
    collector.digest("sha256 /etc/plain", b"plain\n")
    for kind, names in names_of_host(str(root)).items():
        scrubber.know(kind, names)
    scrubber.know("user", ["alice"])
    scrubber.know("name", ["Alice Liddell", "Liddell"])
    return collector, scrubber, root


def test_nothing_personal_is_in_it(planted: tuple[Collector, Scrubber, Path]) -> None:
    collector, scrubber, _root = planted
    settings = {
        "webui_user": "alice",
        "docker_engine_proxy": {"http": "http://alice:s3cr3t-proxy@10.11.12.13:3128"},
        "webui_extra_env": {"HF_TOKEN": "hunter2"},
        "docker_engine_registry_cas": {"r.corp-quux.net:5000": "-----BEGIN CERTIFICATE-----\nb3BlbnNzaC1rZXktdjEAAAAA"},
    }
    found = pack(collector, scrubber, settings)
    inside = texts(found.data)
    everything = "\n".join(f"{name}\n{text}" for name, text in inside.items())
    assert [secret for secret in SECRETS if secret.lower() in everything.lower()] == []
    assert len(found.data) < _recording.MAX_PACKED
    assert {name for name, _size in found.files} == {name for name in inside if not inside[name].startswith("->")}
    assert {"host", "domain", "user", "name", "secret", "ipv4", "uuid", "serial"} <= set(found.replaced)


def test_what_belongs_together_still_does(planted: tuple[Collector, Scrubber, Path], tmp_path: Path) -> None:
    collector, scrubber, root = planted
    settings = {"docker_engine_proxy": {"http": "http://alice:s3cr3t-proxy@10.11.12.13:3128"}}
    (tmp_path / "x.tar.gz").write_bytes(pack(collector, scrubber, settings).data)
    before: Any = gather(str(root), user="alice", packages=["bash"])
    with opened(str(tmp_path / "x.tar.gz")) as (folder, problem):
        assert problem == ""
        after: Any = gather(folder, user="user1", packages=["bash"])
        tree = Tree(folder)
        manifest = json.loads(Path(folder, "recording.json").read_text())
        assert tree.realpath("/proc/mounts") == "/proc/self/mounts"
    proxy = manifest["settings"]["docker_engine_proxy"]["http"]
    assert re.fullmatch(r"http://sha256:0000000\d@192\.0\.2\.1:3128", proxy)
    assert after["docker"]["config"]["proxies"]["http-proxy"] == proxy
    assert after["docker"]["config"]["data-root"] == "/home/user1/docker"
    assert after["docker"]["config"]["log-opts"]["max-size"] == "1m"
    assert after["records"] == {"gpu_access": {"joined": {"user1": ["video"]}}}
    assert after["dpkg"] == before["dpkg"]
    assert after["release"] == before["release"]
    for facts in (before, after):  # a file's name may have changed, and so its place
        facts["apt"]["sources"].sort(key=lambda source: (source["format"], source["components"]))
    assert [source["components"] for source in after["apt"]["sources"]] == [
        source["components"] for source in before["apt"]["sources"]
    ]
    assert after["apt"]["error"] == before["apt"]["error"] == ""
    assert after["kfd"]["nodes"] == before["kfd"]["nodes"]
    assert manifest["answers"]["user user1"] == {"home": "/home/user1", "gids": [1000]}


def test_people_and_groups_of_a_directory() -> None:
    """Nobody lists them, and they have any number: who was asked for is known by name."""
    collector, scrubber = Collector(), Scrubber()
    collector.answer(
        "user carroll@corp.quux", {"exists": True, "uid": 1420007, "gid": 1420513, "home": "/srv/h/lewiscar"}
    )
    collector.answer("group of 1420513", "domain users@corp.quux")
    collector.answer("group of 61007", "wonderland")
    collector.answer("group gryphon", 70000)
    collector.answer("group of 44", "video")
    collector.answer("group render", 106)
    collector.answer("group of 65534", "nogroup")
    collector.file("/etc/x.conf", b"carroll lewiscar wonderland gryphon CARROLL@corp.quux domain users@corp.quux")
    text = "\n".join(texts(pack(collector, scrubber, {"webui_user": "carroll@corp.quux"}).data).values())
    assert [
        word
        for word in ("carroll", "lewiscar", "domain users", "wonderland", "gryphon", "corp.quux")
        if word in text.lower()
    ] == []
    assert '"video"' in text and '"group render"' in text and '"nogroup"' in text
    assert '"uid": 1420007' in text, "numbers are nobody's name"


@pytest.mark.parametrize(
    ("uid", "home", "gecos", "user", "name"),
    [
        (1420007, "/srv/h/lewiscar", "Lewis Carroll,,", {"lcar", "lewiscar"}, {"Lewis Carroll", "Lewis", "Carroll"}),
        (61007, "/srv/h/lewiscar", "Lewis Carroll", {"lcar"}, set()),
        (107, "/var/lib/x", "Some Service", set(), set()),
        (107, "/home/x", "", {"lcar", "x"}, set()),
    ],
)
def test_accounts_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, home: str, gecos: str, user: set[str], name: set[str]
) -> None:
    entry = pwd.struct_passwd(("lcar", "x", uid, uid, gecos, home, "/bin/sh"))
    monkeypatch.setattr(_recording.pwd, "getpwall", lambda: [entry])
    for variable in ("SUDO_USER", "USER", "LOGNAME"):
        monkeypatch.delenv(variable, raising=False)
    found = names_of_host(str(tmp_path))
    assert ({*found["user"]} - {""}, {*found["name"]} - {""}) == (user, name)


def test_lines_keep_their_numbers(planted: tuple[Collector, Scrubber, Path]) -> None:
    collector, scrubber, _root = planted
    inside = texts(pack(collector, scrubber, {}).data)
    for path in ("/etc/fstab", "/etc/apt/sources.list.d/inline.sources"):
        lost = 3 if "inline" in path else 0  # the key's own lines are one
        assert inside[f"root{path}"].count("\n") == FILES[path].count("\n") - lost
    assert 'DOCKER_OPTS="--log-driver=journald"' in inside["root/etc/default/docker"]


def test_a_digest_tells_nobody_what_a_secret_is() -> None:
    collector = Collector()
    collector.digest("sha256 /a", b"http://a:pw@h.example/\n")
    collector.digest("sha256 /b", b"http://a:pw@h.example/\n")
    collector.digest("sha256 /c", b"plain\n")
    collector.digest("sha256 /d", b"\xff\xfe")
    manifest = json.loads(texts(pack(collector, Scrubber(), {}).data)["recording.json"])
    told = manifest["answers"]
    assert told["sha256 /a"] == told["sha256 /b"] == hashlib.sha256(b"http://sha256:00000001@h.example/\n").hexdigest()
    assert told["sha256 /c"] == hashlib.sha256(b"plain\n").hexdigest()
    assert told["sha256 /d"] == hashlib.sha256(b"\xff\xfe").hexdigest()


def test_it_stays_small() -> None:
    collector = Collector()
    for number in range(40):
        collector.file(f"/etc/{number}", os.urandom(40 << 10).hex().encode())
    found = pack(collector, Scrubber(), {})
    assert len(found.data) < _recording.MAX_PACKED
    assert len(found.cut) == 40


def test_what_could_not_be_read_and_what_was_not(tmp_path: Path) -> None:
    root = tmp_path / "host"
    for path in ("etc/a", "etc/b", "dev/x"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("1")
    (root / "etc/link").symlink_to("b")
    collector = Collector()
    tree = Tree(str(root), collector)
    tree.listdir("/etc")
    tree.listdir("/none")
    tree.read_text("/etc/a")
    tree.lookup("/dev/x")
    tree.lookup("/etc/link", follow=False)
    collector.error("/etc/secret", 13)
    (tmp_path / "x.tar.gz").write_bytes(pack(collector, Scrubber(), {}).data)
    with opened(str(tmp_path / "x.tar.gz")) as (folder, _problem):
        again = Tree(folder)
        assert again.listdir("/etc") == ["a", "b", "link"]
        assert again.listdir("/none") == []
        assert again.read_text("/etc/a") == "1"
        assert again.lookup("/etc/b") is None  # nobody asked
        assert again.lookup("/etc/link", follow=False) is not None
        assert (again.exists("/dev/x"), again.read_text("/dev/x")) == (True, None)
        assert again.problems == []
        assert again.read_text("/etc/secret") is None
        assert again.problems == ["/etc/secret: EACCES (Permission denied)"]


def test_the_recording_of_this_machine_says_what_it_says(tmp_path: Path) -> None:
    settings = {"webui_user": "root"}
    found = record(settings, {"host": ["machine-under-test", "bash"]}, WANTS)
    assert len(found.data) < _recording.MAX_PACKED
    (tmp_path / "x.tar.gz").write_bytes(found.data)
    live: Any = gather(**WANTS)
    with opened(str(tmp_path / "x.tar.gz")) as (folder, problem):
        assert problem == ""
        recorded: Any = gather(root=folder, **WANTS)
    assert (live["live"], recorded["live"], recorded["complete"]) == (True, False, True)
    for facts in (live, recorded):  # what moves, is personal, or is nobody's business
        for disk in facts["disk"].values():
            disk["free_mib"] = round((disk["free_mib"] or 0) / 1000, -1)
            disk.pop("pool", None)
        facts["memory"]["available_mib"] = None
        facts["files"]["/etc/passwd"]["sha256"] = None
        facts["registry"]["registry.example/x:1"]["detail"] = ""
        for key in ("root", "live", "lock", "clock", "problems"):
            facts.pop(key, None)
    for key, value in live.items():
        assert recorded[key] == value, key
