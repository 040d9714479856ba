#!/usr/bin/env python3
"""Write docs/docsite/rst/guide_checks.rst, the page about the checks, from the checks themselves.

How a check decides is its function's first text; evidence and remedy are what it says of the failing hosts in
tests/unit/plugins/module_utils/test_checks.py. What else stops a host is in plugins/plugin_utils/_problems.py.
With --check nothing is written, and the exit code is 1 if the page would change.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from rst import heading, keep, sentence, table

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "docsite" / "rst" / "guide_checks.rst"
CASES = ROOT / "tests" / "unit" / "plugins" / "module_utils" / "test_checks.py"
HEAD = """\
.. Made by tests/tools/checks_page.py from the checks themselves. Do not edit.

.. _ansible_collections.navilab.webui.docsite.guide_checks:

The checks and their remedies
=============================

A failure names the check, what was seen (the evidence) and what to do (the remedy). Checks run in the order of cause
and effect, and one whose cause has failed is skipped, so the first failure is the one to mend.
``./navilab verify --checks`` shows all of them.

A check that can't pass somewhere is waived with a reason, for all hosts or one, and stays visible:

.. code-block:: yaml

    navilab_waive:
      pcie_atomics: tested by hand

A waiver counts before anything changes, before the webui starts, and in the end; ``selftest`` leaves the image's test
on the board out. The variables that this one dict replaces (``preflight_waive``, ``verify_waive``,
``webui_kfd_waive``, ``webui_selftest_waive``) stop the run, which says so.

What is seen and what to do are the checks' own words about hosts that were made to fail; paths, names and numbers are
those of these hosts.

.. contents::
   :local:
   :depth: 2
"""
SCOPES = {
    "kfd": "The board, its driver and KFD",
    "host": "The host",
    "webui": "The webui",
}


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def failures() -> dict[str, dict[tuple[str, str], None]]:
    """Evidence and remedy of the failing hosts, by check."""
    tests = load(CASES)
    with tempfile.TemporaryDirectory() as root:
        simulated = tests.simulate(Path(root))
    said: dict[str, dict[tuple[str, str], None]] = {}
    for check, changes, _evidence, _remedy in tests.FAILURES:
        seen: dict[str, Any] = tests.by_id(tests.evaluated(tests.live(simulated), changes))[check]
        said.setdefault(check, {})[(seen["evidence"], seen["remedy"])] = None
    return said


def page() -> str:
    """The whole page as it should be."""
    for path in ("collections", "src"):
        sys.path.insert(0, str(ROOT / path))
    from ansible_collections.navilab.webui.plugins.module_utils._checks import CHECKS
    from ansible_collections.navilab.webui.plugins.plugin_utils import _access, _problems

    said, lines = failures(), HEAD.splitlines()
    for scope, title in SCOPES.items():
        lines += heading(title, "-")
        for row in (row for row in CHECKS if row.scope == scope):
            lines += heading(row.id, "^")
            lines.append(sentence(" ".join((inspect.getdoc(row.evaluate) or "").split())))
            if row.causes:
                lines[-1] += f" Skipped where {' or '.join(f'``{cause}``' for cause in row.causes)} failed."
            lines.append("")
            cases = [(sentence(evidence), sentence(remedy)) for evidence, remedy in said.get(row.id, {})]
            if cases:
                lines += table(("What is seen", "What to do"), cases, "45 55")
            if row.id in _problems.PLANNED:
                cause, remedy = map(sentence, _problems.PLANNED[row.id])
                lines += [f"It stops a run before the change, too: {cause}. What to do: {remedy}.", ""]
    for title, problems in _problems.CHAPTERS.items():
        lines += heading(title, "-")
        rows = [(f"``{name}``", sentence(each.cause), sentence(each.remedy)) for name, each in problems.items()]
        lines += table(("Check", "Usual cause", "What to do"), rows, "20 40 40")
    lines += heading("What Ansible meets, in detail", "-")
    lines += ["Which of these a host gets is told by what ssh, sudo, Python or the file system said.", ""]
    ways = [
        (f"``{name}``", sentence(way.remedy.replace("{host}", "HOST")))
        for name, each in _access._WAYS.items()
        for way in each
    ]
    lines += table(("Check", "What to do"), dict.fromkeys(ways), "20 80")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Write the page, or check it."""
    return keep(PAGE, page, __doc__)


if __name__ == "__main__":
    sys.exit(main())
