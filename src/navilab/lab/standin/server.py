"""Stand-in for AUTOMATIC1111's stable-diffusion-webui 1.10.1, without torch.

It has the real one's arguments, data directory, HTTP answers, log lines and signals. It draws a real PNG from prompt
and seed, a pattern and no work of art, and says so on its page. Standard library only. NAVILAB_STANDIN_DELAY is how
many seconds a start takes (default 3), so that whoever waits for it has something to wait for.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import hmac
import html
import importlib.util
import json
import os
import platform
import random
import shlex
import signal
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, urlsplit

VERSION = "v1.10.1"
DELAY = float(os.environ.get("NAVILAB_STANDIN_DELAY", "3"))
MADE_AT_START = ("Stable-diffusion", "Codeformer", "Lora", "GFPGAN", "hypernetworks")
PORTS = range(7860, 7960)  # where gradio finds a free one if none was asked for
API_PORT = 7861  # of --nowebui

FLAGS = """
f update-all-extensions skip-python-version-check skip-torch-cuda-test reinstall-xformers reinstall-torch update-check
skip-prepare-environment skip-install dump-sysinfo do-not-download-clip no-half no-half-vae no-progressbar-hiding
allow-code medvram medvram-sdxl lowvram lowram always-batch-cond-uncond unload-gfpgan upcast-sampling share
enable-insecure-extension-access xformers force-enable-xformers xformers-flash-attention opt-split-attention
opt-sub-quad-attention opt-split-attention-invokeai opt-split-attention-v1 opt-sdp-attention opt-sdp-no-mem-attention
disable-opt-split-attention disable-nan-check use-ipex disable-model-loading-ram-optimization listen hide-ui-dir-config
freeze-settings gradio-debug opt-channelslast autolaunch use-textbox-seed disable-console-progressbars
enable-console-prompts disable-safe-unpickle api api-log nowebui ui-debug-mode administrator disable-tls-verify
no-gradio-queue skip-version-check no-hashing no-download-sd-model add-stop-route api-server-stop
disable-all-extensions disable-extra-extensions skip-load-model-at-start unix-filenames-sanitization no-prompt-history
log-startup exit
""".split()
VALUES = """
data-dir models-dir config ckpt ckpt-dir vae-dir vae-path gfpgan-dir gfpgan-model embeddings-dir
textual-inversion-templates-dir hypernetwork-dir localizations-dir lora-dir codeformer-models-path gfpgan-models-path
esrgan-models-path bsrgan-models-path realesrgan-models-path dat-models-path clip-models-path ldsr-models-path
scunet-models-path swinir-models-path ngrok ngrok-region loglevel ui-config-file ui-settings-file styles-file
gradio-auth gradio-auth-path gradio-allowed-path theme api-auth device-id cors-allow-origins cors-allow-origins-regex
tls-keyfile tls-certfile server-name subpath freeze-settings-in-sections freeze-specific-settings
""".split()
NUMBERS = (
    "port", "max-batch-count", "timeout-keep-alive", "sub-quad-q-chunk-size", "sub-quad-kv-chunk-size",
    "sub-quad-chunk-threshold", "filenames-max-length",
)  # fmt: skip

SAMPLERS = ("DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "Euler a", "Euler", "LMS", "Heun", "DDIM", "UniPC", "LCM")
SCHEDULERS = ("automatic", "uniform", "karras", "exponential", "sgm_uniform", "simple", "normal", "ddim", "beta")
UPSCALERS = ("None", "Lanczos", "Nearest")
EMPTY_LISTS = "hypernetworks face-restorers realesrgan-models prompt-styles loras extensions script-info".split()
SHOWN_ENVIRONMENT = ("COMMANDLINE_ARGS", "HSA_OVERRIDE_GFX_VERSION", "PYTORCH_HIP_ALLOC_CONF", "LD_PRELOAD")
NO_ANSWER = "refresh-vae refresh-loras refresh-embeddings reload-checkpoint unload-checkpoint".split()


def say(text: str) -> None:
    print(text, flush=True)


# Arguments


def parser() -> argparse.ArgumentParser:
    """The real one's arguments, those of its built-in extensions included; anything else ends with exit code 2."""
    result = argparse.ArgumentParser(prog="launch.py")
    for name in FLAGS:
        result.add_argument(f"-{name}" if len(name) == 1 else f"--{name}", action="store_true")
    for name in VALUES:
        result.add_argument(f"--{name}")
    for name in NUMBERS:
        result.add_argument(f"--{name}", type=int)
    result.add_argument("--precision", choices=("full", "half", "autocast"), default="autocast")
    result.add_argument("--use-cpu", nargs="+", default=[])
    return result


def arguments(argv: list[str]) -> argparse.Namespace:
    """argv and COMMANDLINE_ARGS, after the extensions, built in ones too, had their say (preload.py)."""
    argv += shlex.split(os.environ.get("COMMANDLINE_ARGS", ""))
    early, _ = parser().parse_known_args(argv)
    full = parser()
    folders = (Path(__file__).parent / "extensions-builtin", data_dir(early) / "extensions")
    for path in (path for folder in folders for path in sorted(folder.glob("*/preload.py"))):
        spec = importlib.util.spec_from_file_location(f"preload_{path.parent.name}", path)
        if spec and spec.loader:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.preload(full)
    if os.environ.get("IGNORE_CMD_ARGS_ERRORS"):
        return full.parse_known_args(argv)[0]
    return full.parse_args(argv)


def data_dir(args: argparse.Namespace) -> Path:
    return Path(args.data_dir or Path.cwd())


# Pictures


def picture(prompt: str, seed: int, width: int, height: int, parameters: str) -> bytes:
    """A PNG of that size: a mirrored mosaic in colours that follow from prompt and seed, with its parameters."""
    source = random.Random(f"{prompt}\0{seed}")  # noqa: S311 - a pattern, no secret
    hue = [source.randrange(256) for _ in range(3)]
    cells = 16
    rows = []
    for _ in range(cells):
        half = [bytes((source.randrange(256) + tone) // 2 for tone in hue) for _ in range(cells // 2)]
        rows.append(half + half[::-1])
    lines = []
    for y in range(height):
        row = rows[y * cells // height]
        lines.append(b"\0" + b"".join(row[x * cells // width] for x in range(width)))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"iTXt", b"parameters\0\0\0\0\0" + parameters.encode())
        + chunk(b"IDAT", zlib.compress(b"".join(lines), 6))
        + chunk(b"IEND", b"")
    )


# The webui's state


class Webui:
    """Models, options and progress; what the handlers answer from."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.data = data_dir(args)
        self.models_dir = Path(args.models_dir) if args.models_dir else self.data / "models"
        self.checkpoints: list[Path] = []
        self.hashes: dict[Path, str] = {}
        self.options: dict[str, Any] = {"samples_save": True, "samples_format": "png", "sd_vae": "Automatic"}
        self.saved: dict[str, Any] = {}
        self.settings = Path(args.ui_settings_file or self.data / "config.json")
        self.routes_ready = False
        self.drawing = threading.Lock()
        self.job: dict[str, Any] = {}
        self.started = time.monotonic()
        self.startup: dict[str, Any] = {}

    def make_tree(self) -> None:
        for name in MADE_AT_START:
            (self.models_dir / name).mkdir(parents=True, exist_ok=True)
        for name in ("extensions", "cache"):
            (self.data / name).mkdir(parents=True, exist_ok=True)
        if self.settings.exists():
            self.saved = json.loads(self.settings.read_text(encoding="utf-8"))
        ui_config = Path(self.args.ui_config_file or self.data / "ui-config.json")
        if not self.args.nowebui and not ui_config.exists():
            sizes = {"txt2img/Width/value": 512, "txt2img/Height/value": 512}
            ui_config.write_text(json.dumps(sizes, indent=4), encoding="utf-8")

    def find_checkpoints(self) -> None:
        """At start and on refresh, as the real one: a file that came later isn't listed before."""
        folders = [Path(self.args.ckpt_dir)] if self.args.ckpt_dir else []
        found = []
        for folder in [*folders, self.models_dir / "Stable-diffusion"]:
            found += [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".ckpt")]
        self.checkpoints = sorted(set(found), key=lambda path: str(path).lower())

    def model(self, path: Path) -> dict[str, Any]:
        sha256 = self.hashes.get(path)
        short = sha256[:10] if sha256 else None
        title = f"{path.name} [{short}]" if short else path.name
        return {
            "title": title,
            "model_name": path.stem,
            "hash": short,
            "sha256": sha256,
            "filename": str(path),
            "config": None,
        }

    def chosen(self) -> Path | None:
        wanted = str(self.saved.get("sd_model_checkpoint") or self.args.ckpt or "")
        for path in self.checkpoints:
            if wanted and wanted.split(" [")[0] in (path.name, path.stem, str(path)):
                return path
        return self.checkpoints[0] if self.checkpoints else None

    def load(self) -> bool:
        """Log lines of a checkpoint's loading; its hash is known from then on."""
        path = self.chosen()
        if path is None:
            return False
        if path not in self.hashes and not self.args.no_hashing:
            with path.open("rb") as handle:
                self.hashes[path] = hashlib.file_digest(handle, "sha256").hexdigest()
            say(f"Calculating sha256 for {path}: {self.hashes[path]}")
        say(f"Loading weights [{self.hashes.get(path, '')[:10] or None}] from {path}")
        say("Creating model from config: /stand-in/configs/v1-inference.yaml")
        return True

    def all_options(self) -> dict[str, Any]:
        path = self.chosen()
        model = self.model(path) if path else {"title": None, "sha256": None}
        current = {"sd_model_checkpoint": model["title"], "sd_checkpoint_hash": model["sha256"] or ""}
        return {**self.options, **self.saved, **current}

    def set_options(self, new: dict[str, Any]) -> None:
        before = self.chosen()
        self.saved.update(new)
        self.settings.write_text(json.dumps({**self.options, **self.saved}, indent=4), encoding="utf-8")
        if self.chosen() != before:
            self.load()

    def draw(self, body: dict[str, Any], kind: str) -> dict[str, Any]:
        prompt = str(body.get("prompt", ""))
        usual = {"width": 512, "height": 512, "steps": 50}
        width, height, steps = (int(body.get(key) or value) for key, value in usual.items())
        count = max(1, int(body.get("batch_size") or 1)) * max(1, int(body.get("n_iter") or 1))
        first = int(body.get("seed", -1))
        first = random.randrange(2**32) if first == -1 else first  # noqa: S311
        path = self.chosen()
        if path is None:
            raise LookupError("No checkpoints found")
        model = self.model(path)
        sampler = body.get("sampler_name") or body.get("sampler_index") or "Euler"
        pictures, texts = [], []
        with self.drawing:
            for seed in range(first, first + count):
                self.job = {"job": kind, "step": 0, "steps": steps, "start": time.time()}
                text = (
                    f"{prompt}\nSteps: {steps}, Sampler: {sampler}, CFG scale: {body.get('cfg_scale', 7.0)}, "
                    f"Seed: {seed}, Size: {width}x{height}, Model hash: {model['hash']}, Model: {model['model_name']}, "
                    f"Version: {VERSION} (stand-in)"
                )
                png = picture(prompt, seed, width, height, text)
                self.job["step"] = steps
                pictures.append(png)
                texts.append(text)
                if body.get("save_images"):
                    self.save(png, kind, seed, prompt)
            (self.data / "params.txt").write_text(texts[-1], encoding="utf-8")
            self.job = {}
        info = {
            "prompt": prompt, "all_prompts": [prompt] * count, "negative_prompt": body.get("negative_prompt", ""),
            "seed": first, "all_seeds": list(range(first, first + count)), "width": width, "height": height,
            "sampler_name": sampler, "cfg_scale": body.get("cfg_scale", 7.0), "steps": steps,
            "batch_size": body.get("batch_size", 1), "sd_model_name": model["model_name"],
            "sd_model_hash": model["hash"], "infotexts": texts, "is_stand_in": True, "version": VERSION,
        }  # fmt: skip
        sent = [base64.b64encode(png).decode() for png in pictures] if body.get("send_images", True) else []
        return {"images": sent, "parameters": body, "info": json.dumps(info)}

    def save(self, png: bytes, kind: str, seed: int, prompt: str) -> None:
        folder = self.data / "outputs" / f"{kind}-images" / datetime.date.today().isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.png")))
        words = "".join(letter if letter.isalnum() or letter in " -_" else "" for letter in prompt)[:60].strip()
        (folder / f"{number:05d}-{seed}-{words}.png").write_bytes(png)

    def progress(self) -> dict[str, Any]:
        job = dict(self.job)
        done = job.get("step", 0) / max(1, job.get("steps", 1)) if job else 0.0
        state = {
            "skipped": False, "interrupted": False, "stopping_generation": False, "job": job.get("job", ""),
            "job_count": 1 if job else 0, "job_timestamp": "0", "job_no": 0, "sampling_step": job.get("step", 0),
            "sampling_steps": job.get("steps", 0),
        }  # fmt: skip
        return {"progress": done, "eta_relative": 0.0, "state": state, "current_image": None, "textinfo": None}

    def sysinfo(self) -> dict[str, Any]:
        """Open to all in the real one too, COMMANDLINE_ARGS in clear included."""
        return {
            "Platform": platform.platform(), "Python": platform.python_version(), "Version": VERSION,
            "Commit": "<none>", "Stand-in": True, "Script path": "/stand-in", "Data path": str(self.data),
            "Commandline": hidden(sys.argv), "Torch env info": {},
            "Environment": {name: os.environ[name] for name in SHOWN_ENVIRONMENT if name in os.environ},
            "Config": self.all_options(), "Extensions": [],
        }  # fmt: skip

    def memory(self) -> dict[str, Any]:
        lines = [line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()]
        size = {words[0]: int(words[1]) * 1024 for words in lines}
        total, free = size["MemTotal:"], size["MemAvailable:"]
        return {"ram": {"free": free, "used": total - free, "total": total}, "cuda": {"error": "unavailable"}}

    def credentials(self) -> dict[str, str]:
        """Of the page: --gradio-auth and --gradio-auth-path, "user:password" by comma or line."""
        text = self.args.gradio_auth or ""
        if self.args.gradio_auth_path:
            text += "," + Path(self.args.gradio_auth_path).read_text(encoding="utf-8").replace("\n", ",")
        return dict(pair.strip().split(":", 1) for pair in text.split(",") if ":" in pair)


def hidden(argv: list[str]) -> list[str]:
    """As the real one: only where option and value are two words."""
    secret = ("--api-auth", "--gradio-auth")
    return ["<hidden>" if before in secret else word for before, word in zip(["", *argv], argv, strict=False)]


# HTTP


class Reply(Exception):  # noqa: N818 - a way out, no error
    """An answer that ends the request."""

    def __init__(self, status: int, body: Any, kind: str = "application/json", **headers: str) -> None:
        self.status = status
        self.data = json.dumps(body).encode() if kind == "application/json" else str(body).encode()
        self.headers = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}


NOT_FOUND = {"detail": "Not Found"}
NEEDS_COOKIE = ("/queue/status", "/info", "/config", "/login_check")


class Handler(BaseHTTPRequestHandler):
    """One request. `webui` and the cookie of a login are shared by all."""

    webui: Webui
    cookie = hashlib.sha256(os.urandom(16)).hexdigest()
    protocol_version = "HTTP/1.1"
    server_version = "uvicorn"
    sys_version = ""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Silent, as gradio's server is."""

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        after: Callable[[], None] | None = None
        try:
            answer, after = self._answer(method, urlsplit(self.path).path, body), None
            if isinstance(answer, tuple):
                answer, after = answer
            reply = answer if isinstance(answer, Reply) else Reply(200, answer)
        except Reply as early:
            reply = early
        except (KeyError, TypeError, ValueError) as error:
            reply = Reply(422, {"detail": [{"loc": ["body"], "msg": str(error), "type": "value_error"}]})
        except Exception as error:
            reply = Reply(500, {"error": type(error).__name__, "detail": "", "body": "", "errors": str(error)})
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status == 200 and urlsplit(self.path).path == "/login":
            for name in ("access-token", "access-token-unsecure"):
                self.send_header("Set-Cookie", f"{name}={self.cookie}; HttpOnly; SameSite=Lax; Path=/")
        self.send_header("Content-Length", str(len(reply.data)))
        self.end_headers()
        if method != "HEAD":
            self.wfile.write(reply.data)
        if after:
            after()

    def _answer(self, method: str, path: str, body: bytes) -> Any:
        webui, args = self.webui, self.webui.args
        if path in ("/docs", "/openapi.json"):
            openapi = {"openapi": "3.0.2", "info": {"title": "FastAPI"}, "paths": {}}
            return openapi if path == "/openapi.json" else Reply(200, "stand-in", "text/html")
        is_api = path.startswith("/sdapi/v1/")
        if is_api:
            if not (args.api or args.nowebui) or not webui.routes_ready:
                raise Reply(404, NOT_FOUND)
            self._api_login()
            return self._api(method, path.removeprefix("/sdapi/v1/"), body)
        if args.nowebui or (path.startswith("/internal/") and not webui.routes_ready):
            raise Reply(404, NOT_FOUND)
        return self._page(method, path, body)

    # The page

    def _page(self, method: str, path: str, body: bytes) -> Any:
        webui = self.webui
        users = webui.credentials()
        logged_in = not users or f"={self.cookie}" in self.headers.get("Cookie", "")
        if path == "/" and method in ("GET", "HEAD"):
            return Reply(200, page(webui) if logged_in else LOGIN_PAGE, "text/html; charset=utf-8")
        if path == "/login":
            if method != "POST":
                raise Reply(405, {"detail": "Method Not Allowed"})
            if not users:
                raise Reply(404, NOT_FOUND)
            form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
            password = users.get(form.get("username", ""))
            if password is None or not hmac.compare_digest(password, form.get("password", "")):
                raise Reply(400, {"detail": "Incorrect credentials."})
            return {"success": True}
        if path in NEEDS_COOKIE or path.startswith("/file="):
            if not logged_in:
                raise Reply(401, {"detail": "Not authenticated"})
            if path.startswith("/file="):
                return self._file(Path(path.removeprefix("/file=")))
            return {"status": "OK"} if path == "/queue/status" else {}
        if path == "/internal/progress" and method == "POST":
            progress = webui.progress()["progress"]
            return {"active": bool(webui.job), "queued": False, "completed": not webui.job, "progress": progress}
        known: dict[str, Callable[[], Any]] = {
            "/internal/ping": dict,
            "/internal/sysinfo": webui.sysinfo,
            "/internal/profile-startup": lambda: webui.startup,
            "/internal/pending-tasks": lambda: {"size": 0, "tasks": []},
            "/token": dict, "/app_id": lambda: {"app_id": 1}, "/startup-events": lambda: False, "/theme.css": dict,
        }  # fmt: skip
        if path not in known:
            raise Reply(404, NOT_FOUND)
        if method != "GET":
            raise Reply(405, {"detail": "Method Not Allowed"})
        return known[path]()

    def _file(self, path: Path) -> Reply:
        """gradio's /file=: whatever lies below the data directory, dotfiles left out."""
        full = path.resolve()
        if not full.is_relative_to(self.webui.data.resolve()) or any(part.startswith(".") for part in path.parts):
            raise Reply(403, {"detail": f"File not allowed: {path}."})
        if not full.is_file():
            raise Reply(404, NOT_FOUND)
        reply = Reply(200, "", "image/png" if full.suffix == ".png" else "text/plain")
        reply.data = full.read_bytes()
        return reply

    # The API

    def _api_login(self) -> None:
        if not self.webui.args.api_auth:
            return
        user, password = self.webui.args.api_auth.split(":")
        expected = base64.b64encode(f"{user}:{password}".encode()).decode()
        if not hmac.compare_digest(self.headers.get("Authorization", ""), f"Basic {expected}"):
            raise Reply(401, {"detail": "Incorrect username or password"}, WWW_Authenticate="Basic")

    def _api(self, method: str, name: str, body: bytes) -> Any:
        webui = self.webui
        gets: dict[str, Callable[[], Any]] = {
            "sd-models": lambda: [webui.model(path) for path in webui.checkpoints],
            "options": webui.all_options,
            "progress": webui.progress,
            "memory": webui.memory,
            "cmd-flags": lambda: vars(webui.args),  # credentials in clear, as the real one
            "samplers": lambda: [{"name": each, "aliases": [], "options": {}} for each in SAMPLERS],
            "schedulers": lambda: [{"name": each, "label": each.title(), "aliases": None} for each in SCHEDULERS],
            "upscalers": lambda: [
                {"name": each, "model_name": None, "model_path": None, "model_url": None, "scale": 4}
                for each in UPSCALERS
            ],
            "latent-upscale-modes": lambda: [{"name": "Latent"}],
            "sd-vae": lambda: [
                {"model_name": path.name, "filename": str(path)}
                for path in sorted((webui.models_dir / "VAE").glob("*.*"))
            ],
            "embeddings": lambda: {"loaded": {}, "skipped": {}},
            "scripts": lambda: {"txt2img": [], "img2img": []},
            **dict.fromkeys(EMPTY_LISTS, list),
        }
        posts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "txt2img": lambda wanted: webui.draw(wanted, "txt2img"),
            "img2img": self._img2img,
            "options": webui.set_options,
            "refresh-checkpoints": lambda _: webui.find_checkpoints(),
            **dict.fromkeys(NO_ANSWER, lambda _: None),
            **dict.fromkeys(("interrupt", "skip"), lambda _: {}),
        }
        if webui.args.api_server_stop and method == "POST" and name.startswith("server-"):
            return self._server(name.removeprefix("server-"))
        if method == "GET" and name in gets:
            return gets[name]()
        if method == "POST" and name in posts:
            wanted = json.loads(body or b"{}")
            if not isinstance(wanted, dict):
                raise TypeError("value is not a valid dict")
            return posts[name](wanted)
        if name in gets or name in posts:
            raise Reply(405, {"detail": "Method Not Allowed"})
        raise Reply(404, NOT_FOUND)

    def _img2img(self, body: dict[str, Any]) -> Any:
        if not body.get("init_images"):
            raise Reply(404, {"detail": "Init image not found"})
        answer = self.webui.draw({**body, "init_images": None}, "img2img")
        answer["parameters"].pop("init_images", None)
        return answer

    def _server(self, command: str) -> Any:
        if command == "kill":
            os._exit(0)
        if command == "restart" and not os.environ.get("SD_WEBUI_RESTART"):
            raise Reply(501, {"detail": "Not Implemented"})
        if command not in ("stop", "restart"):
            raise Reply(404, NOT_FOUND)
        return Reply(200, "Stopping.", "text/plain"), None if self.webui.args.nowebui else lambda: os._exit(0)


# Pages

LOGIN_PAGE = """<!doctype html><meta charset="utf-8"><title>Stand-in: login</title>
<form method="post" action="/login">
<input name="username"><input name="password" type="password"><button>Login</button>
</form>
"""
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Stand-in for Stable Diffusion web UI</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
body, textarea, input, button { color: #e5e7eb; background: #0b0f19; }
.note { background: #7c2d12; padding: .6rem 1rem; border-radius: .4rem; }
textarea, input, button { font: inherit; padding: .5rem .8rem; border-radius: .4rem; border: 1px solid #4b5563; }
#txt2img_prompt { flex: 1 1 100%; }
textarea { box-sizing: border-box; width: 100%; }
input { width: 5rem; }
form { display: flex; flex-wrap: wrap; align-items: end; gap: .5rem; margin: 1.5rem 0; }
img { max-width: 100%; border-radius: .4rem; }
code { color: #fdba74; }
</style>
<h1>Stable Diffusion web UI</h1>
<p class="note"><b>This is a stand-in.</b> It answers as the real webui (AUTOMATIC1111 @VERSION@) does, so that a host
can be set up and checked without a graphics board. The pictures that it draws are patterns made of prompt and seed.</p>
<form>
<div id="txt2img_prompt"><textarea placeholder="Prompt" aria-label="Prompt" autofocus></textarea></div>
<label id="txt2img_steps">Steps <input type="number" value="20"></label>
<label id="txt2img_width">Width <input type="number" value="512"></label>
<label id="txt2img_height">Height <input type="number" value="512"></label>
<button id="txt2img_generate">Generate</button>
</form>
<p id="state"></p><div id="txt2img_gallery"></div>
<h2>Models</h2><ul>@MODELS@</ul>
<script>
const state = document.getElementById("state"), gallery = document.getElementById("txt2img_gallery");
const number = name => Number(document.querySelector(`#txt2img_${name} input`).value);
async function submit() {
  state.textContent = "drawing ...";
  const body = { prompt: document.querySelector("textarea").value, save_images: true };
  for (const name of ["steps", "width", "height"]) body[name] = number(name);
  const headers = { "Content-Type": "application/json" };
  const reply = await fetch("sdapi/v1/txt2img", { method: "POST", headers, body: JSON.stringify(body) });
  if (!reply.ok) {
    state.textContent = "no picture: HTTP " + reply.status + (reply.status == 404 ? " (started without --api)" : "");
    return;
  }
  const answer = await reply.json();
  state.textContent = JSON.parse(answer.info).infotexts[0];
  const picture = new Image();
  picture.src = "data:image/png;base64," + answer.images[0];
  gallery.replaceChildren(picture);
}
document.querySelector("form").addEventListener("submit", event => { event.preventDefault(); submit(); });
</script>
</html>
"""


def page(webui: Webui) -> str:
    models = "".join(f"<li><code>{html.escape(webui.model(path)['title'])}</code></li>" for path in webui.checkpoints)
    folder = html.escape(str(webui.models_dir / "Stable-diffusion"))
    none = f"<li>none yet: put a .safetensors file into <code>{folder}</code></li>"
    return PAGE.replace("@VERSION@", VERSION).replace("@MODELS@", models or none)


# Start


def bind(args: argparse.Namespace) -> ThreadingHTTPServer:
    """The port as the real one takes it: exit 1 (3 with --nowebui) where the one that was asked for is taken."""
    # An API-only server listens everywhere unless an address is named; the page on loopback.
    local = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    address = args.server_name or ("0.0.0.0" if args.listen or args.nowebui else local)  # noqa: S104
    asked = args.port or (API_PORT if args.nowebui else None)
    for port in [asked] if asked else PORTS:
        try:
            return ThreadingHTTPServer((address, port), Handler)
        except OSError as error:
            cause = error
    if args.nowebui:
        place = f"('{address}', {asked})"
        say(f"ERROR:    [Errno {cause.errno}] error while attempting to bind on address {place}: {cause.strerror}")
        sys.exit(3)
    say(f"OSError: Cannot find empty port in range: {asked or PORTS[0]}-{asked or PORTS[-1]}.")
    sys.exit(1)


def on_signals(nowebui: bool) -> None:
    """SIGINT ends it at once with 0. For SIGTERM only uvicorn (--nowebui) has a handler, so the page as PID 1 stays."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        os._exit(0)

    def terminate(number: int, frame: FrameType | None) -> None:
        os._exit(0 if os.getpid() == 1 else 128 + number)

    signal.signal(signal.SIGINT, interrupt)
    if nowebui:
        signal.signal(signal.SIGTERM, terminate)


def main() -> None:
    ThreadingHTTPServer.daemon_threads = True
    # Its prog is the name of the real launcher; unknown arguments end here with 2.
    args = arguments(sys.argv[1:])
    on_signals(args.nowebui)
    webui = Webui(args)
    say(f"Python {platform.python_version()}\nVersion: {VERSION} (stand-in)\nCommit hash: <none>")
    say(f"Launching Web UI with arguments: {' '.join(sys.argv[1:])}")
    if args.exit:
        return
    webui.make_tree()
    phases = {"import torch": 0.5, "load scripts": 0.2, "create ui": 0.2, "add APIs": 0.1}
    time.sleep(DELAY * phases["import torch"])
    webui.find_checkpoints()
    loaded = not args.skip_load_model_at_start and webui.load()
    if not webui.checkpoints:
        folder = webui.models_dir / "Stable-diffusion"
        say(f"No checkpoints found. When searching for checkpoints, looked at:\n - directory {folder}")
    time.sleep(DELAY * (phases["load scripts"] + phases["create ui"]))
    Handler.webui = webui
    server = bind(args)
    url = f"http://{server.server_address[0]!s}:{server.server_port}"
    if not args.nowebui:
        say(f"Running on local URL:  {url}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(DELAY * phases["add APIs"])  # the port is open, the routes are not there yet
    webui.routes_ready = True
    total = time.monotonic() - webui.started
    webui.startup = {"total": total, "records": {name: DELAY * part for name, part in phases.items()}}
    say(f"Startup time: {total:.1f}s ({', '.join(f'{name}: {DELAY * part:.1f}s' for name, part in phases.items())}).")
    if args.nowebui:
        say(f"INFO:     Uvicorn running on {url} (Press CTRL+C to quit)")
    if loaded:
        part = f"{DELAY * 0.1:.1f}s"
        say(f"Model loaded in {DELAY * 0.2:.1f}s (load weights from disk: {part}, apply weights to model: {part}).")
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
