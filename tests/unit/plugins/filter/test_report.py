"""What a person reads: the table, the problems, the ssh line."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.filter.failure_text import failure_text
from ansible_collections.navilab.webui.plugins.filter.look_arguments import look_arguments
from ansible_collections.navilab.webui.plugins.filter.problem_lines import problem_lines
from ansible_collections.navilab.webui.plugins.filter.selftest_table import selftest_table
from ansible_collections.navilab.webui.plugins.filter.ssh_forward import ssh_forward
from ansible_collections.navilab.webui.plugins.filter.summary import summary
from ansible_collections.navilab.webui.plugins.filter.waiver_problems import waiver_problems

INSTANCE = {"board_name": "Radeon RX 5500 XT", "vram_mib": 8176, "profile": "rocm7", "url": "http://127.0.0.1:7860"}


def test_table_names_every_host() -> None:
    hostvars: dict[str, Any] = {
        "good": {
            "navilab_host": {"boards": []},
            "webui_plan": {"instances": [INSTANCE]},
            "verify_checks": [{"status": "ok"}, {"status": "waived"}],
        },
        "bad": {"navilab_host": {"boards": []}, "navilab_failure": {"message": "board_present: no board"}},
        "gone": {},
    }
    header, good, bad, gone = summary(["good", "bad", "gone"], hostvars).splitlines()
    assert header.split() == ["HOST", "BOARD", "VRAM", "PROFILE", "URL", "RESULT"]
    assert good.split("  ")[0] == "good" and "http://127.0.0.1:7860" in good and good.endswith("verified, 1 waived")
    assert bad.endswith("failed: board_present")
    hostvars["good"]["reboot_plan"] = {"actions": ["reboot required: a kernel"]}
    assert summary(["good"], hostvars).endswith("verified, 1 waived, reboot required: a kernel")
    assert gone.startswith("gone") and "lost" in gone


def test_a_host_that_failed_later_shows_no_url() -> None:
    hostvars = {
        "h": {
            "webui_plan": {"instances": [INSTANCE]},
            "navilab_failure": {"message": "webui_healthy: x"},
            "verify_checks": [],
        }
    }
    assert "http://" not in summary(["h"], hostvars)


def test_table_of_the_self_tests() -> None:
    entry = {"board": "B at 0a", "image": "r.test:5000/a/webui@sha256:0123456789abcdef", "simulated": True}
    bad = {**entry, "profile": "rocm7", "usable": False, "precision": None, "evidence": "matmul fp32: error 1"}
    good = {**entry, "profile": "rocm52", "usable": True, "precision": "full", "evidence": "9 of 9 steps right"}
    waived = {"selftest": {"status": "skipped", "reason": "waived: no time"}}
    hostvars: dict[str, Any] = {
        "two": {"navilab_host": {"records": {"selftest": {"results": {"a": bad, "b": good}}}}},
        "waived": {"navilab_host": {"records": {}}, "webui_plan": {"instances": [waived]}},
        "gone": {"navilab_failure": {"message": "reachable: no answer\nmore"}},
    }
    _header, failed, passed, skipped, gone = selftest_table(list(hostvars), hostvars).splitlines()
    assert "webui@0123456789ab" in failed and failed.endswith("failed: matmul fp32: error 1 (simulated)")
    assert "full" in passed and passed.endswith("ok: 9 of 9 steps right (simulated)")
    assert skipped.endswith("waived: no time")
    assert gone.endswith("reachable: no answer")


def test_problem_lines() -> None:
    assert problem_lines([{"id": "a", "evidence": "seen.", "remedy": "do"}], "h") == ["h: a: seen. Remedy: do."]


def test_failure_text_of_a_loop_and_of_arguments() -> None:
    assert (
        failure_text({"msg": "One or more items failed", "results": [{"failed": True, "msg": "this"}, {"msg": "fine"}]})
        == "this"
    )
    assert failure_text({"argument_errors": ["no int"], "msg": "x"}).startswith("variables: no int.")
    assert failure_text({"msg": "short", "stderr": "long"}) == "short\nlong"


def test_ssh_line() -> None:
    connection = {
        "ansible_host": "10.0.0.5",
        "ansible_user": "lab",
        "ansible_ssh_private_key_file": "/a key",
        "ansible_port": 2222,
    }
    assert ssh_forward(connection, 7861) == "ssh -N -L 7861:127.0.0.1:7861 -i '/a key' -p 2222 lab@10.0.0.5"
    assert "7862:127.0.0.1:7860" in ssh_forward({"inventory_hostname": "node3"}, 7860, local_port=7862)
    assert ssh_forward({"ansible_connection": "local"}, 7860) == ""


def test_waivers_need_a_known_check_and_a_reason() -> None:
    assert waiver_problems({"verify_waive": {"kfd_open": "no driver"}}) == []
    (one, two) = waiver_problems({"verify_waive": {"kfd_opn": "typo"}, "preflight_waive": {"memory": " "}})
    assert "verify_waive: waive: unknown check kfd_opn" in one["evidence"]
    assert (two["id"], "needs a reason" in two["evidence"]) == ("variables", True)
    assert waiver_problems({"verify_waive": ["kfd_open"]})[0]["id"] == "variables"


def test_look_reads_what_the_plans_need(settings: dict[str, Any]) -> None:
    settings["models"] = [{"name": "m.safetensors", "sha256": "0"}]
    engine = {"registry_cas": {"r:5000": "PEM"}, "daemon": {"data-root": "/srv/docker"}}
    arguments = look_arguments(settings, engine, {"tree_path": "/v"})
    assert arguments["webuis"][1] == {"name": "webui-2", "port": 7861}
    assert "/etc/docker/certs.d/r:5000/ca.crt" in arguments["files"]
    assert "~/dockerx/webui_data/models/Stable-diffusion/m.safetensors" in arguments["files"]
    assert arguments["registry_ca"] == "PEM"
    assert arguments["disk"] == ["/srv/docker", "~/dockerx"]
