"""The command line: `navilab site|verify|selftest|upgrade|rollback|plan|remove` run a playbook, `navilab report` tells
of a run that has ended, `navilab image` is about the webui's image, `navilab lab` keeps the embedded lab."""

from __future__ import annotations

import argparse
import difflib
import getpass
import itertools
import json
import os
import re
import select
import shlex
import shutil
import sys
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from rich.console import Console

from navilab import __version__, run
from navilab.events import Status
from navilab.owner import give_to_owner
from navilab.run import ROOT, RUNS, Exit, Job, Outcome
from navilab.screen import Screen

PLAYBOOKS = {
    "site": ("site.yml", "turn the hosts of the inventory into webui servers"),
    "verify": ("playbooks/verify.yml", "prove with checks that they are"),
    "selftest": (
        "playbooks/selftest.yml",
        "test again what the images compute on the boards, beside the running webuis",
    ),
    "upgrade": ("playbooks/upgrade.yml", "bring the webuis to the newest of their images, a host at a time"),
    "rollback": ("playbooks/rollback.yml", "bring the webuis back to the image that ran before"),
    "plan": ("playbooks/plan.yml", "show what `site` would decide for each host"),
    "remove": ("playbooks/remove.yml", "take out what `site` put in; data stays"),
}
PAGE = {
    "see it work, without a machine of yours": ("lab",),
    "begin with your own machines": ("init", "inventory", "plan", "site"),
    "look after them": ("verify", "report", "selftest", "upgrade", "rollback", "remove"),
    "more": ("image", "record", "completion"),
}
"""The commands as --help groups them."""
REPORTED = ("site", "verify")
TAGGED = ("site", "remove")
"""Commands whose playbook has tags."""
JUDGES = ("plan", "verify")
"""Commands that change nothing, for which a recording does."""
VARIABLE = "navilab_recorded"
RECORDED = """\
all:
  vars:
    ansible_connection: local
    ansible_become: false
  hosts:"""
RECORD = (
    "playbooks/record.yml",
    "record a host in a small archive, without personal details, to be evaluated elsewhere",
)
BUILD = ("playbooks/image.yml", "build the webui's image of each wanted profile and publish it")
EXIT_CODES = "exit codes:\n" + "\n".join(f"  {code.value:>3}  {code.meaning}" for code in Exit)


class UsageError(Exception):
    """The command can't be carried out as it was given."""


class Help(argparse.HelpFormatter):
    """Lines of a description stay lines, and none is longer than the terminal."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(
            textwrap.fill(line, width, subsequent_indent=" " * (len(line) - len(line.lstrip(" 0123456789"))))
            for line in text.splitlines()
        )


class Parser(argparse.ArgumentParser):
    """argparse with the exit code of sysexits.h: 2 means a failed host here."""

    commands: Any = None
    """Of one that has commands, what add_subparsers gave."""

    def hold_commands(self) -> Any:
        """Take commands; without one its page is shown."""
        self.commands = self.add_subparsers(metavar="COMMAND", parser_class=Parser)
        self.set_defaults(run=self._without_command)
        return self.commands

    def chosen(self, words: Sequence[str]) -> Parser:
        """The parser of the command that words name, as far as they name one."""
        known = self.commands.choices if self.commands else {}
        for index, word in enumerate(words):
            if word in known:
                found: Parser = known[word]
                return found.chosen(words[index + 1 :])
        return self

    def _without_command(self, _arguments: argparse.Namespace) -> int:
        self.print_help()
        return Exit.USAGE

    def error(self, message: str) -> NoReturn:
        if self.commands and (wrong := re.search(r"invalid choice: '([^']*)'", message)):
            near = difflib.get_close_matches(wrong[1], self.commands.choices, n=1)
            message = f"there is no command '{wrong[1]}'" + (f"; did you mean {near[0]}?" if near else "")
        self.print_usage(sys.stderr)
        self.exit(Exit.USAGE, f"{self.prog}: {message}\n")


class TopParser(Parser):
    """The whole command line, whose page groups the commands."""

    def format_help(self) -> str:
        width = min(shutil.get_terminal_size().columns, 100)
        return "\n".join([*self._page(width), ""])

    def _page(self, width: int) -> Iterator[str]:
        purposes = {action.dest: action.help or "" for action in self.commands._choices_actions}
        indent = max(map(len, purposes)) + 5
        yield from textwrap.wrap(self.description or "", width)
        yield "\nusage: navilab COMMAND [OPTIONS]"
        for title, names in PAGE.items():
            yield f"\n{title}"
            for name in names:
                if name in purposes:
                    lines = textwrap.wrap(purposes[name], max(width - indent, 20)) or [""]
                    yield f"   {name}".ljust(indent) + lines[0]
                    yield from (" " * indent + line for line in lines[1:])
        yield "\n`navilab COMMAND --help` tells the options of one.\n\nexit codes:"
        for code in Exit:
            yield from textwrap.wrap(f"{code.value:>5}  {code.meaning}", width, subsequent_indent=" " * 7)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line; the exit code, which --help explains."""
    words = [*(sys.argv[1:] if argv is None else argv)]
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    top = parser()
    arguments, unknown = top.parse_known_args(words)
    if unknown:  # argparse would show the usage of the whole
        top.chosen(words).error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        return int(arguments.run(arguments))
    except UsageError as error:
        print(f"navilab: {error}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _unread():
            return Exit.INTERNAL
        traceback.print_exc()
        print("navilab: internal error, please report it with the lines above", file=sys.stderr)
        return Exit.INTERNAL


def _unread() -> bool:
    """Whether it was our own output that nobody reads any more: who read it, read enough."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # errors are told unasked
    gone = bool(poll.poll(0))
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


def parser() -> Parser:
    """The whole command line."""
    top = TopParser(
        prog="navilab",
        description="Debian machines with an AMD Navi 1x board become Stable Diffusion webui servers.",
    )
    top.add_argument("--version", action="version", version=f"navilab {__version__}")
    commands = top.hold_commands()
    for name, (playbook, purpose) in PLAYBOOKS.items():
        _add_playbook(commands, name, playbook, purpose)
    _add_record(commands)
    _add_report(commands)
    _add_inventory(commands)
    _add_image(commands)
    _add_completion(commands)
    try:
        from navilab.lab.cli import add_parser
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("navilab"):
            raise
    else:
        add_parser(commands)
    return top


def _add_playbook(commands: Any, name: str, playbook: str, purpose: str) -> None:
    command = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose} (runs {playbook} with ansible-playbook; the options mean the same there)",
        epilog=EXIT_CODES,
        formatter_class=Help,
    )
    _add_playbook_options(command, tags=name in TAGGED, changes=name != "record")
    if name in JUDGES:
        command.add_argument("--recorded", nargs="+", action="extend", type=_path, default=[], metavar="FILE",
            help="recordings (navilab record), evaluated in place of hosts, without an inventory")  # fmt: skip
    if name in REPORTED:
        command.add_argument("--report", type=_path, metavar="PATH",
            help="write a page about this run there, and its JSON beside it")  # fmt: skip
    if name == "verify":
        command.add_argument("--checks", action="store_true", help="show each check of each host")
    command.add_argument("--json", action="store_true", help="print one JSON document, progress on stderr")
    command.set_defaults(
        run=run_playbook, command=command.prog.removeprefix("navilab "), playbook=playbook, recorded=[],
        report=None, checks=False,
    )  # fmt: skip


def _path(text: str) -> Path:
    if not text:  # Path("") is the current directory
        raise argparse.ArgumentTypeError("a path is expected, not an empty text")
    return Path(text)


def _add_record(commands: Any) -> None:
    _add_playbook(commands, "record", *RECORD)
    command = commands.choices["record"]
    command.add_argument("host", metavar="HOST", help="host of the inventory, or a pattern of several")
    command.add_argument("-o", "--output", type=Path, default=Path(), metavar="PATH",
        help="the archive's path, or a directory for it (default: here, under a name that tells nothing)")  # fmt: skip
    command.set_defaults(run=_record)


def _record(arguments: argparse.Namespace) -> int:
    again = _again(arguments)
    arguments.limit = f"{arguments.limit}:&{arguments.host}" if arguments.limit else arguments.host
    arguments.extra_vars.append(json.dumps({"navilab_record_path": str(arguments.output.absolute())}))
    return run_playbook(arguments, again)


def _add_report(commands: Any) -> None:
    purpose = "write a page about a run that has ended: hosts, checks, changes, times"
    command = commands.add_parser(
        "report", help=purpose, description=f"{purpose}. It needs no network, and holds names and addresses of the lab."
    )
    command.add_argument("name", nargs="?", default="latest", metavar="RUN",
        help="name of a run in .navilab/runs, or its directory (default: the latest)")  # fmt: skip
    command.add_argument("-o", "--output", type=_path, default=Path("navilab-report.html"), metavar="PATH",
        help="the page (default: navilab-report.html); its JSON gets the same name with .json")  # fmt: skip
    command.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    directory = RUNS / arguments.name  # of an absolute path that path
    if not (directory / "job_events").is_dir():
        known = sorted(path.name for path in RUNS.glob("[0-9]*")) if RUNS.is_dir() else []
        raise UsageError(f"there is no run {arguments.name}. The latest are: {', '.join(known[-5:]) or 'none yet'}")
    return Exit.OK if _write_report(directory.resolve(), arguments.output) else Exit.USAGE


def _add_inventory(commands: Any) -> None:
    purpose = "ask three questions and write inventory/lab"
    start = commands.add_parser("init", help=purpose, description=purpose)
    start.set_defaults(run=_init)
    purpose = "look for what is wrong in an inventory: hosts that are one machine, misspelt variables, unknown names"
    top = commands.add_parser("inventory", help="check the inventory", description="about the inventory")
    words = top.hold_commands()
    check = words.add_parser("check", help=purpose, description=purpose)
    check.add_argument("-i", "--inventory", action="append", default=[], metavar="PATH",
        help="inventory (default: inventory/lab, else inventory/sim while the embedded lab is up)")  # fmt: skip
    _add_vault_options(check)
    check.add_argument("--json", action="store_true", help="as JSON: a list of what is wrong")
    check.set_defaults(run=_check_inventory)


def _init(_arguments: argparse.Namespace) -> int:
    from navilab import inventory

    target = ROOT / "inventory" / "lab"
    if target.exists():
        raise UsageError(f"there is an inventory already: {target}. Edit it, or move it away")
    try:
        written = inventory.init(target)
    except EOFError as error:
        raise UsageError("three answers are needed") from error
    print(f"{' and '.join(map(str, written))} are yours to edit. Next: ./navilab plan")
    return Exit.OK


def _check_inventory(arguments: argparse.Namespace) -> int:
    from navilab import inventory

    vault = [f"--vault-password-file={path}" for path in arguments.vault_password_file]
    vault += ["--ask-vault-pass"] * arguments.ask_vault_pass  # which asks on the terminal itself
    wrong = inventory.check(arguments.inventory or [str(default_inventory())], vault)
    print(json.dumps(wrong, indent=2) if arguments.json else "\n".join(wrong) or "nothing wrong was found")
    return Exit.FAILED if wrong else Exit.OK


def _write_report(directory: Path, path: Path) -> bool:
    """The page and its JSON; whether they could be written, which does not change how the run ended."""
    from navilab import report  # which few commands need

    try:
        written = report.write(report.read(directory), path)
    except OSError as error:
        print(f"navilab: the report can't be written: {error.strerror}: {error.filename}", file=sys.stderr)
        return False
    for each in written:
        give_to_owner(each)
    print(f"report: {' and '.join(map(str, written))}", file=sys.stderr)
    return True


def _add_image(commands: Any) -> None:
    purpose = "the webui's image: build it, inspect it"
    top = commands.add_parser("image", help=purpose, description=purpose)
    words = top.hold_commands()
    _add_playbook(words, "build", *BUILD)
    purpose = "show what it weighs, by layer and by package, against the original's"
    inspect = words.add_parser("inspect", help=purpose, description=purpose)
    inspect.add_argument("image", metavar="IMAGE", help="reference in the Docker Engine, e.g. navilab/webui:cpu")
    inspect.add_argument("--json", action="store_true", help="as JSON")
    inspect.set_defaults(run=_inspect_image)


def _inspect_image(arguments: argparse.Namespace) -> int:
    from navilab import image

    return image.show(arguments.image, as_json=arguments.json)


def _add_completion(commands: Any) -> None:
    purpose = "print the completion script of a shell"
    command = commands.add_parser(
        "completion",
        help=purpose,
        formatter_class=Help,
        description=f"""{purpose}, which knows ./navilab, too:
  bash: source <(./navilab completion bash)
  zsh:  source <(./navilab completion zsh), after compinit
  fish: ./navilab completion fish | source""",
    )
    command.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")
    command.set_defaults(run=_completion)


def _completion(arguments: argparse.Namespace) -> int:
    from navilab import completion

    print(completion.script(arguments.shell, parser()), end="")
    return Exit.OK


def _again(arguments: argparse.Namespace) -> str:
    """The command that goes on where this one was interrupted, for the same hosts and with the same options; what may
    be a secret is left for the reader to add."""
    words = ["sudo"] if os.environ.get("SUDO_USER") else []
    words += ["./navilab", *arguments.command.split()]
    if host := getattr(arguments, "host", None):
        words.append(host)
    for option, name in (("-i", "inventory"), ("-t", "tags"), ("--skip-tags", "skip_tags")):
        words += [word for each in getattr(arguments, name) for word in (option, each)]
    for option, name in (("-l", "limit"), ("-f", "forks"), ("--report", "report"), ("-o", "output")):
        if getattr(arguments, name, None) is not None:
            words += [option, str(getattr(arguments, name))]
    for option, name in (("-C", "check"), ("-D", "diff"), ("-K", "ask_become_pass"), ("-J", "ask_vault_pass")):
        words += [option] * getattr(arguments, name)
    words += [word for path in arguments.vault_password_file for word in ("--vault-password-file", path)]
    words += ["--recorded", *map(str, arguments.recorded)] if arguments.recorded else []
    return shlex.join(words) + " -e ..." * bool(arguments.extra_vars)


def run_playbook(arguments: argparse.Namespace, again: str = "") -> int:
    """site, verify, selftest, upgrade, rollback, plan, remove, image build."""
    again = again or _again(arguments)
    with TemporaryDirectory(prefix="navilab-") as scratch:
        if arguments.recorded:
            arguments.inventory = [str(recorded_inventory(arguments.recorded, arguments.inventory, Path(scratch)))]
        job = Job(
            arguments.command,
            ROOT / arguments.playbook,
            tuple(ansible_arguments(arguments)),
            ask_passwords(arguments),
            {"ANSIBLE_CACHE_PLUGIN": "memory"} if arguments.recorded else {},  # it may have the name of a live host
        )
        console = Console(stderr=arguments.json, highlight=False)
        with Screen(console, verbatim=arguments.verbose > 0, checks=arguments.checks) as screen:
            outcome = run.run(job, screen.watch)
    screen.finish(outcome, again=again)
    if arguments.report:
        _write_report(outcome.directory, arguments.report)
    if arguments.json:
        print(json.dumps(document(outcome), indent=2))
    return outcome.exit


def recorded_inventory(recordings: Sequence[Path], inventories: Sequence[str], scratch: Path) -> Path:
    """An inventory with a host for each recording, named after its file, that this machine evaluates by itself."""
    if inventories:
        raise UsageError("--recorded takes no inventory: each file is a host; set variables with -e")
    hosts: dict[str, Path] = {}
    for path in recordings:
        if not path.exists():
            raise UsageError(f"there is no {path}")
        if path.is_dir() and not (path / "recording.json").exists():
            raise UsageError(f"{path} is no recording: a directory of one has a recording.json")
        stem = re.sub(r"(?:\.recording)?(?:\.tar\.gz|\.tgz)?$", "", path.absolute().name)
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.") or "recording"
        names = itertools.chain([plain], (f"{plain}-{number}" for number in itertools.count(2)))
        hosts[next(name for name in names if name not in hosts)] = path.absolute()
    # A file's name is no template, whatever it looks like. JSON's texts are YAML's, too.
    lines = [f"    {name}: {{{VARIABLE}: !unsafe {json.dumps(str(path))}}}" for name, path in hosts.items()]
    inventory = scratch / "recorded.yml"
    inventory.write_text("\n".join([RECORDED, *lines, ""]), encoding="utf-8")
    return inventory


def ansible_arguments(arguments: argparse.Namespace) -> list[str]:
    """ansible-playbook's own arguments for a command's."""
    inventories = arguments.inventory
    if not inventories and "ANSIBLE_INVENTORY" not in os.environ:
        inventories = [str(default_inventory())]
    words = [f"--inventory={path}" for path in inventories]
    for name in ("limit", "forks"):
        if (value := getattr(arguments, name)) is not None:
            words.append(f"--{name}={value}")
    for name in ("tags", "skip_tags", "extra_vars", "vault_password_file"):
        words += [f"--{name.replace('_', '-')}={value}" for value in getattr(arguments, name)]
    for name in ("check", "diff", "ask_become_pass", "ask_vault_pass"):
        if getattr(arguments, name):
            words.append(f"--{name.replace('_', '-')}")
    if arguments.verbose:
        words.append(f"-{'v' * arguments.verbose}")
    return words


def default_inventory(root: Path = ROOT) -> Path:
    """The user's own lab, else the embedded one while it is up."""
    mine, simulated = root / "inventory" / "lab", root / "inventory" / "sim"
    if mine.exists():
        return mine
    if (simulated / "hosts.yml").exists():
        return simulated
    raise UsageError(
        "there is no inventory yet. For your own machines: ./navilab init. "
        "To try it without any: sudo ./navilab lab up. Or name one with -i."
    )


def ask_passwords(arguments: argparse.Namespace) -> dict[str, str]:
    """Ask here for what ansible-playbook would ask: it runs behind a pseudo-terminal."""
    answers = {}
    if arguments.ask_become_pass:
        answers[r"BECOME password[^:]*:\s*$"] = getpass.getpass("BECOME password: ")
    if arguments.ask_vault_pass:
        answers[r"Vault password[^:]*:\s*$"] = getpass.getpass("Vault password: ")
    return answers


def document(outcome: Outcome) -> dict[str, Any]:
    """`--json`: what was planned for each host, its checks as the collection returned them, and how it ended.

    A host that could not be reached has the failed check `ssh`, or `reachable` where it is another connection.
    """
    return {
        "exit_code": int(outcome.exit),
        "meaning": outcome.exit.meaning,
        "log": str(outcome.log),
        "hosts": {
            host.name: {
                "status": host.status.value,
                "passed": host.status in (Status.OK, Status.CHANGED),
                "plans": {
                    name: {key: plan[key] for key in ("actions", "warnings")}
                    for name, plan in host.report.plans.items()
                },
                "checks": list(host.report.all_checks),
                "failures": [
                    {"step": str(failure.step), "message": "\n".join(failure.lines), "checks": list(failure.checks)}
                    for failure in host.failures
                ],
            }
            for host in outcome.run.hosts.values()
            if host.report.shown
        },
    }


def _add_playbook_options(command: argparse.ArgumentParser, tags: bool, changes: bool) -> None:
    """ansible-playbook's own, but for those that would do nothing here."""
    add = command.add_argument
    command.set_defaults(tags=[], skip_tags=[], check=False, diff=False)
    add("-i", "--inventory", action="append", default=[], metavar="PATH",
        help="inventory (default: inventory/lab, else inventory/sim while the embedded lab is up)")  # fmt: skip
    add("-l", "--limit", metavar="PATTERN", help="only these hosts")
    if tags:
        add("-t", "--tags", action="append", default=[], help="only what is tagged so")
        add("--skip-tags", action="append", default=[], metavar="TAGS", help="all but what is tagged so")
    if changes:
        add("-C", "--check", action="store_true", help="change nothing, say what would change")
        add("-D", "--diff", action="store_true", help="show the differences in files")
    add("-e", "--extra-vars", action="append", default=[], metavar="VARS", help="key=value, YAML, JSON or @file")
    add("-K", "--ask-become-pass", action="store_true", help="ask for the password of sudo")
    _add_vault_options(command)
    add("-f", "--forks", type=int, metavar="N", help="hosts at a time")
    add("-v", "--verbose", action="count", default=0, help="Ansible's own output instead of the table (-vvv: more)")


def _add_vault_options(command: argparse.ArgumentParser) -> None:
    vault = command.add_mutually_exclusive_group()
    vault.add_argument("-J", "--ask-vault-pass", action="store_true", help="ask for the password of the vault")
    vault.add_argument("--vault-password-file", action="append", default=[], metavar="PATH", help="or read it there")
