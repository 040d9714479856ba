"""What can't be had is named rightly, and no login in an address is shown."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.filter._image_fetch_problem import image_fetch_problem
from ansible_collections.navilab.webui.plugins.plugin_utils._text import without_login

SOURCE = {"name": "BLIP", "commit": "00", "url": "https://bob:SECRET@x/BLIP.git"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from https://bob:SECRET@host:8443/x.git: fatal", "from https://host:8443/x.git: fatal"),
        ("ssh://TOKEN@a/x and http://b:p@ss#w?rd@c", "ssh://a/x and http://c"),
        ("https://host/x@1 for bob@example.org", "https://host/x@1 for bob@example.org"),
        ("git@host:x.git", "git@host:x.git"),
    ],
)
def test_logins_go(text: str, shown: str) -> None:
    assert without_login(text) == shown


def test_a_problem_shows_no_login() -> None:
    for result in (
        {**SOURCE, "stderr": "fatal: unable to access 'https://bob:SECRET@x/BLIP.git'"},
        {"name": "torch", "stdout": "Could not fetch URL https://bob:SECRET@x/: 403 Client Error", "stderr": ""},
        {"rc": 1, "cmd": ["fetch"], "stdout": "", "stderr": "ValueError: https://bob:SECRET@x"},
    ):
        assert "SECRET" not in str(image_fetch_problem(result))


@pytest.mark.parametrize("result", [SOURCE, {"name": "torch", "stdout": ""}, {"rc": 1}])
def test_a_full_disk_is_one(result: dict[str, str]) -> None:
    problem = image_fetch_problem({**result, "stderr": "ERROR: [Errno 28] No space left on device\nERROR: failed"})
    assert problem["id"] == "disk_space"
    assert "No space left" in problem["evidence"]


def test_a_path_that_leads_out_is_the_users_own() -> None:
    problem = image_fetch_problem({**SOURCE, "stderr": "'../x' leads out of webui"})
    assert (problem["id"], "exclude" in problem["remedy"]) == ("variables", True)


def test_a_script_that_died_is_named() -> None:
    result = {"rc": -9, "msg": "non-zero return code", "stdout": "", "stderr": "Traceback:\nKeyError: 'name'"}
    assert image_fetch_problem(result)["evidence"] == "the script that fetches ended with -9: KeyError: 'name'"
