"""What is learned from the self-tests' containers, and what of it is evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.filter.selftest_learned import selftest_learned
from ansible_collections.navilab.webui.plugins.filter.webui_plan import webui_plan

OK = {"usable": True, "precision": "half", "first_cause": None, "evidence": "15 of 15 steps right", "remedy": ""}


def decision(status: str, **changes: Any) -> dict[str, Any]:
    cause = {"id": "conv2d", "dtype": "fp32", "status": status}
    return {"usable": False, "precision": None, "first_cause": cause, "evidence": "seen", "remedy": "do it", **changes}


def learn(
    host: dict[str, Any], settings: dict[str, Any], made: dict[str, Any] | None, said: str = ""
) -> dict[str, Any]:
    """The learning after one test whose container printed a result between other lines."""
    result = {"schema": 1, "simulated": False, "torch": "2.11.0", "hip": "7.14", "seconds": 9.1, "decision": made}
    output = f"a library says hello\n{json.dumps(result)}\n" if made else said
    plan = webui_plan(host, settings)
    pulled = [{"item": reference, "image": {"Id": "sha256:1"}} for reference in plan["pull"]]
    tested = [{"item": test, "container": {"Output": output}} for test in plan["selftests"]]
    assert len(tested) == 1
    return selftest_learned(host, tested, pulled)


def test_a_result_is_kept_and_counts(host: dict[str, Any], settings: dict[str, Any]) -> None:
    learned = learn(host, settings, OK)
    assert learned["problems"] == []
    entry = learned["host"]["records"]["selftest"]["results"]["rocm7 0000:0a:00.0"]
    assert (entry["precision"], entry["torch"], entry["made_with"]["image"]) == ("half", "2.11.0", "sha256:1")
    plan = webui_plan(learned["host"], settings)
    assert (plan["selftests"], plan["pull"]) == ([], [])
    assert plan["instances"][0]["selftest"]["status"] == "ok"
    assert "half precision" in plan["instances"][0]["selftest"]["evidence"]


def test_each_pass_ends_in_another_profile(host: dict[str, Any], settings: dict[str, Any]) -> None:
    settings["profile_order"] = ["rocm7", "rocm52"]
    host = learn(host, settings, decision("failed"))["host"]
    host = learn(host, settings, decision("failed"))["host"]
    assert sorted(host["records"]["selftest"]["results"]) == ["rocm52 0000:0a:00.0", "rocm7 0000:0a:00.0"]
    assert [problem["id"] for problem in webui_plan(host, settings)["problems"]] == ["selftest"]


def test_a_hang_comes_with_the_kernels_words(host: dict[str, Any], settings: dict[str, Any]) -> None:
    host["kernel_log"]["resets"] = ["amdgpu: ring gfx timeout"]
    kept = learn(host, settings, decision("hang"))["host"]["records"]["selftest"]["results"]
    assert kept["rocm7 0000:0a:00.0"]["evidence"] == "seen; the kernel says: amdgpu: ring gfx timeout"


@pytest.mark.parametrize(
    "result",
    [
        {"msg": "Timed out after 1200 second(s).", "timedout": {"period": 1200}},
        {"msg": "The docker_container action failed to execute in the expected time frame (1200) and was terminated"},
    ],
)
def test_a_container_that_the_kernel_does_not_end(
    host: dict[str, Any], settings: dict[str, Any], result: dict[str, Any]
) -> None:
    (test,) = webui_plan(host, settings)["selftests"]
    (problem,) = selftest_learned(host, [{"item": test, "failed": True, **result}])["problems"]
    assert ("hangs in the kernel" in problem["evidence"], "reboot" in problem["remedy"]) == (True, True)


@pytest.mark.parametrize(
    ("made", "said", "evidence", "remedy"),
    [
        (decision("oom"), "", "seen", "do it"),
        (None, "python3: can't open file\n", "could not be run: python3: can't open file", "webui_selftest_waive"),
        (None, "", "it said nothing", "/opt/navilab/selftest.py"),
        (None, '{"schema": 2, "decision": {}}', "could not be run", "playbooks/image.yml"),
    ],
)
def test_what_is_no_evidence_stops_the_host_and_is_not_kept(
    host: dict[str, Any], settings: dict[str, Any], made: dict[str, Any] | None, said: str, evidence: str, remedy: str
) -> None:
    learned = learn(host, settings, made, said)
    (problem,) = learned["problems"]
    assert (problem["id"], evidence in problem["evidence"], remedy in problem["remedy"]) == ("selftest", True, True)
    assert learned["host"]["records"]["selftest"] == {"results": {}}
