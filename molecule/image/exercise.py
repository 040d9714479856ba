#!/usr/bin/env python3
"""Stops the webui's container, runs another of its image without a network on the same data, starts it again.

Prints what was seen as JSON; nothing of the collection is used.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from typing import Any

OPTION = ("samples_filename_pattern", "navilab-[seed]")
# Runs inside the container, whose port nobody else reaches.
ASK = """
import json, sys, urllib.request
data = sys.argv[2].encode() if len(sys.argv) > 2 else None
request = urllib.request.Request("http://127.0.0.1:7860" + sys.argv[1], data, {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=120).read().decode())
"""


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def ask(path: str, document: dict[str, Any] | None = None) -> Any:
    data = json.dumps(document).encode() if document is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:7860{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return json.load(answer)


def ask_offline(path: str, document: dict[str, Any] | None = None) -> Any:
    body = [json.dumps(document)] if document is not None else []
    return json.loads(docker("exec", "offline", "python3", "-c", ASK, path, *body))


def started(seconds: float = 300) -> None:
    """Until the webui lists models."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, ValueError):
            if ask("/sdapi/v1/sd-models"):
                return
        time.sleep(1)


def offline_log() -> str:
    command = ["docker", "logs", "offline"]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


def started_offline(seconds: float = 300) -> None:
    """Until the webui has put its API together: a request before that may end in a traceback in its log."""
    end = time.monotonic() + seconds
    while "Startup time:" not in offline_log() and time.monotonic() < end:
        time.sleep(1)


def main() -> None:
    config = json.loads(docker("inspect", "webui"))[0]
    ask("/sdapi/v1/options", dict([OPTION]))
    begin = time.monotonic()
    docker("stop", "webui")
    seen: dict[str, Any] = {"stop_seconds": round(time.monotonic() - begin, 2)}

    docker(
        "run", "--detach", "--name", "offline", "--network", "none", "--read-only", "--user", "12345:54321",
        "--cap-drop", "ALL", *(f"--tmpfs={path}:mode=1777" for path in ("/tmp", "/home/webui", "/dockerx")),  # noqa: S108
        "--volume", "/home/lab/dockerx/webui_data/models/Stable-diffusion:/models:ro",
        config["Config"]["Image"], *config["Config"]["Cmd"], "--ckpt-dir", "/models",
    )  # fmt: skip
    started_offline()
    seen["offline_models"] = [model["model_name"] for model in ask_offline("/sdapi/v1/sd-models")]
    drawn = ask_offline("/sdapi/v1/txt2img", {"prompt": "no network", "steps": 2, "width": 128, "height": 128})
    seen["offline_picture"] = len(drawn["images"][0]) > 1000
    log = offline_log()
    words = ("Traceback", "NameResolution", "Connection", "Failed to", "Couldn't", "Read-only", "Permission denied")
    seen["offline_complaints"] = log.splitlines() if any(word in log for word in words) else []
    docker("rm", "--force", "offline")

    docker("start", "webui")
    started()
    seen["settings_kept"] = ask("/sdapi/v1/options")[OPTION[0]] == OPTION[1]
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
