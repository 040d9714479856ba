"""A host as the gateway role leaves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.navilab.webui.plugins.module_utils import _lab_registry
from ansible_collections.navilab.webui.plugins.module_utils._gateway import (
    CA,
    CA_KEY,
    CERT,
    HTPASSWD,
    KNOWN,
    MADE,
    known,
)
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _gateway_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import gateway

GID = 33
STARTED = 100.0
ENDS = {"ca": "20901123075402Z", "cert": "20900228075405Z"}
LOGIN = {"user": "lab", "password": "twelve-or-more/ü"}
WANTED = {
    "state": "present", "hosts": [], "port": 443, "names": ["192.0.2.11", "node1"], "cert": "", "key": "",
    "ca_cert": "", "ca_host": "", "ca_known": True, "ca_local": False, "own": "node1", "upload_mib": 64, "tries": 60,
    **LOGIN,
}  # fmt: skip
"""The role's variables as the inventory of one host fills them in."""


def serve_gateway(facts: Any, settings: Mapping[str, Any], seen: Callable[..., Any]) -> Any:
    """The facts, with what the role does to a bare host under these settings."""
    facts["groups"]["www-data"] = GID
    facts["addresses"][settings["listen"]] = True
    first = gateway.plan(facts, settings)
    assert first["problems"] == []
    names = [*gateway.PACKAGES, "nginx-common"]
    facts["dpkg"]["packages"] |= {name: {"installed": True, "version": "1", "held": False} for name in names}
    there = facts["files"]
    there |= {each["path"]: seen("dir") for each in first["directories"]}
    there |= {path: seen("link") for path in first["links"]}
    for each in first["writes"]:
        content = settings[each["secret"].removeprefix("gateway_")] if each["secret"] else each["content"]
        there[each["path"]] = seen("file", content, mode=each["mode"])
    there[files.CONF] = seen("file", first["configuration"])
    made = {}
    for path in (*MADE, KNOWN):
        text = known(settings["user"], settings["password"]) if path == KNOWN else path
        if path == CA_KEY and first["tls"]["signer"]:
            continue
        if path not in there and not (settings["cert"] and path not in (HTPASSWD, KNOWN)):
            mode = {CA: "0644", CERT: "0644", HTPASSWD: "0640", KNOWN: "0640"}.get(path, "0600")
            there[path] = seen("file", text, mode=mode, gid=GID if path == HTPASSWD else 0)
        if path in first["links"]:  # a digest is of what the link leads to
            of = {CA: _lab_registry.CA}.get(path, _lab_registry.CA_KEY)
            made[path] = there[of]["sha256"]
        elif path in there and path != KNOWN:
            made[path] = there[path]["sha256"]
    there |= {files.ENABLED: seen("link"), files.PID: seen("file", "42", mtime=STARTED), gateway.MASK: seen("link")}
    facts["ports"][str(settings["port"])] = {"listeners": [settings["listen"]], "owner": "nginx"}
    facts["gateways"][str(settings["port"])] = {"status": 401, "ends": 4_000_000_000.0, "error": ""}
    lines = [f"{digest}  {path}" for path, digest in made.items()]
    facts["records"]["gateway"] = {**first["record"], "made": lines, "ends": dict(ENDS)}
    return facts
