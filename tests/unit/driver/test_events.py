"""The reducer, on the events of a real run (tests/fixtures/driver/site.jsonl): three hosts, of which one goes through,
one fails in a role and is rescued until the last play, one can't be reached."""

from __future__ import annotations

import json
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from navilab.events import Kind, Note, Run, Status, Step, fold, message_of

RECORDED = Path(__file__).resolve().parents[2] / "fixtures" / "driver" / "site.jsonl"


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
        assert [(host.ok, host.changed) for host in run.hosts.values()] == [(7, 2), (3, 1), (1, 0)]

    def test_the_summary_is_the_playbooks_own_text(self) -> None:
        run, _ = play(recorded())
        assert run.reports == ("host    result\ngood    ok\nbroken  failed",)

    def test_failures_are_those_that_were_not_ignored(self) -> None:
        run, _ = play(recorded())
        assert run.hosts["good"].failures == ()
        assert [(str(failure.step), failure.message) for failure in run.hosts["broken"].failures] == [
            ("firmware: Judge", "non-zero return code"),
            ("Result: Fail the hosts that did not get there", "driver_bound: non-zero return code\nremedy: reboot"),
        ]
        assert "Connection refused" in run.hosts["away"].failures[0].message

    def test_notes(self) -> None:
        _, notes = play(recorded())
        told = [(note.kind, note.host, note.step.room, note.text.partition("\n")[0]) for note in notes]
        assert told == [
            (Kind.STEP, "good", "firmware", ""),
            (Kind.STEP, "broken", "firmware", ""),
            (Kind.STEP, "away", "firmware", ""),
            (Kind.UNREACHABLE, "away", "firmware", told[3][3]),
            (Kind.DIFF, "good", "firmware", "--- before"),
            (Kind.CHANGED, "good", "firmware", ""),
            (Kind.DIFF, "broken", "firmware", "--- before"),
            (Kind.CHANGED, "broken", "firmware", ""),
            (Kind.FAILED, "broken", "firmware", "non-zero return code"),
            (Kind.STEP, "good", "webui", ""),
            (Kind.PROGRESS, "good", "webui", "loading the model (42 s)"),
            (Kind.WARNING, "", "", told[11][3]),
            (Kind.MESSAGE, "good", "webui", "http://127.0.0.1:7860"),
            (Kind.FAILED, "broken", "Result", "driver_bound: non-zero return code"),
        ]

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

    def test_a_failure_on_the_controller_in_a_report_is_seen(self) -> None:
        run, _ = play(
            [
                event("runner_on_start", "localhost", play="Summary"),
                event("runner_on_failed", "localhost", play="Summary", res={"msg": "no such filter"}),
                event("playbook_on_stats", failures={"localhost": 1}, processed={"localhost": 1}),
            ]
        )
        assert run.hosts["localhost"].status is Status.FAILED
        assert run.hosts["localhost"].failures[0].message == "no such filter"

    def test_a_report_makes_no_host(self) -> None:
        run, _ = play(
            [
                event("runner_on_start", "localhost", play="Summary"),
                event("runner_on_ok", "localhost", play="Summary", task_action="debug", res={"msg": "table"}),
                event("playbook_on_stats", ok={"localhost": 1}, processed={"localhost": 1}),
            ]
        )
        assert run.hosts == {}
        assert run.reports == ("table",)

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
        assert list(run.hosts["a"].checks) == checks

    def test_a_warning_is_told_once(self) -> None:
        lines = {"event": "runner_on_ok", "stdout": "[WARNING]: old\r\nok: [a]\r\n", "event_data": {"host": "a"}}
        run, notes = play([lines, lines])
        assert run.warnings == ("old",)
        assert [note.kind for note in notes] == [Kind.WARNING]

    def test_a_looped_message_has_each_line(self) -> None:
        results = [{"msg": "one"}, {"skipped": True, "msg": "not me"}, {"msg": ["two", "three"]}]
        res = {"msg": "All items completed", "results": results}
        _, notes = fold(Run(), event("runner_on_ok", task_action="ansible.builtin.debug", res=res))
        assert [note.text for note in notes] == ["one\ntwo\nthree"]

    def test_a_diff_is_without_the_tasks_banner(self) -> None:
        item = event("runner_on_file_diff") | {"stdout": "\r\nTASK [x : y] *****\r\n--- before\r\n+++ after\r\n"}
        _, notes = fold(Run(), item)
        assert [note.text for note in notes] == ["--- before\n+++ after"]

    def test_a_role_goes_by_its_short_name(self) -> None:
        run, _ = fold(Run(), event("runner_on_start", role="navilab.webui.firmware"))
        assert run.hosts["a"].step == Step("firmware", "Do it")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"msg": "words", "stdout": "noise", "changed": False}, "words"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": "why", "stdout": ""}, "non-zero return code\nwhy"),
        ({"msg": ["a", "b"]}, "a\nb"),
        ({"msg": "", "module_stderr": "Traceback"}, "Traceback"),
        (
            {"results": [{"item": 1}, {"item": 2, "failed": True, "msg": "no"}], "msg": "One or more items failed"},
            "2: no",
        ),
        ({}, "failed without a message"),
    ],
)
def test_message_of(result: dict[str, Any], message: str) -> None:
    assert message_of(result) == message


def test_kinds_are_all_handled_by_the_screen() -> None:
    from navilab.screen import line

    for kind in Kind:
        assert line(Note(kind, 0.0, "a", Step("room", "task"), "text"))
