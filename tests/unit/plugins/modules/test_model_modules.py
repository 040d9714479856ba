"""The modules model and model_publish as Ansible calls them, and the action plugin that shows how far a model is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils import _background, _model, _model_publish
from ansible_collections.navilab.webui.plugins.modules import model, model_publish

BODY = b"a model" * 1000
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("module", "arguments"), [(model, _model.ARGUMENTS), (model_publish, _model_publish.ARGUMENTS)]
)
def test_documentation_is_the_argument_spec(module: Any, arguments: dict[str, Any]) -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert sorted(documented) == sorted(arguments)
    for name, option in arguments.items():
        for key in ("type", "default", "required", "elements"):
            assert documented[name].get(key) == option.get(key), (name, key)


def test_the_module_shows_no_secret_of_an_address(
    run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def attended(arguments: dict[str, Any], check: bool) -> dict[str, Any]:
        seen.append(_model.wanted_of(arguments, check, 0).urls)
        return {"how": "fetched", "address": "https://h/a"}

    monkeypatch.setattr(model, "attended", attended)
    urls, secret = ["https://h/a", "https://h/b"], {"1": "https://u:S3CRET@h/b"}
    answer = run_module(model.main, path="/srv/m", sha256=SHA, urls=urls, secret_urls=secret)
    assert seen == [("https://h/a", "https://u:S3CRET@h/b")]
    assert "S3CRET" not in json.dumps(answer) and (answer["address"], answer["changed"]) == ("https://h/a", False)


def test_publish_fails_with_its_checks(run_module: Callable[..., dict[str, Any]]) -> None:
    answer = run_module(model_publish.main, sha256="0", registry="http://h:1")
    assert answer["failed"] and answer["msg"].startswith("variables: sha256: 64 hex digits are expected. Remedy: ")
    assert [check["id"] for check in answer["checks"]] == ["variables"]


# -- the action plugin ----------------------------------------------------------------------------------------------


class Trips:
    """A host that answers from a list."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []

    def __call__(self, module_args: dict[str, Any], **_rest: Any) -> dict[str, Any]:
        self.asked.append(module_args)
        return self.answers.pop(0)


@pytest.fixture
def act(controller: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, Any], list[str], Trips]]:
    from ansible_collections.navilab.webui.plugins.action import model as action

    printed: list[str] = []
    monkeypatch.setattr(action.display, "display", printed.append)

    def run(*answers: dict[str, Any], no_log: bool = False, diff: bool = False, **more: Any) -> Any:
        arguments = {"path": "/srv/m.safetensors", "sha256": SHA, **more}
        task = SimpleNamespace(
            args=arguments, check_mode=False, async_val=0, action="navilab.webui.model", no_log=no_log, diff=diff
        )
        plugin = action.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir="x")), None, None, None, None)
        trips = Trips()
        trips.answers = list(answers)
        plugin._execute_module = trips
        return plugin.run(task_vars={"inventory_hostname": "lab-1"}), printed, trips

    return run


def running(done: int, what: str = "fetching", total: int | None = 4 << 30, at: float = 0) -> dict[str, Any]:
    return {"changed": False, "running": {"what": what, "done": done, "total": total, "source": "h:1", "at": at}}


DONE = {
    "changed": True,
    "how": "fetched",
    "size": 7,
    "fetched": 7,
    "resumed": 0,
    "address": "",
    "notes": [],
    "checks": [],
}


def test_action_prints_a_tenth_once(act: Callable[..., Any]) -> None:
    steps = [running(n << 20, at=n / 64) for n in (0, 1, 2, 409, 410, 411, 900)]
    result, printed, _trips = act({"changed": False, "running": {}}, *steps, running(7, "checking", None), DONE)
    assert (result["changed"], result["how"], result["fetched"], result["seconds"]) == (True, "fetched", 7, 0)
    assert printed == [
        "lab-1: m.safetensors: fetching from h:1, 0 bytes of 4.0 GiB (0 s)",
        "lab-1: m.safetensors: fetching from h:1, 410 MiB of 4.0 GiB, 64.0 MiB/s (0 s)",
        "lab-1: m.safetensors: fetching from h:1, 900 MiB of 4.0 GiB, 64.0 MiB/s (0 s)",
        "lab-1: m.safetensors: checking from h:1, 7 bytes (0 s)",
    ]


def test_action_is_quiet_where_that_is_asked_for(act: Callable[..., Any]) -> None:
    assert act(running(1), DONE, no_log=True)[1] == []


def test_action_calls_it_by_its_name(act: Callable[..., Any]) -> None:
    assert act(running(0), DONE, name="v1-5")[1][0].startswith("lab-1: v1-5: fetching")


def test_action_sends_secrets_apart(act: Callable[..., Any]) -> None:
    urls = ["https://a/m", "https://u:S3CRET@b/m", "https://c/m?token=T"]
    _result, printed, trips = act(running(1), DONE, urls=urls)
    for asked in trips.asked:
        assert asked["urls"] == ["https://a/m", "https://b/m", "https://c/m"]
        assert asked["secret_urls"] == {"1": urls[1], "2": urls[2]}
        assert _model.wanted_of({**asked, "mode": "0644"}, False, 0).urls == tuple(urls)
    assert len({asked["job"] for asked in trips.asked}) == 1 and "S3CRET" not in str(printed)


def test_action_fails_with_all_checks(act: Callable[..., Any]) -> None:
    checks = [_model.failed(name, f"https://h/{name}: no", "mend") for name in ("model_available", "model_checksum")]
    result, _printed, _trips = act({**DONE, "changed": False, "checks": checks})
    assert result["failed"] and result["msg"].splitlines() == [
        "model_available: https://h/model_available: no. Remedy: mend.",
        "model_checksum: https://h/model_checksum: no. Remedy: mend.",
    ]
    assert [check["id"] for check in result["checks"]] == ["model_available", "model_checksum"]


def test_action_begins_again_after_a_death(act: Callable[..., Any]) -> None:
    died = {"changed": False, "died": True}
    result, _printed, trips = act(died, died, DONE)
    assert result["how"] == "fetched" and len({asked["job"] for asked in trips.asked}) == 3
    result, _printed, _trips = act(died, died, died)
    assert result["failed"] and "was killed, three times" in result["msg"]
    assert act({"changed": False, "error": "MemoryError: \x1b[1m"})[0]["msg"] == r"m.safetensors: MemoryError: \x1b[1m"


def test_action_shows_a_difference(act: Callable[..., Any]) -> None:
    assert act(DONE, diff=True)[0]["diff"]["after"] == f"/srv/m.safetensors\nsha256 {SHA}\n"
    assert "diff" not in act({**DONE, "changed": False}, diff=True)[0]


def test_action_ends_with_what_the_host_says(act: Callable[..., Any]) -> None:
    assert act({"failed": True, "msg": "boom"})[0]["msg"] == "boom"


# -- the filter -----------------------------------------------------------------------------------------------------


def test_what_several_lists_say_of_a_model(controller: None) -> None:
    from ansible_collections.navilab.webui.plugins.filter._model_entry import model_entry

    lists: Any = [
        [{"name": "a", "sha256": SHA}],
        [{"name": "b", "sha256": SHA.upper(), "size": 7, "url": "https://1/", "urls": ["https://2/"]}, {"sha256": "x"}],
        None,
        [{"name": "c", "sha256": SHA, "size": 8, "urls": ["https://2/", "https://3/"], "src": "/srv/c"}],
    ]
    urls = ["https://1/", "https://2/", "https://3/"]
    assert model_entry(lists, SHA) == {"name": "a", "size": 7, "src": "/srv/c", "urls": urls}
    assert model_entry([], SHA) == {"name": SHA[:12], "size": None, "urls": []}


def test_a_file_that_is_there(
    run_module: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_background, "FOLDER", tmp_path / "run" / "work")
    path = tmp_path / "m"
    path.write_bytes(BODY)
    path.chmod(0o644)
    owner = str(os.geteuid())
    answer = run_module(
        model.main, path=str(path), sha256=SHA, owner=owner, job="1", slice=20, _ansible_check_mode=True
    )
    assert (answer["changed"], answer["how"], answer["checks"]) == (False, "present", [])
