"""The module around the checks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.modules.kfd_verify import arguments, main

Run = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12"])
def test_passes(run_module: Run, derived: Callable[[str], Path], kernel: str) -> None:
    answer = run_module(main, root=str(derived(kernel)))
    assert (answer["passed"], answer["changed"], answer["first_failure"]) == (True, False, None)
    assert "failed" not in answer
    assert len(answer["checks"]) == 18
    assert answer["host"]["kfd"]["nodes"][1]["gfx_target"] == "gfx1012"


def test_fails_with_the_first_cause(run_module: Run, host: Callable[..., Path]) -> None:
    answer = run_module(main, root=str(host("rx580")), scope=["kfd", "host", "webui"])
    assert (answer["failed"], answer["passed"]) == (True, False)
    failure = answer["first_failure"]
    assert failure["id"] == "board_supported"
    assert answer["msg"] == f"board_supported: {failure['evidence']}. Remedy: {failure['remedy']}."
    assert len(answer["checks"]) == 35


def test_waived(run_module: Run, host: Callable[..., Path]) -> None:
    answer = run_module(main, root=str(host("no-board")), waive={"board_present": "a VM"})
    assert answer["passed"]
    waived = [check for check in answer["checks"] if check["status"] == "waived"]
    assert [(check["id"], check["reason"]) for check in waived] == [("board_present", "a VM")]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"root": "relative"}, "absolute path"),
        ({"root": "/no/such/tree"}, "not a directory"),
        ({"waive": {"nonsense": "x"}}, "unknown check nonsense; there are release, "),
        ({"waive": {"vram": " "}}, "vram needs a reason"),
        ({"waive": "nonsense"}, "waive"),
        ({"scope": ["moon"]}, "moon"),
        ({"webuis": [{"name": "a", "port": 1, "uid": "me"}]}, "uid"),
        ({"min_disk_mib": "much"}, "min_disk_mib"),
    ],
)
def test_wrong_arguments(run_module: Run, wrong: dict[str, Any], text: str) -> None:
    answer = run_module(main, **wrong)
    assert answer["failed"]
    assert text in answer["msg"]
    assert "checks" not in answer


def test_the_look_brings_what_the_checks_need() -> None:
    webui = {"name": "webui", "port": 7860, "data_dir": "/data/", "uid": None, "devices": None}
    lists: dict[str, Any] = {
        name: [] for name in ("packages", "files", "disk", "images", "groups", "ports", "addresses", "gateways")
    }
    more = {"root": "/", "user": None, "registry_ca": "", "probe_images": True, "scope": ["kfd"], "waive": {}}
    params = {**lists, **more, "webuis": [webui], "min_disk_mib": 1, "min_memory_mib": 1}
    asked, wanted = arguments(params)
    assert asked["files"] == ["/data", "/data/webui_data", "/data/cache"]
    assert asked["disk"] == ["/data"]  # beside what the engine writes to, which is gathered of each host
    assert wanted["webuis"] == [webui]
    assert lists["files"] == [] and wanted["gateway"] is None
