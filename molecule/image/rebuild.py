#!/usr/bin/env python3
"""Build again with nothing changed, then with one extension changed: the same digest, and one other layer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "src"))
from navilab.lab import _common, real, small  # noqa: E402

IMAGE = "navilab/webui:cpu"


def build(wanted: dict[str, Any]) -> dict[str, Any]:
    """The image as the engine inspects it, and `seconds`."""
    begin = time.monotonic()
    command = [f"--inventory={PROJECT}/inventory/localhost.yml", f"--extra-vars={json.dumps(wanted)}"]
    subprocess.run([str(PROJECT / "navilab"), "image", "build", *command], check=True, stdout=sys.stderr)
    output = subprocess.run(["docker", "inspect", IMAGE], capture_output=True, text=True, check=True).stdout
    return {"seconds": round(time.monotonic() - begin), **json.loads(output)[0]}


def recipe() -> dict[str, Any]:
    """The image role's variables that create.yml built with."""
    if os.environ.get("NAVILAB_WEBUI") == "small":
        return small.variables(_common.STATE / "img" / "small" / "mirrors")
    return real.variables(real.find_mirrors()) | real.torch_index()


def main() -> None:
    wanted = recipe() | {"ansible_python_interpreter": sys.executable}
    first = build(wanted)
    again = build(wanted)
    extensions = [dict(each) for each in wanted["image_extensions"]]
    extensions[2]["exclude"] = ["README.md"]  # Regional Prompter, in the middle
    changed = build({**wanted, "image_extensions": extensions})
    subprocess.run(["docker", "rmi", "--force", changed["Id"]], check=True, stdout=sys.stderr)
    build(wanted)
    pairs = zip(first["RootFS"]["Layers"], changed["RootFS"]["Layers"], strict=True)
    seen = {
        "same_digest": first["Id"] == again["Id"],
        "seconds": again["seconds"],
        "changed_layers": sum(one != other for one, other in pairs),
        "changed_seconds": changed["seconds"],
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
