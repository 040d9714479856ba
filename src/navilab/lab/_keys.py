"""Keys and certificates of one lab, made once: ssh login, ssh host key, an authority and the registry's certificate."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 3650
NO_PASSWORD = serialization.NoEncryption()


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """All or nothing: a lab that was killed here starts again with whole files."""
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as handle:
        handle.write(data)
    new.replace(path)


def ssh_pair(path: Path, comment: str) -> str:
    """An Ed25519 pair at path and path.pub (made if missing); the public line."""
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        key = ed25519.Ed25519PrivateKey.generate()
        formats = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        write(public, key.public_key().public_bytes(*formats) + f" {comment}\n".encode())
        pem, openssh = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
        write(path, key.private_bytes(pem, openssh, NO_PASSWORD), 0o600)
    return public.read_text(encoding="ascii")


def certificate(folder: Path, lab: str, name: str) -> tuple[bytes, bytes]:
    """PEM of certificate and key for a server of that name, signed by the lab's authority; made if missing."""
    cert_path, key_path, ca_path = folder / "registry.pem", folder / "registry.key", folder / "ca.pem"
    if not all(path.exists() for path in (cert_path, key_path, ca_path)):
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ca_name = _name(f"navilab lab {lab}")
        authority = (
            _builder(ca_name, ca_name, ca_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        server = (
            _builder(ca_name, _name(name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        # The authority's key is not kept: it has signed all that it ever will.
        pem = serialization.Encoding.PEM
        write(key_path, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, NO_PASSWORD), 0o600)
        write(cert_path, server.public_bytes(pem))
        write(ca_path, authority.public_bytes(pem))
    return cert_path.read_bytes(), key_path.read_bytes()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
    )


def _usage(sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign, key_cert_sign=sign, crl_sign=sign, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
