"""What becomes of daemon.json beside the unit's flags, and what stops the host before it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import public, render
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import docker_engine
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._docker_daemon import merge_daemon
from ansible_collections.navilab.webui.plugins.plugin_utils._steps.docker_engine import (
    BACKUP,
    DAEMON_JSON,
    ENABLED,
    PROXY_DROPIN,
)

ROTATION = {"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}
ENGINE: dict[str, Any] = {
    "state": "present", "provider": "debian", "daemon_defaults": ROTATION, "daemon": {}, "registry_cas": {},
    "proxy": {}, "restart_ok": False,
}  # fmt: skip
THERE = {"exists": True, "kind": "file", "mode": "0644", "uid": 0, "gid": 0, "size": 1, "mtime": 1.0, "sha256": None}


@pytest.fixture
def host(facts: dict[str, Any]) -> dict[str, Any]:
    """A host with a running engine of Debian's."""
    for name in ("docker.io", "python3-requests"):
        facts["dpkg"]["packages"][name] = {"installed": True, "version": "1", "held": False}
    facts["docker"].update(installed=True, running=True, provider="docker.io")
    facts["files"].update({ENABLED: {**THERE, "kind": "link"}, DAEMON_JSON: THERE, "/etc/docker": THERE})
    return facts


def plan(
    facts: dict[str, Any], config: Any = None, flags: str | None = "-H fd://", ours: Any = None, **changes: Any
) -> Any:
    if config is not None:
        facts["docker"]["config"] = config
    facts["docker"]["unit"].update(
        arguments=None if flags is None else flags.split(), paths=["/lib/systemd/system/docker.service"]
    )
    if ours is not None:
        facts["records"]["docker_engine"] = {"daemon": ours}
    return docker_engine.plan(facts, {**ENGINE, **changes})  # type: ignore[arg-type]


def written(plan: Any) -> Any:
    """The daemon.json that is to be written; None for none."""
    return next((json.loads(each["content"]) for each in plan["writes"] if each["kind"] == "daemon"), None)


JOURNALD = {"log-driver": "journald"}


@pytest.mark.parametrize(
    ("config", "flags", "defaults", "left"),
    [
        ({}, "-H fd://", ROTATION, ROTATION),
        (JOURNALD, "-H fd://", ROTATION, None),  # case 1
        (JOURNALD, None, ROTATION, None),  # a command line that nobody knows
        ({}, "-H fd:// --log-driver=journald", ROTATION, None),  # case 2
        ({}, "--log-driver journald --log-opt tag=x", ROTATION, None),
        ({}, "--log-driver local", ROTATION, {"log-opts": ROTATION["log-opts"]}),
        ({}, "--log-opt max-size=5m", ROTATION, {"log-driver": "json-file"}),
        ({"log-driver": "local"}, "", ROTATION, {"log-driver": "local", "log-opts": ROTATION["log-opts"]}),
        ({"log-driver": "none"}, "", ROTATION, None),
        ({"log-driver": "loki"}, "", ROTATION, None),  # a plugin, whose options nobody knows
        ({"log-opts": {"tag": "x"}}, "", ROTATION, {"log-driver": "json-file", "log-opts": {"tag": "x"}}),
        ({"debug": True}, "-l warn", {"log-level": "info", "debug": False}, None),
        (
            {},
            "",
            {"log-driver": "loki", "log-opts": {"loki-url": "x"}},
            {"log-driver": "loki", "log-opts": {"loki-url": "x"}},
        ),
        (
            JOURNALD,
            "",
            {"log-driver": "local", "log-opts": {"max-size": "1m", "mode": "blocking"}},
            {**JOURNALD, "log-opts": {"mode": "blocking"}},
        ),
        ({}, "--data-root=/srv/docker", {"data-root": "/other", "live-restore": True}, {"live-restore": True}),
    ],
)
def test_defaults_follow_what_is_in_force(
    host: dict[str, Any], config: Any, flags: str | None, defaults: Any, left: Any
) -> None:
    found = plan(host, config, flags, daemon_defaults=defaults)
    assert (written(found), found["problems"]) == (left, [])


@pytest.mark.parametrize(
    ("config", "flags", "ours", "left"),
    [
        # the role wrote them before it knew better, and takes them out again
        ({**JOURNALD, "log-opts": ROTATION["log-opts"]}, "", {"log-opts": ROTATION["log-opts"]}, JOURNALD),
        (ROTATION, "--log-driver=journald", ROTATION, {}),
        # somebody has changed them since: they are no longer the role's
        ({**JOURNALD, "log-opts": {"tag": "x"}}, "", {"log-opts": ROTATION["log-opts"]}, None),
        # a drift is repaired
        ({"log-driver": "json-file", "log-opts": {"max-size": "1g"}}, "", ROTATION, ROTATION),
        ({}, "", {**ROTATION, "gone": 1}, ROTATION),
        ({**ROTATION, "gone": 1}, "", {**ROTATION, "gone": 1}, ROTATION),
        ({**ROTATION, "gone": 2}, "", {**ROTATION, "gone": 1}, None),
    ],
)
def test_what_the_record_calls_ours(host: dict[str, Any], config: Any, flags: str, ours: Any, left: Any) -> None:
    found = plan(host, config, flags, ours)
    assert (written(found), found["problems"]) == (left, [])


def test_a_driver_of_the_variables_takes_our_options_along(host: dict[str, Any]) -> None:
    assert written(plan(host, {}, daemon=JOURNALD)) == JOURNALD
    assert written(plan(host, ROTATION, ours=ROTATION, daemon=JOURNALD)) == JOURNALD
    assert written(plan(host, {}, daemon={"log-driver": "local"})) == {**ROTATION, "log-driver": "local"}


def test_somebody_elses_are_never_taken_out(host: dict[str, Any]) -> None:
    theirs = {**JOURNALD, "log-opts": ROTATION["log-opts"]}
    found = plan(host, theirs, "")
    assert (found["writes"], found["actions"], found["problems"]) == ([], [], [])
    assert "would not start again with /etc/docker/daemon.json as it is" in found["warnings"][0]
    assert found["record"] == {}


@pytest.mark.parametrize(
    ("flags", "wanted", "says", "remedy"),
    [
        (
            "--data-root=/mnt",
            {"data-root": "/srv"},
            "docker_engine_data_root asks for data-root: /srv",
            "docker_engine_data_root",
        ),
        ("-g /mnt", {"data-root": "/srv"}, "command line sets /mnt", "docker_engine_data_root"),
        (
            "-H fd://",
            {"hosts": ["fd://", "tcp://0.0.0.0:2375"]},
            "docker_engine_daemon asks for hosts",
            "systemctl edit",
        ),
        (
            "--registry-mirror https://b",
            {"registry-mirrors": ["https://a"]},
            "sets https://b",
            "docker_engine_registry_mirrors",
        ),
        ("--insecure-registry=b", {"insecure-registries": ["a"]}, "insecure-registries: a", "insecure_registries"),
        ("-b br0", {"bridge": "none"}, "bridge: none", "docker_engine_daemon"),
        (
            "--exec-opt native.cgroupdriver=cgroupfs",
            {"exec-opts": ["native.cgroupdriver=systemd"]},
            "exec-opts",
            "out of",
        ),
        ("--log-driver=journald", {"log-driver": "local"}, "log-driver: local", "docker_engine_daemon"),
        (
            "--http-proxy http://a",
            {"proxies": {"http-proxy": "http://b:s3cret@c"}},
            "http-proxy",
            "docker_engine_daemon",
        ),
        (
            "",
            {"proxies": {"http-proxy": "http://a"}},
            "http-proxy is an option of Docker 23 and later, and the engine is 20",
            "change",
        ),
        # not given twice, but not fit for each other
        (
            "--log-driver=journald",
            {"log-opts": {"max-size": "1m"}},
            "max-size is no option of journald",
            "change docker_engine_daemon",
        ),
        (
            "",
            {"log-driver": "journald", "log-opts": {"max-size": "1m"}},
            "max-size is no option",
            "change docker_engine_daemon",
        ),
        ("", {"log-opts": {"max-file": 3}}, "max-file of log-opts has to be a text", "change docker_engine_daemon"),
        ("-b br0", {"bip": "10.0.0.1/24"}, "exclude each other", "change docker_engine_daemon"),
        ("", {"default-runtime": "nvidia"}, "nvidia is not among the runtimes", "change docker_engine_daemon"),
        ("", {"hosts": ["tcp://0.0.0.0:2375"]}, "the roles ask at /run/docker.sock", "change docker_engine_daemon"),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_what_the_variables_can_not_have(
    host: dict[str, Any], flags: str, wanted: Any, says: str, remedy: str, there: bool
) -> None:
    if not there:  # an engine that is to be installed finds the same drop-ins
        host["docker"].update(installed=False, running=False, provider=None)
    host["docker"]["version"] = "20.10.24"
    found = plan(host, {}, flags, daemon=wanted)
    (problem,) = [each for each in found["problems"] if each["id"] == "docker_config"]
    assert says in problem["evidence"] and remedy in problem["remedy"]
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("--data-root=/srv/docker/", {"data-root": "/srv/docker"}),
        ("--registry-mirror=https://b --registry-mirror https://a", {"registry-mirrors": ["https://a", "https://b"]}),
        ("-H fd:// -D", {"hosts": ["fd://"], "debug": True}),
        ("--log-driver=journald --log-opt tag=x", {"log-driver": "journald", "log-opts": {"tag": "x"}}),
    ],
)
def test_what_a_flag_says_already_is_nobodys_trouble(host: dict[str, Any], flags: str, wanted: Any) -> None:
    found = plan(host, {}, flags, daemon=wanted, daemon_defaults={})
    assert (found["writes"], found["problems"]) == ([], [])


@pytest.mark.parametrize(
    ("version", "package", "provider", "codename", "refused"),
    [
        ("20.10.24+dfsg1", None, "debian", "bookworm", True),
        ("26.1.5", None, "debian", "bookworm", False),
        (None, "20.10.5+dfsg1-1", "debian", "bullseye", True),
        (None, "5:26.1.4-1~debian.12~bookworm", "debian", "bookworm", False),
        (None, "1:2", "debian", "bookworm", False),  # nobody's
        (None, "", "debian", "bookworm", True),  # to be installed
        (None, "", "debian", "trixie", False),
        (None, "", "docker-ce", "bookworm", False),
    ],
)
def test_options_that_came_later(
    host: dict[str, Any], version: str | None, package: str | None, provider: str, codename: str, refused: bool
) -> None:
    host["docker"]["version"] = version
    host["release"]["debian_codename"] = codename
    if package:
        host["dpkg"]["packages"]["docker.io"]["version"] = package
    elif package == "":
        host["docker"].update(installed=False, running=False, provider=None)
    found = plan(host, {}, daemon={"proxies": {"no-proxy": "a"}}, provider=provider)
    assert [each["id"] for each in found["problems"] if each["id"] == "docker_config"] == ["docker_config"] * refused


def test_what_dockerd_merges_is_written(host: dict[str, Any]) -> None:
    wanted = {"runtimes": {"a": {"path": "/a"}}}
    assert written(plan(host, ROTATION, "--add-runtime b=/b", daemon=wanted)) == {**ROTATION, **wanted}


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        ({"running": False}, {"data-root": "/a", **ROTATION}),
        ({}, {"data-root": "/a"}),  # ours are to be added
        ({"installed": False, "running": False, "provider": None}, {"data-root": "/a", **ROTATION}),
    ],
)
def test_an_engine_that_would_not_come_up_is_not_touched(host: dict[str, Any], changes: Any, config: Any) -> None:
    host["docker"].update(changes)
    found = plan(host, config, "--data-root=/b")
    assert "data-root is given both there and as a flag" in found["problems"][0]["evidence"]
    assert "mend data-root in /etc/docker/daemon.json or in the unit" in found["problems"][0]["remedy"]


# -- dockerd's own word --


def answer(facts: dict[str, Any], config: Any, valid: bool | None, error: str = "") -> None:
    facts["answers"]["dockerd"] = [{"question": {"config": render(config)}, "answer": {"valid": valid, "error": error}}]


def test_dockerd_is_asked_where_it_is_to_read_the_file(host: dict[str, Any]) -> None:
    asked = plan(host, {})["questions"]["dockerd"]
    assert asked == {"config": render(ROTATION)}
    assert "dockerd" not in plan(host, ROTATION)["questions"]
    host["docker"]["running"] = False
    assert plan(host, ROTATION)["questions"]["dockerd"] == {"config": render(ROTATION)}
    host["docker"].update(installed=False, provider=None)
    assert "dockerd" not in plan(host, {})["questions"]


def test_dockerd_refuses(host: dict[str, Any]) -> None:
    answer(host, ROTATION, False, "the following directives don't match any configuration option: x")
    (problem,) = plan(host, {})["problems"]
    assert problem["id"] == "docker_config"
    assert "as it is to be: the following directives don't match" in problem["evidence"]
    for valid in (True, None):
        answer(host, ROTATION, valid)
        assert plan(host, {})["problems"] == []


def test_a_restart_too_is_asked_about(host: dict[str, Any]) -> None:
    host["records"]["docker_engine"] = {"daemon": {}, "restart_pending": True}
    host["docker"]["unit"]["newer"] = True
    found = plan(host, ROTATION, restart_ok=True)
    assert found["restart"] and "dockerd" in found["questions"]
    answer(host, ROTATION, False, "it is bad")
    assert (
        "would not start with /etc/docker/daemon.json: it is bad"
        in plan(host, ROTATION, restart_ok=True)["problems"][0]["evidence"]
    )


# -- what else stops it --


@pytest.mark.parametrize(
    ("change", "check", "says"),
    [
        ({"init": "init"}, "systemd", "PID 1 is init"),
        (
            {"docker": {"others": [{"kind": "snap", "evidence": "/snap/bin/docker", "answers": True}]}},
            "docker_engine",
            "snap",
        ),
        ({"docker": {"unit": {"masked": ["docker.service"]}}}, "docker_engine", "masked"),
        ({"docker": {"config": None, "config_error": "is larger than 1 MiB"}}, "docker_config", "is larger than 1 MiB"),
        (
            {"docker": {"config": None, "config_error": "is not JSON: x"}},
            "docker_config",
            "/etc/docker/daemon.json is not JSON",
        ),
    ],
)
def test_no_engine_can_be_set_up(host: dict[str, Any], change: Any, check: str, says: str) -> None:
    docker = dict(change.pop("docker", {}))
    host["docker"]["unit"].update(docker.pop("unit", {}))
    host["docker"].update(docker)
    host.update(change)
    found = docker_engine.plan(host, ENGINE)  # type: ignore[arg-type]
    (problem,) = found["problems"]
    assert problem["id"] == check and says in problem["evidence"] and problem["remedy"]
    assert (found["actions"], found["writes"], found["install"], found["questions"]) == ([], [], [], {})


# -- the rest --


def test_a_proxys_restart_is_not_forgotten(host: dict[str, Any]) -> None:
    """The unit's file tells it, since daemon.json is none the newer."""
    host["records"]["docker_engine"] = {"daemon": ROTATION, "restart_pending": True}
    assert not plan(host, ROTATION)["restart_pending"]
    host["docker"]["unit"]["newer"] = True
    assert plan(host, ROTATION)["restart_pending"]
    assert plan(host, ROTATION, restart_ok=True)["restart"]


def test_an_interrupted_reload_is_not_forgotten(host: dict[str, Any]) -> None:
    host["records"]["docker_engine"] = {"daemon": ROTATION, "reload_pending": True}
    found = plan(host, ROTATION)
    assert found["reload"] and found["actions"] == ["reload the engine, which an earlier run was kept from"]
    assert found["record"]["reload_pending"]
    host["docker"]["running"] = False
    assert plan(host, ROTATION)["actions"] == ["start the engine"]  # which reads it too


def test_another_file_has_the_last_word_on_a_proxy(host: dict[str, Any]) -> None:
    unit = {
        "paths": [PROXY_DROPIN, "/etc/x.conf"],
        "environment": {"HTTP_PROXY": "/etc/x.conf", "NO_PROXY": PROXY_DROPIN},
    }
    host["docker"]["unit"].update(unit)
    found = docker_engine.plan(host, {**ENGINE, "proxy": {"http": "http://b:s3cret@p", "no_proxy": "a"}})  # type: ignore[arg-type]
    assert "docker_engine_proxy.http has no effect: /etc/x.conf sets HTTP_PROXY after it" in found["warnings"]
    assert "s3cret" not in str(found) and len([each for each in found["warnings"] if "no effect" in each]) == 1


SECRET = {"proxies": {"http-proxy": "http://bob:s3cret@p"}}


def test_a_secret_is_in_no_plan_and_no_record(host: dict[str, Any]) -> None:
    found = plan(host, {}, daemon=SECRET)
    assert "s3cret" not in str(found)
    (entry,) = found["writes"]
    assert (entry["mode"], entry["kind"], written(found)) == ("0600", "daemon", {**ROTATION, **public(SECRET)})
    again = plan(host, written(found), ours=found["record"]["daemon"], daemon=SECRET)
    assert again["actions"] == []
    other = {"proxies": {"http-proxy": "http://bob:0ther@p"}}
    assert plan(host, written(found), daemon=other)["actions"] == ["set proxies in /etc/docker/daemon.json"]
    gone = plan(host, written(found), ours=found["record"]["daemon"], state="absent")
    assert DAEMON_JSON in gone["files_absent"]


def test_a_daemon_json_elsewhere(host: dict[str, Any]) -> None:
    host["docker"]["config_file"] = "/srv/docker.json"
    found = plan(host, {"debug": True})
    assert [(each["path"], each["mode"]) for each in found["writes"]] == [("/srv/docker.json", None)]
    assert found["directories"] == []
    assert "in /srv/docker.json" in found["actions"][0]
    gone = plan(host, ROTATION, ours=ROTATION, state="absent")
    assert written(gone) == {} and DAEMON_JSON not in gone["files_absent"]


def test_the_kept_file_goes_with_the_role(host: dict[str, Any]) -> None:
    host["files"][BACKUP] = THERE
    assert BACKUP in plan(host, ROTATION, ours=ROTATION, state="absent")["files_absent"]


def test_the_kept_file_goes_once_the_engine_has_started(host: dict[str, Any]) -> None:
    host["files"][BACKUP] = THERE
    assert plan(host, ROTATION)["files_absent"] == []  # nothing is to be done
    host["dpkg"]["packages"].pop("python3-requests")
    assert plan(host, ROTATION)["files_absent"] == [BACKUP]
    assert plan(host, {})["files_absent"] == []
    host["docker"]["restart_pending"] = True
    assert plan(host, ROTATION)["files_absent"] == []


def test_merge() -> None:
    assert merge_daemon({"a": 1}, {"a": 2}, {}, {}) == {"a": 1}
    assert merge_daemon({"z": 1}, {}, {}, {"z": 1}) == {}
    assert merge_daemon({"z": 2}, {}, {}, {"z": 1}) == {"z": 2}, "somebody has changed it since"
