"""Stand-in for the image's self-test: the same arguments, result and exit code, and no torch behind it.

NAVILAB_STANDIN_SELFTEST names the faults of profiles, `rocm7=wrong:fp32 rocm52=nan:fp16`, in the real one's words:
nan:DTYPE, wrong:DTYPE, hang:STEP, no-device, oom, crash.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

SETUP = ("import", "devices", "memory")
OPERATIONS = ("matmul", "conv2d", "randn", "group_norm", "softmax", "attention")
PLAN: list[tuple[str, str | None]] = [(step, None) for step in SETUP]
PLAN += [(step, dtype) for dtype in ("fp32", "fp16") for step in OPERATIONS]


def broken_by(fault: str) -> tuple[str, str | None, str, str]:
    """(step, dtype, status, evidence) of the first step that a fault breaks."""
    kind, _, where = fault.partition(":")
    if kind == "hang":
        return where, None if where in SETUP else "fp32", "hang", "no answer after 300 s, killed"
    return {
        "nan": ("matmul", where, "failed", "1 of 262144 values are NaN or infinite"),
        "wrong": ("matmul", where, "failed", "error 1, 1e-04 is allowed"),
        "no-device": ("devices", None, "failed", "torch sees no device; 1 expected"),
        "oom": ("memory", None, "oom", "out of memory"),
        "crash": ("conv2d", "fp32", "failed", "the worker was killed by SIGSEGV"),
    }[kind]


def result(arguments: argparse.Namespace, fault: str) -> dict[str, Any]:
    steps = [
        {
            "id": step,
            "dtype": dtype,
            "status": "ok",
            "max_error": None,
            "tolerance": None,
            "seconds": 0.0,
            "evidence": "",
        }
        for step, dtype in PLAN
    ]
    cause, evidence, remedy = None, f"{len(steps)} of {len(steps)} steps right", ""
    usable, half = True, arguments.device != "cpu"
    if fault:
        step, dtype, status, seen = broken_by(fault)
        number = PLAN.index((step, dtype))
        steps[number].update(status=status, evidence=seen)
        if step in SETUP or status == "hang" or fault == "crash":
            for later in steps[number + 1 :]:
                later["status"] = "skipped"
        cause, usable, half = {"id": step, "dtype": dtype, "status": status}, dtype == "fp16", False
        evidence = f"{step} {dtype}: {seen}" if dtype else f"{step}: {seen}"
        remedy = "nothing to do: the webui runs in full precision" if usable else "use another profile (webui_profile)"
    return {
        "schema": 1,
        "simulated": True,
        "profile": arguments.profile,
        "device": arguments.device,
        "torch": None,
        "hip": None,
        "cuda": None,
        "devices": [{"name": "simulated", "gfx": arguments.expect_gfx, "total_mib": None}],
        "seconds": 0.0,
        "steps": steps,
        "decision": {
            "usable": usable,
            "precision": "half" if half else "full" if usable else None,
            "first_cause": cause,
            "evidence": evidence,
            "remedy": remedy,
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--expect-devices", type=int, default=1)
    parser.add_argument("--expect-gfx")
    parser.add_argument("--profile")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    faults = dict(word.split("=", 1) for word in os.environ.get("NAVILAB_STANDIN_SELFTEST", "").split())
    found = result(arguments, faults.get(arguments.profile, ""))
    text = json.dumps(found)
    print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(f"{text}\n", encoding="utf-8")
    return 0 if found["decision"]["usable"] else 1


if __name__ == "__main__":
    sys.exit(main())
