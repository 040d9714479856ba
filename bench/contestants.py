"""How each contestant makes each run, and what came of it."""

from __future__ import annotations

import configparser
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import hosts as lab
from bench.measure import Cost, measure

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / "bin"
PYINFRA = ROOT / ".navilab" / "bench" / "venv"
"""pyinfra's own environment: its paramiko beside Ansible would slow each start of Ansible by a quarter of a second."""

# Who takes part in which run. pyinfra's verify is --dry; its site run compares as it goes (-y), its fastest way.
RUNS: dict[str, tuple[str, ...]] = {
    "site": ("ours", "pyinfra", "ssh"),
    "verify": ("ours", "pyinfra"),
    "host_info": ("ours",),
    "first": ("pyinfra", "ssh", "ours"),  # ours last: on its hosts the others find their end state too
}
PLAYBOOKS = {"prepare": "site.yml", "first": "site.yml", "site": "site.yml", "verify": "playbooks/verify.yml"}


@dataclass(frozen=True)
class Result:
    """One run of one contestant. What it can't tell is None; `seconds` are those of each task (Ansible alone)."""

    cost: Cost
    failed: list[str]
    changed: int = 0
    tasks: int | None = None
    shown: int | None = None
    forks: int | None = None
    round_trips: int | None = None  # of the host with the most
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """What all runs share: the checkout that is measured, where logs go, seconds that a run may take."""

    checkout: Path
    logs: Path
    timeout: float

    def run(self, run: str, contestant: str, names: list[lab.Host]) -> Result:
        """Make one run on these names, each time with new connections."""
        with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
            directory = Path(temporary)
            lab.write(names, directory, self.checkout / "inventory" / "sim" / "group_vars")
            log = self.logs / f"{run}-{len(names)}-{contestant}.log"
            contest = {"ours": self._ours, "pyinfra": self._pyinfra, "ssh": self._ssh}[contestant]
            return contest(run, names, directory, log)

    def _ours(self, run: str, names: list[lab.Host], directory: Path, log: Path) -> Result:
        counts = directory / "counts.json"
        with self._collections(directory) as collections:
            environment = os.environ | {
                "PATH": f"{BIN}:{os.environ['PATH']}",
                "ANSIBLE_CONFIG": str(self.checkout / "ansible.cfg"),
                "ANSIBLE_COLLECTIONS_PATH": str(collections),
                "ANSIBLE_CALLBACK_PLUGINS": _beside(
                    self.checkout, "callback_plugins", ROOT / "bench" / "callback_plugins"
                ),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(directory / "cp"),
                "NAVILAB_BENCH_COUNTS": str(counts),
            }
            playbook = self.checkout / PLAYBOOKS[run] if run in PLAYBOOKS else ROOT / "bench" / f"{run}.yml"
            command = [str(BIN / "ansible-playbook"), f"--inventory={directory / 'inventory'}", str(playbook)]
            cost = measure(command, log, environment, self.timeout)
        if not counts.exists():
            return Result(cost, [host.name for host in names])
        document = json.loads(counts.read_text(encoding="utf-8"))
        return Result(
            cost,
            document["failed"] or ([host.name for host in names] if cost.status else []),
            sum(document["changed"].values()),
            document["tasks"],
            document["shown"],
            document["forks"],
            max(document["round_trips"].values(), default=0),
            document["seconds"],
        )

    @contextmanager
    def _collections(self, directory: Path) -> Iterator[Path]:
        """Where the collection's name resolves to the checkout: through its own link, else through one made here."""
        if (self.checkout / "collections" / "ansible_collections" / "navilab" / "webui").exists():
            yield self.checkout / "collections"
            return
        link = directory / "collections" / "ansible_collections" / "navilab" / "webui"
        link.parent.mkdir(parents=True)
        link.symlink_to(self.checkout)
        yield directory / "collections"

    def _pyinfra(self, run: str, names: list[lab.Host], directory: Path, log: Path) -> Result:
        counts, printed = directory / "counts.json", directory / "printed.json"
        environment = os.environ | {
            "NAVILAB_BENCH_HOSTS": str(directory / "pyinfra.json"),
            "NAVILAB_BENCH_COUNTS": str(counts),
        }
        here = ROOT / "bench" / "pyinfra"
        command = [str(_pyinfra_python()), str(here / "run.py"), "--json", "--dry" if run == "verify" else "-y"]
        command += [str(here / "inventory.py"), str(here / "deploy.py")]
        cost = measure(command, log, environment, self.timeout, printed)
        try:
            document = json.loads(printed.read_text(encoding="utf-8"))
        except ValueError:  # it failed before there was anything to say
            return Result(cost, [host.name for host in names])
        if results := document["results"]:
            failed, changed = results["failed_hosts"], results["totals"]["success"]
        else:
            failed, changed = [], sum(len(operation["hosts_with_change"]) for operation in document["plan"])
        trips = json.loads(counts.read_text(encoding="utf-8"))
        failed = failed or ([host.name for host in names] if cost.status else [])
        return Result(cost, failed, changed, tasks=len(document["plan"]), round_trips=max(trips.values(), default=0))

    def _ssh(self, run: str, names: list[lab.Host], directory: Path, log: Path) -> Result:
        script = "first" if run == "first" else "read"
        (directory / "names").write_text("".join(f"{host.name}\n" for host in names), encoding="utf-8")
        ssh = f"ssh -F ssh_config {{}} sudo sh -s <{{}}.{script}.sh >{{}}.log 2>&1 || : >{{}}.failed"
        one = f"xargs --arg-file=names -P {lab.FORKS} -I{{}} sh -c {shlex.quote(ssh)}"
        cost = measure(["sh", "-c", f"cd {shlex.quote(str(directory))} && {one}"], log, os.environ, self.timeout)
        log.write_text(
            "".join(f"== {p.stem}\n{p.read_text(errors='replace')}" for p in sorted(directory.glob("*.log")))
        )
        failed = [host.name for host in names if (directory / f"{host.name}.failed").exists() or cost.status]
        return Result(cost, failed, round_trips=1)


def _pyinfra_python() -> Path:
    """The Python that has pyinfra, made at the first call from bench/requirements.lock; compiled, as ./navilab does."""
    lock, stamp = ROOT / "bench" / "requirements.lock", PYINFRA / "lock"
    python = PYINFRA / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != lock.read_text(encoding="utf-8"):
        subprocess.run([sys.executable, "-m", "venv", "--clear", PYINFRA], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--require-hashes", "--requirement", str(lock)], check=True, stdout=sys.stderr)
        subprocess.run([python, "-m", "compileall", "-q", "-j", "0", PYINFRA / "lib"], check=False, stdout=sys.stderr)
        stamp.write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")
    return python


def _beside(checkout: Path, key: str, more: Path) -> str:
    """A path setting of the checkout's ansible.cfg with one more: the environment's would replace it."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(checkout / "ansible.cfg", encoding="utf-8")
    own: list[Any] = config.get("defaults", key, fallback="").split(":")
    return ":".join([*(str(checkout / path) for path in own if path), str(more)])
