# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks: one small function each over the facts, cause before effect, each with what was seen and what to do.

A check never reaches the host, so facts that were recorded anywhere can be evaluated anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._escape import clean
from .._types import Check, Facts, Wanted
from ._base import Case, Row, skipped
from ._driver import dkms_built, dri_nodes, driver_bound, driver_reset_free, module_signed
from ._engine import container_running, container_sees_gpu, docker_engine
from ._gpu import board_present, board_supported, firmware_files, firmware_not_shadowed, vram
from ._guard import webui_egress, webui_memory, webui_tcmalloc, zram
from ._kfd import kfd_gpu_node, kfd_ioctl, kfd_node, kfd_open, pcie_atomics
from ._metrics import metrics_fresh
from ._resources import DISK_MIN_MIB, MEMORY_MIN_MIB, disk_space, memory
from ._system import groups, kernel_flavour, release, systemd
from ._webui import data_writable, gateway_login, gateway_running, selftest, webui_healthy, webui_not_exposed

__all__ = (
    "CHECKS",
    "CHECK_IDS",
    "DISK_MIN_MIB",
    "MEMORY_MIN_MIB",
    "SCOPES",
    "evaluate",
    "failures",
    "first_failure",
    "validate",
)

SCOPES = ("kfd", "host", "webui")
CHECKS: tuple[Row, ...] = (
    Row("release", "kfd", (), release),
    Row("kernel_flavour", "kfd", (), kernel_flavour),
    Row("board_present", "kfd", (), board_present),
    Row("board_supported", "kfd", ("board_present",), board_supported),
    Row("firmware_files", "kfd", ("board_supported",), firmware_files),
    Row("firmware_not_shadowed", "kfd", ("board_supported",), firmware_not_shadowed),
    Row("dkms_built", "kfd", (), dkms_built),
    Row("module_signed", "kfd", (), module_signed),
    Row("driver_bound", "kfd", ("kernel_flavour", "firmware_files", "module_signed"), driver_bound),
    Row("driver_reset_free", "kfd", ("driver_bound",), driver_reset_free),
    Row("dri_nodes", "kfd", ("driver_bound",), dri_nodes),
    Row("kfd_node", "kfd", ("driver_bound",), kfd_node),
    Row("kfd_open", "kfd", ("kfd_node",), kfd_open),
    Row("kfd_ioctl", "kfd", ("kfd_open",), kfd_ioctl),
    Row("pcie_atomics", "kfd", ("driver_bound",), pcie_atomics),
    Row("kfd_gpu_node", "kfd", ("kfd_node", "pcie_atomics"), kfd_gpu_node),
    Row("vram", "kfd", ("kfd_gpu_node",), vram),
    Row("groups", "kfd", (), groups),
    Row("systemd", "host", (), systemd),
    Row("docker_engine", "host", ("systemd",), docker_engine),
    Row("selftest", "webui", (), selftest),
    Row("container_running", "webui", ("docker_engine",), container_running),
    Row("container_sees_gpu", "webui", ("container_running", "dri_nodes", "kfd_gpu_node"), container_sees_gpu),
    Row("webui_memory", "webui", ("container_running",), webui_memory),
    Row("webui_tcmalloc", "webui", ("container_running",), webui_tcmalloc),
    Row("webui_healthy", "webui", ("container_running", "container_sees_gpu", "webui_memory"), webui_healthy),
    Row("webui_not_exposed", "webui", ("container_running",), webui_not_exposed),
    Row("gateway_running", "webui", (), gateway_running),
    Row("gateway_login", "webui", ("gateway_running",), gateway_login),
    Row("webui_egress", "webui", ("container_running",), webui_egress),
    Row("data_writable", "webui", (), data_writable),
    Row("disk_space", "host", (), disk_space),
    Row("memory", "host", (), memory),
    Row("zram", "host", (), zram),
    Row("metrics_fresh", "host", ("systemd",), metrics_fresh),
)
CHECK_IDS = tuple(check.id for check in CHECKS)
_BOARD_CHECKS = frozenset(CHECK_IDS[CHECK_IDS.index("board_present") : CHECK_IDS.index("groups")])


def evaluate(facts: Facts, wanted: Wanted | None = None) -> list[Check]:
    """Every check that is wanted, over a host's facts and in the order of cause before effect.

    ValueError for an unknown id or scope, and for a waiver without a reason.
    """
    wanted = wanted or {}
    waive, selected = _selection(wanted)
    case = Case(facts, wanted)
    results: list[Check] = []
    blocked: dict[str, str] = {}  # check -> the failed check that explains it
    for check in selected:
        cause = next((blocked[name] for name in check.causes if name in blocked), None)
        if cause is not None:
            blocked[check.id] = cause
            verdict = skipped(f"because {cause} failed")
        else:
            verdict = check.evaluate(case)
            if verdict.status == "failed" and case.without_board and check.id in _BOARD_CHECKS:
                verdict = skipped("no webui here uses a board", verdict.evidence)
            if verdict.status == "failed" and check.id in waive:
                verdict = verdict._replace(status="waived", reason=waive[check.id])
            elif verdict.status == "failed":
                blocked[check.id] = check.id
            elif check.id in waive:
                unneeded = f"the waiver is not needed: {waive[check.id]}"
                verdict = verdict._replace(note="; ".join(filter(None, [verdict.note, unneeded])))
        results.append(
            {
                "id": check.id,
                "status": verdict.status,
                "evidence": clean(verdict.evidence),
                "remedy": clean(verdict.remedy),
                "note": clean(verdict.note),
                "reason": clean(verdict.reason),
            }
        )
    return results


def failures(facts: Facts, wanted: Wanted) -> list[Check]:
    """Those of the wanted checks that fail."""
    return [check for check in evaluate(facts, wanted) if check["status"] == "failed"]


def first_failure(checks: Iterable[Check]) -> Check | None:
    """The first failed check, whose remedy is the one to follow."""
    return next((check for check in checks if check["status"] == "failed"), None)


def validate(wanted: Wanted) -> None:
    """Raise the ValueError that `evaluate` would, without evaluating."""
    _selection(wanted)


def _selection(wanted: Wanted) -> tuple[dict[str, str], list[Row]]:
    scope, only, waive = wanted.get("scope") or ["kfd"], wanted.get("only"), dict(wanted.get("waive") or {})
    unknown = [str(name) for name in scope if name not in SCOPES]
    if unknown:
        raise ValueError(f"unknown scope {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    for where, ids in (("waive", waive), ("only", only or ())):
        strange = [str(name) for name in ids if name not in CHECK_IDS]
        if strange:
            raise ValueError(f"{where}: unknown check {', '.join(strange)}; there are {', '.join(CHECK_IDS)}")
    for name, reason in waive.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"waive: {name} needs a reason, a sentence that says why the host may live with it")
    return waive, [check for check in CHECKS if (check.id in only if only is not None else check.scope in scope)]
