# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which webui runs on which board of a host, and what the webui role has to do for it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _paths, _selftest

DOCUMENTATION = r"""
name: webui_plan
short_description: Choose profile, flags and container for each board of a host
version_added: "0.1.0"
description:
  - Turns the look of a host and the webui role's variables into one container a supported board, and names each
    difference to what runs.
  - Pure function; it reaches no host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  settings:
    description: The webui role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Decide what the webui needs
  ansible.builtin.set_fact:
    webui_plan: "{{ navilab_host | navilab.webui.webui_plan(settings=webui_settings) }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:instances) is one entry a board, RV(ignore:actions) one sentence a difference, RV(ignore:selftests) one
      container a board whose image has not been tested on it.
    - RV(ignore:problems) are checks that stop the host before anything changes.
  type: dict
"""

CONTAINER_PORT = 7860
LISTEN = "127.0.0.1"  # where readiness is looked for and the ssh -L line ends; ::1 and 127.0.0.2 are not
MOUNT = "/dockerx"
HOME = "/home/webui"
SCRATCH = ("/tmp", HOME)  # noqa: S108 -- paths in the container
SPEC_LABEL = "navilab.webui.spec"
STOPPED = ("created", "exited", "dead")
TCMALLOC = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"
# Any answer below 500 is alive: /internal/ping is 404 with --nowebui.
HEALTH = (
    "import sys, urllib.request, urllib.error\n"
    f"try: status = urllib.request.urlopen('http://127.0.0.1:{CONTAINER_PORT}/internal/ping', timeout=5).status\n"
    "except urllib.error.HTTPError as error: status = error.code\n"
    "sys.exit(status >= 500)"
)
# VRAM in MiB below which the webui needs the flag. An 8 GB board shows 8176, one of 6 GB 6128, one of 4 GB 4080.
VRAM_FLAGS = ((5 * 1024, "--lowvram"), (12 * 1024, "--medvram"))
VRAM_CHOICES = {"low": ["--lowvram"], "medium": ["--medvram"], "none": []}
PRECISION = {"full": ["--precision", "full", "--no-half"], "half": ["--no-half-vae"]}
# What Docker and ROCm would refuse only when the container starts: setting -> (form, what to write).
_FORMS = {
    "name": (r"[A-Za-z0-9][A-Za-z0-9_.-]+", "letters, digits, '_', '.' and '-'"),
    "shm_size": (r"[1-9][0-9]*[bkmgBKMG]?", "a number with k, m or g"),
    "hsa_override": (r"auto|none|[0-9]+\.[0-9]+\.[0-9]+", "auto, none or a version such as 10.3.0"),
    "memory_mib": (r"0|[1-9][0-9]{2,}", "0 or at least 100"),
}
ATTENTION = {"sub-quad": ["--opt-sub-quad-attention"], "split": ["--opt-split-attention"], "none": []}


def _problem(check: str, evidence: str, remedy: str) -> dict[str, str]:
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy}


def _version(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)[:2]]


def misfit(profile: dict[str, Any], board: dict[str, Any] | None, kernel: list[int]) -> str:
    """Why a profile can't serve a board under a kernel ([major, minor]; empty if unknown); empty where it can."""
    if not profile.get("gpu", True):
        return ""
    if board is None:
        return "it needs a board"
    if board["gfx_target"] not in profile.get("gfx_targets", []):
        return f"it has no code for {board['gfx_target']}"
    floor = profile.get("kernel_min", "")
    if floor and kernel and kernel[:2] < _version(floor):
        return f"it is not established on kernels before {floor}, and this is {'.'.join(map(str, kernel))}"
    return ""


def choose_profile(
    board: dict[str, Any] | None,
    kernel: list[int],
    settings: dict[str, Any],
    tested: Callable[[str], dict[str, Any] | None] = lambda _profile: None,
) -> tuple[str, str, dict[str, str] | None]:
    """(name, why, problem): the wanted profile, or for V(auto) the first of the order that fits and has an image.

    `tested` gives what is known of a profile's self-test on the board; one that failed it is not taken.
    """
    profiles, wanted = settings["profiles"], settings["profile"]
    for name in [*settings["profile_order"], *([wanted] if wanted != "auto" else [])]:
        if name not in profiles:
            remedy = f"use auto or one of {', '.join(sorted(profiles))}, or describe '{name}' in webui_profiles_extra"
            return "", "", _problem("profile_known", f"there is no profile '{name}'", remedy)
    if wanted != "auto":
        why_not = misfit(profiles[wanted], board, [])  # a kernel that nobody has tried is the user's choice
        if why_not:
            remedy = "use webui_profile: auto, or a profile with code for this board"
            return wanted, "", _problem("profile_fits", f"profile {wanted}: {why_not}", remedy)
        if not _image(wanted, settings):
            remedy = f"name one in webui_images ({wanted}: reference) or webui_image, or use webui_profile: auto"
            return wanted, "", _problem("image_reference", f"profile {wanted} has no image", remedy)
        failed = _failed_test(tested(wanted))
        return wanted, "set by webui_profile", _selftest_problem([failed]) if failed else None
    passed_over, failures = [], []
    for name in settings["profile_order"]:
        why_not = misfit(profiles[name], board, kernel) or ("" if _image(name, settings) else "it has no image")
        failed = None if why_not else _failed_test(tested(name))
        if failed:
            failures.append(failed)
            why_not = f"its self-test says {failed['evidence']}"
        if not why_not:
            fits = f"first that fits {board['gfx_target'] if board else 'a host without board'}"
            return name, "; ".join([fits, *passed_over]), None
        passed_over.append(f"not {name}: {why_not}")
    if failures:
        return "", "", _selftest_problem(failures)
    remedy = (
        "name your image of a profile in webui_images (profile: reference), set webui_profile and webui_image, "
        "or let `navilab site` build it (webui_image_source: build)"
    )
    return "", "", _problem("profile_fits", "; ".join(passed_over) or "webui_profile_order is empty", remedy)


def _failed_test(test: dict[str, Any] | None) -> dict[str, Any] | None:
    return test if test and not test["usable"] else None


def _selftest_problem(failures: list[dict[str, Any]]) -> dict[str, str]:
    evidence = "; ".join(f"profile {test['profile']} on {test['board']}: {test['evidence']}" for test in failures)
    remedy = (
        f"{failures[0]['remedy']}. The result is kept until image, kernel, driver or board change: `navilab selftest`"
    )
    return _problem("selftest", evidence, f"{remedy} asks again")


def _image(profile: str, settings: dict[str, Any]) -> str:
    return (
        settings["image"]
        or settings["images"].get(profile, "")
        or settings["profiles"].get(profile, {}).get("image", "")
    )


def vram_flags(vram_mib: int | None, mode: str) -> list[str]:
    """--lowvram, --medvram or nothing by the board's VRAM in MiB; unknown VRAM counts as an 8 GB board."""
    if mode != "auto":
        return VRAM_CHOICES[mode]
    size = 8176 if vram_mib is None else vram_mib
    return next(([flag] for limit, flag in VRAM_FLAGS if size < limit), [])


def _precision(profile: dict[str, Any], test: dict[str, Any] | None, settings: dict[str, Any]) -> str:
    """What is set, else what the board can do, else what the profile says."""
    if settings["precision"] != "auto":
        return str(settings["precision"])
    return str((test or {}).get("precision") or profile.get("precision", "full"))


def _arguments(instance: dict[str, Any], profile: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    board, data = instance["board"], instance["data"]
    precision = _precision(profile, instance["test"], settings)
    arguments = ["--skip-prepare-environment", "--skip-version-check", "--no-download-sd-model"]
    arguments += ["--listen", "--port", str(CONTAINER_PORT), "--api", "--data-dir", f"{MOUNT}/{data}"]
    if data != "webui_data":
        arguments += ["--models-dir", f"{MOUNT}/webui_data/models"]
    arguments += ["--theme", settings["theme"]]
    if profile.get("gpu", True) and board is not None:
        arguments += vram_flags(board["vram_mib"], settings["vram_mode"])
    arguments += PRECISION[precision] + ATTENTION[settings["attention"]] + list(profile.get("flags", []))
    if settings["allow_extension_install"]:
        # --listen makes the webui refuse installs from its page; this is its own word for allowing them.
        arguments.append("--enable-insecure-extension-access")
    return arguments + list(settings["extra_args"])


def _environment(profile: dict[str, Any], settings: dict[str, Any]) -> dict[str, str]:
    environment = {"HOME": HOME, "XDG_CACHE_HOME": f"{MOUNT}/cache", "PYTHONUNBUFFERED": "1"}
    if profile.get("gpu", True):
        # Kernels compiled on the first picture outlive the container, or each upgrade compiles for minutes again.
        environment.update(
            {"MIOPEN_USER_DB_PATH": f"{MOUNT}/cache/miopen", "MIOPEN_CUSTOM_CACHE_DIR": f"{MOUNT}/cache/miopen"}
        )
        if settings["allocator"]:
            environment.update(
                {"PYTORCH_HIP_ALLOC_CONF": settings["allocator"], "PYTORCH_CUDA_ALLOC_CONF": settings["allocator"]}
            )
    environment["LD_PRELOAD"] = TCMALLOC if settings["tcmalloc"] else ""  # images of ours have it set
    environment.update(profile.get("env", {}))
    if settings["hsa_override"] == "none":
        environment.pop("HSA_OVERRIDE_GFX_VERSION", None)
    elif settings["hsa_override"] != "auto":
        environment["HSA_OVERRIDE_GFX_VERSION"] = settings["hsa_override"]
    environment.update(settings["extra_env"])
    return {key: str(value) for key, value in environment.items()}


def device_groups(host: dict[str, Any], devices: list[str]) -> list[str]:
    """Numeric GIDs of the nodes' owners and of the host's GPU groups: names differ between host and image."""
    gids = {group for group in host["groups"].values() if group is not None}
    nodes = {host["kfd"]["device"]["path"]: host["kfd"]["device"], **{node["path"]: node for node in host["drm"]}}
    gids |= {nodes[path]["gid"] for path in devices if path in nodes and nodes[path].get("gid") is not None}
    return [str(gid) for gid in sorted(gids) if gid != 0]


def _container(
    host: dict[str, Any], instance: dict[str, Any], profile: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """The container as community.docker.docker_container takes it."""
    user = host["user"]
    own = profile.get("own_image", True)
    container = {
        "name": instance["name"],
        "image": instance["image"],
        "command": [*profile.get("command_prefix", []), *_arguments(instance, profile, settings)],
        "env": _environment(profile, settings),
        "user": f"{user['uid']}:{user['gid']}" if own else None,
        "groups": device_groups(host, instance["devices"]) if instance["devices"] else [],
        "devices": [f"{path}:{path}:rwm" for path in instance["devices"]],
        "volumes": [f"{instance['data_dir']}:{MOUNT}"],
        "published_ports": [f"{settings['listen']}:{instance['port']}:{CONTAINER_PORT}"],
        "read_only": own,
        "tmpfs": [f"{path}:rw,exec,nosuid,nodev,mode=1777" for path in SCRATCH] if own else [],
        "security_opts": ["no-new-privileges:true"] if own else [],
        "cap_drop": ["ALL"] if own else [],
        "memory": f"{instance['memory_mib']}M",
        "shm_size": settings["shm_size"],
        "restart_policy": settings["restart_policy"],
        "stop_signal": "SIGINT",
        "healthcheck": {
            "test": ["CMD", "python3", "-c", HEALTH],
            "interval": "30s",
            "timeout": "30s",  # on a busy host Python alone takes seconds to start
            "retries": 3,
            "start_period": f"{settings['ready_timeout']}s",
        },
        "log_driver": "json-file",
        "log_options": {"max-size": "10m", "max-file": "3"},
    }
    container["labels"] = {
        SPEC_LABEL: hashlib.sha256(json.dumps(container, sort_keys=True).encode()).hexdigest(),
        "navilab.webui.profile": instance["profile"],
        "navilab.webui.board": instance["bdf"],
    }
    return container


def _selftest_container(instance: dict[str, Any]) -> dict[str, Any]:
    """The self-test in the place of the webui: same image, user, devices and data, but no network."""
    container, board = instance["container"], instance["board"]
    command = ["--device", "cuda" if instance["devices"] else "cpu", "--profile", instance["profile"]]
    if board:
        command += ["--expect-gfx", gfx_seen(board["gfx_target"], container["env"].get("HSA_OVERRIDE_GFX_VERSION"))]
    command += ["--json", f"{MOUNT}/{instance['data']}/selftest.json"]
    return {
        **container,
        "name": f"{instance['name']}-selftest",
        "entrypoint": ["python3", _selftest.SCRIPT],
        "command": command,
        "bdf": instance["bdf"],
        "board_name": f"{instance['board_name']} at {instance['bdf']}" if board else instance["board_name"],
        "profile": instance["profile"],
    }


def gfx_seen(target: str, override: str | None) -> str:
    """The name that ROCm gives a chip: its own, or the one that the override makes it pass for (10.3.0 is gfx1030)."""
    numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", override or "")
    return f"gfx{numbers[1]}{int(numbers[2]):x}{int(numbers[3]):x}" if numbers else target


def _container_actions(host: dict[str, Any], instance: dict[str, Any]) -> list[str]:
    name, wanted = instance["name"], instance["container"]
    running = host["docker"]["containers"].get(name)
    if running is None:
        return [f"start container {name} on {instance['bdf'] or 'the CPU'} with profile {instance['profile']}"]
    if running["labels"].get(SPEC_LABEL) != wanted["labels"][SPEC_LABEL]:
        return [f"remake container {name}, whose settings differ"]
    drifts = []
    if running["state"] != "running":
        drifts.append(f"start container {name}, which is {running['state']}")
    # Only these can be changed on a living container (docker update, docker network).
    if running["restart_policy"] != wanted["restart_policy"]:
        drifts.append(f"set restart policy {wanted['restart_policy']} of container {name}")
    if running["memory"] and running["memory"] != instance["memory_mib"] * 1024 * 1024:
        drifts.append(f"set memory limit {wanted['memory']} of container {name}")
    if not drifts and not host["http"].get(name, {}).get("ready") and running["health"] in ("starting", "none"):
        drifts.append(f"wait for container {name}, which is still starting")
    return drifts


def _memory_mib(host: dict[str, Any], settings: dict[str, Any], share: int) -> int:
    if settings["memory_mib"]:
        return int(settings["memory_mib"])
    # 2 GiB stay for the host; a board's share is never less than a small model needs.
    return max(4096, ((host["memory"]["total_mib"] or 0) - 2048) // max(share, 1))


def _instances(host: dict[str, Any], settings: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    on_cpu = not settings["profiles"].get(settings["profile"], {}).get("gpu", True)
    boards: list[dict[str, Any] | None] = (
        [None] if on_cpu else [board for board in host["boards"] if board["supported"]]
    )
    home = (host["user"] or {}).get("home") or ""
    data_dir = re.sub(r"^~(?=/|$)", home, settings["data_dir"]).rstrip("/")
    instances, problems = [], []
    for number, board in enumerate(boards):

        def tested(name: str, board: dict[str, Any] | None = board) -> dict[str, Any] | None:
            if _untestable(name, settings):
                return None
            return _selftest.kept(host, board, name, _image(name, settings))

        profile, reason, problem = choose_profile(board, host["kernel"]["version"], settings, tested)
        test = tested(profile) if profile else None
        if problem and problem not in problems:
            problems.append(problem)
        suffix = "" if number == 0 else f"-{number + 1}"
        instances.append(
            {
                "name": settings["name"] + suffix,
                "board": board,
                "bdf": board["bdf"] if board else "",
                "board_name": board["name"] if board else "CPU",
                "vram_mib": board["vram_mib"] if board else None,
                "profile": profile,
                "profile_reason": reason,
                "test": test,
                "selftest": _selftest.check(test, _untestable(profile, settings)),
                "image": _image(profile, settings),
                "port": settings["port"] + number,
                "url": f"http://{LISTEN}:{settings['port'] + number}",
                "data": "webui_data" + suffix,
                "data_dir": data_dir,
                # A board whose driver is not up yet has no render node; the checks before the container's start say so.
                "devices": [path for path in (host["kfd"]["device"]["path"], board["render_node"]) if path]
                if board
                else [],
                "memory_mib": _memory_mib(host, settings, len(boards)),
            }
        )
    return instances, problems


def _untestable(profile: str, settings: dict[str, Any]) -> str:
    """Why no self-test is wanted; empty where one is."""
    if settings["selftest_waive"]:
        return f"waived: {settings['selftest_waive']}"
    own = settings["profiles"].get(profile, {}).get("own_image", True)
    return "" if own else f"the image of profile {profile} brings no self-test"


def _settings_problems(
    host: dict[str, Any], settings: dict[str, Any], instances: list[dict[str, Any]]
) -> list[dict[str, str]]:
    problems = []
    recorded = (host["records"].get("webui") or {}).get("containers", [])
    user = host["user"]
    if not user or not user["exists"]:
        name = user["name"] if user else ""
        problems.append(
            _problem(
                "user_exists",
                f"there is no user '{name}' on this host",
                "set navilab_user to an account of the host, or make it",
            )
        )
    if settings["image_source"] == "build" and not settings["image_registry"]:
        problems.append(
            _problem(
                "image_reference",
                "webui_image_source is build, but image_registry is empty: what is built would reach no host",
                "set image_registry to a registry that builder and hosts reach, or build with playbooks/image.yml and "
                "name the image in webui_images, with webui_image_source: pull",
            )
        )
    if settings["listen"] != LISTEN:
        problems.append(
            _problem(
                "webui_not_exposed",
                f"webui_listen is '{settings['listen']}', and the webui has no login that covers page and API: it is "
                f"published on {LISTEN} alone",
                "leave webui_listen at 127.0.0.1 and use the ssh -L line, until a proxy with a login stands in front",
            )
        )
    for instance in instances:
        if not 1 <= instance["port"] <= 65535:
            problems.append(_problem("port_free", f"webui_port gives {instance['port']}", "use a port from 1 to 65535"))
            continue
        listeners = host["ports"].get(str(instance["port"]), {}).get("listeners", [])
        ours = host["docker"]["containers"].get(instance["name"])
        if ours and SPEC_LABEL not in ours["labels"] and instance["name"] not in recorded:
            problems.append(
                _problem(
                    "container_name",
                    f"there is a container {instance['name']} of image {ours['image']} that this role did not make",
                    "docker rename it, or set webui_name for this host; docker rm it if nobody needs it",
                )
            )
        # A container that has stopped holds its port no longer.
        published = [port["host_port"] for port in ours["ports"]] if ours and ours["state"] not in STOPPED else []
        if listeners and instance["port"] not in published:
            owner = host["ports"][str(instance["port"])].get("owner") or "another program"
            problems.append(
                _problem(
                    "port_free",
                    f"port {instance['port']} is taken by {owner} on {', '.join(listeners)}",
                    "stop that program, or set webui_port for this host",
                )
            )
    data_dir = instances[0]["data_dir"] if instances else "/-"
    for name, (form, wanted) in _FORMS.items():
        if not re.fullmatch(form, str(settings[name])):
            problems.append(_problem("variables", f"webui_{name} is '{settings[name]}'", f"write {wanted}"))
    if re.search(r"[:\n]", data_dir) or not _paths.ownable(data_dir):
        problems.append(
            _problem(
                "data_writable",
                f"webui_data_dir is '{settings['data_dir']}'",
                "give an absolute directory of its own, or one below ~; Docker takes no colon in it",
            )
        )
    return problems


def _image_problems(host: dict[str, Any], instances: list[dict[str, Any]]) -> list[dict[str, str]]:
    problems = []
    for reference in sorted({instance["image"] for instance in instances if instance["image"]}):
        found = host["registry"].get(reference)
        if host["docker"]["images"].get(reference) or not found or found["status"] in ("local", "found", "unknown"):
            continue
        check, remedy = {
            "invalid": ("image_reference", "write it as REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:<64 hex digits>"),
            "missing": ("image_available", "correct the tag or digest in webui_image, or push the image first"),
            "denied": (
                "image_available",
                "let this host log in at the registry (docker login), or use a registry that it may read",
            ),
            "unreachable": (
                "registry_reachable",
                "start the registry, or mend name, port, proxy or CA (docker_engine_registry_cas)",
            ),
        }[found["status"]]
        problems.append(_problem(check, f"{reference}: {found['status']} {found['detail']}".strip(), remedy))
    return problems


def _model_actions(host: dict[str, Any], settings: dict[str, Any], data_dir: str) -> list[dict[str, Any]]:
    models = []
    for model in settings["models"]:
        path = f"{data_dir}/webui_data/models/{model.get('folder', 'Stable-diffusion')}/{model['name']}"
        if not (host["files"].get(path) or {}).get("exists"):
            models.append({**model, "path": path})
    return models


def _absent(host: dict[str, Any]) -> dict[str, Any]:
    record = host["records"].get("webui") or {}
    # The look does not ask for a self-test's container, which is there only if a run was cut off.
    containers = [name for name in record.get("containers", []) if host["docker"]["containers"].get(name, True)]
    images = [name for name in record.get("images", []) if host["docker"]["images"].get(name)]
    actions = [f"remove container {name}" for name in containers] + [f"remove image {name}" for name in images]
    if record and not actions:
        actions = ["forget the record of an earlier run"]
    return {
        "instances": [],
        "problems": [],
        "actions": actions,
        "remove_containers": containers,
        "remove_images": images,
        "directories": [],
        "models": [],
        "pull": [],
        "act_on": [],
        "selftests": [],
        "record": {},
    }


def webui_plan(host: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    if settings["state"] == "absent":
        return _absent(host)
    instances, problems = _instances(host, settings)
    problems += _settings_problems(host, settings, instances) + _image_problems(host, instances)
    plan: dict[str, Any] = {
        "instances": instances,
        "problems": problems,
        "actions": [],
        "directories": [],
        "models": [],
        "pull": sorted(
            {
                instance["image"]
                for instance in instances
                if instance["image"] and not host["docker"]["images"].get(instance["image"])
            }
        ),
        "act_on": [],
        "selftests": [],
        "remove_containers": [],
        "remove_images": [],
        "record": host["records"].get("webui") or {},
    }
    if problems or not instances:
        return plan
    for instance in instances:
        instance["container"] = _container(host, instance, settings["profiles"][instance["profile"]], settings)
        instance["actions"] = _container_actions(host, instance)

    user = host["user"]
    data_dir = instances[0]["data_dir"]
    model_folders = sorted(
        {f"webui_data/models/{model.get('folder', 'Stable-diffusion')}" for model in settings["models"]}
    )
    below = [
        "cache",
        *(instance["data"] for instance in instances),
        *(["webui_data/models"] if model_folders else []),
        *model_folders,
    ]
    for path in [data_dir, *(f"{data_dir}/{part}" for part in below)]:
        seen = host["files"].get(path) or {"exists": False}
        if seen.get("kind") == "link":
            continue
        if not seen["exists"] or (seen["uid"], seen["gid"]) != (user["uid"], user["gid"]):
            plan["directories"].append(path)
            plan["actions"].append(f"{'take over' if seen['exists'] else 'make'} directory {path}")
    plan["models"] = _model_actions(host, settings, data_dir)
    plan["actions"] += [f"fetch model {model['name']}" for model in plan["models"]]
    plan["actions"] += [f"pull image {reference}" for reference in plan["pull"]]
    untested = [each for each in instances if not each["test"] and not _untestable(each["profile"], settings)]
    plan["selftests"] = [_selftest_container(instance) for instance in untested]
    plan["actions"] += [f"test profile {test['profile']} on {test['board_name']}" for test in plan["selftests"]]
    plan["act_on"] = [instance["name"] for instance in instances if instance["actions"]]
    plan["actions"] += [action for instance in instances for action in instance["actions"]]
    record = plan["record"]
    plan["record"] = {
        "containers": sorted(
            {
                *record.get("containers", []),
                *(instance["name"] for instance in instances),
                *(test["name"] for test in plan["selftests"]),
            }
        ),
        "images": sorted({*record.get("images", []), *plan["pull"]}),
    }
    return plan


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"webui_plan": webui_plan}
