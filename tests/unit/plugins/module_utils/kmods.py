"""The smallest kernel modules, for the tests."""

from __future__ import annotations

import struct
from pathlib import Path


def elf(**fields: str) -> bytes:
    """An ELF header, .modinfo, the names of sections, and the table of sections."""
    info = b"".join(f"{key}={value}\0".encode() for key, value in fields.items())
    names = b"\0.modinfo\0.shstrtab\0"
    table = 64 + len(info) + len(names)
    numbers = (1, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 2)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *numbers)
    sections = b"".join(
        struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, 0, 0, 1, 0)
        for name, kind, at, size in ((0, 0, 0, 0), (1, 1, 64, len(info)), (10, 3, 64 + len(info), len(names)))
    )
    return header + info + names + sections


def signed(module: bytes, signer: bytes) -> bytes:
    pkcs7 = b"\x30\x20\x06\x03\x55\x04\x03\x0c" + bytes([len(signer)]) + signer + b"rest"
    return module + pkcs7 + struct.pack(">8xI", len(pkcs7)) + b"~Module signature appended~\n"


def put(root: Path, path: str, data: bytes = b"") -> None:
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
