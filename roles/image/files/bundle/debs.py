"""Fetch packages of a release of Debian's with all that they stand on, as a repository of apt's in one file.

    debs.py TARGET.tar <REQUEST.json

REQUEST: `suite`, `mirror`, `security_mirror`, `packages`, `at` (where hosts unpack it). What a host has already does
not matter: all comes along that a bare Debian would need. apt proves it all by Debian's own keys; the index is signed
by a key that is made for it and thrown away. A name that the release has not got is left out. Exit code 1, and what apt
says, if something can't be had.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LONG_AGO = "20200101T000000"  # hosts without a network may have a wrong clock
COMPONENTS = {"bullseye": "main non-free"}


def run(*command: str, cwd: Path, more: Mapping[str, str] | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(more or {})}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def fetch(root: Path, request: dict[str, Any]) -> Path:
    """The directory with the packages, by an apt that knows of none installed."""
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (root / name).mkdir(parents=True)
    (root / "status").touch()
    suite, components = request["suite"], COMPONENTS.get(request["suite"], "main non-free-firmware")
    of = f"deb [signed-by={KEYRING}]"
    places = [
        f"{of} {request['mirror']} {suite} {components}",
        f"{of} {request['mirror']} {suite}-updates {components}",
        f"{of} {request['security_mirror']} {suite}-security {components}",
    ]
    (root / "sources.list").write_text("\n".join([*places, ""]), encoding="ascii")
    config = root / "apt.conf"
    config.write_text(
        f"""\
Dir::State "{root}"; Dir::State::status "{root}/status"; Dir::State::lists "{root}/lists"; Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list"; Dir::Etc::sourceparts "{root}/parts";
Dir::Etc::preferences "/dev/null"; Dir::Etc::preferencesparts "{root}/parts"; APT::Install-Recommends "0";
Acquire::Languages "none"; APT::Sandbox::User "root"; APT::Update::Error-Mode "any";
APT::Architecture "amd64"; APT::Architectures "amd64"; Debug::NoLocking "1";
""",
        encoding="ascii",
    )
    own = {"APT_CONFIG": str(config)}
    run("apt-get", "update", cwd=root, more=own)
    known = set(run("apt-cache", "pkgnames", cwd=root, more=own).split())
    wanted = [name for name in request["packages"] if name in known]
    run("apt-get", "install", "--yes", "--download-only", "--", *wanted, cwd=root, more=own)
    return root / "cache" / "archives"


def index(folder: Path, keys: str) -> None:
    """Packages, Release and its signature, beside the files."""
    (folder / "Packages").write_text(run("apt-ftparchive", "packages", ".", cwd=folder), encoding="utf-8")
    (folder / "Release").write_text(run("apt-ftparchive", "release", ".", cwd=folder), encoding="utf-8")
    gpg = ("gpg", "--homedir", keys, "--batch", "--quiet", "--faked-system-time", LONG_AGO)
    try:
        run(*gpg, "--passphrase", "", "--quick-generate-key", "navilab bundle", "rsa3072", "sign", "never", cwd=folder)
        run(*gpg, "--output", "key.gpg", "--export", cwd=folder)
        run(*gpg, "--digest-algo", "SHA512", "--output", "InRelease", "--clear-sign", "Release", cwd=folder)
    finally:
        subprocess.run(["gpgconf", "--homedir", keys, "--kill", "all"], check=False)
    (folder / "Release").unlink()


def settings(folder: Path, at: str) -> None:
    """What an apt of the host's that APT_CONFIG names this in takes in place of its own sources."""
    (folder / "sources.list").write_text(f"deb [signed-by={at}/key.gpg] file:{at} ./\n", encoding="ascii")
    (folder / "apt.conf").write_text(
        f"""\
Dir::Etc::sourcelist "{at}/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "{at}/lists"; Dir::Cache "{at}/cache"; Acquire::Languages "none"; Acquire::Check-Date "0";
""",
        encoding="ascii",
    )
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def main() -> None:
    target, request = Path(sys.argv[1]), json.load(sys.stdin)
    # The keys' name is short, as the socket of gpg's agent has to be.
    with tempfile.TemporaryDirectory(dir=target.parent) as work, tempfile.TemporaryDirectory() as keys:
        found, folder = fetch(Path(work), request), Path(work) / "repository"
        folder.mkdir()
        for path in found.glob("*.deb"):
            shutil.move(path, folder)
        index(folder, keys)
        settings(folder, request["at"])
        new = target.with_name(f"{target.name}.new")
        with tarfile.open(new, "w") as tar:
            tar.add(folder, ".", filter=plain)
        new.replace(target)


if __name__ == "__main__":
    main()
