# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container takes another one's place: the old one is put aside, and comes back where the new one is no good.

What is put aside keeps its container under another name, stopped, so that going back is a rename and a start. The
user's small settings are copied first, with the owner's rights: below the data directory root follows nobody's links.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import http.client
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from ._net import PENDING, PROGRESS, mapping, said
from ._ready import epoch

SAVED = ".navilab"
"""Below a webui's data: its settings, a directory a change of its container."""
OF_IMAGE = "image"  # the file there that names the image that they were used with
SMALL = 1 << 20
SUFFIXES = (".csv", ".json", ".txt", ".yaml", ".yml")
NO_SETTING = "selftest.json"
_INTERVAL = 1.0
_PICTURE = {"prompt": "a lighthouse", "steps": 2, "width": 64, "height": 64, "seed": 1}
_PNG = b"\x89PNG\r\n\x1a\n"

Run = Callable[[list[str]], "tuple[int, str, str]"]
"""A program on the host: (exit code, stdout, stderr)."""


class Swap(TypedDict):
    """One webui whose container changes places. `do` is what is to be done first (see plugin_utils' _webui_swap);
    `data` is where its settings lie, `images` are those of the old and of the new container."""

    name: str
    previous: str
    port: int
    do: str
    data: str
    images: list[str]
    restart_policy: str


class SwapError(Exception):
    """The engine, or the file system, did not do it; the text says why."""


def _docker(run: Run, *words: str) -> str:
    rc, out, err = run(["docker", *words])
    if rc:
        raise SwapError(f"docker {' '.join(words[:2])}: {' '.join((err or out).split()) or f'exit code {rc}'}")
    return out.strip()


def exists(run: Run, name: str) -> bool:
    """Whether there is a container of this name."""
    return name in _docker(run, "ps", "--all", "--format", "{{.Names}}").split()


def drawing(port: int) -> bool:
    """Whether a webui draws, or has pictures waiting. One that refuses to answer draws nothing; one that only takes
    its time is busy."""
    for path, busy in ((PENDING, _pending), (PROGRESS, _jobs)):
        answer, error = said(f"http://127.0.0.1:{port}{path}")
        if "timed out" in error or busy(answer):
            return True
    return False


def _pending(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("size"))


def _jobs(answer: Mapping[str, Any]) -> bool:
    state = answer.get("state")
    return isinstance(state, dict) and bool(state.get("job_count"))


def wait_idle(port: int, seconds: float) -> tuple[float, bool]:
    """(seconds waited, whether it draws still)."""
    start = time.monotonic()
    while True:
        busy, waited = drawing(port), time.monotonic() - start
        if not busy or waited + _INTERVAL > seconds:
            return waited, busy
        time.sleep(_INTERVAL)


def as_owner(uid: int, gid: int, work: Callable[[], str]) -> str:
    """What `work` returns, done by a process with these rights alone."""
    if os.geteuid() != 0:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            os.umask(0o022)
            said = work()
            code = 0
        except Exception as error:  # whatever it is, it must not run on as a second module
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode(errors="replace")[:4000])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        said = pipe.read()
    if os.waitpid(child, 0)[1]:
        raise SwapError(said or "a process that was to save settings died")
    return said


def save(data: str, image: str, keep: int) -> str:
    """Copy a webui's small settings into a directory of their own below its data; the newest `keep` stay."""
    source, top = Path(data), Path(data) / SAVED
    top.mkdir(exist_ok=True)
    if top.is_symlink():
        raise OSError(f"{top} is a link")
    stamp = time.strftime("settings-%Y%m%d-%H%M%S")
    target = next(path for path in (top / f"{stamp}{end}" for end in ("", *map(str, range(100)))) if not path.exists())
    target.mkdir()
    (target / OF_IMAGE).write_text(f"{image}\n", encoding="utf-8")
    for path in sorted(source.iterdir()):
        if path.suffix in SUFFIXES and path.name != NO_SETTING:
            _copy(path, target / path.name)
    for old in _saved(top)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return str(target)


def restore(data: str, image: str) -> str:
    """Bring back the settings that were last saved of an image; the path that they came from, empty if there is none.
    Files that it did not have stay."""
    for found in _saved(Path(data) / SAVED):
        try:
            named = (found / OF_IMAGE).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if named == image:
            for path in sorted(found.iterdir()):
                if path.name != OF_IMAGE:
                    part = Path(data) / f".{path.name}.part"
                    part.unlink(missing_ok=True)
                    if _copy(path, part):
                        part.replace(Path(data) / path.name)
            return str(found)
    return ""


def _saved(top: Path) -> list[Path]:
    """The newest first."""
    return sorted((path for path in top.glob("settings-*") if path.is_dir() and not path.is_symlink()), reverse=True)


def _copy(source: Path, target: Path) -> bool:
    """Copy a small regular file; whether it was one."""
    try:
        handle = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # a link, or one that the owner may not read
        return False
    with os.fdopen(handle, "rb") as file:
        seen = os.fstat(handle)
        if not stat.S_ISREG(seen.st_mode) or seen.st_size > SMALL:
            return False
        target.write_bytes(file.read(SMALL))
    target.chmod(stat.S_IMODE(seen.st_mode) & 0o777)
    return True


def prepare(swap: Swap, seconds: float, keep: int, owner: tuple[int, int]) -> dict[str, Any]:
    """What takes its time while the old container runs: the picture that it draws is waited for, its settings are
    saved. What came of it, for a person."""
    found: dict[str, Any] = {"name": swap["name"], "waited": 0, "drawing": False, "saved": "", "restored": ""}
    if swap["do"] == "begin":
        waited, found["drawing"] = wait_idle(swap["port"], seconds)
        found["waited"] = int(waited)
        found["saved"] = as_owner(*owner, lambda: save(swap["data"], swap["images"][0], keep))
    return found


def begin(run: Run, swap: Swap, owner: tuple[int, int], restores: bool) -> str:
    """Make way for the new container; where its settings were restored from, empty if they were not."""
    name, previous, do = swap["name"], swap["previous"], swap["do"]
    if do == "begin":
        _docker(run, "update", "--restart", "no", name)  # a boot in between starts one of them, not both
        _docker(run, "stop", name)
        _docker(run, "rename", name, previous)
    elif do in ("redo", "return") and exists(run, name):
        _docker(run, "rm", "--force", name)
    if do == "return":
        _docker(run, "rename", previous, name)
    if restores and do == "begin":
        return as_owner(*owner, lambda: restore(swap["data"], swap["images"][1]))
    return ""


def back(run: Run, swap: Swap) -> dict[str, Any]:
    """The old container runs again; whether there was one that had been put aside."""
    name, previous = swap["name"], swap["previous"]
    aside = exists(run, previous)
    if aside:
        if exists(run, name):
            _docker(run, "rm", "--force", name)
        _docker(run, "rename", previous, name)
    _docker(run, "update", "--restart", swap["restart_policy"], name)
    finished = _docker(run, "container", "inspect", "--format", "{{.State.FinishedAt}}", name)
    _docker(run, "start", name)
    change = _change(swap, finished, time.time())
    return {**change, "back": True} if aside else {**change, "back": False, "downtime": None}


def settle(run: Run, swap: Swap, answered: float) -> dict[str, Any] | None:
    """The new container is good, and has answered at this time: the old one goes, for good. None where there is
    none."""
    previous = swap["previous"]
    if not exists(run, previous):
        return None
    finished = _docker(run, "container", "inspect", "--format", "{{.State.FinishedAt}}", previous)
    with contextlib.suppress(SwapError):  # the new one is good all the same, and the next run takes it away
        _docker(run, "rm", previous)
    return {**_change(swap, finished, answered), "back": False}


def _change(swap: Swap, finished: str, now: float) -> dict[str, Any]:
    """From which image to which, and for how long nothing answered: from the old container's end on, by the host's
    clock."""
    ended = epoch(finished)
    return {
        "name": swap["name"],
        "from": swap["images"][0],
        "to": swap["images"][1],
        "downtime": max(0, round(now - ended)) if ended else None,
    }


def draw(port: int, seconds: float) -> str:
    """Have a small picture drawn; why it was none, empty if it is one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        body = json.dumps(_PICTURE)
        connection.request("POST", "/sdapi/v1/txt2img", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        answer = reply.read()
        if reply.status != 200:
            return f"/sdapi/v1/txt2img answers {reply.status} {answer[:200].decode(errors='replace')}"
        images = mapping(answer).get("images")
        picture = base64.b64decode(str(images[0]) if isinstance(images, list) and images else "")
    except (OSError, http.client.HTTPException, binascii.Error) as error:
        return f"/sdapi/v1/txt2img: {error or type(error).__name__}"
    finally:
        connection.close()
    return "" if picture.startswith(_PNG) else "/sdapi/v1/txt2img answers without a picture"
