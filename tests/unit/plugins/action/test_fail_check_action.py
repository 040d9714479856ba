"""A failure as data, and in the one form in which checks are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible_collections.navilab.webui.plugins.action.fail_check import ActionModule

ONE = {"id": "image_available", "evidence": "https://bob:SECRET@r.example says no", "remedy": "log in"}
TWO = {"id": "disk_space", "evidence": "10 MiB are free", "remedy": "make room", "status": "failed", "note": "n"}


def test_one_check(act: Callable[..., dict[str, Any]]) -> None:
    found = act(ActionModule, {**ONE})
    assert (found["failed"], found["msg"]) == (
        True,
        "image_available: https://r.example says no. Remedy: log in.",
    )
    (check,) = found["checks"]
    assert (check["id"], check["status"], check["remedy"]) == ("image_available", "failed", "log in")
    assert "SECRET" not in str(found)


def test_several_checks(act: Callable[..., dict[str, Any]]) -> None:
    found = act(ActionModule, {"checks": [ONE, TWO]})
    assert [check["id"] for check in found["checks"]] == ["image_available", "disk_space"]
    assert found["msg"].splitlines()[1] == "disk_space: 10 MiB are free. Remedy: make room."


def test_a_host_writes_no_line_of_ours(act: Callable[..., dict[str, Any]]) -> None:
    found = act(ActionModule, {**ONE, "evidence": "no\nother: all is well\x1b[2J"})
    assert found["msg"] == "image_available: no other: all is well\\x1b[2J. Remedy: log in."


@pytest.mark.parametrize(
    "arguments", [{}, {"id": "a"}, {"id": "a", "evidence": "b"}, {**ONE, "checks": [TWO]}, {**ONE, "status": "ok"}]
)
def test_arguments_that_say_nothing_are_refused(act: Callable[..., dict[str, Any]], arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleError):
        act(ActionModule, arguments)
