"""An action plugin as Ansible makes one, with a host that answers from a list."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.template import Templar


class Host:
    """What the host was asked for, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []

    def execute(self, module_name: str, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        assert module_name == "navilab.webui.host_info"
        self.asked.append(module_args)
        return self.answers.pop(0)


@pytest.fixture
def act() -> Callable[..., dict[str, Any]]:
    """`act(action, arguments, variables, host, check)` is the result of a task."""

    def run(
        action: Any,
        arguments: dict[str, Any],
        variables: dict[str, Any] | None = None,
        host: Host | None = None,
        check: bool = False,
    ) -> dict[str, Any]:
        loader = DataLoader()
        task = Task.load({"ansible.builtin.debug": {}}, loader=loader)
        task.args, task.check_mode = arguments, check
        plugin = action(
            task=task,
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/nowhere")),
            play_context=PlayContext(),
            loader=loader,
            templar=Templar(loader=loader, variables=variables or {}),
            shared_loader_obj=None,
        )
        if host:
            plugin._execute_module = host.execute
        found: dict[str, Any] = plugin.run(task_vars=variables or {})
        return found

    return run


@pytest.fixture
def answering() -> Host:
    return Host()
