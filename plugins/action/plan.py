# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers a host's facts, makes the plan of each step and evaluates the checks, in one task a host."""

from __future__ import annotations

import contextlib
import gc
import json
import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.loader import filter_loader
from ansible.utils.display import Display
from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts
from ansible_collections.navilab.webui.plugins.plugin_utils import (
    _answers,
    _builder,
    _bundle,
    _fresh,
    _lock,
    _reach,
    _recorded,
    _selftests,
    _variables,
)
from ansible_collections.navilab.webui.plugins.plugin_utils._action import failed, is_local
from ansible_collections.navilab.webui.plugins.plugin_utils._holding import HoldingAction
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._base import Connection, Settings, Step
from ansible_collections.navilab.webui.plugins.plugin_utils._text import clean, problem, shown
from ansible_collections.navilab.webui.plugins.plugin_utils._together import keeps_lists, together

display = Display()
ARGUMENTS = {
    "steps": {"type": "list", "elements": "str", "choices": [*STEPS], "required": True},
    "apply": {"type": "bool", "default": False},
    "begins": {"type": "bool", "default": False},
    "ends": {"type": "bool", "default": False},
    "refresh": {"type": "bool", "default": False},
    "partial": {"type": "bool", "default": False},
    "forget_selftests": {"type": "bool", "default": False},
    "selftests": {"type": "list", "elements": "dict", "default": []},
    "pulled": {"type": "list", "elements": "dict", "default": []},
}
READ = ("_common", "image", "gpu_access", "docker_engine", "webui", "gateway", "metrics", "verify")
"""Roles whose variables several steps read."""
BRINGING = ("amdgpu_dkms", "firmware")
SAID = ("actions", "warnings")

# The first filter of a collection that a template names brings all of them in: here once, else in each worker.
filter_loader.get("navilab.webui._or_caller")
gc.freeze()  # what is there by now: a worker that looks through it for garbage would copy all of it


class ActionModule(HoldingAction):
    """See plugins/modules/plan.py for what it takes and returns."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        with _recorded.opened(task_vars or {}, self._templar.template) as self._recorded:
            return self._run(tmp, task_vars or {})

    def _run(self, tmp: str | None, variables: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, variables)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        if self._recorded:
            variables = {**self._recorded.settings, **variables}
        steps = {name: step for name, step in STEPS.items() if name in arguments["steps"]}

        read, problems = self._variables(steps, variables)
        if "preflight" in steps and (misspelt := _variables.misspelt(variables)):
            result["warnings"] = misspelt
        if self._recorded:
            tests = arguments["forget_selftests"] or arguments["selftests"]
            applied = arguments["apply"] and "verify" not in steps
            problems = self._recorded.problems(bool(arguments["begins"] or tests or applied)) or problems
        if problems:
            return failed(result, problems, serves=[])
        settings = {name: step.settings(read) for name, step in steps.items()}

        known = self._known(steps, settings, arguments, variables, result)
        if known is None:
            return result
        if arguments["forget_selftests"]:
            known["facts"] = _selftests.forget(known["facts"])
            result["selftested"] = True
        if arguments["selftests"]:
            known["facts"], problems = _selftests.learn(known["facts"], arguments["selftests"], arguments["pulled"])
        # The run that begins may install at once what apt is asked for, but not from a bundle.
        keep = bool(arguments["begins"]) and not (self._task.check_mode or self._recorded or self._bundle)
        plans = self._plans(steps, settings, known, variables, result, bool(arguments["apply"]), keep)
        if plans is None:
            return result

        facts: Facts = known["facts"]
        connection = Connection(is_local(variables), bool(self._task.check_mode))
        begins = arguments["apply"] or arguments["forget_selftests"] or arguments["selftests"]
        for name, plan in plans.items():
            problems += [check for check in plan["problems"] if check not in problems]
            # A verification says what it sees; whether a reboot stops the host is its own role's to say.
            if begins and not connection.check_mode and not (name == "reboot" and "verify" in plans):
                problems += STEPS[name].gate(facts, settings[name], connection)
        due = _fresh.due(plans, STEPS)
        acts = bool(arguments["apply"] and due)
        checks = plans["verify"]["checks"] if "verify" in plans and (arguments["apply"] or not due) else []
        busy = self._busy(facts, variables)
        if due and {*plans} - {"reboot", "verify"}:
            problems[:0] = busy
        elif any(check["status"] == "failed" for check in checks):
            checks = [*busy, *checks]
        changes = (acts or (due and arguments["forget_selftests"])) and "verify" not in plans
        if changes and not problems and not connection.check_mode:
            taken = self._hold(known, due, variables, result)
            if taken is None:
                return result
            problems += taken
        both = {**known["plans"], **plans}
        known["plans"] = {name: both[name] for name in STEPS if name in both}
        begun = [name for name in due if plans[name].get("allowed", True)] if acts and not connection.check_mode else []
        known["applied"] = sorted({*known["applied"], *begun})
        known["pending"] = _fresh.pending(known, plans, begun, STEPS)
        if "reboot" in begun:
            known["held_until"] = 0.0  # the lock is gone with the boot
        if problems or arguments["ends"]:
            self._let_go(known, variables)
        fact = _fact(known, variables)
        debs = _bundle.debs_file(facts["release"]["debian_codename"])
        navilab = {
            **fact,
            "offer": _builder.offer(facts, plans["webui"], settings["webui"])
            if "webui" in plans
            else _fresh.fact(variables).get("offer"),
            "checks": shown(checks),
            "partial": arguments["partial"],
            "removing": {setting["state"] for setting in settings.values() if "state" in setting} == {"absent"},
            "debs": f"{self._bundle['path']}/{debs}" if self._bundle else "",
            # All of the host's steps, not those of this call alone: a role may have run before the others are applied.
            "converged": not fact["due"] and not any(check["status"] == "failed" for check in checks),
            "shortcut": read["_common"]["shortcut"],
            "reach": _reach.lines(_instances(plans), _connection(variables, self._templar), _gateway(known["plans"])),
        }
        applies = bool(arguments["apply"] and not arguments["selftests"])
        if applies:
            _show(str(variables.get("inventory_hostname", "localhost")), plans)
        if problems:
            failed(result, problems, serves=_serves(plans, facts))
        foresees = bool(acts and connection.check_mode and "verify" not in plans)
        # Of a failure a user is shown all that is in it; what tests have found is kept in any case.
        if not problems or arguments["selftests"]:
            result.update(ansible_facts={"navilab": navilab}, changed=foresees, applies=applies)
            if not self._recorded:  # its name may be that of a live host
                verified = bool(navilab["converged"] and checks and not arguments["partial"])
                result["ansible_facts"].update(navilab_known=_grouped(facts, known["plans"]), navilab_verified=verified)
        if len(plans) == 1 and not (problems and applies):
            ((name, plan),) = plans.items()
            recorded = plan.get("record", {}) == facts["records"].get(name, {})
            result["plan"] = {**_sayable(plan), "recorded": recorded}
        return result

    def _known(
        self,
        steps: Mapping[str, Step],
        settings: Mapping[str, Settings],
        arguments: Mapping[str, Any],
        variables: Mapping[str, Any],
        result: dict[str, Any],
    ) -> dict[str, Any] | None:
        """What is known of the host, gathered where what is at hand does not do; None where that failed."""
        known = _fresh.read(_fresh.fact(variables))
        wanted = _fresh.unite(step.wants(settings[name]) for name, step in steps.items())
        # The role that tests images goes on with the facts that it began with.
        ignored = {"webui"} if arguments["selftests"] else set()
        result["calls"] = 0
        # What this host has built for the lab came after the facts.
        built = float((variables.get("navilab_lab") or {}).get("at") or 0) > (known.get("gathered") or 0)
        if not (arguments["refresh"] or built) and _fresh.usable(known, wanted, steps.values(), ignored):
            return known
        # What an earlier step wanted is gathered too, so that a later one can use it again.
        seen = self._gather(_fresh.unite([known["wanted"], wanted]), variables, result)
        if seen and arguments["selftests"] and known["facts"]:
            seen["facts"] = _selftests.carry(seen["facts"], known["facts"])
        return seen and {**known, **seen}

    def _plans(
        self,
        steps: Mapping[str, Step],
        settings: Mapping[str, Settings],
        known: dict[str, Any],
        variables: Mapping[str, Any],
        result: dict[str, Any],
        begins: bool,
        keep: bool,
    ) -> dict[str, Any] | None:
        """One plan a step; None where the host had to be asked something more, and could not be."""
        records = known["facts"]["records"]
        steps = {
            name: step
            for name, step in steps.items()
            if begins or not step.optional or step.wanted(settings[name]) or records.get(name)
        }
        plans = {name: step.plan(known["facts"], settings[name]) for name, step in steps.items()}
        questions = _answers.questions(plans, known["facts"])
        if not questions:
            return plans
        # What is intended is known only now; the host's own programs say whether it can be.
        wanted = known["wanted"]
        more = {"registry_ca": wanted.get("registry_ca", ""), "docker_config": known["facts"]["docker"]["config"]}
        more["keep_lists"] = keep and keeps_lists(plans, _fresh.due(plans, STEPS), variables)
        seen = self._ask("host_answers", {**questions, **more}, variables, result)
        if seen is None:
            return None
        known["lists"] = seen["answers"].get("lists", "")
        known["facts"] = _answers.learn(known["facts"], seen["answers"])
        return {name: step.plan(known["facts"], settings[name]) for name, step in steps.items()}

    def _variables(self, steps: Mapping[str, Any], variables: Mapping[str, Any]) -> tuple[dict[str, Any], list[Check]]:
        # preflight judges what all of them would bring, whichever are in the run.
        roles = list(dict.fromkeys([*READ, *(BRINGING if "preflight" in steps else ()), *steps]))
        templar = self._templar.copy_with_new_env(available_variables={**_variables.DEFAULTS, **variables})
        read, problems = _variables.read(roles, variables, templar.template)
        try:
            _checks.validate({"waive": read["_common"].get("waive") or {}})
        except (ValueError, TypeError) as error:
            remedy = "write check ids, each with the reason to waive it"
            problems.append(problem("variables", f"navilab_{error}", remedy))
        read["_common"]["lab"] = _lab(variables, templar)
        read["gateway"]["ca_local"] = _is_here(read["gateway"].get("ca_host"), variables)
        self._bundle, lacking = _bundle.read(read["_common"].get("bundle") or "")
        read["_common"]["bundle"] = self._bundle
        return read, problems + lacking

    def _gather(
        self, wanted: Mapping[str, Any], variables: Mapping[str, Any], result: dict[str, Any]
    ) -> dict[str, Any] | None:
        """What is known of the host now; None where it could not be gathered, and `result` says why."""
        seen = self._ask("host_info", {"probe_images": False, **wanted}, variables, result)
        return seen and {"gathered": time.time(), "wanted": dict(wanted), "facts": seen["host"], "applied": []}

    def _ask(
        self, module: str, arguments: Mapping[str, Any], variables: Mapping[str, Any], result: dict[str, Any]
    ) -> dict[str, Any] | None:
        """A module's result as plain values: planning with Ansible's tagged ones takes several times as long."""
        seen = self._recorded.ask(module, arguments) if self._recorded else self.ask(module, arguments, variables)
        result["calls"] += 1
        if seen.get("failed") or not {"host", "answers"} & set(seen):
            # One that is out of reach is no failed one: Ansible counts it as such.
            result.update(seen, **({} if seen.get("unreachable") else {"failed": True}))
            return None
        for key in ("warnings", "deprecations"):
            if key in seen:
                result[key] = [*result.get(key, []), *seen[key]]
        return {key: json.loads(json.dumps(seen[key])) for key in ("host", "answers") if key in seen}

    def _busy(self, facts: Facts, variables: Mapping[str, Any]) -> list[Check]:
        """The check that another run is at work on the host."""
        other = _lock.other(facts["lock"])
        return [_lock.busy(other, self._name(variables))] if other else []

    def _hold(
        self, known: dict[str, Any], due: list[str], variables: Mapping[str, Any], result: dict[str, Any]
    ) -> list[Check] | None:
        """Hold the host for this run, before anything changes, or renew that; None where it could not be asked."""
        lease = _lock.lease_s(due)
        if _lock.lasts(known.get("held_until", 0.0), lease):
            return []
        known["held_until"] = 0.0
        seen, busy = self.hold(known, lease, variables)
        result["calls"] += 1
        if seen.get("failed") or seen.get("unreachable"):
            result.update(seen)
            return None
        return busy

    def _let_go(self, known: dict[str, Any], variables: Mapping[str, Any]) -> None:
        """Of a host that this run ends on; whether it works is nobody's concern, the lock ends by itself."""
        if known.get("held_until") or known.get("lists"):
            known.update(held_until=0.0, lists="")
            with contextlib.suppress(AnsibleError):
                self.ask("host_lock", {"state": "absent", "run": known["run"]}, variables)


def _fact(known: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """What the host's fact `navilab` says of its state and of all plans that were made of it."""
    facts, plans = known["facts"], known["plans"]
    found = {*_fresh.due(plans, STEPS), *known["pending"]}
    due = [name for name in STEPS if name in found]
    return {
        "state": _fresh.write(known),
        "plans": {name: _digest(plan, _gateway(plans)) for name, plan in plans.items()},
        "due": due,
        "together": together(plans, due, variables, facts["records"], known.get("lists", "")),
        "applied": known["applied"],
        "held": bool(known.get("held_until")),
        "interrupted": facts["dpkg"]["interrupted"],
        "boards": [{key: board[key] for key in ("bdf", "name", "vram_mib", "supported")} for board in facts["boards"]],
        "selftests": facts["records"].get("selftest") or {},
    }


def _grouped(facts: Facts, plans: Mapping[str, Any]) -> dict[str, Any]:
    """The fact `navilab_known`, which inventories group hosts by and which a file keeps: see plugins/cache/known.py."""
    boards = [board for board in facts["boards"] if board["supported"]]
    return {
        "gfx_targets": sorted({str(board["gfx_target"]) for board in boards}),
        "vram_gib": sorted({round(board["vram_mib"] / 1024) for board in boards if board["vram_mib"]}),
        "needs_reboot": bool(plans.get("reboot", {}).get("required")),
    }


def _instances(plans: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return list(plans["webui"]["instances"]) if "webui" in plans else []


def _gateway(plans: Mapping[str, Mapping[str, Any]]) -> str:
    """The address that the webuis are reached at; "" for that of each."""
    return str(plans["gateway"]["url"]) if "gateway" in plans else ""


def _is_here(other: str | None, variables: Mapping[str, Any]) -> bool:
    """Whether a task for another host would run on this one: where both are local, as the extra variable of a host's
    own run makes them all."""
    known = variables.get("hostvars") or {}
    return bool(other and other in known and is_local(variables) and is_local(known[other]))


def _lab(variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    """What the lab's builder has told in this run, as playbooks/build.yml left it; empty where nobody was asked."""
    build = (variables.get("navilab_build") or {}).get("build") or {}
    told = variables.get("navilab_lab")
    if told is None and build.get("builder") and build["builder"] in variables.get("hostvars", {}):
        told = variables["hostvars"][build["builder"]].get("navilab_lab")
    return _builder.as_told(build, templar.template(told or {}))


_REACH = (
    "inventory_hostname ansible_play_hosts_all ansible_connection ansible_host ansible_port ansible_user "
    "ansible_ssh_common_args ansible_ssh_private_key_file".split()
)


def _connection(variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    """How Ansible reaches the host, without a password."""
    return {name: templar.template(variables[name]) for name in _REACH if name in variables}


def _show(host: str, plans: Mapping[str, Mapping[str, Any]]) -> None:
    """What is about to be done, and what is worth knowing."""
    for name, plan in plans.items():
        for sentence in [*plan["actions"], *plan["warnings"]]:
            display.display(f"{host}: {name}: {clean(sentence)}")


_ROW = ("name", "bdf", "board_name", "vram_mib", "profile", "profile_reason", "image", "aside", "url", "selftest")


def _row(instance: Mapping[str, Any], gateway: str) -> dict[str, Any]:
    return {key: gateway if key == "url" and gateway else instance[key] for key in _ROW}


def _sayable(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan with the fields that tasks obey as they are, and what is said of them as it is shown."""
    said = {key: list(map(clean, plan[key])) for key in SAID}
    return {**plan, **said, "problems": shown(plan["problems"])}


def _digest(plan: Mapping[str, Any], gateway: str) -> dict[str, Any]:
    """What the table and a person want of a plan. All of it goes with the call of its role: each value that travels
    costs Ansible time on the controller, which copies a result several times."""
    found: dict[str, Any] = {key: list(map(clean, plan[key])) for key in SAID}
    if "instances" in plan:
        found["instances"] = [_row(each, gateway) for each in plan["instances"]]
    return found


def _serves(plans: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The host's row in the table, for a failure, which takes no facts along: one entry a webui, else one a GPU."""
    return [_row(each, _gateway(plans)) for each in _instances(plans)] or [
        {"bdf": board["bdf"], "board_name": board["name"], "vram_mib": board["vram_mib"]} for board in facts["boards"]
    ]
