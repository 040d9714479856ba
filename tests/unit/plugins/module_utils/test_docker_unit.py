"""docker.service: its files, its command line and its state, on trees and with a systemctl of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _docker_unit
from ansible_collections.navilab.webui.plugins.module_utils._docker_unit import (
    command_of,
    gather_unit,
    parse_show,
    settings,
    split,
    variables,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

DEBIAN = ["-H", "fd://", "--containerd=/run/containerd/containerd.sock"]
UNIT = "/lib/systemd/system/docker.service"
DROP_IN = "/etc/systemd/system/docker.service.d/10-own.conf"
DEFAULT = "/etc/default/docker"
DEBIANS = """[Unit]
Requires=docker.socket

[Service]
Type=notify
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
"""


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Tree]:
    """`tree({path: text})` is a recording with these files; a text that begins with -> is a link."""

    def made(files: dict[str, str], **manifest: Any) -> Tree:
        root = tmp_path / "root"
        root.mkdir(exist_ok=True)
        (tmp_path / "recording.json").write_text(json.dumps({"format": 1, **manifest}))
        for path, text in files.items():
            where = root / path.lstrip("/")
            where.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("->"):
                where.symlink_to(text[2:])
            else:
                where.write_text(text)
        return Tree(str(tmp_path))

    return made


def service(*lines: str) -> str:
    return "\n".join(["[Service]", *lines, ""])


@pytest.mark.parametrize(
    ("files", "arguments"),
    [
        ({}, DEBIAN),  # the package's own unit, which is to come
        ({UNIT: DEBIANS}, DEBIAN),
        ({UNIT: DEBIANS, DEFAULT: 'DOCKER_OPTS="--log-driver=journald -g /srv"'},
         [*DEBIAN, "--log-driver=journald", "-g", "/srv"]),
        ({DEFAULT: "# DOCKER_OPTS=--x\nDOCKER_OPTS=--bip=10.0.0.1/24\n"}, [*DEBIAN, "--bip=10.0.0.1/24"]),
        ({UNIT: DEBIANS, DROP_IN: service("ExecStart=", "ExecStart=/usr/sbin/dockerd -H fd:// --log-driver=journald")},
         ["-H", "fd://", "--log-driver=journald"]),
        ({DROP_IN: service("ExecStart=", "ExecStart=/usr/sbin/dockerd --data-root '/srv/a b'")},
         ["--data-root", "/srv/a b"]),
        ({DROP_IN: service("ExecStart=", "ExecStart=@/usr/bin/dockerd dockerd -D")}, ["dockerd", "-D"]),
        ({DROP_IN: service("ExecStart=", "ExecStart=-/usr/bin/dockerd \\", "# why", "  --debug \\", "  -H fd://")},
         ["--debug", "-H", "fd://"]),
        ({DROP_IN: service('Environment="DOCKER_OPTS=--debug --mtu 1400"')}, [*DEBIAN, "--debug", "--mtu", "1400"]),
        ({DROP_IN: service('Environment="DOCKER_OPTS=--debug"'), DEFAULT: "DOCKER_OPTS=--ipv6"}, [*DEBIAN, "--ipv6"]),
        ({DROP_IN: service("EnvironmentFile="), DEFAULT: "DOCKER_OPTS=--ipv6"}, DEBIAN),
        ({DROP_IN: service("EnvironmentFile=/etc/sysconfig/docker", "ExecStart=",
                           "ExecStart=/usr/bin/dockerd $OPTIONS --label=${LABEL}"),
          "/etc/sysconfig/docker": "OPTIONS='--selinux-enabled --log-driver=journald'\nLABEL=a=b c\n"},
         ["--selinux-enabled", "--log-driver=journald", "--label=a=b c"]),
        ({DROP_IN: service("ExecStart=", "ExecStart=/bin/sh -c 'modprobe x; exec dockerd -H fd:// $DOCKER_OPTS'"),
          DEFAULT: "DOCKER_OPTS=--debug"}, ["-H", "fd://", "--debug"]),
        ({DROP_IN: service("ExecStart=", "ExecStart=/usr/bin/env A=1 nice -n 5 /x/dockerd --debug")}, ["--debug"]),
        ({DROP_IN: service("ExecStart=", "ExecStart=/usr/local/bin/start-docker")}, None),
        ({DROP_IN: service("ExecStart=", "ExecStart=/usr/local/bin/start-docker"), "/run/docker.pid": "77",
          "/proc/77/cmdline": "/usr/bin/dockerd\0--debug\0"}, ["--debug"]),
        ({UNIT: DEBIANS, DROP_IN: "[Unit]\nExecStart=/x\n[Install]\nExecStart=/y"}, DEBIAN),
        ({UNIT: DEBIANS,
          "/run/systemd/system/docker.service.d/10-own.conf": service("ExecStart=", "ExecStart=/x/dockerd --run"),
          DROP_IN: service("ExecStart=", "ExecStart=/x/dockerd --etc")}, ["--etc"]),  # hides its namesake
        ({UNIT: DEBIANS,
          "/lib/systemd/system/docker.service.d/10-own.conf": service("ExecStart=", "ExecStart=/x/dockerd"),
          DROP_IN: "->/dev/null"}, DEBIAN),
        ({"/etc/systemd/system/docker.service": service("ExecStart=/opt/dockerd --opt"), UNIT: DEBIANS}, ["--opt"]),
        ({DROP_IN: service("ExecStart=", 'ExecStart=/usr/bin/dockerd "--unclosed')}, ['"--unclosed']),
        ({DROP_IN: service("ExecStart=")}, None),
    ],
)  # fmt: skip
def test_command_line(tree: Callable[..., Tree], files: dict[str, str], arguments: list[str] | None) -> None:
    found = tree(files)
    assert command_of(found).arguments == arguments
    assert gather_unit(found, True, True)["arguments"] == arguments


def test_paths_and_variables(tree: Callable[..., Tree]) -> None:
    proxy = "/etc/systemd/system/docker.service.d/http-proxy.conf"
    files = {
        UNIT: DEBIANS,
        proxy: service('Environment="HTTP_PROXY=http://bob:s3cret@p" "MY_TOKEN=t0ken"', "Environment=NO_PROXY=a%%b"),
        DEFAULT: "HTTP_PROXY=http://q\nexport NO=1\nDOCKER_OPTS=--http-proxy=http://bob:s3cret@p\n",
    }
    found = gather_unit(tree(files), True, True)
    assert found["paths"] == [UNIT, proxy, DEFAULT]
    assert found["environment"] == {"HTTP_PROXY": DEFAULT, "NO_PROXY": proxy, "DOCKER_OPTS": DEFAULT}
    assert "s3cret" not in str(found) and "t0ken" not in str(found)
    assert command_of(tree({})).environment["NO_PROXY"] == "a%b"


class Kept:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def file(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


def test_a_recording_keeps_what_decides_and_no_secret(tree: Callable[..., Tree]) -> None:
    files = {
        UNIT: DEBIANS,
        DROP_IN: service('Environment="HTTP_PROXY=http://bob:s3cret@p" "KEY=t0ken" DOCKER_AUTH_CONFIG={"a":"t0ken"}'),
        DEFAULT: "AWS_SECRET=t0ken\nDOCKER_OPTS=--debug\n",
    }
    kept, root = Kept(), tree(files).root
    found = command_of(Tree(root, kept))
    again = {path: data.decode() for path, data in kept.files.items()}
    assert "s3cret" not in str(again) and "t0ken" not in str(again)
    assert command_of(tree(again)).arguments == found.arguments == [*DEBIAN, "--debug"]


def test_a_recording_keeps_what_the_command_line_names(tree: Callable[..., Tree]) -> None:
    start = "ExecStart=/usr/sbin/dockerd -H fd:// $EXTRA ${MORE} $DOCKER_OPTS"
    files = {
        UNIT: DEBIANS + f"EnvironmentFile={DEFAULT}\n",
        f"{DROP_IN.rpartition('/')[0]}/a.conf": service(
            'Environment=EXTRA=--debug \\\n# why\n "KEY=t0ken" MORE=--init'
        ),
        DROP_IN: service("ExecStart=", start),
        DEFAULT: 'SECRET=t0ken\nDOCKER_OPTS="--icc=false \\\n --log-driver=journald"\n',
    }
    kept, root = Kept(), tree(files).root
    found = command_of(Tree(root, kept))
    again = {path: data.decode() for path, data in kept.files.items()}
    assert "t0ken" not in str(again)
    opts = ["--debug", "--init", "--icc=false", "--log-driver=journald"]
    assert command_of(tree(again)).arguments == found.arguments == ["-H", "fd://", *opts]


def test_specifiers(tree: Callable[..., Tree]) -> None:
    found = tree(
        {UNIT: service("ExecStart=/usr/sbin/dockerd --data-root=%S/docker --label=50%% --pidfile=%t/%p.pid %z")}
    )
    assert command_of(found).arguments == [
        "--data-root=/var/lib/docker",
        "--label=50%",
        "--pidfile=/run/docker.pid",
        "%z",
    ]


@pytest.mark.parametrize(
    ("files", "packaged", "load", "masked"),
    [
        ({}, True, "", []),  # dpkg has it, and the recording only lacks it
        ({}, False, "not-found", []),
        ({UNIT: DEBIANS}, False, "loaded", []),
        ({UNIT: DEBIANS, "/etc/systemd/system/docker.service": "->/dev/null"}, True, "masked", ["docker.service"]),
        ({"/run/systemd/system/docker.service": "->/dev/null"}, False, "masked", ["docker.service"]),
        ({"/etc/systemd/system/docker.service": ""}, False, "masked", ["docker.service"]),
        ({"/etc/systemd/system/docker.socket": "->/dev/null"}, True, "", ["docker.socket"]),
        ({"/etc/systemd/system/containerd.service": "->/dev/null"}, True, "", ["containerd.service"]),
        ({"/etc/systemd/system/docker.service": "->/srv/docker.service"}, False, "loaded", []),
    ],
)
def test_state_from_files(
    tree: Callable[..., Tree], files: dict[str, str], packaged: bool, load: str, masked: list[str]
) -> None:
    found = gather_unit(tree(files), packaged, True)
    assert (found["load"], found["masked"]) == (load, masked)


SHOWN = """Id=docker.service
LoadState=loaded
ActiveState=active
FragmentPath=/lib/systemd/system/docker.service
DropInPaths=/etc/systemd/system/docker.service.d/a.conf /run/x.conf
UnitFileState=enabled

Id=docker.socket
LoadState=masked
ActiveState=inactive
FragmentPath=
DropInPaths=
UnitFileState=masked

nonsense
"""


def test_what_systemctl_says() -> None:
    shown = parse_show(SHOWN)
    assert shown["docker.service"]["DropInPaths"].split()[1] == "/run/x.conf"
    assert shown["docker.socket"]["LoadState"] == "masked"
    assert shown["containerd.service"]["LoadState"] == ""
    assert parse_show("") == parse_show("x") == _docker_unit._SHOWN


def test_a_recorded_answer_counts(tree: Callable[..., Tree]) -> None:
    files = {UNIT: DEBIANS, "/run/x.conf": service("ExecStart=", "ExecStart=/usr/sbin/dockerd --debug")}
    answers = {"systemctl show docker.service docker.socket containerd.service": parse_show(SHOWN)}
    seen = gather_unit(tree(files, answers=answers), True, True)
    assert (seen["load"], seen["active"], seen["enabled"]) == ("loaded", "active", "enabled")
    assert (seen["masked"], seen["arguments"]) == (["docker.socket"], ["--debug"])


@pytest.mark.parametrize(
    ("newer", "told"), [(None, False), (UNIT, True), (DROP_IN, True), (DROP_IN.rpartition("/")[0], True)]
)
def test_newer_than_the_engine(tree: Callable[..., Tree], newer: str | None, told: bool) -> None:
    """Of a drop-in that is gone its directory tells."""
    times = dict.fromkeys([UNIT, DROP_IN, DROP_IN.rpartition("/")[0]], 100.0) | {"/run/docker.pid": 200.0}
    times |= {newer: 300.0} if newer else {}
    files = {UNIT: DEBIANS, DROP_IN: service(), "/run/docker.pid": "1"}
    found = tree(files, stat={path: {"mtime": time} for path, time in times.items()})
    assert gather_unit(found, True, True)["newer"] is told


def test_without_systemd_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Tree("/")
    monkeypatch.setattr(tree, "is_dir", lambda _path: False)
    assert _docker_unit._systemctl(tree) == _docker_unit._SHOWN


def test_words() -> None:
    assert split("a 'b c' \"d\"") == ["a", "b c", "d"]
    assert variables("A=1\nexport B=2\n#C=3\nD='x y'\nE=\"a\\\"b\"\nnot\nF=a \\\nb\n1G=x\n") == [
        ("A", "1"), ("D", "x y"), ("E", 'a"b'), ("F", "a b"),
    ]  # fmt: skip
    assert settings("[Service]\nA=1\n;B=2\n[X]\nC=3\n[Service]\nD = 4 \\\n 5\n") == [("A", "1"), ("D", "4  5")]
