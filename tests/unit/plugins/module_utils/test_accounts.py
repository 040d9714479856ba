"""The lab user, live and recorded."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from ansible_collections.navilab.webui.plugins.module_utils._accounts import gather_user
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

PASSWD = "root:x:0:0:root:/root:/bin/bash\nlab:x:1000:1001:,,,:/home/lab:/bin/bash\nodd:x:a:b::/:\nshort:x\n"
GROUP = "lab:x:1001:\nvideo:x:44:lab,other\nrender:x:105:lab\nlabs:x:7:other\nbad:x:y:lab\n"


def recorded(tmp_path: Path) -> Tree:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return Tree(str(tmp_path))


def test_recorded(tmp_path: Path) -> None:
    assert gather_user(recorded(tmp_path), "lab", [44, 105]) == {
        "name": "lab",
        "exists": True,
        "uid": 1000,
        "gid": 1001,
        "home": "/home/lab",
        "primary_group": "lab",
        "groups": ["lab", "video", "render"],
        "needs_login": False,
    }


def test_recorded_unknown(tmp_path: Path) -> None:
    tree = recorded(tmp_path)
    for name in ("nobody", "odd", "short"):
        seen = gather_user(tree, name)
        assert seen is not None
        assert (seen["exists"], seen["uid"], seen["groups"]) == (False, None, [])


def test_not_asked(tmp_path: Path) -> None:
    assert gather_user(Tree(str(tmp_path)), None) is None
    assert gather_user(Tree(str(tmp_path)), "") is None


def test_live() -> None:
    own = pwd.getpwuid(os.getuid())
    seen = gather_user(Tree("/"), own.pw_name)
    assert seen is not None
    assert (seen["uid"], seen["home"]) == (own.pw_uid, own.pw_dir)
    assert seen["primary_group"] in seen["groups"]
    for name in ("no-such-user-here", "with\0null"):
        unknown = gather_user(Tree("/"), name)
        assert unknown is not None
        assert not unknown["exists"]
