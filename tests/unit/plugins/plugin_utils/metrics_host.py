"""A host as the metrics role leaves it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._checks._metrics import WRITTEN
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _metrics_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import metrics


def tell_metrics(facts: Any, settings: Mapping[str, Any], seen: Callable[..., Any]) -> Any:
    """The facts, with what the role does to a bare host under these settings."""
    first = metrics.plan(facts, settings)
    assert first["problems"] == []
    facts["groups"][files.ACCOUNT] = 108
    facts["dpkg"]["packages"] |= {name: {"installed": True, "version": "1", "held": False} for name in first["install"]}
    there = facts["files"]
    there |= {path: seen("dir") for path in [*first["directories"], settings["textfile_dir"], files.RUN]}
    there |= {each["path"]: seen("file", each["content"]) for each in first["writes"]}
    there[files.PROGRAM] = seen("file", sha256=hashlib.sha256(files.program()).hexdigest())
    there[files.TIMER_ENABLED] = seen("link")
    there[f"{settings['textfile_dir']}/{WRITTEN}"] = seen("file", "", mtime=facts["clock"])
    facts["ports"][str(settings["port"])] = {"listeners": [settings["listen"]], "owner": "prometheus-node"}
    facts["records"]["metrics"] = {**first["record"], "proven": True}
    return facts
