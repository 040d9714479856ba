"""That fail_check's documentation is what its action takes."""

from __future__ import annotations

import yaml
from ansible_collections.navilab.webui.plugins.action import fail_check as action
from ansible_collections.navilab.webui.plugins.modules import fail_check as module


def test_options_are_those_of_the_action() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    keys = ("type", "elements", "required", "default")
    assert {
        name: {key: option[key] for key in keys if key in option} for name, option in documented.items()
    } == action.ARGUMENTS


def test_examples_are_right() -> None:
    for task in yaml.safe_load(module.EXAMPLES):
        assert set(task["navilab.webui.fail_check"]) <= set(action.ARGUMENTS)
