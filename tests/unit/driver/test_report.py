"""The page about a run: what it is made of, and that nothing a host says becomes markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from navilab import cli, report

EVIL = "</pre><script>alert(1)</script> {{ 7 * 7 }} \x1b[31m"
FACTS = {
    "boards": [
        {"name": "Radeon RX 5500 XT", "bdf": "0000:0a:00.0", "gfx_target": "gfx1012", "vram_mib": 8176, "kfd_node": 1}
    ],
    "release": {"pretty_name": EVIL},
    "kernel": {"release": "6.1.0"},
    "driver": {"loaded": True, "version": None},
    "kfd": {"device": {"exists": True}},
    "memory": {"total_mib": 16000},
    "docker": {"containers": {"webui": {"image": "navilab/webui@sha256:" + "a" * 64}, "webui-2": None}},
}


def check(identity: str, status: str = "ok", **more: str) -> dict[str, str]:
    return {"id": identity, "status": status, "evidence": "seen", "remedy": "", "note": "", "reason": "", **more}


def navilab(*checks: dict[str, str]) -> dict[str, Any]:
    webui = {
        "name": "webui",
        "board_name": "Radeon RX 5500 XT",
        "vram_mib": 8176,
        "profile": "rocm7",
        "url": "http://x",
    }
    return {
        "state": json.dumps({"facts": FACTS}),
        "plans": {"webui": {"actions": ["start container webui"], "warnings": [], "instances": [webui]}},
        "checks": list(checks),
    }


def event(number: int, kind: str, host: str = "", start: int = 0, **data: Any) -> dict[str, Any]:
    moment = "2026-01-02T03:04:{:02}"
    times = {"start": moment.format(start), "end": moment.format(start + 2)} if kind in report.ENDS else {}
    named = {"host": host, "play": "Site", "task": "Do it"}
    return {
        "counter": number,
        "event": kind,
        "created": moment.format(start) + "+00:00",
        "event_data": {**named, **times, **data},
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two hosts: `good` is verified, `bad` has a failed check."""
    failed = check("driver_bound", "failed", evidence=EVIL, remedy="reboot")
    events = [
        event(1, "runner_on_start", "good"),
        event(2, "runner_on_start", "bad"),
        event(3, "runner_on_ok", "good", 1, role="navilab.webui.webui", task="Start it", res={"changed": True}),
        event(4, "runner_on_ok", "good", 3, role="navilab.webui.webui", res={}),
        event(5, "runner_on_ok", "good", 6, res={"ansible_facts": {"navilab": navilab(check("release"))}}),
        event(10, "runner_on_failed", "bad", 2, res={"msg": "no", "checks": [failed]}),
        event(11, "playbook_on_stats", ok={"good": 3}, changed={"good": 1}, failures={"bad": 1}, dark={}),
    ]
    directory = tmp_path / "20260102-030405-site"
    (directory / "job_events").mkdir(parents=True)
    for each in events:
        (directory / "job_events" / f"{each['counter']}-uuid.json").write_text(json.dumps(each), encoding="utf-8")
    (directory / "job_events" / "12-partial.json").write_text('{"event"', encoding="utf-8")
    (directory / "rc").write_text("2", encoding="utf-8")
    return directory


def test_who_needs_somebody_comes_first(run: Path) -> None:
    found = report.document(report.read(run))
    assert [(host["name"], host["result"]) for host in found["hosts"]] == [
        ("bad", "failed: driver_bound"),
        ("good", "verified"),
    ]
    assert (found["exit_code"], found["seconds"]) == (2, 7.0)


def test_a_host_has_its_parts_and_its_steps(run: Path) -> None:
    good = report.document(report.read(run))["hosts"][1]
    assert good["steps"] == [
        {"name": "webui", "at": 0.0, "seconds": 4.0, "changed": ["Start it"]},
        {"name": "Site", "at": 5.0, "seconds": 2.0, "changed": []},
    ]
    assert good["gpus"][0]["vram_mib"] == 8176
    assert good["system"]["driver"] == "amdgpu, the kernel's own"
    assert good["webuis"][0]["image"].startswith("navilab/webui@sha256:aaa")
    assert good["counts"] == "1 checks passed"


def test_nothing_that_a_host_says_becomes_markup(run: Path) -> None:
    text = report.page(report.document(report.read(run)))
    assert text.count("<script>") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert "{{ 7 * 7 }}" in text
    assert "\x1b" not in text
    assert "http-equiv" in text
    assert "src=" not in text


def test_what_a_card_is_found_by(run: Path) -> None:
    text = report.page(report.document(report.read(run)))
    bad, good = re.findall(r'data-text="([^"]*)"', text)
    assert "driver_bound" in bad and "driver_bound" not in good
    assert "radeon rx 5500 xt" in good and "KFD node 1" in text


def test_a_hundred_hosts_weigh_less_than_a_mebibyte(run: Path) -> None:
    data = report.document(report.read(run))
    checks = [
        {**data["hosts"][1]["checks"][0], "id": f"check_{n}", "evidence": "what was seen of it " * 4} for n in range(35)
    ]
    hosts = [{**data["hosts"][1], "name": f"node{n:03}", "checks": checks} for n in range(100)]
    assert len(report.page({**data, "hosts": hosts})) < 1 << 20


def test_the_command_writes_page_and_json(run: Path, tmp_path: Path) -> None:
    assert cli.main(["report", str(run), "-o", str(tmp_path / "lab.html")]) == 0
    assert json.loads((tmp_path / "lab.json").read_text(encoding="utf-8"))["format"] == report.FORMAT
    assert (tmp_path / "lab.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_run_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(tmp_path / "gone")]) == 64
    assert "there is no run" in capsys.readouterr().err
