#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: builder
short_description: Choose the host that builds the images of a run
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the playbooks.
  - Reads what M(navilab.webui.plan) has found of all hosts of the play, and chooses who builds the images that some of
    them want built - C(image_builder), else the host that has built for this lab before, else of those that have
    C(image_min_disk_mib) free the first with the most of the models that others lack.
  - Reaches no host, changes nothing, and runs once for a play. This is an action plugin.
extends_documentation_fragment:
  - navilab.webui.attributes
options: {}
"""

EXAMPLES = r"""
- name: Choose the builder
  navilab.webui.builder:
  run_once: true
  register: navilab_build
"""

RETURN = r"""
lines:
  description: Who builds what for whom, a sentence each; empty where nobody does.
  returned: always
  type: list
  elements: str
build:
  description: The work of the builder.
  returned: always
  type: dict
  contains:
    work:
      description: Whether there is anything to build or to fetch for others.
      type: bool
    builder:
      description: Host that builds, or fetches models for all; empty where there is no work, or nobody can.
      type: str
    profiles:
      description: Profiles whose images are wanted; empty where nothing is to be built.
      type: list
      elements: str
    models:
      description: Models that the builder fetches for all.
      type: list
      elements: dict
    found:
      description: Paths on the builder, by sha256, of those models that lie there by name and size already.
      type: dict
    needs:
      description: Hosts that need an image to be built.
      type: list
      elements: str
    others:
      description: Other hosts that need the images or lack models.
      type: list
      elements: str
    serves:
      description: Whether the builder has to run the registry.
      type: bool
    ask:
      description: Hosts outside of the run that may have the images already.
      type: list
      elements: str
    unasked:
      description: Those of RV(build.ask) that this run does not reach, since it is a host's own.
      type: list
      elements: str
    problems:
      description: Failed checks that say why nobody builds.
      type: list
      elements: dict
"""
