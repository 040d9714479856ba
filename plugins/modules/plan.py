#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Gather a host's facts, plan what the roles have to do, and evaluate the checks
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Reads the variables of the roles that are asked for and validates them against the roles' argument specs, all bad
    values of all roles together.
  - Gathers what the steps' plans need with one M(navilab.webui.host_info), asks the registry where an image is to be
    pulled, and makes one plan a step.
  - Facts that an earlier task of the same run gathered are used again, where they are no older than ten minutes, hold
    what is wanted, and no step has been applied since that changes what the plan is made from.
  - The variable C(navilab_recorded) is the path of a recording of M(navilab.webui.record) on the controller, which is
    evaluated in place of the host; no connection is made then. What only the host itself knows is told as unknown. The
    settings that it was recorded under are used, and the host's own variables before them.
  - Fails with all problems of the host together. Each is a check with its evidence and its remedy.
  - This is an action plugin; the plans are made on the controller.
extends_documentation_fragment:
  - navilab.webui.attributes
options:
  steps:
    description:
      - Steps to plan. They are named as their roles.
    type: list
    elements: str
    choices:
      - preflight
      - amdgpu_dkms
      - firmware
      - gpu_access
      - reboot
      - docker_engine
      - registry
      - webui
      - gateway
      - metrics
      - pull
      - verify
    required: true
  apply:
    description:
      - Whether the caller is the step's role, which is going to do what the plan says.
      - What the step needs of the steps before it must hold then (an engine that runs, a GPU that KFD sees, for
        V(verify) all checks), and facts count as old for steps that depend on it.
    type: bool
    default: false
  begins:
    description:
      - Whether tasks that apply the plan follow. One of a recording (C(navilab_recorded)) fails then, before anything.
    type: bool
    default: false
  ends:
    description:
      - Whether the run's changes to the host are over, so that it need not be held any more. The roles' own.
    type: bool
    default: false
  refresh:
    description:
      - Gather in any case. For use after tasks of your own that changed the host.
    type: bool
    default: false
  partial:
    description:
      - Whether the checks serve the caller alone, in the middle of a run. The host does not count as verified by them.
      - The roles' own.
    type: bool
    default: false
  forget_selftests:
    description:
      - Plan as if no image had been tested on the host's boards. The roles' own.
    type: bool
    default: false
  selftests:
    description:
      - Results of M(community.docker.docker_container) over the RV(ignore:plan.selftests) of an earlier call. The plan
        is made with what they found.
      - The roles' own.
    type: list
    elements: dict
    default: []
  pulled:
    description:
      - Results of M(community.docker.docker_image_pull), for images that came after the facts. The roles' own.
    type: list
    elements: dict
    default: []
notes:
  - Where the caller is going to change the host, it is held for this run first; see M(navilab.webui.host_lock).
    Another run that is at work there is a problem, V(host_busy).
  - Where Ansible can't get to work on the host, the task fails, or the host is unreachable, as with any other module,
    and RV(checks) names the cause, V(become), V(python), V(remote_tmp), V(ssh) or V(reachable).
  - Root sees more than others do; see M(navilab.webui.host_info).
  - Where Ansible feeds modules through a pipe, root keeps the compiled sources of what gathers facts in
    C(/run/navilab.webui/sources), in check mode too. Nothing else is written by a plan.
seealso:
  - module: navilab.webui.host_info
  - module: navilab.webui.host_lock
  - module: navilab.webui.kfd_verify
"""

EXAMPLES = r"""
- name: Say what these roles would do
  navilab.webui.plan:
    steps: [preflight, firmware, gpu_access, reboot, docker_engine, webui]
  become: true

- name: Show it
  ansible.builtin.debug:
    msg: "{{ ansible_facts.navilab.plans | dict2items | map(attribute='value.actions') | flatten }}"
"""

RETURN = r"""
ansible_facts:
  description:
    - Facts of the host.
  returned: success
  type: dict
  contains:
    navilab:
      description:
        - C(plans) has a digest of each step's plan with C(actions) (a sentence a difference) and C(warnings), and
          C(instances) of the webui's. A plan with the fields that the role's tasks obey is RV(plan).
        - C(state) is JSON as one text, since Ansible copies each value of a fact several times. C(facts) in it is
          RV(navilab.webui.host_info#module:host), C(gathered) their time in seconds since the epoch.
        - C(due) names the steps that have something to do or may get it, C(converged) tells that there is none and that
          no check failed.
        - C(debs) is the file on the controller with the host's packages, where all comes from a bundle.
        - C(removing) tells whether all that was planned was to take something out.
        - C(held) tells whether this run holds the host.
        - C(checks) are those of the step V(verify), where nothing is to be done or O(apply) is set.
      type: dict
    navilab_known:
      description:
        - What an inventory can group hosts by, with P(navilab.webui.known#cache). C(gfx_targets) and C(vram_gib) are of
          the supported GPUs, C(needs_reboot) tells whether a reboot is due.
      type: dict
    navilab_verified:
      description:
        - Whether nothing is to be done, and all checks passed or are waived.
      type: bool
plan:
  description:
    - The plan of the only step. Its V(recorded) says whether the host has the record of what comes in already.
  returned: when O(steps) has one entry
  type: dict
checks:
  description:
    - The problems of all plans, as failed checks in the form of M(navilab.webui.kfd_verify).
  returned: failure
  type: list
  elements: dict
serves:
  description:
    - Of each webui of the host, else of each GPU, what the table at the end shows.
  returned: failure
  type: list
  elements: dict
applies:
  description:
    - Whether the caller is a role that is going to do what the plan says.
  returned: success
  type: bool
calls:
  description:
    - How often the host was asked; 0 where facts at hand sufficed.
  returned: always
  type: int
selftested:
  description:
    - Whether self-tests were run again on purpose.
  returned: with O(forget_selftests)
  type: bool
"""
