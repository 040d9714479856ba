"""What becomes of results: the causes, the tables, and that no host can write a line of ours."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils import _report
from ansible_collections.navilab.webui.plugins.plugin_utils._report import HostReport, Step, message_of
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean

STEP = Step("docker_engine", "Ensure Docker is installed")
INSTANCE = {"board_name": "Radeon RX 5500 XT", "vram_mib": 8176, "profile": "rocm7", "url": "http://127.0.0.1:7860"}
USER = "user_exists: no user bob. Remedy: create it."


def check(name: str, status: str = "ok", evidence: str = "seen", remedy: str = "do it") -> dict[str, str]:
    return {"id": name, "status": status, "evidence": evidence, "remedy": remedy, "note": "", "reason": ""}


def planned(*checks: dict[str, str], reboot: tuple[str, ...] = (), **facts: Any) -> dict[str, Any]:
    """A result of the action `plan`."""
    plans = {"webui": {"instances": [INSTANCE]}, "reboot": {"actions": list(reboot)}}
    navilab = {"boards": [], **facts, "plans": plans, "checks": list(checks)}
    return {"ansible_facts": {"navilab": navilab}, "checks": list(checks)}


def host(*results: tuple[str, dict[str, Any]], failures: int = 0, dark: int = 0, name: str = "h") -> HostReport:
    """A host after these results and this recap."""
    report = _report.start(HostReport(name), STEP, _report.PLAN)
    for kind, result in results:
        report = _report.fold(report, STEP, kind, result)  # type: ignore[arg-type]
    return _report.conclude(report, failures, dark)


def failing(result: dict[str, Any], *before: tuple[str, dict[str, Any]], name: str = "h") -> HostReport:
    return host(*before, ("failed", result), failures=1, name=name)


APT = {
    "msg": "'/usr/bin/apt-get -y install docker.io' failed: E: dpkg was interrupted: run 'dpkg --configure -a'",
    "stderr": "E: dpkg was interrupted: run 'dpkg --configure -a'\n",
    "rc": 100,
}
DIED = {  # ansible-core 2.18's and 2.19's words
    "msg": "MODULE FAILURE: No start of json char found\nSee stdout/stderr for the exact error",
    "module_stderr": "Traceback (most recent call last):\n"
    + "  a frame\n" * 30
    + "OSError: [Errno 28] No space left: /var",
    "module_stdout": "",
    "rc": 1,
}
AWAY = {"unreachable": True, "msg": "Task failed: Failed to connect to the host via ssh: port 22: Connection refused"}


def removing(**state: Any) -> dict[str, Any]:
    return {"ansible_facts": {"navilab": {"removing": True, **state}}}


class TestResult:
    @pytest.mark.parametrize(
        ("report", "result"),
        [
            (host(("ok", planned(check("release"), check("kfd_open", "skipped")))), "verified"),
            (host(("ok", planned(check("release"), check("kfd_open", "waived")))), "verified, 1 waived"),
            (
                host(("ok", planned(check("release"), reboot=("reboot required: a kernel",)))),
                "verified, reboot required: a kernel",
            ),
            (host(("ok", planned())), "planned, not verified"),
            (
                host(("ok", {"ansible_facts": {"navilab": {"applied": ["x"]}}})),
                "applied, not verified",
            ),
            (host(("ok", removing(applied=["firmware"]))), "removed"),
            (host(("ok", removing(plans={"firmware": {"actions": ["remove it"]}}))), "planned, not removed"),
            (host(("ok", removing(plans={"firmware": {"actions": []}}))), "nothing to remove"),
            (host(("ok", planned(check("a"))), ("ok", planned())), "verified"),
            (host(("ok", planned(check("a"), check("b", "failed")))), "not verified: b"),
            (failing({"msg": "x", "checks": [check("user_exists", "failed")]}), "failed: user_exists"),
            (
                failing({"msg": "x", "checks": [check("ok_one"), *(check(name, "failed") for name in "abcaef")]}),
                "failed: a, b, c and 2 more",
            ),
            (
                failing(APT),
                "failed: Ensure Docker is installed: E: dpkg was interrupted: run 'dpkg --configure -a'",
            ),
            (failing(DIED), "failed: Ensure Docker is installed: OSError: [Errno 28] No space left: /var"),
            (
                failing({"msg": "Task failed: Module failed: Destination is a directory"}),
                "failed: Ensure Docker is installed: Destination is a directory",
            ),
            (
                failing({"msg": "non-zero return code", "rc": 1, "stderr": "one\nno such device"}),
                "failed: Ensure Docker is installed: no such device",
            ),
            (
                host(("unreachable", AWAY), dark=1),
                "unreachable: port 22: Connection refused",
            ),
            (host(), "lost: nothing came from it after: Ensure Docker is installed"),
            (HostReport("h"), "lost: nothing came from it"),
        ],
    )
    def test_in_words(self, report: HostReport, result: str) -> None:
        assert report.result == result

    def test_a_verification_of_one_check_that_stops_nobody(self) -> None:
        assert host(("ok", {"checks": [check("kfd_open", "failed")]})).result == "not verified: kfd_open"

    def test_a_rescued_failure_does_not_count(self) -> None:
        problem = {"msg": "x", "checks": [check("webui_healthy", "failed")]}
        report = host(("ok", planned()), ("failed", problem), ("ok", planned(check("webui_healthy"))))
        assert report.result == "verified"
        assert _report.causes([report]) == []

    def test_of_a_rescue_that_fails_the_last_failure_counts(self) -> None:
        report = host(("failed", APT), ("failed", {"checks": [check("engine_kept", "failed")]}), failures=1)
        assert report.result == "failed: engine_kept"
        assert [line[:14] for line in _report.causes([report])] == ["h: failed", "  engine_kept:"]

    def test_a_rescue_that_dies_does_not_hide_what_it_was_for(self) -> None:
        report = host(("failed", {"msg": "first"}), ("failed", {"msg": "second"}), failures=1)
        assert _report.causes([report]) == [
            "h: failed",
            f"  before it, rescued: {STEP}: first",
            f"  {STEP}: second",
        ]

    def test_an_ignored_failure_does_not_count(self) -> None:
        assert host(("ignored", {"msg": "no"}), ("ok", planned(check("a")))).result == "verified"

    def test_a_host_that_ansible_counts_as_failed_is_never_good(self) -> None:
        assert host(("ok", planned(check("a"))), failures=1).result.startswith("failed: Ensure Docker is installed")

    def test_a_host_lost_after_its_verification_is_not_verified(self) -> None:
        report = host(("ok", planned(check("a"))), ("unreachable", AWAY), dark=1)
        assert report.unreachable
        assert "http://" not in _report.table([report])
        assert report.result.startswith("unreachable: ")

    def test_a_failed_verification_is_kept_whole_beside_its_cause(self) -> None:
        bad = check("kfd_node", "failed")
        report = failing({**planned(), "msg": "x", "checks": [bad, check("release")]})
        assert [item["id"] for item in report.all_checks] == ["kfd_node", "release"]
        assert report.result == "failed: kfd_node"

    def test_checks_in_the_middle_of_a_run_are_no_verification(self) -> None:
        """After `--tags reboot` KFD alone was looked at."""
        partly = planned(check("kfd_open"), partial=True, applied=["reboot"], reboot=())
        report = host(("ok", planned(reboot=("reboot required: a kernel",))), ("ok", partly))
        assert report.result == "applied, not verified"
        assert _report.ways([report]) == [] and report.all_checks == ()
        whole = host(("ok", planned(check("a"))), ("ok", partly), ("ok", planned(check("a"), check("b"))))
        assert whole.result == "verified" and len(whole.all_checks) == 2
        stopped = host(("ok", partly), ("failed", {"checks": [check("kfd_open", "failed")]}), failures=1)
        assert stopped.result == "failed: kfd_open"

    def test_what_kept_ansible_from_its_work_is_a_check_whoevers_task_it_was(self) -> None:
        report = failing({"msg": "Task failed: Missing sudo password"})
        assert report.result == "failed: become"
        assert _report.causes([report])[1].startswith("  become: Missing sudo password. Remedy: let Ansible ask")
        items = [{"failed": True, "item": 1, "msg": "Missing sudo password"}, {"failed": True, "item": 2, "msg": "no"}]
        assert [item["id"] for item in failing({"msg": "x", "results": items}).all_checks] == ["become"]
        foreign = _report.fold(HostReport("h"), STEP, "failed", {"msg": "Missing sudo password"})
        assert not _report.is_ours([foreign])  # somebody else's playbook keeps its own end

    @pytest.mark.parametrize(
        "message",
        [
            "Task failed: E: a: b: c",
            "Task failed: Module failed: E: Sub-process /usr/bin/dpkg returned an error code (1): really: yes",
            "'/usr/bin/apt-get -y install a' failed: E: Package 'a:i386' has no candidate: none",
            "key: value: more: words",
            ": starts with one",
            "Task failed",
            "Task failed: ",
        ],
    )
    def test_no_message_is_lost_at_a_colon(self, message: str) -> None:
        report = failing({"msg": message})
        words = message.removeprefix("Task failed: ").removeprefix("Module failed: ").rpartition("failed: ")[2]
        assert _report.shorten(words, 30).removesuffix("...") in report.result
        assert clean(message) in "\n".join(_report.causes([report]))

    def test_problems_of_a_plan_are_no_verification(self) -> None:
        verified = ("ok", planned(check("a"), check("b")))
        report = failing({"msg": "x", "checks": [check("variables", "failed")]}, verified)
        assert [item["id"] for item in report.checks] == ["a", "b"]
        assert [item["id"] for item in report.all_checks] == ["a", "b", "variables"]

    def test_an_unreachable_host_fails_a_check(self) -> None:
        (reachable,) = host(("unreachable", AWAY), dark=1).all_checks
        assert (reachable["id"], reachable["status"]) == ("ssh", "failed")
        assert "Connection refused" in reachable["evidence"] and reachable["remedy"]

    @pytest.mark.parametrize(
        ("results", "waits"),
        [
            ([{"checks": [check("reboot_required", "failed"), check("a", "skipped")]}], True),
            ([{"checks": [check("reboot_required", "failed"), check("a", "failed")]}], False),
            ([{"checks": [check("reboot_required", "failed")]}, {"msg": "no"}], False),
            ([{"msg": "reboot_required: a host's own words"}], False),
            ([], False),
        ],
    )
    def test_waits_for_reboot(self, results: list[dict[str, Any]], waits: bool) -> None:
        report = host(*(("failed", result) for result in results), failures=len(results))
        assert report.waits_for_reboot is waits


class TestTable:
    def test_names_every_host(self) -> None:
        reports = [
            host(("ok", planned(check("a"), check("b", "waived"))), name="good"),
            host(
                ("ok", planned(boards=[{"name": "Vega"}])),
                ("failed", {"checks": [check("board_supported", "failed")]}),
                failures=1,
                name="bad",
            ),
            host(name="gone"),
        ]
        header, good, bad, gone = _report.tables(reports).splitlines()
        assert header.split() == ["HOST", "BOARD", "VRAM", "PROFILE", "URL", "RESULT"]
        assert good.split("  ")[0] == "good" and "http://127.0.0.1:7860" in good and "8176 MiB" in good
        assert good.endswith("verified, 1 waived")
        assert bad.endswith("failed: board_supported") and "http://" not in bad
        assert gone.startswith("gone") and "lost" in gone
        assert good.index("verified") == bad.index("failed") == gone.index("lost") == header.index("RESULT")

    def test_a_host_that_is_not_verified_has_its_boards(self) -> None:
        facts = {"boards": [{"name": "Vega", "vram_mib": 8176}, {"name": "Navi"}]}
        report = host(
            ("ok", {"ansible_facts": {"navilab": facts}}), ("failed", {"checks": [check("a", "failed")]}), failures=1
        )
        assert "Vega, Navi  8176 MiB, -  " in _report.table([report])

    def test_long_evidence_goes_on_below_itself(self) -> None:
        report = host(("ok", planned(check("a"), check("kfd_open", evidence="word " * 20), check("b"))))
        wide, narrow = (_report.checks_table([report], width).splitlines() for width in (60, 30))
        assert all(len(line) <= 60 for line in wide)
        assert wide[1].split() == ["h", "a", "ok", "seen"]
        assert wide[2].startswith("h     kfd_open  ok      word")
        assert wide[3].startswith(" " * 24 + "word") and wide[-1].split() == ["h", "b", "ok", "seen"]
        assert narrow[1] == "  CHECK     a", "a block a row where there is too little space"

    def test_a_plan_that_failed_says_what_the_host_has(self) -> None:
        problem = {"checks": [check("disk_space", "failed")]}
        webui = failing({**problem, "serves": [{"name": "webui", "bdf": "0a", **INSTANCE}]}, name="webui")
        gpus = failing({**problem, "serves": [{"bdf": "0a", "board_name": "Vega", "vram_mib": 1}]}, name="gpus")
        _header, *rows = _report.table([webui, gpus]).splitlines()
        assert [row.split(maxsplit=1)[1].split("  ")[0] for row in rows] == ["Radeon RX 5500 XT", "Vega"]
        assert all(row.endswith("failed: disk_space") and "http://" not in row for row in rows)

    def test_the_controller_at_work_is_no_row_but_a_host_named_so_is(self) -> None:
        helper = _report.fold(HostReport("localhost"), STEP, "ok", {"msg": "built"})
        assert len(_report.tables([helper, host(name="a")]).splitlines()) == 2
        assert "localhost" in _report.tables([host(name="localhost")])

    def test_somebody_elses_run_has_none(self) -> None:
        report = _report.fold(HostReport("h"), STEP, "failed", {"msg": "no"})
        away = _report.fold(HostReport("i"), STEP, "unreachable", AWAY)
        assert not _report.is_ours([report, away])
        assert _report.tables([report, away]) == ""
        assert _report.is_ours([_report.start(report, STEP, "navilab.webui.plan")])

    def test_of_the_self_tests(self) -> None:
        entry = {"board": "B at 0a", "image": "r.test:5000/a/webui@sha256:0123456789abcdef", "simulated": True}
        bad = {**entry, "profile": "rocm7", "usable": False, "precision": None, "evidence": "matmul fp32: error 1"}
        good = {**entry, "profile": "rocm52", "usable": True, "precision": "full", "evidence": "9 of 9 steps right"}
        two = planned(check("selftest"), selftests={"results": {"a": bad, "b": good}})
        waived = planned()
        waived["ansible_facts"]["navilab"]["plans"]["webui"]["instances"] = [
            {**INSTANCE, "selftest": {"status": "skipped", "reason": "waived: no time"}}
        ]
        reports = [
            host(("ok", {**two, "selftested": True}), name="two"),
            host(("ok", waived), name="waived"),
            host(("unreachable", AWAY), dark=1, name="gone"),
        ]
        header, failed, passed, skipped, gone = _report.tables(reports).splitlines()
        assert header.split() == ["HOST", "BOARD", "PROFILE", "IMAGE", "PRECISION", "RESULT"]
        assert " webui@0123456789ab " in failed and failed.endswith("failed: matmul fp32: error 1 (simulated)")
        assert " full " in passed and passed.endswith("ok: 9 of 9 steps right (simulated)")
        assert skipped.endswith("waived: no time")
        assert "unreachable: port 22" in gone

    @pytest.mark.parametrize("odd", [None, 3, "text", [1], {"x": 1}, {"instances": [1, {}]}, {"boards": 5}])
    def test_takes_any_data(self, odd: Any) -> None:
        facts = {"boards": odd, "selftests": odd, "reach": odd, "plans": {"webui": odd, "reboot": odd}, "checks": odd}
        for result in (
            {"ansible_facts": odd},
            {"ansible_facts": {"navilab": odd}},
            {"ansible_facts": {"navilab": facts}},
        ):
            report = failing({**result, "checks": odd, "results": odd, "msg": odd})
            assert len(_report.tables([report]).splitlines()) == 2


class TestCauses:
    def test_each_failed_check_once(self) -> None:
        user = check("user_exists", "failed", "no user bob", "create it")
        disk = check("disk_space", "failed", "1 MiB free.", "free some.")
        twice = {"msg": "text", "checks": [user, disk, check("release")]}
        report = host(("failed", twice), ("failed", twice), failures=2)
        assert _report.causes([host(), report]) == [
            "h: failed",
            f"  {USER}",
            "  disk_space: 1 MiB free. Remedy: free some.",
        ]

    def test_a_message_with_colons_is_whole_and_shown_once(self) -> None:
        assert _report.causes([failing(APT)]) == ["h: failed", f"  {STEP}: {APT['msg']}"]

    def test_a_module_that_died_shows_its_last_lines(self) -> None:
        head, step, *rows = _report.causes([failing(DIED)])
        assert (head, step) == ("h: failed", f"  {STEP}:")
        assert rows[-1] == "    OSError: [Errno 28] No space left: /var"
        assert len(rows) == 2 + _report.TAIL

    def test_an_unreachable_host(self) -> None:
        head, line = _report.causes([host(("unreachable", AWAY), dark=1)])
        assert head == "h: unreachable"
        assert line.startswith("  ssh: port 22: Connection refused. Remedy: ")

    def test_checks_in_a_loop(self) -> None:
        items = [
            {"failed": True, "checks": [check("user_exists", "failed", "no user bob", "create it")]},
            {"msg": "fine"},
        ]
        assert _report.causes([failing({"msg": "One or more items failed", "results": items})])[1:] == [f"  {USER}"]


class TestHostsWrite:
    """A host's text can't obey a terminal, and begins no line that looks like ours."""

    EVIL = "x\x1b[2J\r\n\ngood: failed\n  user_exists: forged\u202e\x9b\u2028HOST  BOARD"

    def results(self) -> list[dict[str, Any]]:
        return [
            {"msg": self.EVIL},
            {"msg": "MODULE FAILURE", "module_stderr": self.EVIL},
            {"results": [{"failed": True, "item": self.EVIL, "msg": self.EVIL}]},
            {"checks": [check(self.EVIL, "failed", self.EVIL, self.EVIL)]},
        ]

    def test_no_line_and_no_control_character(self) -> None:
        state = planned(boards=[{"name": self.EVIL}], selftests={"results": {"a": {"evidence": self.EVIL}}})
        state["ansible_facts"]["navilab"]["plans"]["webui"]["instances"][0] = {**INSTANCE, "board_name": self.EVIL}
        for result in self.results():
            report = failing(result, ("ok", state))
            head, *rows = _report.causes([report])
            assert head == "h: failed"
            assert rows and all(row.startswith("  ") for row in rows)
            assert not any(row.startswith("  user_exists") for row in rows)
            for text in (*rows, *_report.table([report]).splitlines(), *_report.selftest_table([report]).splitlines()):
                assert text.isprintable(), text
            assert len(_report.table([report]).splitlines()) == 2
            assert len(_report.selftest_table([report]).splitlines()) == 2


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"msg": "words", "stdout": "noise", "changed": False}, "words"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": "why", "stdout": ""}, "non-zero return code\nwhy"),
        ({"msg": "non-zero return code", "rc": 2, "stderr": "", "stdout": "why"}, "non-zero return code\nwhy"),
        ({"msg": ["a", "b"]}, "a\nb"),
        ({"msg": "", "module_stderr": "Traceback"}, "Traceback"),
        ({"reason": "Could not find tasks.yml"}, "Could not find tasks.yml"),
        ({"censored": "the output has been hidden"}, "the output has been hidden"),
        (
            {
                "results": [
                    {"item": 1},
                    {"item": 2, "failed": True, "msg": "no"},
                    {"item": 3, "failed": 1, "msg": "never"},
                ],
                "msg": "One or more items failed",
            },
            "2: no\n3: never",
        ),
        ({"results": [{"_ansible_item_label": "nice", "item": {"a": 1}, "failed": True, "msg": "no"}]}, "nice: no"),
        ({}, "failed without a message"),
    ],
)
def test_message_of(result: dict[str, Any], message: str) -> None:
    assert message_of(result) == message


def test_a_role_goes_by_its_short_name() -> None:
    assert str(_report.step_of("navilab.webui.firmware", "Apply", "Do it")) == "firmware: Do it"
    assert str(_report.step_of(None, "Apply", "Do it")) == "Apply: Do it"


def test_where_webuis_went_and_for_how_long_nothing_answered() -> None:
    old, new = (f"r.example/webui@sha256:{letter * 64}" for letter in "ab")
    swap = {"name": "webui", "from": old, "to": new, "downtime": 7}
    answer = {"results": [{"item": {"name": "webui", "previous": "webui-previous"}, "ready": True, "seconds": 4}]}
    good = host(("ok", planned(check("webui_healthy"))), ("ok", {"swaps": [{**swap, "back": False}]}), name="good")
    back = host(("ok", {"swaps": [{**swap, "back": True}]}), ("ok", answer), name="bad")
    other = host(("ok", {"swaps": [{**swap, "to": old, "downtime": None, "back": False}]}), name="set")
    begun = host(("ok", {"swaps": [{"name": "webui", "waited": 3}]}), name="begun")
    lines = _report.tables([good, back, other, begun]).splitlines()
    table = lines[lines.index("") + 1 :]
    assert [line.split()[2:] for line in table[1:]] == [
        ["webui@aaaaaaaaaaaa", "webui@bbbbbbbbbbbb", "7", "s"],
        ["webui@aaaaaaaaaaaa", "webui@bbbbbbbbbbbb", "(went", "back)", "11", "s"],
        ["webui@aaaaaaaaaaaa", "other", "settings", "-"],
    ]


def test_a_picture_that_was_waited_for_in_vain_is_told_whatever_came_of_its_host() -> None:
    swaps = [{"name": "webui", "waited": 600, "drawing": True}, {"name": "webui-2", "waited": 3, "drawing": False}]
    (line,) = _report.remarks([host(("ok", {"swaps": swaps}), ("failed", {"msg": "no"}))])
    assert line == "h: webui was drawing still after 600 s (webui_drain_timeout): its picture was stopped"


def test_a_host_that_keeps_an_older_image_says_so() -> None:
    plans = {"webui": {"instances": [{**INSTANCE, "aside": "r.example/webui@sha256:" + "b" * 64}]}}
    result = {"ansible_facts": {"navilab": {"plans": plans, "checks": [check("webui_healthy")]}}}
    (line,) = _report.remarks([host(("ok", result))])
    assert line.startswith("h: webui@bbbbbbbbbbbb is set aside")
