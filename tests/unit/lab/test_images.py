"""Recipes: what makes an image or a host be made again, and what the engine is told."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from docker.errors import APIError, ImageNotFound

from navilab.lab import LabError, _keys, engine, hosts, images
from navilab.lab._common import HERE, tree_digest


class Engine:
    """As much of a Docker client as is asked here."""

    def __init__(self, labels: dict[str, dict[str, str] | None]) -> None:
        self.labels = labels
        self.api = self

    def inspect_image(self, tag: str) -> dict[str, Any]:
        if tag not in self.labels:
            raise ImageNotFound(tag)
        return {"Id": f"sha256:{tag}", "Config": {"Labels": self.labels[tag]}}


def test_tree_digest_sees_content_name_mode_and_link(tmp_path: Path) -> None:
    file = tmp_path / "file"
    seen = set()
    for change in (
        lambda: file.write_text("a"),
        lambda: file.write_text("b"),
        lambda: file.chmod(0o700),
        lambda: (tmp_path / "link").symlink_to("file"),
        lambda: file.rename(tmp_path / "other"),
    ):
        change()
        seen.add(tree_digest(tmp_path))
    assert len(seen) == 5
    assert tree_digest("ab", "c") != tree_digest("a", "bc")


def test_recipes_differ_by_suite() -> None:
    assert len({images.base_recipe(suite) for suite in images.SUITES}) == len(images.SUITES)


def test_recipe_of() -> None:
    client = Engine({"with": {"navilab.recipe": "r"}, "without": None})
    assert [images.recipe_of(client, tag) for tag in ("with", "without", "absent")] == ["r", None, None]
    with pytest.raises(LabError, match="no image absent"):
        images.image_id(client, "absent")


@pytest.mark.parametrize("script", ["lab-init", "customize"])
def test_shell_scripts_parse(script: str) -> None:
    subprocess.run(["sh", "-n", HERE / "base" / script], check=True)


def test_only_what_the_machine_needs_stays_protected() -> None:
    assert "/proc/sys" not in hosts.CONTAINER["ReadonlyPaths"]
    assert "/proc/sysrq-trigger" in hosts.CONTAINER["ReadonlyPaths"]
    assert {"SYS_MODULE", "SYS_TIME"} < set(hosts.CONTAINER["CapDrop"])


def test_registry_certificate(tmp_path: Path) -> None:
    cert, key = _keys.certificate(tmp_path, "sim", "registry.navilab.test")
    server = x509.load_pem_x509_certificate(cert)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    public = authority.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(server.signature, server.tbs_certificate_bytes, ec.ECDSA(SHA256()))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["registry.navilab.test"]
    assert _keys.certificate(tmp_path, "sim", "registry.navilab.test") == (cert, key)
    assert (tmp_path / "registry.key").stat().st_mode & 0o777 == 0o600


def test_ssh_pair_is_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    public = _keys.ssh_pair(path, "a lab")
    assert re.fullmatch(r"ssh-ed25519 \S+ a lab\n", public)
    assert _keys.ssh_pair(path, "a lab") == public
    assert path.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True).stdout
    assert shown.split()[:2] == public.split()[:2]


@pytest.mark.parametrize(
    ("explanation", "remedy"),
    [
        ("write /x: no space left on device", "free some space"),
        ('The container name "/sim-bookworm" is already in use by container "1"', "--name"),
        ("something new", "log"),
    ],
)
def test_refusals_of_the_engine_are_explained(explanation: str, remedy: str) -> None:
    with pytest.raises(LabError, match=remedy), engine.explained():
        raise APIError("refused", explanation=explanation)
