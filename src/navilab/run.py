"""One ansible-playbook through ansible-runner: its files, its environment, its end.

A run is what `ansible-playbook` would do from the caller's directory with the checkout's ansible.cfg, no more.
It leaves .navilab/runs/<time>-<command>/ with log.txt (all that ansible-playbook printed), job_events/ (one JSON
file an event), rc and status; `latest` points to the newest, and the newest 20 are kept.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_runner.interface import init_runner

from navilab import events
from navilab.owner import give_to_owner

ROOT = Path(__file__).resolve().parents[2]
"""The checkout: the driver runs the playbooks that lie beside it."""

RUNS = ROOT / ".navilab" / "runs"
"""Where each run leaves its log and its events."""

KNOWN = ROOT / ".navilab" / "known"
"""What inventories group hosts by, as ansible.cfg says."""

REPORT = "navilab.webui.report"
"""The callback that says at the end what came of each host."""

KEEP = 20
GRACE = 10.0
"""Seconds that ansible-playbook gets to end after the first Ctrl-C; then, or at the second one, it is killed."""


class Exit(IntEnum):
    """The driver's exit codes."""

    OK = 0
    INTERNAL = 1
    FAILED = 2
    UNREACHABLE = 3
    NOTHING_RAN = 4
    REBOOT = 5
    USAGE = 64
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """For --help and the README."""
        return _MEANING[self]


_MEANING = {
    Exit.OK: "all hosts are good",
    Exit.INTERNAL: "internal error of the driver or of Ansible",
    Exit.FAILED: "at least one host failed",
    Exit.UNREACHABLE: "no host failed, at least one could not be reached",
    Exit.NOTHING_RAN: "nothing ran: error in the playbook, the inventory or --limit",
    Exit.REBOOT: "no host failed, at least one has to be rebooted before it can go on; reboot, then run again",
    Exit.USAGE: "wrong usage",
    Exit.INTERRUPTED: "interrupted; run it again to go on",
}


@dataclass(frozen=True, slots=True)
class Job:
    """What to run: `arguments` are ansible-playbook's own, `passwords` the answers to its prompts (regex -> answer),
    `settings` variables of its environment."""

    command: str
    playbook: Path
    arguments: tuple[str, ...] = ()
    passwords: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended."""

    run: events.Run
    rc: int
    directory: Path
    interrupted: bool

    @property
    def log(self) -> Path:
        """All that ansible-playbook printed."""
        return self.directory / "log.txt"

    @property
    def exit(self) -> Exit:
        """Ansible's recap decides; its own exit code has one number for 'unreachable' and 'can't parse'."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if not self.run.finished or not self.run.hosts:
            return Exit.INTERNAL if self.run.began else Exit.NOTHING_RAN
        failed = self.run.having(events.Status.FAILED)
        if not all(host.report.waits_for_reboot for host in failed):
            return Exit.FAILED
        if self.run.having(events.Status.UNREACHABLE):
            return Exit.UNREACHABLE
        if failed:
            return Exit.REBOOT
        return Exit.OK if self.rc == 0 else Exit.INTERNAL


class Stop:
    """Ctrl-C (or TERM, HUP): the first asks ansible-playbook to end, the second or GRACE seconds kill it.

    An instance is ansible-runner's cancel callback, asked about once a second: True kills the process group. Without it
    the first Ctrl-C would be a SIGKILL, since ansible-playbook has a session of its own and never sees the terminal's.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.pid: int | None = None
        self._deadline = 0.0

    def __call__(self) -> bool:
        return self.requests > 1 or (self.requests == 1 and (self.pid is None or time.monotonic() > self._deadline))

    def request(self, _signal: int = signal.SIGINT, _frame: FrameType | None = None) -> None:
        """Take one request to stop (a signal handler)."""
        self.requests += 1
        if self.requests == 1 and self.pid is not None:
            self._deadline = time.monotonic() + GRACE
            os.kill(self.pid, signal.SIGINT)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals, and put the old handlers back."""
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self.request) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(
    job: Job,
    watch: Callable[[events.Run, events.Event, events.Notes], None],
    *,
    runs: Path = RUNS,
) -> Outcome:
    """Run a job to its end; `watch` is called with each new state, the event behind it and its notes."""
    directory = new_directory(runs, job.command.replace(" ", "-"))
    state = events.Run()
    stop = Stop()
    with (directory / "log.txt").open("w", encoding="utf-8", buffering=1) as log:
        words = (*map(_without_value, job.arguments), str(job.playbook))
        log.write(f"$ ansible-playbook {shlex.join(words)}\n")

        def on_event(event: dict[str, Any]) -> bool:
            nonlocal state
            if event.get("event") == "EOF":
                return False
            if text := events.text_of(event):
                log.write(f"{text}\n")
            state, notes = events.fold(state, event)
            stop.pid = state.pid
            watch(state, event, notes)
            return True

        runner = init_runner(
            private_data_dir=str(directory),
            artifact_dir=str(directory.parent),
            ident=directory.name,
            project_dir=str(Path.cwd()),  # relative paths mean what they mean to ansible-playbook
            playbook=str(job.playbook),
            cmdline=shlex.join(job.arguments) or None,
            passwords=dict(job.passwords) or None,
            envvars=environment(os.environ) | dict(job.settings),
            suppress_env_files=True,  # passwords stay in memory
            fact_cache_type="memory",  # of runner's own kinds: ansible.cfg decides
            quiet=True,
            event_handler=on_event,
            cancel_callback=stop,
            status_handler=_forget_environment,
        )
        # Set here, since runner drops its argument `settings` where no env/settings lies.
        runner.config.pexpect_timeout = 1  # how often `stop` is asked
        runner.config.suppress_output_file = True  # log.txt is that
        if "ANSIBLE_HOST_KEY_CHECKING" not in os.environ:
            runner.config.env.pop("ANSIBLE_HOST_KEY_CHECKING", None)  # runner turns it off; ansible.cfg decides
        try:
            with stop.listening():
                _, rc = runner.run()
        finally:
            for each in (runs.parent, runs, runs / "latest"):
                give_to_owner(each, deep=False)
            give_to_owner(directory)
            if KNOWN.exists():
                give_to_owner(KNOWN)
    return Outcome(state, rc, directory, interrupted=stop.requests > 0)


def environment(outer: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """What a run adds to the caller's environment."""
    collections = (str(root / "collections"), outer.get("ANSIBLE_COLLECTIONS_PATH", ""))
    callbacks = dict.fromkeys([*outer.get("ANSIBLE_CALLBACKS_ENABLED", "").split(","), REPORT])
    return {
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(filter(None, collections)),
        "ANSIBLE_CALLBACKS_ENABLED": ",".join(filter(None, callbacks)),  # the log has its table too
        "ANSIBLE_NOCOLOR": "1",  # the log is text; the colours on the terminal are the screen's
        "ANSIBLE_FORCE_COLOR": "0",
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), outer.get("PATH", os.defpath))),
    }


def new_directory(runs: Path, command: str) -> Path:
    """A fresh directory for a run; `latest` points to it, and only the newest KEEP stay."""
    runs.mkdir(parents=True, exist_ok=True, mode=0o700)
    stamp = f"{datetime.now():%Y%m%d-%H%M%S}-{command}"
    for name in itertools.chain([stamp], (f"{stamp}-{number}" for number in itertools.count(2))):
        directory = runs / name
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            continue
        break
    link = runs / f".latest-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(directory.name)
    link.replace(runs / "latest")
    others = [path for path in runs.iterdir() if re.match(r"\d{8}-\d{6}-", path.name) and path != directory]
    for old in sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)[KEEP - 1 :]:
        shutil.rmtree(old, ignore_errors=True)
    return directory


def _without_value(argument: str) -> str:
    """A variable on the command line may be a secret, not to be kept in a log; the name of a file is none."""
    option, _, value = argument.partition("=")
    return f"{option}=..." if option == "--extra-vars" and not value.startswith("@") else argument


def _forget_environment(status: Mapping[str, Any], runner_config: Any) -> None:
    """Runner writes the whole environment, with its secrets, to a file named `command`: not into a log that is kept."""
    if status["status"] == "running":
        (Path(runner_config.artifact_dir) / "command").unlink(missing_ok=True)
