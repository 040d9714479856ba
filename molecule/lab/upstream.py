#!/usr/bin/env python3
"""An upstream of models that serves ranges, counts its bytes, and breaks the first answer of each in the middle.

upstream.py FOLDER ADDRESS PORT: it serves the files of FOLDER, where it leaves bytes.json with the counts, pid with its
process, and models.yml with webui_models; the first address of each model is one where nobody listens.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any

FOLDER, ADDRESS, PORT = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
CHUNK = 65536
lock = threading.Lock()
seen: dict[str, dict[str, int]] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = FOLDER / Path(self.path).name
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        first = self.count(path.name, 0, 1) == 1
        end = len(data) // 2 if first else len(data)
        for at in range(start, end, CHUNK):
            part = data[at : min(at + CHUNK, end)]
            self.wfile.write(part)
            self.count(path.name, len(part))
        if first:
            self.close_connection = True

    def count(self, name: str, size: int, request: int = 0) -> int:
        with lock:
            of = seen.setdefault(name, {"requests": 0, "bytes": 0})
            of["requests"] += request
            of["bytes"] += size
            new = FOLDER / "bytes.json.new"
            new.write_text(json.dumps(seen), encoding="ascii")
            new.rename(FOLDER / "bytes.json")
            return of["requests"]

    def log_message(self, *_arguments: object) -> None:
        pass


def models() -> list[dict[str, Any]]:
    return [
        {
            "name": path.name,
            "urls": [f"http://{ADDRESS}:{port}/{path.name}" for port in (1, PORT)],
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "size": path.stat().st_size,
        }
        for path in sorted(FOLDER.iterdir())
        if path.suffix in (".safetensors", ".yaml")
    ]


server = http.server.ThreadingHTTPServer((ADDRESS, PORT), Handler)
(FOLDER / "pid").write_text(str(os.getpid()), encoding="ascii")
wanted = json.dumps({"webui_models": models()})
(FOLDER / "models.yml").write_text(wanted, encoding="ascii")
server.serve_forever()
