# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dockerd would say to a daemon.json, asked of dockerd itself under the unit's own command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ._docker_config import CONFIG, KEYS, directives, public_text
from ._docker_unit import Command, command_of
from ._sysfs import Tree, describe
from ._types import DockerdAnswer, DockerdQuestion

_TIMEOUT = 10.0
_LENGTH = 400
_SKIPPED = frozenset({"builder", "features"})  # keys without a flag
# Flags that --help does not show.
_HIDDEN = frozenset(
    "allow-nondistributable-artifacts api-cors-header cluster-advertise cluster-store cluster-store-opts "
    "deprecated-key-path graph network-diagnostic-port oom-score-adjust restart".split()
)


def validate(question: DockerdQuestion) -> DockerdAnswer:
    """The answer of this host's dockerd. Changes nothing."""
    command = command_of(Tree("/"))
    program = command.program or shutil.which("dockerd") or ""
    if program.rpartition("/")[2] != "dockerd" or command.arguments is None:
        return {"valid": None, "error": "docker.service does not run dockerd itself"}
    try:
        return _ask(program, command, question["config"])
    except (OSError, subprocess.SubprocessError) as error:
        return {"valid": None, "error": f"{program}: {describe(error)}"}


def _ask(program: str, command: Command, config: str) -> DockerdAnswer:
    handle, path = tempfile.mkstemp(prefix="navilab-", suffix=".json")  # for its owner alone
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(config)
        arguments = [*_without_file(command.arguments or []), "--validate", "--config-file", path]
        done = _run([program, *arguments], command.environment)
    finally:
        Path(path).unlink()
    said = (done.stderr + done.stdout).decode("utf-8", "replace").replace(path, CONFIG)
    if done.returncode == 0:
        return {"valid": True, "error": ""}
    if "unknown flag: --validate" in said:  # before 23
        return _by_help(program, command.environment, config)
    return {"valid": False, "error": _gist(said)}


def _run(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return subprocess.run(  # pylint: disable=ansible-bad-function
        command, env={"PATH": path, **environment, "LC_ALL": "C.UTF-8"}, cwd="/", stdin=subprocess.DEVNULL,
        capture_output=True, timeout=_TIMEOUT, check=False,
    )  # fmt: skip


def _without_file(arguments: Sequence[str]) -> list[str]:
    """A command line without the daemon.json that it names."""
    left: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--config-file":
            words = words[1:]
        elif not word.startswith("--config-file="):
            left.append(word)
    return left


def _gist(said: str) -> str:
    """dockerd's own words, on one line and without logins."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("See 'dockerd")]
    text = re.sub(r"^Status: |, Code: \d+$", "", lines[-1] if lines else "it says nothing")
    text = text.replace(f"unable to configure the Docker daemon with file {CONFIG}: ", "")
    return public_text(text)[:_LENGTH]


def _by_help(program: str, environment: Mapping[str, str], config: str) -> DockerdAnswer:
    """For a dockerd that can't validate: whether it has the options that the file names at all."""
    shown = _run([program, "--help"], environment).stdout.decode("utf-8", "replace")
    flags = set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", shown, re.M))
    if not flags:
        return {"valid": None, "error": "it has no --validate"}
    known = flags | {KEYS[name] for name in flags if name in KEYS} | _SKIPPED | _HIDDEN
    strange = sorted(directives(json.loads(config)).keys() - known)
    if strange:
        words = f"the following directives don't match any configuration option: {', '.join(strange)}"
        return {"valid": False, "error": words}
    return {"valid": None, "error": "it has no --validate"}
