# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's metrics, as Prometheus takes them: gathered and judged on the host, with the functions that verify it.

A timer of systemd's runs `main`, whose text the node exporter's textfile collector reads. Format:
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict, get_args

from . import _checks, _lock, _reboot, _sensors
from ._checks._metrics import WRITTEN
from ._docker import Engine, EngineError
from ._engines import SOCKET
from ._gather import gather
from ._machine import RECORDS
from ._net import PENDING, PROGRESS, said
from ._ready import epoch
from ._sysfs import Tree
from ._types import Check, Container, Facts, Status

CONFIG = "/etc/navilab-metrics.json"
STATE = "/run/navilab-metrics/state.json"
"""What adds up from one run to the next, until the next boot."""
PULL = "/var/lib/navilab-pull"
PULLED, PULLED_WELL = f"{PULL}/ended", f"{PULL}/succeeded"
"""What the role pull leaves when a run of a host's own ends: its exit status, and a file where it was well."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".gif")


class Metric(NamedTuple):
    """`labels` are those of each sample, `help` tells it and its unit."""

    name: str
    kind: Literal["gauge", "counter"]
    labels: tuple[str, ...]
    help: str


METRICS: tuple[Metric, ...] = (
    Metric("metrics_timestamp_seconds", "gauge", (), "When these metrics were written, since the epoch."),
    Metric("metrics_interval_seconds", "gauge", (), "Seconds between two of them."),
    Metric("metrics_duration_seconds", "gauge", (), "Seconds that gathering them took."),
    Metric("check_status", "gauge", ("check", "status"), "1 for the status that a check has, 0 for the others."),
    Metric("check_remedy_info", "gauge", ("check", "remedy"), "What to do about a check that has failed; always 1."),
    Metric("reboot_required", "gauge", (), "Whether a kernel, driver or firmware waits for a reboot."),
    Metric(
        "last_run_timestamp_seconds", "gauge", (),
        "When a run of Ansible last changed something here, since the epoch.",
    ),
    Metric("pull_failed", "gauge", (), "Whether the host's last run of its own failed, or was stopped."),
    Metric(
        "pull_last_run_timestamp_seconds", "gauge", (),
        "When the host's last run of its own ended, since the epoch.",
    ),
    Metric(
        "pull_last_success_timestamp_seconds", "gauge", (),
        "When the last one of them ended that did not fail, since the epoch.",
    ),
    Metric("oom_kills_total", "counter", (), "Processes that the kernel has killed for want of memory since the boot."),
    Metric("gpu_info", "gauge", ("bdf", "name", "gfx_target", "driver"), "A board; always 1."),
    Metric("gpu_suspended", "gauge", ("bdf",), "Whether the board sleeps, and tells nothing but its memory."),
    Metric("gpu_temperature_celsius", "gauge", ("bdf", "sensor"), "Temperature, by the driver's name of the sensor."),
    Metric("gpu_power_watts", "gauge", ("bdf",), "Power that the board takes, as far as the driver measures it."),
    Metric("gpu_clock_hertz", "gauge", ("bdf", "clock"), "Clock of the shaders (sclk) and of the memory (mclk)."),
    Metric("gpu_fan_rpm", "gauge", ("bdf",), "Revolutions of the fan a minute."),
    Metric("gpu_busy_ratio", "gauge", ("bdf",), "How busy the board is, from 0 to 1."),
    Metric("gpu_vram_size_bytes", "gauge", ("bdf",), "Memory of the board."),
    Metric("gpu_vram_used_bytes", "gauge", ("bdf",), "Memory of the board that is in use."),
    Metric("gpu_resets_total", "counter", ("bdf",), "Resets of the board since the boot, as amdgpu counts them."),
    Metric("webui_up", "gauge", ("webui",), "Whether the webui answers and lists a model."),
    Metric("webui_busy", "gauge", ("webui",), "Whether it draws."),
    Metric("webui_progress_ratio", "gauge", ("webui",), "How far it is with what it draws, from 0 to 1."),
    Metric("webui_queue_length", "gauge", ("webui",), "Tasks that wait, besides the one that it draws."),
    Metric("webui_pictures", "gauge", ("webui",), "Pictures that lie below its folder of outputs."),
    Metric(
        "webui_last_picture_timestamp_seconds", "gauge", ("webui",),
        "When it last finished a picture, saved or not, since the epoch.",
    ),
    Metric("webui_image_info", "gauge", ("webui", "image", "id"), "Its image by reference and id; always 1."),
    Metric("webui_start_timestamp_seconds", "gauge", ("webui",), "When its container started, since the epoch."),
    Metric("webui_restarts_total", "counter", ("webui",), "Restarts of its container by Docker since it was made."),
    Metric("webui_oom_kills_total", "counter", ("webui",), "Kills in its container for want of memory since the boot."),
    Metric("webui_memory_limit_bytes", "gauge", ("webui",), "Memory that its container may have; none for no limit."),
    Metric("webui_memory_used_bytes", "gauge", ("webui",), "Memory of its container, with its files' cache."),
)  # fmt: skip
"""All that may be written, in the order of the file; each name begins with navilab_."""
_PREFIX = "navilab_"


class Webui(TypedDict):
    """A webui of the configuration; `data` is its own directory, with outputs and params.txt."""

    name: str
    port: int
    data: str


class Config(TypedDict):
    """What the role has found out for this host: arguments of gather(), what is wanted of the checks, its webuis."""

    interval: int
    directory: str
    gather: dict[str, Any]
    wanted: dict[str, Any]
    webuis: list[Webui]


class State(TypedDict):
    """`since` is up to when the engine's events are counted, in seconds since the epoch; counts by webui and BDF."""

    since: float
    oom: dict[str, int]
    resets: dict[str, int]


class Answers(TypedDict):
    """What a webui's API says; None for what it does not, such as to those without a login."""

    busy: bool | None
    progress: float | None
    queue: int | None


class Samples:
    """Values by metric, each with its labels. None is no value."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[tuple[str, ...], float]]] = {metric.name: [] for metric in METRICS}

    def add(self, name: str, value: float | None, *labels: str | None) -> None:
        if value is not None:
            self._of[name].append((tuple(label or "" for label in labels), float(value)))

    def text(self) -> str:
        """The exposition format; what has no sample has no lines."""
        lines = []
        for metric in METRICS:
            samples = self._of[metric.name]
            if samples:
                lines.append(f"# HELP {_PREFIX}{metric.name} {metric.help}")
                lines.append(f"# TYPE {_PREFIX}{metric.name} {metric.kind}")
            for labels, value in samples:
                pairs = ",".join(f'{key}="{_escaped(label)}"' for key, label in zip(metric.labels, labels))
                lines.append(f"{_PREFIX}{metric.name}{'{' + pairs + '}' if pairs else ''} {_number(value)}")
        return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    """What a host says is data: no byte of it ends the label, the line or the text's encoding."""
    text = label.encode("utf-8", "replace").decode("utf-8")
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(round(value, 6))


# -- what is measured --------------------------------------------------------------------------------------------------


def host_samples(found: Samples, tree: Tree, facts: Facts, checks: Iterable[Check]) -> None:
    for check in checks:
        for status in get_args(Status):
            found.add("check_status", check["status"] == status, check["id"], status)
        found.add("check_remedy_info", 1 if check["status"] == "failed" else None, check["id"], check["remedy"])
    found.add("reboot_required", bool(_reboot.reasons(facts)))
    found.add("last_run_timestamp_seconds", _last_run(tree))
    pulled, well = tree.lookup(PULLED), tree.lookup(PULLED_WELL)
    found.add("pull_failed", (tree.read_text(PULLED) or "").strip() != "0" if pulled else None)
    found.add("pull_last_run_timestamp_seconds", pulled.st_mtime if pulled else None)
    found.add("pull_last_success_timestamp_seconds", well.st_mtime if well else None)
    match = re.search(r"^oom_kill (\d{1,18})$", tree.read_text("/proc/vmstat") or "", re.MULTILINE)
    found.add("oom_kills_total", int(match[1]) if match else None)


def _last_run(tree: Tree) -> float | None:
    """A run leaves records, and takes a lock where it changes something; one that finds all in order leaves nothing."""
    paths = [str(_lock.FOLDER), *(f"{RECORDS}/{name}" for name in tree.listdir(RECORDS))]
    times = [seen.st_mtime for seen in map(tree.lookup, paths) if seen]
    return max(times, default=None)


def gpu_samples(found: Samples, tree: Tree, facts: Facts, state: State) -> None:
    boards = [board for board in facts["boards"] if board["driver"] == "amdgpu"]
    counted = _sensors.resets(facts["kernel_log"]["resets"], [board["bdf"] for board in boards])
    for board in boards:
        bdf = board["bdf"]
        seen = _sensors.read(tree, bdf)
        found.add("gpu_info", 1, bdf, board["name"], board["gfx_target"], board["driver"])
        found.add("gpu_suspended", seen["suspended"], bdf)
        for sensor, celsius in seen["temperatures"].items():
            found.add("gpu_temperature_celsius", celsius, bdf, sensor)
        found.add("gpu_power_watts", seen["power"], bdf)
        for clock, hertz in seen["clocks"].items():
            found.add("gpu_clock_hertz", hertz, bdf, clock)
        found.add("gpu_fan_rpm", seen["fan"], bdf)
        found.add("gpu_busy_ratio", seen["busy"], bdf)
        found.add("gpu_vram_size_bytes", seen["vram_size"], bdf)
        found.add("gpu_vram_used_bytes", seen["vram_used"], bdf)
        # The kernel's log is a ring, so that a line goes while its count stays.
        state["resets"][bdf] = max(counted[bdf], state["resets"].get(bdf, 0))
        found.add("gpu_resets_total", state["resets"][bdf], bdf)


def webui_samples(found: Samples, tree: Tree, facts: Facts, webuis: Iterable[Webui], state: State) -> None:
    for webui in webuis:
        name = webui["name"]
        http, container = facts["http"].get(name), facts["docker"]["containers"].get(name)
        up = bool(http and http["ready"])
        found.add("webui_up", up, name)
        if up:
            answers = ask(f"http://127.0.0.1:{webui['port']}")
            found.add("webui_busy", answers["busy"], name)
            found.add("webui_progress_ratio", answers["progress"], name)
            found.add("webui_queue_length", answers["queue"], name)
        found.add("webui_pictures", _pictures(f"{webui['data']}/outputs"), name)
        written = tree.lookup(f"{webui['data']}/params.txt")
        found.add("webui_last_picture_timestamp_seconds", written.st_mtime if written else None, name)
        found.add("webui_oom_kills_total", state["oom"].get(name, 0), name)
        if container:
            _container_samples(found, tree, name, container)


def _container_samples(found: Samples, tree: Tree, name: str, container: Container) -> None:
    found.add("webui_image_info", 1, name, container["image"], container["image_id"])
    found.add("webui_start_timestamp_seconds", int(epoch(container["started_at"])) or None, name)
    found.add("webui_restarts_total", container["restart_count"], name)
    found.add("webui_memory_limit_bytes", container["memory"] or None, name)
    match = re.search(r"^0::(/\S+)$", tree.read_text(f"/proc/{container['pid']}/cgroup") or "", re.MULTILINE)
    if container["pid"] and match:
        found.add("webui_memory_used_bytes", tree.read_int(f"/sys/fs/cgroup{match[1]}/memory.current"), name)


_HUGE = 1 << 53  # more is no number of the webui's


def ask(base: str) -> Answers:
    """What /sdapi/v1/progress and /internal/pending-tasks say, without the picture that is being drawn."""
    progress, _error = said(f"{base}{PROGRESS}")
    state = progress.get("state")
    jobs = state.get("job_count") if isinstance(state, dict) else None
    pending = said(f"{base}{PENDING}")[0].get("size")
    far = progress.get("progress")
    return {
        "busy": jobs != 0 if isinstance(jobs, int) else None,  # -1 until it knows how many
        "progress": float(far) if isinstance(far, (int, float)) and abs(far) < _HUGE else None,
        "queue": pending if isinstance(pending, int) and abs(pending) < _HUGE else None,
    }


def _pictures(folder: str) -> int | None:
    """How many there are; None without the folder."""
    if not Path(folder).is_dir():
        return None
    return sum(name.lower().endswith(PICTURES) for _path, _folders, names in os.walk(folder) for name in names)


# -- what adds up ------------------------------------------------------------------------------------------------------


def read_state(path: str) -> State:
    """What the last run left; nothing after a boot, or where somebody else wrote there."""
    with contextlib.suppress(OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        kept = json.loads(Path(path).read_text(encoding="utf-8"))
        oom, resets = ({str(key): int(value) for key, value in kept[name].items()} for name in ("oom", "resets"))
        return {"since": float(kept["since"]), "oom": oom, "resets": resets}
    return {"since": 0.0, "oom": {}, "resets": {}}


def count_oom(state: State, engine: Engine, names: Sequence[str], now: float) -> None:
    """Add what the engine has seen since; of its last 256 events, which are some hours of a webui's life."""
    try:
        body = engine.events({"type": ["container"], "event": ["oom"]}, now, state["since"])
    except EngineError:
        return  # the next run asks for that time too
    for line in body.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            event = json.loads(line)
            name = event["Actor"]["Attributes"]["name"]
            if name in names and state["since"] < event["timeNano"] / 1e9 <= now:
                state["oom"][name] = state["oom"].get(name, 0) + 1
    state["since"] = now


# -- the whole ---------------------------------------------------------------------------------------------------------


def exposition(config: Config, state: State, root: str = "/", socket: str = SOCKET) -> str:
    """The text of one run. `state` is brought up to date."""
    begin, now = time.monotonic(), time.time()
    tree = Tree(root)
    facts = gather(root=root, probe_images=False, **config["gather"])
    checks = _checks.evaluate(facts, config["wanted"])  # type: ignore[arg-type]
    if facts["docker"]["running"]:
        count_oom(state, Engine(socket), [webui["name"] for webui in config["webuis"]], now)
    found = Samples()
    host_samples(found, tree, facts, checks)
    gpu_samples(found, tree, facts, state)
    webui_samples(found, tree, facts, config["webuis"], state)
    found.add("metrics_timestamp_seconds", now)
    found.add("metrics_interval_seconds", config["interval"])
    found.add("metrics_duration_seconds", time.monotonic() - begin)
    return found.text()


def replace(path: Path, text: str) -> None:
    """Nobody reads half a file: the exporter takes names that end in .prom alone."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(path)


def main() -> None:
    config: Config = json.loads(Path(sys.argv[1] if len(sys.argv) > 1 else CONFIG).read_text(encoding="utf-8"))
    state = read_state(STATE)
    text = exposition(config, state)
    replace(Path(config["directory"]) / WRITTEN, text)
    replace(Path(STATE), json.dumps(state))
