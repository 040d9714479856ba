# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' variables of one host, validated by the roles' own argument specs, all roles together.

A play's tasks don't see the defaults of roles that have not begun, so they are read here, once, in the controller's
parent process: what it has imported, Ansible's workers inherit.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.navilab.webui.plugins.module_utils._types import Check

from ._text import problem

try:  # ansible-core 2.19 takes no text for a template unless it is marked so
    from ansible.template import trust_as_template
except ImportError:

    def trust_as_template(value: str) -> str:
        return value


ROLES = Path(__file__).resolve().parents[2] / "roles"
RENAMED = dict.fromkeys(
    ("preflight_waive", "verify_waive", "webui_kfd_waive", "webui_selftest_waive"),
    "navilab_waive (one dict, check id to reason; that of the self-test is selftest)",
)
"""Variables that are gone, and what took their place."""
LAB = "navilab_lab_"
"""So begin the variables of the embedded lab's own hosts."""
FACTS = ("navilab_known", "navilab_verified")
"""What a plan leaves of a host for an inventory."""
PLAYBOOKS = ("navilab_serial", "navilab_max_fail_percentage", "navilab_recorded", "navilab_record_path", "navilab_lab")
"""Variables of the playbooks, which no role has."""


class Role(NamedTuple):
    """What a role's files say. `specs` are the options of its entry point main, by the variable's whole name."""

    prefix: str
    defaults: Mapping[str, Any]
    constants: Mapping[str, Any]
    specs: Mapping[str, Any]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 -- a safe loader, the faster one
    return _trusted(document) if document else {}


def _trusted(value: Any) -> Any:
    """Our own files may hold templates."""
    if isinstance(value, str):
        return trust_as_template(value) if "{{" in value else value
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return value


def _role(name: str) -> Role:
    specs = _read(ROLES / name / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options") or {}
    defaults, constants = _read(ROLES / name / "defaults" / "main.yml"), _read(ROLES / name / "vars" / "main.yml")
    return Role("navilab_" if name == "_common" else f"{name}_", defaults, constants, specs)


def _constants(name: str) -> dict[str, Any]:
    return _read(ROLES / name / "vars" / "main.yml")


_NAMES = """
    _common preflight firmware amdgpu_dkms gpu_access reboot docker_engine registry webui gateway metrics pull verify
""".split()
KNOWN: Mapping[str, Role] = {
    **{name: _role(name) for name in _NAMES},
    # Of the image role's constants a host reads what recipes are made from; the rest is the builder's.
    "image": _role("image")._replace(constants={"image_profile_data": _constants("image")["image_profile_data"]}),
}
# What the values of a dict have to be like, which a spec can't say.
_OF: Mapping[str, Sequence[Any]] = {
    "webui_images": [""],
    "webui_profiles_extra": [*KNOWN["webui"].constants["webui_profiles"].values()],
    "docker_engine_registry_cas": [""],
}
_DAEMON = {"data-root": "", "log-driver": "", "log-opts": {}}
_LIKE: Mapping[str, Any] = {"docker_engine_daemon": _DAEMON, "docker_engine_daemon_defaults": _DAEMON}
_LOOSE = ("torch", "rocm", "env")  # where a number will do for a text
DEFAULTS: Mapping[str, Any] = {
    name: value for role in KNOWN.values() for name, value in {**role.defaults, **role.constants}.items()
}


_OF_PEERS: Mapping[str, tuple[str, Any]] = {
    "address": ("ansible_host", ""),
    "port": ("gateway_port", 443),
    "names": ("gateway_names", []),
    "hosts": ("gateway_hosts", []),
    "ca_host": ("gateway_ca_host", ""),
}
"""Variables of other gateways, with what they are where nobody has set them: no task sees the defaults of another's."""


def nulls(value: Any, path: str = "") -> list[str]:
    """What is null in settings, however deep, as paths such as ``webui_models.0.url``: in YAML a key without a value is
    null, which is neither the default nor an empty text, and which a spec's type admits."""
    if value is None:
        return [path]
    items: Iterable[tuple[Any, Any]]
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return []
    return [found for key, item in items for found in nulls(item, f"{path}.{key}" if path else str(key))]


def _without_nulls(value: Any) -> Any:
    """Validation gives each option of a spec's dict that nobody set a null; such a key is left out again."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def read(
    roles: Iterable[str], variables: Mapping[str, Any], template: Callable[[Any], Any]
) -> tuple[dict[str, dict[str, Any]], list[Check]]:
    """The variables of `roles` by role and without prefix, and the problems of all of them together. Those of gateway
    and pull have what they want to know of the inventory, too.

    `variables` are the host's own, `template` fills in what they hold (over DEFAULTS and `variables`).
    """
    settings: dict[str, dict[str, Any]] = {}
    problems: list[Check] = []
    for name in roles:
        role = KNOWN[name]
        # Without the specs' defaults, which DEFAULTS has too: validation writes into what it is given.
        specs = {key: {**role.specs[key], "default": None} for key in role.specs}
        wanted = [*specs, *role.constants]
        values: dict[str, Any] = {}
        for key in wanted:
            if key not in variables and key not in DEFAULTS:
                continue
            try:
                values[key] = template(variables.get(key, DEFAULTS.get(key)))
            except Exception as error:  # whatever a template or a lookup of the user's raises
                problems.append(_bad(key, str(error)))
        empty = nulls({key: value for key, value in values.items() if key in specs})
        problems += [_bad(path, "it has no value") for path in empty]
        whole = {key: values[key] for key in specs if key in values and not nulls(values[key])}
        misfits = {key: _misfits(key, whole[key], specs[key]) for key in whole}
        problems += [misfit for found in misfits.values() for misfit in found]
        checked = ArgumentSpecValidator(specs).validate({key: whole[key] for key in whole if not misfits[key]})
        problems += [_bad(role.prefix.rstrip("_"), str(message)) for message in checked.error_messages]
        values.update(_without_nulls(checked.validated_parameters))
        settings[name] = {key.removeprefix(role.prefix): value for key, value in values.items()}
    own = str(variables.get("inventory_hostname", ""))
    if "pull" in settings:
        settings["pull"]["own"] = own
    if "gateway" in settings:
        others, unread = _peers(settings["gateway"], variables, template)
        ca_host = settings["gateway"].get("ca_host")
        ca_known = not ca_host or ca_host in (variables.get("hostvars") or {})
        settings["gateway"].update(own=own, peers=others, ca_known=ca_known)
        problems += unread
    problems += [_bad(old, f"it is now {new}") for old, new in RENAMED.items() if old in variables]
    return settings, problems


def _peers(
    gateway: Mapping[str, Any], variables: Mapping[str, Any], template: Callable[[Any], Any]
) -> tuple[dict[str, list[Any]], list[Check]]:
    """What the inventory says of each of `gateway_hosts`, in their order, and why that can't be read. Not by templates
    of the role's, which every host without a gateway would compile, too."""
    known = variables.get("hostvars") or {}
    defaults = {**dict(_OF_PEERS.values()), "gateway_ca_host": variables.get("image_builder", "")}
    try:
        # hostvars has something for any name.
        others = [known[host] if host in known else {} for host in gateway.get("hosts") or []]  # noqa: SIM401
        found = {
            key: [other[name] if name in other else defaults[name] for other in others]
            for key, (name, _default) in _OF_PEERS.items()
        }
        return template(found), []
    except Exception as error:  # whatever a template of the user's raises
        return {key: [] for key in _OF_PEERS}, [_bad("gateway_hosts", str(error))]


def misspelt(names: Iterable[str]) -> list[str]:
    """Variables that begin as ours do and are almost one of ours, with what was probably meant. Others may have names
    of their own that begin so."""
    return [f"{name} is no variable of this collection: {near} is" for name, near in _strange(names, 0.87) if near]


def unknown(names: Iterable[str]) -> list[str]:
    """Every variable that begins as ours do and is none, for who asks what may be wrong."""
    return [
        f"{name} is no variable of this collection" + (f"; did you mean {near}?" if near else ", though it begins so")
        for name, near in _strange(names, 0.7)
    ]


def _strange(names: Iterable[str], cutoff: float) -> list[tuple[str, str]]:
    """Those that begin as ours do and are none, each with the nearest of ours, "" where none is near."""
    ours = [*DEFAULTS, *PLAYBOOKS, *(key for role in KNOWN.values() for key in role.specs)]
    prefixes = tuple(role.prefix for role in KNOWN.values())
    strange = sorted({name for name in names if name.startswith(prefixes)}.difference(ours, RENAMED, FACTS))
    near = {
        name: difflib.get_close_matches(name, ours, n=1, cutoff=cutoff) for name in strange if not name.startswith(LAB)
    }
    return [(name, found[0] if found else "") for name, found in near.items()]


def _misfits(key: str, value: Any, spec: Mapping[str, Any]) -> list[Check]:
    """What the specs' own validation does not see, or stumbles over."""
    if spec.get("type") == "dict" and spec.get("options") and not isinstance(value, (Mapping, str)):
        return [_bad(key, "a mapping is expected")]
    if key in _LIKE and isinstance(value, Mapping):
        return _unlike(value, [_LIKE[key]], key)
    if key not in _OF or not isinstance(value, Mapping):
        return []
    return [bad for name, each in value.items() for bad in _unlike(each, _OF[key], f"{key}.{name}")]


def _unlike(value: Any, examples: Sequence[Any], path: str) -> list[Check]:
    """Where a value is of no kind that an example has; what no example has is free."""
    kinds = [_kind(example) for example in examples]
    loose = _kind(value) == "a number" and any(f".{name}" in path for name in _LOOSE)
    if kinds and _kind(value) not in kinds and not loose:
        return [_bad(path, f"{' or '.join(dict.fromkeys(kinds))} is expected")]
    if isinstance(value, Mapping):
        parts = [example for example in examples if isinstance(example, Mapping)]
        of = {key: [part[key] for part in parts if key in part] for key in value}
        return [bad for key, each in value.items() for bad in _unlike(each, of[key], f"{path}.{key}")]
    if isinstance(value, (list, tuple)):
        items = [item for example in examples if isinstance(example, (list, tuple)) for item in example]
        return [bad for number, each in enumerate(value) for bad in _unlike(each, items, f"{path}.{number}")]
    return []


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = ((str, "a text"), ((int, float), "a number"), (Mapping, "a mapping"), ((list, tuple), "a list"))
    return next((word for kind, word in kinds if isinstance(value, kind)), "nothing")


def _bad(what: str, why: str) -> Check:
    return problem("variables", f"{what}: {why}", "correct it in the inventory; the role's README describes each")
