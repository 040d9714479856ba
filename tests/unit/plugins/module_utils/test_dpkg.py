"""dpkg's database in the states that an interrupted run leaves, and DKMS's tree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._dpkg import gather_dpkg, holds, installed
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree


def stanza(name: str, status: str, version: str = "1.0-1") -> str:
    return f"Package: {name}\nStatus: {status}\nSection: x\nVersion: {version}\nDescription: x\n Status: no field\n"


def host(tmp_path: Path, *stanzas: str) -> Tree:
    folder = tmp_path / "var/lib/dpkg"
    (folder / "updates").mkdir(parents=True)
    (folder / "status").write_text("\n".join(stanzas))
    return Tree(str(tmp_path))


def test_installed_held_and_removed(tmp_path: Path) -> None:
    tree = host(
        tmp_path,
        stanza("docker.io", "install ok installed", "20.10.24+dfsg1-1"),
        stanza("held", "hold ok installed"),
        stanza("gone", "deinstall ok config-files"),
        stanza("waiting", "install ok triggers-pending"),
    )
    seen = gather_dpkg(tree, ["docker.io", "held", "gone", "never"])
    assert seen["packages"] == {
        "docker.io": {"installed": True, "version": "20.10.24+dfsg1-1", "held": False},
        "held": {"installed": True, "version": "1.0-1", "held": True},
        "gone": {"installed": False, "version": None, "held": False},
        "never": {"installed": False, "version": None, "held": False},
    }
    assert (seen["interrupted"], seen["broken"]) == (False, [])


@pytest.mark.parametrize("status", ["hold ok config-files", "hold ok not-installed", "hold ok half-configured"])
def test_a_hold_on_what_is_not_there(tmp_path: Path, status: str) -> None:
    tree = host(tmp_path, stanza("docker.io", status))
    assert gather_dpkg(tree, ["docker.io"])["packages"]["docker.io"] == {
        "installed": False, "version": None, "held": True,
    }  # fmt: skip


def test_what_a_recording_keeps(tmp_path: Path) -> None:
    tree = host(
        tmp_path,
        stanza("docker.io", "install ok installed"),
        stanza("of-nobody's-concern", "install ok installed"),
        stanza("broken", "install ok half-configured"),
    )
    kept: list[bytes] = []

    class Kept(Tree):
        def read_head(self, path: str, size: int, keep: Callable[[bytes], bytes] | None = None) -> bytes | None:
            data = super().read_head(path, size, keep)
            kept.extend([keep(data)] if keep and data else [])
            return data

    seen = gather_dpkg(Kept(tree.root), ["docker.io"])
    assert kept == [
        b"Package: docker.io\nStatus: install ok installed\nVersion: 1.0-1\n\n"
        b"Package: broken\nStatus: install ok half-configured\nVersion: 1.0-1\n"
    ]
    (tmp_path / "var/lib/dpkg/status").write_bytes(kept[0])
    assert gather_dpkg(tree, ["docker.io"]) == seen


def test_holds_and_what_is_installed() -> None:
    text = "\n".join([stanza("a", "hold ok installed"), stanza("b", "install ok installed"), stanza("c", "hold ok x")])
    assert (holds(text), installed(text)) == (["a", "c"], {"a", "b"})


def test_one_of_two_architectures_is_enough(tmp_path: Path) -> None:
    tree = host(tmp_path, stanza("libc6", "install ok installed"), stanza("libc6", "deinstall ok config-files"))
    assert gather_dpkg(tree, ["libc6"])["packages"]["libc6"]["installed"]


def test_field_that_is_first_or_last(tmp_path: Path) -> None:
    tree = host(tmp_path, "Status: install ok installed\nVersion: 2\nPackage: odd")
    assert gather_dpkg(tree, ["odd"])["packages"]["odd"] == {"installed": True, "version": "2", "held": False}


def test_interrupted(tmp_path: Path) -> None:
    states = ["half-installed", "half-configured", "unpacked"]
    tree = host(
        tmp_path,
        *(stanza(state, f"install ok {state}") for state in states),
        stanza("again", "install reinstreq installed"),
    )
    seen = gather_dpkg(tree, ["unpacked"])
    assert seen["broken"] == sorted([*states, "again"])
    assert seen["interrupted"]
    assert not seen["packages"]["unpacked"]["installed"]


def test_a_journal_is_an_interruption(tmp_path: Path) -> None:
    tree = host(tmp_path, stanza("a", "install ok installed"))
    assert not gather_dpkg(tree)["interrupted"]
    (tmp_path / "var/lib/dpkg/updates/0001").write_text("")
    assert gather_dpkg(tree)["interrupted"]


def test_garbage_and_nothing(tmp_path: Path) -> None:
    assert gather_dpkg(Tree(str(tmp_path)), ["a"])["packages"]["a"]["installed"] is False
    folder = tmp_path / "var/lib/dpkg"
    folder.mkdir(parents=True)
    (folder / "status").write_bytes(bytes(range(256)) * 50)
    assert gather_dpkg(Tree(str(tmp_path)), ["a"])["broken"] == []
