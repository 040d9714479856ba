# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a host that pulls: its units, and what Ansible it runs with."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

from ansible_collections.navilab.webui.plugins.module_utils._metrics import PULL, PULLED, PULLED_WELL

from ._base import Settings

UNITS = "/etc/systemd/system"
TIMER, UNIT = "navilab-pull.timer", "navilab-pull.service"
TIMER_UNIT, SERVICE = f"{UNITS}/{TIMER}", f"{UNITS}/{UNIT}"
TIMER_ENABLED = f"{UNITS}/timers.target.wants/{TIMER}"
STAMP = f"/var/lib/systemd/timers/stamp-{TIMER}"
"""When the timer last elapsed: systemd's own note, which outlives the timer."""
VENVS = "/usr/local/lib/navilab-pull"
PACKAGES = ("git", "python3-venv")
CHECKOUT = f"{PULL}/checkout"
HEADER = "# Written by navilab.webui.pull.\n"
_LOCK = Path(__file__).resolve().parents[3] / "roles/pull/files/requirements.txt"


@functools.cache
def digest() -> str:
    """The sha256 of the lock."""
    return hashlib.sha256(_LOCK.read_bytes()).hexdigest()


def venv() -> str:
    """Where the lock's packages are: a pulled run that finds another lock must not lose the one that it runs with."""
    return f"{VENVS}/{digest()[:12]}"


def complete() -> str:
    """What comes into it last."""
    return f"{venv()}/complete"


def stamp(python: str) -> str:
    """The content of that. Debian's next release has another Python, which the links lead to; it is not in the venv's
    name, since paths are gathered before it is known."""
    return f"lock {digest()}, Python {python}\n"


def service(settings: Settings) -> str:
    """ansible-pull would look for the host in an inventory given by -i before it has fetched it. What the inventory
    says of ssh does not count here, nor that nobody is logged in. A stop waits for its end: any signal that ends
    something would reach dpkg, with KillMode=mixed a SIGKILL as soon as ansible-pull is gone."""
    words = [
        f"{venv()}/bin/ansible-pull", "--url", settings["repository"], "--checkout", settings["version"], "--clean",
        "--directory", CHECKOUT, "--limit", settings["own"], "--extra-vars", "ansible_connection=local",
        *(["--verify-commit"] if settings["verify_commit"] else []),
        *(["--vault-password-file", settings["vault_password_file"]] if settings["vault_password_file"] else []),
        settings["playbook"],
    ]  # fmt: skip
    command = " ".join(words).replace("%", "%%")
    user = re.sub(r'(["\\])', r"\\\1", settings["user"]).replace("%", "%%")
    return f"""{HEADER}[Unit]
Description=Bring this webui host to what its repository says
Wants=network-online.target
After=network-online.target docker.service

[Service]
Type=oneshot
User=root
Environment=LC_ALL=C.UTF-8 GIT_TERMINAL_PROMPT=0 "SUDO_USER={user}"
Environment=ANSIBLE_HOME={PULL}/ansible ANSIBLE_REMOTE_TMP={PULL}/ansible/tmp
Environment=ANSIBLE_INVENTORY={CHECKOUT}/{settings["inventory"]}
ExecStart={command}
ExecStartPost=/usr/bin/touch {PULLED_WELL}
ExecStopPost=/bin/sh -c 'echo "$$EXIT_STATUS" >{PULLED}.new && mv {PULLED}.new {PULLED}'
TimeoutStartSec=6h
KillSignal=SIGCONT
TimeoutStopSec=15min
StateDirectory={PULL.rpartition("/")[2]}
StateDirectoryMode=0700
"""


def timer(settings: Settings) -> str:
    """At random every time: one that is fixed comes from the machine's id, which machines of one image may share."""
    return f"""{HEADER}[Unit]
Description=Bring this webui host to what its repository says, {settings["calendar"]}

[Timer]
OnCalendar={settings["calendar"]}
RandomizedDelaySec={settings["spread"]}
AccuracySec=1
Persistent=true

[Install]
WantedBy=timers.target
"""


def files(settings: Settings) -> dict[str, str]:
    """The units."""
    return {SERVICE: service(settings), TIMER_UNIT: timer(settings)}
