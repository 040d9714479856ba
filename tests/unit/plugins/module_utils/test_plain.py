"""Lines of logs without what steers a terminal."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._plain import plain


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("amdgpu: GPU reset begin!", "amdgpu: GPU reset begin!"),
        ("\x1b[01;31m\x1b[Kerror:\x1b[m\x1b[K x", "error: x"),
        ("a\\x1b[31mb", "ab"),  # as the kernel's log escapes it
        ("\x1b]0;title\x07a", "a"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("\x1b]0;no end", ""),
        ("\x9b31mred", "red"),
        ("a\tb\rc\x00\u202e", "a b\ufffdc\ufffd\ufffd"),
        ("\udcff", "\ufffd"),
        ("a\x1b", "a"),
    ],
)
def test_plain(line: str, text: str) -> None:
    assert plain(line) == text
