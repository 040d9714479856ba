"""The module as Ansible runs it: a process, arguments on its standard input, JSON on its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.modules import kfd_info

ROOT = Path(__file__).parents[4]


def run(**arguments: Any) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, ROOT / "plugins/modules/kfd_info.py"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT / "collections")},
    )
    assert "Traceback" not in done.stderr + done.stdout
    return done.returncode, json.loads(done.stdout)


def keys_of(returned: dict[str, Any]) -> dict[str, Any]:
    return {key: keys_of(each.get("contains", {})) for key, each in returned.items()}


def shape(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        merged: dict[str, Any] = {}
        for each in value:
            merged.update(shape(each))
        return merged
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else {}


def test_a_recorded_tree_in_check_mode(derived: Callable[[str], Path]) -> None:
    status, result = run(root=str(derived("6.1")), _ansible_check_mode=True)
    assert (status, result["changed"]) == (0, False)
    assert result["nodes"][1]["bdf"] == "0000:0a:00.0"
    assert result["open"]["known"] is False
    documented = keys_of(yaml.safe_load(kfd_info.RETURN))
    seen = shape({key: value for key, value in result.items() if key not in ("changed", "invocation")})
    assert seen == documented


def test_this_machine() -> None:
    status, result = run()
    assert status == 0
    assert result["open"]["known"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"root": "/does/not/exist"}, "is not a directory"),
        ({"root": "/etc/passwd"}, "is no recording"),
        ({"root": "relative"}, "an absolute path"),
        ({"root": "/a\0b"}, ""),  # newer cores refuse it before we do
        ({"root": ["/"]}, "root"),
        ({"root": {"a": 1}}, "root"),
        ({"rot": "/"}, "rot"),
    ],
)
def test_wrong_arguments_fail_in_words(arguments: dict[str, Any], words: str) -> None:
    status, result = run(**arguments)
    assert status == 1
    assert result["failed"] is True
    assert words in result["msg"]


def test_noise_is_reported(derived: Callable[[str], Path]) -> None:
    root = derived("6.12")
    for path in root.rglob("*"):
        if path.is_file():
            path.write_bytes(bytes(range(256)))
    status, result = run(root=str(root))
    assert status == 0
    assert result["problems"]
