# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look becomes when images have been tested on the boards."""

from __future__ import annotations

from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _selftest

DOCUMENTATION = r"""
name: selftest_learned
short_description: Add the results of self-tests to a look
version_added: "0.1.0"
description:
  - Pure function over what the self-tests' containers printed; it reaches no host.
positional: host
options:
  _input:
    description: The look, the RV(navilab.webui.host_info#module:host) of M(navilab.webui.host_info).
    type: dict
    required: true
  host:
    description: The same as O(_input), for use without a pipe.
    type: dict
  results:
    description:
      - Results of M(community.docker.docker_container), run over the RV(ignore:selftests) of
        P(navilab.webui.webui_plan#filter).
    type: list
    elements: dict
    required: true
  pulled:
    description: Results of M(community.docker.docker_image_pull), for images that came after the look.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Learn from the tests
  ansible.builtin.set_fact:
    navilab_host: "{{ (navilab_host | navilab.webui.selftest_learned(results=tested.results)).host }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:host) is the look with the images that it was missing and the record of the self-tests.
    - RV(ignore:problems) are tests that say nothing of image and board. They could not be run, or had no memory.
  type: dict
"""


def selftest_learned(
    host: dict[str, Any], results: list[dict[str, Any]], pulled: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    images = {result["item"]: {"id": result["image"]["Id"], "digests": [], "size": None} for result in pulled or []}
    host = {**host, "docker": {**host["docker"], "images": {**host["docker"]["images"], **images}}}
    found, problems = {}, []
    for result in results:
        test = result["item"]
        said = str((result.get("container") or {}).get("Output") or result.get("msg") or "")
        seen = _selftest.parse(said)
        if result.get("timedout") or "expected time frame" in said:  # ansible-core before 2.19 has the words alone
            evidence = "the self-test's container does not end: a process of it hangs in the kernel"
            problems.append(_problem(test, evidence, "see `dmesg | grep amdgpu`, reboot the host, then run again"))
        elif seen is None:
            problems.append(_not_run(test, said))
        elif not _selftest.is_evidence(seen["decision"]):
            problems.append(_problem(test, seen["decision"]["evidence"], seen["decision"]["remedy"]))
        else:
            found[_selftest.slot(test["profile"], test["bdf"])] = _selftest.entry_of(host, test, seen)
    before = (host["records"].get(_selftest.RECORD) or {}).get("results") or {}
    records = {**host["records"], _selftest.RECORD: {"results": {**before, **found}}}
    return {"host": {**host, "records": records}, "problems": problems}


def _not_run(test: dict[str, Any], said: str) -> dict[str, str]:
    words = " ".join(said.split())[-300:] or "it said nothing"
    return _problem(
        test,
        f"the self-test could not be run: {words}",
        f"mend what stands there; an image without {_selftest.SCRIPT} needs another (playbooks/image.yml builds one) "
        "or a reason to do without in webui_selftest_waive",
    )


def _problem(test: dict[str, Any], evidence: str, remedy: str) -> dict[str, str]:
    where = f"profile {test['profile']} on {test['board_name']}"
    return {"id": "selftest", "status": "failed", "evidence": f"{where}: {evidence}", "remedy": remedy}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"selftest_learned": selftest_learned}
