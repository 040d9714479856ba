#!/usr/bin/env python3
"""Makes what the stand-in is upgraded to, pushes it to the lab's registry, prints the references."""

from __future__ import annotations

import io
import json
import sys

import docker

from navilab.lab._common import STATE, Lab

STANDIN = "navilab/webui-standin:latest"
MADE = {
    "good": "LABEL navilab.test=good",
    "sleeps": 'ENTRYPOINT ["sh", "-c", "echo starting slowly; exec sleep 600"]',
    "wrong": 'ENV NAVILAB_STANDIN_SELFTEST="rocm7=nan:fp32 rocm52=nan:fp32"',
}


def main(lab: str, registry: str) -> None:
    client = docker.from_env()
    port = client.api.port(Lab(lab, STATE / lab).container("registry"), 5000)[0]["HostPort"]
    found = {}
    for name, line in MADE.items():
        target = f"127.0.0.1:{port}/navilab/webui-standin"
        client.images.build(fileobj=io.BytesIO(f"FROM {STANDIN}\n{line}\n".encode()), tag=f"{target}:{name}", rm=True)
        lines = list(client.api.push(target, tag=name, stream=True, decode=True))
        digest = next(each["aux"]["Digest"] for each in lines if "aux" in each)
        found[name] = f"{registry}/navilab/webui-standin@{digest}"
        client.api.remove_image(f"{target}:{name}")
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
