# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which source of an image can't be had, and why."""

from __future__ import annotations

import re
from typing import Any

DOCUMENTATION = r"""
name: image_fetch_problem
short_description: Turn the result of a failed fetch into a problem with a remedy
version_added: "0.1.0"
description:
  - Knows what the role's C(fetch_sources.py) and C(fetch_wheels.py) print.
  - Pure function; it reaches no host.
positional: result
options:
  _input:
    description: A source or a set of wheels that can't be had, with what git or pip said.
    type: dict
    required: true
  result:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Name the sources that can't be had
  ansible.builtin.fail:
    msg: "{{ fetched.stdout | from_json | map('navilab.webui.image_fetch_problem') | navilab.webui.problem_lines }}"
"""

RETURN = r"""
_value:
  description: RV(ignore:id), RV(ignore:evidence) and RV(ignore:remedy).
  type: dict
"""

# What says why, in the order of worth: what an index or a disk answers, then the tool's own last word.
TELLING = (
    r"No space left|\b[45][0-9][0-9] (Client|Server) Error|DO NOT MATCH THE HASHES",
    r"^(ERROR|fatal|error):",
    r"\S",
)
NO_COMMIT = re.compile(r"not our ref|bad object")


def why(text: str) -> str:
    """The one line of a tool's output that tells most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in TELLING:
        found = [line for line in lines if re.search(pattern, line)]
        if found:
            return found[-1]
    return "no output"


def image_fetch_problem(result: dict[str, Any]) -> dict[str, str]:
    text = "\n".join(result.get(key) or "" for key in ("stdout", "stderr"))
    if "commit" not in result:
        remedy = "check network and index; image_torch_index, image_pip_index and image_wheel_dir name others"
        return _problem("source_available", f"wheels of {result['name']}: {why(text)}", remedy)
    evidence = f"{result['name']} {result['commit']} from {result['url']}: {why(text)}"
    if NO_COMMIT.search(text):
        return _problem("source_commit", evidence, "name a commit that this repository has")
    remedy = "check the network, or name another address of it: a mirror, or the path of a git bundle"
    return _problem("source_available", evidence, remedy)


def _problem(check: str, evidence: str, remedy: str) -> dict[str, str]:
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"image_fetch_problem": image_fetch_problem}
