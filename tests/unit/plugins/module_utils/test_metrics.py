"""What a host writes for Prometheus: its text, its values, and that documentation and rules know them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils import _metrics
from ansible_collections.navilab.webui.plugins.module_utils._docker import Engine
from ansible_collections.navilab.webui.plugins.module_utils._metrics import METRICS, Samples
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

ROOT = Path(__file__).resolve().parents[4]
FILES = ROOT / "roles/metrics/files"
PAGE = ROOT / "docs" / "docsite" / "rst" / "guide_metrics.rst"
BDF = "0000:0a:00.0"
NAMES = {f"navilab_{metric.name}" for metric in METRICS}


def state(**changes: Any) -> Any:
    return {"since": 0.0, "oom": {}, "resets": {}, **changes}


def values(samples: Samples) -> dict[str, str]:
    """Values by name and labels."""
    lines = [line for line in samples.text().splitlines() if line and not line.startswith("#")]
    return dict(line.removeprefix("navilab_").rsplit(" ", 1) for line in lines)


# -- the text ---------------------------------------------------------------------------------------------------------


def test_the_text_is_prometheus_format() -> None:
    found = Samples()
    found.add("webui_up", True, "webui")
    found.add("webui_up", False, "webui-2")
    found.add("oom_kills_total", 3)
    found.add("gpu_fan_rpm", None, BDF)
    found.add("metrics_timestamp_seconds", 1795694125.516977)
    assert found.text() == (
        "# HELP navilab_metrics_timestamp_seconds When these metrics were written, since the epoch.\n"
        "# TYPE navilab_metrics_timestamp_seconds gauge\n"
        "navilab_metrics_timestamp_seconds 1795694125.516977\n"
        "# HELP navilab_oom_kills_total Processes that the kernel has killed for want of memory since the boot.\n"
        "# TYPE navilab_oom_kills_total counter\n"
        "navilab_oom_kills_total 3\n"
        "# HELP navilab_webui_up Whether the webui answers and lists a model.\n"
        "# TYPE navilab_webui_up gauge\n"
        'navilab_webui_up{webui="webui"} 1\n'
        'navilab_webui_up{webui="webui-2"} 0\n'
    )


def test_what_a_host_says_does_not_end_a_label() -> None:
    found = Samples()
    found.add("webui_image_info", 1, 'a"b\\c\nd', "x\udcffy", None)
    text = found.text().splitlines()[-1]
    assert text == r'navilab_webui_image_info{webui="a\"b\\c\nd",image="x?y",id=""} 1'


def test_names_follow_the_conventions() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith(".") and "\n" not in metric.help and "\\" not in metric.help
    assert len(NAMES) == len(METRICS)


# -- the values -------------------------------------------------------------------------------------------------------


def test_checks_have_one_status_and_failed_ones_a_remedy(facts: Any, tmp_path: Path) -> None:
    found = Samples()
    checks: Any = [
        {"id": "memory", "status": "ok", "remedy": ""},
        {"id": "webui_healthy", "status": "failed", "remedy": "docker restart webui"},
    ]
    _metrics.host_samples(found, Tree(str(tmp_path)), facts, checks)
    seen = values(found)
    assert {key for key, value in seen.items() if key.startswith("check_status") and value == "1"} == {
        'check_status{check="memory",status="ok"}',
        'check_status{check="webui_healthy",status="failed"}',
    }
    assert len([key for key in seen if key.startswith("check_status")]) == 8
    assert [key for key in seen if key.startswith("check_remedy")] == [
        'check_remedy_info{check="webui_healthy",remedy="docker restart webui"}'
    ]
    assert seen["reboot_required"] == "0" and "oom_kills_total" not in seen


def test_of_the_host(facts: Any, tmp_path: Path) -> None:
    facts["kernel"]["pending"] = "6.1.0-57-amd64"
    records = tmp_path / "var/lib/navilab"
    records.mkdir(parents=True)
    for name, mtime in (("webui.json", 500), ("firmware.json", 400)):
        (records / name).write_text("{}")
        os.utime(records / name, (mtime, mtime))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/vmstat").write_text("oom_kill 4\noom_kill_x 9\n")
    found = Samples()
    _metrics.host_samples(found, Tree(str(tmp_path)), facts, [])
    assert values(found) == {"reboot_required": "1", "oom_kills_total": "4", "last_run_timestamp_seconds": "500"}


@pytest.mark.parametrize(("status", "failed"), [("0\n", "0"), ("2\n", "1"), ("TERM\n", "1"), ("\n", "1")])
def test_how_a_run_of_the_hosts_own_ended(facts: Any, tmp_path: Path, status: str, failed: str) -> None:
    (tmp_path / "var/lib/navilab-pull").mkdir(parents=True)
    for path, text, mtime in ((_metrics.PULLED, status, 500), (_metrics.PULLED_WELL, "", 400)):
        (tmp_path / path[1:]).write_text(text)
        os.utime(tmp_path / path[1:], (mtime, mtime))
    found = Samples()
    _metrics.host_samples(found, Tree(str(tmp_path)), facts, [])
    assert {key: value for key, value in values(found).items() if key.startswith("pull")} == {
        "pull_failed": failed,
        "pull_last_run_timestamp_seconds": "500",
        "pull_last_success_timestamp_seconds": "400",
    }


def test_a_reset_is_remembered_when_its_line_has_gone(facts: Any, host: Callable[..., Path]) -> None:
    tree, kept = Tree(str(host("rx5500xt-8g"))), state()
    facts["kernel_log"]["resets"] = [f"amdgpu {BDF}: amdgpu: GPU reset(2) succeeded!"]
    for _again in range(2):
        found = Samples()
        _metrics.gpu_samples(found, tree, facts, kept)
        assert values(found)[f'gpu_resets_total{{bdf="{BDF}"}}'] == "2"
        facts["kernel_log"]["resets"] = []
    seen = values(found)
    assert seen[f'gpu_temperature_celsius{{bdf="{BDF}",sensor="junction"}}'] == "43"
    assert seen[f'gpu_clock_hertz{{bdf="{BDF}",clock="sclk"}}'] == "300000000"
    assert all(key.startswith("gpu_") for key in seen) and len(seen) == 13
    facts["boards"][0]["driver"] = "vfio-pci"
    found = Samples()
    _metrics.gpu_samples(found, tree, facts, kept)
    assert values(found) == {}


PROGRESS = {"progress": 0.25, "state": {"job_count": 2}}


@pytest.fixture
def webui(serve: Callable[..., Any], facts: Any, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The samples of a webui that gives these answers."""

    def run(routes: dict[str, Any], ready: bool = True, **changes: Any) -> dict[str, str]:
        port = serve(routes).server_address[1]
        facts["http"]["webui"] = {"status": 200, "ready": ready, "models": 1, "error": ""}
        container = {
            "image": "r.test/webui@sha256:1", "image_id": "sha256:2", "started_at": "2026-01-02T03:04:05.678901234Z",
            "restart_count": 3, "memory": 8 << 30, "pid": 77, **changes,
        }  # fmt: skip
        facts["docker"]["containers"]["webui"] = container
        found, tree = Samples(), Tree(str(tmp_path))
        wanted: Any = [{"name": "webui", "port": port, "data": str(tmp_path / "data")}]
        _metrics.webui_samples(found, tree, facts, wanted, state(oom={"webui": 5}))
        return {key.replace('{webui="webui"}', ""): value for key, value in values(found).items()}

    return run


def test_of_a_webui(webui: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    outputs = tmp_path / "data/outputs/txt2img-images/2026-01-02"
    outputs.mkdir(parents=True)
    for name in ("00000-1.png", "00001-2.PNG", "00002-3.jpg", "grid.txt"):
        (outputs / name).write_text("")
    cgroup = "sys/fs/cgroup/system.slice/docker-1.scope"
    for name, text in {
        "proc/77/cgroup": "0::/system.slice/docker-1.scope\n",
        f"{cgroup}/memory.current": "99\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    routes = {"/sdapi/v1/progress": (200, PROGRESS), "/internal/pending-tasks": (200, {"size": 4, "tasks": []})}
    assert webui(routes) == {
        "webui_up": "1", "webui_busy": "1", "webui_progress_ratio": "0.25", "webui_queue_length": "4",
        "webui_pictures": "3", "webui_start_timestamp_seconds": "1767323045", "webui_restarts_total": "3",
        "webui_oom_kills_total": "5", "webui_memory_limit_bytes": "8589934592", "webui_memory_used_bytes": "99",
        'webui_image_info{webui="webui",image="r.test/webui@sha256:1",id="sha256:2"}': "1",
    }  # fmt: skip


@pytest.mark.parametrize("answer", [(401, {}), (200, []), (200, {"state": None, "size": "x"}), (200, "no JSON")])
def test_what_the_api_does_not_say_is_no_zero(webui: Callable[..., dict[str, str]], answer: Any) -> None:
    found = webui(
        {"/sdapi/v1/progress": answer, "/internal/pending-tasks": answer}, memory=0, started_at="0001-01-01T00:00:00Z"
    )
    assert sorted(found) == [
        'webui_image_info{webui="webui",image="r.test/webui@sha256:1",id="sha256:2"}',
        "webui_oom_kills_total", "webui_restarts_total", "webui_up",
    ]  # fmt: skip


def test_one_that_is_down_is_asked_for_nothing(webui: Callable[..., dict[str, str]]) -> None:
    found = webui({"/sdapi/v1/progress": (200, PROGRESS)}, ready=False)
    assert found["webui_up"] == "0" and "webui_busy" not in found


# -- what adds up -----------------------------------------------------------------------------------------------------


def oom(name: str, at: float) -> bytes:
    event = {"Action": "oom", "Actor": {"Attributes": {"name": name}}, "timeNano": int(at * 1e9)}
    return json.dumps(event).encode() + b"\n"


def test_each_kill_counts_once(engine: Callable[..., Any]) -> None:
    events = oom("webui", 10.0) + oom("other", 11.0) + b"no JSON\n" + oom("webui", 12.0) + oom("webui", 90.0)
    socket = engine({"/events": (200, events)}).server_address
    kept = state(since=10.0)
    _metrics.count_oom(kept, Engine(socket), ["webui"], 50.0)
    assert kept == state(since=50.0, oom={"webui": 1})
    _metrics.count_oom(kept, Engine(socket), ["webui"], 100.0)
    assert kept == state(since=100.0, oom={"webui": 2})
    _metrics.count_oom(kept, Engine(f"{socket}.none"), ["webui"], 200.0)
    assert kept["since"] == 100.0  # that time is asked for again


@pytest.mark.parametrize("text", ["", "{", "[]", '{"since": 1, "oom": [], "resets": {}}', '{"since": "x"}'])
def test_a_damaged_state_counts_from_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    assert _metrics.read_state(str(path)) == _metrics.read_state(str(tmp_path / "none")) == state()
    path.write_text(json.dumps(state(since=2.5, oom={"webui": 1})))
    assert _metrics.read_state(str(path)) == state(since=2.5, oom={"webui": 1})


# -- the whole --------------------------------------------------------------------------------------------------------


def test_a_recorded_tree_gives_all_of_it(host: Callable[..., Path]) -> None:
    config: Any = {
        "interval": 60, "directory": "/x", "gather": {"user": "lab"}, "wanted": {"scope": ["kfd"]},
        "webuis": [{"name": "webui", "port": 9, "data": "/none"}],
    }  # fmt: skip
    text = _metrics.exposition(config, state(), root=str(host("two-boards")))
    assert text.count("navilab_gpu_info{") == 2
    assert 'navilab_check_status{check="board_present",status="ok"} 1\n' in text
    assert 'navilab_webui_up{webui="webui"} 0\n' in text and "\nnavilab_metrics_interval_seconds 60\n" in text


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "navilab.prom"
    path.write_text("old")
    _metrics.replace(path, "new\n")
    assert (path.read_text(), [each.name for each in tmp_path.iterdir()]) == ("new\n", ["navilab.prom"])
    assert path.stat().st_mode & 0o777 == 0o644


# -- documentation, rules, dashboard ----------------------------------------------------------------------------------


def used(text: str) -> set[str]:
    return set(re.findall(r"\bnavilab_[a-z_]+[a-z]\b", text))


def test_the_documentation_has_a_row_for_each() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^   \* - ``(navilab_\w+)``\n     - (\w+)\n     -(.*)\n     - (.+)$", text, re.MULTILINE)
    told = [
        (f"navilab_{each.name}", each.kind, ", ".join(f"``{label}``" for label in each.labels), each.help)
        for each in METRICS
    ]
    assert [(name, kind, labels.strip(), meaning) for name, kind, labels, meaning in rows] == told


def test_rules_and_dashboard_ask_for_what_there_is() -> None:
    rules = (FILES / "navilab.rules.yml").read_text(encoding="utf-8")
    dashboard = json.loads((FILES / "navilab-dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert asked and used("\n".join(asked)) <= NAMES
    (group,) = yaml.safe_load(rules)["groups"]
    documented = PAGE.read_text(encoding="utf-8")
    for rule in group["rules"]:
        assert used(rule["expr"]) <= NAMES and f"`{rule['alert']}`" in documented, rule["alert"]
        assert rule["alert"] != "NavilabPullFailed" or rule["for"] == "3h"  # the next pull may mend it
        assert rule["annotations"]["summary"] and rule["annotations"]["runbook"] and rule["labels"]["severity"]
