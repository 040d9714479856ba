"""That the plan's documentation is what its action takes."""

from __future__ import annotations

import yaml
from ansible_collections.navilab.webui.plugins.action import plan as action
from ansible_collections.navilab.webui.plugins.modules import plan as module
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS


def test_options_are_those_of_the_action() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    keys = ("type", "elements", "choices", "required", "default")
    assert {
        name: {key: option[key] for key in keys if key in option} for name, option in documented.items()
    } == action.ARGUMENTS


def test_the_steps_are_named() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]["steps"]["choices"]
    assert set(documented) == set(STEPS)


def test_examples_are_right() -> None:
    arguments = yaml.safe_load(module.EXAMPLES)[0]["navilab.webui.plan"]
    assert set(arguments) <= set(action.ARGUMENTS)
    assert set(arguments["steps"]) <= set(STEPS)


def test_returns_are_described() -> None:
    assert set(yaml.safe_load(module.RETURN)) >= {"ansible_facts", "plan", "checks", "calls", "selftested"}
