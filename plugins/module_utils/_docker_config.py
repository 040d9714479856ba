# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json: how it is read, what of it depends on what and on dockerd's command line, and it without secrets.

Rules as in github.com/moby/moby, daemon/config/config.go (findConfigurationConflicts) and daemon/logger/factory.go,
seen with dockerd 20.10.5, 20.10.24 and 26.1.5.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ._sysfs import Tree, describe

CONFIG = "/etc/docker/daemon.json"
LIMIT = 1 << 20
DEFAULT_LOG_DRIVER = "json-file"
DEFAULT_ROOT = "/var/lib/docker"
_DEPTH = 32
_SOCKETS = ("unix://", "unix:///run/docker.sock", "unix:///var/run/docker.sock")

# -- secrets ------------------------------------------------------------------------------------------------------

# Up to the last @ before the path, as nobody has to encode a password; and with a / in it, which is no port's.
_LOGIN = re.compile(r"://([^/\s\"']*|[^/\s\"'@:]+:(?!\d+/)[^\s\"']*)@")
_SECRET = re.compile(r"token|passw|secret|credential", re.I)
_MASK = re.compile(r"sha256:[0-9a-f]{8}")
_ASSIGNED = re.compile(rf"((?:{_SECRET.pattern})[\w.-]*[\"']?\s*[=:]\s*[\"']?)([^\s\"',}}]+)", re.I)


def mask(secret: str) -> str:
    """What stands for a secret: enough to see that it changed, and a user name that URLs admit."""
    if _MASK.fullmatch(secret):
        return secret
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()[:8]


def public_text(text: str) -> str:
    """A text whose addresses have no logins, and whose NAME=VALUE of a secret's name have no value."""
    text = _LOGIN.sub(lambda found: f"://{mask(found[1])}@", text)
    return _ASSIGNED.sub(lambda found: found[1] + mask(found[2]), text)


def public(value: Any, name: str = "") -> Any:
    """daemon.json, or a part of it, without secrets; twice is as once."""
    if isinstance(value, dict):
        return {key: public(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [public(item, name) for item in value]
    if isinstance(value, str) and value:
        return mask(value) if _SECRET.search(name) else public_text(value)
    return value


def secrets(document: Mapping[str, Any]) -> dict[str, Any]:
    """The keys with a secret in them."""
    return {key: value for key, value in document.items() if public(value, key) != value}


def masked(value: Any) -> bool:
    """Whether something stands for a secret in it."""
    return bool(re.search(rf"(?:^|[^\w]){_MASK.pattern}(?:@|\"|$)", json.dumps(value)))


def resolve(document: Mapping[str, Any], *known: Mapping[str, Any]) -> dict[str, Any]:
    """A document as it is to be written: what is masked in it comes from the first of `known` that has it.

    KeyError for a key whose secret nobody has.
    """
    found = dict(document)
    for key, value in document.items():
        source = next((each for each in known if key in each and public(each[key], key) == value), None)
        if source is not None:
            found[key] = source[key]
        elif masked(value):
            raise KeyError(key)
    return found


def with_secrets(document: Mapping[str, Any], tree: Tree, path: str = CONFIG) -> Mapping[str, Any]:
    """What is public of daemon.json, with the secrets that the host's has; as it is where they are others'."""
    try:
        return resolve(document, read_config(tree, path)[0] or {})
    except KeyError:
        return document


# -- reading and writing ------------------------------------------------------------------------------------------


def read_config(tree: Tree, path: str = CONFIG) -> tuple[dict[str, Any] | None, str]:
    """daemon.json as dockerd would read it, secrets and all, {} for none or an empty one; else None, and what is wrong
    with it, to be said after its name."""
    data = tree.read_head(path, LIMIT + 1, keep=_kept)
    if data is None:
        why = "" if tree.lookup(path, follow=False) is None else "can't be read: it is no file, or leads to none"
        return (None, why) if why else ({}, "")
    return parse(data)


def parse(data: bytes) -> tuple[dict[str, Any] | None, str]:
    """The same of a file's content."""
    if len(data) > LIMIT:
        return None, f"is larger than {LIMIT >> 20} MiB, which is more than is read of it"
    try:
        text = data.decode("utf-8-sig").strip()
        config = json.loads(text, parse_constant=_no_number) if text else {}
    except UnicodeDecodeError as error:
        return None, f"is no text: {describe(error)}"
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON: {error}"
    if not isinstance(config, dict):
        return None, f"is not what dockerd reads: an object is expected, not {type(config).__name__}"
    if _deeper(config, _DEPTH):
        return None, "is not what dockerd reads: it is nested too deeply"
    return config, ""


def _deeper(value: Any, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_deeper(part, levels - 1) for part in parts)


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _kept(data: bytes) -> bytes:
    """What of the file belongs into a recording."""
    config, _error = parse(data)
    if config is None:
        return public_text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return render(public(config)).encode() if public(config) != config else data


def render(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


# -- the command line ---------------------------------------------------------------------------------------------

# Flags whose key in daemon.json has another name (opts.NamedOption). All others have the flag's own.
KEYS = {
    "add-runtime": "runtimes",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "cluster-store-opt": "cluster-store-opts",
    "default-address-pool": "default-address-pools",
    "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "graph": "data-root",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
_LISTS = {*KEYS.values(), "dns", "dns-search", "allow-nondistributable-artifacts"} - {"data-root"}
_SHORT = {
    "b": "bridge", "D": "debug", "g": "graph", "G": "group", "H": "host", "l": "log-level", "p": "pidfile",
    "s": "storage-driver",
}  # fmt: skip
_SHORT_BOOLS = "Dhv"
# Those are taken for one option, all other objects as a group of options of the names that are in them.
_FLAT = {
    "builder", "cluster-store-opts", "default-network-opts", "default-ulimits", "features", "log-opts", "runtimes",
}  # fmt: skip
MERGED = frozenset({"runtimes"})
"""dockerd takes these from both, and together."""

Flags = Mapping[str, Any]
"""What a command line sets, by the name that daemon.json has for it: a list, a text, or True."""


def split_flags(arguments: Sequence[str]) -> list[tuple[str, str | None]]:
    """dockerd's flags by their long names, each with its value, as pflag takes them apart. dockerd has no operands, so
    a word without a dash belongs to the flag before it."""
    found: list[tuple[str, str | None]] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equal, value = word[2:].partition("=")
            found.append((name, value if equal else _operand(words)))
            continue
        letters = word[1:] if word.startswith("-") else ""
        while letters[:1] and letters[0] in _SHORT_BOOLS and letters[1:2] != "=":
            found.append((_SHORT.get(letters[0], letters[0]), None))
            letters = letters[1:]
        if letters:
            rest = letters[1:].removeprefix("=") if letters[1:] else _operand(words)
            found.append((_SHORT.get(letters[0], letters[0]), rest))
    return found


def _operand(words: list[str]) -> str | None:
    return words.pop(0) if words and not words[0].startswith("-") else None


def flags_of(arguments: Sequence[str] | None) -> dict[str, Any]:
    """What a command line sets, by the names of daemon.json."""
    flags: dict[str, Any] = {}
    for name, value in split_flags(arguments or []):
        if not name:
            continue
        key = KEYS.get(name, name)
        if key in _LISTS:
            flags.setdefault(key, []).append(value or "")
        else:
            flags[key] = True if value is None else value
    if "host-gateway-ip" in flags:  # a list with another name since dockerd 29
        flags["host-gateway-ips"] = [flags["host-gateway-ip"]]
    return flags


def directives(config: Mapping[str, Any]) -> dict[str, str]:
    """The options that a daemon.json sets, each with the key that it stands under."""
    found: dict[str, str] = {}
    for key, value in config.items():
        names = value if isinstance(value, dict) and key not in _FLAT else [key]
        found.update({str(name): key for name in names})
    return found


def given_twice(key: str, value: Any, flags: Flags) -> list[str]:
    """The options of a key of daemon.json that a flag sets too, with which dockerd refuses to start."""
    return [name for name in directives({key: value}) if name in flags and name not in MERGED]


def same(value: Any, flag: Any) -> bool:
    """Whether a flag says what a value of daemon.json would."""
    if isinstance(flag, list):
        wanted = [f"{key}={item}" for key, item in value.items()] if isinstance(value, dict) else value
        return isinstance(wanted, list) and sorted(map(_plain, wanted)) == sorted(map(_plain, flag))
    return not isinstance(value, (dict, list)) and _plain(value) == _plain(flag)


def _plain(value: Any) -> str:
    text = str(value)
    return text.lower() if isinstance(value, bool) or text in ("True", "False") else text.rstrip("/")


# -- what depends on each other -----------------------------------------------------------------------------------

_ROTATION = frozenset({"max-size", "max-file", "compress"})
_ORIGIN = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_ANY_LOG_OPT = frozenset({"mode", "max-buffer-size"})
_LOG_OPTS = {
    "awslogs": frozenset({"tag"}),
    "fluentd": _ORIGIN,
    "gcplogs": _ORIGIN,
    "gelf": _ORIGIN,
    "journald": _ORIGIN,
    "json-file": _ORIGIN | _ROTATION,
    "local": _ROTATION,
    "logentries": _ORIGIN,
    "splunk": _ORIGIN,
    "syslog": _ORIGIN,
}
"""Options of dockerd's own log drivers, beside those that begin with the driver's name."""
_PREFIXES = {**{f"{driver}-": driver for driver in _LOG_OPTS}, "gcp-": "gcplogs"}


def takes(driver: str, option: str) -> bool | None:
    """Whether a log driver takes an option; None where that is not known."""
    if driver == "none" or option in _ANY_LOG_OPT:
        return True
    if driver not in _LOG_OPTS:
        return None
    if option in _LOG_OPTS[driver]:
        return True
    whose = next((name for prefix, name in _PREFIXES.items() if option.startswith(prefix)), None)
    if whose:
        return whose == driver
    return False if option in _ROTATION | _ORIGIN else None


def log_driver(config: Mapping[str, Any], flags: Flags) -> str:
    """The log driver that a daemon.json and a command line come to."""
    return str(flags.get("log-driver") or config.get("log-driver") or DEFAULT_LOG_DRIVER)


class Conflict(NamedTuple):
    """Keys of daemon.json that dockerd would not start with, and why."""

    keys: tuple[str, ...]
    says: str


def conflicts(config: Mapping[str, Any], flags: Flags) -> list[Conflict]:
    """The pairs that are known to keep dockerd from starting: --validate does not see all, and an old one has none."""
    found = [
        Conflict((key,), f"{name} is given both there and as a flag of docker.service's command line")
        for key, value in config.items()
        for name in given_twice(key, value, flags)
    ]
    return found + _mistyped(config) + _log_conflicts(config, flags) + _pairs(config, flags)


_OBJECTS = frozenset({*_FLAT, "proxies"})
_TYPES: Mapping[type, tuple[str, frozenset[str]]] = {
    bool: ("true or false, without quotes", frozenset(
        "debug experimental icc init ip-forward ip-masq ip6tables iptables ipv6 live-restore no-new-privileges "
        "raw-logs selinux-enabled tls tlsverify userland-proxy".split()
    )),
    int: ("a whole number, without quotes", frozenset(
        "cpu-rt-period cpu-rt-runtime max-concurrent-downloads max-concurrent-uploads max-download-attempts mtu "
        "network-control-plane-mtu network-diagnostic-port oom-score-adjust shutdown-timeout swarm-raft-election-tick "
        "swarm-raft-heartbeat-tick".split()
    )),
    list: ("a list", frozenset(_LISTS - _OBJECTS)),
    dict: ("an object", _OBJECTS),
    str: ("a text", frozenset(
        "bip bridge cgroup-parent containerd data-root default-cgroupns-mode default-gateway default-gateway-v6 "
        "default-ipc-mode default-runtime exec-root fixed-cidr fixed-cidr-v6 group init-path ip log-driver log-level "
        "metrics-addr pidfile seccomp-profile storage-driver tlscacert tlscert tlskey userland-proxy-path "
        "userns-remap".split()
    )),
}  # fmt: skip
"""What dockerd reads an option into, in every version that has it; null does for all."""


def _mistyped(config: Mapping[str, Any]) -> list[Conflict]:
    return [
        Conflict((key,), f"{key} has to be {what}, and is {json.dumps(value)[:80]}")
        for kind, (what, keys) in _TYPES.items()
        for key, value in config.items()
        if key in keys and value is not None and value.__class__ is not kind
    ]


def _log_conflicts(config: Mapping[str, Any], flags: Flags) -> list[Conflict]:
    driver, given = log_driver(config, flags), config.get("log-opts")
    options = dict(str(each).partition("=")[::2] for each in flags.get("log-opts", ()))
    options.update(given if isinstance(given, dict) else {})
    keys = ("log-driver", "log-opts")
    bad = sorted(name for name in options if takes(driver, name) is False)
    are = "is no option" if len(bad) == 1 else "are no options"
    found = [Conflict(keys, f"{', '.join(bad)} {are} of {driver}, the log driver in force")] if bad else []
    if driver != "none" and "max-buffer-size" in options and options.get("mode") != "non-blocking":
        found.append(Conflict(keys, "max-buffer-size needs mode non-blocking"))
    numbers = sorted(name for name, value in options.items() if not isinstance(value, str))
    return found + [Conflict(keys, f"{name} of log-opts has to be a text: put it in quotes") for name in numbers]


def _pairs(config: Mapping[str, Any], flags: Flags) -> list[Conflict]:
    def value(key: str) -> Any:
        return flags.get(key, config.get(key))

    def no(key: str) -> bool:
        return str(value(key)).lower() == "false"

    found = []
    if any(_LOGIN.search(each) for each in _texts(value("registry-mirrors"))):
        found.append(Conflict(("registry-mirrors",), "a mirror's address has a login"))
    if value("bridge") and value("bip"):
        found.append(Conflict(("bridge", "bip"), "bridge and bip exclude each other"))
    if no("iptables") and no("icc"):
        found.append(Conflict(("iptables", "icc"), "iptables and icc can't both be false"))
    runtime, runtimes = value("default-runtime"), config.get("runtimes") or {}
    known = {*(runtimes if isinstance(runtimes, dict) else ()), "runc", "io.containerd.runc.v2"}
    known |= {str(each).partition("=")[0] for each in flags.get("runtimes", ())}
    if isinstance(runtime, str) and runtime not in known and not runtime.startswith("io.containerd."):
        found.append(Conflict(("default-runtime",), f"the default runtime {runtime} is not among the runtimes"))
    parent, options = value("cgroup-parent"), _texts(value("exec-opts"))
    if parent and "native.cgroupdriver=systemd" in options and not str(parent).endswith(".slice"):
        found.append(Conflict(("cgroup-parent", "exec-opts"), f"cgroup-parent {parent} has to end in .slice"))
    return found + _storage(value("storage-driver"), _texts(value("storage-opts")))


_SINCE = {
    "cdi-spec-dirs": 25,
    "default-network-opts": 24,
    "http-proxy": 23,
    "https-proxy": 23,
    "log-format": 25,
    "no-proxy": 23,
}
"""Options that came after Debian 11's and 12's engine, 20.10, and the version that they came with."""
_UNTIL = {"cluster-advertise": 23, "cluster-store": 23, "cluster-store-opts": 23, "graph": 23}
"""Options of that engine that went, and the version without them."""
_DRIVERS_UNTIL = {"aufs": 24, "devicemapper": 25, "overlay": 24}
"""The same of storage drivers."""


def of_another_version(config: Mapping[str, Any], flags: Flags, version: int | None) -> list[Conflict]:
    """What an engine of this major version does not know and refuses to start with; None for no version."""
    if not version:
        return []
    found, ours = [], f"and the engine is {version}"
    for name, key in directives(config).items():
        if version < _SINCE.get(name, 0):
            found.append(Conflict((key,), f"{name} is an option of Docker {_SINCE[name]} and later, {ours}"))
        elif version >= _UNTIL.get(name, version + 1):
            found.append(Conflict((key,), f"{name} is no option of Docker {_UNTIL[name]} and later, {ours}"))
    driver = str(flags.get("storage-driver", config.get("storage-driver")))
    if version >= _DRIVERS_UNTIL.get(driver, version + 1):
        says = f"{driver} is no storage driver of Docker {_DRIVERS_UNTIL[driver]} and later, {ours}"
        found.append(Conflict(("storage-driver",), says))
    return found


GRAPH_DRIVERS = ("overlay2", "btrfs", "zfs", "fuse-overlayfs", "vfs")
"""dockerd's own storage drivers, each in a directory of its name."""
_CONTAINERD_SINCE = {"asked": 24, "default": 29}


def in_containerd(config: Mapping[str, Any], flags: Flags, version: int | None, used: str) -> bool:
    """Whether an engine leaves its images to containerd: daemon/image_store_choice.go. `used` is the storage driver of
    its own that it has had before."""
    features, driver = config.get("features"), flags.get("storage-driver", config.get("storage-driver"))
    asked = features.get("containerd-snapshotter") if isinstance(features, dict) else None
    if version is None or flags.get("userns-remap", config.get("userns-remap")) or asked is False:
        return False
    if asked:
        return version >= _CONTAINERD_SINCE["asked"]
    own = driver in ("overlay2", "btrfs", "vfs") or (not driver and used)
    return version >= _CONTAINERD_SINCE["default"] and not own


def _storage(driver: Any, options: Sequence[str]) -> list[Conflict]:
    prefixes = {"dm": "devicemapper", "zfs": "zfs", "btrfs": "btrfs", "overlay2": "overlay2"}
    strange = [each for each in options if prefixes.get(each.partition(".")[0], driver) != driver]
    keys = ("storage-driver", "storage-opts")
    return [Conflict(keys, f"{each} is no option of the storage driver {driver}") for each in strange if driver]


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def listens_elsewhere(config: Mapping[str, Any], flags: Flags) -> list[str]:
    """The addresses that the engine listens at, where the usual socket is not among them."""
    hosts = _texts(flags.get("hosts", config.get("hosts")))
    return [] if any(host in _SOCKETS or host.startswith("fd://") for host in hosts) else hosts
