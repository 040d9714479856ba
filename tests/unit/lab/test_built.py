"""What hosts that build their own webui are given."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

from navilab.lab import built
from navilab.lab._common import Lab


def test_variables_name_the_folder_in_the_host(tmp_path: Path) -> None:
    folder, variables = built.make(tmp_path / "built", None)
    text = json.dumps(variables)
    assert str(tmp_path) not in text
    assert variables["image_webui"]["url"] == f"{built.SOURCES}/mirrors/stable-diffusion-webui.bundle"
    assert variables["image_ca_bundle"] == f"{built.SOURCES}/ca.crt"
    # The lab's image is not named, and no profile is: both is for the plans to say.
    assert (variables["webui_image"], "image_profiles" in variables) == ("", False)
    for name in ("mirrors/CLIP.bundle", "ca.crt"):
        assert (folder / name).is_file()


def test_a_host_gets_it_as_roots(tmp_path: Path) -> None:
    (tmp_path / "mirrors").mkdir()
    (tmp_path / "mirrors/a.bundle").write_bytes(b"a")
    client: Any = Mock()
    lab = Lab("many", tmp_path)
    built.put(client, lab, "one", tmp_path)
    container, path, data = client.api.put_archive.call_args.args
    assert (container, path) == (lab.container("one"), "/")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {member.name: (member.uid, member.uname) for member in archive}
    assert members["srv/navilab-sources/mirrors/a.bundle"] == (0, "root")
