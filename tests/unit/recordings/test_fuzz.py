"""Recordings that somebody broke: never a traceback, never a hang, never a path outside of them.

NAVILAB_FUZZ is how many are tried; NAVILAB_FUZZ_FROM is the first one's number, to try one again.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import gzip
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import recordings
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar

ROOT = Path(__file__).parents[3]

COUNT = int(os.environ.get("NAVILAB_FUZZ", "200"))
FIRST = int(os.environ.get("NAVILAB_FUZZ_FROM", "0"))
CHUNK = 50
CPU_S = 5.0
CASES = recordings.cases()
OWN_NAME = "/proc/self/loginuid"  # who runs the controller
STEPS = ["preflight", "amdgpu_dkms", "firmware", "gpu_access", "reboot", "docker_engine", "webui", "verify"]
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 10**30, 10**400, "", "x", "a" * 100000, "\0", "\ud800", "/", "../../..",
    "{{ 7 * 7 }}", "²", "0x", "[" * 5000, [], {}, [[]], [None], ["a", 1], {"": {}}, {"a": [{}]},
)  # fmt: skip
LINES = (
    "a" * 70000, "[" * 70000, "=" * 70000, "a=b " * 20000, "{" * 70000, " " * 70000, "9" * 70000, "-" * 70000,
    "\\" * 70000, "deb " * 20000, "deb [" + "a=b " * 20000, "a:" * 30000, "://" * 20000, "a@" * 30000,
    "\t\n" * 30000, ", " * 30000,
)  # fmt: skip
PARTS = ("answers", "answers", "answers", "stat", "stat", "errors", "listed", "settings")
DOCUMENTS = ("[" * 100000, '{"a":' * 50000, '{"answers": {"boot time": NaN}}', '{"stat": ' + "9" * 100000)


# -- what is done to a recording ---------------------------------------------------------------------------------------


def files_of(folder: Path, chance: random.Random) -> list[Path]:
    found = [path for path in recordings.below(folder / "root") if not path.is_symlink() and path.is_file()]
    chance.shuffle(found := sorted(found))
    return found


def replace(path: Path) -> Path:
    """Where something was, nothing is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def garble(path: Path, chance: random.Random) -> None:
    """Another content, or no regular file any more."""
    data = path.read_bytes() if path.stat().st_size < 1 << 24 else b""
    lines = data.splitlines(keepends=True)
    at = chance.randrange(len(data) + 1)
    kind = chance.randrange(20)
    if kind == 0:
        path.unlink()
    elif kind == 1:
        path.write_bytes(b"")
    elif kind == 2:
        path.write_bytes(data[:at])
    elif kind == 3:
        path.write_bytes(chance.randbytes(chance.choice([1, 16, 5000])))
    elif kind == 4:
        path.write_bytes(data[:at] + chance.randbytes(8) + data[at:])
    elif kind == 5:
        changed = bytearray(data)
        for _ in range(min(len(changed), 5)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        path.write_bytes(changed)
    elif kind == 6:
        with path.open("r+b") as stream:
            stream.truncate(1 << 40)
    elif kind == 7:
        path.write_bytes(data * (1 + (3 << 20) // max(len(data), 1)))
    elif kind == 8:
        replace(path).mkdir()
    elif kind == 9:
        os.mkfifo(replace(path))
    elif kind == 10:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:  # its name may be too long
            sock.bind(str(replace(path)))
    elif kind == 11:
        chance.shuffle(lines)
        path.write_bytes(b"".join(lines))
    elif kind == 12:
        path.write_bytes(data + chance.choice(LINES).encode() + b"\n")
    elif kind == 13:
        path.write_bytes(chance.choice(LINES).encode())
    elif kind == 14:
        path.write_bytes(data.replace(b"0", b"-1").replace(b"1", b"9" * 40))
    elif kind == 15:
        path.write_bytes(data.decode("utf-8", "replace").encode(chance.choice(["utf-16", "utf-32", "utf-7"])))
    elif kind == 16 and lines:
        path.write_bytes(b"".join(lines * chance.choice([2, 2000])))
    elif kind == 17:
        path.write_bytes(data.replace(b" ", b"").replace(b"=", b""))
    elif kind == 18:
        path.write_bytes(data.swapcase().replace(b"\n", b"\r\n"))
    else:
        link(path, chance)


def link(path: Path, chance: random.Random) -> None:
    outside = ["/etc/passwd", "/etc", "/", "/proc/self/environ", "/dev/zero", "/dev/tty", "../" * 40 + "etc/shadow"]
    inside = [path.name, "..", ".", "/etc/../etc", f"{path.name}/x", "missing", "a/" * 2000 + "a", "/sys/class/drm"]
    with contextlib.suppress(OSError):
        replace(path).symlink_to(chance.choice([*outside, *inside]))


def disturb(folder: Path, chance: random.Random) -> None:
    """Something else in place of a directory, or in it."""
    found = [path for path in recordings.below(folder / "root") if path.is_dir() and not path.is_symlink()]
    path = chance.choice(found or [folder / "root"])
    kind = chance.randrange(6)
    if kind == 0:
        replace(path)
    elif kind == 1:
        replace(path).write_bytes(b"x")
    elif kind == 2:
        link(path, chance)
    elif kind == 3:
        for number in range(5000 if chance.randrange(10) == 0 else 100):
            (path / f"{number}.conf").touch()
    elif kind == 4:
        for name in (b"\xff\xfe", b"new\nline", b"\x1b[31m", b" ", b"a" * 255, "²".encode(), b"-1", b"..."):
            Path(os.fsdecode(os.fsencode(path) + b"/" + name)).touch()
    else:
        deep = path
        with contextlib.suppress(OSError):
            for _ in range(chance.choice([10, 300])):
                deep = deep / "d"
                deep.mkdir(exist_ok=True)


def twist(value: Any, chance: random.Random, deeper: float = 0.85) -> Any:
    """JSON with one part of it exchanged or dropped."""
    if isinstance(value, (dict, list)) and value and chance.random() < deeper:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = chance.choice(list(keys))
        if chance.random() < 0.15:
            del value[key]
        else:
            value[key] = twist(value[key], chance)
        return value
    return copy.deepcopy(chance.choice(JUNK))


def garble_manifest(folder: Path, chance: random.Random) -> None:
    path = folder / "recording.json"
    if path.is_symlink() or not path.is_file():
        return
    kind = chance.randrange(20)
    if kind == 0:
        garble(path, chance)
    elif kind == 1:
        path.write_text(chance.choice([*DOCUMENTS, *map(json.dumps, JUNK)]))
    else:
        with contextlib.suppress(ValueError, RecursionError, AttributeError, LookupError, TypeError):
            document = json.loads(path.read_bytes() if path.stat().st_size < 1 << 24 else b"")
            for _ in range(chance.randrange(1, 8)):
                part = chance.choice([*PARTS, ""])
                if part and not document.get(part):
                    said = [errno.EACCES, errno.EIO, ["a", "b.conf"], *JUNK]
                    document[part] = {name: chance.choice(said) for name in chance.sample([*document["stat"]], 20)}
                elif part:
                    document[part] = twist(document[part], chance, 0.99)
                elif kind == 2:
                    document = twist(document, chance)
            path.write_text(json.dumps(document))


def exchange_top(folder: Path, chance: random.Random) -> None:
    """recording.json or root/ are not what they should be."""
    path = folder / chance.choice(["recording.json", "root"])
    kind = chance.randrange(4)
    if kind == 0:
        link(path, chance)
    elif kind == 1:
        replace(path)
    elif kind == 2:
        os.mkfifo(replace(path))
    else:
        replace(path).symlink_to("/" if path.name == "root" else "/etc/os-release")


def garble_archive(folder: Path, chance: random.Random) -> Path:
    """The recording as an archive, which was damaged or made to do harm."""
    archive = folder.with_name("broken.tar.gz")
    with contextlib.suppress(OSError, MemoryError):
        recordings.pack(folder, archive)
    data = archive.read_bytes() if archive.exists() else b""
    if not data:
        return folder
    plain = bytearray(gzip.decompress(data)) if len(data) < 1 << 20 else bytearray(data)
    kind = chance.randrange(5)
    if kind == 0:
        data = data[: chance.randrange(len(data))]
    elif kind == 1:
        at = chance.randrange(len(data))
        data = data[:at] + chance.randbytes(chance.choice([1, 50])) + data[at + 1 :]
    elif kind in (2, 3):
        for _ in range(chance.randrange(1, 30)):
            size = max(len(plain), 1)
            start = 512 * chance.randrange(max(size // 512, 1)) if kind == 2 else chance.randrange(size)
            for at in range(start, min(start + chance.choice([1, 12, 100]), len(plain))):
                plain[at] = chance.choice([0, 0x2F, 0x2E, 0x37, 0x80, 0xFF, chance.randrange(256)])
        data = gzip.compress(bytes(plain), 1)
    else:
        data = gzip.compress(b"root/\0" * chance.choice([1, 1000]) + bytes(1 << 27), 1)
    archive.write_bytes(data)
    return archive


def mutate(folder: Path, chance: random.Random) -> Path:
    for _ in range(chance.randrange(1, 5)):
        kind = chance.random()
        if kind < 0.5 and (found := files_of(folder, chance)):
            garble(found[0], chance)
        elif kind < 0.65:
            disturb(folder, chance)
        else:
            garble_manifest(folder, chance)
    if chance.random() < 0.05:
        exchange_top(folder, chance)
    return garble_archive(folder, chance) if chance.random() < 0.15 else folder


# -- what comes of it --------------------------------------------------------------------------------------------------


class Watch:
    """What is opened or run meanwhile, outside of the recording."""

    def __init__(self) -> None:
        self.allowed: tuple[str, ...] = ()
        self.strayed: list[str] = []
        tempfile.gettempdir()  # which is tried out once
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.allowed:
            return
        if event in ("open", "os.listdir", "os.scandir", "os.chdir", "shutil.rmtree"):
            self.see(event, arguments[0])
        elif event.startswith(("subprocess.", "os.exec", "os.posix_spawn", "os.system", "socket.connect")):
            self.strayed.append(f"{event} {arguments!r:.200}")

    def see(self, event: str, path: Any) -> None:
        if isinstance(path, (str, bytes, os.PathLike)):
            text = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 -- no link is followed
            own = any(text == place or text.startswith(f"{place}/") for place in self.allowed)
            if not own and not any(place.startswith(f"{text.rstrip('/')}/") for place in self.allowed):
                self.strayed.append(f"{event} {text}")

    @contextlib.contextmanager
    def over(self, *places: str) -> Iterator[None]:
        self.strayed = []
        self.allowed = (*map(os.path.realpath, places), OWN_NAME)
        try:
            yield
        finally:
            self.allowed = ()


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    """What is looked at is told by the audit hook, but for stat and readlink."""
    found = Watch()
    with tempfile.TemporaryDirectory() as folder:  # Ansible looks for its plugins once
        judged(recordings.build(CASES[0], Path(folder, "recording")))
    real = {name: getattr(os, name) for name in ("stat", "lstat", "readlink")}

    def seeing(name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **more: Any) -> Any:
            if found.allowed and "dir_fd" not in more:
                found.see(name, path)
            return real[name](path, *rest, **more)

        return call

    for name in real:
        setattr(os, name, seeing(name))
    yield found
    for name, function in real.items():
        setattr(os, name, function)


class TooSlow(BaseException):
    """More than CPU_S seconds of processor time."""


def judged(recording: Path) -> dict[str, Any]:
    """What the action plan says of a recording."""
    from ansible_collections.navilab.webui.plugins.action.plan import ActionModule

    loader, variables = DataLoader(), {"navilab_recorded": str(recording), "inventory_hostname": "broken"}
    task = Task.load({"ansible.builtin.debug": {}}, loader=loader)
    task.args, task.check_mode = {"steps": STEPS}, False
    plugin = ActionModule(
        task=task,
        connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere")),
        play_context=PlayContext(),
        loader=loader,
        templar=Templar(loader=loader, variables=variables),
        shared_loader_obj=None,
    )
    found: dict[str, Any] = plugin.run(task_vars=variables)
    return found


def attempt(number: int, watch: Watch, folder: Path) -> str:
    """What is wrong with the judgement of one broken recording; empty if nothing is."""
    chance = random.Random(number)
    case = chance.choice(CASES)
    recording = mutate(recordings.build(case, folder / "recording"), chance)
    where = f"NAVILAB_FUZZ_FROM={number} (of {case.name})"

    def late(_signal: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        with watch.over(str(folder), str(ROOT), sys.prefix, sys.base_prefix, "/dev/null"):
            result = judged(recording)
        strayed = [text for text in watch.strayed if not re.match(rf"\S+ {tempfile.gettempdir()}(?:/navilab-|$)", text)]
        json.dumps(result, default=str).encode()
    except TooSlow:
        return f"{where}: more than {CPU_S} s"
    except Exception as error:
        return f"{where}: {type(error).__name__}: {error!s:.300}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    if strayed:
        return f"{where}: {strayed[:5]}"
    if not result.get("ansible_facts") and not result.get("checks"):
        return f"{where}: neither a plan nor a problem: {result!r:.300}"
    return ""


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_a_broken_recording_is_judged_or_refused(tmp_path: Path, watch: Watch, first: int) -> None:
    wrong = []
    for number in range(first, min(first + CHUNK, FIRST + COUNT)):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            text = attempt(number, watch, folder)
        except TooSlow:  # on its way out
            text = f"NAVILAB_FUZZ_FROM={number}: more than {CPU_S} s"
        wrong += [text] if text else []
        shutil.rmtree(folder, ignore_errors=True)
    if wrong:
        pytest.fail("\n".join(wrong))
