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
        self.locked: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []
        self.lock: dict[str, Any] = {"held": True, "lock": None, "problem": ""}
        self.echo: dict[str, Any] = {"rc": 0, "stdout": "navilab-here\nnavilab-here 3.11\n", "stderr": ""}

    @property
    def gathered(self) -> list[dict[str, Any]]:
        """The calls that gathered facts, without those that only asked for answers."""
        return [asked for asked in self.asked if "probe_images" in asked]

    def execute(self, module_name: str, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        if module_name == "navilab.webui.host_lock":
            self.locked.append(module_args)
            return dict(self.lock)
        if module_name == "navilab.webui.host_files":
            self.kept.append(module_args)
            return {
                "changed": True,
                "paths": [],
                **(self.lock if "run" in module_args else {"held": False, "lock": None}),
            }
        assert module_name in ("navilab.webui.host_info", "navilab.webui.host_answers")
        self.asked.append(module_args)
        if not self.answers or (module_name.endswith("host_answers") and "host" in self.answers[0]):
            return {"answers": {"apt": [], "dockerd": [], "registry": {}}}
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
        plugin._load_name = "navilab.webui.tested"  # Ansible's loader gives each its name
        if host:
            plugin._execute_module = host.execute
            plugin._low_level_execute_command = lambda *_words, **_more: host.echo
        found: dict[str, Any] = plugin.run(task_vars=variables or {})
        return found

    return run


@pytest.fixture
def answering() -> Host:
    return Host()
