"""The table of drivers and kernels, what is said of a pair, and the list in the documentation that is made from it."""

from __future__ import annotations

import re
from pathlib import Path

import driver_pairs
import pytest
from ansible_collections.navilab.webui.plugins.module_utils._driver_pairs import (
    DRIVERS,
    PAIRS,
    Pair,
    driver_of,
    kernel_version,
    known_bad,
    pair_of,
    rows,
)

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.driver}-{'.'.join(map(str, pair.since))}")
def test_each_pair_says_where_it_is_from_and_is_found(pair: Pair) -> None:
    assert re.fullmatch(r"https://github\.com/\S+", pair.source)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", pair.date)
    assert pair.reported and (pair.builds or pair.what)
    assert not pair.below or pair.since < pair.below
    assert pair.driver in DRIVERS.values() or pair.driver == "6.19.4"  # whose release no report names
    numbers = [*pair.since, 0, 0][:3]
    kernel = ".".join(map(str, numbers)) + (f"-{pair.since[3]}-generic" if len(pair.since) > 3 else "+deb13-amd64")
    assert pair_of(f"1:{pair.driver}-1000000.24.04", pair.release, kernel) == pair
    assert bool(known_bad(pair.driver, pair.release, [kernel])) is not pair.builds
    assert all(rows([pair])[0][:3])


def test_the_same_is_known_of_a_release_as_of_its_driver() -> None:
    kernels = ("5.10.0-46-amd64", "6.1.0-28-amd64", "6.12.38+deb13-amd64", "6.12.107+deb13-amd64", "6.18.1-amd64")
    for release, driver in DRIVERS.items():
        for kernel in kernels:
            assert pair_of("", release, kernel) == pair_of(driver, release, kernel), (release, kernel)


@pytest.mark.parametrize(
    ("version", "release", "kernel", "bad"),
    [
        ("6.2.4-1652687.22.04", "", "6.1.0-28-amd64", True),
        ("", "5.7", "6.1.0-28-amd64", True),
        ("", "5.7.1", "6.1.0-28-amd64", True),
        ("6.7.0-1756574.22.04", "", "6.6.13+bpo-amd64", True),
        ("1:6.7.0.60100-1756574.22.04", "", "6.6.13+bpo-amd64", True),
        ("", "6.1", "6.6.13+bpo-amd64", True),
        ("", "6.1", "6.1.0-28-amd64", False),
        ("", "6.1.1", "6.8.10-amd64", False),
        ("", "6.1.2", "6.8.12-amd64", True),
        ("6.8.5-2041575.24.04", "", "6.12.38+deb13-amd64", True),
        ("", "6.2", "6.12.38+deb13-amd64", True),
        ("", "6.2.4", "6.12.38+deb13-amd64", True),
        ("", "6.2", "6.8.12-4-pve", False),
        ("", "6.4.2", "6.12.38+deb13-amd64", True),
        ("", "6.4.1", "6.14.1-amd64", True),
        ("", "6.4.2", "6.14.1-amd64", False),
        ("6.12.12-2164967.24.04", "", "6.14.1-amd64", True),
        ("6.12.12-2187269.24.04", "", "6.14.1-amd64", False),
        ("", "30.30.1", "6.12.107+deb13-amd64", True),
        ("", "30.30", "6.12.90+deb13-amd64", False),
        ("6.16.13-2341068.24.04", "", "6.12.100+deb13-amd64", True),
        ("", "7.1", "6.12.107+deb13-amd64", True),
        ("", "30.30", "7.0.13-3-liquorix-amd64", True),
        ("1:5.18.2.22.40-1504718.20.04", "", "6.1.0-56-amd64", True),
        ("5.18.2.22.40-1504718.20.04", "", "5.10.0-46-amd64", False),
        ("", "5.3.3", "5.10.0-46-amd64", False),
        ("", "latest", "6.12.107+deb13-amd64", False),
        ("", "", "6.12.107+deb13-amd64", False),
        ("6.1.55-1", "", "6.12.107+deb13-amd64", False),
        ("", "5.7", "nonsense", False),
    ],
)
def test_pairs(version: str, release: str, kernel: str, bad: bool) -> None:
    assert bool(known_bad(version, release, [kernel])) is bad


def test_what_is_said() -> None:
    (said,) = known_bad("", "5.7", ["5.10.0-46-amd64", "6.1.0-28-amd64"])
    assert said.startswith("driver 6.2.4 of release 5.7 is known not to build for 6.1.0-28-amd64: dma_resv->seq is ")
    assert "2024-02-10, https://github.com/ROCm/" in said


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.1.0-28-amd64", (6, 1, 0, 28)),
        ("6.12.57+deb13-amd64", (6, 12, 57)),
        ("6.8.12-4-pve", (6, 8, 12, 4)),
        ("6.12-rc3-amd64", (6, 12)),
        ("6.12.10-x64v3-xanmod1", (6, 12, 10)),
        ("6.18.14-061814-generic", (6, 18, 14)),
        ("x", ()),
        ("", ()),
    ],
)
def test_numbers_of_kernels(release: str, numbers: tuple[int, ...]) -> None:
    assert kernel_version(release) == numbers


def test_releases() -> None:
    assert [driver_of(release) for release in ("6.2", "6.2.4", "6.25", "30.10.1", "7.2.1", "latest", "")] == [
        "6.8.5", "6.8.5", "", "6.14.14", "6.16.13", "", "",
    ]  # fmt: skip


def test_the_page_has_the_list(controller: None) -> None:
    assert driver_pairs.PAGE.read_text(encoding="utf-8") == driver_pairs.page(), "run tests/tools/driver_pairs.py"
    assert all(f"`{pair.date} <{pair.source}>`__" in driver_pairs.page() for pair in PAIRS)


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs each of the lines"):
        driver_pairs.replaced("# mine\n")
