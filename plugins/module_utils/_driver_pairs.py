# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AMD's releases, the driver in each, and which of them build for which kernels, as people have reported it.

The warning before an install, the list in guide_amdgpu_dkms.rst and the tests are made from these.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ._dkms import package_version

# The driver's version in AMD's archive by release, the directory's name there up to its second number; from the names
# of the archive's packages (amdgpu-dkms_6.8.5.60200-2009582.24.04_all.deb). 7.0 to 7.2 are ROCm's names for 30.*.
DRIVERS: dict[str, str] = {
    "5.3": "5.18.2.22.40",
    "5.4": "5.18.13",
    "5.5": "6.0.5",
    "5.6": "6.1.5",
    "5.7": "6.2.4",
    "6.0": "6.3.6",
    "6.1": "6.7.0",
    "6.2": "6.8.5",
    "6.3": "6.10.5",
    "6.4": "6.12.12",
    "7.0": "6.14.14",
    "7.1": "6.16.6",
    "7.2": "6.16.13",
    "30.10": "6.14.14",
    "30.20": "6.16.6",
    "30.30": "6.16.13",
    "31.20": "6.18.8",
    "31.40": "6.19.14",
}
_ROCM = "https://github.com/ROCm/legacy-rocm-build/issues/"
_AMDGPU = "https://github.com/ROCm/amdgpu/issues/"
_GFX803 = "https://github.com/tsl0922/pytorch-gfx803/issues/11"
_ORIGINAL = "https://github.com/set-soft/sd_webui_rx5500"
_OLD = "it is older than the kernel's interfaces"
_DMA_RESV = "dma_resv->seq is missing"
_RESIZE = "pci_resize_resource() has other arguments since 6.12.100"


class Pair(NamedTuple):
    """A driver, and kernels from `since` to before `below` (numbers as kernel_version() has them) for which it builds
    or not. `reported` are the kernels of the report, `source` tells where it is, `date` of when (or when read).

    `release` narrows it to one release. `mended` is the first release of the same driver that builds after all, `build`
    the number in its version.
    """

    driver: str
    builds: bool
    since: tuple[int, ...]
    below: tuple[int, ...]
    what: str
    reported: str
    source: str
    date: str
    release: str = ""
    mended: str = ""
    build: int = 0


# Of one driver the first row that holds for a kernel counts. What does not know a kernel's interfaces does not know
# those of newer ones either, so a range ends only where a report says so; and older drivers know no more.
PAIRS: tuple[Pair, ...] = (
    Pair("5.18.2.22.40", True, (5, 10), (5, 11), "with the short tree: the original's own",
         "Debian 11, 5.10", _ORIGINAL, "2026-11-25"),
    Pair("5.18.2.22.40", False, (6, 1), (), _OLD, "6.1.52", _ROCM + "2451", "2024-02-10"),
    Pair("5.18.13", False, (6, 1), (), _OLD, "Ubuntu, 6.5.0", _GFX803, "2025-05-30"),
    Pair("6.0.5", True, (5, 10), (5, 11), "but floods the log with page-flip errors",
         "Debian 11, 5.10", _ORIGINAL, "2026-11-25"),
    Pair("6.0.5", False, (6, 1), (), _OLD, "6.1.52", _ROCM + "2451", "2024-02-10"),
    Pair("6.1.5", False, (6, 1), (), _OLD, "6.1.52", _ROCM + "2451", "2024-02-10"),
    Pair("6.2.4", False, (6, 1), (), _DMA_RESV, "6.1.52; Debian, 6.5.0 and 6.6.13", _ROCM + "2451", "2024-02-10"),
    Pair("6.3.6", False, (6, 1), (), _OLD, "6.1.52 and 6.6.10", _ROCM + "2451", "2024-02-07"),
    Pair("6.7.0", True, (6, 8, 10), (6, 8, 11), "", "Debian, 6.8.10", _ROCM + "3036", "2024-05-22", "6.1.1"),
    Pair("6.7.0", False, (6, 6), (), _DMA_RESV,
         "Debian, 6.6.13, 6.7.12 and 6.8.12", _ROCM + "3036", "2024-04-17"),
    Pair("6.8.5", False, (6, 10), (), "the macro __assign_str takes but one argument",
         "6.10.10, 6.11 and 6.12", _ROCM + "3870", "2024-11-23"),
    Pair("6.10.5", False, (6, 12), (), _DMA_RESV, "Debian 13, any 6.12", _ROCM + "5111", "2025-07-28"),
    Pair("6.12.12", False, (6, 12), (6, 13), _DMA_RESV,
         "Debian 13, 6.12.33 and 6.12.38", _ROCM + "5111", "2025-07-28"),
    Pair("6.12.12", False, (6, 13), (6, 15), "drm_fbdev_ttm_setup() and more are gone",
         "Ubuntu, 6.13 and 6.14", _ROCM + "4619", "2025-07-18", "", "6.4.2", 2187269),
    Pair("6.12.12", False, (6, 15), (), _OLD, "6.15.8, 6.16 and 6.17", _ROCM + "5624", "2025-11-04"),
    Pair("6.14.14", False, (6, 12, 100), (6, 13), _RESIZE, "6.12.100", _ROCM + "5111", "2026-08-01"),
    Pair("6.14.14", False, (6, 17), (), _OLD, "Ubuntu, 6.17", _ROCM + "5624", "2025-11-04"),
    Pair("6.16.6", False, (6, 12, 100), (6, 13), _RESIZE, "6.12.100", _ROCM + "5111", "2026-08-01"),
    Pair("6.16.6", True, (6, 17), (6, 18), "", "Ubuntu, 6.17", _ROCM + "5624", "2026-01-14"),
    Pair("6.16.6", False, (6, 18), (), _OLD, "6.18.14 and 6.19.4", _AMDGPU + "209", "2026-03-02"),
    Pair("6.16.13", False, (6, 12, 100), (6, 13), f"{_RESIZE}; the driver of ROCm 7.14 builds",
         "Debian 13, 6.12.100", _ROCM + "5111", "2026-08-01"),
    Pair("6.16.13", True, (6, 17), (6, 18), "", "Debian 13, 6.17.13", _ROCM + "6143", "2026-04-27"),
    Pair("6.16.13", False, (6, 18), (), "migrate_disable() and more are declared otherwise",
         "6.18.14, 6.19.4 and 7.0.0", _AMDGPU + "209", "2026-03-02"),
    Pair("6.19.4", False, (7, 0, 0, 22), (), "it built for 7.0.0-15",
         "Ubuntu, 7.0.0-22", _AMDGPU + "220", "2026-06-02"),
)  # fmt: skip


def kernel_version(release: str) -> tuple[int, ...]:
    """6.1.0-28-amd64 is (6, 1, 0, 28), 6.12.57+deb13-amd64 is (6, 12, 57); () for what is none."""
    match = re.match(r"([0-9]{1,5})\.([0-9]{1,5})(?:\.([0-9]{1,5}))?(?:-([0-9]{1,5})(?![0-9a-z]))?", release or "")
    return tuple(int(number) for number in match.groups() if number is not None) if match else ()


def driver_of(release: str) -> str:
    """The version of the driver in a release of AMD's; "" where that is not known."""
    match = re.match(r"([0-9]+\.[0-9]+)(?![0-9])", release)
    return DRIVERS.get(match.group(1), "") if match else ""


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]{1,9}", release))


def _build(version: str) -> int:
    """The number of AMD's build in a driver's version: 2187269 of 6.12.12-2187269.24.04."""
    match = re.search(r"-([0-9]{5,9})(?:\.|$)", version)
    return int(match.group(1)) if match else 0


def pair_of(version: str, release: str, kernel: str) -> Pair | None:
    """What is known of a driver for a kernel. `version` is the driver's or its package's, or "" before it is there;
    then `release` tells which driver it will be."""
    driver, seen = package_version(version) or driver_of(release), kernel_version(kernel)
    return next((pair for pair in PAIRS if _is_driver(pair, driver, release) and _covers(pair, seen)), None)


def _is_driver(pair: Pair, driver: str, release: str) -> bool:
    if driver != pair.driver and not driver.startswith((f"{pair.driver}-", f"{pair.driver}.")):
        return False
    if pair.release and _numbers(release) != _numbers(pair.release):
        return False
    build = _build(driver)
    mended = pair.mended and (build >= pair.build if build else _numbers(release) >= _numbers(pair.mended))
    return not mended


def _covers(pair: Pair, kernel: tuple[int, ...]) -> bool:
    return bool(kernel) and kernel >= pair.since and (not pair.below or kernel < pair.below)


def known_bad(version: str, release: str, kernels: Iterable[str]) -> list[str]:
    """Sentences about the kernels that a driver is known not to build for."""
    found = []
    for kernel in kernels:
        pair = pair_of(version, release, kernel)
        if pair and not pair.builds:
            name = package_version(version) or f"{pair.driver} of release {release}"
            found.append(
                f"driver {name} is known not to build for {kernel}: {pair.what} "
                f"(reported for {pair.reported}, {pair.date}, {pair.source})"
            )
    return found


def rows(pairs: Sequence[Pair] = PAIRS) -> list[tuple[str, str, str, str]]:
    """What is known of each pair, for people: driver with release, kernels, result, where it was reported."""
    found = []
    for pair in pairs:
        releases = [release for release, driver in DRIVERS.items() if driver == pair.driver]
        release = pair.release or " or ".join(releases)
        release += f" before {pair.mended}" if pair.mended else ""
        reach = f"from {_dots(pair.since)} on" + (f", before {_dots(pair.below)}" if pair.below else "")
        kernels = pair.reported if pair.builds else reach
        result = ", ".join(filter(None, ["builds", pair.what])) if pair.builds else f"does not build: {pair.what}"
        name = f"{pair.driver} ({release})" if release else pair.driver
        found.append((name, kernels, result, "" if pair.builds else pair.reported))
    return found


def _dots(numbers: tuple[int, ...]) -> str:
    head = ".".join(map(str, numbers[:3]))
    return f"{head}-{numbers[3]}" if len(numbers) > 3 else head
