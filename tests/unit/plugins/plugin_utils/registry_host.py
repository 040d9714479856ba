"""A host as the registry role leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import (
    CA,
    CA_KEY,
    CERT,
    CERT_KEY,
    HTPASSWD,
    MADE,
)
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _registry_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import registry

GID = 107
STARTED = 100.0
ENDS = {"ca": "20901123075402Z", "cert": "20900228075405Z"}


def serve_registry(facts: Any, settings: Mapping[str, Any], seen: Callable[..., Any]) -> Any:
    """The facts, with what the role does to a bare host under these settings."""
    first = registry.plan(facts, settings)
    assert first["problems"] == []
    facts["groups"]["docker-registry"] = GID
    facts["dpkg"]["packages"] |= {
        name: {"installed": True, "version": "1", "held": False} for name in registry.PACKAGES
    }
    there = facts["files"]
    for each in first["directories"]:
        uid, gid = (0 if each["owner"] == "root" else 103), (0 if each["group"] == "root" else GID)
        there[each["path"]] = seen("dir", mode=each["mode"], uid=uid, gid=gid)
    for each in first["writes"]:
        content = settings[each["secret"].removeprefix("registry_")] if each["secret"] else each["content"]
        content = registry.SCRIPT if each["source"] else content
        there[each["path"]] = seen("file", content, mode=each["mode"], gid=0 if each["group"] == "root" else GID)
    for path in MADE:
        if path not in there and not (settings["cert"] and path in (CA, CA_KEY)):
            mode = {CA: "0644", CERT: "0644", CERT_KEY: "0640", HTPASSWD: "0640"}.get(path, "0600")
            there[path] = seen("file", path, mode=mode, gid=GID if path in (CERT_KEY, HTPASSWD) else 0)
    for name, port in files.ports(settings).items():
        there[files.enabled(name)] = seen("link")
        there[f"{files.RUN}/{name}"] = seen("dir", mtime=STARTED, uid=103, gid=GID)
        facts["ports"][str(port)] = {"listeners": ["192.0.2.11"], "owner": "docker-registry"}
    there |= {files.TIMER_ENABLED: seen("link"), files.TIMER_STAMP: seen("file"), registry.MASK: seen("link")}
    made = [f"{there[path]['sha256']}  {path}" for path in MADE if path in there]
    facts["records"]["registry"] = {**first["record"], "made": made, "ends": dict(ENDS), "proven": True}
    return facts
