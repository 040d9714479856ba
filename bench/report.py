"""Medians of what was measured, the limits it is held to, and the table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.contestants import Result

# The self-test runs on the GPU what neither pyinfra nor the bare commands run: its seconds are left out of a first run.
SELFTEST = re.compile(r"^([\w.]+ : )?(test what|run the self-test)|self-?test", re.IGNORECASE)

Key = tuple[str, int, str]  # run, number of names, contestant


@dataclass(frozen=True)
class Limit:
    """`measure` of our `run` with `names` names, at most `limit`: times that of another run, or as it is."""

    run: str
    names: int
    measure: str
    limit: float
    run_other: str = ""
    contestant_other: str = ""


LIMITS = [
    *(
        limit
        for run in ("site", "verify")
        for limit in (
            Limit(run, 3, "wall_s", 0.6, "site", "pyinfra"),
            Limit(run, 30, "wall_s", 0.5, "site", "pyinfra"),
            Limit(run, 100, "wall_s", 1.5, "host_info", "ours"),
            Limit(run, 100, "peak_mib", 1024),
            *(Limit(run, names, "tasks", 10) for names in (3, 12, 30, 100)),
            *(Limit(run, names, "round_trips", 1) for names in (3, 12, 30, 100)),
        )
    ),
    Limit("first", 3, "net_wall_s", 1.7, "first", "ssh"),
]


def selftest_seconds(result: Result) -> float:
    """Wall seconds of the tasks that run a self-test."""
    return round(sum(seconds for name, seconds in result.seconds.items() if SELFTEST.search(name)), 2)


def value(result: Result, measure: str) -> float | None:
    """A measure of one run; None where nothing counted it."""
    if measure == "net_wall_s":
        return result.cost.wall_s - selftest_seconds(result)
    found = getattr(result.cost, measure, None) if hasattr(result.cost, measure) else getattr(result, measure)
    return None if found is None else float(found)


MEASURES = ("wall_s", "net_wall_s", "cpu_s", "peak_mib", "tasks", "shown", "forks", "round_trips")


def row(key: Key, results: list[Result]) -> dict[str, Any]:
    """The medians of one contestant's runs."""
    medians: dict[str, float | None] = {}
    for measure in MEASURES:
        values = [each for result in results if (each := value(result, measure)) is not None]
        medians[measure] = round(median(values), 2) if values else None
    return {
        **dict(zip(("run", "names", "contestant"), key, strict=True)),
        **medians,
        "walls_s": [result.cost.wall_s for result in results],
        "changed": [result.changed for result in results],
        "failed": sorted({host for result in results for host in result.failed}),
        "slowest_tasks": dict(sorted(results[-1].seconds.items(), key=lambda item: -item[1])[:10]),
    }


def evaluate(limit: Limit, results: dict[Key, list[Result]]) -> dict[str, Any]:
    """A limit and what became of it; `met` is None where it was not measured, or a run failed.

    Two contestants are compared round by round, and the median of those ratios counts: what slows a round slows both.
    """
    ours = results.get((limit.run, limit.names, "ours"), [])
    other = results.get((limit.run_other, limit.names, limit.contestant_other), [])
    values = [value(result, limit.measure) for result in ours]
    if limit.run_other:
        pairs = zip(values, (value(result, limit.measure) for result in other), strict=False)
        values = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
    known = [each for each in values if each is not None]
    failed = any(result.failed for result in ours + other)
    found = round(median(known), 2) if known and not failed else None
    against = f" / {limit.contestant_other}'s {limit.run_other}" if limit.run_other else ""
    return {
        "limit": f"{limit.run} {limit.names}: {limit.measure}{against}",
        "at_most": limit.limit,
        "found": found,
        "met": None if found is None else found <= limit.limit,
    }


def table(rows: list[dict[str, Any]], limits: list[dict[str, Any]]) -> str:
    """Both, for a reader."""
    heads = ("run", "names", "contestant", "wall_s", "cpu_s", "peak_mib", "tasks", "shown", "forks", "round_trips")
    lines = [_columns([heads, *([*(each[head] for head in heads), _remark(each)] for each in rows)])]
    if any(limit["met"] is not None for limit in limits):
        verdicts = {True: "met", False: "MISSED"}
        found = [limit for limit in limits if limit["met"] is not None]
        lines.append(_columns([("limit", "at most", "found", ""), *(
            (each["limit"], each["at_most"], each["found"], verdicts[each["met"]]) for each in found
        )]))  # fmt: skip
    return "\n\n".join(lines) + "\n"


def _remark(each: dict[str, Any]) -> str:
    if each["failed"]:
        return f"FAILED: {len(each['failed'])} of the hosts"
    if each["run"] == "first" and each["net_wall_s"] != each["wall_s"]:
        return f"{each['net_wall_s']} s without the self-test"
    return f"CHANGED {max(each['changed'])}" if each["run"] != "first" and any(each["changed"]) else ""


def _columns(rows: list[Any]) -> str:
    cells = [
        ["" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in each]
        for each in rows
    ]
    widths = [max((len(each[n]) for each in cells if n < len(each)), default=0) for n in range(max(map(len, cells)))]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(each, widths, strict=False)).rstrip() for each in cells
    )
