"""The module around gather()."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.modules import host_info, kfd_verify

FRAGMENTS = "ansible_collections.navilab.webui.plugins.doc_fragments"


def test_recorded_tree(run_module: Callable[..., dict[str, Any]], host: Callable[..., Path]) -> None:
    answer = run_module(host_info.main, root=str(host("rx5700xt")), webuis=[{"name": "webui", "port": "7860"}])
    assert answer["changed"] is False
    assert answer["host"]["boards"][0]["gfx_target"] == "gfx1010"
    assert answer["host"]["ports"] == {"7860": {"listeners": [], "owner": ""}}


def test_live_in_check_mode(run_module: Callable[..., dict[str, Any]]) -> None:
    assert run_module(host_info.main, _ansible_check_mode=True)["host"]["live"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"root": "sys"}, "absolute path"),
        ({"root": ""}, "absolute path"),
        ({"root": "/no/such/tree"}, "not a directory"),
        ({"root": "/etc/passwd"}, "no recording"),
        ({"webuis": [{"name": "a"}]}, "port"),
        ({"webuis": [{"name": "a", "port": "many"}]}, "port"),
        ({"webuis": "nonsense"}, "dictionary"),
        ({"packages": {"a": 1}}, "packages"),
        ({"moon": True}, "moon"),
    ],
)
def test_wrong_arguments(run_module: Callable[..., dict[str, Any]], arguments: dict[str, Any], text: str) -> None:
    answer = run_module(host_info.main, **arguments)
    assert answer["failed"]
    assert text in answer["msg"]


@pytest.mark.parametrize(("module", "spec"), [(host_info, host_info.ARGUMENTS), (kfd_verify, kfd_verify.SPEC)])
def test_documentation_is_the_argument_spec(module: Any, spec: dict[str, Any]) -> None:
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = dict(documentation["options"])
    for name in documentation["extends_documentation_fragment"]:
        fragment = importlib.import_module(f"{FRAGMENTS}.{name.removeprefix('navilab.webui.')}")
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION).get("options", {}))
    compare(options, spec)
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)["host"]["type"] == "dict"


def compare(documented: dict[str, Any], spec: dict[str, Any]) -> None:
    assert sorted(documented) == sorted(spec)
    for name, option in spec.items():
        for key in ("type", "elements", "default", "required", "choices"):
            assert documented[name].get(key) == option.get(key), (name, key)
        if "options" in option:
            compare(documented[name]["suboptions"], option["options"])
