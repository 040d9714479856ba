"""What the user sees: a live table on a terminal, plain lines elsewhere, and the result at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ansible_collections.navilab.webui.plugins.plugin_utils._report import (
    causes,
    checks_table,
    counted,
    remarks,
    tables,
    ways,
)
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from navilab.events import Event, Host, Kind, Note, Notes, Run, Status, text_of
from navilab.run import Exit, Outcome

PROGRESS_EVERY = 10.0
"""Seconds between two progress lines of one host where lines can't be overwritten."""

ALWAYS = frozenset({Kind.DIFF, Kind.WARNING, Kind.MESSAGE})
"""Notes that no table can hold: lines everywhere."""

STYLE = {
    Status.WAITING: "dim",
    Status.RUNNING: "cyan",
    Status.OK: "green",
    Status.CHANGED: "yellow",
    Status.FAILED: "bold red",
    Status.UNREACHABLE: "bold red",
}
MARK = {Status.OK: "✓", Status.CHANGED: "✓", Status.FAILED: "✗", Status.UNREACHABLE: "✗"}
PLAIN_MARK = {Status.OK: "+", Status.CHANGED: "+", Status.FAILED: "x", Status.UNREACHABLE: "x"}


class Screen:
    """Watches a run. `verbatim` shows Ansible's own output instead (-v), `checks` each check at the end."""

    def __init__(
        self,
        console: Console,
        *,
        verbatim: bool = False,
        checks: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._console = console
        self._verbatim = verbatim
        self._checks = checks
        self._clock = clock
        self._run = Run()
        self._spinners: dict[str, Spinner] = {}
        self._shown: dict[str, float] = {}
        self._unicode = console.encoding.lower().startswith("utf")
        live = console.is_terminal and not console.is_dumb_terminal and not verbatim
        self._live = (
            Live(get_renderable=self.table, console=console, refresh_per_second=8, redirect_stderr=False)
            if live
            else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def watch(self, run: Run, event: Event, notes: Notes) -> None:
        """Take the next state; its notes become lines where they are not in the table."""
        self._run = run
        if self._verbatim:
            if text := text_of(event):
                self._print(text)
            return
        for note in notes:
            if note.kind in ALWAYS or (not self._live and self._is_due(note)):
                self._print(line(note))

    def table(self) -> Table:
        """One line a host."""
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)  # the one that gives way; its texts are cut, see _row
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        for host in self._run.hosts.values():
            table.add_row(*self._row(host))
        return table

    def finish(self, outcome: Outcome, again: str) -> None:
        """Causes, table, and where the log is."""
        run = outcome.run
        if run.finished and not self._verbatim:  # where Ansible's output is shown, the callback said it
            for host in run.hosts.values():
                head, *rows = causes([host.report]) or [""]
                if head:
                    self._print(f"\n{head}", STYLE[host.status])
                    self._print("\n".join(rows))
            width = self._console.width if self._console.is_terminal else None
            if table := tables(run.reports, width):
                self._print(f"\n{table}")
            if self._checks:
                self._print(f"\n{checks_table(run.reports, width)}")
            if checks := [check for report in run.reports for check in report.checks]:
                self._print(f"\n{counted(checks)}")
            if lines := remarks(run.reports):
                self._print("\n".join(["", *lines]))
            if lines := ways(run.reports):
                self._print("\n".join(["", *lines]))
        if outcome.exit in (Exit.NOTHING_RAN, Exit.INTERNAL):
            said = outcome.log.read_text(encoding="utf-8").splitlines()
            self._print("\n" + "\n".join(_tail([row for row in said if not row.startswith("[WARNING]: ")])))
        self._print("")
        if outcome.exit is Exit.INTERRUPTED:
            self._print(f"Interrupted. Nothing is lost: `{again}` goes on from what is there.", "yellow")
        elif outcome.exit is not Exit.OK:
            self._print(f"{outcome.exit.meaning} (exit code {int(outcome.exit)})", "red")
        elif not run.having(Status.CHANGED):
            self._print("Nothing was changed.")
        self._print(f"log: {outcome.log}", "dim")

    def _row(self, host: Host) -> tuple[Spinner | Text, Text, Text, Text, Text, Text]:
        style = STYLE[host.status]
        final = host.status in MARK
        mark: Spinner | Text
        if host.busy:
            name = "dots" if self._unicode else "line"
            mark = self._spinners.setdefault(host.name, Spinner(name, style=style))
        else:
            mark = Text((MARK if self._unicode else PLAIN_MARK).get(host.status, " "), style)
        if host.failures and (final or not host.progress):
            step = Text(f"{host.failures[-1].step.role}: {host.failures[-1].lines[0]}", "red")
        elif final:
            step = Text("")
        else:
            step = Text(f"{host.step.role}: {host.progress}" if host.progress else str(host.step))
        step.no_wrap, step.overflow = True, "ellipsis"
        since, until = (host.started, host.ended) if final else (host.step_started, self._clock())
        return (
            mark,
            Text(host.name, style),
            step,
            Text(duration(until - since) if final or host.busy else "", "dim"),
            Text(f"{host.changed} changed" if host.changed else "", "yellow"),
            Text(host.status if final else "", style),
        )

    def _is_due(self, note: Note) -> bool:
        if note.kind is not Kind.PROGRESS:
            return True
        if note.time - self._shown.get(note.host, float("-inf")) < PROGRESS_EVERY:
            return False
        self._shown[note.host] = note.time
        return True

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style), soft_wrap=True)


def line(note: Note) -> str:
    """A note as one line of a log: `12:00:05 sim-bookworm: docker_engine: Install the engine: changed`."""
    if note.kind is Kind.DIFF:
        return f"{note.host}: {note.step}\n" + "\n".join(f"  {row}" for row in note.text.split("\n"))
    if note.kind is Kind.WARNING:
        return f"warning: {note.text}"
    if note.kind is Kind.MESSAGE:
        return f"{note.host}: " + note.text.replace("\n", f"\n{' ' * (len(note.host) + 2)}")
    words = {
        Kind.STEP: (note.step.role, "started"),
        Kind.PROGRESS: (note.step.role, note.text),
        Kind.CHANGED: (str(note.step), "changed"),
    }.get(note.kind, (str(note.step), note.kind, _first_line(note.text)))
    moment = time.strftime("%H:%M:%S", time.localtime(note.time))
    return f"{moment} {': '.join(filter(None, (note.host, *words)))}"


def duration(seconds: float) -> str:
    """`7 s`, `1:05`."""
    whole = max(0, int(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _tail(lines: list[str], most: int = 20) -> list[str]:
    return [row for row in lines[1:] if row.strip()][-most:]
