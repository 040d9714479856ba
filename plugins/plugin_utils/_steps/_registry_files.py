# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the lab's registry: its instances' settings, their units, and what collects its garbage."""

from __future__ import annotations

import json
from typing import Any

import yaml
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import (
    CERT,
    CERT_KEY,
    CONFIG,
    ENVIRONMENT,
    HTPASSWD,
    LOOPBACK,
    SETTINGS,
    endpoint,
)

from ._base import Settings

PACKAGE, GROUP = "docker-registry", "docker-registry"
UNITS = "/etc/systemd/system"
TEMPLATE = f"{UNITS}/navilab-registry@.service"
GC_SERVICE, GC_TIMER = f"{UNITS}/navilab-registry-gc.service", f"{UNITS}/navilab-registry-gc.timer"
GC_SCRIPT = "/usr/local/sbin/navilab-registry-gc"
UPSTREAM_CA = f"{CONFIG}/mirror/upstream.crt"
RUN = "/run/navilab-registry"
"""Has a directory an instance, from its start to its end."""
ALL = ("pull", "push", "mirror")
HEADER = "# Written by navilab.webui.registry.\n"


def config_of(instance: str) -> str:
    return f"{CONFIG}/{instance}.yml"


def unit(instance: str) -> str:
    return f"navilab-registry@{instance}.service"


def drop_in(instance: str) -> str:
    """The directory of settings that only one instance's unit has."""
    return f"{UNITS}/{unit(instance)}.d"


def enabled(instance: str) -> str:
    """The link that has systemd start it at boot."""
    return f"{UNITS}/multi-user.target.wants/{unit(instance)}"


def store(settings: Settings, instance: str) -> str:
    """Where an instance keeps its data: what is pushed is what is pulled."""
    return f"{settings['data_dir'].rstrip('/')}/{'mirror' if instance == 'mirror' else 'store'}"


def ports(settings: Settings) -> dict[str, int]:
    """The instances that are wanted, with their ports."""
    names = ALL if settings["mirror_of"] else ALL[:2]
    keys = {"pull": "port", "push": "push_port", "mirror": "mirror_port"}
    return {name: int(settings[keys[name]]) for name in names}


def configuration(settings: Settings, listen: str, instance: str) -> str:
    """What /usr/bin/docker-registry serves, docs.docker.com/registry/configuration of its 2.7 and 2.8.

    Without a cache of blob descriptors: what one instance has deleted, the other knows at once.
    """
    storage: dict[str, Any] = {"filesystem": {"rootdirectory": store(settings, instance)}}
    purge = {"enabled": instance == "push", "age": "24h", "interval": "24h", "dryrun": False}
    storage["maintenance"] = {"uploadpurging": purge}
    if instance == "pull":
        storage["maintenance"]["readonly"] = {"enabled": True}
    else:
        storage["delete"] = {"enabled": True}
    port = ports(settings)[instance]
    http: dict[str, Any] = {"addr": endpoint(LOOPBACK if instance == "push" else listen, port)}
    if instance != "push":
        http["tls"] = {"certificate": CERT, "key": CERT_KEY, "minimumtls": "tls1.2"}
    http["headers"] = {"X-Content-Type-Options": ["nosniff"]}
    found: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": storage,
        "http": http,
    }
    if instance == "push":
        found["auth"] = {"htpasswd": {"realm": "navilab", "path": HTPASSWD}}
    if instance == "mirror":
        found["proxy"] = {"remoteurl": settings["mirror_of"]}
    plain = json.loads(json.dumps(found))  # YAML can't represent the texts that Ansible has tagged
    return HEADER + yaml.safe_dump(plain, sort_keys=False)


def template(settings: Settings) -> str:
    """The unit of all instances. Only those that write get more than read access, each by its drop-in."""
    below = settings["data_dir"].startswith(("/home/", "/root/"))
    bind = any(port < 1024 for port in ports(settings).values())
    capability = "CAP_NET_BIND_SERVICE" if bind else ""
    return f"""{HEADER}[Unit]
Description=Registry of the lab, instance %i
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
User=docker-registry
Group={GROUP}
UMask=0027
ExecStart=/usr/bin/docker-registry serve {CONFIG}/%i.yml
EnvironmentFile={ENVIRONMENT}
RuntimeDirectory=navilab-registry/%i
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
LimitNOFILE=65536
NoNewPrivileges=true
AmbientCapabilities={capability}
CapabilityBoundingSet={capability}
ProtectSystem=strict
ProtectHome={"read-only" if below else "true"}
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
RemoveIPC=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""


def _own_settings(settings: Settings, instance: str) -> str:
    lines = [f"ReadWritePaths={store(settings, instance)}"]
    if instance == "mirror" and settings["mirror_ca"]:
        # Go reads the system's file of authorities in any case, and this directory in place of the system's.
        lines.append(f"Environment=SSL_CERT_DIR={UPSTREAM_CA.rpartition('/')[0]}")
    return "\n".join([f"{HEADER}[Service]", *lines]) + "\n"


def gc_settings(settings: Settings) -> str:
    """What the garbage collection reads; sizes in MiB, 0 for no limit."""
    found = {
        "keep": settings["keep"],
        "max_mib": settings["max_mib"],
        "mirror_max_mib": settings["mirror_max_mib"],
        "mirror": store(settings, "mirror") if settings["mirror_of"] else "",
        "push_port": settings["push_port"],
        "store": store(settings, "push"),
    }
    return json.dumps(found, indent=2) + "\n"


_GC_SERVICE = f"""{HEADER}[Unit]
Description=Delete what the registry of the lab no longer needs
After=navilab-registry@push.service

[Service]
Type=oneshot
ExecStart={GC_SCRIPT}
ExecStopPost=-/usr/bin/systemctl start navilab-registry@push.service
Nice=10
IOSchedulingClass=idle
ProtectHome=read-only
PrivateTmp=true
"""
_GC_TIMER = f"""{HEADER}[Unit]
Description=Delete what the registry of the lab no longer needs, once a day

[Timer]
OnCalendar=*-*-* 04:00
RandomizedDelaySec=1h
Persistent=true

[Install]
WantedBy=timers.target
"""
TIMER_ENABLED = f"{UNITS}/timers.target.wants/navilab-registry-gc.timer"
TIMER_STAMP = "/var/lib/systemd/timers/stamp-navilab-registry-gc.timer"
"""Is there since the timer's first start."""


def files(settings: Settings, listen: str) -> dict[str, str]:
    """The files that are wanted, with their contents, but for what is secret or made on the host."""
    wanted = ports(settings)
    found = {config_of(instance): configuration(settings, listen, instance) for instance in wanted}
    found[SETTINGS] = gc_settings(settings)
    found[TEMPLATE] = template(settings)
    for instance in wanted:
        if instance != "pull":
            found[f"{drop_in(instance)}/navilab.conf"] = _own_settings(settings, instance)
    if "mirror" in wanted and settings["mirror_ca"]:
        found[UPSTREAM_CA] = settings["mirror_ca"]
    return {**found, GC_SERVICE: _GC_SERVICE, GC_TIMER: _GC_TIMER}
