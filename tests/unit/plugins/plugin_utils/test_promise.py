"""The promise of every plan: without actions its role changes nothing, and with nothing but facts it is made again."""

from __future__ import annotations

import copy
import json
import random
import typing
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _types
from ansible_collections.navilab.webui.plugins.module_utils._guard import BRIDGE, EGRESS_ENABLED, RULES
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import (
    STEPS,
    amdgpu_dkms,
    docker_engine,
    firmware,
    webui,
)
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_guard import ZRAM_ENABLED, plan_guard
from gateway_host import WANTED, serve_gateway
from metrics_host import tell_metrics
from pull_host import set_up_pull
from registry_host import serve_registry

OBEYED = {
    "preflight": "",
    "verify": "",
    "firmware": "source sources_absent install reinstall remove initramfs",
    "amdgpu_dkms": "archive dkms headers_required headers_optional install fresh upgrade build hold remove remove_last "
    "files_absent rollback",
    "gpu_access": "create join leave",
    "reboot": "required allowed reasons blocking",
    "docker_engine": "install remove repository writes directories files_absent daemon_reload reload restart start",
    "registry": "install remove mask unmask directories writes files_absent empty_absent login seal daemon_reload "
    "units prove account",
    "gateway": "install remove mask unmask directories links writes configuration files_absent empty_absent login seal "
    "daemon_reload units",
    "metrics": "install remove directories writes program files_absent empty_absent daemon_reload units prove account",
    "pull": "install remove ask venv stamp writes gone outdated daemon_reload units",
    "webui": "builds lab_models directories models model_cas trust pull pull_beside act_on selftests remove_containers "
    "remove_images remove_files swaps settled",
}
"""The fields of a step's plan that make its role's tasks change something."""
SECOND = {"navilab.webui.spec": "older", "navilab.webui.board": "0000:0d:00.0"}
UNIT = {"http": "http://proxy.example"}
PULLED = {"repository": "https://h/x", "own": "node1"}
CA = {"r.example:5000": "PEM"}
RUNNING = {
    "id": "c0", "image": "x", "image_id": "sha256:1", "state": "running", "health": "healthy", "started_at": None,
    "exit_code": 0, "error": "", "oom_killed": False, "restart_count": 0, "labels": {}, "user": "1000:1000",
    "restart_policy": "unless-stopped", "memory": 0, "network_mode": "bridge", "ports": [], "devices": [],
    "group_add": [], "read_only": True, "privileged": False, "pid": 1, "access": None,
}  # fmt: skip


def choose(random: random.Random, variables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Variables as somebody may have set them."""
    found = copy.deepcopy(variables)
    for name in ("firmware", "gpu_access", "docker_engine", "registry", "webui", "gateway", "metrics", "pull"):
        found[name]["state"] = random.choice(["present", "present", "present", "absent"])
    found["amdgpu_dkms"].update(
        __amdgpu_dkms_state=random.choice(["present", "absent"]),
        tree=random.choice(["auto", "always", "never"]),
        tree_mode=random.choice(["bind", "symlink", "directory"]),
        version=random.choice(["", "", "1:6"]),
    )
    found["docker_engine"].update(
        provider=random.choice(["debian", "docker-ce"]),
        daemon=random.choice([{}, {"debug": True}, {"data-root": "/srv/docker"}]),
        registry_cas=random.choice([{}, CA]),
        proxy=random.choice([{}, UNIT]),
        restart_ok=random.choice([True, False]),
    )
    found["webui"].update(
        profile=random.choice(["auto", "auto", "rocm52", "cpu"]),
        models=random.choice([[], [{"name": "m", "sha256": 64 * "0", "folder": "VAE"}]]),
        gpus=random.choice(["all", "all", "first", ["0000:0a:00.0"]]),
        gpus_exclude=random.choice([[], [], [], ["0000:0d:00.0"]]),
        egress=random.choice(["allow", "deny"]),
        zram_mib=random.choice([0, 4096]),
    )
    found["reboot"]["ok"] = random.choice([True, False])
    found["registry"].update(
        mirror_of=random.choice(["", "https://registry-1.docker.io"]), port=random.choice([5000, 5000, 6000])
    )
    found["pull"].update(PULLED)
    found["gateway"].update(WANTED, state=found["gateway"]["state"], peers={})
    found["webui"]["listen"] = random.choice(["127.0.0.1", "192.0.2.11"])
    return found


def provision(facts: Any, variables: dict[str, dict[str, Any]], seen: Callable[..., Any]) -> Any:
    """The host as the roles leave it, with these variables and every step present."""
    settings = {name: {**step.settings(variables), "state": "present"} for name, step in STEPS.items()}
    facts["dpkg"]["packages"]["python3"] = {"installed": True, "version": "3.11.2-1", "held": False}
    facts["dpkg"]["packages"] |= {
        name: {"installed": True, "version": "1:5.18.2.22.40-1504718.20.04", "held": True}
        for name in ("firmware-amd-graphics", "python3-requests", "docker.io", "dkms", *amdgpu_dkms.DRIVER)
    }
    files = {docker_engine.ENABLED: seen("link"), "/etc/docker": seen("dir"), amdgpu_dkms.KEY: seen("file", "key")}
    files |= {f"/etc/docker/certs.d/{name}/ca.crt": seen("file", pem) for name, pem in CA.items()}
    files[docker_engine.PROXY_DROPIN] = seen("file", docker_engine.proxy_unit(UNIT), mode="0600")
    source = firmware.source_file(facts)
    assert source
    files[source["path"]] = seen("file", source["content"])
    found = amdgpu_dkms.plan(facts, settings["amdgpu_dkms"])
    if found["tree"]["make"]:
        tree = {"path": "/v", "file": "/etc/dkms/framework.conf", "kind": "bind", "fstab": True, "real": "/v"}
        facts["dkms"]["tree"].update(tree)
        files["/v"] = seen("dir")
    files |= {amdgpu_dkms.SOURCE: seen("file", found["source"]), amdgpu_dkms.PIN: seen("file", found["pin"])}
    below = ("", "/cache", "/webui_data", "/webui_data/models", "/webui_data/models/VAE", "/webui_data/models/VAE/m")
    files |= {f"/home/lab/dockerx{path}": seen("dir", uid=1000, gid=1000) for path in below}
    facts["files"] |= files
    facts["firmware"].update(missing=[])
    facts["user"]["groups"] = ["lab", "video", "render"]
    release = facts["kernel"]["release"]
    facts["kernel"]["headers"] = [release]
    version = "5.18.2.22.40-1504718.20.04"
    build = {
        "version": version, "kernel": release, "arch": "x86_64", "linked": True, "installed": True, "files": [],
    }  # fmt: skip
    facts["dkms"]["modules"] = [{"name": "amdgpu", "versions": [version], "builds": [build], "failures": []}]
    engine = settings["docker_engine"]
    facts["docker"].update(
        installed=True, running=True, provider="docker.io", config={**engine["daemon_defaults"], **engine["daemon"]}
    )
    images = settings["webui"]["images"].values()
    facts["docker"]["images"] = {image: {"id": "sha256:1", "digests": [], "size": 1} for image in images}
    guard(facts, {**settings["webui"], "state": "present"}, seen)
    everything = {"selftest_waive": "not here", "gpus": "all", "gpus_exclude": []}
    for instance in webui.plan(facts, {**settings["webui"], **everything})["instances"]:
        ours = {"labels": instance["container"]["labels"], "memory": instance["memory_mib"] << 20}
        ours["devices"] = instance["devices"]
        facts["docker"]["containers"][instance["name"]] = {**RUNNING, **ours}
        facts["http"][instance["name"]] = {"status": 200, "ready": True, "models": 1, "error": ""}
    facts["records"] = {
        "firmware": {"packages": ["firmware-amd-graphics"]},
        "gpu_access": {"joined": {"lab": ["render", "video"]}},
        "docker_engine": {
            "packages": ["docker.io"], "daemon": engine["daemon_defaults"], "repository": False,
            "files": [docker_engine.PROXY_DROPIN, "/gone"], "restart_pending": True,
        },
        "amdgpu_dkms": {**found["record"], "release": found["release"]},
        "webui": {"containers": ["webui"], "images": sorted(images)},
    }  # fmt: skip
    host = tell_metrics(serve_registry(facts, settings["registry"], seen), settings["metrics"], seen)
    host = set_up_pull(host, settings["pull"], seen)
    wanted = settings["gateway"]
    return serve_gateway(host, wanted, seen) if wanted["wanted"] else host


def guard(facts: Any, settings: dict[str, Any], seen: Callable[..., Any]) -> None:
    """What confines the webuis is in force."""
    facts["dpkg"]["packages"]["nftables"] = {"installed": True, "version": "1", "held": False}
    for each in plan_guard(facts, settings, {})["plan"]["writes"]:
        facts["files"][each["path"]] = seen("file", each["content"])
    facts["files"] |= {path: seen("link") for path in (EGRESS_ENABLED, ZRAM_ENABLED)}
    if settings["egress"] == "deny":
        facts["guard"].update(bridge=BRIDGE, rules=RULES)
    else:
        del facts["files"][EGRESS_ENABLED]
    if settings["zram_mib"]:
        facts["guard"].update(zram_mib=settings["zram_mib"])
    else:
        del facts["files"][ZRAM_ENABLED]


def drifts(facts: Any) -> list[Callable[[], Any]]:
    """What may have come over a host since."""
    kernel, docker, files, records = facts["kernel"], facts["docker"], facts["files"], facts["records"]
    board, container = facts["boards"][0], docker["containers"].get("webui") or {}
    tree = {"path": "/v", "file": "/etc/dkms/framework.conf", "kind": "bind", "fstab": True, "real": "/v"}
    failure = {"version": "5.18", "kernel": kernel["release"], "log": "/l", "causes": [], "lines": []}
    return [
        *(lambda path=path: files.pop(path, None) for path in [*files]),
        *(lambda path=path: files.get(path, {}).update(mode="0600", uid=7) for path in [*files]),
        *(lambda name=name: records.pop(name, None) for name in [*records]),
        *(lambda name=name: facts["dpkg"]["packages"].pop(name, None) for name in [*facts["dpkg"]["packages"]]),
        lambda: facts["dpkg"]["broken"].extend(["docker.io", "amdgpu-dkms"]),
        lambda: facts["dpkg"]["packages"].get("amdgpu-dkms", {}).update(held=False),
        lambda: facts["firmware"].update(missing=["navi14_mec.bin"]),
        lambda: facts["firmware"].update(initrd_stale=True, shadowed=["/lib/firmware/updates/x"]),
        lambda: facts["firmware"].update(mec_by_board={board["bdf"]: 151}),
        lambda: facts["apt"]["sources"][0]["components"].append("non-free-firmware"),
        lambda: facts["groups"].update(render=None),
        lambda: facts["user"].update(groups=["lab"]),
        lambda: kernel.update(pending="6.1.0-57-amd64", installed=[*kernel["installed"], "6.1.0-57-amd64"]),
        lambda: board.update(driver=None, render_node=None),
        lambda: board.update(kfd_node=None),
        lambda: facts.update(boards=[]),
        lambda: board.update(driver="vfio-pci", held_by="vfio-pci", render_node=None),
        lambda: facts["boards"].append({**board, "bdf": "0000:0d:00.0", "render_node": "/dev/dri/renderD129"}),
        lambda: records.get("webui", {}).update(boards={"0000:0d:00.0": 1}),
        lambda: docker["containers"].update({"webui-2": {**container, "labels": SECOND}}) if container else None,
        lambda: facts["driver"].update(loaded=False),
        lambda: facts["dkms"].update(leftovers=["/lib/modules/x/updates/dkms/amdgpu.ko"]),
        lambda: facts["dkms"]["modules"][0].update(builds=[], failures=[failure]) if facts["dkms"]["modules"] else None,
        lambda: facts["dkms"]["tree"].update(tree),
        lambda: docker.update(running=False),
        lambda: docker.update(restart_pending=True),
        lambda: docker.update(config={}),
        lambda: docker.update(config={**(docker["config"] or {}), "data-root": "/x"}),
        lambda: docker.update(foreign_containers=2),
        lambda: docker.update(images={}),
        lambda: docker.update(containers={}),
        lambda: container.update(state="exited"),
        lambda: container.update(labels={"navilab.webui.spec": "older"}),
        lambda: container.update(restart_policy="no", memory=1),
        lambda: facts["http"].get("webui", {}).update(ready=False) or container.update(health="starting"),
        lambda: facts["guard"].update(bridge=None),
        lambda: facts["guard"].update(rules=""),
        lambda: facts["guard"].update(zram_mib=1),
        lambda: records.get("webui", {}).update(packages=["nftables"]),
        lambda: records.get("amdgpu_dkms", {}).update(tree={"path": "/v", "mode": "bind"}),
        lambda: records.get("amdgpu_dkms", {}).update(release="5.4.3"),
        lambda: records.get("docker_engine", {}).update(daemon={"debug": True, "gone": 1}, repository=True),
        lambda: records.get("docker_engine", {}).update(reload_pending=True),
        lambda: records.get("metrics", {}).update(proven=False),
        lambda: records.get("pull", {}).update(told=False),
    ]


def drifted(
    chance: random.Random,
    debian: int,
    facts: dict[str, Any],
    chosen: dict[str, dict[str, Any]],
    seen: Callable[..., Any],
    provisioned: float,
    fewest: int,
) -> Any:
    """A host with up to four drifts, which so large a part of the time the roles have been at before."""
    host: Any = copy.deepcopy(facts)
    if debian == 11:
        bullseye(host)
    if chance.random() < provisioned:
        provision(host, chosen, seen)
    for drift in chance.sample(found := drifts(host), min(len(found), chance.randint(fewest, 4))):
        drift()
    return host


@pytest.mark.parametrize("seed", range(40))
def test_a_plan_without_actions_asks_for_nothing(
    facts: dict[str, Any],
    variables: dict[str, dict[str, Any]],
    settings: dict[str, Any],  # it names an image for each profile
    seen: Callable[..., Any],
    seed: int,
) -> None:
    chance = random.Random(seed)
    quiet = 0
    for debian in (11, 12) * 5:
        chosen = choose(chance, variables)
        host = drifted(chance, debian, facts, chosen, seen, provisioned=0.9, fewest=0)
        kept = copy.deepcopy(host)
        for name, step in STEPS.items():
            plan = step.plan(host, step.settings(chosen))
            assert host == kept, f"{name} changed the facts"
            assert json.loads(json.dumps(plan)) == plan
            assert step.plan(host, step.settings(chosen)) == plan
            if plan["actions"] or plan["problems"]:
                continue
            quiet += 1
            obeyed = {field: plan[field] for field in OBEYED[name].split() if plan[field]}
            obeyed |= {key: value for key, value in plan.get("tree", {}).items() if value is True}
            obeyed |= {key: value for key, value in plan.get("guard", {}).items() if value and key != "packages"}
            assert obeyed == {}, name
            assert plan.get("record", {}) == (host["records"].get(name) or {}), name
    assert quiet >= 10


@pytest.mark.parametrize("seed", range(40))
def test_a_run_that_is_cut_off_after_the_record_is_taken_up_again(
    facts: dict[str, Any],
    variables: dict[str, dict[str, Any]],
    settings: dict[str, Any],
    seen: Callable[..., Any],
    seed: int,
) -> None:
    """Roles write their record before anything else, so what it says of itself must not make an action go."""
    chance = random.Random(seed)
    for debian in (11, 12) * 3:
        chosen = choose(chance, variables)
        host = drifted(chance, debian, facts, chosen, seen, provisioned=0.7, fewest=1)
        for name, step in STEPS.items():
            plan = step.plan(host, step.settings(chosen))
            if not plan["actions"] or not plan.get("record"):  # without one it is dropped at the end
                continue
            cut = {**host, "records": {**host["records"], name: plan["record"]}}
            again = step.plan(cut, step.settings(chosen))
            assert [action for action in plan["actions"] if action not in again["actions"]] == [], name


def bullseye(facts: Any) -> None:
    """Debian 11, for which AMD's driver has a release."""
    facts["release"]["debian_codename"] = "bullseye"
    facts["apt"]["sources"][0]["suites"] = ["bullseye", "bullseye-updates"]
    facts["kernel"].update(release="5.10.0-46-amd64", version=[5, 10], installed=["5.10.0-46-amd64"])


def test_a_host_as_the_roles_leave_it_has_nothing_to_do(
    facts: dict[str, Any], variables: dict[str, dict[str, Any]], settings: dict[str, Any], seen: Callable[..., Any]
) -> None:
    bullseye(facts)
    variables["_common"]["waive"] = {"selftest": "not here"}
    variables["amdgpu_dkms"]["__amdgpu_dkms_state"] = "present"
    variables["docker_engine"].update(proxy=UNIT, registry_cas=CA)
    variables["metrics"]["state"] = "present"
    variables["pull"].update(PULLED, state="present")
    host = provision(facts, variables, seen)
    plans = {name: step.plan(host, step.settings(variables)) for name, step in STEPS.items()}
    assert {name: plan["actions"] for name, plan in plans.items()} == {name: [] for name in STEPS}


def test_every_field_of_a_plan_is_known(facts: dict[str, Any], variables: dict[str, dict[str, Any]]) -> None:
    described = {
        "actions", "problems", "warnings", "record", "checks", "tree", "kernel", "codename", "user", "state",
        "instances", "uid", "gid", "source", "pin", "version", "release", "loaded", "broken", "failure", "leftovers",
        "initramfs", "restart_pending", "questions", "headers_of", "tls", "address", "guard", "blamed", "set_aside",
        "url", "probe",
    }  # fmt: skip
    here: Any = facts
    for name, step in STEPS.items():
        fields = set(step.plan(here, step.settings(variables)))
        assert fields <= described | set(OBEYED[name].split()), "say in OBEYED whether its role's tasks act on it"
        assert set(OBEYED[name].split()) <= fields


def test_the_hosts_of_these_tests_have_the_shape_of_facts(facts: dict[str, Any]) -> None:
    hints = typing.get_type_hints(_types.Facts)
    assert set(facts) == set(hints)
    for key, hint in hints.items():
        if typing.is_typeddict(hint):
            assert set(facts[key]) == set(typing.get_type_hints(hint)), key
    items = ((facts["boards"][0], _types.Board), (facts["drm"][0], _types.DrmNode), (RUNNING, _types.Container))
    for item, hint in items:
        assert set(item) == set(typing.get_type_hints(hint)), hint
