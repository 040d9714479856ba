#!/usr/bin/env python3
"""Does this image compute right numbers on this board? A numeric self-test of PyTorch, in seconds, with a verdict.

    python3 selftest.py --device cuda --expect-gfx gfx1012     # HIP's devices are called cuda in torch
    python3 selftest.py --device cpu

Each operation that a diffusion model stands on runs in fp32 and in fp16 on the device, and in float64 on the CPU from
the very same (rounded) inputs. The error is the largest difference over the largest value of the reference. A worker
does it; its parent, which never touches torch, is the watchdog: a step that takes too long is a hang, and the worker is
killed.

Prints one JSON object. Exit code: 0 usable, 1 not usable, 2 the test could not be run.
Python 3.10 and newer with the standard library; torch 1.13 to 2.13, the same code on CPU, CUDA and HIP.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

SCHEMA = 1
SEED = 1012
# Largest error over largest value. float32 sums of 3000 products are good to 1e-6; 1e-4 allows for other orders of
# summing. float16 has 11 bits (5e-4 a rounding); 1e-2 allows for sums kept in float16. A broken kernel is far off.
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2}
# A million normal numbers: their moments are good to 1e-3, and 1e-2 is ten times that.
RANDOM_COUNT = 1 << 20
RANDOM_TOLERANCE = 1e-2
DTYPES = {"fp32": "float32", "fp16": "float16"}
SETUP = ("import", "devices", "memory")
OPERATIONS = ("matmul", "conv2d", "randn", "group_norm", "softmax", "attention")
PLAN = [(step, None) for step in SETUP] + [(step, dtype) for dtype in DTYPES for step in OPERATIONS]
INJECTIONS = "nan:DTYPE, wrong:DTYPE, hang:STEP, no-device, oom, crash"

_ANOTHER = "use another profile (webui_profile: auto takes the next one by itself)"
REMEDIES = {
    "import": f"build the image again, its torch can't be imported; or {_ANOTHER}",
    "devices": f"see that the container gets /dev/kfd, the board's render node and their groups; else {_ANOTHER}",
    "memory": f"see the kernel log for errors of the board; or {_ANOTHER}",
    "oom": "free memory of board and host (stop what draws or computes there; webui_memory_mib), then test again",
    "hang": f"reboot the host, since a hung board may stay so, and test again; if it comes back {_ANOTHER}",
    "numbers": f"{_ANOTHER}: this image does not compute right on this board",
    "fp16": "nothing to do: the webui runs in full precision",
}


class Step(NamedTuple):
    """What one step found; the JSON has it as it is."""

    id: str
    dtype: str | None
    status: str  # ok, failed, hang, oom, skipped
    max_error: float | None = None
    tolerance: float | None = None
    seconds: float = 0.0
    evidence: str = ""


# -- the verdict --------------------------------------------------------------------------------------------------


def decide(device: str, steps: list[Step]) -> dict[str, Any]:
    """fp32 and fp16 right: half precision. fp32 alone, or on a CPU: full. Anything else: not usable."""
    bad = [step for step in steps if step.status not in ("ok", "skipped")]
    needed = [step for step in steps if step.dtype != "fp16"]
    cause = next(iter(bad), None)
    usable = all(step.status == "ok" for step in needed)
    half = usable and device != "cpu" and all(step.status == "ok" for step in steps)
    ran = sum(step.status == "ok" for step in steps)
    return {
        "usable": usable,
        "precision": "half" if half else "full" if usable else None,
        "first_cause": None if cause is None else {"id": cause.id, "dtype": cause.dtype, "status": cause.status},
        "evidence": f"{ran} of {len(steps)} steps right" if cause is None else explain(cause),
        "remedy": "" if cause is None else REMEDIES["fp16" if usable else _kind(cause)],
    }


def explain(step: Step) -> str:
    """`conv2d fp16: error 0.4, 0.01 is allowed`."""
    name = f"{step.id} {step.dtype}" if step.dtype else step.id
    return f"{name}: {step.evidence}"


def _kind(cause: Step) -> str:
    if cause.status in ("oom", "hang"):
        return cause.status
    return cause.id if cause.id in REMEDIES else "numbers"


# -- the watchdog -------------------------------------------------------------------------------------------------


class Watchdog:
    """Runs the worker and takes down what it says; ends it when a step, or the whole, takes too long."""

    def __init__(self, command: list[str], step_timeout: float, timeout: float) -> None:
        self.step_timeout, self.end = step_timeout, time.monotonic() + timeout
        self.facts: dict[str, Any] = {}
        self.steps: list[Step] = []
        self.errors: collections.deque[str] = collections.deque(maxlen=20)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._worker = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._readers = [
            self._read(self._worker.stdout, self._lines.put),
            self._read(self._worker.stderr, self.errors.append),
        ]

    def _read(self, stream: IO[str] | None, keep: Callable[[str], None]) -> threading.Thread:
        def read() -> None:
            for line in stream or ():
                keep(line.strip())
            if keep == self._lines.put:
                self._lines.put(None)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def watch(self) -> list[Step]:
        """Every step of the plan, those that were never reached as skipped."""
        for step, dtype in PLAN:
            begun = time.monotonic()
            found, ending = self._next(begun)
            if found is None:
                self.steps.append(self._lost(step, dtype, time.monotonic() - begun, ending))
                break
            self.facts.update(found.pop("facts", {}))
            self.steps.append(Step(**found))
            if step in SETUP and self.steps[-1].status != "ok":
                break
        self._kill()
        last = self.steps[-1]
        why = f"{explain(last)}"
        return self.steps + [
            Step(step, dtype, "skipped", evidence=f"after {why}") for step, dtype in PLAN[len(self.steps) :]
        ]

    def _next(self, begun: float) -> tuple[dict[str, Any] | None, str]:
        """The worker's word on the step that it is at, or None and why there is none."""
        while True:
            left = min(begun + self.step_timeout, self.end) - time.monotonic()
            try:
                line = self._lines.get(timeout=max(left, 0.0))
            except queue.Empty:
                return None, "hang"
            if line is None:
                return None, "crash"
            with contextlib.suppress(ValueError):  # libraries print to stdout too
                found = json.loads(line)
                if isinstance(found, dict) and found.get("selftest") == SCHEMA:
                    found.pop("selftest")
                    return found, ""

    def _lost(self, step: str, dtype: str | None, seconds: float, ending: str) -> Step:
        seconds = round(seconds, 3)
        if ending == "hang":
            return Step(step, dtype, "hang", None, None, seconds, f"no answer after {seconds:.0f} s, killed")
        code = self._worker.wait()
        for reader in self._readers:
            reader.join(1)
        said = " / ".join(list(self.errors)[-3:])
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        # ROCm's runtime sees some hangs itself and aborts; the kernel kills who takes too much memory.
        status = "hang" if "GPU Hang" in said else "oom" if code == -signal.SIGKILL else "failed"
        return Step(step, dtype, status, None, None, seconds, f"the worker was {how}" + (f": {said}" if said else ""))

    def _kill(self) -> None:
        self._worker.kill()
        with contextlib.suppress(
            subprocess.TimeoutExpired
        ):  # a process inside a hung driver can't die; it is left behind
            self._worker.wait(5)


# -- the worker ---------------------------------------------------------------------------------------------------


class Lab:
    """torch, the device and the faults to be injected (by tests alone)."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.kind: str = arguments.device
        self.fault: str
        self.where: str
        self.fault, _, self.where = (arguments.inject or "").partition(":")
        self.torch: Any = None

    def injected(self, fault: str, where: str = "") -> bool:
        return (self.fault, self.where) == (fault, where)


def worker(arguments: argparse.Namespace) -> None:
    lab = Lab(arguments)
    for step, dtype in PLAN:
        begun = time.monotonic()
        found: dict[str, Any] = {"status": "ok"}
        try:
            if lab.injected("hang", step):
                threading.Event().wait()
            if lab.injected("crash") and step == "conv2d":
                os.kill(os.getpid(), signal.SIGSEGV)
            run = {"import": import_torch, "devices": see_devices, "memory": copy_memory}.get(step)
            found.update(run(lab) if run else compute(lab, step, dtype or "fp32"))
        except Exception as error:
            said = str(error).strip().partition("\n")[0]  # torch adds lines of general advice to a device's error
            found.update(status="oom" if _is_oom(error) else "failed", evidence=f"{type(error).__name__}: {said}"[:500])
        found.update(selftest=SCHEMA, id=step, dtype=dtype, seconds=round(time.monotonic() - begun, 3))
        print(json.dumps(found), flush=True)
        if found["status"] == "oom" and lab.kind == "cuda":
            lab.torch.cuda.empty_cache()


def _is_oom(error: Exception) -> bool:
    """torch 1.13 raises a RuntimeError, later ones have a class for a GPU's; a CPU's says it in words."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory", "cannot allocate memory")
    )


def import_torch(lab: Lab) -> dict[str, Any]:
    lab.torch = torch = importlib.import_module("torch")  # here alone: the watchdog never touches a driver
    torch.set_grad_enabled(False)
    torch.backends.cuda.matmul.allow_tf32 = False  # fp32 means fp32 here
    torch.backends.cudnn.allow_tf32 = False
    version = {"torch": str(torch.__version__), "hip": torch.version.hip, "cuda": torch.version.cuda}
    return {"facts": version, "evidence": f"torch {version['torch']}"}


def see_devices(lab: Lab) -> dict[str, Any]:
    """Exactly what was passed to the container is seen, and by the names that the profile expects."""
    devices: list[dict[str, Any]] = []
    if lab.injected("no-device"):
        pass
    elif lab.kind == "cpu":
        devices.append({"name": "CPU", "gfx": None, "total_mib": None})
    else:
        for index in range(lab.torch.cuda.device_count()):
            seen = lab.torch.cuda.get_device_properties(index)
            gfx = getattr(seen, "gcnArchName", None)  # HIP alone, since torch 2; `gfx1010:xnack-`
            gfx = str(gfx).partition(":")[0] if gfx and lab.torch.version.hip else None
            devices.append({"name": seen.name, "gfx": gfx, "total_mib": seen.total_memory >> 20})
    text = ", ".join(f"{device['name']} ({device['gfx']})" if device["gfx"] else device["name"] for device in devices)
    found = {"facts": {"devices": devices}, "evidence": f"torch sees {text or 'no device'}"}
    wanted = lab.arguments.expect_devices
    if len(devices) != wanted:
        return {**found, "status": "failed", "evidence": f"{found['evidence']}; {wanted} expected"}
    names = {device["gfx"] for device in devices} - {None}
    strange = names - set(lab.arguments.expect_gfx) if lab.arguments.expect_gfx else set()
    if strange:
        expected = ", ".join(lab.arguments.expect_gfx)
        return {**found, "status": "failed", "evidence": f"{found['evidence']}; {expected} expected"}
    return found


def copy_memory(lab: Lab) -> dict[str, Any]:
    """16 MiB to the device and back, bit for bit."""
    torch = lab.torch
    if lab.injected("oom"):
        torch.empty(1 << 50, dtype=torch.uint8, device=lab.kind)
    text = ""
    if lab.kind == "cuda" and hasattr(torch.cuda, "mem_get_info"):
        free, total = torch.cuda.mem_get_info()
        text = f", {free >> 20} of {total >> 20} MiB free"
    pattern = torch.arange(1 << 22, dtype=torch.int32) * 2654435761 % 2147483647
    wrong = int((pattern.to(lab.kind).clone().cpu() != pattern).sum())
    return {"status": "failed" if wrong else "ok", "evidence": f"{wrong} of {1 << 22} words came back wrong{text}"}


def compute(lab: Lab, step: str, dtype: str) -> dict[str, Any]:
    """One operation on the device, twice (a first run may compile its kernels), against its reference."""
    if step == "randn":
        return draw(lab, dtype)
    worst, count, tolerance = 0.0, 0, TOLERANCE[dtype]
    for name, got, reference in cases(lab, step, getattr(lab.torch, DTYPES[dtype])):
        broken = int((~lab.torch.isfinite(got)).sum())
        if broken:
            text = f"{broken} of {got.numel()} values are NaN or infinite ({name})"
            return {"status": "failed", "tolerance": tolerance, "evidence": text}
        error = float((got - reference).abs().max() / reference.abs().max())
        worst, count = max(worst, error), count + 1
        if error > tolerance:
            text = f"error {error:.2g}, {tolerance:.0e} is allowed ({name})"
            return {"status": "failed", "max_error": error, "tolerance": tolerance, "evidence": text}
    return {"max_error": worst, "tolerance": tolerance, "evidence": f"error {worst:.1e} in {count} results"}


def cases(lab: Lab, step: str, dtype: Any) -> Iterator[tuple[str, Any, Any]]:
    """(what, the device's result as float64, the reference) for each shape and way of an operation."""
    torch, functional = lab.torch, lab.torch.nn.functional
    source = torch.Generator().manual_seed(SEED)

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, generator=source).to(dtype)

    def explicit(query: Any, key: Any, value: Any) -> Any:
        return torch.softmax(query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5, -1) @ value

    work: list[tuple[str, list[Any], list[Callable[..., Any]]]] = []  # the first way is the reference's too
    if step == "matmul":
        for rows, inner, columns in ((512, 512, 512), (77, 768, 320)):
            inputs = [normal(rows, inner), normal(inner, columns)]
            work.append((f"{rows}x{inner}x{columns}", inputs, [torch.matmul]))
    elif step == "conv2d":
        for size, stride in ((3, 1), (3, 2), (1, 1)):
            inputs = [normal(1, 64, 48, 48), normal(96, 64, size, size), normal(96)]

            def convolve(x: Any, weight: Any, bias: Any, stride: int = stride) -> Any:
                return functional.conv2d(x, weight, bias, stride=stride, padding=weight.shape[-1] // 2)

            work.append((f"{size}x{size} stride {stride}", inputs, [convolve]))
    elif step == "group_norm":
        inputs = [normal(2, 320, 32, 32) * 2 + 1, normal(320), normal(320)]
        work.append(("32 groups", inputs, [lambda x, weight, bias: functional.group_norm(x, 32, weight, bias)]))
    elif step == "softmax":
        work.append(("4096 wide", [normal(64, 4096) * 4], [lambda x: torch.softmax(x, -1)]))
    else:
        fused = getattr(functional, "scaled_dot_product_attention", None)  # since torch 2.0
        inputs = [normal(1, 8, 256, 40), normal(1, 8, 77, 40), normal(1, 8, 77, 40)]
        work.append(("explicit and fused", inputs, [explicit, *([fused] if fused else [])]))
    for name, inputs, ways in work:
        reference = ways[0](*(each.double() for each in inputs))
        there = [each.to(lab.kind) for each in inputs]
        for way in ways:
            for _ in range(2):
                yield name, _harm(lab, way(*there), dtype).cpu().double(), reference


def _harm(lab: Lab, result: Any, dtype: Any) -> Any:
    """The faults of tests: they change the device's result, nothing that compares it."""
    short = next(name for name, long in DTYPES.items() if getattr(lab.torch, long) == dtype)
    for fault, value in (("nan", float("nan")), ("wrong", result.abs().max())):
        if lab.injected(fault, short):
            result = result.contiguous()  # fused attention's is not
            result.view(-1)[7] += value
    return result


def draw(lab: Lab, dtype: str) -> dict[str, Any]:
    """Random numbers of the device: the moments of a normal distribution, the same again from the same seed."""
    torch, kind = lab.torch, getattr(lab.torch, DTYPES[dtype])

    def numbers(seed: int) -> Any:
        source = torch.Generator(device=lab.kind).manual_seed(seed)
        drawn = torch.randn(RANDOM_COUNT, generator=source, device=lab.kind, dtype=kind)
        return _harm(lab, drawn, kind).cpu().double()

    first, again, other = numbers(SEED), numbers(SEED), numbers(SEED + 1)
    broken = int((~torch.isfinite(first)).sum())
    if broken:
        text = f"{broken} of {RANDOM_COUNT} values are NaN or infinite"
        return {"status": "failed", "tolerance": RANDOM_TOLERANCE, "evidence": text}
    # Mean 0, variance 1, fourth moment 3.
    error = max(abs(float(first.mean())), abs(float((first**2).mean()) - 1), abs(float((first**4).mean()) - 3) / 10)
    found = {"max_error": error, "tolerance": RANDOM_TOLERANCE, "evidence": f"moments are off by {error:.1e}"}
    if error > RANDOM_TOLERANCE:
        return {**found, "status": "failed"}
    if not torch.equal(first, again):
        return {**found, "status": "failed", "evidence": "the same seed gives other numbers"}
    if torch.equal(first, other):
        return {**found, "status": "failed", "evidence": "another seed gives the same numbers"}
    return found


# -- the command line ---------------------------------------------------------------------------------------------


def arguments_of(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cuda is HIP's name too (default)")
    parser.add_argument("--expect-devices", type=int, default=1, metavar="N", help="how many torch must see (1)")
    parser.add_argument(
        "--expect-gfx",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAMES",
        help="their names, where torch tells",
    )
    parser.add_argument("--profile", default=None, help="name of the image's profile, copied into the result")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the result there too")
    parser.add_argument(
        "--step-timeout", type=float, default=300, metavar="S", help="kernels are compiled meanwhile (300)"
    )
    parser.add_argument("--timeout", type=float, default=900, metavar="S", help="for all steps (900)")
    parser.add_argument("--inject", metavar="FAULT", help=f"for tests of the test: {INJECTIONS}")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def write(path: Path, text: str) -> None:
    """All of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(f"{text}\n", encoding="utf-8")
    unfinished.replace(path)


def main(argv: list[str]) -> int:
    arguments = arguments_of(argv)
    if arguments.worker:
        worker(arguments)
        return 0
    begun = time.monotonic()
    command = [sys.executable, os.path.abspath(__file__), *argv, "--worker"]  # noqa: PTH100
    try:
        watchdog = Watchdog(command, arguments.step_timeout, arguments.timeout)
    except OSError as error:
        print(f"selftest: the worker can't be started: {error}", file=sys.stderr)
        return 2
    steps = watchdog.watch()
    result = {
        "schema": SCHEMA,
        "simulated": False,
        "profile": arguments.profile,
        "device": arguments.device,
        "torch": None,
        "hip": None,
        "cuda": None,
        "devices": [],
        **watchdog.facts,
        "seconds": round(time.monotonic() - begun, 1),
        "steps": [step._asdict() for step in steps],
        "decision": decide(arguments.device, steps),
    }
    text = json.dumps(result)
    print(text, flush=True)
    if arguments.json:
        try:
            write(arguments.json, text)
        except OSError as error:
            print(f"selftest: the result can't be written: {error}", file=sys.stderr)
            return 2
    return 0 if result["decision"]["usable"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
