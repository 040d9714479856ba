"""Fingerprints of keys, without gpg."""

from __future__ import annotations

import base64
import hashlib

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.navilab.webui.plugins.filter._openpgp_fingerprints import openpgp_fingerprints


def test_fingerprint_of_a_v4_key() -> None:
    body = b"\x04" + bytes(4) + b"\x01" + b"\x00\x08\xff"
    packet = b"\x99" + len(body).to_bytes(2, "big") + body  # old format, tag 6, two length bytes
    fingerprint = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()
    armoured = (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\n"
        + base64.b64encode(packet)
        + b"\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    for key in (packet, armoured, packet + b"\xd1\x00"):
        assert openpgp_fingerprints(base64.b64encode(key).decode()) == [fingerprint]
    with pytest.raises(AnsibleFilterError, match="not an OpenPGP key"):
        openpgp_fingerprints(base64.b64encode(b"<html>").decode())
