"""daemon.json and dockerd's command line: what dockerd would make of both, and no secret in what is shown of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import (
    LIMIT,
    conflicts,
    flags_of,
    given_twice,
    in_containerd,
    listens_elsewhere,
    log_driver,
    masked,
    of_another_version,
    parse,
    public,
    public_text,
    read_config,
    render,
    resolve,
    same,
    secrets,
    split_flags,
    takes,
    with_secrets,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree


class Kept:
    """What a recording would keep."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def file(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


def host(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "etc/docker/daemon.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


# -- reading --


@pytest.mark.parametrize(
    ("content", "config", "says"),
    [
        ('{"a": 1}', {"a": 1}, ""),
        ("", {}, ""),
        (b"\xef\xbb\xbf{}", {}, ""),
        ("{", None, "is not JSON"),
        ('{"a": NaN}', None, "is not JSON: NaN is no number"),
        ("[1]", None, "an object is expected, not list"),
        ('"x"', None, "an object is expected, not str"),
        (b'{"a": "\xff"}', None, "is no text"),
        (b"\xff\xfe{\x00}\x00", None, "is no text"),
        ("[" * 100000, None, "is not JSON"),
        ('{"a":' * 100 + "1" + "}" * 100, None, "nested too deeply"),
        ('{"a": "' + "x" * (LIMIT + 1) + '"}', None, "is larger than 1 MiB"),
        ('{"a": "' + "x" * 100000 + '"}', {"a": "x" * 100000}, ""),
    ],
)
def test_reading(tmp_path: Path, content: bytes | str, config: Any, says: str) -> None:
    found, error = read_config(Tree(str(host(tmp_path, content))))
    assert found == config
    assert says in error and bool(error) == bool(says)
    assert "JSON" not in error or "larger" not in error


def test_what_is_no_file(tmp_path: Path) -> None:
    assert read_config(Tree(str(tmp_path))) == ({}, "")
    (tmp_path / "etc/docker/daemon.json").mkdir(parents=True)
    assert "can't be read" in read_config(Tree(str(tmp_path)))[1]
    (tmp_path / "etc/docker/daemon.json").rmdir()
    (tmp_path / "etc/docker/daemon.json").symlink_to("/nowhere")
    config, error = read_config(Tree(str(tmp_path)))
    assert config is None and "leads to none" in error


# -- secrets --

PROXIES = {"proxies": {"http-proxy": "http://bob:s3cret/x@proxy.example:3128", "no-proxy": "a,b"}}
TOKEN = {"log-driver": "splunk", "log-opts": {"splunk-token": "abc-123", "splunk-url": "https://u:p@s.example"}}


@pytest.mark.parametrize("config", [PROXIES, TOKEN, {"x": ["https://me@h", {"password": "p"}]}])
def test_no_secret_is_public(config: dict[str, Any]) -> None:
    shown = public(config)
    text = json.dumps(shown)
    for secret in ("s3cret", "bob", "abc-123", "u:p", "me@", '"p"'):
        assert secret not in text
    assert masked(shown) and not masked({"image": "a@sha256:" + "0" * 64, "b": "http://proxy.example"})
    assert public(shown) == shown, "twice is as once"
    assert set(secrets(config)) <= set(config) and not secrets({"a": "b", "n": 1})
    assert resolve(shown, {}, config) == config
    assert resolve({**shown, "new": 1}, config) == {**config, "new": 1}
    with pytest.raises(KeyError):
        resolve(shown, {})


def test_a_password_that_changes_is_seen() -> None:
    other = {"proxies": {**PROXIES["proxies"], "http-proxy": "http://bob:0ther@proxy.example:3128"}}
    assert public(PROXIES) != public(other)
    with pytest.raises(KeyError):
        resolve(public(PROXIES), other)


def test_a_recording_keeps_no_secret(tmp_path: Path) -> None:
    kept = Kept()
    root = host(tmp_path, json.dumps(PROXIES))
    found, _error = read_config(Tree(str(root), kept))
    assert found == PROXIES
    (data,) = kept.files.values()
    assert b"s3cret" not in data and json.loads(data) == public(PROXIES)
    (root / "etc/docker/daemon.json").write_text('{"token": "t0ken", "a": "http://b:c@d", oops')
    read_config(Tree(str(root), kept))
    assert b"t0ken" not in next(iter(kept.files.values())) and b"b:c" not in next(iter(kept.files.values()))
    assert b"oops" in next(iter(kept.files.values()))


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("--http-proxy=http://u:p%40@q@h:1/x?y=z", "u:p"),
        ("--log-opt splunk-token=abc", "abc"),
        ('{"password": "abc"}', "abc"),
        ("HTTPS_PROXY=https://tok3n@h", "tok3n"),
    ],
)
def test_texts(text: str, gone: str) -> None:
    assert gone not in public_text(text)
    assert public_text(public_text(text)) == public_text(text)
    assert public_text("--label a=b --host fd://") == "--label a=b --host fd://"


def test_who_asks_on_the_host_has_the_secrets(tmp_path: Path) -> None:
    tree = Tree(str(host(tmp_path, json.dumps(PROXIES))))
    assert with_secrets(public(PROXIES), tree) == PROXIES
    assert with_secrets({"debug": True}, tree) == {"debug": True}
    assert with_secrets(public(TOKEN), tree) == public(TOKEN)


# -- the command line --


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ("-H fd:// --containerd=/run/c.sock", {"hosts": ["fd://"], "containerd": "/run/c.sock"}),
        ("-Hfd:// -H=tcp://1 --host tcp://2 --host=x", {"hosts": ["fd://", "tcp://1", "tcp://2", "x"]}),
        ("--debug -H fd://", {"debug": True, "hosts": ["fd://"]}),
        ("-D -H fd://", {"debug": True, "hosts": ["fd://"]}),
        ("-DH fd://", {"debug": True, "hosts": ["fd://"]}),
        ("--debug=false --icc=false", {"debug": "false", "icc": "false"}),
        ("-g /a", {"data-root": "/a"}),
        ("--graph=/a", {"data-root": "/a"}),
        ("-s overlay2 -b br0 -G docker -l warn -p /p", {
            "storage-driver": "overlay2", "bridge": "br0", "group": "docker", "log-level": "warn", "pidfile": "/p",
        }),
        ("--log-driver local --log-opt tag=x --log-opt=a=b", {"log-driver": "local", "log-opts": ["tag=x", "a=b"]}),
        ("--registry-mirror=https://m --insecure-registry r:5000", {
            "registry-mirrors": ["https://m"], "insecure-registries": ["r:5000"],
        }),
        ("--exec-opt native.cgroupdriver=systemd", {"exec-opts": ["native.cgroupdriver=systemd"]}),
        ("--add-runtime=a=/b --default-runtime a", {"runtimes": ["a=/b"], "default-runtime": "a"}),
        ("--host-gateway-ip 1.2.3.4", {"host-gateway-ip": "1.2.3.4", "host-gateway-ips": ["1.2.3.4"]}),
        ("word -- - -", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_flags(words: str, flags: dict[str, Any]) -> None:
    assert flags_of(words.split()) == flags
    assert flags_of(None) == {}
    assert dict(split_flags(["--config-file", "/x"])) == {"config-file": "/x"}


@pytest.mark.parametrize(
    ("key", "value", "words", "twice"),
    [
        ("data-root", "/a", "--data-root /b", ["data-root"]),
        ("data-root", "/a", "-g /b", ["data-root"]),
        ("hosts", ["tcp://x"], "-H fd://", ["hosts"]),
        ("labels", ["a=b"], "--label c=d", ["labels"]),
        ("runtimes", {"a": {"path": "/x"}}, "--add-runtime=b=/y", []),  # dockerd merges these
        ("proxies", {"http-proxy": "http://a", "no-proxy": "b"}, "--http-proxy http://c", ["http-proxy"]),
        ("log-opts", {"debug": "x"}, "--debug", []),  # not taken apart
        ("features", {"buildkit": True}, "--experimental", []),
    ],
)
def test_given_twice(key: str, value: Any, words: str, twice: list[str]) -> None:
    assert given_twice(key, value, flags_of(words.split())) == twice


@pytest.mark.parametrize(
    ("value", "flag", "equal"),
    [
        ("/srv/docker", "/srv/docker/", True),
        ("/srv/docker", "/srv", False),
        (["https://a", "https://b"], ["https://b/", "https://a"], True),
        (["a"], ["b"], False),
        (True, True, True),
        (True, "true", True),
        (False, "true", False),
        (5, "5", True),
        ({"tag": "x"}, ["tag=x"], True),
        ({"tag": "x"}, "tag=x", False),
    ],
)
def test_same(value: Any, flag: Any, equal: bool) -> None:
    assert same(value, flag) is equal


# -- what depends on each other --


@pytest.mark.parametrize(
    ("driver", "option", "taken"),
    [
        ("json-file", "max-size", True),
        ("local", "max-size", True),
        ("local", "tag", False),
        ("journald", "max-file", False),
        ("journald", "tag", True),
        ("syslog", "syslog-address", True),
        ("syslog", "gelf-address", False),
        ("awslogs", "awslogs-region", True),
        ("awslogs", "labels", False),
        ("gcplogs", "gcp-project", True),
        ("journald", "mode", True),
        ("journald", "new-in-docker-40", None),
        ("loki", "max-size", None),
        ("none", "max-size", True),
    ],
)
def test_log_options(driver: str, option: str, taken: bool | None) -> None:
    assert takes(driver, option) is taken


def test_the_driver_in_force() -> None:
    assert log_driver({}, {}) == "json-file"
    assert log_driver({"log-driver": "local"}, {}) == "local"
    assert log_driver({"log-driver": "local"}, {"log-driver": "journald"}) == "journald"


@pytest.mark.parametrize(
    ("config", "words", "says"),
    [
        ({"log-driver": "journald", "log-opts": {"max-file": "3"}}, "", "max-file is no option of journald"),
        ({"log-opts": {"max-file": "3"}}, "--log-driver=journald", "max-file is no option of journald"),
        ({"log-driver": "journald"}, "--log-opt max-size=1", "max-size is no option of journald"),
        ({"log-opts": {"max-file": 3}}, "", "has to be a text"),
        ({"log-opts": {"max-buffer-size": "4m"}}, "", "needs mode non-blocking"),
        ({"log-opts": {"max-buffer-size": "4m", "mode": "non-blocking"}}, "", ""),
        ({"log-driver": "none", "log-opts": {"max-size": "1"}}, "", ""),
        ({"data-root": "/a"}, "--data-root=/a", "data-root is given both"),
        ({"hosts": ["tcp://x"]}, "-H fd://", "hosts is given both"),
        ({"bridge": "br0", "bip": "10.0.0.1/24"}, "", "exclude each other"),
        ({"bip": "10.0.0.1/24"}, "-b br0", "exclude each other"),
        ({"iptables": False, "icc": False}, "", "can't both be false"),
        ({"icc": False}, "--iptables=false", "can't both be false"),
        ({"default-runtime": "nvidia"}, "", "nvidia is not among the runtimes"),
        ({"default-runtime": "nvidia", "runtimes": {"nvidia": {"path": "x"}}}, "", ""),
        ({"default-runtime": "nvidia"}, "--add-runtime=nvidia=/x", ""),
        ({"default-runtime": "runc"}, "", ""),
        ({"default-runtime": "io.containerd.kata.v2"}, "", ""),
        ({"cgroup-parent": "/x", "exec-opts": ["native.cgroupdriver=systemd"]}, "", "has to end in .slice"),
        ({"cgroup-parent": "x.slice", "exec-opts": ["native.cgroupdriver=systemd"]}, "", ""),
        ({"storage-driver": "overlay2", "storage-opts": ["dm.basesize=1"]}, "", "dm.basesize=1 is no option of the st"),
        ({"storage-opts": ["overlay2.size=1"]}, "-s overlay2", ""),
        ({"registry-mirrors": ["https://bob:pw@m.example"]}, "", "a mirror's address has a login"),
        ({"registry-mirrors": ["https://m.example/a@b"]}, "", ""),
        ({"log-driver": 5, "log-opts": [], "runtimes": 1, "storage-opts": "x", "hosts": 1}, "", "log-driver has to be"),
        ({"live-restore": "true"}, "", 'live-restore has to be true or false, without quotes, and is "true"'),
        ({"max-concurrent-downloads": "3"}, "", "max-concurrent-downloads has to be a whole number"),
        ({"mtu": 1400.0}, "", "mtu has to be a whole number"),
        ({"dns": "1.1.1.1"}, "", "dns has to be a list"),
        ({"debug": None, "dns": None, "mtu": 1400, "shutdown-timeout": 5, "features": {"buildkit": True}}, "", ""),
        ({}, "", ""),
    ],
)
def test_conflicts(config: dict[str, Any], words: str, says: str) -> None:
    found = [each.says for each in conflicts(config, flags_of(words.split()))]
    assert [says] == [says for each in found if says in each] if says else found == []


@pytest.mark.parametrize(
    ("config", "words", "elsewhere"),
    [
        ({}, "", []),
        ({}, "-H fd://", []),
        ({}, "-H fd://docker.socket", []),
        ({}, "-H unix:///var/run/docker.sock -H tcp://0.0.0.0:2375", []),
        ({}, "-H tcp://0.0.0.0:2375", ["tcp://0.0.0.0:2375"]),
        ({"hosts": ["unix:///srv/docker.sock"]}, "", ["unix:///srv/docker.sock"]),
    ],
)
def test_where_it_listens(config: dict[str, Any], words: str, elsewhere: list[str]) -> None:
    assert listens_elsewhere(config, flags_of(words.split())) == elsewhere


@pytest.mark.parametrize(("version", "refused"), [(20, True), (22, True), (23, False), (29, False), (None, False)])
def test_options_of_later_versions(version: int | None, refused: bool) -> None:
    assert bool(of_another_version({**PROXIES, "debug": True}, {}, version)) is refused
    assert of_another_version({"debug": True}, {}, 20) == []


@pytest.mark.parametrize(
    ("config", "words", "last"),
    [
        ({"graph": "/x"}, "", 22),
        ({"cluster-store": "x"}, "", 22),
        ({"storage-driver": "aufs"}, "", 23),
        ({}, "-s devicemapper", 24),
        ({"storage-driver": "overlay2"}, "", None),
    ],
)
def test_options_of_earlier_versions(config: dict[str, Any], words: str, last: int | None) -> None:
    refused = [version for version in range(20, 30) if of_another_version(config, flags_of(words.split()), version)]
    assert refused == ([] if last is None else [*range(last + 1, 30)])


@pytest.mark.parametrize(
    ("config", "words", "used", "first"),
    [
        ({}, "", "", 29),
        ({}, "", "overlay2", None),  # stays with what it had before
        ({"features": {"containerd-snapshotter": True}}, "", "overlay2", 24),
        ({"features": {"containerd-snapshotter": False}}, "", "", None),
        ({"storage-driver": "overlay2"}, "", "", None),
        ({}, "-s btrfs", "", None),
        ({"storage-driver": "zfs"}, "", "zfs", 29),
        ({"userns-remap": "default"}, "", "", None),
    ],
)
def test_who_keeps_the_images(config: dict[str, Any], words: str, used: str, first: int | None) -> None:
    left = [version for version in range(20, 31) if in_containerd(config, flags_of(words.split()), version, used)]
    assert left == ([] if first is None else [*range(first, 31)])
    assert not in_containerd(config, {}, None, used)


def test_rendered() -> None:
    assert render({"b": 1, "a": [2]}) == '{\n  "a": [\n    2\n  ],\n  "b": 1\n}\n'
    assert parse(render({"b": 1}).encode()) == ({"b": 1}, "")
