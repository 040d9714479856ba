# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a recording, which somebody sent: nothing of it lands outside its directory, nor without an end.

tarfile reads the headers, as a stream that can't go back; what is made of them is made here. (Its filters are not in
each Python 3.9.)
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ._sysfs import MANIFEST, describe

MAX_PACKED = 16 << 20  # bytes; a recording has less than 256 KiB
MAX_WHOLE = 64 << 20  # bytes of all files together, headers included
MAX_MEMBERS = 20000
MAX_DEPTH = 64
_BROKEN = (tarfile.TarError, OSError, EOFError, ValueError, ArithmeticError, zlib.error, MemoryError, LookupError)


class _UnfitError(ValueError):
    """The archive is no recording's."""


class _Limited:
    """A stream that ends with an error after MAX_WHOLE bytes, however well they were packed."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_WHOLE

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _UnfitError(f"more than {MAX_WHOLE >> 20} MiB once unpacked")
        return data


@contextmanager
def _opened(path: str) -> Iterator[tarfile.TarFile]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with os.fdopen(descriptor, "rb") as packed:
        if os.fstat(descriptor).st_size > MAX_PACKED:
            raise _UnfitError(f"an archive of more than {MAX_PACKED >> 20} MiB is no recording")
        limited = _Limited(gzip.GzipFile(fileobj=packed))
        with tarfile.open(fileobj=limited, mode="r|", errorlevel=1) as archive:  # type: ignore[call-overload]
            yield archive


def unpack(path: str, folder: str) -> str:
    """Unpack an archive into an empty directory. Why that could not be done; empty if it was."""
    try:
        with _opened(path) as archive:
            _unpack(archive, Path(folder))
    except _BROKEN as error:
        return f"this is no recording: {describe(error)[:200]}"
    except RecursionError:
        return "this is no recording: too deep"
    return ""


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(archive):
        if count >= MAX_MEMBERS:
            raise _UnfitError(f"more than {MAX_MEMBERS} entries")
        yield member


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > MAX_WHOLE or member.issparse():
        raise _UnfitError(f"{member.name[:100]!r} is too large")
    stream = archive.extractfile(member)
    return stream.read(MAX_WHOLE) if stream else b""


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    made = {PurePosixPath()}  # directories of ours: nothing is written through a link
    for member in _members(archive):
        name = PurePosixPath(member.name)
        parts = name.parts
        if not parts:  # the archive's own ./
            continue
        if ".." in parts or name.is_absolute() or len(parts) > MAX_DEPTH or "\0" in member.name:
            raise _UnfitError(f"a strange name: {member.name[:100]!r}")
        if parts[0] != "root" and parts != (MANIFEST,):
            raise _UnfitError(f"{member.name[:100]!r} does not belong into a recording")
        for parent in reversed(name.parents):
            if parent not in made:
                (folder / parent).mkdir(mode=0o700)  # which fails where a file or a link has that name
                made.add(parent)
        where = folder / name
        if member.isdir():
            if name not in made:
                where.mkdir(mode=0o700)
                made.add(name)
        elif member.issym():
            where.symlink_to(member.linkname)
        elif member.isreg():
            descriptor = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(_content(archive, member))
        else:
            raise _UnfitError(f"{member.name[:100]!r} is neither a file nor a directory nor a link")
