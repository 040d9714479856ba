# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container of a webui, and that of its self-test, as community.docker.docker_container takes them."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._guard import NETWORK
from ansible_collections.navilab.webui.plugins.module_utils._hardware import GROUPS
from ansible_collections.navilab.webui.plugins.module_utils._paths import (
    CACHE,
    DATA,
    DOWNLOADS,
    FETCHED,
    MODEL_FOLDER,
    MODELS,
    model_folder,
)
from ansible_collections.navilab.webui.plugins.module_utils._types import Board, Facts, SelftestVerdict

from .._selftest_record import SCRIPT
from ._base import Settings
from ._webui_profiles import requires_of, vram_flags
from ._webui_swap import PROFILE_LABEL, Do

CONTAINER_PORT = 7860
LISTEN = "127.0.0.1"  # where readiness is looked for, and the gateway and the ssh -L line end
MOUNT = "/dockerx"
HOME = "/home/webui"
SCRATCH = {"/tmp": "tmp_mib", HOME: "home_mib"}  # noqa: S108 -- paths in the container, and what says their size
SPEC_LABEL = "navilab.webui.spec"
BOARD_LABEL = "navilab.webui.board"
TCMALLOC = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4"
LIVING = ("memory", "memory_swap", "restart_policy")
"""What docker update changes on a container that runs."""
OOM_SCORE_ADJ = 500  # where the host itself is short of memory, the webui goes before its other services
# Any answer below 500 is alive: /internal/ping is 404 with --nowebui.
HEALTH = (
    "import sys, urllib.request, urllib.error\n"
    f"try: status = urllib.request.urlopen('http://127.0.0.1:{CONTAINER_PORT}/internal/ping', timeout=5).status\n"
    "except urllib.error.HTTPError as error: status = error.code\n"
    "sys.exit(status >= 500)"
)
PRECISION = {"full": ["--precision", "full", "--no-half"], "half": ["--no-half-vae"]}
# Arguments that name the folder to fetch to. The webui looks into its models' folder as well, but for these.
FETCH_ARGUMENTS = {
    "--ckpt-dir": MODEL_FOLDER, "--codeformer-models-path": "Codeformer", "--dat-models-path": "DAT",
    "--esrgan-models-path": "ESRGAN", "--gfpgan-models-path": "GFPGAN", "--ldsr-models-path": "LDSR",
    "--realesrgan-models-path": "RealESRGAN", "--scunet-models-path": "ScuNET", "--swinir-models-path": "SwinIR",
}  # fmt: skip
FETCHED_ALONE = ("Codeformer", "DAT", "GFPGAN")
ATTENTION = {"sub-quad": ["--opt-sub-quad-attention"], "split": ["--opt-split-attention"], "none": []}


class _Instance(TypedDict):
    name: str
    board: Board | None
    bdf: str
    board_name: str
    vram_mib: int | None
    profile: str
    profile_reason: str
    test: dict[str, Any] | None
    selftest: SelftestVerdict
    image: str
    aside: str
    to_build: bool
    port: int
    url: str
    data: str
    data_dir: str
    apart: bool
    cache: str
    devices: list[str]
    memory_mib: int
    uid: int | None


class Instance(_Instance, total=False):
    """One webui: on a board, or on the CPU (`board` None, `bdf` ""). `test` is the self-test that is kept; `data` and
    `cache` are its directories below `data_dir`, of which it gets no more where the host has several (`apart`), but for
    the models to read; `uid` is that of its process, None where the image decides and does not say; `container`,
    `actions` and `restart` are there where nothing stops the host, and `swap` says what is to be done with the
    container that has its place. `aside` is the image that it would have but for what happened with it on this host."""

    container: dict[str, Any]
    actions: list[str]
    restart: bool
    swap: Do


def _precision(profile: dict[str, Any], test: dict[str, Any] | None, settings: Settings) -> str:
    """What is set, else what the board can do, else what the profile says."""
    if settings["precision"] != "auto":
        return str(settings["precision"])
    return str((test or {}).get("precision") or profile.get("precision", "full"))


def fetched(settings: Settings) -> list[str]:
    """The folders of models that each of several webuis fills for itself: not those that webui_models fills for all."""
    return [folder for folder in FETCHED if folder not in _listed(settings)]


def _listed(settings: Settings) -> set[str]:
    return {model.get("folder", MODEL_FOLDER).split("/")[0] for model in settings["models"]}


def _fetch_arguments(settings: Settings) -> list[str]:
    """What keeps a webui from fetching into models that it may only read."""
    hidden = _listed(settings) & set(FETCHED_ALONE)
    return [
        part
        for argument, folder in FETCH_ARGUMENTS.items()
        if folder not in hidden
        for part in (argument, f"{MOUNT}/{DATA}/{DOWNLOADS}/{folder}")
    ]


def _volumes(instance: Instance, settings: Settings) -> list[str]:
    """One mount of all, or the parts that are one's own, each by the path that it has where there is one webui."""
    host, own = instance["data_dir"], f"{instance['data_dir']}/{instance['data']}"
    if not instance["apart"]:
        return [f"{host}:{MOUNT}"]
    return [
        f"{host}/{instance['cache']}:{MOUNT}/{CACHE}",
        f"{own}:{MOUNT}/{DATA}",
        f"{host}/{MODELS}:{MOUNT}/{MODELS}:ro",
        *(f"{own}/{DOWNLOADS}/{folder}:{MOUNT}/{model_folder(folder)}" for folder in fetched(settings)),
    ]


def _arguments(instance: Instance, profile: dict[str, Any], settings: Settings) -> list[str]:
    board = instance["board"]
    precision = _precision(profile, instance["test"], settings)
    arguments = ["--skip-prepare-environment", "--skip-version-check", "--no-download-sd-model"]
    arguments += ["--listen", "--port", str(CONTAINER_PORT), "--api", "--data-dir", f"{MOUNT}/{DATA}"]
    arguments += _fetch_arguments(settings) if instance["apart"] else []
    arguments += ["--theme", settings["theme"]]
    if profile.get("gpu", True) and board is not None:
        arguments += vram_flags(board["vram_mib"], settings["vram_mode"])
    arguments += PRECISION[precision] + ATTENTION[settings["attention"]] + list(profile.get("flags", []))
    if settings["allow_extension_install"]:
        # --listen makes the webui refuse installs from its page; this is its own word for allowing them.
        arguments.append("--enable-insecure-extension-access")
    return arguments + list(settings["extra_args"])


def _environment(profile: dict[str, Any], settings: Settings) -> dict[str, str]:
    environment = {"HOME": HOME, "XDG_CACHE_HOME": f"{MOUNT}/{CACHE}", "PYTHONUNBUFFERED": "1"}
    if profile.get("gpu", True):
        # Kernels compiled on the first picture outlive the container, or each upgrade compiles for minutes again.
        environment.update(
            {"MIOPEN_USER_DB_PATH": f"{MOUNT}/{CACHE}/miopen", "MIOPEN_CUSTOM_CACHE_DIR": f"{MOUNT}/{CACHE}/miopen"}
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


def device_groups(facts: Facts, devices: list[str]) -> list[str]:
    """Numeric GIDs of the nodes' owners and of the host's GPU groups: names differ between host and image. Of these
    alone, since other groups are among the facts only where another step has asked for them."""
    gids = {facts["groups"][name] for name in GROUPS if facts["groups"].get(name) is not None}
    gids |= {node["gid"] for node in (facts["kfd"]["device"], *facts["drm"]) if node["path"] in devices and node["gid"]}
    return [str(gid) for gid in sorted(gid for gid in gids if gid)]


def _limits(facts: Facts, instance: Instance, settings: Settings) -> dict[str, Any]:
    """What a container may take of the host; None for what the engine says that it can't limit."""
    memory, swap, limits = instance["memory_mib"], settings["memory_swap_mib"], facts["guard"]["limits"]
    return {
        "memory": f"{memory}M",
        # Docker counts both together.
        "memory_swap": f"{memory + (memory if swap < 0 else swap)}M" if limits.get("swap", True) else None,
        "pids_limit": settings["pids_limit"] if limits.get("pids", True) else None,
        "oom_score_adj": OOM_SCORE_ADJ,
    }


def _network(settings: Settings) -> dict[str, Any]:
    """Docker's own network, or ours, where nothing can be begun: there no name server is asked either, since Docker may
    ask one of the host's own in the container's place."""
    if settings["egress"] == "allow":
        return {"networks": None, "dns_servers": None, "dns_opts": None}
    return {
        "networks": [{"name": NETWORK}],
        "dns_servers": ["127.0.0.1"],
        "dns_opts": ["timeout:1", "attempts:1"],
    }


def preloads(profile: str, settings: Settings) -> bool:
    """Whether our tcmalloc is to be in the webui's process: somebody else's image has its own ways, and so has who sets
    LD_PRELOAD."""
    found = settings["profiles"].get(profile, {})
    given = {**found.get("env", {}), **settings["extra_env"]}
    return bool(settings["tcmalloc"] and found.get("own_image", True) and "LD_PRELOAD" not in given)


def container_of(facts: Facts, instance: Instance, profile: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The container as community.docker.docker_container takes it."""
    user = facts["user"]
    own, requires = profile.get("own_image", True), requires_of(profile)
    confined = own and not requires.get("sudo")
    container = {
        "name": instance["name"],
        "image": instance["image"],
        "command": [*profile.get("command_prefix", []), *_arguments(instance, profile, settings)],
        "env": _environment(profile, settings),
        "user": f"{user['uid']}:{user['gid']}" if own and user else None,
        "groups": device_groups(facts, instance["devices"]) if instance["devices"] else [],
        "devices": [f"{path}:{path}:rwm" for path in instance["devices"]],
        "volumes": _volumes(instance, settings),
        "published_ports": [f"{LISTEN}:{instance['port']}:{CONTAINER_PORT}"],
        "read_only": own and not requires.get("writable_root"),
        "tmpfs": [f"{path}:rw,exec,nosuid,nodev,mode=1777,size={settings[mib]}m" for path, mib in SCRATCH.items()]
        if own
        else [],
        "security_opts": ["no-new-privileges:true"] if confined else [],
        "cap_drop": ["ALL"] if confined else [],
        **_limits(facts, instance, settings),
        **_network(settings),
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
    made = {key: value for key, value in container.items() if key not in LIVING}
    container["labels"] = {
        SPEC_LABEL: hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest(),
        PROFILE_LABEL: instance["profile"],
        BOARD_LABEL: instance["bdf"],
    }
    return container


def selftest_container(instance: Instance) -> dict[str, Any]:
    """The self-test in the place of the webui: same image, user, devices and data, but no network."""
    container, board = instance["container"], instance["board"]
    command = ["--device", "cuda" if instance["devices"] else "cpu", "--profile", instance["profile"]]
    if board:
        override = container["env"].get("HSA_OVERRIDE_GFX_VERSION")
        command += ["--expect-gfx", gfx_seen(board["gfx_target"] or "", override)]
    command += ["--json", f"{MOUNT}/{DATA}/selftest.json"]
    return {
        **container,
        "name": f"{instance['name']}-selftest",
        "entrypoint": ["python3", SCRIPT],
        "command": command,
        "bdf": instance["bdf"],
        "board_name": f"{instance['board_name']} at {instance['bdf']}" if board else instance["board_name"],
        "profile": instance["profile"],
    }


def gfx_seen(target: str, override: str | None) -> str:
    """The name that ROCm gives a chip: its own, or the one that the override makes it pass for (10.3.0 is gfx1030)."""
    numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", override or "")
    return f"gfx{numbers[1]}{int(numbers[2]):x}{int(numbers[3]):x}" if numbers else target
