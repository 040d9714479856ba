# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host that is to tell its metrics does."""

from __future__ import annotations

from .._commands import run_site
from .._sysfs import UNKNOWN
from .._types import Facts
from ._base import Case, Verdict, failed, ok, skipped

TIMER, EXPORTER = "navilab-metrics.timer", "prometheus-node-exporter.service"
RUNS = f"/run/systemd/units/invocation:{EXPORTER}"
"""What systemd keeps of a service while it is active."""
WRITTEN = "navilab.prom"


def age_s(facts: Facts, path: str) -> int | None:
    """Seconds since a file was written; None where it is missing."""
    seen, clock = facts["files"].get(path), facts["clock"]
    return None if not seen or seen["mtime"] is None or clock is None else max(0, round(clock - seen["mtime"]))


def oldest_s(interval: int) -> int:
    """How old a file may become that is written every so many seconds: each time may be late, or be missed once."""
    return 3 * interval + 30


def metrics_fresh(case: Case) -> Verdict:
    """The file of the metrics is younger than three intervals and 30 s, and the node exporter that came in with the
    role runs."""
    facts = case.facts
    record = facts["records"].get("metrics")
    if not record:
        return skipped("the role metrics has not come in here")
    if facts["clock"] is None:
        return skipped(UNKNOWN)
    path, interval = f"{record.get('textfile_dir')}/{WRITTEN}", record.get("interval")
    if path not in facts["files"] or RUNS not in facts["files"]:
        return skipped("its state was not gathered")
    age = age_s(facts, path)
    if age is None or not isinstance(interval, int) or age > oldest_s(interval):
        evidence = f"{path} is missing" if age is None else f"{path} is {age} s old"
        return failed(evidence, f"systemctl start {TIMER}; if that does not help, see journalctl -u navilab-metrics")
    if record.get("packages") and not facts["files"][RUNS]["exists"]:
        return failed(f"{EXPORTER} does not run", f"{run_site('metrics')}, or see journalctl -u {EXPORTER}")
    return ok(f"{path} is {age} s old")
