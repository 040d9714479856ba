"""A host as the pull role leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _pull_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import pull


def set_up_pull(facts: Any, settings: Mapping[str, Any], seen: Callable[..., Any]) -> Any:
    """The facts, with what the role does to a bare host under these settings."""
    first = pull.plan(facts, settings)
    assert first["problems"] == []
    facts["dpkg"]["packages"] |= {name: {"installed": True, "version": "1", "held": False} for name in first["install"]}
    facts["files"] |= {each["path"]: seen("file", each["content"]) for each in first["writes"]}
    facts["files"] |= {path: seen("dir") for path in (files.VENVS, pull.PULL)}
    facts["files"] |= {files.complete(): seen("file", first["stamp"]), files.TIMER_ENABLED: seen("link")}
    facts["records"]["pull"] = {**first["record"], "told": True}
    return facts
