"""What engines say of a damaged image, and what they say that is something else."""

from __future__ import annotations

import pytest
from ansible_collections.navilab.webui.plugins.module_utils._images import (
    damaged,
    damaged_at_registry,
    registry_remedy,
    remedy,
)

ENGINE = "Error creating container: 500 Server Error for http+docker://localhost/v1.41/containers/create: "


@pytest.mark.parametrize(
    "text",
    [
        ENGINE + 'Internal Server Error ("layer does not exist")',
        "error creating overlay mount to /var/lib/docker/overlay2/3f39-init/merged: no such file or directory",
        "error creating overlay mount to /srv/docker/overlay2/3f39/merged: invalid argument",
        "Error response from daemon: lstat /var/lib/docker/overlay2/7ae3: no such file or directory",
        "Error response from daemon: readlink /var/lib/docker/overlay2/l: invalid argument",
        "open /var/lib/docker/image/overlay2/layerdb/sha256/ab/cache-id: no such file or directory",
        "failed to verify: sha256:0123",
        "parent snapshot sha256:01 does not exist: not found",
        "content digest sha256:0123: not found",
        'standard_init_linux.go:187: exec user process caused "exec format error"',
        "exec /usr/bin/python3: exec format error",
        "OSError: /opt/venv/lib/libtorch_cpu.so: file too short",
        "ImportError: /opt/x.so: invalid ELF header",
        "SyntaxError: source code string cannot contain null bytes",
        "ImportError: bad magic number in 'encodings': b'\\x00'",
        "EOFError: marshal data too short",
    ],
)
def test_damaged(text: str) -> None:
    assert damaged(text) and not damaged_at_registry(text)


@pytest.mark.parametrize(
    "text",
    [
        "filesystem layer verification failed for digest sha256:6a5e",
        "image config verification failed for digest sha256:01",
        "Error pulling r/x:1 - failed to register layer: Error processing tar file(exit status 1): unexpected EOF",
        "failed to register layer: archive/tar: invalid tar header",
        "layers from manifest don't match image configuration",
    ],
)
def test_damaged_at_its_registry(text: str) -> None:
    assert damaged_at_registry(text) and not damaged(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
        "driver failed programming external connectivity on endpoint webui: port is already allocated",
        'error gathering device information while adding custom device "/dev/kfd": no such file or directory',
        "error while creating mount source path '/nfs/x': mkdir /nfs/x: permission denied",
        'exec: "python3": executable file not found in $PATH',  # another image than ours
        "OCI runtime create failed: unable to start container process: error during container init",
        "error creating overlay mount to /var/lib/docker/overlay2/x/merged: device or resource busy",
        "matmul fp32: error 1",
        "net/http: TLS handshake timeout",
    ],
)
def test_something_else(text: str) -> None:
    assert not damaged(text) and not damaged_at_registry(text)


def test_the_remedy_is_the_two_commands_in_their_order() -> None:
    text = remedy("r.example/x:1", "webui")
    assert text.index("docker rm webui") < text.index("docker image rm r.example/x:1") < text.index("--tags webui")


def test_a_layer_of_the_labs_registry_is_named_with_its_place() -> None:
    image, layer = f"10.0.0.1:5000/navilab/webui@sha256:{64 * '0'}", 64 * "a"
    found = registry_remedy(image, f"pulling {image}: filesystem layer verification failed for digest sha256:{layer}")
    assert f"on 10.0.0.1: rm -r /var/lib/navilab-registry/store/docker/registry/v2/blobs/sha256/aa/{layer}" in found
    assert "rm -r" not in registry_remedy(image, f"pulling {image}: unexpected EOF")
    assert "rm -r" not in registry_remedy("r.example/a:1", f"failed for digest sha256:{layer}")
