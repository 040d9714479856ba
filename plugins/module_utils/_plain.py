# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of logs as plain text: without what steers a terminal."""

from __future__ import annotations

import re

# ECMA-48: OSC and its like up to their end, CSI, other escapes; as they are, and as the kernel's log writes them.
_ESC = r"(?:\x1b|\\x1b)"
_SEQUENCES = re.compile(
    rf"{_ESC}[\]PX^_].*?(?:\x07|\\x07|{_ESC}\\|$)|(?:{_ESC}\[|\x9b)[0-?]*[ -/]*[@-~]|{_ESC}[@-Z\\^_]?"
)


def plain(line: str) -> str:
    """A line without colours and control characters; a tab is a space, what is no text becomes U+FFFD."""
    line = _SEQUENCES.sub("", line.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    if line.isprintable():  # as nearly all of some thousands are
        return line
    return "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in line)
