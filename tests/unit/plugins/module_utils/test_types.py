"""That what is gathered has the shapes that _types says, and that host_info's documentation names each key."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils import _types
from ansible_collections.navilab.webui.plugins.module_utils._checks import SCOPES, evaluate
from ansible_collections.navilab.webui.plugins.module_utils._docker import describe
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree
from ansible_collections.navilab.webui.plugins.modules import dkms_info, host_info, kfd_info

pytestmark = pytest.mark.usefixtures("controller")  # Python 3.9 can't read `X | None`


def misfits(value: Any, hint: Any, where: str = "") -> Iterator[str]:
    """Where a value is not of its type, one path each."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return
    if origin is Literal:
        fits = value in parts
    elif origin in (typing.Union, types.UnionType):
        fits = any(not list(misfits(value, part)) for part in parts)
    elif origin is list:
        fits = isinstance(value, list)
        for number, item in enumerate(value if fits else ()):
            yield from misfits(item, parts[0], f"{where}[{number}]")
    elif origin is dict:
        fits = isinstance(value, dict)
        for key, item in value.items() if fits else ():
            yield from misfits(key, parts[0], f"{where} key")
            yield from misfits(item, parts[1], f"{where}.{key}")
    elif typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint)
        fits = isinstance(value, dict) and set(value) == set(hints)
        for key in hints if fits else ():
            yield from misfits(value[key], hints[key], f"{where}.{key}")
    else:
        fits = type(value) in ((int, float) if hint is float else (hint,))  # True is no int here
    if not fits:
        yield f"{where}: {value!r:.80} is not {hint}"


@pytest.mark.parametrize("board", ["rx5500xt-8g", "two-boards", "igpu-and-board", "no-board"])
def test_recorded_facts(host: Callable[..., Path], board: str) -> None:
    facts = gather(str(host(board)), user="lab", packages=["bash"], files=["/etc", "/none"], disk=["/"])
    assert list(misfits(facts, _types.Facts)) == []
    assert list(misfits(evaluate(facts, {"scope": list(SCOPES)}), list[_types.Check])) == []


def test_live_facts() -> None:
    facts = gather(user="root", files=["/etc/passwd"], disk=["/"], webuis=[{"name": "webui", "port": 9}])
    assert list(misfits(facts, _types.Facts)) == []


def test_a_container(inspected: Callable[..., dict[str, Any]]) -> None:
    assert list(misfits(describe(inspected(Pid=1), Tree()), _types.Container)) == []


def test_misfits_are_found(host: Callable[..., Path]) -> None:
    facts: Any = gather(str(host("rx5500xt-8g")))
    facts["boards"][0].update(vram_mib="8176")
    del facts["kernel"]["flavour"]
    facts["groups"]["video"] = True
    assert [line.partition(":")[0] for line in misfits(facts, _types.Facts)] == [
        ".kernel", ".boards[0].vram_mib", ".groups.video",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("documented", "kind", "more"),
    [
        (yaml.safe_load(host_info.RETURN)["host"]["contains"], _types.Facts, set()),
        (yaml.safe_load(kfd_info.RETURN), _types.Kfd, {"problems"}),
        (yaml.safe_load(kfd_info.RETURN)["nodes"]["contains"], _types.KfdNode, set()),
        (yaml.safe_load(dkms_info.RETURN), _types.Dkms, {"problems", "status"}),
    ],
)
def test_each_key_is_documented(documented: dict[str, Any], kind: type, more: set[str]) -> None:
    assert set(documented) == set(typing.get_type_hints(kind)) | more
