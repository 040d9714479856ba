# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints of an OpenPGP key file, without gpg on the host."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: _openpgp_fingerprints
short_description: The primary keys' fingerprints in an OpenPGP key file
version_added: "0.1.0"
description:
  - Reads the version 4 public key packets of a binary or armoured file (RFC 4880, sections 4.2, 5.5.2 and 12.2).
  - A repository's key is pinned by fingerprint and not by the file's hash, since vendors re-issue the file when a
    key's expiry moves.
positional: key
options:
  _input:
    description: The file's content in base64, as M(ansible.builtin.slurp) returns it.
    type: str
    required: true
  key:
    description: The same as O(_input), for use without a pipe.
    type: str
"""

EXAMPLES = r"""
- name: Refuse another key
  ansible.builtin.assert:
    that: "'9DC858229FC7DD38854AE2D88D81803C0EBFCD88' in (key.content | navilab.webui._openpgp_fingerprints)"
"""

RETURN = r"""
_value:
  description: Upper-case hexadecimal fingerprints of the primary keys.
  type: list
  elements: str
"""

PUBLIC_KEY = 6


def _dearmour(data: bytes) -> bytes:
    if not data.lstrip().startswith(b"-----BEGIN PGP"):
        return data
    body = data.split(b"-----BEGIN", 1)[1].split(b"\n", 1)[1].split(b"-----END", 1)[0].replace(b"\r", b"")
    _headers, _blank, text = body.partition(b"\n\n") if b"\n\n" in body else (b"", b"", body)
    # The last line that starts with '=' is the checksum.
    return base64.b64decode(b"".join(line for line in text.split(b"\n") if not line.startswith(b"=")))


def _packets(data: bytes) -> list[tuple[int, bytes]]:
    packets, at = [], 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise ValueError("no OpenPGP packet")
        if head & 0x40:
            tag, first = head & 0x3F, data[at + 1]
            if first < 192:
                size, at = first, at + 2
            elif first < 224:
                size, at = ((first - 192) << 8) + data[at + 2] + 192, at + 3
            elif first == 255:
                size, at = int.from_bytes(data[at + 2 : at + 6], "big"), at + 6
            else:
                raise ValueError("partial packet")
        else:
            tag, width = (head >> 2) & 0x0F, (1, 2, 4, 0)[head & 3]
            if not width:
                raise ValueError("packet of unknown length")
            size, at = int.from_bytes(data[at + 1 : at + 1 + width], "big"), at + 1 + width
        packets.append((tag, data[at : at + size]))
        at += size
    return packets


def _fingerprint(body: bytes) -> str:
    # SHA-1 is what defines the fingerprint of a version 4 key, not a choice of ours.
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
    return digest.hexdigest().upper()


def openpgp_fingerprints(key: str) -> list[str]:
    try:
        packets = _packets(_dearmour(base64.b64decode(key)))
    except (ValueError, IndexError) as error:
        raise AnsibleFilterError(f"not an OpenPGP key file: {error}") from error
    bodies = [body for tag, body in packets if tag == PUBLIC_KEY and body[:1] == b"\x04"]
    return [_fingerprint(body) for body in bodies]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Any]:
        return {"_openpgp_fingerprints": openpgp_fingerprints}
