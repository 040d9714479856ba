"""What the bench measures, hands to the contestants, and holds us to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from bench import hosts, report  # noqa: E402
from bench.contestants import Result  # noqa: E402
from bench.measure import Cost, descendants, measure  # noqa: E402

SPIN = "import time\nwhile time.process_time() < 0.4: pass"


def test_a_daemon_is_counted_and_ended(tmp_path: Path) -> None:
    daemon = tmp_path / "daemon.py"
    daemon.write_text(f"x = bytearray(64 * 2**20)\n{SPIN}\ntime.sleep(60)", encoding="utf-8")
    script = f"setsid {sys.executable} {daemon} & sleep 1.5; echo said; exit 3"
    before = descendants()
    cost = measure(["sh", "-c", script], tmp_path / "log", os.environ, 30, tmp_path / "stdout")
    assert cost.status == 3
    assert 1.4 < cost.wall_s < 10
    assert 0.4 <= cost.cpu_s < 5
    assert 64 < cost.peak_mib < 200
    assert descendants() == before
    assert (tmp_path / "stdout").read_text(encoding="utf-8") == "said\n"


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    before = descendants()
    cost = measure(["sleep", "60"], tmp_path / "log", os.environ, 0.3)
    assert (cost.status, descendants()) == (124, before)


@pytest.fixture
def lab(tmp_path: Path) -> list[hosts.Host]:
    """Three hosts as `navilab lab up` writes them down."""
    (tmp_path / "ca.pem").write_text("CERTIFICATE\n", encoding="utf-8")
    (tmp_path / "tiny.safetensors").write_bytes(b"tiny")
    suites = {"bookworm": "rx5500xt-8g", "bullseye": "rx5500xt-4g", "trixie": "rx5700xt"}
    inventory = {
        "hosts": {
            f"sim-{suite}": {
                "ansible_host": f"10.0.0.{n}",
                "navilab_lab_suite": suite,
                "navilab_lab_board": board,
            }
            for n, (suite, board) in enumerate(suites.items())
        },
        "vars": {
            "ansible_user": "lab",
            "ansible_ssh_private_key_file": str(tmp_path / "key"),
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=yes",
            "navilab_lab_webui_image": "registry.test/webui@sha256:00",
            "navilab_lab_registry": "registry.test",
            "navilab_lab_registry_ca_file": str(tmp_path / "ca.pem"),
            "navilab_lab_model": str(tmp_path / "tiny.safetensors"),
        },
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"lab": inventory}), encoding="utf-8")
    return hosts.read(tmp_path / "hosts.yml")


def test_aliases(lab: list[hosts.Host], tmp_path: Path) -> None:
    names = hosts.aliases(lab, 7)
    assert [host.variables["ansible_host"][-1] for host in names] == ["0", "1", "2", "0", "1", "2", "0"]
    hosts.write(names, tmp_path / "out", tmp_path)
    inventory = yaml.safe_load((tmp_path / "out" / "inventory" / "hosts.yml").read_text(encoding="utf-8"))
    paths = {host["ansible_control_path"] for host in inventory["lab"]["hosts"].values()}
    assert len(paths) == 7, "a connection each"
    data = dict(json.loads((tmp_path / "out" / "pyinfra.json").read_text(encoding="utf-8")))
    assert data["alias-002"]["site"]["packages"][-1] == "docker-cli", "trixie's client is a package of its own"
    assert data["alias-004"]["site"]["component"] == "non-free"
    for script in (tmp_path / "out").glob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
    shown = subprocess.run(
        ["ssh", "-F", str(tmp_path / "out" / "ssh_config"), "-G", "alias-005"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "hostname 10.0.0.2\n" in shown
    options = next(iter(inventory["lab"]["hosts"].values()))["ansible_ssh_common_args"]
    assert f"kexalgorithms {hosts.KEY_EXCHANGE}\n" in shown and f"KexAlgorithms={hosts.KEY_EXCHANGE}" in options


def result(wall: float, **more: Any) -> Result:
    return Result(Cost(wall, 1.0, 100.0, 0), more.pop("failed", []), **more)


def test_limits() -> None:
    pairs = {
        ("site", 3, "ours"): [result(2.0, tasks=8), result(9.0, tasks=8), result(3.0, tasks=8)],
        ("site", 3, "pyinfra"): [result(4.0), result(18.0), result(4.0)],
    }
    found = {
        limit.measure: report.evaluate(limit, pairs)
        for limit in report.LIMITS
        if (limit.run, limit.names) == ("site", 3)
    }
    assert (found["wall_s"]["found"], found["wall_s"]["met"]) == (0.5, True), "round by round"
    assert (found["tasks"]["found"], found["tasks"]["met"]) == (8, True)
    assert found["round_trips"]["met"] is None, "nobody counted"


def test_a_run_that_failed_meets_no_limit() -> None:
    limit = report.Limit("site", 100, "peak_mib", 1024)
    key = ("site", 100, "ours")
    assert report.evaluate(limit, {key: [result(1.0)]})["met"] is True
    assert report.evaluate(limit, {key: [result(1.0, failed=["alias-001"])]})["met"] is None
    assert report.evaluate(limit, {})["met"] is None


def test_the_selftest_is_left_out_of_a_first_run() -> None:
    seconds = {"navilab.webui.webui : Test what the image computes on the board": 3.0, "Pull the image": 5.0}
    assert report.value(result(20.0, seconds=seconds), "net_wall_s") == 17.0
