"""What is learned from the self-tests' containers, and what of it is evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils import _selftests
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import webui

GONE = 'Error creating container: 500 Server Error ("layer does not exist")'
OK = {"usable": True, "precision": "half", "first_cause": None, "evidence": "15 of 15 steps right", "remedy": ""}


def decision(status: str, **changes: Any) -> dict[str, Any]:
    cause = {"id": "conv2d", "dtype": "fp32", "status": status}
    return {"usable": False, "precision": None, "first_cause": cause, "evidence": "seen", "remedy": "do it", **changes}


def learn(facts: Any, settings: dict[str, Any], made: dict[str, Any] | None, said: str = "") -> tuple[Any, list[Any]]:
    """What is learned after one test whose container printed a result between other lines."""
    result = {"schema": 1, "simulated": False, "torch": "2.11.0", "hip": "7.14", "seconds": 9.1, "decision": made}
    output = f"a library says hello\n{json.dumps(result)}\n" if made else said
    found = webui.plan(facts, settings)
    pulled = [{"item": reference, "image": {"Id": "sha256:1"}} for reference in found["pull"]]
    tested = [{"item": test, "container": {"Output": output}} for test in found["selftests"]]
    assert len(tested) == 1
    return _selftests.learn(facts, tested, pulled)


def test_a_result_is_kept_and_counts(facts: Any, settings: dict[str, Any]) -> None:
    learned, problems = learn(facts, settings, OK)
    assert problems == []
    entry = learned["records"]["selftest"]["results"]["rocm7 0000:0a:00.0"]
    assert (entry["precision"], entry["torch"], entry["made_with"]["image"]) == ("half", "2.11.0", "sha256:1")
    found = webui.plan(learned, settings)
    assert (found["selftests"], found["pull"]) == ([], [])
    assert found["instances"][0]["selftest"]["status"] == "ok"
    assert "half precision" in found["instances"][0]["selftest"]["evidence"]


def test_each_pass_ends_in_another_profile(facts: Any, settings: dict[str, Any]) -> None:
    settings["profile_order"] = ["rocm7", "rocm52"]
    facts, _problems = learn(facts, settings, decision("failed"))
    facts, _problems = learn(facts, settings, decision("failed"))
    assert sorted(facts["records"]["selftest"]["results"]) == ["rocm52 0000:0a:00.0", "rocm7 0000:0a:00.0"]
    assert [problem["id"] for problem in webui.plan(facts, settings)["problems"]] == ["selftest"]


def test_a_hang_comes_with_the_kernels_words(facts: Any, settings: dict[str, Any]) -> None:
    facts["kernel_log"]["resets"] = ["amdgpu: ring gfx timeout"]
    learned, _problems = learn(facts, settings, decision("hang"))
    kept = learned["records"]["selftest"]["results"]
    assert kept["rocm7 0000:0a:00.0"]["evidence"] == "seen; the kernel says: amdgpu: ring gfx timeout"


@pytest.mark.parametrize(
    "result",
    [
        {"msg": "Timed out after 1200 second(s).", "timedout": {"period": 1200}},
        {"msg": "The docker_container action failed to execute in the expected time frame (1200) and was terminated"},
    ],
)
def test_a_container_that_the_kernel_does_not_end(facts: Any, settings: dict[str, Any], result: dict[str, Any]) -> None:
    (test,) = webui.plan(facts, settings)["selftests"]
    _facts, (problem,) = _selftests.learn(facts, [{"item": test, "failed": True, **result}])
    assert ("hangs in the kernel" in problem["evidence"], "reboot" in problem["remedy"]) == (True, True)


@pytest.mark.parametrize(
    ("made", "said", "evidence", "remedy"),
    [
        (decision("oom"), "", "seen", "do it"),
        (None, "python3: can't open file\n", "could not be run: python3: can't open file", "navilab_waive"),
        (None, "", "it said nothing", "/opt/navilab/selftest.py"),
        (None, '{"schema": 2, "decision": {}}', "could not be run", "./navilab image build"),
    ],
)
def test_what_is_no_evidence_stops_the_host_and_is_not_kept(
    facts: Any, settings: dict[str, Any], made: dict[str, Any] | None, said: str, evidence: str, remedy: str
) -> None:
    learned, (problem,) = learn(facts, settings, made, said)
    assert (problem["id"], evidence in problem["evidence"], remedy in problem["remedy"]) == ("selftest", True, True)
    assert learned["records"]["selftest"] == {"results": {}}


def test_an_image_that_stays_damaged_is_named_with_its_remedy(facts: Any, settings: dict[str, Any]) -> None:
    (test,) = webui.plan(facts, settings)["selftests"]
    learned, (problem,) = _selftests.learn(facts, [{"item": test, "msg": GONE}])
    assert problem["id"] == "image_whole"
    assert f"docker image rm {test['image']}" in problem["remedy"]
    assert learned["records"]["selftest"] == {"results": {}}


def test_forgetting_tests_all_again_and_changes_nothing_itself(facts: Any, settings: dict[str, Any]) -> None:
    learned, _problems = learn(facts, settings, OK)
    forgotten = _selftests.forget(learned)
    assert "selftest" in learned["records"] and "selftest" not in forgotten["records"]
    assert len(webui.plan(forgotten, settings)["selftests"]) == 1


def test_of_facts_gathered_anew_the_record_is_not_what_tests_go_on_with(facts: Any, settings: dict[str, Any]) -> None:
    learned, _problems = learn(facts, settings, OK)
    assert "selftest" not in _selftests.carry(learned, _selftests.forget(learned))["records"]
    assert _selftests.carry(facts, learned)["records"]["selftest"] == learned["records"]["selftest"]


@pytest.mark.parametrize(
    "made",
    [
        {"usable": "yes", "evidence": "x", "remedy": ""},
        {"usable": True},
        {**OK, "evidence": None},
        {**OK, "first_cause": "oom"},
        {**OK, "precision": 16},
    ],
)
def test_what_an_image_says_is_data(facts: Any, settings: dict[str, Any], made: dict[str, Any]) -> None:
    learned, (problem,) = learn(facts, settings, made)
    assert "could not be run" in problem["evidence"] and learned["records"]["selftest"] == {"results": {}}


def test_an_image_can_not_say_what_it_was_tested_with(facts: Any, settings: dict[str, Any]) -> None:
    evil = {**OK, "made_with": "all", "image": "other", "profile": "rocm52", "board": "x", "torch": "0"}
    learned, _problems = learn(facts, settings, evil)
    entry = learned["records"]["selftest"]["results"]["rocm7 0000:0a:00.0"]
    assert (entry["profile"], entry["torch"]) == ("rocm7", "2.11.0") and entry["made_with"]["image"] == "sha256:1"


@pytest.mark.parametrize(
    "record",
    [[], "x", {"results": []}, {"results": {"rocm7 0000:0a:00.0": 3}}, {"results": {"rocm7 0000:0a:00.0": {}}},
     {"results": {"rocm7 0000:0a:00.0": {"made_with": {}, "usable": True}}}],
)  # fmt: skip
def test_a_record_that_is_none_is_no_evidence(facts: Any, settings: dict[str, Any], record: Any) -> None:
    facts["records"]["selftest"] = record
    assert len(webui.plan(facts, settings)["selftests"]) == 1
    learned, problems = learn(facts, settings, OK)
    assert not problems and webui.plan(learned, settings)["selftests"] == []
