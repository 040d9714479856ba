"""dockerd --validate, with programs of the test's own in dockerd's place that speak as the real ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _dockerd
from ansible_collections.navilab.webui.plugins.module_utils._docker_unit import Command

NEW = """#!/bin/sh
echo "$@" > {folder}/asked
env > {folder}/environment
for each in "$@"; do file=$each; done
stat -c %a "$file" > {folder}/mode
cp "$file" {folder}/config
{rest}
"""
CONFLICT = (
    "unable to configure the Docker daemon with file $file: the following directives are specified both as a flag and "
    "in the configuration file: http-proxy: (from flag: http://a:b@c, from file: x)"
)
OLD = """#!/bin/sh
case "$*" in
--help) cat <<'END'
Options:
      --add-runtime runtime                     Register
  -b, --bridge string                           Attach
      --insecure-registry list                  Enable
  -H, --host list                               Daemon
      --log-driver string                       Default
      --log-opt map                             Default
      --registry-mirror list                    Preferred
END
;;
*) echo "Status: unknown flag: --validate
See 'dockerd --help'., Code: 125"; exit 125;;
esac
"""


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """`dockerd(script, config)` is what is answered with that script as dockerd."""

    def ask(script: str, config: dict[str, Any], arguments: list[str] | None = None, **environment: str) -> Any:
        program = tmp_path / "dockerd"
        program.write_text(script)
        program.chmod(0o755)
        command = Command(str(program), ["-H", "fd://"] if arguments is None else arguments, environment, {}, [])
        monkeypatch.setattr(_dockerd, "command_of", lambda _tree: command)
        return _dockerd.validate({"config": json.dumps(config)})

    return ask


def test_valid(dockerd: Callable[..., Any], tmp_path: Path) -> None:
    arguments = ["-H", "fd://", "--config-file=/x", "--config-file", "/etc/docker/daemon.json", "--debug"]
    script = NEW.format(folder=tmp_path, rest="echo 'configuration OK'")
    assert dockerd(script, {"a": 1}, arguments, HTTP_PROXY="http://x") == {"valid": True, "error": ""}
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:5] == ["-H", "fd://", "--debug", "--validate", "--config-file"]
    assert (tmp_path / "mode").read_text().strip() == "600"
    assert json.loads((tmp_path / "config").read_text()) == {"a": 1}
    assert not Path(asked[5]).exists()
    environment = (tmp_path / "environment").read_text()
    assert "HTTP_PROXY=http://x" in environment and "LC_ALL=C.UTF-8" in environment


def test_refused_in_dockerds_words(dockerd: Callable[..., Any], tmp_path: Path) -> None:
    found = dockerd(NEW.format(folder=tmp_path, rest=f'echo "{CONFLICT}" >&2; exit 1'), {})
    assert found["valid"] is False
    assert found["error"].startswith("the following directives are specified both as a flag and in the configuration")
    assert "a:b" not in found["error"] and str(tmp_path) not in found["error"]
    found = dockerd("#!/bin/sh\necho \"Status: unknown flag: --foo\nSee 'dockerd --help'., Code: 125\"; exit 125", {})
    assert found == {"valid": False, "error": "unknown flag: --foo"}


@pytest.mark.parametrize(
    ("config", "strange"),
    [
        ({"log-driver": "x", "log-opts": {"a": "b"}, "hosts": [], "insecure-registries": [], "runtimes": {}}, ""),
        ({"bridge": "x", "features": {"a": True}, "builder": {"gc": {}}, "cluster-store": "x", "graph": "/x"}, ""),
        ({"proxies": {"http-proxy": "x"}}, "http-proxy"),
        ({"nonsense": 1, "bridge": "x"}, "nonsense"),
        ({"log-drivers": "x"}, "log-drivers"),
        ({"runtime": "x", "host": []}, "runtime"),
    ],
)
def test_an_old_one_tells_its_options(dockerd: Callable[..., Any], config: dict[str, Any], strange: str) -> None:
    found = dockerd(OLD, config)
    assert found["valid"] is (False if strange else None)
    assert not strange or found["error"].endswith(f"any configuration option: {strange}")


@pytest.mark.parametrize("script", ["#!/bin/sh\nsleep 60", "#!/nowhere", "#!/bin/sh\nexit 3"])
def test_trouble_is_a_value(dockerd: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(_dockerd, "_TIMEOUT", 0.3)
    found = dockerd(script, {})
    assert found["valid"] is (False if "exit 3" in script else None) and found["error"]


@pytest.mark.parametrize(
    "command",
    [
        Command(None, None, {}, {}, []),
        Command("/usr/local/bin/start-docker", None, {}, {}, []),
        Command("/usr/bin/podman", ["system"], {}, {}, []),
    ],
)
def test_what_is_no_dockerd_is_not_asked(monkeypatch: pytest.MonkeyPatch, command: Command) -> None:
    monkeypatch.setattr(_dockerd, "command_of", lambda _tree: command)
    monkeypatch.setattr(_dockerd.shutil, "which", lambda _name: None)
    assert _dockerd.validate({"config": "{}"})["valid"] is None
