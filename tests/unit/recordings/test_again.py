"""The recording of a host gets the verdict of the host: each case is recorded once more, and judged again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recordings
from ansible_collections.navilab.webui.plugins.module_utils._gather import gather
from ansible_collections.navilab.webui.plugins.module_utils._recording import Collector, pack
from ansible_collections.navilab.webui.plugins.module_utils._scrub import Scrubber
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import opened
from ansible_collections.navilab.webui.plugins.plugin_utils._recorded import Recorded

ROOT = Path(__file__).parents[3]

CASES = [case for case in recordings.cases() if not case.sent]


def again(folder: Path, archive: Path) -> Scrubber:
    """Record a recording as `navilab record` would its host; who replaced what in it."""
    settings = Recorded(str(folder), str(folder), "").settings
    collector, scrubber = Collector(), Scrubber()
    gather(root=str(folder), recorder=collector, **recordings.wants(settings))
    later = ("apt ", "dockerd ", "registry ")  # what plans ask, which is not recorded
    answers = json.loads((folder / "recording.json").read_text())["answers"]
    collector.answers |= {question: said for question, said in answers.items() if question.startswith(later)}
    scrubber.know("user", ["lab"])
    archive.write_bytes(pack(collector, scrubber, settings).data)
    return scrubber


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(tmp_path: Path, case: recordings.Case) -> None:
    folder = recordings.build(case, tmp_path / "first")
    scrubber = again(folder, tmp_path / "again.tar.gz")
    first = recordings.judge(folder)
    with opened(str(tmp_path / "again.tar.gz")) as (root, problem):
        assert problem == ""
        second = recordings.judge(Path(root))

    def told(verdict: recordings.Verdict) -> list[str]:
        said = [f"{name}: {text}" for name, text in verdict.problems.items()] + verdict.actions + verdict.warnings
        said += [" ".join(map(str, check.values())) for check in verdict.checks.values()]
        return [scrubber.text(text) for text in said]

    assert [text for text in told(second) if text not in told(first)] == []
    assert [text for text in told(first) if text not in told(second)] == []
