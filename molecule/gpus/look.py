#!/usr/bin/env python3
"""Prints what the webuis of a host have and see, as JSON by container; nothing of the collection is used."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

NAMES = ("webui", "webui-2")
DATA = Path("/home/lab/dockerx")
# In the container, as its user: which nodes are there, and where a file can be written.
INSIDE = """
import json, os, sys
def writes(path):
    name = os.path.join(path, ".two-boards")
    try:
        open(name, "w").close()
        os.unlink(name)
    except OSError:
        return False
    return True
print(json.dumps({
    "nodes": sorted(os.listdir("/dev/dri")), "kfd": os.path.exists("/dev/kfd"), "below": sorted(os.listdir("/dockerx")),
    "writes": [path for path in sys.argv[1:] if writes(path)],
}))
"""
PLACES = {
    "refused": ["/", "/dockerx", "/dockerx/webui_data/models", "/dockerx/webui_data/models/Stable-diffusion"],
    "own": ["/dockerx/webui_data", "/dockerx/cache", "/dockerx/webui_data/models/VAE-approx"],
}


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def ask(port: int, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/sdapi/v1/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
        return json.loads(reply.read() or b"null")


def of(name: str) -> dict[str, Any]:
    """A container as the engine has it and, where it runs, from inside."""
    found = subprocess.run(["docker", "inspect", name], capture_output=True, text=True, check=False)
    if found.returncode:
        return {"state": "gone"}
    (container,) = json.loads(found.stdout)
    host, state = container["HostConfig"], container["State"]
    port = int(host["PortBindings"]["7860/tcp"][0]["HostPort"])
    seen = {
        "id": container["Id"],
        "state": state["Status"],
        "started": state["StartedAt"],
        "memory": host["Memory"],
        "port": port,
        "data": [bind.split(":")[0] for bind in host["Binds"] if ":/dockerx/webui_data:" in bind],
    }
    if state["Status"] == "running":
        places = [path for paths in PLACES.values() for path in paths]
        inside = json.loads(run("docker", "exec", name, "python3", "-c", INSIDE, *places))
        models = [model["model_name"] for model in ask(port, "sd-models")]
        seen |= {**inside, "models": models, "options": ask(port, "options")["samples_format"]}
    return seen


def pictures() -> dict[str, int]:
    """How many lie on the host, by directory."""
    folders = (path for path in DATA.glob("webui_data*") if path.is_dir())
    return {folder.name: sum(1 for _ in folder.glob("outputs/**/*.png")) for folder in sorted(folders)}


def use(port: int) -> None:
    """Draw a picture that is kept, and save a setting."""
    ask(port, "txt2img", {"prompt": "two boards", "steps": 1, "width": 64, "height": 64, "save_images": True})
    ask(port, "options", {"samples_format": "webp"})


if __name__ == "__main__":
    for port in sys.argv[1:]:
        use(int(port))
    owners = sorted({path.lstat().st_uid for path in DATA.rglob("*")})
    seen = {name: of(name) for name in NAMES}
    print(json.dumps({**seen, "pictures": pictures(), "owners": owners, "places": PLACES}))
