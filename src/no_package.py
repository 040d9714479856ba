"""What pip asks for a package of the driver (pyproject.toml). There is none: it runs its checkout's playbooks."""

from __future__ import annotations

from typing import NoReturn


def build_wheel(*_arguments: object, **_named: object) -> NoReturn:
    """Say what there is in its place."""
    raise SystemExit(
        "navilab is started in its checkout, as ./navilab, and is no package to install.\n"
        "The collection is one: ansible-galaxy collection build, then ansible-galaxy collection install of that."
    )


build_sdist = build_editable = build_wheel
