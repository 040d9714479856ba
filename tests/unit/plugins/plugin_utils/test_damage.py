"""A damaged image is found by what came of it, and mended only where nobody else needs it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils._damage import damage, mending

GONE = 'Error creating container: 500 Server Error ("layer does not exist")'
TEST = {"name": "webui-selftest", "image": "r/x:1"}
INSTANCE = {"name": "webui", "container": {"name": "webui", "image": "r/x:1"}}


@pytest.mark.parametrize(
    ("results", "images", "says"),
    [
        ([{"item": TEST, "msg": GONE}], ["r/x:1"], "layer does not exist"),
        ([{"item": TEST, "container": {"Output": "x.so: file too short\n"}}], ["r/x:1"], "file too short"),
        ([{"item": INSTANCE, "msg": GONE}, {"item": INSTANCE, "msg": GONE}], ["r/x:1"], "docker image rm r/x:1"),
        ([{"item": "r/y:1", "msg": "filesystem layer verification failed for digest x"}], [], "push it again"),
        ([{"item": INSTANCE, "msg": GONE, "skipped": True}], [], ""),
        ([{"item": INSTANCE, "msg": "port is already allocated"}], [], ""),
        ([{"item": INSTANCE, "container": {"Id": "1"}}, {"item": TEST, "container": None}, {}], [], ""),
        ([], [], ""),
    ],
)
def test_damage(results: list[dict[str, Any]], images: list[str], says: str) -> None:
    found = damage(results)
    assert found["images"] == images
    assert len(found["problems"]) == bool(says)
    assert all(check["id"] == "image_whole" for check in found["problems"])
    assert says in str(found["problems"])


@pytest.mark.parametrize(
    ("users", "containers", "mended"),
    [
        ("", [], True),
        ("webui exited\nwebui-selftest created\n", ["webui", "webui-selftest"], True),
        ("webui running\n", [], False),
        ("webui exited\nsomebody created\n", [], False),
    ],
)
def test_only_what_nobody_else_needs_goes(users: str, containers: list[str], mended: bool) -> None:
    result = {"item": "r/x:1", "rc": 0, "stdout": users}
    found = mending([result], ["webui", "webui-selftest"])
    assert found == {"containers": containers, "images": ["r/x:1"] if mended else []}


def test_where_the_engine_does_not_tell_nothing_goes() -> None:
    for result in ({"item": "r/x:1", "rc": 1, "stdout": ""}, {"item": "r/x:1", "msg": "no docker"}):
        assert mending([result], []) == {"containers": [], "images": []}
