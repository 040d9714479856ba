"""Give a torchvision whose own operators don't load the two names that its Python part expects, if it needs them.

A torchvision that was built for another torch (PyPI's beside a CPU torch) fails at import with 'operator
torchvision::nms does not exist'. The webui uses none of these operators; one that runs says so itself.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

SCHEMAS = """

if not _has_ops():  # added by navilab.webui: names without code
    _names = torch.library.Library("torchvision", "FRAGMENT")
    for _name in ("nms", "qnms"):
        _names.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


def imports() -> str:
    """What torchvision says when it is imported; empty if it can be."""
    done = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def main() -> int:
    trouble = imports()
    if not trouble:
        print("torchvision: has its operators")
        return 0
    if "operator torchvision::" in trouble:
        spec = importlib.util.find_spec("torchvision")
        assert spec and spec.origin
        with Path(spec.origin).with_name("extension.py").open("a", encoding="utf-8") as file:
            file.write(SCHEMAS)
        print("torchvision: built for another torch; its operators have names alone")
        trouble = imports()
    print(trouble, end="")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
