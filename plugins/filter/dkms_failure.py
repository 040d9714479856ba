# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to tell of a driver that did not build."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
name: dkms_failure
short_description: The check of a failed DKMS build, with the lines of its log that matter
version_added: "0.1.0"
description:
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
  said:
    description: What the failed task said, told where there is no log.
    type: str
    default: ""
  module:
    description: Name of the module.
    type: str
    default: amdgpu
"""

EXAMPLES = r"""
- name: Say why the driver did not build
  ansible.builtin.fail:
    msg: "{{ [navilab_host | navilab.webui.dkms_failure] | navilab.webui.problem_lines | first }}"
"""

RETURN = r"""
_value:
  description: A failed check with V(id), V(evidence) and V(remedy).
  type: dict
"""


def dkms_failure(host: dict[str, Any], said: str = "", module: str = "amdgpu") -> dict[str, str]:
    failures = [
        failure for found in host["dkms"]["modules"] if found["name"] == module for failure in found["failures"]
    ]
    if not failures:
        return _check("dkms_install", said or "the task failed and said nothing", "mend that and run again")
    failure = failures[-1]
    kernel = failure["kernel"] or host["kernel"]["release"]
    lines = " | ".join(failure["lines"]) or "its log names no error"
    evidence = f"{module} {failure['version']} did not build for {kernel}: {lines}"
    if not failure["causes"]:
        return _check("dkms_build", evidence, f"read {failure['log']}, then run again")
    meanings = "; ".join(cause["meaning"] for cause in failure["causes"])
    remedy = failure["causes"][0]["remedy"].replace("KERNEL", kernel)
    return _check("dkms_build", f"{evidence} ({failure['causes'][0]['id']}: {meanings})", remedy)


def _check(name: str, evidence: str, remedy: str) -> dict[str, str]:
    return {"id": name, "status": "failed", "evidence": evidence, "remedy": remedy}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"dkms_failure": dkms_failure}
