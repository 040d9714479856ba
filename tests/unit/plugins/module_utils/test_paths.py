"""Homes as they are in passwd, and what becomes of ~; which directories may be a role's own."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._paths import expand, home_problem, ownable, plain


@pytest.mark.parametrize(
    ("path", "home", "expanded"),
    [
        ("~/dockerx", "/home/lab", "/home/lab/dockerx"),
        ("~/dockerx", "/home/lab/", "/home/lab/dockerx"),
        ("~/dockerx", "/", "/dockerx"),
        ("~/dockerx", "//", "/dockerx"),
        ("~", "/", "/"),
        ("~", "/home/lab/", "/home/lab"),
        ("~/x", "/home/dom\\user1", "/home/dom\\user1/x"),
        ("~/x", r"/home/\g<0>\1", r"/home/\g<0>\1/x"),
        ("~/x", "/home/%s{0}{{ y }}(*)[", "/home/%s{0}{{ y }}(*)[/x"),
        ("~/x", "/home/müller meier", "/home/müller meier/x"),
        ("~/x", "home/lab", "~/x"),
        ("~/x", "", "~/x"),
        ("~/x", None, "~/x"),
        ("~/x", "/nonexistent", "~/x"),
        ("~/x", "/nonexistent/", "~/x"),
        ("~/x", "/dev/null", "~/x"),
        ("~/x", "/proc/1", "~/x"),
        ("~/x", "/home/\udcff", "~/x"),
        ("~/x", "/home/\ufffd", "~/x"),
        ("~bob/x", "/home/lab", "~bob/x"),
        ("/srv/~/x", "/home/lab", "/srv/~/x"),
        ("/srv/x/", "/home/lab", "/srv/x/"),
    ],
)
def test_a_home_is_taken_as_it_stands(path: str, home: str | None, expanded: str) -> None:
    assert expand(path, home) == expanded
    assert expand(path, home).startswith("/") or not path.startswith("~/") or home_problem(home)


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/home/lab/dockerx", True),
        ("/dockerx", True),
        ("/root/dockerx", True),
        ("/var/lib/svc", True),
        ("/", False),
        ("", False),
        ("~/dockerx", False),
        ("/usr/sbin/dockerx", False),
        ("/bin/x", False),
        ("/home/../etc/x", False),
        ("//srv", False),
        ("/run/x", False),
    ],
)
def test_what_a_role_may_have(path: str, ours: bool) -> None:
    assert ownable(path) is ours


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/srv/a b", True),
        ("/home/dom\\user1", True),
        ("/home/host$", True),
        ("/srv/a:ro", False),
        ("/srv/a\nb", False),
        ("/srv/\x1b[31m", False),
        ("/srv/$HOME", False),
        ("/srv/${x}", False),
        ("/srv/\ufffd", False),
    ],
)
def test_what_reaches_docker_as_it_stands(path: str, good: bool) -> None:
    assert plain(path) is good
