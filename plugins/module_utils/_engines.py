# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What calls itself Docker on a host and is no Docker Engine under its systemd, and what to do about it.

Podman answers the same API (podman-docker also brings the program and the socket); a snap, Docker Desktop and a
rootless engine keep unit, configuration and data elsewhere; a program alone is nobody's to start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ._docker_unit import SERVICE
from ._sysfs import Tree
from ._types import Docker, DockerUnit, OtherEngine, Package

SOCKET = "/run/docker.sock"
PACKAGES = ("docker.io", "docker-ce")
NEIGHBOURS = ("podman-docker", "docker-desktop")
_SNAP = (
    "/snap/bin/docker", "/var/lib/snapd/snap/bin/docker", "/etc/systemd/system/snap.docker.dockerd.service",
    "/var/snap/docker/current",
)  # fmt: skip
BINARIES = ("/usr/bin/dockerd", "/usr/sbin/dockerd", "/usr/local/bin/dockerd", "/usr/local/sbin/dockerd")
_SCRIPT = 4096  # bytes; podman-docker's docker is a few lines, Docker's own some 30 MiB


class Answer(NamedTuple):
    """What answers at the socket says of itself."""

    components: Sequence[str] = ()
    platform: str = ""
    system: str = ""
    rootless: bool = False

    @property
    def kind(self) -> str:
        """What it is, where it is no Docker Engine of this host's root."""
        if self.components and "Engine" not in self.components:
            return "podman" if any("podman" in each.lower() for each in self.components) else "socket"
        if "Docker Desktop" in (self.system, self.platform[: len("Docker Desktop")]):
            return "desktop"
        return "rootless" if self.rootless else ""


def find(
    tree: Tree, packages: Mapping[str, Package], unit: DockerUnit, answer: Answer | None, home: str | None = None
) -> list[OtherEngine]:
    """All of them, what is at the socket first."""
    installed = {name for name, package in packages.items() if package["installed"]}
    found = _at_socket(tree, answer) or _stray(unit, answer)
    snap = next((path for path in _SNAP if tree.lookup(path, follow=False)), None)
    if snap:
        found.append(_other("snap", snap))
    if "podman-docker" in installed or _is_podman(tree):
        found.append(_other("podman", "/usr/bin/docker is podman's"))
    desktop = "/opt/docker-desktop"
    if "docker-desktop" in installed or tree.is_dir(desktop):
        found.append(_other("desktop", desktop))
    rootless = _rootless(tree, home)
    if rootless:
        found.append(_other("rootless", rootless))
    if installed & set(PACKAGES):
        return found
    if unit["load"] == "not-found":
        program = next((path for path in BINARIES if tree.exists(path)), None)
        if answer and not found:
            found.append(_other("process", f"an engine answers at {SOCKET}, and there is no {SERVICE}"))
        elif program and not found:
            found.append(_other("binary", f"{program} belongs to no package, and there is no {SERVICE}"))
    return found


def _stray(unit: DockerUnit, answer: Answer | None) -> list[OtherEngine]:
    """An engine that answers while its unit is not active."""
    if answer and unit["load"] == "loaded" and unit["active"] in ("inactive", "failed"):
        return [_other("process", f"an engine answers at {SOCKET} while {SERVICE} is {unit['active']}", True)]
    return []


def _other(kind: str, evidence: str, answers: bool = False) -> OtherEngine:
    return {"kind": kind, "evidence": evidence, "answers": answers}


def _at_socket(tree: Tree, answer: Answer | None) -> list[OtherEngine]:
    if answer and answer.kind:
        name = ", ".join(answer.components) if answer.kind in ("podman", "socket") else answer.platform or answer.kind
        return [_other(answer.kind, f"{name} answers at {SOCKET}", True)]
    link = tree.link_name(SOCKET)
    if link is None:
        return []
    target = tree.realpath(SOCKET) or link
    kinds = {"podman": "podman", "/run/user/": "rootless", "desktop": "desktop", "snap.docker": "snap"}
    kind = next((kind for part, kind in kinds.items() if part in target), "")
    return [_other(kind, f"{SOCKET} leads to {target}", True)] if kind else []


def _is_podman(tree: Tree) -> bool:
    path = "/usr/bin/docker"
    if tree.link_name(path) == "podman":
        return True
    seen = tree.lookup(path)
    return bool(seen and seen.st_size < _SCRIPT and "podman" in (tree.read_text(path) or ""))


def _rootless(tree: Tree, home: str | None) -> str:
    paths = [f"/run/user/{uid}/docker.sock" for uid in tree.numbered("/run/user")]
    paths += [f"{home}/.config/systemd/user/{SERVICE}"] if home else []
    return next((path for path in paths if tree.exists(path)), "")


# -- what it means ------------------------------------------------------------------------------------------------

_AGAIN = "then run again: the role installs an engine of its own"
_MEANING = {
    "snap": (
        "Docker is a snap ({0}): its configuration (/var/snap/docker) and unit (snap.docker.dockerd) are others than "
        "those that the role sets up",
        f"save what its containers hold, snap remove docker, {_AGAIN}",
    ),
    "podman": (
        "this is Podman in Docker's place ({0}), and no Docker Engine",
        f"apt-get remove podman-docker (podman itself can stay; see that {SOCKET} goes too), {_AGAIN}",
    ),
    "desktop": (
        "this is Docker Desktop ({0}), whose engine runs in a virtual machine without the GPU",
        f"apt-get remove docker-desktop, {_AGAIN}",
    ),
    "rootless": (
        "this is a rootless engine ({0}), which has no unit of the system and can't give a container the GPU's groups",
        "as its user: dockerd-rootless-setuptool.sh uninstall (or take its socket and unit away); " + _AGAIN,
    ),
    "binary": (
        "{0}: nobody starts it",
        f"move it away, {_AGAIN}; or give it the units of its source (contrib/init/systemd of moby)",
    ),
    "process": (
        "{0}: it is another machine's, or somebody started it by hand",
        f"run on the machine whose engine it is; or stop it (see /run/docker.pid), take {SOCKET} away, {_AGAIN}",
    ),
    "socket": (
        "{0}, and is no Docker Engine",
        f"take it off {SOCKET}, {_AGAIN}",
    ),
}


class Obstacle(NamedTuple):
    """Why the role can't set up an engine here, and what to do."""

    evidence: str
    remedy: str


def obstacle(docker: Docker, unpacked: bool = False) -> Obstacle | None:
    """None where there is a Docker Engine that is a unit of systemd, or where one can be installed.

    `unpacked`: dpkg was interrupted in bringing it.
    """
    unit = docker["unit"]
    masked = [name for name in unit["masked"] if name == SERVICE or not docker["running"]]
    if masked:
        names = ", ".join(masked)
        return Obstacle(
            f"{names} {'is' if len(masked) == 1 else 'are'} masked, so that systemd starts no engine",
            f"if nobody needs that: systemctl unmask {' '.join(masked)}, then run again",
        )
    others = docker["others"]
    packaged = unpacked or docker["provider"] in PACKAGES
    if packaged and unit["load"] == "not-found" and not unpacked:
        return Obstacle(
            f"{docker['provider']} is installed, and its {SERVICE} is gone",
            f"apt-get install --reinstall {docker['provider']}, then run again",
        )
    left = unit["enabled"] == "disabled" and unit["active"] in ("inactive", "failed")
    accepted = packaged or (docker["installed"] and unit["load"] in ("loaded", ""))
    for other in others:
        if other["answers"] or not accepted or (left and other["kind"] == "rootless"):
            evidence, remedy = _MEANING[other["kind"]]
            return Obstacle(evidence.format(other["evidence"]), remedy)
    return None
