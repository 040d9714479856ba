"""Write the index of a bundle, at last.

    index.py BUNDLE FILE ...

`bundle.json` gets size and sha256 of each FILE (a path in BUNDLE), and the names of the packages of each release.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any


def described(path: Path) -> dict[str, Any]:
    hasher = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            hasher.update(chunk)
    return {"size": path.stat().st_size, "sha256": hasher.hexdigest()}


def packages(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        stream = tar.extractfile("./Packages")
        text = stream.read().decode() if stream else ""
    return sorted(set(re.findall(r"(?m)^Package: (\S+)$", text)))


def main() -> None:
    bundle, names = Path(sys.argv[1]), sys.argv[2:]
    found = {
        "files": {name: described(bundle / name) for name in sorted(names)},
        "packages": {Path(name).stem: packages(bundle / name) for name in sorted(names) if name.startswith("debs/")},
    }
    new = bundle / "bundle.json.new"
    new.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    new.replace(bundle / "bundle.json")


if __name__ == "__main__":
    main()
