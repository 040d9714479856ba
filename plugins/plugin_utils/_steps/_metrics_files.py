# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a host's metrics: the program, what it is told, its units, and how the node exporter is started."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _checks
from ansible_collections.navilab.webui.plugins.module_utils._checks._metrics import EXPORTER, TIMER
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import endpoint
from ansible_collections.navilab.webui.plugins.module_utils._metrics import CONFIG, STATE
from ansible_collections.navilab.webui.plugins.module_utils._types import Facts

from . import verify, webui
from ._base import Settings
from ._webui_container import LISTEN

PACKAGE, ACCOUNT = "prometheus-node-exporter", "prometheus"
TEXTFILE_DIR = "/var/lib/prometheus/node-exporter"
"""Debian's package is built to read there."""
UNITS = "/etc/systemd/system"
PROGRAM = "/usr/local/lib/navilab-metrics.pyz"
SERVICE, TIMER_UNIT = f"{UNITS}/navilab-metrics.service", f"{UNITS}/{TIMER}"
TIMER_ENABLED = f"{UNITS}/timers.target.wants/{TIMER}"
DROP_IN = f"{UNITS}/{EXPORTER}.d"
LISTENS = f"{DROP_IN}/navilab.conf"
RUN = STATE.rpartition("/")[0]
HEADER = "# Written by navilab.webui.metrics.\n"
NOT_HERE = ("selftest", "metrics_fresh", "webui_egress")
"""Checks that the host does not make itself: a self-test's verdict is the controller's, the program would judge its own
last run, and who may read nftables' rules may change them."""
_KNOWLEDGE = Path(__file__).resolve().parents[2] / "module_utils"
_MAIN = "from navilab_webui._metrics import main\n\nmain()\n"


@functools.cache
def program() -> bytes:
    """All of module_utils as an archive that Python runs: the same bytes on every controller, so nothing is packed."""
    sources = {
        f"navilab_webui/{path.relative_to(_KNOWLEDGE)}": path.read_text("utf-8") for path in _KNOWLEDGE.rglob("*.py")
    }
    sources |= {"__main__.py": _MAIN, "navilab_webui/__init__.py": ""}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            archive.writestr(zipfile.ZipInfo(name), sources[name])
    return made.getvalue()


def configuration(facts: Facts, settings: Settings) -> str:
    """What the program gathers and wants of the checks: as verify has it, but for what only a run knows."""
    asked = settings["verify"]
    instances = webui.plan(facts, asked["webui"])["instances"]
    data_dir = webui.data_dir_of(facts, asked["webui"])
    wanted: dict[str, Any] = {**verify.wanted(facts, asked, instances)}
    wanted["only"] = [row.id for row in _checks.CHECKS if row.scope in asked["scope"] and row.id not in NOT_HERE]
    wanted["webuis"] = [
        {key: value for key, value in each.items() if key not in ("image", "selftest")} for each in wanted["webuis"]
    ]
    disk = wanted["disk"]
    writes = [path for each in wanted["webuis"] for path in each["writes"]]
    found = {
        "interval": settings["interval"],
        "directory": settings["textfile_dir"],
        "gather": {
            "user": asked["webui"]["user"],
            "webuis": [{"name": each["name"], "port": each["port"]} for each in instances],
            "files": [data_dir, *writes],
            "gateways": [asked["gateway"]] if asked["gateway"] else [],
            "disk": list(dict.fromkeys([data_dir, *writes, *(need["path"] for need in disk)])),
        },
        "wanted": wanted,
        "webuis": [
            {"name": each["name"], "port": each["port"], "data": f"{each['data_dir']}/{each['data']}"}
            for each in instances
        ],
    }
    return json.dumps(json.loads(json.dumps(found)), indent=2, sort_keys=True) + "\n"


def service(settings: Settings, disk: list[str], asks: list[str]) -> str:
    """The disks that are judged stay as they are: its own read-only view of them would be taken for the host's."""
    writable = " ".join(f'"-{path}"'.replace("%", "%%") for path in [settings["textfile_dir"], *disk])
    return f"""{HEADER}[Unit]
Description=Write the metrics of this webui host
After=docker.service

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I {PROGRAM} {CONFIG}
TimeoutStartSec={max(30, settings["interval"])}
Nice=10
UMask=0022
RuntimeDirectory={RUN.rpartition("/")[2]}
RuntimeDirectoryPreserve=yes
NoNewPrivileges=true
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_SYS_PTRACE CAP_SYSLOG
ProtectSystem=strict
ReadWritePaths={writable}
PrivateTmp=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelTunables=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
IPAddressDeny=any
IPAddressAllow={" ".join(["localhost", *asks])}
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""


def timer(settings: Settings) -> str:
    """Never two at once: a service that still runs is not started again."""
    return f"""{HEADER}[Unit]
Description=Write the metrics of this webui host every {settings["interval"]} s

[Timer]
OnActiveSec=0
OnUnitActiveSec={settings["interval"]}
RandomizedDelaySec={settings["interval"] // 10}
AccuracySec=1

[Install]
WantedBy=timers.target
"""


def drop_in(settings: Settings) -> str:
    """Written before the package comes, whose own unit would listen everywhere at once."""
    return f"""{HEADER}[Service]
ExecStart=
ExecStart=/usr/bin/prometheus-node-exporter --web.listen-address={endpoint(settings["listen"], settings["port"])} $ARGS
"""


def paths(ours: bool) -> list[str]:
    """The files that are wanted, but for the program; `ours` is the node exporter, if it came with the role."""
    return [CONFIG, SERVICE, TIMER_UNIT, *([LISTENS] if ours else [])]


def files(facts: Facts, settings: Settings, ours: bool) -> dict[str, str]:
    """The contents of `paths`."""
    told = configuration(facts, settings)
    gathered = json.loads(told)["gather"]
    asks = sorted({each["address"] for each in gathered["gateways"]} - {LISTEN})
    found = {CONFIG: told, SERVICE: service(settings, gathered["disk"], asks), TIMER_UNIT: timer(settings)}
    return {**found, LISTENS: drop_in(settings)} if ours else found
