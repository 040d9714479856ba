"""What is printed: plain lines, the live table, the end."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._report import HostReport, Step
from rich.console import Console

from navilab.events import Host, Kind, Note, Run, Status, fold
from navilab.run import Outcome
from navilab.screen import Screen, duration, line

from .test_events import CAUSE, play, recorded


def show(console: Console, *, verbatim: bool = False, directory: Path | None = None) -> Screen:
    """Play the recorded run on a console."""
    screen = Screen(console, verbatim=verbatim, clock=lambda: 0.0)
    run = Run()
    with screen:
        for event in recorded():
            run, notes = fold(run, event)
            screen.watch(run, event, notes)
    if directory:
        (directory / "log.txt").write_text("$ ansible-playbook\nlast words\n", encoding="utf-8")
        screen.finish(Outcome(run, 2, directory, interrupted=False), again="navilab site")
    return screen


def test_piped_it_is_plain_lines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TZ", "UTC")
    out = io.StringIO()
    show(Console(file=out, width=40), directory=tmp_path)
    text = out.getvalue()
    assert "\x1b" not in text
    assert re.search(r"^\d\d:\d\d:\d\d good: firmware: started$", text, re.M)
    assert re.search(r"^\d\d:\d\d:\d\d good: firmware: Ensure the source is there: changed$", text, re.M)
    assert re.search(r"^\d\d:\d\d:\d\d good: webui: loading the model \(42 s\)$", text, re.M)
    assert re.search(r"^\d\d:\d\d:\d\d broken: firmware: Load it: failed$", text, re.M)
    assert "\ngood: install firmware-amd-graphics\n" in text
    assert f"\n\nbroken: failed\n  {CAUSE}\n" in text
    assert "\n\naway: unreachable\n  ssh: connect to host" in text
    rows = [row for row in text.splitlines() if row.startswith(("HOST ", "good  ", "broken  ", "away  "))]
    assert [row.split()[0] for row in rows] == ["HOST", "good", "broken", "away"]
    assert "http://127.0.0.1:7860" in rows[1] and rows[1].endswith("verified, 1 waived")
    assert rows[2].endswith("failed: driver_bound")
    assert text.count(CAUSE) == 1, "each cause once"
    assert f"log: {tmp_path}/log.txt" in text
    assert "at least one host failed (exit code 2)" in text


def test_a_terminal_has_one_line_a_host() -> None:
    run, _ = play(recorded())
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None)
    screen = show(console)
    console.file = rows = io.StringIO()
    console.print(screen.table())
    lines = rows.getvalue().splitlines()
    assert [row.split()[1] for row in lines] == list(run.hosts)
    assert [row.split()[-1] for row in lines] == ["changed", "failed", "unreachable"]
    assert "firmware: driver_bound: modprobe" in lines[1]
    assert all(len(row) <= 100 for row in lines)


def test_a_narrow_terminal_cuts_the_step_not_the_host() -> None:
    screen = show(Console(file=io.StringIO(), force_terminal=True, width=60))
    console = Console(file=(rows := io.StringIO()), width=60)
    console.print(screen.table())
    assert [row.split()[1] for row in rows.getvalue().splitlines()] == ["good", "broken", "away"]


def test_a_running_host_shows_its_progress() -> None:
    screen = Screen(Console(file=io.StringIO(), force_terminal=True, width=80), clock=lambda: 65.0)
    report = HostReport("a", Step("webui", "Wait"))
    host = Host("a", Status.RUNNING, True, progress="loading (42 s)", started=1, step_started=5, report=report)
    screen.watch(Run({"a": host}), {}, ())
    console = Console(file=(rows := io.StringIO()), width=80)
    console.print(screen.table())
    assert "webui: loading (42 s)" in rows.getvalue()
    assert "1:00" in rows.getvalue()


@pytest.mark.parametrize(("no_color", "coloured"), [("1", False), ("", True)])
def test_no_color(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", "xterm")
    show(Console(file=(out := io.StringIO()), force_terminal=True, width=80, color_system="standard"))
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", out.getvalue())) is coloured


def test_markup_in_a_message_is_text() -> None:
    screen = Screen(Console(file=(out := io.StringIO()), width=80))
    note = Note(Kind.FAILED, 0.0, "a", Step("r", "t"), "[bold]x[/] [/nonsense]")
    screen.watch(Run(), {}, (note,))
    assert "[bold]x[/] [/nonsense]" in out.getvalue()


def test_verbatim_is_ansibles_output(tmp_path: Path) -> None:
    show(Console(file=(out := io.StringIO()), width=80), verbatim=True, directory=tmp_path)
    assert "TASK [navilab.webui.firmware : Ensure the source is there]" in out.getvalue()
    assert "PLAY RECAP" in out.getvalue()
    assert "HOST" not in out.getvalue().partition("PLAY RECAP")[2]  # the callback's, of which this recording has none
    assert "started" not in out.getvalue()


def test_progress_lines_are_not_a_flood() -> None:
    screen = Screen(Console(file=(out := io.StringIO())))
    for second in range(25):
        screen.watch(Run(), {}, (Note(Kind.PROGRESS, float(second), "a", Step("webui", ""), f"{second} s"),))
    assert len(out.getvalue().splitlines()) == 3


@pytest.mark.parametrize(("interrupted", "words"), [(True, "`navilab site` goes on"), (False, "nothing ran")])
def test_the_end_of_a_run_without_a_recap(tmp_path: Path, interrupted: bool, words: str) -> None:
    said = "$ ansible-playbook\n[WARNING]: told when it came\n[ERROR]: no such file\n"
    (tmp_path / "log.txt").write_text(said, encoding="utf-8")
    screen = Screen(Console(file=(out := io.StringIO()), width=80))
    screen.finish(Outcome(Run(), 4, tmp_path, interrupted), again="navilab site")
    assert words in out.getvalue()
    assert ("[ERROR]: no such file" in out.getvalue()) is not interrupted
    assert "told when it came" not in out.getvalue()


@pytest.mark.parametrize(("status", "said"), [(Status.OK, True), (Status.CHANGED, False)])
def test_a_run_that_changed_nothing_says_so(tmp_path: Path, status: Status, said: bool) -> None:
    screen = Screen(Console(file=(out := io.StringIO())))
    run = Run(hosts={"a": Host("a", status=status)}, finished=True)
    screen.finish(Outcome(run, 0, tmp_path, interrupted=False), again="navilab site")
    assert ("Nothing was changed." in out.getvalue()) is said


def test_a_diff_has_no_time_and_no_line_of_ours() -> None:
    assert (
        line(Note(Kind.DIFF, 0.0, "a", Step("r", "t"), "--- before\nb: failed")) == "a: r: t\n  --- before\n  b: failed"
    )


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (65, "1:05"), (-1, "0 s")])
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_narrow_terminal_has_blocks_in_place_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    show(Console(file=out, force_terminal=True, width=60), directory=tmp_path)
    text = out.getvalue()
    ended = text[text.rindex("\ngood\n") :]
    assert re.search(r"^  RESULT +verified, 1 waived$", ended, re.M)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", text)  # no colour
