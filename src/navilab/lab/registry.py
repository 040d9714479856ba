"""The lab's registry: Debian's docker-registry, TLS by the lab's own authority; it serves the webui's image."""

from __future__ import annotations

import io
import json
import ssl
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from . import _keys, images
from ._common import LABEL, LABEL_FOLDER, LABEL_RECIPE, LABEL_ROLE, Lab, LabError, slow, tree_digest

NAME = "registry.navilab.test"
PORT = 5000
ADDRESS = f"{NAME}:{PORT}"


@dataclass(frozen=True)
class Served:
    """What the hosts pull."""

    image: str  # registry.navilab.test:5000/navilab/...@sha256:...; empty while nothing has been put in
    registry: str
    ca_file: Path
    port: int = 0  # on this machine's loopback

    def with_image(self, image: str) -> Served:
        return replace(self, image=image)


def ensure(client: docker.DockerClient, lab: Lab, address: str, source: str | None) -> Served:
    """The registry runs and holds the image `source` of the engine; pushed again only if that image is another one.

    Without a source it only runs, for somebody else to push to.
    """
    cert, key = _keys.certificate(lab.folder, lab.name, NAME)
    image = images.image_id(client, images.REGISTRY)
    recipe = tree_digest(image, address, cert.decode(), key.decode())
    name = lab.container("registry")
    try:
        container = client.api.inspect_container(name)
    except NotFound:
        container = None
    if container is not None:
        labels = container["Config"]["Labels"] or {}
        if labels.get(LABEL) != lab.key:
            raise LabError(f"a container {name} exists that is not this lab's", "remove it, or take another --name")
        if labels.get(LABEL_RECIPE) != recipe:
            client.api.remove_container(name, v=True, force=True)
            container = None
    if container is None:
        client.api.create_container(
            image, name=name, hostname=name,
            labels={LABEL: lab.key, LABEL_FOLDER: str(lab.folder), LABEL_ROLE: "registry", LABEL_RECIPE: recipe},
            ports=[PORT], volumes=["/var/lib/docker-registry"],
            host_config={
                "NetworkMode": lab.network,
                # Published on loopback too: there the engine pushes without knowing the lab's authority.
                "PortBindings": {f"{PORT}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
                "RestartPolicy": {"Name": "unless-stopped"},
            },
            networking_config={
                "EndpointsConfig": {lab.network: {"IPAMConfig": {"IPv4Address": address}, "Aliases": [NAME]}}
            },
        )  # fmt: skip
        container = client.api.inspect_container(name)
    if container["State"]["Status"] == "created":
        client.api.put_archive(name, "/", _archive(cert, key))
    if not container["State"]["Running"]:
        client.api.start(name)
        container = client.api.inspect_container(name)
    ca_file = lab.folder / "ca.pem"
    port = int(client.api.port(container["Id"], PORT)[0]["HostPort"])
    _answers(port)
    image = f"{ADDRESS}/{_push(client, container, source, port, lab.folder)}" if source else ""
    return Served(image, ADDRESS, ca_file, port)


def _push(client: docker.DockerClient, container: dict[str, Any], source: str, port: int, folder: Path) -> str:
    """REPOSITORY@DIGEST of the image in the registry."""
    repository = "navilab/webui-standin" if source == images.STANDIN else "navilab/webui"
    identity = images.image_id(client, source)
    memory = folder / "served.json"
    known = json.loads(memory.read_text(encoding="ascii")) if memory.exists() else {}
    if known.get("registry") == container["Id"] and known.get("image") == identity:
        return str(known["reference"])
    with slow(f"putting {source.removesuffix(':latest')} into the lab's registry"):
        target = f"127.0.0.1:{port}/{repository}"
        client.api.tag(source, target, "lab")
        try:
            digest = ""
            for line in client.api.push(target, tag="lab", stream=True, decode=True):
                if "error" in line:
                    raise LabError(
                        f"the lab's registry did not take the image: {line['error']}",
                        f"docker logs {container['Name'][1:]}",
                    )
                digest = (line.get("aux") or {}).get("Digest", digest)
        finally:
            client.api.remove_image(f"{target}:lab")
    reference = f"{repository}@{digest}"
    _keys.write(memory, json.dumps({"registry": container["Id"], "image": identity, "reference": reference}).encode())
    return reference


def _answers(port: int) -> None:
    """Waits until the registry answers; any answer will do, the name can't match on loopback."""
    context = ssl._create_unverified_context()  # noqa: S323 - nothing is sent, nothing is read
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/v2/", context=context, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise LabError(
        "the lab's registry does not answer", "docker logs shows why; `./navilab lab down` and up makes it again"
    )


def _archive(cert: bytes, key: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data, mode in (("server.pem", cert, 0o644), ("server.key", key, 0o600)):
            info = tarfile.TarInfo(f"etc/navilab-registry/{name}")
            info.size, info.mode, info.mtime = len(data), mode, int(time.time())
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
