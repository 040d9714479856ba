# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firmware role has to do on one host: Debian's non-free component, the package, the initramfs."""

from __future__ import annotations

from typing import TypedDict

from ansible_collections.navilab.webui.plugins.module_utils._firmware import component_for
from ansible_collections.navilab.webui.plugins.module_utils._types import AptSource, Facts

from ._base import FORGET, Plan, Settings, Step, Wants, differs, file_of, is_installed, own

SOURCE_STEM = "/etc/apt/sources.list.d/navilab-firmware"
OWNED = [f"{SOURCE_STEM}.sources", f"{SOURCE_STEM}.list"]


class SourceFile(TypedDict):
    """A file of /etc/apt/sources.list.d."""

    path: str
    content: str


def _is_main_entry(entry: AptSource, codename: str | None) -> bool:
    """An enabled binary source of this release's own archive, updates or security."""
    if not entry["enabled"] or "deb" not in entry["types"] or "main" not in entry["components"]:
        return False
    aliases = (codename, "stable", "oldstable", "oldoldstable")
    own = [suite for suite in entry["suites"] if suite.split("-")[0].split("/")[0] in aliases]
    return bool(own) and not any("backports" in suite for suite in entry["suites"])


MODIFIERS = {"Add": "+", "Remove": "-"}
"""What deb822 writes behind an option's name, sources.list(5) before its `=`."""


def _one_line(entry: AptSource, component: str) -> list[str]:
    """host_info names options as deb822 does; sources.list(5) has its own words for some and commas between values."""
    names = {"Architectures": "arch", "Languages": "lang", "Targets": "target"}
    names |= {f"{long}-{word}": f"{short}{sign}" for long, short in names.items() for word, sign in MODIFIERS.items()}
    options = " ".join(
        f"{names.get(key, key.lower())}={','.join(str(value).split())}" for key, value in entry["options"].items()
    )
    prefix = f"deb [{options}]" if options else "deb"
    return [f"{prefix} {uri} {suite} {component}" for uri in entry["uris"] for suite in entry["suites"]]


def _deb822(entry: AptSource, component: str) -> str:
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


def source_file(facts: Facts) -> SourceFile | None:
    """The file that adds the component beside the host's own sources, or None where another source has it already."""
    codename = facts["release"]["codename"]
    component = component_for(codename)
    theirs = [entry for entry in facts["apt"]["sources"] if not entry["file"].startswith(SOURCE_STEM + ".")]
    entries = [entry for entry in theirs if _is_main_entry(entry, codename)]
    if any(component in entry["components"] for entry in entries):
        return None
    header = f"# {component} for the GPU's firmware, from the same mirrors as main. Written by navilab.webui.firmware."
    if any(entry["format"] == "deb822" for entry in entries):
        stanzas = [_deb822(entry, component) for entry in entries if entry["format"] == "deb822"]
        return {"path": f"{SOURCE_STEM}.sources", "content": header + "\n" + "\n\n".join(stanzas) + "\n"}
    lines = [line for entry in entries for line in _one_line(entry, component)]
    return {"path": f"{SOURCE_STEM}.list", "content": "\n".join([header, *lines]) + "\n"}


class FirmwarePlan(Plan):
    """`source` is the file to write, `sources_absent` are files of ours that nothing needs; packages by name."""

    source: SourceFile | None
    sources_absent: list[str]
    install: list[str]
    reinstall: list[str]
    remove: list[str]
    initramfs: bool
    kernel: str
    record: dict[str, list[str]]


def wants(settings: Settings) -> Wants:
    return {"packages": [settings["package"]], "files": OWNED}


def plan(facts: Facts, settings: Settings) -> FirmwarePlan:
    package, firmware = settings["package"], facts["firmware"]
    record = facts["records"].get("firmware") or {}
    found: FirmwarePlan = {
        "actions": [], "problems": [], "warnings": [],
        "source": None, "sources_absent": [], "install": [], "reinstall": [], "remove": [], "initramfs": False,
        "kernel": facts["kernel"]["release"] or "", "record": record,
    }  # fmt: skip
    actions = found["actions"]
    ours = [path for path in OWNED if file_of(facts, path)["exists"]]
    if settings["state"] == "absent":
        brought = [name for name in record.get("packages", []) if name == package]
        found["sources_absent"], found["record"] = ours, {}
        found["remove"] = [name for name in brought if is_installed(facts, name)]
        actions += [f"delete {path}" for path in ours] + [f"remove package {name}" for name in found["remove"]]
        if record and not actions:
            actions.append(FORGET)
        return found

    source = source_file(facts)
    if source:
        if differs(facts, source["path"], source["content"]):
            found["source"] = source
            actions.append(f"add component {component_for(facts['release']['codename'])} in {source['path']}")
        found["sources_absent"] = [path for path in ours if path != source["path"]]
        actions += [f"delete {path}" for path in found["sources_absent"]]
    if not is_installed(facts, package):
        found["install"] = [package]
        actions.append(f"install package {package}")
        found["record"] = {"packages": sorted({*record.get("packages", []), package})}
    elif firmware["missing"]:
        found["reinstall"] = [package]
        actions.append(f"reinstall package {package}: {', '.join(firmware['missing'])} missing")
    if firmware["initrd_stale"]:
        found["initramfs"] = True
        actions.append("rebuild the initramfs, which is older than the firmware")
    if firmware["shadowed"]:
        found["warnings"] = [f"{', '.join(firmware['shadowed'])} win over the files of {package}"]
    return found


STEP = Step("firmware", own("firmware"), wants, plan, stale_after=frozenset({"firmware", "amdgpu_dkms", "reboot"}))
