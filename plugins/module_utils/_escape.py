# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says, as one line that no terminal obeys, and addresses without what is secret in them."""

from __future__ import annotations

import re
import unicodedata

_STRANGE = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs"})
"""Unicode's categories of control, format (bidirectional marks too), line and paragraph separators, surrogates."""


def clean(text: object) -> str:
    """What a host said, on one line: control characters are shown escaped, so that no terminal obeys them and no line
    begins that looks like ours."""
    said = str(text)
    if said.isascii() and said.isprintable():  # most of it
        return said.strip()
    return "".join(
        char if unicodedata.category(char) not in _STRANGE else " " if char in "\n\t" else ascii(char)[1:-1]
        for char in said
    ).strip()


def without_login(text: str) -> str:
    """``https://bob:secret@host/x`` as ``https://host/x``, wherever in the text it stands; a token alone goes too."""
    # Up to the last @ before the path: a password that nobody encoded may have one, or any of #?:
    return re.sub(r"://[^/\s]*@", "://", text)
