#!/usr/bin/env python3
"""Read the documentation of all that an installed navilab.webui holds, with ansible-doc, from outside the checkout.

The only argument is the directory of the installation (`-p` of ansible-galaxy). Exit code 1 names what ansible-doc
can't read, and what lies in the collection but has no documentation: internal filters (_NAME) have theirs as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

COLLECTION = "navilab.webui"
KINDS = {
    "module": "plugins/modules",
    "filter": "plugins/filter",
    "callback": "plugins/callback",
    "cache": "plugins/cache",
    "test": "plugins/test",
    "lookup": "plugins/lookup",
}


def ansible_doc(installation: Path, kind: str, names: list[str]) -> dict[str, Any]:
    """`ansible-doc --json`; what it can't read is absent from the result or has the key `error`."""
    with tempfile.TemporaryDirectory() as elsewhere:
        environment = os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(installation)}
        environment.pop("ANSIBLE_CONFIG", None)
        command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "--type", kind, *names]
        done = subprocess.run(command, env=environment, cwd=elsewhere, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    try:
        document: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return {}
    return document


def problems(installation: Path) -> list[str]:
    """What is wrong, a line each."""
    root = installation / "ansible_collections" / COLLECTION.replace(".", "/")
    found = []
    wanted = {
        kind: sorted({path.stem for path in (root / place).iterdir() if path.suffix in (".py", ".yml")})
        for kind, place in KINDS.items()
        if (root / place).is_dir()
    }
    wanted["role"] = sorted(path.parents[1].name for path in root.glob("roles/*/tasks/main.yml"))
    for kind, names in wanted.items():
        full = [f"{COLLECTION}.{name}" for name in names]
        documents = ansible_doc(installation, kind, full) if full else {}
        for name in full:
            document = documents.get(name)
            if not document or "error" in document or not (document.get("doc") or document.get("entry_points")):
                found.append(f"{kind} {name}: no documentation that ansible-doc can read")
        print(f"{kind}: {len(full)}")
    actions = {path.stem for path in (root / "plugins/action").glob("*.py")}
    found += [f"action {name}: no module of its name documents it" for name in sorted(actions - set(wanted["module"]))]
    found += [f"{kind}: none in the tarball" for kind in ("module", "role") if not wanted[kind]]
    stray = [
        path for name in ("tests", "src", "molecule", ".venv", ".navilab", ".git") if (path := root / name).exists()
    ]
    return found + [f"{path.name} does not belong into the tarball" for path in stray]


if __name__ == "__main__":
    lines = problems(Path(sys.argv[1]).resolve())
    print("\n".join(lines), file=sys.stderr)
    sys.exit(1 if lines else 0)
