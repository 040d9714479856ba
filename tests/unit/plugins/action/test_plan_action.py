"""One task a host: what it asks for, what it makes of the answer, and how it fails."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.navilab.webui.plugins.action.host_files import ActionModule as HostFiles
from ansible_collections.navilab.webui.plugins.action.host_lock import ActionModule as HostLock
from ansible_collections.navilab.webui.plugins.action.plan import ActionModule
from ansible_collections.navilab.webui.plugins.plugin_utils import _fresh, _lock
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS

IMAGE = "registry.example/webui:rocm7"
ALL = [
    "preflight", "amdgpu_dkms", "firmware", "gpu_access", "reboot", "docker_engine", "registry", "webui", "gateway",
    "metrics", "pull", "verify",
]  # fmt: skip
USUAL = {
    "inventory_hostname": "node1",
    "webui_user": "lab",
    "webui_models": [],
    "webui_images": {"rocm7": IMAGE},
    "preflight_min_disk_mib": 1000,
}


@pytest.fixture
def plan(act: Callable[..., dict[str, Any]], answering: Any, facts: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """`plan(steps, variables, apply=True, ...)` is the result of the task; the host answers with `facts`."""

    def run(
        steps: list[str], variables: dict[str, Any] | None = None, check: bool = False, **arguments: Any
    ) -> dict[str, Any]:
        if not answering.answers:
            answering.answers = [{"host": copy.deepcopy(facts), "changed": False} for _call in range(3)]
        return act(ActionModule, {"steps": steps, **arguments}, {**USUAL, **(variables or {})}, answering, check)

    return run


def navilab(result: dict[str, Any]) -> dict[str, Any]:
    assert not result.get("failed"), result.get("msg")
    found: dict[str, Any] = result["ansible_facts"]["navilab"]
    return found


def after(result: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The variables of a task that follows; `changes` are of what is kept."""
    known = {**json.loads(navilab(result)["state"]), **changes}
    return {"ansible_facts": {"navilab": {**navilab(result), "state": json.dumps(known)}}}


def ids(result: dict[str, Any]) -> list[str]:
    assert result["failed"]
    return [check["id"] for check in result["checks"]]


def test_one_question_and_a_plan_a_step(plan: Callable[..., Any], answering: Any) -> None:
    result = plan(["gpu_access", "firmware"])
    assert (result["changed"], len(answering.gathered)) == (False, 1)
    assert answering.asked[0]["user"] == "lab"
    assert "firmware-amd-graphics" in answering.gathered[0]["packages"]
    found = navilab(result)
    assert list(found["plans"]) == ["firmware", "gpu_access"]  # in the order of the steps
    assert found["due"] == ["firmware", "gpu_access"]
    assert found["plans"]["gpu_access"]["actions"] == ["add lab to group video", "add lab to group render"]
    assert "plan" not in result  # it is of one step alone
    assert json.loads(found["state"])["facts"]["user"]["name"] == "lab"


def test_a_role_gets_its_whole_plan(plan: Callable[..., Any]) -> None:
    result = plan(["gpu_access"], apply=True)
    assert result["plan"]["join"] == ["video", "render"]
    assert result["applies"] and not result["changed"]
    assert navilab(result)["applied"] == ["gpu_access"]


def test_check_mode_says_changed_and_applies_nothing(plan: Callable[..., Any]) -> None:
    result = plan(["gpu_access"], check=True, apply=True)
    assert result["changed"]
    assert navilab(result)["applied"] == []
    assert not plan(["gpu_access"], check=True)["changed"]  # it only asks


def test_inventories_group_by_two_facts(plan: Callable[..., Any]) -> None:
    planned = plan(["preflight", "reboot"])["ansible_facts"]
    assert set(planned["navilab_known"]) == {"gfx_targets", "vram_gib", "needs_reboot"}
    assert planned["navilab_known"]["gfx_targets"] == ["gfx1012"]
    assert planned["navilab_known"]["vram_gib"] == [8]
    assert planned["navilab_verified"] is False  # nothing was checked
    checked = plan(["verify"])["ansible_facts"]
    assert checked["navilab_verified"] is checked["navilab"]["converged"]
    assert plan(["verify"], partial=True)["ansible_facts"]["navilab_verified"] is False


def test_bad_variables_of_several_roles_come_together_and_ask_no_host(plan: Callable[..., Any], answering: Any) -> None:
    wrong = {"firmware_state": "gone", "webui_port": "many", "image_registry": None, "verify_waive": {}}
    result = plan(["firmware", "webui"], wrong | {"navilab_waive": {"kfd_opn": "typo"}})
    assert set(ids(result)) == {"variables"} and len(result["checks"]) == 5
    for name in (
        "firmware_state",
        "webui_port",
        "image_registry: it has no value",
        "verify_waive: it is now",
        "kfd_opn",
    ):
        assert any(name in line for line in result["msg"].splitlines()), name
    assert answering.asked == []
    assert "ansible_facts" not in result


@pytest.mark.parametrize("waive", [{"memory": " "}, {"memory": 7}, ["memory"], "memory", {"memory": None}, 5, [1]])
def test_a_waiver_needs_a_reason(plan: Callable[..., Any], waive: Any) -> None:
    result = plan(["verify"], {"navilab_waive": waive})
    assert set(ids(result)) == {"variables"}
    assert "waive" in result["msg"]


def test_variables_may_be_templates(plan: Callable[..., Any], answering: Any) -> None:
    from ansible_collections.navilab.webui.plugins.plugin_utils._variables import trust_as_template

    mine = {"who": "bob", "navilab_user": trust_as_template("{{ who }}"), "navilab_reboot_ok": True}
    variables = {name: value for name, value in USUAL.items() if name != "webui_user"}
    result = plan(
        ["gpu_access", "reboot"], {**variables, **mine, "webui_user": trust_as_template("{{ navilab_user }}")}
    )
    assert answering.asked[0]["user"] == "bob"
    assert not result.get("failed")


def test_an_unreachable_host_is_unreachable(plan: Callable[..., Any], answering: Any) -> None:
    answering.answers = [{"unreachable": True, "msg": "No route to host"}]
    result = plan(ALL)
    assert result["unreachable"] and not result.get("failed")  # which would count more
    assert [check["id"] for check in result["checks"]] == ["ssh"]
    assert result["msg"].startswith("ssh: No route to host. Remedy: see that the host is up")
    assert "ansible_facts" not in result


def test_a_module_that_dies_says_why(plan: Callable[..., Any], answering: Any) -> None:
    died = {"failed": True, "msg": "MODULE FAILURE", "rc": 1}
    answering.answers = [{**died, "module_stderr": "Traceback (most recent call last):\nValueError: \x1b[2Jx", "rc": 1}]
    result = plan(ALL)
    assert (result["failed"], result["rc"]) == (True, 1) and "checks" not in result
    assert result["module_stderr"].endswith("\nValueError: \\x1b[2Jx")  # whole, once, and no terminal obeys it
    answering.answers = [{**died, "module_stderr": "SyntaxError: x"}]
    answering.echo = {"rc": 1, "stdout": "navilab-here\n", "stderr": "SyntaxError: x"}
    result = plan(ALL)
    assert ids(result) == ["python"] and result["msg"].count("SyntaxError: x") == 1
    assert "module_stderr" not in result  # it is in the evidence
    answering.answers = [{"msg": "an answer of something else"}]
    assert plan(ALL)["failed"]


def test_problems_fail_together_and_take_no_facts_along(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["memory"]["total_mib"] = 1000
    facts["docker"].update(config=None, config_error="line 1")
    result = plan(ALL)
    assert ids(result)[:2] == ["memory", "docker_config"]
    assert result["msg"].startswith("memory: ")
    assert "ansible_facts" not in result
    assert result["serves"][0]["board_name"] == "Radeon RX 5500 XT"


def test_a_problem_of_two_steps_is_said_once(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["user"].update(exists=False, uid=None, gid=None, groups=[])
    assert ids(plan(["gpu_access", "webui"])).count("user_exists") == 1


def test_the_registry_is_asked_only_for_what_is_to_be_pulled(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    registry = {IMAGE: {"status": "missing", "detail": "", "digest": None}}
    answering.answers = [{"host": facts}, {"answers": {"apt": [], "dockerd": [], "registry": registry}}]
    result = plan(ALL)
    assert ids(result) == ["image_available"]
    assert answering.asked[0]["probe_images"] is False
    assert answering.asked[1]["images"] == [IMAGE]
    assert result["calls"] == 2


def test_no_registry_is_asked_for_an_image_that_is_there(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    for steps in (ALL, ["firmware"]):
        plan(steps)
    assert [asked["probe_images"] for asked in answering.gathered] == [False, False]
    assert not any(asked.get("images") for asked in answering.asked if asked not in answering.gathered)


def test_the_host_is_lost_while_the_registry_is_asked(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    answering.answers = [{"host": facts}, {"unreachable": True, "msg": "gone"}]
    result = plan(ALL)
    assert result.get("unreachable") and "ansible_facts" not in result


def test_the_gate_is_for_a_role_that_begins(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    assert not plan(["webui"]).get("failed")
    assert not plan(["webui"], apply=True, check=True).get("failed")
    assert "docker_engine" in ids(plan(["webui"], apply=True))


def test_facts_at_hand_are_used_again(plan: Callable[..., Any], answering: Any) -> None:
    first = plan(["firmware", "gpu_access"])
    again = plan(["gpu_access"], after(first))
    assert (again["calls"], len(answering.gathered)) == (0, 1)
    assert list(navilab(again)["plans"]) == ["firmware", "gpu_access"]  # that of the other step is kept
    assert again["plan"]["join"] == ["video", "render"]


@pytest.mark.parametrize(
    ("changes", "steps", "arguments"),
    [
        ({}, ["gpu_access"], {"refresh": True}),
        ({"run": "another"}, ["gpu_access"], {}),
        ({"gathered": time.time() - _fresh.FRESH_S - 1}, ["gpu_access"], {}),
        ({"applied": ["reboot"]}, ["gpu_access"], {}),
        ({"applied": ["gpu_access"]}, ["gpu_access"], {}),
        ({}, ["gpu_access", "docker_engine"], {}),  # which wants more
    ],
)
def test_when_the_host_is_asked_again(
    plan: Callable[..., Any], answering: Any, changes: dict[str, Any], steps: list[str], arguments: dict[str, Any]
) -> None:
    first = plan(["firmware", "gpu_access"])
    plan(steps, after(first, **changes), **arguments)
    assert len(answering.gathered) == 2
    if changes.get("run") != "another":
        assert "firmware-amd-graphics" in answering.gathered[1]["packages"]  # what an earlier step wanted, too


def test_a_step_that_was_applied_makes_facts_old_for_the_next(plan: Callable[..., Any], answering: Any) -> None:
    first = plan(["firmware", "gpu_access", "reboot"])
    applied = plan(["gpu_access"], after(first), apply=True)
    assert navilab(applied)["applied"] == ["gpu_access"]
    plan(["firmware"], after(applied))
    assert len(answering.gathered) == 1
    asked = plan(["gpu_access"], after(applied))
    assert asked["calls"] == 1
    assert navilab(asked)["applied"] == []  # these facts are new


def test_checks_come_where_nothing_is_to_be_done(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    assert navilab(plan(ALL))["checks"] == []
    found = navilab(plan(["verify"]))
    assert {check["status"] for check in found["checks"]} >= {"ok", "failed"}
    assert not found["converged"]
    assert "checks" not in plan(["verify"])  # nothing failed but what a check says
    assert navilab(plan(["reboot", "verify"], apply=True))["checks"]


def test_a_quiet_step_is_converged(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["user"]["groups"] = ["lab", "video", "render"]
    found = navilab(plan(["gpu_access"], apply=True))
    assert found["converged"] and found["due"] == found["applied"] == []


def result_of(test: dict[str, Any], usable: bool) -> dict[str, Any]:
    decision = {"usable": usable, "precision": "half", "first_cause": None, "evidence": "seen", "remedy": "other"}
    said = {"schema": 1, "simulated": False, "torch": "2", "hip": "7", "seconds": 1, "decision": decision}
    return {"item": test, "container": {"Output": json.dumps(said)}}


def test_what_tests_find_goes_into_the_plan(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    first = plan(["webui"])
    (test,) = first["plan"]["selftests"]
    here = after(first, applied=["webui"])
    learned = plan(["webui"], here, selftests=[result_of(test, True)], check=True)
    assert (learned["calls"], learned["plan"]["selftests"]) == (0, [])
    assert "rocm7 0000:0a:00.0" in navilab(learned)["selftests"]["results"]
    again = plan(["webui"], after(learned, applied=[]), forget_selftests=True, apply=False, check=True)
    assert again["selftested"] and len(again["plan"]["selftests"]) == 1


def test_a_pulled_image_counts(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["registry"] = {IMAGE: {"status": "found", "detail": "", "digest": None}}
    first = plan(["webui"])
    (test,), here = first["plan"]["selftests"], after(first)
    pulled = [{"item": IMAGE, "image": {"Id": "sha256:9"}}]
    learned = plan(["webui"], here, selftests=[result_of(test, True)], pulled=pulled, check=True)
    assert (learned["plan"]["pull"], learned["plan"]["selftests"]) == ([], [])


@pytest.mark.parametrize("arguments", [{}, {"steps": ["image"]}, {"steps": ["webui"], "aply": True}])
def test_arguments_are_validated(act: Callable[..., Any], answering: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError):
        act(ActionModule, arguments, USUAL, answering)


@pytest.fixture
def built(plan: Callable[..., Any]) -> Callable[..., Any]:
    """The plan of webui as its role begins, on a host that has no image, after `one` was to build it."""

    def act(told: dict[str, Any] | None, build: dict[str, Any] | None = None, **arguments: Any) -> Any:
        hosts = {"one": {} if told is None else {"navilab_lab": told}}
        own = {"navilab_build": {"build": {"builder": "one", **(build or {})}}, "hostvars": hosts, "webui_images": {}}
        return plan(["webui"], own, **arguments)

    return act


@pytest.mark.parametrize(
    ("told", "expected", "evidence"),
    [
        (
            {"problems": [{"id": "disk_space", "evidence": "10 MiB are free", "remedy": "make room"}]},
            "disk_space",
            "10",
        ),
        (None, "image_build", "one has not built"),
        ({"images": {"other": "r.example/x"}}, "image_build", "other images than that of profile rocm7"),
    ],
)
def test_an_image_that_was_not_built_stops_its_hosts(
    built: Callable[..., Any], told: dict[str, Any] | None, expected: str, evidence: str
) -> None:
    (found,) = [check for check in built(told, apply=True)["checks"] if check["id"] in ("image_build", "disk_space")]
    assert (found["id"], evidence in found["evidence"]) == (expected, True)


def test_what_was_built_is_pulled_by_digest(built: Callable[..., Any], plan: Callable[..., Any]) -> None:
    first = plan(["webui"], {"webui_images": {}})
    (profile,) = first["plan"]["builds"]
    (recipe,) = {first["plan"]["instances"][0]["image"].rpartition("-")[2]}
    assert (profile, first["plan"]["pull"], first["plan"]["trust"]) == ("rocm7", [], None)
    reference = "10.0.0.1:5000/navilab/webui@sha256:" + 64 * "0"
    told = {"registry": "10.0.0.1:5000", "ca": "PEM", "images": {recipe: reference}}
    found = built(told)["plan"]
    assert (found["builds"], found["pull"]) == ([], [reference])
    assert found["trust"]["path"] == "/etc/docker/certs.d/10.0.0.1:5000/ca.crt"
    assert found["record"]["trusted"] == [found["trust"]["path"]]
    # A registry of the user's own is docker_engine's to trust.
    assert built({**told, "ca": ""})["plan"]["trust"] is None


def test_an_optional_step_is_where_it_is_wanted_or_came_in(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    def planned(**variables: Any) -> set[str]:
        answering.answers = []
        return {"registry", "metrics"} & set(navilab(plan(["registry", "metrics", "verify"], variables))["plans"])

    assert planned() == set()
    assert planned(metrics_state="present") == {"metrics"}
    assert planned(registry_mirror_of="https://10.0.0.1:5000") == {"registry"}
    facts["records"]["metrics"] = {"packages": [], "files": ["/x"]}
    assert planned() == {"metrics"}


def test_every_step_is_an_option() -> None:
    assert next(iter(STEPS)) == "preflight" and set(STEPS) == set(ALL)


def test_no_secret_of_the_settings_is_in_a_result(plan: Callable[..., Any]) -> None:
    """With -vvv Ansible prints a result, and the driver keeps it as an event: nothing there may open anything."""
    secret = {
        "docker_engine_proxy": {"http": "http://bob:S3CRET@proxy:3128"},
        "docker_engine_daemon": {"log-opts": {"splunk-token": "S3CRET"}, "log-driver": "splunk"},
        "webui_models": [{"name": "a.safetensors", "url": "https://u:S3CRET@h/a", "sha256": "0" * 64}],
    }
    for steps, arguments in ((ALL, {}), *(([step], {"apply": True}) for step in ALL if step != "verify")):
        result = plan(steps, secret, check=bool(arguments), **arguments)
        assert "S3CRET" not in json.dumps(result), steps


# -- a host is one run's at a time ---------------------------------------------------------------------------------


def other(**changes: Any) -> dict[str, Any]:
    """The lock of a run that was started elsewhere."""
    lock = {"run": "b" * 32, "who": "bob@laptop", "machine": "another", "pid": 7, "start": 1}
    return {**lock, "since": 1.0, "seen": 2.0, "left_s": 600.0, **changes}


@pytest.mark.parametrize(
    ("steps", "absent", "removing"),
    [
        (["gpu_access", "reboot"], ["gpu_access"], True),
        (["gpu_access", "firmware"], ["gpu_access"], False),
        (["preflight", "reboot"], [], False),
    ],
)
def test_what_is_about_taking_out(
    plan: Callable[..., Any], steps: list[str], absent: list[str], removing: bool
) -> None:
    assert navilab(plan(steps, {f"{name}_state": "absent" for name in absent}))["removing"] is removing


def test_a_host_that_is_held_already(plan: Callable[..., Any], act: Callable[..., Any], answering: Any) -> None:
    first = plan(["gpu_access"])
    held = act(HostLock, {}, after(first), answering)
    assert held["held"] and navilab(held)["held"]
    assert len(answering.locked) == 1
    assert act(HostLock, {}, after(held), answering)["calls"] == 0
    plan(["gpu_access"], after(held), apply=True)
    assert len(answering.locked) == 1, "neither asks again"
    let_go = act(HostLock, {"state": "absent"}, after(held), answering)
    assert not navilab(let_go)["held"]
    act(HostLock, {}, after(let_go), answering)
    assert [asked.get("state") for asked in answering.locked] == [None, "absent", None]
    assert "ansible_facts" not in act(HostLock, {}, {}, answering), "nobody has planned"


def test_files_are_kept_on_a_host_that_is_held(
    plan: Callable[..., Any], act: Callable[..., dict[str, Any]], answering: Any, facts: dict[str, Any]
) -> None:
    """One round trip is the lock, too, and the role whose record it was need not keep it again."""
    first = plan(["gpu_access"])
    record = json.loads(navilab(first)["state"])["plans"]["gpu_access"]["record"]
    arguments = {"records": {"gpu_access": record}, "lease": 7200}
    kept = act(HostFiles, arguments, after(first), answering)
    (asked,) = answering.kept
    assert (asked["run"], asked["lease"], asked["records"]) == (_fresh.RUN, 7200, arguments["records"])
    assert kept["changed"] and navilab(kept)["held"] and answering.locked == []
    assert [found["plan"]["recorded"] for found in (first, plan(["gpu_access"], after(kept)))] == [False, True]
    assert len(answering.gathered) == 1
    act(HostFiles, arguments, after(kept), answering)
    assert "run" not in answering.kept[1], "it is held"
    act(HostFiles, arguments, after(first), answering, check=True)
    assert "run" not in answering.kept[2], "it is not to be held"
    act(HostFiles, {**arguments, "proxy": "s3cret"}, after(first), answering)
    assert len(answering.locked) == 1 and "run" not in answering.kept[3], "a secret is in no file of the lock's"
    answering.lock = {"held": False, "lock": other(), "problem": ""}
    refused = act(HostFiles, {**arguments, "proxy": "s3cret"}, after(first), answering)
    assert refused["failed"] and len(answering.kept) == 4
    busy = act(HostFiles, arguments, after(first), answering)
    assert busy["failed"] and [check["id"] for check in busy["checks"]] == ["host_busy"]
    assert "ansible_facts" not in busy


def test_a_role_that_changes_the_host_holds_it_first(plan: Callable[..., Any], answering: Any) -> None:
    first = plan(["firmware", "gpu_access"])
    assert answering.locked == [] and not navilab(first)["held"]  # a plan takes nothing
    held = plan(["gpu_access"], after(first), apply=True)
    (asked,) = answering.locked
    assert (asked["run"], asked["lease"] > 600, "@" in asked["who"]) == (_fresh.RUN, True, True)
    assert navilab(held)["held"]
    plan(["firmware"], after(held), apply=True)
    assert len(answering.locked) == 1  # it is held already
    late = json.loads(navilab(held)["state"])["held_until"] - 400
    plan(["firmware"], after(held, held_until=late), apply=True)
    assert len(answering.locked) == 2  # renewed
    plan(["firmware"], after(held, held_until=late + 1e5), apply=True)
    assert len(answering.locked) == 3  # a clock that was set back tells nothing


def test_a_step_that_takes_longer_than_the_lease_renews_it_at_once(
    plan: Callable[..., Any], answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = plan(["gpu_access"], apply=True)
    monkeypatch.setitem(_lock.LEASES, "firmware", 7200)
    longer = plan(["firmware"], after(held), apply=True)
    assert [asked["lease"] for asked in answering.locked] == [_lock.LEASE_S, 7200]
    plan(["gpu_access"], after(longer), apply=True)
    assert len(answering.locked) == 2, "the longer one does for a shorter step"


def test_who_changes_nothing_holds_nothing(plan: Callable[..., Any], answering: Any, facts: dict[str, Any]) -> None:
    plan(["gpu_access"], apply=True, check=True)
    plan(["reboot", "verify"], apply=True)
    facts["user"]["groups"] = ["lab", "video", "render"]
    answering.answers = [{"host": copy.deepcopy(facts)}]
    assert not navilab(plan(["gpu_access"], apply=True))["held"]
    assert answering.locked == []


def test_testing_images_again_holds_the_host(plan: Callable[..., Any], answering: Any, facts: dict[str, Any]) -> None:
    facts["docker"].update(installed=True, version="28.0.0", running=True)
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    facts["dpkg"]["packages"]["python3-requests"] = {"installed": True, "version": "2", "held": False}
    result = plan(["webui"], {"webui_profile": "cpu", "webui_images": {"cpu": IMAGE}}, forget_selftests=True)
    assert navilab(result)["held"] and len(answering.locked) == 1


@pytest.mark.parametrize(
    ("more", "keeps"), [({"begins": True}, True), ({}, False), ({"begins": True, "check": True}, False)]
)
def test_what_apt_has_read_is_kept_by_the_run_that_installs(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any], more: dict[str, Any], keeps: bool
) -> None:
    facts["docker"]["images"] = {}
    plan(ALL, **more)
    (asked,) = [asked for asked in answering.asked if "keep_lists" in asked]
    assert asked["keep_lists"] is keeps


def test_the_second_run_is_told_at_its_beginning(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    facts["lock"] = other()
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    result = plan(ALL, begins=True)
    assert ids(result)[0] == "host_busy"
    assert "bob@laptop" in result["msg"] and "1970-01-01 00:00:01 UTC" in result["msg"]
    assert answering.locked == []


def test_of_two_that_begin_at_once_one_is_told_by_the_lock(plan: Callable[..., Any], answering: Any) -> None:
    answering.lock = {"held": False, "lock": other(), "problem": ""}
    result = plan(["gpu_access"], apply=True)
    assert ids(result) == ["host_busy"] and "ansible_facts" not in result


def test_a_run_of_this_machine_whose_process_is_gone_is_taken_over(plan: Callable[..., Any], answering: Any) -> None:
    dead = other(machine=_lock.mine()["machine"], pid=2**40)
    answering.lock = {"held": False, "lock": dead, "problem": ""}
    plan(["gpu_access"], apply=True)
    assert [asked.get("over") for asked in answering.locked] == [None, dead["run"]]


def test_a_host_that_keeps_no_lock_is_served_all_the_same(plan: Callable[..., Any], answering: Any) -> None:
    answering.lock = {"held": False, "lock": None, "problem": "/run/navilab.webui: EROFS"}
    result = plan(["gpu_access"], apply=True)
    assert not navilab(result)["held"] and result["plan"]["join"]


def test_a_converged_host_is_nobodys_concern(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["lock"], facts["user"]["groups"] = other(), ["lab", "video", "render"]
    assert navilab(plan(["gpu_access"], apply=True))["converged"]


def test_a_verification_beside_another_run_says_so_first(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["lock"] = other()
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    checks = navilab(plan(["reboot", "verify"], apply=True))["checks"]
    assert next(check["id"] for check in checks if check["status"] == "failed") == "host_busy"


def test_the_host_is_let_go_at_the_end_and_where_the_run_ends_early(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    held = plan(["gpu_access"], apply=True)
    ended = plan(["reboot", "verify"], after(held), apply=True, ends=True)
    assert answering.locked[-1] == {"state": "absent", "run": _fresh.RUN} and not navilab(ended)["held"]
    facts["memory"]["total_mib"] = 1000
    facts["docker"].update(config=None, config_error="line 1")
    answering.answers = [{"host": copy.deepcopy(facts)}]
    assert ids(plan(["docker_engine"], after(held), apply=True, refresh=True))
    assert [asked.get("state") for asked in answering.locked] == [None, "absent", "absent"]


def test_a_reboot_takes_the_lock_with_it(plan: Callable[..., Any], answering: Any, facts: dict[str, Any]) -> None:
    facts["kernel"]["pending"] = "6.1.0-99-amd64"
    answering.answers = [{"host": copy.deepcopy(facts)}]
    rebooting = plan(["reboot"], {"navilab_reboot_ok": True}, apply=True)
    assert rebooting["plan"]["allowed"] and len(answering.locked) == 1
    assert not navilab(rebooting)["held"]


def test_the_lock_goes_as_a_file_which_proves_that_files_can(plan: Callable[..., Any], answering: Any) -> None:
    said = "Failed to create temporary directory. In some cases, x"
    answering.lock = {"unreachable": True, "msg": said}
    result = plan(["gpu_access"], apply=True)
    assert result["unreachable"] and not result.get("failed")
    assert [check["id"] for check in result["checks"]] == ["remote_tmp"] and "ansible_facts" not in result


# -- the way to a host ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stderr", "echo", "name"),
    [
        ("Kein Zutritt\n", {"stdout": "", "stderr": "Kein Zutritt\n", "rc": 1}, "ssh"),  # nor without become
        ("", {"stdout": "navilab-here\n", "stderr": "sh: python3: no\n", "rc": 127}, "python"),
    ],
)
def test_what_the_host_does_not_say_is_tried(
    plan: Callable[..., Any], answering: Any, stderr: str, echo: dict[str, Any], name: str
) -> None:
    answering.answers = [
        {"failed": True, "msg": "MODULE FAILURE", "module_stderr": stderr, "module_stdout": "", "rc": 1}
    ]
    answering.echo = echo
    assert ids(plan(ALL)) == [name]


def test_an_ansible_that_sends_modules_in_another_form_is_told_of(plan: Callable[..., Any], answering: Any) -> None:
    """What is replaced as it is sent would run itself."""
    answering.answers = [{"ping": "pong"}]
    with pytest.raises(AnsibleError, match="ansible_pipelining: false"):
        plan(["gpu_access"])


def test_warnings_of_a_module_are_no_obstacle(plan: Callable[..., Any], answering: Any, facts: dict[str, Any]) -> None:
    """ansible-core 2.19 has them as objects."""
    answering.answers = [{"host": facts, "warnings": [object()]}]
    assert navilab(plan(["gpu_access"]))


def test_what_a_host_says_is_clean_in_the_result(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    """Ansible's own callbacks print it too."""
    evil = "x\x1b[2J\x1b]0;t\x07\r\nnode2: failed\u202e\u2028\x9b"
    facts["release"].update(pretty_name=evil, id=evil, codename=evil)
    facts["docker"].update(config=None, config_error=evil)
    facts["kernel"]["release"] = evil
    facts["lock"] = other(who=evil)
    facts["user"].update(home=evil)
    facts["memory"]["total_mib"] = 1000
    for result in (plan(ALL), plan(["verify"]), plan(["preflight"])):
        said = [result.get("msg", ""), *map(str, result.get("checks", []))]
        fact = result.get("ansible_facts", {}).get("navilab", {"checks": [], "plans": {}})
        said += [text for check in fact["checks"] for text in check.values()]
        said += [line for planned in fact["plans"].values() for line in (*planned["actions"], *planned["warnings"])]
        assert said and all(text.replace("\n", "").isprintable() for text in said)
        assert not any(line.startswith("node2: failed") for text in said for line in text.splitlines())


def test_tests_that_go_on_after_a_hang_forget_what_they_were_meant_to(
    plan: Callable[..., Any], answering: Any, facts: dict[str, Any]
) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    first = plan(["webui"])
    (test,) = first["plan"]["selftests"]
    kept = plan(["webui"], after(first), selftests=[result_of(test, True)], check=True)
    facts["records"]["selftest"] = navilab(kept)["selftests"]  # the host has it now
    answering.answers = [{"host": copy.deepcopy(facts)}]
    assert plan(["webui"])["plan"]["selftests"] == []
    again = plan(["webui"], forget_selftests=True, check=True)
    assert len(again["plan"]["selftests"]) == 1
    hangs = {"item": test, "container": {"Output": "it hangs"}}
    answering.answers = [{"host": copy.deepcopy(facts)}]
    known = {"ansible_facts": {"navilab": {"state": again["ansible_facts"]["navilab"]["state"]}}}
    gathered = plan(["webui"], known, selftests=[hangs], refresh=True, check=True)
    # Gathered anew, the host's old record is not what this run goes on with.
    assert "selftest" in ids(gathered)
    assert gathered["ansible_facts"]["navilab"]["selftests"] == {"results": {}}


def test_checks_in_the_middle_of_a_run_are_marked(plan: Callable[..., Any], facts: dict[str, Any]) -> None:
    facts["docker"]["images"] = {IMAGE: {"id": "sha256:1", "digests": [], "size": 1}}
    assert navilab(plan(["reboot", "verify"], {"verify_scope": ["kfd"]}, apply=True, partial=True))["partial"]
    assert not navilab(plan(["reboot", "verify"], apply=True))["partial"]
