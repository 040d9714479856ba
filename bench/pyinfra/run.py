"""pyinfra's own command line; what it sent to each host goes as JSON to the file that NAVILAB_BENCH_COUNTS names.

One shell command counts one, and so does one file: each is a round trip over the host's connection.
"""

from __future__ import annotations

import atexit
import json
import os
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from pyinfra.connectors.ssh import SSHConnector
from pyinfra_cli.main import main

trips: Counter[str] = Counter()


def counted(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, with each call counted for its host."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        trips[self.host.name] += 1
        return method(self, *args, **kwargs)

    return call


for name in ("run_shell_command", "put_file", "get_file"):
    setattr(SSHConnector, name, counted(getattr(SSHConnector, name)))
atexit.register(lambda: Path(os.environ["NAVILAB_BENCH_COUNTS"]).write_text(json.dumps(trips), encoding="utf-8"))
main()
