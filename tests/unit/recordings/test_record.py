"""`navilab record` of this machine, judged again from its archive: the same, and nothing secret on the way."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SETTINGS: dict[str, Any] = {
    "navilab_user": "root",
    "webui_port": 7999,
    "webui_images": {"cpu": "registry.quux-internal.net:5000/webui:cpu"},
    "docker_engine_proxy": {"http": "http://bob:hunter2-planted@proxy.quux-internal.net:3128"},
}
SECRETS = ["hunter2-planted", "quux-internal", "name-of-host-7"]


def navilab(cwd: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(ROOT / "navilab"), *words], capture_output=True, text=True, check=False, cwd=cwd)


def told(done: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    (host,) = json.loads(done.stdout)["hosts"].values()
    return {
        "problems": [check["id"] for failure in host["failures"] for check in failure["checks"]],
        "checks": {check["id"]: (check["status"], check["remedy"]) for check in host["checks"]},
        "plans": host["plans"],
    }


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an inventory of this machine, and its recording."""
    folder = tmp_path_factory.mktemp("record")
    own = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    hosts = {"all": {"hosts": {"name-of-host-7": {**own, **SETTINGS}}}}
    (folder / "hosts.yml").write_text(json.dumps(hosts))
    done = navilab(folder, "record", "name-of-host-7", "-i", "hosts.yml", "-o", "sent.tar.gz", "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "said").write_text(done.stdout)
    return folder


def test_the_archive_is_small_private_and_listed(work: Path) -> None:
    archive = work / "sent.tar.gz"
    assert archive.stat().st_size < 256 << 10
    assert archive.stat().st_mode & 0o777 == 0o600
    said = "".join((work / "said").read_text().split())  # YAML breaks lines
    with tarfile.open(archive) as tar:
        inside = {member.name: member for member in tar}
        files = [tar.extractfile(member) for member in inside.values() if member.isreg()]
        texts = "".join(file.read().decode("utf-8", "replace") for file in files if file)
    for name, member in inside.items():
        if member.isreg():
            assert f"{name.rpartition('/')[2]}({member.size})" in said
    assert [secret for secret in SECRETS if secret in texts or any(secret in name for name in inside)] == []


def test_nothing_of_it_is_in_the_runs_events(work: Path) -> None:
    run = sorted((ROOT / ".navilab" / "runs").glob("*-record*"))[-1]
    events = "".join(path.read_text() for path in (run / "job_events").glob("*.json"))
    packed = base64.b64encode((work / "sent.tar.gz").read_bytes()).decode()
    assert "navilab.webui.record" in events
    assert "hunter2-planted" not in events
    assert packed[:200] not in events


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_it_is_judged_elsewhere_as_its_host(work: Path, command: str) -> None:
    live = told(navilab(work, command, "--json", "-i", "hosts.yml"))
    again = told(navilab(work, command, "--json", "--recorded", "sent.tar.gz"))
    assert again == live
