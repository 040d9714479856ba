# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of sources as it is planned, with the logins that the host's own sources have."""

from __future__ import annotations

from ._apt import with_secrets, without_secrets
from ._files import ApplyError, Replaced, write
from ._sysfs import Tree


def replace(path: str, content: str, tree: Tree, check: bool = False) -> Replaced:
    """Write it in one step, for root alone where it has a login."""
    try:
        text = with_secrets(content, tree)
    except KeyError as error:
        raise ApplyError(f"{path}: the login of a source has changed since this was planned; run again") from error
    done = write(path, text, "0644" if without_secrets(text) == text else "0600", check)
    return Replaced(done.changed, without_secrets(done.before), without_secrets(text))
