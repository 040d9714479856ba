"""What every part of the lab uses: where things are, what an error says, how progress is shown."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STATE = ROOT / ".navilab" / "lab"
HERE = Path(__file__).resolve().parent

# Labels of everything that the lab makes in the engine; `down` finds its things by them and touches nothing else.
LABEL = "navilab.lab"  # key of the lab
LABEL_FOLDER = "navilab.folder"  # where that lab's keys are, for a person who wonders whose it is
LABEL_ROLE = "navilab.role"  # host | registry | image
LABEL_HOST = "navilab.host"
LABEL_SUITE = "navilab.suite"
LABEL_BOARD = "navilab.board"
LABEL_RECIPE = "navilab.recipe"  # digest of all that the thing was made from


@dataclass(frozen=True)
class Lab:
    """A lab of one checkout: its name there, and the folder of its keys."""

    name: str
    folder: Path

    @property
    def key(self) -> str:
        """What the engine knows it by: two checkouts may each have a lab of one name."""
        return f"{self.name}-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]}"

    @property
    def network(self) -> str:
        return f"navilab-{self.key}"

    def host(self, name: str) -> str:
        """As Ansible and the host itself have it."""
        return f"{self.name}-{name}"

    def container(self, host: str) -> str:
        return f"{self.key}-{host}"


class LabError(Exception):
    """Something that the user can do something about: what happened, and what to do."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what}\n  {remedy}" if remedy else what)
        self.what = what
        self.remedy = remedy


def say(text: str) -> None:
    """One line of progress, at once, also through a pipe."""
    print(text, flush=True)


def which(tool: str) -> str | None:
    """A program, also where only root's PATH has it."""
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def ssh_words(folder: Path, address: str, port: int) -> list[str]:
    """ssh to a host of the lab whose keys are in folder."""
    return [
        "ssh", "-i", str(folder / "id_ed25519"), "-o", f'UserKnownHostsFile="{folder / "known_hosts"}"',
        "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes", "-p", str(port), f"lab@{address}",
    ]  # fmt: skip


@contextmanager
def slow(text: str) -> Iterator[None]:
    """A step that lets people wait: shown at its start and, with its time, at its end; a spinner on a terminal."""
    start = time.monotonic()
    if sys.stdout.isatty():
        from rich.console import Console

        with Console().status(text):
            yield
    else:
        say(f"{text} ...")
        yield
    say(f"{text}: done ({time.monotonic() - start:.0f} s)")


@contextmanager
def lock(path: Path, what: str) -> Iterator[None]:
    """One process at a time; the next one says what it waits for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that works on {what}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def tree_digest(*parts: Path | str) -> str:
    """SHA-256 over strings and over files with their names, modes and content: what a recipe is compared by."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(b"s" + part.encode() + b"\0")
            continue
        for path in [part, *sorted(part.rglob("*"))]:
            if "__pycache__" in path.parts:
                continue
            total.update(f"p{path.relative_to(part)}\0{path.lstat().st_mode:o}\0".encode())
            if path.is_symlink():
                total.update(str(path.readlink()).encode())
            elif path.is_file():
                total.update(path.read_bytes())
    return total.hexdigest()


def discard(folder: Path) -> None:
    """A folder that a killed mmdebstrap may have left with /proc and /sys mounted in it: those are not gone into."""
    subprocess.run(["rm", "-rf", "--one-file-system", folder], stderr=subprocess.DEVNULL, check=False)


@contextmanager
def workshop(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder for mmdebstrap, whose apt downloads as a user of its own; `discard`ed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        discard(folder)
