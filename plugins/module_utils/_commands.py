# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the reader of a message starts a playbook of this collection: a checkout has the driver, an installed collection
has not, and a host that judges itself can't know."""

from __future__ import annotations

from pathlib import Path

DRIVER = {
    **{name: name for name in ("plan", "record", "remove", "rollback", "selftest", "site", "upgrade", "verify")},
    "image": "image build",
}
"""Playbooks that the driver has a command for."""
CHECKOUT = Path(__file__).resolve().parents[2].joinpath("navilab").is_file()  # galaxy.yml leaves the launcher out


def command(playbook: str, tags: str = "", checkout: bool = CHECKOUT) -> str:
    """The command, in backticks."""
    start = f"./navilab {DRIVER[playbook]}" if checkout and playbook in DRIVER else f"ansible-playbook {fqcn(playbook)}"
    return f"`{start}{f' --tags {tags}' if tags else ''}`"


def fqcn(playbook: str) -> str:
    """The playbook's name for ansible-playbook, wherever the collection is found."""
    return f"navilab.webui.{playbook}"


def run_site(tags: str = "") -> str:
    """What mends most of what a check can find."""
    return f"run {command('site', tags)}"
