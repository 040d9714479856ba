# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What daemon.json is to become, beside what its unit's command line says, and whether dockerd would start with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.navilab.webui.plugins.module_utils._docker_config import (
    DEFAULT_LOG_DRIVER,
    DEFAULT_ROOT,
    Conflict,
    Flags,
    conflicts,
    flags_of,
    given_twice,
    listens_elsewhere,
    log_driver,
    of_another_version,
    public,
    render,
    same,
    takes,
)
from ansible_collections.navilab.webui.plugins.module_utils._filesystems import unfit
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Docker, DockerdQuestion, Facts

from .._answers import dockerd_answer
from .._text import problem
from ._base import Settings

VARIABLES = {
    "data-root": "docker_engine_data_root",
    "insecure-registries": "docker_engine_insecure_registries",
    "registry-mirrors": "docker_engine_registry_mirrors",
}
"""Variables that are a key of daemon.json; all others stand in docker_engine_daemon."""
REFUSED = "docker_config"
FIRST_VERSION = 17
"""Docker's versions are years since this one."""
COMING = {"bullseye": 20, "bookworm": 20, "trixie": 26, "docker-ce": 29}
"""The major version that a release of Debian has, and Docker's own repository at least."""


NO_NETWORK = Conflict(("bridge",), "the engine has no network for containers (bridge: none): no webui is reached")


class Intended(NamedTuple):
    """daemon.json as it is to be, without secrets. `ours` is what of it the role brings, `changed` are the keys that
    differ, `twice` what the variables ask for although a flag says otherwise."""

    merged: dict[str, Any]
    ours: dict[str, Any]
    changed: list[str]
    twice: list[Check]


def merge_daemon(
    current: Mapping[str, Any], defaults: Mapping[str, Any], wanted: Mapping[str, Any], ours: Mapping[str, Any]
) -> dict[str, Any]:
    """daemon.json as it should be: what the user asks for wins, then what stands there, then our defaults.

    A key that the record calls ours is kept at our value, so that a drift is repaired; one no longer wanted goes away,
    unless somebody else has changed it since.
    """
    gone = {key for key in ours if key not in wanted and key not in defaults and current.get(key) == ours[key]}
    merged = {key: value for key, value in current.items() if key not in gone}
    for key, value in defaults.items():
        if key not in current or key in ours:
            merged[key] = value
    merged.update(wanted)
    return merged


def intend(docker: Docker, defaults: Mapping[str, Any], wanted: Mapping[str, Any], ours: Mapping[str, Any]) -> Intended:
    """What the variables make of the host's daemon.json: what a flag sets stays out of it."""
    current, flags = docker["config"] or {}, flags_of(docker["unit"]["arguments"])
    wanted, twice = _without_flags(docker, public(dict(wanted)), flags)
    defaults = {key: value for key, value in public(dict(defaults)).items() if not given_twice(key, value, flags)}
    options = _log_opts(current, defaults, wanted, ours, flags)
    defaults = {key: value for key, value in defaults.items() if key != "log-opts"}
    if options:
        defaults["log-opts"] = options
    merged = merge_daemon(current, defaults, wanted, ours)
    changed = sorted(key for key in {*merged, *current} if merged.get(key) != current.get(key))
    # What stood there before with the same value is the user's, and stays when we go.
    kept = {
        key: value
        for key, value in merged.items()
        if (key in wanted or key in defaults) and (key in ours or current.get(key) != value)
    }
    return Intended(merged, kept, changed, twice)


def _without_flags(docker: Docker, wanted: Mapping[str, Any], flags: Flags) -> tuple[dict[str, Any], list[Check]]:
    """What is wanted and no flag says already, and a problem for each that a flag says differently."""
    left: dict[str, Any] = {}
    twice: list[Check] = []
    for key, value in wanted.items():
        names = given_twice(key, value, flags)
        other = [name for name in names if not same(value if name == key else value[name], flags[name])]
        if not names:
            left[key] = value
        for name in other:
            variable = VARIABLES.get(key, "docker_engine_daemon")
            where = ", ".join(docker["unit"]["paths"]) or "docker.service"
            twice.append(
                problem(
                    REFUSED,
                    f"{variable} asks for {name}: {_short(value)}, and the engine's command line sets "
                    f"{_short(flags[name])} ({where}); dockerd refuses an option that is given in both",
                    f"take it out of {variable}, or out of the command line (systemctl edit docker.service)",
                )
            )
    return left, twice


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _log_opts(
    current: Mapping[str, Any], defaults: Mapping[str, Any], wanted: Mapping[str, Any], ours: Mapping[str, Any],
    flags: Flags,
) -> dict[str, Any]:  # fmt: skip
    """The default options that the log driver in force takes, which need not be the default one."""
    options = defaults.get("log-opts")
    if not isinstance(options, dict):
        return {}
    others = {key: value for key, value in defaults.items() if key != "log-opts"}
    driver = log_driver(merge_daemon(current, others, wanted, ours), flags)
    meant = driver == defaults.get("log-driver", DEFAULT_LOG_DRIVER)
    if driver == "none":
        return {}
    return {
        name: value for name, value in options.items() if takes(driver, name) or (meant and takes(driver, name) is None)
    }


# -- whether dockerd starts with it -------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What speaks against it, what is worth knowing, and what dockerd is to be asked."""

    problems: list[Check]
    warnings: list[str]
    question: DockerdQuestion | None


def judge(facts: Facts, intended: Intended, settings: Settings, starts: bool, installed: bool) -> Verdict:
    """`starts`: this run makes the engine read the file. `installed`: dockerd is there to be asked."""
    docker, flags = facts["docker"], flags_of(facts["docker"]["unit"]["arguments"])
    path, wanted = docker["config_file"], settings["daemon"]
    misplaced = _unfit_root(facts, intended, flags)
    if misplaced:
        return Verdict([misplaced], [], None)
    version = engine_version(facts, settings["provider"], installed)
    before = {each.says for each in _all(docker["config"] or {}, flags, version)}
    found = _all(intended.merged, flags, version)
    new = [each for each in found if each.says not in before or each is NO_NETWORK]
    if new or (found and (starts or intended.changed)):
        return Verdict([_refused(path, each, wanted) for each in found], [], None)
    if found:
        says = "; ".join(each.says for each in found)
        return Verdict([], [f"the engine runs, and would not start again with {path} as it is: {says}"], None)
    if not installed or not (starts or intended.changed):
        return Verdict([], [], None)
    question: DockerdQuestion = {"config": render(intended.merged)}
    answer = dockerd_answer(facts, question)
    if answer is None or answer["valid"] is not False:
        return Verdict([], [], question)
    evidence = f"dockerd would not start with {path}{' as it is to be' if intended.changed else ''}: {answer['error']}"
    remedy = f"{_mend(path, intended.changed, wanted)}, and run again; nothing was changed"
    return Verdict([problem(REFUSED, evidence, remedy)], [], question)


def _unfit_root(facts: Facts, intended: Intended, flags: Flags) -> Check | None:
    """Where the engine is to keep images on a file system of no Linux. Where it runs, it has found a way."""
    docker, config = facts["docker"], intended.merged
    named = (flags.get("data-root"), config.get("data-root"), config.get("graph"))
    root = next((str(each) for each in named if each), DEFAULT_ROOT)
    seen = facts["disk"].get(root)
    kind = unfit(seen["fstype"]).partition(":")[0] if seen else ""
    if not kind or (docker["running"] and "data-root" not in intended.changed):
        return None
    evidence = f"the engine is to keep its images in {root}, on {kind}, where none of its storage drivers works"
    return problem(REFUSED, evidence, "set docker_engine_data_root to a directory on a disk of the host's own")


def engine_version(facts: Facts, provider: str, installed: bool) -> int | None:
    """The engine's major version, or that of the one that is to come; None where nobody knows."""
    docker = facts["docker"]
    if not installed:
        return COMING.get(facts["release"]["debian_codename"] or "" if provider == "debian" else provider)
    package = facts["dpkg"]["packages"].get(docker["provider"] or "")
    said = docker["version"] or (package and package["version"]) or ""
    major = re.match(r"(?:\d+:)?(\d+)\.", said)
    return int(major[1]) if major and int(major[1]) >= FIRST_VERSION else None


def _all(config: Mapping[str, Any], flags: Flags, version: int | None) -> list[Conflict]:
    found = conflicts(config, flags) + of_another_version(config, flags, version)
    elsewhere = listens_elsewhere(config, flags)
    if elsewhere:
        says = f"the engine listens at {', '.join(elsewhere)} alone, and the roles ask at /run/docker.sock"
        found.append(Conflict(("hosts",), says))
    return found if flags.get("bridge", config.get("bridge")) != "none" else [*found, NO_NETWORK]


def _refused(path: str, conflict: Conflict, wanted: Mapping[str, Any]) -> Check:
    starts = conflict.keys in (("hosts",), NO_NETWORK.keys)
    says = conflict.says if starts else f"dockerd would not start with {path}: {conflict.says}"
    return problem(REFUSED, says, f"{_mend(path, conflict.keys, wanted)}, and run again; nothing was changed")


def _mend(path: str, keys: Iterable[str], wanted: Mapping[str, Any]) -> str:
    keys = list(keys)
    asked = dict.fromkeys(VARIABLES.get(key, "docker_engine_daemon") for key in keys if key in wanted)
    return f"change {' or '.join(asked)}" if asked else f"mend {' or '.join(keys) or 'it'} in {path} or in the unit"
