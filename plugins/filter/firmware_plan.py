# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the firmware role has to do on one host."""

from __future__ import annotations

import hashlib
from typing import Any

DOCUMENTATION = r"""
name: firmware_plan
short_description: Decide what the firmware role has to do on a host
version_added: "0.1.0"
description:
  - Compares the look of a host with what the firmware role promises, and names each difference.
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
  state:
    description: Whether the firmware is wanted.
    type: str
    choices: [present, absent]
    default: present
  package:
    description: Debian's package with the firmware.
    type: str
    default: firmware-amd-graphics
"""

EXAMPLES = r"""
- name: Decide what the firmware needs
  ansible.builtin.set_fact:
    firmware_plan: "{{ navilab_host | navilab.webui.firmware_plan }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:actions) is one sentence a difference, empty where nothing is to be done.
    - The rest are the arguments of the role's tasks.
  type: dict
"""

SOURCE_STEM = "/etc/apt/sources.list.d/navilab-firmware"


def component_for(codename: str) -> str:
    """The archive component that carries the firmware: Debian 12 split it off from non-free."""
    return "non-free" if codename in ("buster", "bullseye") else "non-free-firmware"


def _is_main_entry(entry: dict[str, Any], codename: str) -> bool:
    """An enabled binary source of this release's own archive, updates or security."""
    if not entry["enabled"] or "deb" not in entry["types"] or "main" not in entry["components"]:
        return False
    aliases = (codename, "stable", "oldstable", "oldoldstable")
    own = [suite for suite in entry["suites"] if suite.split("-")[0].split("/")[0] in aliases]
    return bool(own) and not any("backports" in suite for suite in entry["suites"])


MODIFIERS = {"Add": "+", "Remove": "-"}
"""What deb822 writes behind an option's name, sources.list(5) before its `=`."""


def _one_line(entry: dict[str, Any], component: str) -> list[str]:
    """The look names options as deb822 does; sources.list(5) has its own words for some and commas between values."""
    names = {"Architectures": "arch", "Languages": "lang", "Targets": "target"}
    names |= {f"{long}-{word}": f"{short}{sign}" for long, short in names.items() for word, sign in MODIFIERS.items()}
    options = " ".join(
        f"{names.get(key, key.lower())}={','.join(str(value).split())}" for key, value in entry["options"].items()
    )
    prefix = f"deb [{options}]" if options else "deb"
    return [f"{prefix} {uri} {suite} {component}" for uri in entry["uris"] for suite in entry["suites"]]


def _deb822(entry: dict[str, Any], component: str) -> str:
    fields = {
        "Types": "deb",
        "URIs": " ".join(entry["uris"]),
        "Suites": " ".join(entry["suites"]),
        "Components": component,
    }
    fields.update({key: _folded(str(value)) for key, value in entry["options"].items() if key not in fields})
    return "\n".join(f"{key}: {value}" for key, value in fields.items())


def _folded(value: str) -> str:
    """A key block inside Signed-By spans lines; deb822 wants each one indented and the empty ones dotted."""
    first, *rest = value.split("\n")
    return "\n".join([first, *(f" {line.strip() or '.'}" for line in rest)])


def source_file(host: dict[str, Any]) -> dict[str, str] | None:
    """The file that adds the component beside the host's own sources, or None where another source has it already."""
    codename = host["release"]["codename"]
    component = component_for(codename)
    theirs = [entry for entry in host["apt"]["sources"] if not entry["file"].startswith(SOURCE_STEM + ".")]
    entries = [entry for entry in theirs if _is_main_entry(entry, codename)]
    if any(component in entry["components"] for entry in entries):
        return None
    header = f"# {component} for the GPU's firmware, from the same mirrors as main. Written by navilab.webui.firmware."
    if any(entry["format"] == "deb822" for entry in entries):
        stanzas = [_deb822(entry, component) for entry in entries if entry["format"] == "deb822"]
        return {"path": f"{SOURCE_STEM}.sources", "content": header + "\n" + "\n\n".join(stanzas) + "\n"}
    lines = [line for entry in entries for line in _one_line(entry, component)]
    return {"path": f"{SOURCE_STEM}.list", "content": "\n".join([header, *lines]) + "\n"}


def firmware_plan(
    host: dict[str, Any], state: str = "present", package: str = "firmware-amd-graphics"
) -> dict[str, Any]:
    record = host["records"].get("firmware") or {}
    installed = host["dpkg"]["packages"].get(package, {}).get("installed", False)
    plan: dict[str, Any] = {
        "actions": [],
        "source": None,
        "sources_absent": [],
        "install": [],
        "reinstall": [],
        "remove": [],
        "initramfs": False,
        "record": record,
        "shadowed": host["firmware"]["shadowed"],
    }
    ours = [path for path in (f"{SOURCE_STEM}.sources", f"{SOURCE_STEM}.list") if _file(host, path)["exists"]]
    if state == "absent":
        plan["sources_absent"] = ours
        plan["remove"] = [name for name in record.get("packages", []) if name == package and installed]
        plan["actions"] = [f"delete {path}" for path in ours] + [f"remove package {name}" for name in plan["remove"]]
        plan["record"] = {}
        if record and not plan["actions"]:
            plan["actions"] = ["forget the record of an earlier run"]
        return plan

    source = source_file(host)
    if source:
        digest = hashlib.sha256(source["content"].encode()).hexdigest()
        if _file(host, source["path"]).get("sha256") != digest:
            plan["source"] = source
            plan["actions"].append(f"add component {component_for(host['release']['codename'])} in {source['path']}")
        plan["sources_absent"] = [path for path in ours if path != source["path"]]
        plan["actions"] += [f"delete {path}" for path in plan["sources_absent"]]
    if not installed:
        plan["install"] = [package]
        plan["actions"].append(f"install package {package}")
        plan["record"] = {"packages": sorted({*record.get("packages", []), package})}
    elif host["firmware"]["missing"]:
        plan["reinstall"] = [package]
        plan["actions"].append(f"reinstall package {package}: {', '.join(host['firmware']['missing'])} missing")
    if host["firmware"]["initrd_stale"]:
        plan["initramfs"] = True
        plan["actions"].append("rebuild the initramfs, which is older than the firmware")
    return plan


def _file(host: dict[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = host["files"].get(path) or {"exists": False}
    return found


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"firmware_plan": firmware_plan}
