"""Every case of tests/recordings, judged as a user would: `navilab plan --recorded` and `navilab verify --recorded`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import recordings

ROOT = Path(__file__).parents[3]

CASES = recordings.cases()


def navilab(*words: str) -> Mapping[str, Any]:
    """The hosts of a command's JSON document."""
    command = [str(ROOT / "navilab"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert document["exit_code"] in (0, 2, 5), done.stderr
    hosts: Mapping[str, Any] = document["hosts"]
    return hosts


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, recordings.Verdict]:
    """What one plan of all recordings and one verification of them say, by case."""
    folder = tmp_path_factory.mktemp("recordings")
    files = []
    for case in CASES:
        built = recordings.build(case, folder / case.name)
        files.append(str(recordings.pack(built, folder / f"{case.name}.tar.gz")))
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(navilab, command, "--json", "--recorded", *files) for command in ("plan", "verify")]
        plans, checks = (run.result() for run in runs)
    return {case.name: recordings.verdict(plans[case.name], checks[case.name]) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(verdicts: dict[str, recordings.Verdict], case: recordings.Case) -> None:
    assert recordings.wrong(case.right, verdicts[case.name]) == []
