"""What an execution environment needs: all that the plugins import, and the tarball that the example names."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"yaml": "PyYAML"}
OURS = {"ansible", "ansible_collections"}


def test_all_that_is_imported_is_named() -> None:
    found = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names.append(str(node.module))
            found |= {name.partition(".")[0] for name in names} - sys.stdlib_module_names - OURS
    lines = (ROOT / "meta" / "ee-requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {PACKAGES.get(name, name) for name in found} == {line for line in lines if not line.startswith("#")}


def test_the_example_takes_this_versions_tarball() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    example = yaml.safe_load((ROOT / "docs" / "execution-environment.yml").read_text(encoding="utf-8"))
    tarball = f"{galaxy['namespace']}-{galaxy['name']}-{galaxy['version']}.tar.gz"
    assert example["dependencies"]["galaxy"]["collections"] == [{"name": f"files/{tarball}", "type": "file"}]
    assert example["additional_build_files"] == [{"src": f"../dist/{tarball}", "dest": "files"}]


def test_no_inventory_of_a_user_comes_into_the_tarball() -> None:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    own = {line.strip("/") for line in lines if line.startswith("/inventory/") and line.endswith("/")}
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert own and own <= set(galaxy["build_ignore"])
