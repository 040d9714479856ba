"""Recorded answers are of their type, or count as none."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._shape import fits
from ansible_collections.navilab.webui.plugins.module_utils._types import Http, KfdAnswers, KfdTopology, PortFacts

HTTP = {"status": 200, "ready": True, "models": None, "error": ""}
KFD = {
    "open": {"known": True, "ok": False, "errno": "ENOENT", "error": ""}, "ioctl_version": None, "apertures": [1],
    "ioctl_error": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "like", "right"),
    [
        (HTTP, Http, True),
        ({**HTTP, "status": True}, Http, False),  # no number
        ({**HTTP, "status": "200"}, Http, False),
        ({**HTTP, "more": 1}, Http, False),
        ({"status": 200}, Http, False),
        ([HTTP], Http, False),
        (KFD, KfdAnswers, True),
        ({**KFD, "apertures": None}, KfdAnswers, True),
        ({**KFD, "apertures": ["1"]}, KfdAnswers, False),
        ({**KFD, "open": None}, KfdAnswers, False),
        ({"topology": None, "generation_id": None, "nodes": []}, KfdTopology, True),
        ({"topology": None, "generation_id": None, "nodes": [{}]}, KfdTopology, False),
        ({"7860": {"listeners": [], "owner": ""}}, dict[str, PortFacts], True),
        ({"7860": {"listeners": [1], "owner": ""}}, dict[str, PortFacts], False),
        ([HTTP], list[Http], True),
        ([HTTP, None], list[Http], False),
        (None, Optional[int], True),
        (1.5, Optional[int], False),
        ("x", str, True),
        (1, float, True),
        (True, float, False),
        ({"a": object()}, Any, True),
    ],
)
def test_types(value: Any, like: Any, right: bool) -> None:
    assert fits(value, like) is right


@pytest.mark.parametrize(
    ("value", "like", "right"),
    [
        ({"a": 1}, {}, True),
        ({"a": 1}, {"a": 0}, True),
        ({"a": "1"}, {"a": 0}, False),
        ({"a": 1, "b": 2}, {"a": 0}, False),
        (["x", "y"], [""], True),
        (["x", 1], [""], False),
        (["x", None, 2.5], [], True),
        ([[]], [], False),
        (None, None, True),
        ({}, None, False),
        (5, 0.0, True),
        (True, 0, False),
        (None, "", False),
    ],
)
def test_examples(value: Any, like: Any, right: bool) -> None:
    assert fits(value, like) is right
