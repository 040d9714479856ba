# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the firmware role has to do on one host: Debian's non-free component, the package, the initramfs."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.module_utils._apt import EXTENDS
from ansible_collections.navilab.webui.plugins.module_utils._archives import (
    Place,
    has_component,
    is_signed_anew,
    to_extend,
)
from ansible_collections.navilab.webui.plugins.module_utils._firmware import component_for
from ansible_collections.navilab.webui.plugins.module_utils._types import (
    Apt,
    AptSource,
    Check,
    Facts,
    Questions,
    SourceFile,
)

from .._bundle import FROM
from .._packages import (
    OVERWRITES,
    SHA1_POLICY,
    Transaction,
    concerned,
    finishes,
    mode_of,
    recorded,
    said,
    weigh,
)
from .._text import problem
from ._base import FORGET, Plan, Settings, Step, Variables, Wants, differs, file_of, is_installed

OWNED = [f"{EXTENDS}.sources", f"{EXTENDS}.list"]


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
    """The file that adds the component beside the host's own sources, or None where another source has it already or
    none is Debian's archive."""
    codename = facts["release"]["debian_codename"]
    component, apt = component_for(codename), theirs(facts["apt"])
    if has_component(apt, codename, component):
        return None
    entries = _by_stanza(to_extend(apt, codename))
    if not entries:
        return None
    header = f"# {component} for the GPU's firmware, from the same mirrors as main. Written by navilab.webui.firmware."
    if any(entry["format"] == "deb822" for entry in entries):  # which can say all that a line can
        stanzas = [_deb822(entry, component) for entry in entries]
        return {"path": f"{EXTENDS}.sources", "content": header + "\n" + "\n\n".join(stanzas) + "\n"}
    lines = [line for entry in entries for line in _one_line(entry, component)]
    return {"path": f"{EXTENDS}.list", "content": "\n".join([header, *lines]) + "\n"}


def theirs(apt: Apt) -> Apt:
    """The user's sources, without ours."""
    return {**apt, "sources": [entry for entry in apt["sources"] if entry["file"] not in OWNED]}


def _by_stanza(places: list[Place]) -> list[AptSource]:
    """The sources of these places, each with no other address and suite than theirs, and none twice."""
    found: list[AptSource] = []
    seen: set[tuple[str, str]] = set()
    groups: dict[int, list[Place]] = {}
    for place in places:
        if (place.uri, place.suite) not in seen:
            seen.add((place.uri, place.suite))
            groups.setdefault(id(place.source), []).append(place)
    for group in groups.values():
        source = group[0].source
        suites = {uri: [place.suite for place in group if place.uri == uri.rstrip("/") + "/"] for uri in source["uris"]}
        for chosen in dict.fromkeys(tuple(each) for each in suites.values() if each):
            uris = [uri for uri, each in suites.items() if tuple(each) == chosen]
            found.append({**source, "uris": uris, "suites": list(chosen)})
    return found


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
    questions: Questions


def settings(variables: Variables) -> Settings:
    bundle = variables["_common"].get("bundle")
    return {**variables["firmware"], "finishes": finishes(variables), "bundle": bundle}


def wants(settings: Settings) -> Wants:
    package = settings["package"]
    return {"packages": [package, *concerned([package])], "files": [*OWNED, SHA1_POLICY]}


def plan(facts: Facts, settings: Settings) -> FirmwarePlan:
    package, firmware = settings["package"], facts["firmware"]
    record = facts["records"].get("firmware") or {}
    found: FirmwarePlan = {
        "actions": [], "problems": [], "warnings": [],
        "source": None, "sources_absent": [], "install": [], "reinstall": [], "remove": [], "initramfs": False,
        "kernel": facts["kernel"]["release"] or "", "record": record, "questions": {},
    }  # fmt: skip
    actions = found["actions"]
    ours = [path for path in OWNED if file_of(facts, path)["exists"]]
    brought = [name for name in recorded(record) if name == package]
    if settings["state"] == "absent":
        found["sources_absent"], found["record"] = ours, {}
        found["remove"] = [name for name in brought if is_installed(facts, name)]
        actions += [f"delete {path}" for path in ours] + [f"remove package {name}" for name in found["remove"]]
        if record and not actions:
            actions.append(FORGET)
        return found

    # Files that are all there are somebody's: another package's, as on Proxmox, or a person's. They do as they are.
    needed = bool(firmware["missing"]) or not firmware["needed"]
    if is_installed(facts, package):
        found["reinstall"] = [package] if firmware["missing"] else []
    elif needed:
        found["install"] = [package]
    if not settings.get("bundle"):
        _plan_source(facts, found, ours, bool(brought))
    come_from = FROM if settings.get("bundle") else ""
    if found["install"]:
        actions.append(f"install package {package}{come_from}")
        found["record"] = {"packages": sorted({*recorded(record), package})}
    if found["reinstall"]:
        actions.append(f"reinstall package {package}{come_from}: {', '.join(firmware['missing'])} missing")
    _judge(facts, found, settings)
    if firmware["initrd_stale"]:
        found["initramfs"] = True
        actions.append("rebuild the initramfs, which is older than the firmware")
    if firmware["shadowed"]:
        found["warnings"].append(f"{', '.join(firmware['shadowed'])} win over the files of {package}")
    return found


def _plan_source(facts: Facts, found: FirmwarePlan, ours: list[str], brought: bool) -> None:
    """The component among the sources, as long as the package is to come or came from there."""
    codename, apt = facts["release"]["debian_codename"], theirs(facts["apt"])
    component = component_for(codename)
    if not (found["install"] or found["reinstall"] or brought or ours):
        return
    source = source_file(facts)
    if source and differs(facts, source["path"], source["content"], mode_of(source["content"])):
        found["source"] = source
        found["actions"].append(f"add component {component} in {source['path']}")
    if source or has_component(apt, codename, component):
        found["sources_absent"] = [path for path in ours if not source or path != source["path"]]
        found["actions"] += [f"delete {path}" for path in found["sources_absent"]]


def _judge(facts: Facts, found: FirmwarePlan, settings: Settings) -> None:
    """What to ask apt, and what stops the transaction."""
    names = found["install"] + found["reinstall"]
    if not names:
        return
    gone = [SourceFile(path=path, content="") for path in found["sources_absent"]]
    instead = ""
    other = next((name for name in OVERWRITES.get(names[0], ()) if is_installed(facts, name)), "")
    if other:
        lacking = ", ".join(facts["firmware"]["missing"])
        instead = f"apt-get update, then apt-get install {other}: it lacks {lacking}, which a newer one may have"
    files = [*([found["source"]] if found["source"] else []), *gone]
    transaction = Transaction(
        names, files, instead=instead, finishes=bool(settings.get("finishes")), bundle=settings.get("bundle")
    )
    weigh(facts, found, transaction)
    if said(facts, transaction) is None and not (found["problems"] or transaction.bundle):
        found["problems"] = _no_archive(facts, names)


def _no_archive(facts: Facts, names: list[str]) -> list[Check]:
    """Where no source is Debian's archive, as far as files tell."""
    codename, apt = facts["release"]["debian_codename"], theirs(facts["apt"])
    component = component_for(codename)
    if has_component(apt, codename, component) or to_extend(apt, codename) or is_signed_anew(apt, codename, component):
        return []
    line = f"deb http://deb.debian.org/debian {codename or 'CODENAME'} main {component}"
    return [
        problem(
            "packages_available",
            f"no source of this host is Debian's archive of {codename or 'this release'}, which has {', '.join(names)}",
            f"add it to /etc/apt/sources.list: {line}",
        )
    ]


STEP = Step("firmware", settings, wants, plan, stale_after=frozenset({"firmware", "amdgpu_dkms", "reboot"}))
