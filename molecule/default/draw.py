#!/usr/bin/env python3
"""List the models and draw a picture on a webui behind an `ssh -L` line, with the public client `webuiapi`."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import webuiapi


@contextlib.contextmanager
def forwarded(command: str) -> Iterator[int]:
    """The line as a person would type it, but for the local port, since several hosts are asked at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [f"{port}:{word.split(':', 1)[1]}" if word.count(":127.0.0.1:") else word for word in shlex.split(command)]
    with subprocess.Popen([*words, "-o", "ExitOnForwardFailure=yes"], stdin=subprocess.DEVNULL) as ssh:
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.1)
            yield port
        finally:
            ssh.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forward", required=True, help="the ssh -L command")
    arguments = parser.parse_args()
    with forwarded(arguments.forward) as port:
        api = webuiapi.WebUIApi(host="127.0.0.1", port=port)
        models = api.util_get_model_names()
        drawn = api.txt2img(
            prompt="a room full of old boards, still useful", width=128, height=96, steps=2, seed=5, save_images=True
        )
    picture = drawn.image
    print(f"{models} {picture.format} {picture.size}")
    return 0 if models and picture.size == (128, 96) else 1


if __name__ == "__main__":
    sys.exit(main())
