"""What the firmware, gpu_access and docker_engine roles decide."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.navilab.webui.plugins.filter.docker_engine_plan import (
    DAEMON_JSON,
    docker_engine_plan,
    merge_daemon,
    wanted_packages,
)
from ansible_collections.navilab.webui.plugins.filter.firmware_plan import component_for, firmware_plan
from ansible_collections.navilab.webui.plugins.filter.gpu_access_plan import gpu_access_plan
from ansible_collections.navilab.webui.plugins.filter.openpgp_fingerprints import openpgp_fingerprints

ROTATION = {"log-driver": "json-file", "log-opts": {"max-size": "10m"}}
ENGINE = {
    "state": "present",
    "provider": "debian",
    "daemon_defaults": ROTATION,
    "daemon": {},
    "registry_cas": {},
    "proxy": {},
    "restart_ok": False,
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("codename", "component"),
    [("bullseye", "non-free"), ("bookworm", "non-free-firmware"), ("trixie", "non-free-firmware")],
)
def test_component(codename: str, component: str) -> None:
    assert component_for(codename) == component


def test_firmware_on_a_bare_host(host: dict[str, Any]) -> None:
    plan = firmware_plan(host)
    assert plan["source"] == {
        "path": "/etc/apt/sources.list.d/navilab-firmware.sources",
        "content": "# non-free-firmware for the GPU's firmware, from the same mirrors as main. "
        "Written by navilab.webui.firmware.\n"
        "Types: deb\nURIs: http://deb.debian.org/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: non-free-firmware\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    }
    assert plan["install"] == ["firmware-amd-graphics"]
    assert plan["record"] == {"packages": ["firmware-amd-graphics"]}


def test_one_line_sources_stay_one_line(host: dict[str, Any]) -> None:
    entry = {
        "file": "/etc/apt/sources.list",
        "format": "one-line",
        "enabled": True,
        "types": ["deb"],
        "uris": ["http://mirror.example/debian"],
        "suites": ["bullseye"],
        "components": ["main", "contrib"],
        "options": {
            "Architectures": "amd64 i386",
            "Languages-Remove": "de",
            "Signed-By": "/usr/share/keyrings/mirror.gpg",
        },
    }
    host["release"]["codename"] = "bullseye"
    host["apt"]["sources"] = [
        entry,
        {**entry, "suites": ["bullseye-backports"]},
        {**entry, "enabled": False, "suites": ["bullseye-security"]},
    ]
    source = firmware_plan(host)["source"]
    assert source["path"].endswith(".list")
    assert source["content"].splitlines()[1:] == [
        "deb [arch=amd64,i386 lang-=de signed-by=/usr/share/keyrings/mirror.gpg] "
        "http://mirror.example/debian bullseye non-free"
    ]


def test_a_component_that_is_there_is_not_added(host: dict[str, Any]) -> None:
    host["apt"]["sources"][0]["components"].append("non-free-firmware")
    assert firmware_plan(host)["source"] is None


def installed(host: dict[str, Any], *names: str) -> None:
    for name in names:
        host["dpkg"]["packages"][name] = {"installed": True, "version": "1"}


def test_firmware_that_is_there(host: dict[str, Any]) -> None:
    source = firmware_plan(host)["source"]
    installed(host, "firmware-amd-graphics")
    host["firmware"]["missing"] = []
    host["files"][source["path"]] = {"exists": True, "sha256": sha256(source["content"])}
    assert firmware_plan(host)["actions"] == []
    host["firmware"]["missing"] = ["navi14_mec.bin"]
    assert firmware_plan(host)["reinstall"] == ["firmware-amd-graphics"]
    host["files"][source["path"]]["sha256"] = "0"
    assert firmware_plan(host)["source"] == source


def test_firmware_goes_out_only_if_it_came_in(host: dict[str, Any]) -> None:
    installed(host, "firmware-amd-graphics")
    assert firmware_plan(host, state="absent")["actions"] == []
    host["records"]["firmware"] = {"packages": ["firmware-amd-graphics"]}
    assert firmware_plan(host, state="absent")["remove"] == ["firmware-amd-graphics"]


def test_groups(host: dict[str, Any]) -> None:
    host["groups"]["render"] = None
    host["user"]["groups"] = ["lab", "video"]
    plan = gpu_access_plan(host)
    assert (plan["create"], plan["join"]) == (["render"], ["render"])
    assert plan["record"] == {"joined": {"lab": ["render"]}}
    host["user"]["groups"] = ["lab", "video", "render"]
    host["records"]["gpu_access"] = plan["record"]
    assert gpu_access_plan(host, state="absent")["leave"] == ["render"]


@pytest.mark.parametrize(("codename", "split"), [("bullseye", False), ("bookworm", False), ("trixie", True)])
def test_debian_13_splits_the_client_off(codename: str, split: bool) -> None:
    assert ("docker-cli" in wanted_packages("debian", codename)) is split


def test_engine_on_a_bare_host(host: dict[str, Any]) -> None:
    plan = docker_engine_plan(host, {**ENGINE, "registry_cas": {"registry.example:5000": "PEM"}})
    assert plan["install"] == ["docker.io", "iptables", "apparmor", "python3-requests"]
    assert written(plan) == {DAEMON_JSON: ROTATION, "/etc/docker/certs.d/registry.example:5000/ca.crt": "PEM"}
    assert not any(entry["directory_exists"] for entry in plan["writes"])
    assert plan["start"] and not plan["restart"] and not plan["restart_pending"]
    assert "containerd" in plan["record"]["packages"]


def test_an_engine_that_dpkg_only_unpacked_is_none_from_elsewhere(host: dict[str, Any]) -> None:
    host["docker"].update(installed=True, provider="other")
    assert docker_engine_plan(host, ENGINE)["install"] == ["python3-requests"]
    host["dpkg"].update(interrupted=True, broken=["docker.io"])
    assert docker_engine_plan(host, ENGINE)["install"] == ["docker.io", "iptables", "apparmor", "python3-requests"]


def written(plan: dict[str, Any]) -> dict[str, Any]:
    return {
        entry["path"]: json.loads(entry["content"]) if entry["path"] == DAEMON_JSON else entry["content"]
        for entry in plan["writes"]
    }


def test_a_proxy_is_a_secret_and_waits_for_a_restart(host: dict[str, Any]) -> None:
    plan = docker_engine_plan(
        engine(host, **ROTATION), {**ENGINE, "proxy": {"https": 'http://me:s%40"cret@proxy.example'}}
    )
    (entry,) = plan["writes"]
    assert (entry["mode"], entry["secret"], plan["daemon_reload"], plan["restart_pending"]) == (
        "0600",
        True,
        True,
        True,
    )
    assert 'Environment="HTTPS_PROXY=http://me:s%%40\\"cret@proxy.example"' in entry["content"]


def engine(host: dict[str, Any], **config: Any) -> dict[str, Any]:
    installed(host, "docker.io", "python3-requests")
    host["docker"].update(installed=True, running=True, config=config)
    return host


def test_an_engine_that_is_there_is_accepted(host: dict[str, Any]) -> None:
    plan = docker_engine_plan(engine(host, **{"log-driver": "journald", "log-opts": {"tag": "x"}}), ENGINE)
    assert plan["actions"] == []
    assert plan["install"] == []


def test_user_keys_stay_and_a_restart_waits(host: dict[str, Any]) -> None:
    plan = docker_engine_plan(engine(host, debug=True), ENGINE)
    assert written(plan) == {DAEMON_JSON: {"debug": True, **ROTATION}}
    assert plan["restart_pending"] and not plan["restart"] and not plan["reload"]
    assert docker_engine_plan(host, {**ENGINE, "restart_ok": True})["restart"]
    host["records"]["docker_engine"] = plan["record"]
    host["docker"].update(config={"debug": True, **ROTATION}, restart_pending=True)
    assert docker_engine_plan(host, ENGINE)["restart_pending"]
    assert docker_engine_plan(host, {**ENGINE, "restart_ok": True})["restart"]


def test_a_wanted_key_that_stood_there_is_the_users(host: dict[str, Any]) -> None:
    mirror = {"registry-mirrors": ["https://m.example"]}
    plan = docker_engine_plan(engine(host, **ROTATION, **mirror), {**ENGINE, "daemon": mirror})
    assert (plan["actions"], plan["record"]["daemon"]) == ([], {})
    host["records"]["docker_engine"] = {"daemon": mirror}
    assert docker_engine_plan(host, {**ENGINE, "daemon": mirror})["record"]["daemon"] == mirror


def test_a_mirror_needs_only_a_reload(host: dict[str, Any]) -> None:
    plan = docker_engine_plan(
        engine(host, **ROTATION), {**ENGINE, "daemon": {"registry-mirrors": ["https://mirror.example"]}}
    )
    assert plan["reload"] and not plan["restart_pending"]
    host["records"]["docker_engine"] = plan["record"]
    host["docker"].update(config=written(plan)[DAEMON_JSON], restart_pending=True)
    again = docker_engine_plan(
        host, {**ENGINE, "daemon": {"registry-mirrors": ["https://mirror.example"]}, "restart_ok": True}
    )
    assert again["actions"] == []


def test_merge() -> None:
    assert merge_daemon({"a": 1, "b": 2}, {"b": 3, "c": 4}, {"a": 5}, {}) == {"a": 5, "b": 2, "c": 4}
    assert merge_daemon({"b": 2}, {"b": 3}, {}, {"b": 3}) == {"b": 3}, "a drift of ours is repaired"
    assert merge_daemon({"b": 2, "z": 1}, {}, {}, {"z": 1}) == {"b": 2}, "what we no longer want goes away"


def test_broken_daemon_json_stops(host: dict[str, Any]) -> None:
    host["docker"].update(config=None, config_error="line 1")
    plan = docker_engine_plan(host, ENGINE)
    assert [problem["id"] for problem in plan["problems"]] == ["docker_config"]
    assert plan["actions"] == []


def test_engine_goes_out_only_if_it_came_in(host: dict[str, Any]) -> None:
    engine(host, debug=True, **ROTATION)
    absent = {**ENGINE, "state": "absent"}
    assert docker_engine_plan(host, absent)["actions"] == []
    host["records"]["docker_engine"] = {"packages": ["docker.io"], "daemon": ROTATION, "files": []}
    plan = docker_engine_plan(host, absent)
    assert plan["remove"] == ["docker.io"]
    assert written(plan) == {DAEMON_JSON: {"debug": True}}
    host["docker"]["foreign_containers"] = 1
    plan = docker_engine_plan(host, absent)
    assert (plan["remove"], plan["actions"]) == ([], [])
    assert "1 other container" in plan["kept_because"]


def test_fingerprint_of_a_v4_key() -> None:
    body = b"\x04" + bytes(4) + b"\x01" + b"\x00\x08\xff"
    packet = b"\x99" + len(body).to_bytes(2, "big") + body  # old format, tag 6, two length bytes
    fingerprint = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    armoured = (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n"
        + base64.b64encode(packet)
        + b"\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    for key in (packet, armoured, packet + b"\xd1\x00"):
        assert openpgp_fingerprints(base64.b64encode(key).decode()) == [fingerprint]
    with pytest.raises(AnsibleFilterError, match="not an OpenPGP key"):
        openpgp_fingerprints(base64.b64encode(b"<html>").decode())
