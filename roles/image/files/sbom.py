"""Print what is in the image, Python and Debian packages, as CycloneDX 1.5. The same image gives the same text."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from typing import Any


def component(kind: str, name: str, version: str) -> dict[str, str]:
    purl = f"pkg:{kind}/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def document(python: dict[str, str], debian: dict[str, str]) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "components": [component("pypi", name.lower(), python[name]) for name in sorted(python, key=str.lower)]
        + [component("deb/debian", name, debian[name]) for name in sorted(debian)],
    }


def main() -> int:
    python = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    query = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\n"]
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    debian = dict(line.split("\t") for line in listed.splitlines())
    json.dump(document(python, debian), sys.stdout, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
