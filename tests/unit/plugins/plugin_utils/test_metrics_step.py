"""What the metrics role decides."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._checks import CHECK_IDS
from ansible_collections.navilab.webui.plugins.module_utils._metrics import CONFIG
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _metrics_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import metrics, verify
from metrics_host import tell_metrics

PROM = "/var/lib/prometheus/node-exporter/navilab.prom"
DROP_IN = f"{files.DROP_IN}/navilab.conf"
WAITS = {"owner": "", "listeners": []}


@pytest.fixture
def chosen(variables: dict[str, dict[str, Any]], settings: dict[str, Any]) -> Callable[..., Any]:
    """The step's settings, with changes; `settings` names an image for each profile."""

    def of(**changes: Any) -> Any:
        variables["metrics"].update({"state": "present", **changes})
        return metrics.settings(variables)

    return of


def sentences(plan: Any) -> str:
    return "; ".join(plan["actions"])


def test_a_bare_host(facts: Any, chosen: Callable[..., Any]) -> None:
    facts["ports"]["9100"] = WAITS
    plan = metrics.plan(facts, chosen())
    assert (plan["install"], plan["program"], plan["prove"]) == (["prometheus-node-exporter"], True, True)
    written = {each["path"]: each["content"] for each in plan["writes"]}
    assert list(written) == [CONFIG, files.SERVICE, files.TIMER_UNIT, DROP_IN]
    assert "--web.listen-address=127.0.0.1:9100 $ARGS" in written[DROP_IN]
    assert "OnUnitActiveSec=60\n" in written[files.TIMER_UNIT]
    assert plan["directories"] == [files.DROP_IN]
    assert [(unit["name"], unit["state"]) for unit in plan["units"]] == [
        ("prometheus-node-exporter.service", "started"),
        ("navilab-metrics.service", "started"),
        ("navilab-metrics.timer", "restarted"),
    ]
    assert plan["record"] == {
        "packages": ["prometheus-node-exporter"], "directories": [files.DROP_IN], "account": True, "interval": 60,
        "files": sorted([*written, files.PROGRAM, PROM]), "textfile_dir": PROM.rpartition("/")[0], "proven": False,
    }  # fmt: skip
    assert plan["url"] == "http://127.0.0.1:9100/metrics" and plan["warnings"] == []


def test_a_host_as_the_role_leaves_it(facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert metrics.plan(tell_metrics(facts, chosen(), seen), chosen())["actions"] == []


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (CONFIG, f"write {CONFIG}"),
        (files.SERVICE, f"write {files.SERVICE}"),
        (files.TIMER_UNIT, "have navilab-metrics.timer write it every 60 s"),
        (files.TIMER_ENABLED, "have navilab-metrics.timer write it"),
        (files.PROGRAM, f"write {files.PROGRAM}"),
        (DROP_IN, f"write {DROP_IN}"),
        (PROM, f"write {PROM}"),
    ],
)
def test_what_is_gone_comes_again(
    facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any], path: str, says: str
) -> None:
    host = tell_metrics(facts, chosen(), seen)
    host["files"].pop(path)
    plan = metrics.plan(host, chosen())
    assert says in sentences(plan) and plan["prove"]


def test_a_program_of_an_older_collection_is_drift(
    facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = tell_metrics(facts, chosen(), seen)
    host["files"][files.PROGRAM]["sha256"] = "0" * 64
    plan = metrics.plan(host, chosen())
    assert plan["program"] and [unit["name"] for unit in plan["units"]] == ["navilab-metrics.service"]


def test_a_timer_that_does_not_write_is_started(
    facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = tell_metrics(facts, chosen(), seen)
    host["clock"] += 210
    assert metrics.plan(host, chosen())["actions"] == []
    host["clock"] += 1
    assert "have navilab-metrics.timer write it every 60 s" in metrics.plan(host, chosen())["actions"]


def test_another_address_restarts_the_exporter(
    facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = tell_metrics(facts, chosen(), seen)
    plan = metrics.plan(host, chosen(listen="192.0.2.11"))
    assert "restart prometheus-node-exporter.service, which does not listen on 192.0.2.11:9100" in plan["actions"]
    assert plan["warnings"] == [
        "the node exporter has no login: whoever reaches http://192.0.2.11:9100/metrics reads it"
    ]
    host["ports"]["9100"]["listeners"] = ["::"]
    everywhere = metrics.plan(host, chosen(listen="0.0.0.0"))
    assert "restart" not in sentences(everywhere) and everywhere["url"] == "http://127.0.0.1:9100/metrics"


@pytest.mark.parametrize("package", [True, False])
def test_a_node_exporter_that_is_there_is_used_as_it_is(facts: Any, chosen: Callable[..., Any], package: bool) -> None:
    facts["ports"]["9100"] = {"listeners": ["::"], "owner": "prometheus-node" if package else "node_exporter"}
    if package:
        facts["dpkg"]["packages"]["prometheus-node-exporter"] = {"installed": True, "version": "1", "held": False}
    plan = metrics.plan(facts, chosen())
    assert (plan["install"], plan["record"]["packages"]) == ([], [])
    assert DROP_IN not in [each["path"] for each in plan["writes"]]
    assert [unit["name"] for unit in plan["units"]] == ["navilab-metrics.service", "navilab-metrics.timer"]
    assert plan["directories"] == ["/var/lib/prometheus/node-exporter"]  # nobody else makes it
    assert plan["warnings"] == ["the node exporter that is there is used as it is"]


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"listen": ""}, "variables", "metrics_listen"),
        ({"listen": "node1.lan"}, "variables", "no address"),
        ({"port": 70000}, "variables", "metrics_port"),
        ({"interval": 4}, "variables", "metrics_interval"),
        ({"textfile_dir": "x"}, "variables", "metrics_textfile_dir"),
        ({}, "metrics_port", "port 9100, which the node exporter is to have, is nginx's"),
    ],
)
def test_what_can_not_be(facts: Any, chosen: Callable[..., Any], changes: Any, check: str, says: str) -> None:
    if not changes:
        facts["ports"]["9100"] = {"listeners": ["0.0.0.0"], "owner": "nginx"}
    (problem,) = metrics.plan(facts, chosen(**changes))["problems"]
    assert problem["id"] == check and says in problem["evidence"] and problem["remedy"]


def test_a_run_that_found_it_not_shown_is_not_forgotten(
    facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = tell_metrics(facts, chosen(), seen)
    host["records"]["metrics"]["proven"] = False
    plan = metrics.plan(host, chosen())
    assert plan["prove"] and plan["units"] == [] and "see whether http://127.0.0.1:9100/metrics" in sentences(plan)


def test_what_came_in_goes_out(facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert metrics.plan(facts, chosen(state="absent"))["actions"] == []
    host = tell_metrics(facts, chosen(), seen)
    plan = metrics.plan(host, chosen(state="absent"))
    assert set(plan["files_absent"]) == {*host["records"]["metrics"]["files"], files.RUN}
    assert (plan["remove"], plan["account"], plan["empty_absent"]) == (
        ["prometheus-node-exporter"], "prometheus", [files.DROP_IN],
    )  # fmt: skip
    assert [(unit["name"], unit["state"]) for unit in plan["units"]] == [
        ("navilab-metrics.timer", "stopped"), ("navilab-metrics.service", "stopped"),
    ]  # fmt: skip
    host["dpkg"]["packages"]["prometheus"] = {"installed": True, "version": "2", "held": False}
    assert metrics.plan(host, chosen(state="absent"))["account"] == ""  # it is another's by now


def test_what_the_variables_no_longer_name_goes_too(
    facts: Any, chosen: Callable[..., Any], seen: Callable[..., Any]
) -> None:
    host = tell_metrics(facts, chosen(textfile_dir="/srv/prom"), seen)
    del host["files"]["/srv/prom/navilab.prom"]  # nobody looked
    assert "/srv/prom/navilab.prom" in metrics.plan(host, chosen(state="absent"))["files_absent"]
    moved = metrics.plan(host, chosen(state="present", textfile_dir=files.TEXTFILE_DIR))
    assert moved["files_absent"] == ["/srv/prom/navilab.prom"]
    assert "/srv/prom/navilab.prom" not in moved["record"]["files"]


def test_the_host_is_told_what_verify_wants(facts: Any, chosen: Callable[..., Any]) -> None:
    told = json.loads(files.configuration(facts, chosen()))
    assert set(told["wanted"]["only"]) == set(CHECK_IDS) - {"selftest", "metrics_fresh", "webui_egress"}
    (webui,) = told["wanted"]["webuis"]
    assert (webui["name"], webui["devices"]) == ("webui", ["/dev/kfd", "/dev/dri/renderD128"])
    assert "selftest" not in webui and "image" not in webui
    assert told["webuis"] == [{"name": "webui", "port": 7860, "data": "/home/lab/dockerx/webui_data"}]
    unit = files.service(chosen(), told["gather"]["disk"], ["192.0.2.5"])
    assert "IPAddressAllow=localhost 192.0.2.5\n" in unit
    assert 'ReadWritePaths="-/var/lib/prometheus/node-exporter" "-/home/lab/dockerx"' in unit


def test_the_same_is_told_whatever_a_run_knows_of_the_lab(
    facts: Any, chosen: Callable[..., Any], variables: dict[str, dict[str, Any]]
) -> None:
    before = files.configuration(facts, chosen())
    variables["amdgpu_dkms"]["__amdgpu_dkms_state"] = "present"
    variables["webui"]["images"] = {name: f"other.example/webui:{name}" for name in ("rocm7", "rocm52", "cpu")}
    assert files.configuration(facts, chosen()) == before


def test_verify_asks_for_what_its_check_reads(variables: dict[str, dict[str, Any]]) -> None:
    asked = verify.wants(verify.settings(variables))["files"]
    assert {PROM, "/run/systemd/units/invocation:prometheus-node-exporter.service"} <= set(asked)


def test_the_program_runs_by_itself(tmp_path: Path) -> None:
    program = tmp_path / "program.pyz"
    program.write_bytes(files.program())
    files.program.cache_clear()
    assert files.program() == program.read_bytes()  # not of a time or a zlib
    assert {info.date_time[0] for info in zipfile.ZipFile(io.BytesIO(files.program())).infolist()} == {1980}
    assert program.stat().st_size < 1 << 20  # larger files have no sha256 among the facts
    ran = subprocess.run(
        [sys.executable, "-I", program, "/nonexistent.json"], capture_output=True, text=True, check=False
    )
    assert "FileNotFoundError" in ran.stderr and "/nonexistent.json" in ran.stderr
