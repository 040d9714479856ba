"""What the unit tests share: the collection under its own name, and trees of hosts to gather facts from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.release import __version__
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / "collections"
FIXTURES = ROOT / "tests" / "fixtures" / "sysfs"


def pytest_configure() -> None:
    """Let `ansible_collections.navilab.webui` be this checkout, as Ansible itself will see it."""
    _AnsibleCollectionFinder(paths=[str(COLLECTIONS)])._install()


def pytest_report_header() -> str:
    return f"ansible-core {__version__}"


@pytest.fixture
def derived(tmp_path: Path) -> Callable[[str], Path]:
    """A copy, fit to be broken, of the RX 5500 XT under a kernel: `derived("6.1")` is its root."""

    def copy(kernel: str) -> Path:
        return Path(shutil.copytree(FIXTURES / f"rx5500xt-{kernel}", tmp_path / kernel))

    return copy


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Path]:
    """A simulated host of the lab's catalogue: `host("two-boards", "6.1")` is its root."""
    from navilab.lab.boards import write_tree

    def write(board: str, kernel: str = "6.1") -> Path:
        root = tmp_path / f"{board}-{kernel}"
        write_tree(root, board, kernel)
        return root

    return write


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let opening of files whose path ends in `suffix` fail with an errno. (To root nothing is refused.)"""
    real = os.open

    def arm(suffix: str, number: int) -> None:
        def fake(path: Any, flags: int, *rest: Any, **more: Any) -> int:
            if str(path).endswith(suffix):
                raise OSError(number, os.strerror(number), str(path))
            return real(path, flags, *rest, **more)

        monkeypatch.setattr(os, "open", fake)

    return arm


@pytest.fixture
def tree_of() -> Iterator[Callable[[Path], Any]]:
    """`Tree` on a directory."""
    from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

    yield lambda root: Tree(str(root))
