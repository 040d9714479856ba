# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's facts become when images have been tested on its boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ansible_collections.navilab.webui.plugins.module_utils._commands import command
from ansible_collections.navilab.webui.plugins.module_utils._types import Check, Facts

from . import _damage, _selftest_record
from ._text import problem


def forget(facts: Facts) -> Facts:
    """The facts as if no image had been tested, so that all are tested again."""
    records = {name: record for name, record in facts["records"].items() if name != _selftest_record.RECORD}
    return cast(Facts, {**facts, "records": records})


def carry(facts: Facts, before: Facts) -> Facts:
    """New facts with the record that the tests of this run began with: a host keeps what they are meant to forget."""
    record = before["records"].get(_selftest_record.RECORD)
    records = {**forget(facts)["records"], **({} if record is None else {_selftest_record.RECORD: record})}
    return cast(Facts, {**facts, "records": records})


def learn(
    facts: Facts, results: Sequence[Mapping[str, Any]], pulled: Sequence[Mapping[str, Any]] = ()
) -> tuple[Facts, list[Check]]:
    """The facts with the images that came since and the record of the self-tests, and the tests that say nothing of
    image and board: they could not be run, or had no memory.

    `results` are those of community.docker.docker_container over a plan's `selftests`, `pulled` those of
    community.docker.docker_image_pull.
    """
    images = {result["item"]: {"id": result["image"]["Id"], "digests": [], "size": None} for result in pulled}
    docker = {**facts["docker"], "images": {**facts["docker"]["images"], **images}}
    # The record has them too by now, since it was written before they came.
    record = facts["records"].get("webui") or {}
    recorded = {**facts["records"], "webui": {**record, "images": sorted({*record.get("images", []), *images})}}
    facts = cast(Facts, {**facts, "docker": docker, "records": recorded if images else facts["records"]})
    found, problems = {}, []
    for result in results:
        test = result["item"]
        said = _damage.said(result)
        seen = _selftest_record.parse(said)
        if result.get("timedout") or "expected time frame" in said:  # ansible-core before 2.19 has the words alone
            evidence = "the self-test's container does not end: a process of it hangs in the kernel"
            problems.append(_problem(test, evidence, "see `dmesg | grep amdgpu`, reboot the host, then run again"))
        elif seen is None:
            problems.append(_damage.damage_of(test["image"], said) or _not_run(test, said))
        elif not _selftest_record.is_evidence(seen["decision"]):
            problems.append(_problem(test, seen["decision"]["evidence"], seen["decision"]["remedy"]))
        else:
            found[_selftest_record.slot(test["profile"], test["bdf"])] = _selftest_record.entry_of(facts, test, seen)
    kept = _selftest_record.with_results(facts, found)
    records = {**facts["records"], _selftest_record.RECORD: {"results": kept}}
    return cast(Facts, {**facts, "records": records}), problems


def _not_run(test: Mapping[str, Any], said: str) -> Check:
    words = " ".join(said.split())[-300:] or "it said nothing"
    return _problem(
        test,
        f"the self-test could not be run: {words}",
        f"mend what stands there; an image without {_selftest_record.SCRIPT} needs another ({command('image')} "
        "builds one) or a reason to do without in navilab_waive ({selftest: reason})",
    )


def _problem(test: Mapping[str, Any], evidence: str, remedy: str) -> Check:
    return problem("selftest", f"profile {test['profile']} on {test['board_name']}: {evidence}", remedy)
