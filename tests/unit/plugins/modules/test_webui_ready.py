"""Waiting for a webui: the module's slice and the action plugin's patience, against real servers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils import _ready
from ansible_collections.navilab.webui.plugins.module_utils._ready import phase_of, wait
from ansible_collections.navilab.webui.plugins.modules import webui_ready

LOG = b"""\
Launching Web UI with arguments: --api
Loading weights [abc] from /dockerx/webui_data/models/Stable-diffusion/tiny.safetensors
Creating model from config: tiny.yaml
Running on local URL:  http://0.0.0.0:7860
Startup time: 6.8s (import torch: 2.4s)
"""
READY = {"/internal/ping": (200, {}), "/sdapi/v1/sd-models": (200, [{"title": "tiny"}])}


def frame(text: bytes) -> bytes:
    return b"\x02\0\0\0" + len(text).to_bytes(4, "big") + text


@pytest.fixture
def webui(serve: Callable[..., Any], engine: Callable[..., Any], inspected: Callable[..., Any]) -> Any:
    """A webui and its engine, whose routes a test changes."""
    routes = {"/containers/webui/json": (200, inspected()), "/containers/webui/logs": (200, frame(LOG))}
    page, docker = serve({}), engine(routes)
    return SimpleNamespace(
        port=page.server_address[1],
        socket=docker.server_address,
        page=page.routes,
        docker=docker.routes,
        asked=docker.asked,
    )


def gather(webui: Any, seconds: float = 0, allow_no_models: bool = False) -> dict[str, Any]:
    return wait("webui", webui.port, seconds, allow_no_models, webui.socket)


def test_phases() -> None:
    lines = LOG.decode().splitlines()
    assert [phase_of(lines[:count]) for count in range(6)] == [
        "",
        "starting",
        "loading the model",
        "building the model",
        "opening the page",
        "started",
    ]
    assert phase_of([*lines, "Model loaded in 3.1s (load weights: 1s)", "chatter"]) == "model loaded"


def test_ready(webui: Any) -> None:
    webui.page.update(READY)
    seen = gather(webui, seconds=30)
    assert (seen["ready"], seen["dead"], seen["models"], seen["state"]) == (True, "", 1, "running")


def test_on_its_way(webui: Any) -> None:
    webui.docker["/containers/webui/logs"] = (200, frame(LOG[:43]))
    seen = gather(webui)
    assert (seen["ready"], seen["dead"], seen["phase"]) == (False, "", "starting")
    # Only this start's log, and what came just before: 2026-01-02T03:04:05.678901234Z
    assert "since=1767323043.678901" in webui.asked[-1][1]


def test_becomes_ready_while_polled(webui: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ready, "_INTERVAL", 0.05)

    def models(_handler: Any) -> Any:
        models.count += 1  # type: ignore[attr-defined]
        return 200, [{"title": "tiny"}] if models.count > 2 else []  # type: ignore[attr-defined]

    models.count = 0  # type: ignore[attr-defined]
    webui.page["/sdapi/v1/sd-models"] = models
    assert gather(webui, seconds=10)["ready"]


def test_no_models(webui: Any) -> None:
    webui.page["/sdapi/v1/sd-models"] = (200, [])
    assert not gather(webui)["ready"]
    assert gather(webui, allow_no_models=True)["ready"]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"Status": "exited", "ExitCode": 3}, "exited (exit code 3)"),
        ({"Status": "exited", "OOMKilled": True}, "killed for want of memory"),
        ({"Status": "restarting", "ExitCode": 1}, "restarting (exit code 1)"),
    ],
)
def test_dead(webui: Any, inspected: Callable[..., Any], state: dict[str, Any], why: str) -> None:
    webui.docker["/containers/webui/json"] = (200, inspected(**state))
    seen = gather(webui, seconds=30)
    assert why in seen["dead"]
    assert seen["log"] == LOG.decode().splitlines()


@pytest.fixture
def dying(webui: Any, inspected: Callable[..., Any]) -> Callable[..., None]:
    """It has died so often; what the engine keeps of the last death: its time, its log until then, its exit code."""

    def count(restarts: int, **state: Any) -> None:
        died = {"FinishedAt": "2026-01-02T03:04:02.5Z", **state}
        webui.docker["/containers/webui/json"] = (200, {**inspected(**died), "RestartCount": restarts})
        webui.docker["/events"] = (200, b'{"Action": "die", "Actor": {"Attributes": {"exitCode": "139"}}}\n')

    return count


def test_one_death_is_waited_out(webui: Any, dying: Callable[..., None]) -> None:
    dying(8)
    once = wait("webui", webui.port, 0, False, webui.socket, restarts=7)
    assert (once["dead"], once["deaths"]) == ("", 1)
    dying(8, Status="restarting", ExitCode=139)
    assert wait("webui", webui.port, 0, False, webui.socket, restarts=7)["dead"] == ""
    assert "restarting" in wait("webui", webui.port, 0, False, webui.socket)["dead"]  # it was at that before
    dying(1, Status="restarting", ExitCode=139)
    first = wait("webui", webui.port, 0, False, webui.socket)
    assert (first["dead"], first["deaths"]) == ("", 1)


def test_the_second_death_is_told_with_its_cause(webui: Any, dying: Callable[..., None]) -> None:
    dying(9)
    seen = wait("webui", webui.port, 30, False, webui.socket, restarts=7)
    assert seen["dead"] == "container webui died 2 times (exit code 139)"
    assert seen["log"] == LOG.decode().splitlines()
    (asked,) = [path for _method, path in webui.asked if "/logs?" in path and "until" in path]
    assert "since=0.0" in asked and "until=1767323042.5" in asked  # the end of the life that ended
    webui.docker["/events"] = (200, b'{"Action": "oom"}\n{"Action": "die"}\n')
    assert "(killed for want of memory)" in wait("webui", webui.port, 30, False, webui.socket, restarts=7)["dead"]
    del webui.docker["/events"]
    assert "(cause not known)" in wait("webui", webui.port, 30, False, webui.socket, restarts=7)["dead"]


def test_deaths_while_polled(webui: Any, inspected: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ready, "_INTERVAL", 0.05)
    counts = iter(range(7, 100))
    webui.docker["/containers/webui/json"] = lambda _handler: (200, {**inspected(), "RestartCount": next(counts)})
    assert "died 2 times" in gather(webui, seconds=30)["dead"]


def test_no_container_and_no_engine(webui: Any) -> None:
    del webui.docker["/containers/webui/json"]
    assert gather(webui, seconds=30)["dead"] == "there is no container webui"
    webui.page.update(READY)
    assert wait("webui", webui.port, 0, False, "/no/such/socket")["ready"]


def test_module_in_check_mode_and_wrong_port(run_module: Callable[..., dict[str, Any]]) -> None:
    answer = run_module(webui_ready.main, name="webui", port=7860, _ansible_check_mode=True)
    assert (answer["ready"], answer["seconds"], answer["changed"]) == (False, 0, False)
    assert "70000" in run_module(webui_ready.main, name="webui", port=70000)["msg"]
    assert "port" in run_module(webui_ready.main, name="webui")["msg"]


def test_module(run_module: Callable[..., dict[str, Any]], serve: Callable[..., Any]) -> None:
    answer = run_module(webui_ready.main, name="no-such-webui", port=serve(READY).server_address[1], slice=0)
    assert answer["models"] == 1  # whether it is ready is up to this machine's engine, which may know no such container


def test_documentation_is_the_argument_spec() -> None:
    documented = yaml.safe_load(webui_ready.DOCUMENTATION)["options"]
    assert sorted(documented) == sorted(_ready.ARGUMENTS)
    for name, option in _ready.ARGUMENTS.items():
        assert documented[name].get("default") == option.get("default")


# -- the action plugin --------------------------------------------------------------------------------------------


@pytest.fixture
def act(
    controller: None, webui: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[dict[str, Any], list[str]]]:
    """Run the action plugin, with `wait` in place of the trip to a host; its result and what it printed."""
    from ansible_collections.navilab.webui.plugins.action import webui_ready as action

    printed: list[str] = []
    monkeypatch.setattr(action.display, "display", printed.append)

    def run(before: Callable[[int], None] = lambda _trip: None, check_mode: bool = False, **more: Any) -> Any:
        arguments = {"name": "webui", "port": webui.port, "slice": 0, **more}
        task = SimpleNamespace(args=arguments, check_mode=check_mode, async_val=0, action="navilab.webui.webui_ready")
        plugin = action.ActionModule(task, SimpleNamespace(_shell=SimpleNamespace(tmpdir="x")), None, None, None, None)
        trips = iter(range(1000))

        def trip(module_args: dict[str, Any], **_rest: Any) -> dict[str, Any]:
            before(next(trips))
            return wait(
                "webui",
                webui.port,
                module_args["slice"],
                module_args["allow_no_models"],
                webui.socket,
                module_args["restarts"],
            )

        plugin._execute_module = trip
        return plugin.run(task_vars={"inventory_hostname": "lab-1"}), printed

    return run


def test_action_ready_at_once(webui: Any, act: Callable[..., Any]) -> None:
    webui.page.update(READY)
    result, printed = act()
    assert (result["ready"], result["models"], result["changed"], printed) == (True, 1, False, [])


def test_action_prints_each_change_once(webui: Any, act: Callable[..., Any]) -> None:
    lengths = [0, 43, 43, 100]

    def before(trip: int) -> None:
        webui.docker["/containers/webui/logs"] = (200, frame(LOG[: lengths[trip]]) if trip < 4 else frame(LOG))
        webui.page.update(READY if trip == 4 else {})

    result, printed = act(before)
    assert result["ready"]
    assert printed == [
        "lab-1: webui: running (0 s)",
        "lab-1: webui: starting (0 s)",
        "lab-1: webui: loading the model (0 s)",
    ]


def test_action_fails_at_once_when_dead(webui: Any, act: Callable[..., Any], inspected: Callable[..., Any]) -> None:
    webui.docker["/containers/webui/json"] = (200, inspected(Status="exited", ExitCode=1))
    result, _printed = act()
    assert result["failed"]
    assert result["msg"].startswith("webui_healthy: container webui is exited (exit code 1). Remedy: ")
    assert [(check["id"], check["status"]) for check in result["checks"]] == [("webui_healthy", "failed")]
    assert "Startup time" in result["msg"]


def test_action_sees_deaths_between_trips(webui: Any, act: Callable[..., Any], dying: Callable[..., None]) -> None:
    result, printed = act(lambda trip: dying(5 + trip))
    assert "container webui died 2 times (exit code 139)" in result["msg"] and "Startup time" in result["msg"]
    assert printed == ["lab-1: webui: started (0 s)", "lab-1: webui: died, and was started again by the engine (0 s)"]


def test_action_waits_for_one_that_died_once(webui: Any, act: Callable[..., Any], dying: Callable[..., None]) -> None:
    def before(trip: int) -> None:
        dying(min(trip, 1))
        webui.page.update(READY if trip == 3 else {})

    assert act(before)[0]["ready"]


def test_action_gives_up(webui: Any, act: Callable[..., Any]) -> None:
    result, _printed = act(timeout=0)
    assert result["failed"]
    assert "not ready after 0 s (started)" in result["msg"]


def test_action_in_check_mode(act: Callable[..., Any]) -> None:
    result, _printed = act(check_mode=True)
    assert (result["ready"], result["seconds"], result.get("failed")) == (False, 0, None)


def test_action_passes_a_failure_on(act: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(act.__globals__, "wait", lambda *_arguments: {"failed": True, "msg": "unreachable"})  # type: ignore[attr-defined]
    assert act()[0]["msg"] == "unreachable"
