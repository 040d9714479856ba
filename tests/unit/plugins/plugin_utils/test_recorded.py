"""What is taken for the recording of a host."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.navilab.webui.plugins.plugin_utils._recorded import VARIABLE, opened


def test_a_directory_without_its_manifest_is_none(tmp_path: Path) -> None:
    (tmp_path / "host/root").mkdir(parents=True)
    (tmp_path / "host/recording.json").write_text('{"format": 1, "answers": {}, "stat": {}}')
    for path, usable in ((tmp_path / "host", True), (tmp_path / "host/root", False), (tmp_path, False)):
        with opened({VARIABLE: str(path)}, lambda value: value) as found:
            assert found is not None
            problems = found.problems(begins=False)
        assert [check["id"] for check in problems] == ([] if usable else ["recording"])
        assert usable or "there is no recording.json in it" in problems[0]["evidence"]
