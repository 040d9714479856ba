"""A recording in place of a host: judged without a connection, and never acted on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import recordings
from ansible_collections.navilab.webui.plugins.action.plan import ActionModule

STEPS = ["preflight", "amdgpu_dkms", "firmware", "gpu_access", "reboot", "docker_engine", "webui"]


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., str]:
    """`recording(settings)` is a Debian 12 that was recorded under them."""

    def build(**settings: Any) -> str:
        case = recordings.Case("host", "bookworm", "6.1.0-28-amd64", {"settings": settings})
        return str(recordings.build(case, tmp_path / f"recording-{len(list(tmp_path.iterdir()))}"))

    return build


@pytest.fixture
def plan(act: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def run(path: str, variables: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        named = {"navilab_recorded": path, "inventory_hostname": "recorded", **(variables or {})}
        return act(ActionModule, {"steps": STEPS, **arguments}, named)

    return run


def facts_of(result: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(result["ansible_facts"]["navilab"]["state"])["facts"]
    return facts


def test_it_is_planned_without_a_connection(recording: Callable[..., str], plan: Callable[..., dict[str, Any]]) -> None:
    path = recording()
    result = plan(path)
    assert set(result["ansible_facts"]) == {"navilab"}  # what is known of a live host stays as it is
    facts = facts_of(result)
    assert (facts["root"], facts["live"], facts["complete"]) == (path, False, True)
    assert facts["user"]["name"] == "lab"  # of its settings
    assert any(
        "install docker.io" in text for text in result["ansible_facts"]["navilab"]["plans"]["docker_engine"]["actions"]
    )


def test_an_archive_says_the_same(recording: Callable[..., str], plan: Callable[..., dict[str, Any]]) -> None:
    path = recording()
    archive = recordings.pack(Path(path), Path(path).with_name("host.tar.gz"))
    plans = [plan(each)["ansible_facts"]["navilab"]["plans"] for each in (path, str(archive))]
    assert plans[0] == plans[1]
    assert not list(Path("/tmp").glob(f"navilab-*/{Path(path).name}"))


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        ({"begins": True}, True),
        ({"steps": ["firmware"], "apply": True}, True),
        ({"steps": ["reboot"], "apply": True}, True),
        ({"steps": ["webui"], "forget_selftests": True}, True),
        ({"steps": ["webui"], "selftests": [{"item": {}}]}, True),
        ({"steps": ["reboot", "verify"], "apply": True}, False),
        ({"steps": ["firmware"]}, False),
        ({"refresh": True}, False),
    ],
)
def test_nothing_is_applied_to_it(
    recording: Callable[..., str], plan: Callable[..., dict[str, Any]], arguments: dict[str, Any], refused: bool
) -> None:
    result = plan(recording(), **arguments)
    assert [check["id"] for check in result.get("checks", [])] == ["recording"] * refused
    assert bool(result.get("failed")) is refused


def test_its_settings_are_data_and_the_hosts_own_go_first(
    recording: Callable[..., str], plan: Callable[..., dict[str, Any]]
) -> None:
    strange = {"webui_name": "{{ 7 * 7 }}", "ansible_become_password": "x", "navilab_recorded": "/etc", "hostvars": {}}
    result = plan(recording(**strange))
    (check,) = result["checks"]
    assert (check["id"], "{{ 7 * 7 }}" in check["evidence"]) == ("variables", True)
    assert facts_of(plan(recording(**strange), {"webui_name": "own"}))["docker"]["containers"].keys() >= {
        "own",
        "own-2",
    }
    assert plan(recording(webui_port="many"))["checks"][0]["id"] == "variables"


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x1f\x8b"])
def test_what_is_no_recording(tmp_path: Path, plan: Callable[..., dict[str, Any]], content: bytes | None) -> None:
    path = tmp_path / "x.tar.gz"
    if content is not None:
        path.write_bytes(content)
    (check,) = plan(str(path))["checks"]
    assert check["id"] == "recording"
    assert check["evidence"].count(str(path)) == 1


def test_a_manifest_that_is_none(recording: Callable[..., str], plan: Callable[..., dict[str, Any]]) -> None:
    path = recording()
    for text in ("", "[]", "{", '{"format": 2}', '{"answers": []}', "[" * 100000):
        Path(path, "recording.json").write_text(text)
        (check,) = plan(path)["checks"]
        assert (check["id"], "recording.json" in check["evidence"]) == ("recording", True)
