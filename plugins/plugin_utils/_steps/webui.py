# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which webui runs on which board of a host, and what the webui role has to do for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypedDict

from ansible_collections.navilab.webui.plugins.module_utils import _checks, _paths
from ansible_collections.navilab.webui.plugins.module_utils._commands import command, fqcn, run_site
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import DEFAULT_ROOT
from ansible_collections.navilab.webui.plugins.module_utils._filesystems import passing, unfit
from ansible_collections.navilab.webui.plugins.module_utils._types import Board, Check, Facts, Questions

from .. import _selftest_record
from .._packages import concerned
from .._text import problem
from . import _models, _webui_swap
from ._base import FORGET, Connection, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed
from ._webui_container import BOARD_LABEL, LISTEN, SPEC_LABEL, Instance, container_of, fetched, selftest_container
from ._webui_gpus import Choice, choose, numbers, remembered, suffix
from ._webui_guard import FILES as GUARD_FILES
from ._webui_guard import PACKAGES as GUARD_PACKAGES
from ._webui_guard import GuardPlan, confined, hangs, nothing, plan_guard
from ._webui_images import (
    Lab,
    brought,
    build_sentence,
    failures,
    image_of,
    lab_of,
    named,
    recipes,
    references,
    through,
)
from ._webui_profiles import choose_profile, requirement_problems, requires_of, unmet
from .docker_engine import CLIENT_PACKAGE, ca_file
from .gpu_access import user_problems

STOPPED = ("created", "exited", "dead")
GPUS_AT_MOST = 4
"""More boards in one host have not been seen; a fifth would be served, but its directory remade at each run."""
# What Docker and ROCm would refuse only when the container starts: setting -> (form, what to write).
_FORMS = {
    "name": (r"[A-Za-z0-9][A-Za-z0-9_.-]+", "letters, digits, '_', '.' and '-'"),
    "shm_size": (r"[1-9][0-9]*[bkmgBKMG]?", "a number with k, m or g"),
    "hsa_override": (r"auto|none|[0-9]+\.[0-9]+\.[0-9]+", "auto, none or a version such as 10.3.0"),
    "keep_images": (r"[1-9][0-9]*", "a number from 1 on"),
    "drain_timeout": (r"[0-9]+", "seconds"),
    "memory_mib": (r"0|[1-9][0-9]{2,}", "0 or at least 100"),
    "memory_swap_mib": (r"-1|0|[1-9][0-9]*", "-1, 0 or a number of MiB"),
    "zram_mib": (r"0|[1-9][0-9]{2,}", "0 or at least 100"),
    "tmp_mib": (r"[1-9][0-9]{2,}", "at least 100"),
    "home_mib": (r"[1-9][0-9]{2,}", "at least 100"),
    "pids_limit": (r"[1-9][0-9]{2,}", "at least 100"),
}


class Trust(TypedDict):
    """The authority of the lab's registry, for the engine and for who fetches models there."""

    registry: str
    path: str
    content: str
    write: bool


class WebuiPlan(Plan):
    """`instances` is one entry a board that is used, `selftests` one container a board whose image has not been tested
    on it; `builds` are the profiles whose image the lab's builder has to build first, `lab_models` what it may fetch
    for all; `act_on` names the instances whose container differs, `swaps` are those of them that have an older one to
    go back to, and `blamed` their new images. `remove_images` go at the end, and `settled` is what the record says
    then. `set_aside` are the images of the inventory's that this host does not take, `pull_beside` those that come in
    while models do."""

    state: str
    instances: list[Instance]
    directories: list[str]
    models: list[dict[str, Any]]
    model_cas: dict[str, str]
    pull: list[str]
    pull_beside: list[str]
    builds: list[str]
    lab_models: list[dict[str, str]]
    trust: Trust | None
    act_on: list[str]
    swaps: list[_webui_swap.Swap]
    blamed: list[str]
    set_aside: list[str]
    selftests: list[dict[str, Any]]
    remove_containers: list[str]
    remove_images: list[str]
    remove_files: list[str]
    guard: GuardPlan
    uid: int | None
    gid: int | None
    record: dict[str, Any]
    settled: dict[str, Any]
    questions: Questions


def settings(variables: Variables) -> Settings:
    """The variables, with the profiles and their images as they are known now, and what of other roles matters."""
    own, common, engine = variables["webui"], variables["_common"], variables["docker_engine"]
    bundle = common.get("bundle") or None
    return {
        **own,
        "profiles": {**own["profiles"], **_profiles(own["profiles_extra"])},
        "lab": through(lab_of(common.get("lab")), own["registry_mirror"]),
        "recipes": brought(recipes(variables["image"]), bundle) if own["image_source"] != "pull" else {},
        "bundle": bundle,
        "image_cache_dir": variables["image"]["cache_dir"],
        "daemon": engine["daemon"],
        "data_root": engine["daemon"].get("data-root") or engine["data_root"] or "",
        "engine_restart_ok": engine["restart_ok"],
        "registry_cas": engine["registry_cas"],
        "waive": common["waive"],
        "selftest_waive": common["waive"].get("selftest", ""),
        "now": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _profiles(extra: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """A user's profiles; what is none is not known then."""
    return {name: profile for name, profile in extra.items() if isinstance(profile, Mapping)}


def wants(settings: Settings) -> Wants:
    suffixes = [suffix(number) for number in range(1, GPUS_AT_MOST + 1)]
    data_dir = str(settings["data_dir"]).rstrip("/")
    return {
        "user": settings["user"],
        "packages": [CLIENT_PACKAGE, *GUARD_PACKAGES, *concerned(GUARD_PACKAGES)],
        "webuis": [
            {"name": settings["name"] + suffix, "port": settings["port"] + number}
            for number, suffix in enumerate(suffixes)
        ],
        "files": [
            *_paths.written(data_dir),
            *(f"{data_dir}/{part}" for suffix in suffixes for part in _paths.own(suffix)),
            *(f"{data_dir}/{part}" for part in _paths.shared()),
            *(f"{data_dir}/{folder}" for folder in _models.folders(settings)),
            *_models.files(settings, data_dir),
            *([ca_file(settings["lab"]["registry"])] if settings["lab"]["registry"] else []),
            *GUARD_FILES,
        ],
        "disk": [
            settings["data_root"] or DEFAULT_ROOT,
            *([settings["image_cache_dir"]] if settings["recipes"] else []),
            *_paths.written(data_dir),
            *(f"{data_dir}/{folder}" for folder in (_paths.MODELS, *_models.folders(settings))),
        ],
        "images": references(settings),
        "registry_ca": "\n".join([*settings["registry_cas"].values(), settings["lab"]["ca"]]).strip(),
    }


def gpus_of(instances: Sequence[Instance]) -> list[str] | None:
    """The boards that the checks are about; None, which is their own choice, where no webui uses one."""
    return [instance["bdf"] for instance in instances if instance["bdf"]] or None


def kfd_gate(facts: Facts, settings: Settings, gpus: list[str] | None) -> list[Check]:
    """The first reason why KFD does not see a board: its container would start and then say 'no GPU'."""
    checks = _checks.evaluate(
        facts, {"scope": ["kfd"], "user": settings["user"], "waive": settings["waive"], "gpus": gpus}
    )
    failed = _checks.first_failure(checks)
    return [failed] if failed else []


def gate(facts: Facts, settings: Settings, _connection: Connection) -> list[Check]:
    """What the engine and, where a board is used, KFD must have come to when the role begins."""
    found = plan(facts, settings)
    if settings["state"] == "absent" or not (found["actions"] and found["instances"]):
        return []
    problems = _checks.failures(facts, {"only": ["docker_engine"], "waive": settings["waive"]})
    problems += _unbuilt(found, settings["lab"])
    if not is_installed(facts, CLIENT_PACKAGE):
        evidence = f"{CLIENT_PACKAGE} is not installed, which Ansible needs to talk to the engine"
        problems.append(problem("docker_engine", evidence, run_site("docker_engine")))
    gpus = gpus_of(found["instances"])
    return problems or (kfd_gate(facts, settings, gpus) if gpus else [])


def _unbuilt(found: WebuiPlan, lab: Lab) -> list[Check]:
    """Why an image that the lab's builder was to build is not there when the role begins."""
    if not found["builds"]:
        return []
    if lab["problems"]:
        return failures(lab)
    names = ", ".join(found["builds"])
    builder = lab["builder"]
    if not builder:
        evidence = (
            f"the image of profile {names} has to be built, which only {fqcn('site')} and {fqcn('build')} have done"
        )
        return [
            problem("image_build", evidence, f"{run_site()}; a role by itself can be given a ready one in webui_images")
        ]
    if lab["images"]:
        evidence = f"{builder} has built other images than that of profile {names} which this host's variables ask for"
        return [problem("image_build", evidence, "set the variables image_* alike for all hosts of the lab")]
    evidence = f"{builder} has not built the image of profile {names} in this run"
    return [problem("image_build", evidence, f"{run_site()} again, which has it built")]


def _swap_of(facts: Facts, instance: Instance) -> _webui_swap.Do:
    """What is to be done with the containers that there are, before the wanted one is started."""
    spec = instance["container"]["labels"][SPEC_LABEL]
    held, previous = (
        _webui_swap.seen_as(facts["docker"]["containers"].get(name), spec, SPEC_LABEL, instance["devices"])
        for name in (instance["name"], _webui_swap.previous_of(instance["name"]))
    )
    return _webui_swap.TABLE[held, previous]


def _container_actions(facts: Facts, instance: Instance) -> list[str]:
    name, wanted = instance["name"], instance["container"]
    if instance["swap"] in _webui_swap.SENTENCES:
        return [_webui_swap.SENTENCES[instance["swap"]].format(name)]
    running = facts["docker"]["containers"].get(name)
    if running is None:
        return [f"start container {name} on {instance['bdf'] or 'the CPU'} with profile {instance['profile']}"]
    if running["labels"].get(SPEC_LABEL) != wanted["labels"][SPEC_LABEL]:
        if running.get("image") not in (None, instance["image"]):
            return [f"bring container {name} from image {running['image']} to {instance['image']}"]
        return [f"remake container {name}, whose settings differ"]
    if sorted(running["devices"]) != sorted(instance["devices"]):
        return [f"remake container {name}, which has other devices"]
    drifts = []
    if running["state"] != "running":
        drifts.append(f"start container {name}, which is {running['state']}")
    # Only these can be changed on a living container (docker update, docker network).
    if running["restart_policy"] != wanted["restart_policy"]:
        drifts.append(f"set restart policy {wanted['restart_policy']} of container {name}")
    if running["memory"] and running["memory"] != instance["memory_mib"] * 1024 * 1024:
        drifts.append(f"set memory limit {wanted['memory']} of container {name}")
    drifts += confined(facts, instance)
    answer = facts["http"].get(name)
    if instance["restart"]:
        drifts.append(f"restart container {name}, of which the kernel killed a process for want of memory")
    if not drifts and not (answer and answer["ready"]) and running["health"] in ("starting", "none"):
        drifts.append(f"wait for container {name}, which is still starting")
    return drifts


def _memory_mib(facts: Facts, settings: Settings, share: int) -> int:
    if settings["memory_mib"]:
        return int(settings["memory_mib"])
    # 2 GiB stay for the host; a board's share is never less than a small model needs.
    return max(4096, ((facts["memory"]["total_mib"] or 0) - 2048) // max(share, 1))


def _home(facts: Facts) -> str | None:
    return facts["user"]["home"] if facts["user"] else None


def data_dir_of(facts: Facts, settings: Settings) -> str:
    """The data directory by the name that it has among the facts."""
    return _paths.expand(settings["data_dir"].rstrip("/"), _home(facts)).rstrip("/")


def _process_uid(facts: Facts, profile: str, settings: Settings) -> int | None:
    """The UID of a webui's process: somebody else's image has its own."""
    found = settings["profiles"].get(profile, {})
    if not found.get("own_image", True):
        uid: int | None = requires_of(found).get("uid")
        return uid
    return facts["user"]["uid"] if facts["user"] else None


def _instances(facts: Facts, settings: Settings, used: Sequence[Board] | None) -> tuple[list[Instance], list[Check]]:
    """One webui a board, or one on the processor where `used` is None."""
    boards: Sequence[Board | None] = [None] if used is None else used
    given = numbers(facts, settings, used or [])
    # A host that has had two stays as it is while one is left out or away: the other one would be made again.
    apart = max(remembered(facts, settings, given).values(), default=1) > 1
    data_dir = data_dir_of(facts, settings)
    instances: list[Instance] = []
    problems: list[Check] = []
    for board in boards:
        number = given[board["bdf"]] if board else 1

        def tested(name: str, board: Board | None = board) -> dict[str, Any] | None:
            if _untestable(name, settings):
                return None
            return _selftest_record.kept(facts, board, name, image_of(name, settings, facts).reference)

        profile, reason, misfits = choose_profile(
            board,
            facts["kernel"]["version"],
            settings,
            lambda name: image_of(name, settings, facts),
            tested,
            lambda name: unmet(facts, settings, settings["profiles"][name]),
        )
        test = tested(profile) if profile else None
        image = image_of(profile, settings, facts)
        if misfits and misfits not in problems:
            problems.append(misfits)
        instances.append(
            {
                "name": settings["name"] + suffix(number),
                "board": board,
                "bdf": board["bdf"] if board else "",
                "board_name": board["name"] if board else "CPU",
                "vram_mib": board["vram_mib"] if board else None,
                "profile": profile,
                "profile_reason": reason,
                "test": test,
                "selftest": _selftest_record.check(test, _untestable(profile, settings)),
                "image": image.reference,
                "aside": image.aside,
                "to_build": image.to_build,
                "port": settings["port"] + number - 1,
                "url": f"http://{LISTEN}:{settings['port'] + number - 1}",
                "data": _paths.DATA + suffix(number),
                "data_dir": data_dir,
                "apart": apart,
                "cache": _paths.CACHE + (suffix(number) if apart else ""),
                # A board whose driver is not up yet has no render node; the checks before the container's start say so.
                "devices": [path for path in (facts["kfd"]["device"]["path"], board["render_node"]) if path]
                if board
                else [],
                "memory_mib": _memory_mib(facts, settings, len(boards)),
                "uid": _process_uid(facts, profile, settings),
            }
        )
    return instances, problems


def _untestable(profile: str, settings: Settings) -> str:
    """Why no self-test is wanted; empty where one is."""
    if settings["selftest_waive"]:
        return f"waived: {settings['selftest_waive']}"
    own = settings["profiles"].get(profile, {}).get("own_image", True)
    return "" if own else f"the image of profile {profile} brings no self-test"


def _settings_problems(facts: Facts, settings: Settings, instances: list[Instance]) -> list[Check]:
    problems: list[Check] = []
    recorded = (facts["records"].get("webui") or {}).get("containers", [])
    user = facts["user"]
    known = bool(user and user["exists"])
    problems += user_problems(facts, settings["user"])
    for instance in instances:
        if not 1 <= instance["port"] <= 65535:
            problems.append(problem("port_free", f"webui_port gives {instance['port']}", "use a port from 1 to 65535"))
            continue
        bound = facts["ports"].get(str(instance["port"]))
        ours = facts["docker"]["containers"].get(instance["name"])
        if ours and SPEC_LABEL not in ours["labels"] and instance["name"] not in recorded:
            problems.append(
                problem(
                    "container_name",
                    f"there is a container {instance['name']} of image {ours['image']} that this role did not make",
                    "docker rename it, or set webui_name for this host; docker rm it if nobody needs it",
                )
            )
        # A container that has stopped holds its port no longer.
        published = [port["host_port"] for port in ours["ports"]] if ours and ours["state"] not in STOPPED else []
        if bound and bound["listeners"] and instance["port"] not in published:
            owner = bound["owner"] or "another program"
            problems.append(
                problem(
                    "port_free",
                    f"port {instance['port']} is taken by {owner} on {', '.join(bound['listeners'])}",
                    "stop that program, or set webui_port for this host",
                )
            )
    problems += requirement_problems(settings["profiles"])
    for name, (form, wanted) in _FORMS.items():
        if not re.fullmatch(form, str(settings[name])):
            problems.append(problem("variables", f"webui_{name} is '{settings[name]}'", f"write {wanted}"))
    data_dir, wanted = data_dir_of(facts, settings), settings["data_dir"]
    below_home = wanted == "~" or wanted.startswith("~/")
    bad = not _paths.plain(data_dir) or not _paths.ownable(data_dir)
    if instances and bad and (known or not below_home):  # whoever does not exist has no home either
        home = _home(facts) if below_home else None
        why = f", and the home of {settings['user']} is {home!r}" if home else f", and {settings['user']} has no home"
        remedy = "give an absolute directory of its own, or one below ~; Docker takes no colon in it"
        if below_home:
            remedy = "set webui_data_dir to an absolute directory of its own for this host, like /srv/dockerx"
        problems.append(problem("data_writable", f"webui_data_dir is '{wanted}'{why if below_home else ''}", remedy))
    return problems


def _lie_on(facts: Facts, directories: Sequence[str]) -> dict[str, str]:
    """What keeps root from giving a user these directories, by the kind of each one's file system: those alone that
    something keeps. One that was not asked about lies where the one above it does."""
    found = {}
    for path in directories:
        above = [seen for seen in facts["disk"] if f"{path}/".startswith(f"{seen}/")]
        why = unfit(facts["disk"][max(above, key=len)]["fstype"]) if above else ""
        if why:
            found[path] = why
    return found


def _established(facts: Facts, paths: Sequence[str], uid: int | None) -> bool:
    """Whether the directories are there, and their owner can write them: then it does not matter what root may do."""
    seen = [file_of(facts, path) for path in paths]
    return all(
        each["kind"] == "dir" and each["uid"] == uid and int(each["mode"] or "0", 8) & 0o300 == 0o300 for each in seen
    )


def _image_problems(facts: Facts, instances: list[Instance]) -> list[Check]:
    problems: list[Check] = []
    for reference in sorted({instance["image"] for instance in instances if instance["image"]}):
        found = facts["registry"].get(reference)
        if facts["docker"]["images"].get(reference) or not found or found["status"] in ("local", "found", "unknown"):
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
        problems.append(problem(check, f"{reference}: {found['status']} {found['detail']}".strip(), remedy))
    return problems


def _trust(facts: Facts, settings: Settings, images: Iterable[str]) -> Trust | None:
    """What makes the lab's registry trusted where images or models come from it; None where docker_engine sees to it,
    or nothing comes from there."""
    registry, ca = settings["lab"]["registry"], settings["lab"]["ca"]
    if not ca or registry in settings["registry_cas"]:
        return None
    if not any(image.startswith(f"{registry}/") for image in images):
        return None
    path = ca_file(registry)
    return {"registry": registry, "path": path, "content": ca, "write": differs(facts, path, ca)}


def _leaves(facts: Facts, paths: list[str]) -> list[str]:
    """Directories that are there, and those of the missing ones that bring the others along."""
    return [
        path
        for path in paths
        if file_of(facts, path)["exists"] or not any(other.startswith(f"{path}/") for other in paths)
    ]


def _empty(facts: Facts, settings: Settings) -> WebuiPlan:
    user = facts["user"]
    return {
        "actions": [], "problems": [], "warnings": [],
        "state": settings["state"], "instances": [], "directories": [], "models": [], "model_cas": {}, "pull": [],
        "pull_beside": [], "builds": [], "lab_models": [], "trust": None, "act_on": [], "swaps": [], "blamed": [],
        "set_aside": [], "selftests": [], "remove_containers": [], "remove_images": [], "remove_files": [],
        "guard": nothing(),
        "uid": user["uid"] if user else None, "gid": user["gid"] if user else None,
        "record": facts["records"].get("webui") or {}, "settled": {}, "questions": {},
    }  # fmt: skip


def _absent(facts: Facts, settings: Settings) -> WebuiPlan:
    found = _empty(facts, settings)
    record, found["record"] = found["record"], {}
    # The facts have no container of a self-test, which is there only if a run was cut off.
    found["remove_containers"] = [
        name for name in record.get("containers", []) if facts["docker"]["containers"].get(name, True)
    ]
    found["remove_images"] = [name for name in record.get("images", []) if facts["docker"]["images"].get(name)]
    found["remove_files"] = record.get("trusted", [])
    found["actions"] = [f"remove container {name}" for name in found["remove_containers"]]
    found["actions"] += [f"remove {path}" for path in found["remove_files"]]
    found["actions"] += [f"remove image {name}" for name in found["remove_images"]]
    guard = plan_guard(facts, settings, record)
    found["guard"] = guard["plan"]
    found["actions"] += guard["after"]
    if record and not found["actions"]:
        found["actions"] = [FORGET]
    if record:
        found["warnings"] = [f"{settings['data_dir']} of {settings['user']} stays, with models, outputs and settings"]
    return found


def _directories(settings: Settings, instances: Sequence[Instance], data_dir: str) -> list[str]:
    """All that the role makes, the data directory first."""
    model_folders = _models.folders(settings)
    below = [_paths.CACHE, _paths.DATA, *([_paths.MODELS] if model_folders else [])]
    if any(instance["apart"] for instance in instances):
        # Docker would make what is missing, as root's.
        own = fetched(settings)
        below = [part for each in instances for part in _paths.own(each["data"].removeprefix(_paths.DATA), own)]
        below += _paths.shared(own)
    return [data_dir, *(f"{data_dir}/{part}" for part in dict.fromkeys([*below, *model_folders]))]


def _stale_containers(facts: Facts, choice: Choice, instances: Sequence[Instance]) -> dict[str, str]:
    """Containers of ours whose board gets no webui, or one of another name: by name, why."""
    why = {board["bdf"]: f"is {reason}" for board, reason in choice.left_out}
    why |= {instance["bdf"]: f"has {instance['name']}" for instance in instances if instance["bdf"]}
    wanted = {instance["name"] for instance in instances}
    wanted |= {_webui_swap.previous_of(name) for name in wanted}
    found = {}
    for name, container in facts["docker"]["containers"].items():
        labels = container["labels"] if container else {}
        board = str(labels.get(BOARD_LABEL) or "")
        if SPEC_LABEL in labels and name not in wanted and board in why:
            found[name] = f"board {board} {why[board]}"
    return found


def plan(facts: Facts, settings: Settings) -> WebuiPlan:
    if settings["state"] == "absent":
        return _absent(facts, settings)
    found = _empty(facts, settings)
    on_cpu = not settings["profiles"].get(settings["profile"], {}).get("gpu", True)
    choice = Choice([], [], []) if on_cpu else choose(facts, settings)
    instances, problems = _instances(facts, settings, None if on_cpu else choice.used)
    problems = choice.problems + problems
    problems += _settings_problems(facts, settings, instances) + _image_problems(facts, instances)
    data_dir = data_dir_of(facts, settings)
    directories = _directories(settings, instances, data_dir)
    models = _models.missing(facts, settings, data_dir)
    problems += _models.problems(settings) + _models.not_brought(models, settings)
    guard = plan_guard(facts, settings, found["record"])
    problems += guard["problems"] if instances else []
    foreign = _lie_on(facts, directories) if instances else {}
    lies = [f"{path} lies on {why}" for path, why in foreign.items() if foreign.get(path.rpartition("/")[0]) != why]
    settled = _established(facts, [*foreign], found["uid"])
    comes = any(model["path"].rpartition("/")[0] in foreign for model in models)
    if foreign and not (settled and not comes) and "data_writable" not in settings["waive"]:
        problems.append(
            problem(
                "data_writable",
                "; ".join(lies),
                "set webui_data_dir to a directory on a disk of the host's own; if root may write there all the same, "
                "say so: navilab_waive: {data_writable: your reason}",
            )
        )
    images = {each["image"] for each in instances if each["image"] and not each["to_build"]}
    found["trust"] = _trust(facts, settings, images)
    found["instances"], found["problems"] = instances, problems
    found["warnings"] = [
        f"{each['bdf'] or 'CPU'} {each['board_name']}: profile {each['profile']} ({each['profile_reason']}), "
        f"image {each['image']}"
        for each in instances
        if each["profile"]
    ]
    found["warnings"] += [f"{board['bdf']} {board['name']} is not used: {why}" for board, why in choice.left_out]
    found["warnings"] += lies
    held = {container.get("image") for container in facts["docker"]["containers"].values() if container}
    found["pull"] = sorted(image for image in images - held if not facts["docker"]["images"].get(image))
    found["questions"] = {"images": found["pull"]} if found["pull"] else {}
    if instances:
        found["questions"] = {**found["questions"], **guard["questions"]}
        found["warnings"] += guard["warnings"]
    tags = _tags(settings, instances)
    if tags:
        found["questions"]["tags"] = tags
        problems += _unheard(facts, tags)
    why = _webui_swap.aside(facts, settings)
    found["set_aside"] = sorted({each["aside"] for each in instances if each["aside"]})
    problems += _kept_back(settings, instances, why)
    found["warnings"] += [
        f"{each['aside']} is set aside on this host, which runs {each['image']}: {why[each['aside']]}; "
        f"{command('upgrade')} tries it again"
        for each in instances
        if each["aside"] in why
    ]
    if problems or not instances:
        return found
    for instance in instances:
        instance["container"] = container_of(facts, instance, settings["profiles"][instance["profile"]], settings)
        instance["restart"] = hangs(facts, instance["name"])
        instance["swap"] = _swap_of(facts, instance)
        instance["actions"] = _container_actions(facts, instance)

    stale = _stale_containers(facts, choice, instances)
    found["remove_containers"] = list(stale)
    found["guard"] = guard["plan"]
    found["actions"] = guard["before"] + [f"remove container {name}, since {why}" for name, why in stale.items()]
    for path in directories:
        seen = file_of(facts, path)
        if seen["kind"] == "link" or (path in foreign and settled):
            continue
        if not seen["exists"] or (seen["uid"], seen["gid"]) != (found["uid"], found["gid"]):
            found["directories"].append(path)
            found["actions"].append(f"{'take over' if seen['exists'] else 'make'} directory {path}")
    disk = facts["disk"].get(data_dir)
    if found["directories"] and disk and passing(disk["fstype"]):
        found["warnings"].append(f"{data_dir} lies on {passing(disk['fstype'])}")
    found["directories"] = _leaves(facts, found["directories"])
    found["models"], found["model_cas"] = models, _models.cas(settings, models)
    found["pull_beside"] = found["pull"] if _models.take_time(models) else []
    # By name alone: an address may have a login in it.
    found["lab_models"] = [
        {"name": each["name"], "sha256": each["sha256"]} for each in models if not _models.is_own(each)
    ]
    found["builds"] = sorted({each["profile"] for each in instances if each["to_build"]})
    found["actions"] += map(_models.sentence, models)
    found["actions"] += [build_sentence(profile, settings) for profile in found["builds"]]
    if found["trust"] and found["trust"]["write"]:
        found["actions"].append(f"trust the lab's registry {found['trust']['registry']}")
    found["actions"] += [f"pull image {reference}" for reference in found["pull"]]
    untested = [each for each in instances if not each["test"] and not _untestable(each["profile"], settings)]
    found["selftests"] = [selftest_container(instance) for instance in untested]
    found["actions"] += [f"test profile {test['profile']} on {test['board_name']}" for test in found["selftests"]]
    found["act_on"] = [instance["name"] for instance in instances if instance["actions"]]
    found["actions"] += [action for instance in instances for action in instance["actions"]]
    found["actions"] += guard["after"]
    found["swaps"] = [_swap(facts, settings, instance) for instance in instances if instance["swap"]]
    found["blamed"] = sorted({swap["images"][1] for swap in found["swaps"] if swap["images"][0] != swap["images"][1]})
    ran = {each["profile"]: _webui_swap.history(facts, each["profile"]) for each in instances}
    found["remove_images"] = _replaced(facts, settings, instances, ran)
    found["actions"] += [f"remove image {image}, which is needed no more" for image in found["remove_images"]]
    unsaid = _unsaid(facts, instances)
    found["actions"] += [f"keep in the record that profile {name} runs {image}" for name, image in unsaid]
    if not found["actions"] and not settings["rollback"]:
        return found
    record = found["record"]
    trusted = {*record.get("trusted", []), *([found["trust"]["path"]] if found["trust"] else [])}
    found["record"] = {
        "containers": sorted(
            {
                *record.get("containers", []),
                *(instance["name"] for instance in instances),
                *(test["name"] for test in found["selftests"]),
                *(swap["previous"] for swap in found["swaps"]),
            }
        ),
        "images": sorted({*record.get("images", []), *found["pull"]}),
        **({"trusted": sorted(trusted)} if trusted else {}),
        **({"packages": guard["plan"]["packages"]} if guard["plan"]["packages"] else {}),
    }
    boards = remembered(facts, settings, numbers(facts, settings, choice.used))
    if boards:
        found["record"]["boards"] = boards
    parts = _webui_swap.parts(facts, settings, [(named(each["profile"], settings), each) for each in instances])
    found["record"] |= parts.before
    if found["swaps"] or found["remove_images"] or unsaid:
        kept = [image for image in found["record"]["images"] if image not in found["remove_images"]]
        settled_record = {**found["record"], **parts.after, "images": kept}
        found["settled"] = {name: value for name, value in settled_record.items() if value}
    return found


def _tags(settings: Settings, instances: Sequence[Instance]) -> list[str]:
    """What an upgrade asks registries about: a digest is what it is, and what is built has none."""
    if not settings["upgrade"]:
        return []
    given = {named(each["profile"], settings) for each in instances if each["profile"]}
    return sorted(reference for reference in given if _webui_swap.tagged(reference))


def _unheard(facts: Facts, tags: Sequence[str]) -> list[Check]:
    """Registries that an upgrade can't ask. One that does not know an image says so of what was built or loaded
    here."""
    answers = {tag: facts["registry"].get(tag) for tag in tags}
    return [
        problem(
            "registry_reachable",
            f"what is behind {tag} now can't be asked: {answer['detail']}",
            "start the registry, or mend name, port, proxy or CA (docker_engine_registry_cas)",
        )
        for tag, answer in answers.items()
        if answer and answer["status"] == "unreachable"
    ]


def _kept_back(settings: Settings, instances: Sequence[Instance], why: Mapping[str, str]) -> list[Check]:
    """Why a host does not get what it was asked to: an image that is no good, or no image to go back to."""
    if settings["upgrade"]:
        return [
            problem(
                "webui_upgrade",
                f"{each['aside']}: {why[each['aside']]}; the host stays with {each['image']}",
                f"name another image, or mend this one; {command('selftest')} tests it again",
            )
            for each in instances
            if each["aside"] in why
        ]
    if settings["rollback"] and not any(each["aside"] for each in instances):
        evidence = "no image has run on this host before the present one, by its record"
        return [problem("webui_upgrade", evidence, "name the image that you want in webui_image or webui_images")]
    return []


def _swap(facts: Facts, settings: Settings, instance: Instance) -> _webui_swap.Swap:
    containers, name = facts["docker"]["containers"], instance["name"]
    old = containers.get(_webui_swap.previous_of(name)) or containers.get(name)
    return {
        "name": name,
        "previous": _webui_swap.previous_of(name),
        "port": instance["port"],
        "do": instance["swap"],
        "data": f"{instance['data_dir']}/{instance['data']}",
        "images": [str(old.get("image") or "") if old else "", instance["image"]],
        "restart_policy": settings["restart_policy"],
    }


def _replaced(
    facts: Facts, settings: Settings, instances: Sequence[Instance], ran: Mapping[str, Sequence[str]]
) -> list[str]:
    """Images that came by us and are not needed any more: newer ones have followed, or it never got ready and nobody
    names it now. A host that never changed its image keeps all."""
    kept = {*references(settings), *(instance["aside"] for instance in instances)}
    for instance in instances:
        images = [instance["image"], *(image for image in ran[instance["profile"]] if image != instance["image"])]
        kept |= {*images[: settings["keep_images"]]}
    once = {image for images in ran.values() for image in images}
    brought = {*_recorded(facts, "webui"), *(image for image in _recorded(facts, "image") if image in once)} - kept
    changed = any(instance["swap"] for instance in instances) or _webui_swap.record_of(facts, "history")
    there = [image for image in sorted(brought) if facts["docker"]["images"].get(image)] if changed else []
    # What was built here goes by the name that it was pushed by, too: with one of them left, the engine keeps it.
    built = [name for name in _recorded(facts, "image") if name not in kept]
    pushed = {name for name in built for image in there if image in built and _tag(name) == _tag(image)}
    return [*sorted(pushed - {*there}), *there]  # found by the other name, which goes last


def _tag(name: str) -> str:
    return name.rpartition(":")[2]


def _recorded(facts: Facts, role: str) -> list[str]:
    """The images that came in with a role."""
    return list((facts["records"].get(role) or {}).get("images") or [])


def _unsaid(facts: Facts, instances: Sequence[Instance]) -> list[tuple[str, str]]:
    """Profiles with an image that runs, where the record has another one in its first place: a run was cut off."""
    kept = _webui_swap.record_of(facts, "history")
    return sorted(
        {
            (each["profile"], each["image"])
            for each in instances
            if kept.get(each["profile"])
            and not each["swap"]
            and _webui_swap.first(kept[each["profile"]]) != each["image"]
        }
    )


STEP = Step(
    "webui",
    settings,
    wants,
    plan,
    gate,
    stale_after=frozenset({"amdgpu_dkms", "firmware", "gpu_access", "reboot", "docker_engine", "webui"}),
)
