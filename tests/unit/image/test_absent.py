"""A removal takes out what the record names, and nothing else."""

from __future__ import annotations

from pathlib import Path

TASKS = Path(__file__).resolve().parents[3] / "roles/image/tasks/absent.yml"


def test_nothing_goes_by_a_variable_of_the_user() -> None:
    assert "image_cache_dir" not in TASKS.read_text(encoding="utf-8")
