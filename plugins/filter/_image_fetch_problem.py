# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which source of an image can't be had, and why."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._text import without_login

DOCUMENTATION = r"""
name: _image_fetch_problem
short_description: Turn the result of a failed fetch into a problem with a remedy
version_added: "0.1.0"
description:
  - Knows what the role's C(fetch_sources.py) and C(fetch_wheels.py) print, and the result of a task where one of them
    ended without that.
  - What it says shows no login of an address.
  - Pure function; it reaches no host.
positional: result
options:
  _input:
    description: A source or a set of wheels that can't be had, with what git or pip said; or the task's result.
    type: dict
    required: true
  result:
    description: The same as O(_input), for use without a pipe.
    type: dict
"""

EXAMPLES = r"""
- name: Name the sources that can't be had
  ansible.builtin.fail:
    msg: "{{ fetched.stdout | from_json | map('navilab.webui._image_fetch_problem') | navilab.webui.problem_lines }}"
"""

RETURN = r"""
_value:
  description: RV(ignore:id), RV(ignore:evidence) and RV(ignore:remedy).
  type: dict
"""

# What says why, in the order of worth: what an index or a disk answers, then the tool's own last word.
TELLING = (
    r"No space left|Disk quota exceeded|\b[45][0-9][0-9] (Client|Server) Error|DO NOT MATCH THE HASHES",
    r"^(ERROR|fatal|error):",
    r"\S",
)
FULL = re.compile(r"No space left|Disk quota exceeded")
OUTSIDE = re.compile(r"leads out of")
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
    text = "\n".join(result.get(key) or "" for key in ("msg", "stdout", "stderr"))
    if "commit" in result:
        what = f"{result['name']} {result['commit']} from {result['url']}"
        remedy = "check the network, or name another address of it: a mirror, or the path of a git bundle"
    elif "name" in result:
        what = f"wheels of {result['name']}"
        remedy = "check network and index; image_torch_index, image_pip_index and image_wheel_dir name others"
    else:
        what = f"the script that fetches ended with {result.get('rc', 'no exit code')}"
        remedy = "run it again; if it stays so, it is an error of ours"
    check = "source_available"
    if FULL.search(text):
        check, remedy = "disk_space", "free some on the builder, for image_cache_dir and for /tmp"
    elif "commit" in result and OUTSIDE.search(text):
        check, remedy = "variables", "let name and exclude stay below its folder, without '..' and behind no link"
    elif "commit" in result and NO_COMMIT.search(text):
        check, remedy = "source_commit", "name a commit that this repository has"
    evidence = without_login(f"{what}: {why(text)}")
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_fetch_problem": image_fetch_problem}
