#!/usr/bin/env python3
"""Make a signed apt archive that looks like AMD's, with a synthetic amdgpu-dkms in it.

The driver has the original's version and as many objects as the real one; they are shipped ready (kbuild's `_shipped`)
but for one, since it is the length of their list that matters. Four releases: 5.3.3, `small` with few objects, `older`
of a lower version, and `broken` of a higher one, which stops as AMD's drivers do on a kernel that is too new. A
`base-files` that nobody wants is in each.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "5.18.2.22.40-1504718.20.04"
VERSIONS = {"older": "5.16.9.22.20-1438747.20.04", "broken": "6.0.5.50401-1530003.20.04"}  # else that
SUITES = ("focal", "jammy", "noble")
RELEASES = {"5.3.3": 600, "small": 20, "older": 20, "broken": 20}
OBJECT = "../display/dc/core/amdgpu_generated_object_{}"

DKMS_CONF = f"""\
PACKAGE_NAME="amdgpu"
PACKAGE_VERSION="{VERSION}"
BUILT_MODULE_NAME[0]="amdgpu"
BUILT_MODULE_LOCATION[0]="amd/amdgpu"
DEST_MODULE_LOCATION[0]="/updates"
AUTOINSTALL="yes"
CLEAN="true"
MAKE[0]="make KERNELRELEASE=$kernelver -C /lib/modules/$kernelver/build M=$dkms_tree/$module/$module_version/build"
"""
MAIN = """\
#include <linux/module.h>
MODULE_LICENSE("GPL");
MODULE_VERSION("5.18.2.22.40");
"""
STOP = "$(error dma_resv->seq is missing. exit....)\n"
# What dh_dkms writes for such a package.
POSTINST = f"""\
#!/bin/sh
set -e
[ "$1" != configure ] || /usr/lib/dkms/common.postinst amdgpu {VERSION} /usr/share/amdgpu-dkms "" "$2"
"""
PRERM = f"""\
#!/bin/sh
set -e
[ -z "$(dkms status -m amdgpu -v {VERSION})" ] || dkms remove -m amdgpu -v {VERSION} --all
"""


def relocatable() -> bytes:
    """An ELF object file for x86-64 with nothing in it but the name of its only section."""
    names = b"\0.shstrtab\0"
    numbers = (1, 62, 1, 0, 0, 64 + 16, 0, 64, 0, 0, 64, 2, 1)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", *numbers)
    section = struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    return header + names.ljust(16, b"\0") + bytes(64) + section


EMPTY = relocatable()


def sources(objects: int, broken: bool) -> dict[str, bytes]:
    names = [OBJECT.format(number) for number in range(objects)]
    listed = " ".join(f"{name}.o" for name in names)
    root = f"usr/src/amdgpu-{VERSION}"
    files = {
        f"{root}/dkms.conf": DKMS_CONF,
        f"{root}/Makefile": (STOP if broken else "") + "obj-m := amd/amdgpu/\n",
        f"{root}/amd/amdgpu/Makefile": f"obj-m := amdgpu.o\namdgpu-y := amdgpu_main.o {listed}\n",
        f"{root}/amd/amdgpu/amdgpu_main.c": MAIN,
    }
    shipped = {}
    # modpost reads the command of each object, to sum up its source; CLEAN keeps dkms from deleting them.
    for name in names:
        folder, _slash, file = f"{root}/amd/{name.removeprefix('../')}".rpartition("/")
        shipped.update({f"{folder}/{file}.o_shipped": EMPTY, f"{folder}/.{file}.o.cmd": b"# shipped\n"})
    return {path: text.encode() for path, text in files.items()} | shipped


def tar(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    """A compressed tar with the directories that dpkg wants to see."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz", format=tarfile.GNU_FORMAT, preset=1) as archive:
        folders = sorted({str(parent) for path in files for parent in Path(path).parents if str(parent) != "."})
        for folder in folders:
            entry = tarfile.TarInfo(f"./{folder}/")
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for path, data in files.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size, entry.mode, entry.mtime = len(data), mode, 1_700_000_000
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def deb(control: str, files: dict[str, bytes], **scripts: str) -> bytes:
    """deb(5): an ar archive of three members."""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": tar({"control": control.encode(), **{k: v.encode() for k, v in scripts.items()}}, 0o755),
        "data.tar.xz": tar(files),
    }
    members = b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        for name, data in parts.items()
    )
    return b"!<arch>\n" + members


def control(name: str, version: str, depends: str = "") -> str:
    lines = [f"Package: {name}", f"Version: {version}", "Architecture: all", "Maintainer: Nobody <nobody@example.com>"]
    lines += [f"Depends: {depends}"] if depends else []
    return "\n".join([*lines, "Description: synthetic, made by navilab's molecule scenario dkms"]) + "\n"


def packages(release: str) -> dict[str, tuple[str, bytes]]:
    """File name to control stanza and .deb."""
    version = VERSIONS.get(release, VERSION)
    driver = control("amdgpu-dkms", f"1:{version}", f"dkms, amdgpu-dkms-firmware (= 1:{version})")
    firmware, decoy = control("amdgpu-dkms-firmware", f"1:{version}"), control("base-files", "999")
    content = {
        path.replace(VERSION, version): data.replace(VERSION.encode(), version.encode())
        for path, data in sources(RELEASES[release], release == "broken").items()
    }
    scripts = {"postinst": POSTINST.replace(VERSION, version), "prerm": PRERM.replace(VERSION, version)}
    marker = {"lib/firmware/updates/amdgpu/synthetic.bin": b"not firmware\n"}
    return {
        f"amdgpu-dkms_{version}_all.deb": (driver, deb(driver, content, **scripts)),
        f"amdgpu-dkms-firmware_{version}_all.deb": (firmware, deb(firmware, marker)),
        "base-files_999_all.deb": (decoy, deb(decoy, {"usr/share/decoy": b""})),
    }


def repository(folder: Path, release: str, sign: list[str]) -> None:
    found = packages(release)
    pool = folder / "pool"
    pool.mkdir(parents=True)
    stanzas = []
    for name, (stanza, data) in found.items():
        (pool / name).write_bytes(data)
        stanzas.append(
            f"{stanza}Filename: pool/{name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    index = "\n".join(stanzas).encode()
    for suite in SUITES:
        home = folder / "dists" / suite
        (home / "main/binary-amd64").mkdir(parents=True)
        indices = {"main/binary-amd64/Packages": index, "main/binary-amd64/Packages.gz": gzip.compress(index)}
        for path, data in indices.items():
            (home / path).write_bytes(data)
        lines = [
            "Origin: repo.radeon.com",
            "Label: synthetic",
            f"Suite: {suite}",
            f"Codename: {suite}",
            "Date: Tue, 01 Sep 2026 00:00:00 UTC",
            "Architectures: amd64",
            "Components: main",
            "SHA256:",
            *(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}" for path, data in indices.items()),
        ]
        (home / "Release").write_text("\n".join(lines) + "\n")
        subprocess.run([*sign, "--output", str(home / "InRelease"), "--clearsign", str(home / "Release")], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where the archive goes, and as a tar beside it; what is there is replaced"
    )
    folder: Path = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["GNUPGHOME"] = home
        gpg = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*gpg, "--quick-generate-key", "synthetic", "rsa3072", "sign", "never"], check=True)
        for release in RELEASES:
            repository(folder / release / "ubuntu", release, [*gpg, "--digest-algo", "SHA512"])
        listed = subprocess.run([*gpg, "--with-colons", "--fingerprint"], capture_output=True, text=True, check=True)
        fingerprint = next(line.split(":")[9] for line in listed.stdout.splitlines() if line.startswith("fpr:"))
        exported = subprocess.run([*gpg, "--armor", "--export"], capture_output=True, check=True).stdout
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
    (folder / "key.asc").write_bytes(exported)
    (folder / "fingerprint").write_text(fingerprint)
    shutil.make_archive(str(folder), "tar", folder)


if __name__ == "__main__":
    main()
