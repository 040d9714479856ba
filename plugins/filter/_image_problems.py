# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the image role's variables, before a recipe is made of them."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _paths
from ansible_collections.navilab.webui.plugins.plugin_utils._variables import nulls

DOCUMENTATION = r"""
name: _image_problems
short_description: Name what is wrong with the image role's variables
version_added: "0.1.0"
description:
  - Checks what a role's argument specification can't describe. Without problems, P(navilab.webui._image_recipe#filter)
    can make each profile's recipe.
  - Pure function; it reaches no host.
positional: profiles
options:
  _input:
    description: Names of the wanted profiles.
    type: list
    elements: str
    required: true
  profiles:
    description: The same as O(_input), for use without a pipe.
    type: list
    elements: str
  settings:
    description: The image role's variables without their prefix.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Find what is wrong with the variables
  ansible.builtin.set_fact:
    problems: "{{ image_profiles | navilab.webui._image_problems(settings=settings) }}"
"""

RETURN = r"""
_value:
  description: Failed checks, each with V(id), V(status), V(evidence) and V(remedy).
  type: list
  elements: dict
"""

# What every profile has; packages and base may be left out.
_KEYS = ("flags", "index", "kernels", "python", "torch", "torch_dependencies")


def _problem(check: str, evidence: str, remedy: str) -> dict[str, str]:
    return {"id": check, "status": "failed", "evidence": evidence, "remedy": remedy}


def _profile_problems(name: str, settings: dict[str, Any]) -> list[dict[str, str]]:
    variable = f"image_profiles_extra.{name}"
    data = settings["profiles"][name]
    if not isinstance(data, dict):
        return [_problem("variables", f"{variable} is '{data}'", f"give it the keys {', '.join(_KEYS)}")]
    empty = [f"{variable}.{path}" for path in nulls(data)] + [f"{variable}.{key}" for key in _KEYS if key not in data]
    if empty:
        remedy = "write one; vars/main.yml of the role has those of the profiles that it knows"
        return [_problem("variables", f"{', '.join(empty)} has no value", remedy)]
    pythons = sorted(f"{lock[2]}.{lock[3:]}" for lock in settings["locks"] if re.fullmatch(r"py\d+", lock))
    if data["python"] not in pythons:  # YAML makes a number of it without quotes: 3.10 is 3.1
        remedy = f"""write one that there is a lock for, in quotes: {", ".join(f'"{each}"' for each in pythons)}"""
        return [_problem("variables", f"{variable}.python is {data['python']!r}", remedy)]
    return []


def image_problems(profiles: list[str], settings: dict[str, Any]) -> list[dict[str, str]]:
    problems = []
    if settings["cache_dir"] is not None and not _paths.ownable(settings["cache_dir"]):
        evidence = f"image_cache_dir is '{settings['cache_dir']}'"
        problems.append(_problem("variables", evidence, "give an absolute directory of its own, none of the system's"))
    empty = nulls({key: value for key, value in settings.items() if key != "profiles"})
    if empty:
        evidence = f"{', '.join(f'image_{path}' for path in empty)} has no value"
        remedy = "write one, or take the line out; the role's README has the defaults"
        problems.append(_problem("variables", evidence, remedy))
    if not settings["tokenizer_found"]:
        evidence = f"image_tokenizer_cache is '{settings['tokenizer_cache']}', and the controller has no hub in it"
        remedy = "give the absolute path of a directory that was HF_HOME, or leave it empty"
        problems.append(_problem("variables", evidence, remedy))
    unknown = [name for name in profiles if name not in settings["profiles"]]
    if unknown:
        evidence = f"there is no profile {', '.join(map(str, unknown))} to build"
        remedy = f"use {', '.join(sorted(settings['profiles']))}, or describe it in image_profiles_extra"
        problems.append(_problem("profile_known", evidence, remedy))
    for name in profiles:
        problems += _profile_problems(name, settings) if name not in unknown else []
    return problems


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_image_problems": image_problems}
