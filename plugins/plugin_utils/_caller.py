# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who started this run of Ansible: the person, not the root that sudo or doas made of them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

LOGIN_UID = Path("/proc/self/loginuid")
_UNSET = 2**32 - 1


def caller(environment: Mapping[str, str] | None = None) -> str:
    """The account's name; ``root`` where nobody else is known to be behind it, empty where the account has no name."""
    environment = os.environ if environment is None else environment
    uid = os.geteuid()
    if uid:
        return _name(uid) or environment.get("USER") or environment.get("LOGNAME") or ""
    for name in (environment.get("SUDO_USER"), environment.get("DOAS_USER")):
        if name and name != "root":
            return name
    for text in (environment.get("SUDO_UID"), environment.get("PKEXEC_UID"), _login_uid()):
        if text and text.isascii() and text.isdigit() and int(text) not in (0, _UNSET) and (name := _name(int(text))):
            return name
    return _name(0) or "root"


def _login_uid() -> str:
    """What PAM noted when the session began; `su` leaves it."""
    try:
        return LOGIN_UID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""
