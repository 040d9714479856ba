"""The reducer, on the events of a real run (tests/fixtures/driver/site.jsonl): three hosts, of which one goes through,
one fails in a rescue that says what is wrong, one can't be reached."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._report import Step

from navilab.events import Kind, Note, Run, Status, fold, text_of

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "driver" / "site.jsonl"
CAUSE = "driver_bound: modprobe: not loaded. Remedy: reboot."


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def play(sequence: list[dict[str, Any]]) -> tuple[Run, list[Note]]:
    notes: list[Note] = []
    run = Run()
    for event in sequence:
        run, more = fold(run, event)
        notes += more
    return run, notes


def event(name: str, host: str = "a", **data: Any) -> dict[str, Any]:
    return {
        "event": name,
        "created": "2026-01-02T03:04:05+00:00",
        "event_data": {"host": host, "play": "Site", "task": "Do it", **data},
    }


class TestRecordedRun:
    def test_hosts_end_as_ansibles_recap_says(self) -> None:
        run, _ = play(recorded())
        assert {name: host.status for name, host in run.hosts.items()} == {
            "good": Status.CHANGED,
            "broken": Status.FAILED,
            "away": Status.UNREACHABLE,
        }
        assert run.finished
        assert run.pid == 4711
        assert [(host.ok, host.changed) for host in run.hosts.values()] == [(9, 2), (4, 1), (0, 0)]

    def test_the_reports_are_made_of_data(self) -> None:
        run, _ = play(recorded())
        assert [report.result for report in run.reports] == [
            "verified, 1 waived",
            "failed: driver_bound",
            "unreachable: connect to host 192.0.2.1 port 22: Connection refused",
        ]

    def test_failures_are_those_that_were_neither_ignored_nor_rescued(self) -> None:
        run, _ = play(recorded())
        assert run.hosts["good"].failures == ()
        (failure,) = run.hosts["broken"].failures
        assert (str(failure.step), failure.lines) == ("firmware: Stop, since the driver did not load", (CAUSE,))
        assert "Connection refused" in run.hosts["away"].failures[0].message

    def test_notes(self) -> None:
        _, notes = play(recorded())
        said = [(note.kind, note.host, note.step.role, note.text.partition("\n")[0]) for note in notes]
        assert sorted(said[:1]) == [(Kind.UNREACHABLE, "away", "Plan", said[0][3])]
        assert said[0][3] == "ssh"
        action = "install firmware-amd-graphics"
        of_good = [(kind, role, text) for kind, host, role, text in said if host == "good"]
        assert of_good == [
            (Kind.STEP, "firmware", ""),
            (Kind.MESSAGE, "firmware", action),
            (Kind.DIFF, "firmware", "--- before"),
            (Kind.CHANGED, "firmware", ""),
            (Kind.STEP, "webui", ""),
            (Kind.PROGRESS, "webui", "loading the model (42 s)"),
            (Kind.MESSAGE, "webui", "http://127.0.0.1:7860"),
        ]
        of_broken = [(kind, role, text) for kind, host, role, text in said if host == "broken"]
        assert of_broken == [
            (Kind.STEP, "firmware", ""),
            (Kind.MESSAGE, "firmware", action),
            (Kind.DIFF, "firmware", "--- before"),
            (Kind.CHANGED, "firmware", ""),
            (Kind.FAILED, "firmware", ""),
            (Kind.FAILED, "firmware", CAUSE.partition(":")[0]),
        ]
        assert [text[:20] for kind, _, _, text in said if kind is Kind.WARNING] == ["a warning that is lo"]

    def test_progress_is_shown_until_the_task_ends(self) -> None:
        sequence = recorded()
        at = next(index for index, item in enumerate(sequence) if "loading the model" in item["stdout"])
        run, _ = play(sequence[: at + 1])
        assert run.hosts["good"].progress == "loading the model (42 s)"
        assert run.hosts["good"].busy
        run, _ = play(sequence[: at + 2])
        assert run.hosts["good"].progress == ""
        assert not run.hosts["good"].busy

    def test_a_run_that_was_cut_off_is_not_finished(self) -> None:
        run, _ = play(recorded()[:-1])
        assert run.began
        assert not run.finished
        assert run.hosts["good"].status is Status.RUNNING

    def test_an_old_state_stays_as_it_was(self) -> None:
        before, _ = play(recorded()[:10])
        copy = repr(before)
        reduce(lambda run, item: fold(run, item)[0], recorded()[10:], before)
        assert repr(before) == copy


class TestFold:
    @pytest.mark.parametrize(
        "odd",
        [
            {},
            {"event": "never_heard_of"},
            {"event": "runner_on_ok"},
            {"event": "runner_on_failed", "event_data": None, "created": "yesterday"},
            {"event": "playbook_on_stats", "event_data": {}},
            {"event": "verbose", "stdout": "nobody: says something"},
            {"event": "runner_on_ok", "event_data": {"host": "a", "res": {"checks": "many", "msg": 3}}},
        ],
    )
    def test_takes_any_event(self, odd: dict[str, Any]) -> None:
        fold(Run(), odd)

    def test_a_host_that_only_the_recap_names_is_failed(self) -> None:
        run, _ = play([event("playbook_on_stats", failures={"b": 1}, processed={"b": 1})])
        assert run.hosts["b"].status is Status.FAILED
        assert run.reports[0].result.startswith("failed: ")

    def test_an_unreachable_host_that_the_play_ignores_is_good(self) -> None:
        run, _ = play(
            [
                event("runner_on_start"),
                event("runner_on_unreachable", res={"msg": "no route", "unreachable": True}),
                event("playbook_on_stats", ok={"a": 1}, ignored={"a": 1}, processed={"a": 1}),
            ]
        )
        assert run.hosts["a"].status is Status.OK
        assert run.hosts["a"].failures == ()

    def test_the_controller_at_work_is_none_of_the_labs_hosts(self) -> None:
        run, _ = play([event("runner_on_start", "localhost"), event("runner_on_ok", "localhost", res={"msg": "built"})])
        assert run.reports == ()

    def test_a_rescued_failure_is_no_failure(self) -> None:
        run, _ = play(
            [
                event("runner_on_start"),
                event("runner_on_failed", res={"msg": "no"}),
                event("playbook_on_stats", ok={"a": 1}, rescued={"a": 1}),
            ]
        )
        assert run.hosts["a"].status is Status.OK

    @pytest.mark.parametrize("name", ["runner_on_ok", "runner_on_failed"])
    def test_checks_are_kept_whether_they_passed_or_not(self, name: str) -> None:
        checks = [{"id": "release", "status": "ok"}, {"id": "kfd_node", "status": "failed"}]
        run, _ = fold(Run(), event(name, res={"checks": checks, "msg": ""}))
        assert [(item["id"], item["status"]) for item in run.hosts["a"].report.checks] == [
            ("release", "ok"),
            ("kfd_node", "failed"),
        ]

    def test_a_warning_is_shown_once(self) -> None:
        lines = {"event": "runner_on_ok", "stdout": "[WARNING]: old\r\nok: [a]\r\n", "event_data": {"host": "a"}}
        run, notes = play([lines, lines])
        assert run.warnings == ("old",)
        assert [note.kind for note in notes] == [Kind.WARNING]

    def test_a_looped_message_has_each_line(self) -> None:
        results = [{"msg": "one"}, {"skipped": True, "msg": "not me"}, {"msg": ["two", "three"]}]
        res = {"msg": "All items completed", "results": results}
        _, notes = fold(Run(), event("runner_on_ok", task_action="ansible.builtin.debug", res=res))
        assert [note.text for note in notes] == ["one\ntwo\nthree"]

    def test_what_a_plan_says_comes_from_its_data_alone(self) -> None:
        plan = {"resolved_action": "navilab.webui.plan", "role": "navilab.webui.firmware"}
        result = {"plan": {"actions": ["install x"], "warnings": ["old"]}, "applies": True}
        _, notes = play(
            [
                event("runner_on_start", **plan),
                event("verbose", **plan) | {"stdout": "a: firmware: install x"},
                event("runner_on_ok", **plan, res=result),
            ]
        )
        assert [(note.kind, note.text) for note in notes[1:]] == [(Kind.MESSAGE, "install x"), (Kind.MESSAGE, "old")]

    def test_a_diff_is_without_the_tasks_banner(self) -> None:
        item = event("runner_on_file_diff") | {"stdout": "\r\nTASK [x : y] *****\r\n--- before\r\n+++ after\r\n"}
        _, notes = fold(Run(), item)
        assert [note.text for note in notes] == ["--- before\n+++ after"]

    def test_a_role_goes_by_its_short_name(self) -> None:
        run, _ = fold(Run(), event("runner_on_start", role="navilab.webui.firmware"))
        assert run.hosts["a"].step == Step("firmware", "Do it")

    def test_what_a_host_says_is_clean(self) -> None:
        evil = "x\x1b[2J\rgood: failed"
        spoken: dict[str, dict[str, Any]] = {
            "runner_on_ok": {"task_action": "debug", "res": {"msg": evil, "plan": {"actions": [evil, f"a\n{evil}"]}}},
            "runner_on_failed": {"res": {"msg": evil}},
            "runner_on_unreachable": {"res": {"msg": evil}},
            "runner_on_file_diff": {},
        }
        for name, data in spoken.items():
            _, notes = fold(Run(), event(name, **data) | {"stdout": evil})
            assert notes
            assert all(line.isprintable() for note in notes for line in note.text.split("\n"))

    def test_the_printed_text_keeps_its_lines_and_indents(self) -> None:
        assert text_of({"stdout": "a:\r\n    b\x1b[31m\r\n"}) == "a:\n    b\\x1b[31m\n"


def test_kinds_are_all_handled_by_the_screen() -> None:
    from navilab.screen import line

    for kind in Kind:
        assert line(Note(kind, 0.0, "a", Step("role", "task"), "text"))
