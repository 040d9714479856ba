"""The stand-in, run as a process on loopback, against what the real webui was measured to do."""

from __future__ import annotations

import base64
import dataclasses
import json
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import webuiapi

from navilab.lab.inventory import tiny_model

SERVER = Path(__file__).parents[3] / "src/navilab/lab/standin/server.py"
DELAY = "0.2"


@dataclasses.dataclass
class Served:
    url: str
    port: int
    data: Path
    process: subprocess.Popen[str]

    def ask(self, path: str, body: Any = None, method: str | None = None, **headers: str) -> tuple[int, bytes]:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def status(self, path: str, *args: Any, **kwargs: Any) -> int:
        return self.ask(path, *args, **kwargs)[0]

    def json(self, path: str, *args: Any) -> Any:
        return json.loads(self.ask(path, *args)[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(data: Path, *arguments: str, model: bool = True, env: dict[str, str] | None = None) -> Iterator[Served]:
    if model:
        folder = data / "models/Stable-diffusion"
        folder.mkdir(parents=True)
        (folder / "tiny.safetensors").write_bytes(tiny_model())
    port = free_port()
    command = [sys.executable, "-I", str(SERVER), "--data-dir", str(data), "--port", str(port), *arguments]
    environment = {"NAVILAB_STANDIN_DELAY": DELAY, **(env or {})}
    log = (data / "log.txt").open("w")
    with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, text=True) as process:
        result = Served(f"http://127.0.0.1:{port}", port, data, process)
        try:
            end = time.monotonic() + 10
            while "Startup time" not in (data / "log.txt").read_text() and process.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.02)
            yield result
        finally:
            process.kill()
            log.close()


@pytest.fixture(scope="module")
def webui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(
        tmp_path_factory.mktemp("webui"), "--api", "--medvram", "--opt-sub-quad-attention", "--theme", "dark"
    ) as running:
        yield running


def test_page_says_that_it_is_a_stand_in_and_lists_models(webui: Served) -> None:
    status, page = webui.ask("/")
    assert status == 200
    assert b"stand-in" in page
    assert b"tiny.safetensors [" in page


def test_webuiapi_lists_models_and_draws(webui: Served) -> None:
    api = webuiapi.WebUIApi(host="127.0.0.1", port=webui.port)
    assert [name.split(" [")[0] for name in api.util_get_model_names()] == ["tiny.safetensors"]
    result = api.txt2img(prompt="a castle", seed=7, width=200, height=136, steps=4)
    assert result.image.size == (200, 136)
    assert result.info["seed"] == 7
    assert result.image.text["parameters"].startswith("a castle\nSteps: 4")
    again = api.txt2img(prompt="a castle", seed=7, width=200, height=136, steps=4)
    other = api.txt2img(prompt="a castle", seed=8, width=200, height=136, steps=4)
    assert again.image.tobytes() == result.image.tobytes() != other.image.tobytes()
    assert api.img2img(images=[result.image], prompt="a castle", seed=7, width=64, height=64).image.size == (64, 64)
    assert not (webui.data / "outputs").exists()


def test_picture_is_kept_when_asked(webui: Served) -> None:
    answer = webui.json(
        "/sdapi/v1/txt2img", {"prompt": "ein/Schloß", "width": 64, "height": 32, "seed": 3, "save_images": True}
    )
    png = base64.b64decode(answer["images"][0])
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (64, 32)
    (kept,) = (webui.data / "outputs/txt2img-images").glob("*/*.png")
    assert kept.read_bytes() == png
    assert kept.name == "00000-3-einSchloß.png"
    assert "Seed: 3" in (webui.data / "params.txt").read_text()


def test_model_fields(webui: Served) -> None:
    (model,) = webui.json("/sdapi/v1/sd-models")
    assert set(model) == {"title", "model_name", "hash", "sha256", "filename", "config"}
    assert model["title"] == f"tiny.safetensors [{model['sha256'][:10]}]"
    assert Path(model["filename"]).is_file()


def test_model_that_came_later_is_seen_after_a_refresh(webui: Served) -> None:
    late = webui.data / "models/Stable-diffusion/late.ckpt"
    late.write_bytes(b"late")
    assert len(webui.json("/sdapi/v1/sd-models")) == 1
    webui.ask("/sdapi/v1/refresh-checkpoints", {})
    assert len(webui.json("/sdapi/v1/sd-models")) == 2
    late.unlink()
    webui.ask("/sdapi/v1/refresh-checkpoints", {})


def test_options_are_kept(webui: Served) -> None:
    assert not (webui.data / "config.json").exists()
    assert webui.status("/sdapi/v1/options", {"CLIP_stop_at_last_layers": 2}) == 200
    assert webui.json("/sdapi/v1/options")["CLIP_stop_at_last_layers"] == 2
    assert json.loads((webui.data / "config.json").read_text())["CLIP_stop_at_last_layers"] == 2


def test_data_directory(webui: Served) -> None:
    made = {"Stable-diffusion", "Codeformer", "Lora", "GFPGAN", "hypernetworks"}
    assert {path.name for path in (webui.data / "models").iterdir()} == made
    assert {"extensions", "cache", "ui-config.json"} < {path.name for path in webui.data.iterdir()}


def test_log_has_the_real_ones_lines_in_order(webui: Served) -> None:
    log = (webui.data / "log.txt").read_text()
    lines = (
        "Launching Web UI with arguments: --data-dir", "Calculating sha256 for", "Loading weights [",
        "Creating model from config: ", f"Running on local URL:  http://127.0.0.1:{webui.port}", "Startup time: ",
        "Model loaded in ",
    )  # fmt: skip
    places = [log.find(line) for line in lines]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/internal/ping", 200),
        ("HEAD", "/internal/ping", 405),
        ("HEAD", "/", 200),
        ("GET", "/internal/sysinfo", 200),
        ("POST", "/internal/progress", 200),
        ("GET", "/login", 405),
        ("GET", "/login_check", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/sdapi/v1/memory", 200),
        ("GET", "/sdapi/v1/cmd-flags", 200),
        ("GET", "/sdapi/v1/samplers", 200),
        ("GET", "/sdapi/v1/progress?skip_current_image=true", 200),
        ("GET", "/sdapi/v1/txt2img", 405),
        ("POST", "/sdapi/v1/server-kill", 404),
        ("GET", "/nothing", 404),
        ("GET", "/file=/etc/hostname", 403),
    ],
)
def test_statuses(webui: Served, method: str, path: str, status: int) -> None:
    assert webui.status(path, b"" if method == "POST" else None, method) == status


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"width": "wide"}', b"\xff"])
def test_bad_body(webui: Served, body: bytes) -> None:
    assert webui.status("/sdapi/v1/txt2img", body) == 422


def test_no_model_is_ready_and_empty_without_api_404(tmp_path: Path) -> None:
    with served(tmp_path, "--listen", "--api", model=False) as webui:
        assert webui.status("/internal/ping") == 200
        assert webui.json("/sdapi/v1/sd-models") == []
        assert webui.status("/sdapi/v1/txt2img", {"prompt": "x"}) == 500
        assert "No checkpoints found" in (tmp_path / "log.txt").read_text()


def test_api_alone_has_no_page(tmp_path: Path) -> None:
    with served(tmp_path, "--nowebui", "--server-name", "127.0.0.1") as webui:
        assert (webui.status("/"), webui.status("/internal/ping"), webui.status("/sdapi/v1/sd-models")) == (
            404,
            404,
            200,
        )
        webui.process.send_signal(signal.SIGTERM)
        assert webui.process.wait(5) == 143


def test_page_and_api_have_separate_logins(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("u:p\n")
    with served(tmp_path, "--api", "--api-auth", "a:b", "--gradio-auth-path", str(tmp_path / "secret")) as webui:
        assert webui.status("/sdapi/v1/sd-models") == 401
        basic = base64.b64encode(b"a:b").decode()
        assert webui.status("/sdapi/v1/sd-models", Authorization=f"Basic {basic}") == 200
        assert b"Login" in webui.ask("/")[1]
        assert webui.status("/config") == 401
        assert webui.status("/login", b"username=u&password=wrong") == 400
        assert webui.status("/login", b"username=u&password=p") == 200
        assert webui.status("/internal/sysinfo") == 200
        assert "a:b" not in webui.ask("/internal/sysinfo")[1].decode()


def test_extension_can_set_the_login(tmp_path: Path) -> None:
    extension = tmp_path / "extensions/login"
    extension.mkdir(parents=True)
    (extension / "preload.py").write_text("def preload(parser):\n    parser.set_defaults(api_auth='a:b')\n")
    with served(tmp_path, "--api") as webui:
        assert webui.status("/sdapi/v1/sd-models") == 401


def test_without_api(tmp_path: Path) -> None:
    with served(tmp_path) as webui:
        assert webui.status("/sdapi/v1/sd-models") == 404
        webui.process.send_signal(signal.SIGINT)
        assert webui.process.wait(5) == 0


def test_arguments_from_the_environment(tmp_path: Path) -> None:
    with served(tmp_path, env={"COMMANDLINE_ARGS": "--api --theme dark"}) as webui:
        assert webui.json("/sdapi/v1/cmd-flags")["theme"] == "dark"


def test_unknown_argument_and_taken_port(tmp_path: Path) -> None:
    environment = {"NAVILAB_STANDIN_DELAY": "0"}
    command = [sys.executable, str(SERVER), "--data-dir", str(tmp_path)]
    assert subprocess.run([*command, "--unknown"], capture_output=True, check=False).returncode == 2
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = ["--port", str(taken.getsockname()[1])]
        for more, code in ((), 1), (("--nowebui", "--server-name", "127.0.0.1"), 3):
            result = subprocess.run(
                [*command, *port, *more], env=environment, capture_output=True, check=False, timeout=10
            )
            assert result.returncode == code
