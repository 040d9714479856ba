# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's relatives: what of this works there and what does not. guide_found.rst has the same for people.

One whose os-release says Debian 11, 12 or 13 is taken for Debian where all of it can work, and told what is different.
"""

from __future__ import annotations

from typing import NamedTuple

_FROM_DEBIAN = "all that is set up here works there, from Debian's own archive"
_NO_SYSTEMD = "it has no systemd, whose unit the engine is, so that nothing can be set up there"


class Neighbour(NamedTuple):
    """A relative. `whole`: all of it can work there, so that `release` may be waived, after what `first` says."""

    name: str
    says: str
    whole: bool = False
    first: str = ""


OTHER = Neighbour(
    "it",
    "what comes from Debian's own archive works there; what it puts in the place of Debian's kernel, firmware or "
    "engine is not known here",
    whole=True,
)
NEIGHBOURS: dict[str, Neighbour] = {
    "proxmox": Neighbour(
        "Proxmox",
        "kernel, firmware (pve-firmware) and headers (proxmox-headers-KERNEL) are its own and stay; all else that is "
        "set up here works there, from Debian's own archive, and Docker's firewall rules meet its guests' bridges too",
        whole=True,
    ),
    "lmde": Neighbour("LMDE", f"{_FROM_DEBIAN}; Mint's is left alone", whole=True),
    "mx": Neighbour(
        "MX Linux",
        f"{_FROM_DEBIAN} once systemd runs, whose unit the engine is; MX starts without it by default",
        whole=True,
        first="boot it with systemd (its boot menu has the entry), then ",
    ),
    "armbian": Neighbour(
        "Armbian",
        "engine and webui work there; kernel and firmware are its own and stay, so that AMD's driver can't be built",
        whole=True,
    ),
    "raspbian": Neighbour("Raspberry Pi OS", f"{_FROM_DEBIAN}, on a PC alone: no image is made for ARM", whole=True),
    "devuan": Neighbour("Devuan", _NO_SYSTEMD),
    "antix": Neighbour("antiX", _NO_SYSTEMD),
    "ubuntu": Neighbour(
        "Ubuntu",
        "its kernels, its firmware (linux-firmware), its packages of Docker (there is no docker-cli) and the suites of "
        "Docker's and AMD's archives are not Debian's, so that the roles can't set it up",
    ),
    "kali": Neighbour(
        "Kali",
        "it follows Debian's testing in an archive of its own: kernel, firmware and engine are of no known release",
    ),
    "parrot": Neighbour("Parrot", "kernel, firmware and engine come from an archive of its own in place of Debian's"),
    "pureos": Neighbour("PureOS", "its archive stands in place of Debian's and has no firmware for these boards"),
    "deepin": Neighbour("deepin", "its kernel and packages are built anew, from no release of Debian's"),
    "truenas": Neighbour("TrueNAS", "it is an appliance: apt is locked there, and an update undoes what is changed"),
}
