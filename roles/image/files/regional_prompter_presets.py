"""Write the presets that Regional Prompter would write into its own folder at the first start, which is read-only then.

regional_prompter_presets.py EXTENSION
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

FILE = "regional_prompter_presets.json"


def constants(source: str, names: set[str]) -> dict[str, list[Any]]:
    """Module-level lists of a Python source by name; of an element that is no literal (a function) nothing is known."""
    found: dict[str, list[Any]] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id in names:
                    found[target.id] = [
                        [each.value if isinstance(each, ast.Constant) else None for each in item.elts]
                        for item in node.value.elts
                        if isinstance(item, (ast.List, ast.Tuple))
                    ]
    return found


def main() -> int:
    extension = Path(sys.argv[1])
    found: dict[str, list[Any]] = {}
    for script in sorted((extension / "scripts").glob("*.py")):
        found.update(constants(script.read_text(encoding="utf-8"), {"PRESETSDEF", "PRESET_KEYS"}))
    keys = [key[0] for key in found["PRESET_KEYS"]]
    presets = [dict(zip(keys, preset, strict=False)) for preset in found["PRESETSDEF"]]
    (extension / FILE).write_text(json.dumps(presets, indent=2), encoding="utf-8")
    print(f"{FILE}: {', '.join(preset[keys[0]] for preset in presets)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
