"""The archive is written for its owner alone, and is in no result."""

from __future__ import annotations

import base64
import json
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.action.record import ActionModule
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import mask
from ansible_collections.navilab.webui.plugins.module_utils._scrub import Scrubber

USUAL: dict[str, Any] = {
    "inventory_hostname": "node1", "ansible_host": "10.0.0.7", "ansible_user": "lab",
    "docker_engine_proxy": {"http": "http://bob:pw@proxy.example:3128"},
}  # fmt: skip
ARCHIVE = b"\x1f\x8b packed"
SAID = {
    "archive": base64.b64encode(ARCHIVE).decode(),
    "files": [["recording.json", 10], ["root/etc/fstab", 3], ["root/etc/\x1b[31m", 4]],
    "answers": ["kfd", "user user1"],
    "replaced": {"user": 1, "ipv4": 2},
    "cut": [],
}


class Host:
    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def execute(self, module_name: str, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        assert module_name == "navilab.webui.record"
        self.asked.append(module_args)
        return dict(self.answer)


@pytest.fixture
def record(act: Callable[..., dict[str, Any]]) -> Callable[..., tuple[dict[str, Any], Host]]:
    def run(path: Path, answer: dict[str, Any] = SAID, **variables: Any) -> tuple[dict[str, Any], Host]:
        host: Any = Host(answer)
        return act(ActionModule, {"path": str(path)}, {**USUAL, **variables}, host), host

    return run


def test_one_round_trip_with_all_wants_and_settings(tmp_path: Path, record: Callable[..., Any]) -> None:
    result, host = record(tmp_path / "x.tar.gz")
    assert (result["calls"], len(host.asked)) == (1, 1)
    (asked,) = host.asked
    assert asked["wants"]["user"] == "lab"
    assert {"firmware-amd-graphics", "docker.io"} <= set(asked["wants"]["packages"])
    assert asked["names"] == {"host": ["node1", "10.0.0.7"], "user": ["lab"]}
    settings = json.loads(asked["settings"])
    assert settings["webui_user"] == "lab"
    assert settings["docker_engine_proxy"] == USUAL["docker_engine_proxy"]
    assert "webui_port" not in settings  # as by default


def test_what_is_vaulted_or_named_so_is_a_secret(tmp_path: Path, record: Callable[..., Any]) -> None:
    class EncryptedString:
        def __str__(self) -> str:
            return "vaulted text"

    given: dict[str, Any] = {
        "plain": "not this", "mine": [{"deep": EncryptedString()}], "vault_x": "by its name",
        "ansible_become_password": "s3cret", "hf_token": ["abcdef"], "short_token": "abc", "my_pass": "{{ other }}",
        "hostvars": {"other": {"password": "somebody else's"}},
    }  # fmt: skip
    given["webui_extra_env"] = {"A": "x abcdef y", "B": "by its name"}  # the role gives the host these
    _result, host = record(tmp_path / "x", **given)
    (asked,) = host.asked
    assert json.loads(asked["secrets"]) == ["abcdef", "by its name", "s3cret"]
    assert "vaulted text" not in json.dumps(asked), "what no role wants stays on the controller"
    masks = {"A": f"x {mask('abcdef')} y", "B": mask("by its name")}
    assert json.loads(asked["settings"])["webui_extra_env"] == masks
    scrubber = Scrubber()
    scrubber.know("secret", ["abcdef"])
    assert scrubber.text(mask("abcdef")) == scrubber.text("abcdef"), "the same word as what the host has in a file"


def test_it_is_written_and_not_returned(tmp_path: Path, record: Callable[..., Any]) -> None:
    result, _host = record(tmp_path / "x.tar.gz")
    assert (result["path"], result["bytes"]) == (str(tmp_path / "x.tar.gz"), len(ARCHIVE))
    assert Path(result["path"]).read_bytes() == ARCHIVE
    assert Path(result["path"]).stat().st_mode & 0o777 == 0o600
    assert SAID["archive"] not in json.dumps(result)
    assert "bob" not in json.dumps(result)
    said = "\n".join(result["said"])
    assert "fstab (3)" in said and "1 user name" in said and "2 IPv4 addresses" in said and "\x1b" not in said


def test_who_called_sudo_can_read_it(
    tmp_path: Path, record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("os.fchown", lambda _descriptor, uid, gid: given.append((uid, gid)))
    monkeypatch.setenv("SUDO_USER", "daemon")
    record(tmp_path)
    assert given == [(pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("daemon").pw_gid)]


def test_check_mode_writes_nothing_here_either(tmp_path: Path, act: Callable[..., dict[str, Any]]) -> None:
    host: Any = Host(SAID)
    result = act(ActionModule, {"path": str(tmp_path / "x.tar.gz")}, USUAL, host, True)
    assert result["said"][0].startswith("check mode") and "fstab (3)" in "\n".join(result["said"])
    assert list(tmp_path.iterdir()) == []


def test_in_a_directory_its_name_tells_nothing(tmp_path: Path, record: Callable[..., Any]) -> None:
    names = [Path(record(tmp_path)[0]["path"]).name for _ in range(3)]
    assert names == [f"navilab-recording-{number}.tar.gz" for number in (1, 2, 3)]
    hosts = ["node1", "node2"]
    assert record(tmp_path, ansible_play_hosts_all=hosts)[0]["path"].endswith("navilab-recording-4.tar.gz")
    result, host = record(tmp_path / "one.tar.gz", ansible_play_hosts_all=hosts)
    assert (result["failed"], host.asked) == (True, [])


def test_an_earlier_one_is_replaced_and_a_link_is_not_followed(tmp_path: Path, record: Callable[..., Any]) -> None:
    old = tmp_path / "old.tar.gz"
    old.write_text("much longer than what comes")
    old.chmod(0o644)
    record(old)
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (ARCHIVE, 0o600)
    (tmp_path / "link").symlink_to(old)
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "link2").symlink_to("target")
    result, _host = record(tmp_path / "link2")
    assert (result["failed"], result["checks"][0]["id"]) == (True, "recording")
    assert (tmp_path / "target").read_text() == "theirs"


def test_what_fails(tmp_path: Path, record: Callable[..., Any]) -> None:
    result, _host = record(tmp_path / "x", {"failed": True, "msg": "no"})
    assert (result["failed"], result["msg"]) == (True, "no")
    result, host = record(tmp_path / "x", webui_port="many")
    assert (result["checks"][0]["id"], host.asked) == ("variables", [])
    assert not (tmp_path / "x").exists()
    result, _host = record(tmp_path / "none" / "x")
    assert result["checks"][0]["id"] == "recording"
