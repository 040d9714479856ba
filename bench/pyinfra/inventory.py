"""The hosts that bench/run wrote down, with what the deploy wants of each."""

from __future__ import annotations

import json
import os
from pathlib import Path

hosts = [tuple(host) for host in json.loads(Path(os.environ["NAVILAB_BENCH_HOSTS"]).read_text(encoding="utf-8"))]
