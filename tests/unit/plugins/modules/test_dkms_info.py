"""The module around DKMS's tree and its status."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.modules import dkms_info


def test_a_recorded_tree_runs_nothing(run_module: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/dkms").write_text("#!/bin/sh\nexit 1\n")
    answer = run_module(dkms_info.main, root=str(tmp_path))
    assert answer["present"]
    assert answer["status"] == {"ran": False, "entries": [], "believable": True, "why": []}


def test_a_live_tree_is_asked(run_module: Callable[..., dict[str, Any]], monkeypatch: Any) -> None:
    tree = {"path": "/v", "real": "/var/lib/dkms", "believable": False}
    build = {"version": "1", "kernel": "5.10.0", "installed": True}
    module = {"name": "amdgpu", "builds": [build]}
    gathered = {"present": True, "tree": tree, "modules": [module]}
    monkeypatch.setattr(dkms_info, "gather_dkms", lambda _tree: gathered)
    answers = [(0, "amdgpu, 1, 5.10.0, x86_64: built\n", "")]
    monkeypatch.setattr(AnsibleModule, "run_command", lambda *_words, **_more: answers[0])
    status = run_module(dkms_info.main)["status"]
    assert (status["ran"], status["believable"], status["entries"][0]["state"]) == (True, False, "built")
    assert [text.split()[0] for text in status["why"]] == ["/v", "amdgpu/1:"]
    answers[0] = (3, "", "Error! no tree\n")
    assert run_module(dkms_info.main)["status"]["why"][0] == "dkms status failed: Error! no tree"


def test_a_wrong_root(run_module: Callable[..., dict[str, Any]]) -> None:
    assert "absolute path" in run_module(dkms_info.main, root="x")["msg"]


def test_documentation() -> None:
    assert yaml.safe_load(dkms_info.DOCUMENTATION)["module"] == "dkms_info"
    returned = set(yaml.safe_load(dkms_info.RETURN))
    assert returned == {"present", "drop_ins", "tree", "modules", "leftovers", "status", "problems"}
