"""Personal details go, what a verdict needs stays, and what was one stays one."""

from __future__ import annotations

import time

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import mask
from ansible_collections.navilab.webui.plugins.module_utils._scrub import Scrubber

PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----"


@pytest.fixture
def scrubber() -> Scrubber:
    found = Scrubber()
    found.know("host", ["Skylla-7", "skylla-7"])
    found.know("domain", ["corp.quux.net"])
    found.know("user", ["alice", "jo", "max", "docker", "svc-backup7"])
    found.know("name", ["Alice Liddell", "Liddell"])
    return found


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("skylla-7.corp.quux.net", "host1.domain1.example"),
        ("/dev/mapper/SKYLLA--7--vg-root /", "/dev/mapper/host1--vg-root /"),
        ("/home/alice/dockerx/alice-notes_alice.txt", "/home/user1/dockerx/user1-notes_user1.txt"),
        ("Alice Liddell, aliceliddell", "name1, alicename2"),
        ("/home/jo/x: jo@skylla-7", "/home/user1/x: user1@host1"),
        ("jo jobs", "jo jobs"),
        ("max max-size max_file --max-concurrent-downloads", "user1 max-size user1_file --max-concurrent-downloads"),
        ("docker.io dockerd /var/lib/docker", "docker.io dockerd /var/lib/docker"),  # tells nothing of anybody
        ("10.1.2.3:3128 and 10.1.2.3/8, 127.0.0.1, 0.0.0.0", "192.0.2.1:3128 and 192.0.2.1/8, 127.0.0.1, 0.0.0.0"),
        ("fd00:1::5 [fd00:1::6]:80 ::1 ::", "2001:db8::1 [2001:db8::2]:80 ::1 ::"),
        ("52:54:00:aB:cd:ef enx525400abcdef", "02:00:00:00:00:01 enx020000000002"),
        ("UUID=1b2c3d4e-0000-4000-8000-aabbccddeeff", "UUID=00000000-0000-4000-8000-000000000001"),
        ("root=UUID=AB12-34CD ro", "root=UUID=serial1 ro"),
        ("LABEL=private", "LABEL=serial1"),
        ("0123456789abcdef0123456789abcdef", "0" * 31 + "1"),
        ("unique_id 12345678901234567", "unique_id 1001"),
        ("unique_id 0", "unique_id 0"),
        ("Serial Number: ABC123", "Serial Number: serial1"),
        ("mail alice.l@quux.org!", "mail mail1@example.org!"),
        ("http://bob:p%40ss@proxy.example:3128/", "http://sha256:00000001@proxy.example:3128/"),
        ("http://bob:p@s:s@proxy.example", "http://sha256:00000001@proxy.example"),
        ("http://bob:pa/ss@proxy.example/", "http://sha256:00000001@proxy.example/"),
        ('{"splunk-token": "s3cr3t", "b": 1}', '{"splunk-token": "sha256:00000001", "b": 1}'),
        ("username=alice,password=hun ter", "username=user1,password=sha256:00000001 ter"),
        ('PASSPHRASE="hun ter2" x', 'PASSPHRASE="sha256:00000001" x'),
        ("Authorization: Bearer abcdef123456", "Authorization: sha256:00000001"),
        ("dockerd --registry-token hunter2 --debug", "dockerd --registry-token sha256:00000001 --debug"),
        ("x ghp_0123456789abcdefghij y", "x sha256:00000001 y"),
        ("https://m.example/x?X-Sig=0123456789&n=1", "https://m.example/x?X-Sig=sha256:00000001&n=1"),
        (f"a\n{PEM}\nb", "a\n-----BEGIN KEY 1----------END KEY 1-----\nb"),
        (PEM[:60], "-----BEGIN KEY 1----------END KEY 1-----"),  # cut off
        ("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo0NTY3ODkwMTI", "sha256:00000001"),
    ],
)
def test_personal(scrubber: Scrubber, text: str, clean: str) -> None:
    scrubber.learn(text)
    assert scrubber.text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "0000:0a:00.0 1002:7340 12:34:56 pci0000:00",
        "amdgpu/6.3.6-1739731.22.04 5.18.2.22.40-1504718.20.04 1:6.12.12.60401-2164967.24.04",
        "Version: 1.2.3.4-5+deb12u1",
        "linux-image-6.1.0-28-amd64 6.12.57+deb13-amd64 initrd.img-6.1.0-28-amd64",
        "deb http://deb.debian.org/debian bookworm main non-free-firmware",
        "deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian bookworm stable",
        "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie",
        "http://localhost:3142/deb.debian.org/debian unix:///run/docker.sock tcp://127.0.0.1:2375",
        "docker.io/setsoft/sd_webui@sha256:6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa",
        "getty@tty1.service systemd-fsck@dev-sda1.service APT::Get::Assume-Yes Acquire::Check",
        "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
        "amdgpu 0000:0a:00.0: amdgpu: GPU reset(2) succeeded!",
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nLabel: Debian\nCodename: bookworm",
        "passwd: files systemd\nalice_is_not: 1".replace("alice_is_not", "netgroup"),
        "simd_count 44\nlocation_id 2560\nvendor_id 4098",
        "options amdgpu dc=1 ppfeaturemask=0xffffffff",
    ],
)
def test_what_a_verdict_needs(scrubber: Scrubber, text: str) -> None:
    scrubber.learn(text)
    assert scrubber.text(text) == text


def test_the_same_is_the_same_everywhere(scrubber: Scrubber) -> None:
    first = scrubber.text("deb http://alice:hunter2@10.0.0.1/debian x")
    again = scrubber.text("10.0.0.1 10.0.0.2 alice http://alice:hunter2@10.0.0.2/")
    assert first == "deb http://sha256:00000001@192.0.2.1/debian x"
    assert again == "192.0.2.1 192.0.2.2 user1 http://sha256:00000001@192.0.2.2/"
    # As the facts show a secret that they may have.
    assert scrubber.text(f"http://{mask('alice:hunter2')}@10.0.0.1/") == "http://sha256:00000001@192.0.2.1/"
    assert scrubber.counts == {"secret": 1, "ipv4": 2, "user": 1}


def test_names_that_a_text_gives_away() -> None:
    scrubber = Scrubber()
    mounts = "nas7:/export/home /home nfs4 rw 0 0\n//filer/share /mnt cifs username=carol,domain=ACME 0 0\n"
    for text in (mounts, "http://apt.acme.org/debian", '["registry.acme.org:5000"]', "/home/dave/x", "cache.lan"):
        scrubber.learn(text)
    assert scrubber.text(mounts) == (
        "server1.example:/export/home /home nfs4 rw 0 0\n"
        "//server2.example/share /mnt cifs username=user1,domain=user2 0 0\n"
    )
    assert scrubber.text("apt.acme.org registry.acme.org:5000/webui:1 dave cache.lan deb.debian.org") == (
        "server3.example server4.example:5000/webui:1 user3 server5.example deb.debian.org"
    )


def test_a_known_secret_goes_from_everywhere() -> None:
    scrubber = Scrubber()
    scrubber.know("secret", ["Plain Words", "xyzzy7"])
    assert scrubber.text("a Plain Words b xyzzy7c http://xyzzy7@h.example/") == (
        "a sha256:00000002 b sha256:00000001c http://sha256:00000001@h.example/"
    )


def test_a_host_that_is_called_as_a_part_of_a_package() -> None:
    scrubber = Scrubber()
    scrubber.know("host", ["graphics", "docker-ce"])
    scrubber.know("secret", ["hunter2"])
    scrubber.keep(["firmware-amd-graphics", "docker-ce-cli", "x-hunter2"])
    assert scrubber.text("Package: docker-ce-cli, docker-ce, amd-graphics/Graphics xgraphics") == (
        "Package: docker-ce-cli, host1, amd-host2/host2 xhost2"
    )
    assert scrubber.text("firmware-amd-graphics x-hunter2") == "firmware-amd-graphics x-sha256:00000001"


def test_registries() -> None:
    scrubber = Scrubber()
    texts = [
        '["hub.acme.org/webui:1", "docker.io/setsoft/sd_webui:1", "reg.acme.org/x@sha256:' + 64 * "0" + '"]',
        '{"insecure-registries": ["plain.acme.org", "10.0.0.0/8", "other.acme.org:5000"]}',
        "/etc/docker/certs.d/certs.acme.org:5000/ca.crt",
    ]
    for text in texts:
        scrubber.learn(text)
    assert not [text for text in texts if "acme" in scrubber.text(text)]
    assert "docker.io/setsoft/sd_webui:1" in scrubber.text(texts[0])


def test_values(scrubber: Scrubber) -> None:
    value = {
        "webui_extra_env": {"HF_TOKEN": "abc", "PLAIN": "alice"},
        "webui_extra_args": ["--gradio-auth", "bob:pw", "--port", "1"],
        "cas": {"r.corp.quux.net:5000": PEM},
        "user alice": {"home": "/home/alice", "gids": [1000, None, True]},
    }
    assert scrubber.value(value) == {
        "webui_extra_env": {"HF_TOKEN": "sha256:00000001", "PLAIN": "user1"},
        "webui_extra_args": ["--gradio-auth", "sha256:00000002", "--port", "1"],
        "cas": {"r.domain1.example:5000": "-----BEGIN KEY 1----------END KEY 1-----"},
        "user user1": {"home": "/home/user1", "gids": [1000, None, True]},
    }


@pytest.mark.parametrize("part", ["a", "a.", "://", "a=", "1.2.3.", "token", "a@", "AbC1", "/home/", "::", "a-"])
def test_long_lines_take_no_time(scrubber: Scrubber, part: str) -> None:
    text = part * (65536 // len(part))
    start = time.process_time()
    scrubber.learn(text)
    scrubber.text(text)
    assert time.process_time() - start < 10
