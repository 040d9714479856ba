#!/usr/bin/env python3
"""Write the variable tables of roles/*/README.md from the roles' meta/argument_specs.yml.

The table lies between two marker lines and is replaced there; all else in a README is its author's. A role without a
README gets one. With --check nothing is written: the READMEs that differ are named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
BEGIN = "<!-- variables: made by tests/tools/role_readme.py from meta/argument_specs.yml -->"
END = "<!-- end of variables -->"
MARKUP = re.compile(r"\b(?:([BCEIMOPV])\(([^()]*(?:\([^()]*\)[^()]*)*)\)|L\(([^,()]*), *([^()]*)\)|U\(([^()]*)\))")


def specs(role: Path) -> Mapping[str, Any]:
    """A role's entry points."""
    document = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    entries: Mapping[str, Any] = document["argument_specs"]
    return entries


def options(role: Path) -> dict[str, Mapping[str, Any]]:
    """A role's variables over all its entry points."""
    return {name: spec for entry in specs(role).values() for name, spec in (entry.get("options") or {}).items()}


def markdown(text: Any) -> str:
    """Ansible's markup as Markdown, in one line of a table."""

    def replace(match: re.Match[str]) -> str:
        kind, inner, label, link, url = match.groups()
        if label is not None:
            return f"[{label}]({link})"
        if url is not None:
            return f"<{url}>"
        return f"**{inner}**" if kind == "B" else f"*{inner}*" if kind == "I" else f"`{inner}`"

    joined = " ".join(text) if isinstance(text, list) else str(text or "")
    return MARKUP.sub(replace, " ".join(joined.split())).replace("|", "\\|")


def rows(variables: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterator[str]:
    """One row a variable, then one for each of its keys."""
    for name, spec in variables.items():
        kind = spec.get("type", "str")
        if kind == "list" and "elements" in spec:
            kind = f"list of {spec['elements']}"
        if spec.get("required"):
            default = "**required**"
        elif spec.get("default") is None:
            default = ""
        else:
            default = f"`{json.dumps(spec['default'], ensure_ascii=False)}`".replace("|", "\\|")
        meaning = markdown(spec.get("description"))
        if spec.get("choices"):
            meaning += f" One of {', '.join(f'`{choice}`' for choice in spec['choices'])}."
        yield f"| `{prefix}{name}` | {kind} | {default} | {meaning} |"
        nested = spec.get("options")
        if nested:
            yield from rows(nested, f"{prefix}{name}{'[]' if spec.get('type') == 'list' else ''}.")


def table(role: Path) -> str:
    """The part between the markers, markers included."""
    variables = options(role)
    lines = ["| Variable | Type | Default | Meaning |", "|---|---|---|---|", *rows(variables)]
    if not variables:
        lines = ["This role has no variables."]
    return "\n".join([BEGIN, *lines, END])


def readme(role: Path) -> str:
    """The whole README as it should be."""
    path = role / "README.md"
    part = table(role)
    if path.exists():
        text = path.read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            raise ValueError(f"{path}: needs each of the lines {BEGIN!r} and {END!r} once")
        head, _, rest = text.partition(BEGIN)
        return head + part + rest.partition(END)[2]
    main = next(iter(specs(role).values()))
    description = main.get("description") or []
    paragraphs = [description] if isinstance(description, str) else description
    return "\n\n".join(
        [
            f"# navilab.webui.{role.name}",
            *(text.replace("\\|", "|") for text in map(markdown, [f"{main['short_description']}.", *paragraphs])),
            "## Variables",
            part + "\n",
        ]
    )


def main() -> int:
    """Write the READMEs, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if a README would change")
    check = parser.parse_args().check
    stale = 0
    for role in sorted(path.parents[1] for path in ROLES.glob("*/meta/argument_specs.yml")):
        path = role / "README.md"
        wanted = readme(role)
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        stale += 1
        print(f"{path.relative_to(ROLES.parent)}: {'differs' if check else 'written'}", file=sys.stderr)
        if not check:
            path.write_text(wanted, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
