"""The image's self-test: its verdict, its watchdog, and with a torch at hand each injected fault for real."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
SCRIPT = ROOT / "roles/image/files/selftest.py"
STANDIN = ROOT / "src/navilab/lab/standin/selftest.py"
# Any Python with torch: the tests' own, or the one that this names.
TORCH = os.environ.get("NAVILAB_TORCH_PYTHON") or (sys.executable if importlib.util.find_spec("torch") else "")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_selftest", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


real = load(SCRIPT)


def steps(**bad: str) -> list[Any]:
    """All steps right, but `matmul_fp32="failed"`."""
    return [real.Step(step, dtype, bad.get(f"{step}_{dtype}", "ok"), evidence="seen") for step, dtype in real.PLAN]


@pytest.mark.parametrize(
    ("device", "bad", "usable", "precision", "remedy"),
    [
        ("cuda", {}, True, "half", ""),
        ("cpu", {}, True, "full", ""),
        ("cuda", {"matmul_fp16": "failed"}, True, "full", "nothing to do"),
        ("cuda", {"conv2d_fp16": "hang", "softmax_fp16": "skipped"}, True, "full", "nothing to do"),
        ("cuda", {"matmul_fp32": "failed"}, False, None, "another profile"),
        ("cuda", {"conv2d_fp32": "hang", "softmax_fp32": "skipped"}, False, None, "reboot"),
        ("cuda", {"devices_None": "failed"}, False, None, "/dev/kfd"),
        ("cuda", {"memory_None": "oom"}, False, None, "free memory"),
        ("cuda", {"import_None": "failed"}, False, None, "build the image again"),
    ],
)
def test_verdict(device: str, bad: dict[str, str], usable: bool, precision: str | None, remedy: str) -> None:
    decision = real.decide(device, steps(**bad))
    assert (decision["usable"], decision["precision"]) == (usable, precision)
    assert remedy in decision["remedy"]
    assert (decision["first_cause"] is None) == (not bad)


SAYS = """
import json, sys, time
from pathlib import Path
print("a library says hello")
for step, dtype in json.loads(sys.argv[1]):
    print(json.dumps({"selftest": 1, "id": step, "dtype": dtype, "status": "ok", "seconds": 0}), flush=True)
"""


def watched(more: str, count: int, timeout: float = 20) -> list[Any]:
    """The steps as the watchdog takes them down from a worker that does `count` of them, and then `more`."""
    command = [sys.executable, "-c", SAYS + more, json.dumps(real.PLAN[:count])]
    return list(real.Watchdog(command, timeout, 60).watch())


def test_all_steps_are_heard() -> None:
    assert [step.status for step in watched("", len(real.PLAN))] == ["ok"] * len(real.PLAN)


@pytest.mark.parametrize(
    ("more", "status", "evidence"),
    [
        ("import os; os.abort()", "failed", "SIGABRT"),
        ("import os; print('HW Exception: GPU Hang', file=sys.stderr, flush=True); os.abort()", "hang", "GPU Hang"),
        ("import os; os.kill(os.getpid(), 9)", "oom", "SIGKILL"),
        ("sys.exit(7)", "failed", "ended with 7"),
    ],
)
def test_a_dead_worker_is_told_by_its_step(more: str, status: str, evidence: str) -> None:
    seen = watched(more, 4)
    assert (seen[4].id, seen[4].status) == (real.PLAN[4][0], status)
    assert evidence in seen[4].evidence
    assert {step.status for step in seen[5:]} == {"skipped"}


def test_a_worker_that_hangs_is_killed() -> None:
    seen = watched("time.sleep(60)", 3, timeout=2)
    assert (seen[3].id, seen[3].dtype, seen[3].status) == ("matmul", "fp32", "hang")


def test_without_torch_the_image_is_the_cause(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        "raise ImportError('libamdhip64.so.7: cannot open shared object file\\nFor debugging consider more')"
    )
    done = run(sys.executable, "--json", str(tmp_path / "made/by/it.json"), PYTHONPATH=str(tmp_path))
    found = json.loads(done.stdout)
    assert (done.returncode, found["decision"]["first_cause"]["id"]) == (1, "import")
    assert found["decision"]["evidence"] == "import: ImportError: libamdhip64.so.7: cannot open shared object file"
    assert json.loads((tmp_path / "made/by/it.json").read_text()) == found


def run(python: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [python, str(SCRIPT), "--device", "cpu", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


FAULTS = ["nan:fp16", "wrong:fp16", "nan:fp32", "wrong:fp32", "hang:conv2d", "no-device", "oom", "crash"]


@pytest.mark.skipif(not TORCH, reason="no torch here; NAVILAB_TORCH_PYTHON can name a Python that has it")
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_on_the_processor(fault: str) -> None:
    done = run(TORCH, "--profile", "cpu", "--step-timeout", "60", *(["--inject", fault] if fault else []))
    found, expected = json.loads(done.stdout), simulated(fault, "cpu")
    assert done.returncode == (0 if found["decision"]["usable"] else 1)
    assert found["decision"]["usable"] == expected["decision"]["usable"]
    assert found["decision"]["precision"] == expected["decision"]["precision"]
    assert found["decision"]["first_cause"] == expected["decision"]["first_cause"]
    assert [step["status"] for step in found["steps"]][:3] == [step["status"] for step in expected["steps"]][:3]


def simulated(fault: str, device: str) -> dict[str, Any]:
    """What the lab's stand-in says of a fault."""
    command = [sys.executable, str(STANDIN), "--device", device, "--profile", "p"]
    environment = {**os.environ, "NAVILAB_STANDIN_SELFTEST": f"p={fault}" if fault else ""}
    found: dict[str, Any] = json.loads(
        subprocess.run(command, env=environment, capture_output=True, check=False).stdout
    )
    return found


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_the_stand_in_decides_as_the_real_one_would(fault: str) -> None:
    found = simulated(fault, "cuda")
    seen = [real.Step(**step) for step in found["steps"]]
    decision = real.decide("cuda", seen)
    assert [(step.id, step.dtype) for step in seen] == real.PLAN
    assert {**decision, "remedy": bool(decision["remedy"])} == {
        **found["decision"],
        "remedy": bool(found["decision"]["remedy"]),
    }
