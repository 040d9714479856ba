"""What every role has, and that its defaults, its argument specs and its README say the same."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import role_readme as tool
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
STEPS = {
    "preflight", "amdgpu_dkms", "firmware", "gpu_access", "reboot", "docker_engine", "registry", "webui", "gateway",
    "metrics", "pull", "verify",
}  # fmt: skip
SET_OUTSIDE = {"navilab_user", "navilab_reboot_ok", "navilab_recorded"}
"""Variables of the whole collection that have no default: a role's own default asks whether they are set."""


def test_every_step_has_its_role() -> None:
    assert {role.name for role in ROLES} >= STEPS | {"_common", "image"}


def test_a_plan_looks_at_all_that_site_does() -> None:
    """`verify` is no part of it: it judges what is there, and a plan says what would be."""
    site, preflight = (
        next(task["navilab.webui.plan"]["steps"] for task in found if "navilab.webui.plan" in task)
        for found in (
            yaml.safe_load((ROOT / "playbooks/site.yml").read_text(encoding="utf-8"))[0]["tasks"],
            tasks(ROOT / "roles/preflight"),
        )
    )
    assert set(site) == STEPS == {*preflight, "verify"}


def prefixes(role: Path) -> tuple[str, ...]:
    return ("navilab_", "_common_") if role.name == "_common" else (f"{role.name}_",)


def tasks(role: Path) -> list[dict[str, Any]]:
    """All tasks of a role, those in blocks too."""

    def flat(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for task in found:
            yield task
            for part in ("block", "rescue", "always"):
                yield from flat(task.get(part) or [])

    files = sorted(role.glob("tasks/*.yml"))
    return [task for path in files for task in flat(yaml.safe_load(path.read_text(encoding="utf-8")) or [])]


def used(name: str, short: str) -> bool:
    """Whether a task, template, playbook or default reads it, or a plugin, which knows it by its short name too."""
    own = re.compile(rf"\b{name}\b(?!:)")
    return bool(
        own.search(texts("roles", "yml", "j2") + texts("playbooks", "yml"))
        or re.search(rf"""\b{name}\b|["']{short}["'\]]""", texts("plugins", "py"))
    )


@functools.cache
def texts(folder: str, *endings: str) -> str:
    found = [path for ending in endings for path in sorted((ROOT / folder).rglob(f"*.{ending}"))]
    return "\n".join(path.read_text(encoding="utf-8") for path in found if path.name != "argument_specs.yml")


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
class TestRole:
    def test_has_its_files(self, role: Path) -> None:
        wanted = ("README.md", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml")
        assert [name for name in wanted if not (role / name).is_file()] == []

    def test_defaults_are_those_of_the_specs(self, role: Path) -> None:
        path = role / "defaults" / "main.yml"
        defaults = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
        specified = {
            name: spec["default"] for name, spec in tool.options(role).items() if spec.get("default") is not None
        }
        # antsibull-docs takes no expression as the default of a typed variable; its description says it in words.
        typed = [name for name, spec in tool.options(role).items() if spec.get("type", "str") != "str"]
        expressions = {name for name in typed if str(defaults.get(name)).startswith("{{")}
        assert {name: value for name, value in defaults.items() if name not in expressions} == specified
        assert all("Defaults to" in tool.options(role)[name]["description"] for name in expressions)
        without = {
            name for name, spec in tool.options(role).items() if "default" not in spec and not spec.get("required")
        }
        assert role.name != "_common" or without - expressions == SET_OUTSIDE

    def test_variables_carry_the_roles_name(self, role: Path) -> None:
        assert [name for name in tool.options(role) if not name.startswith(prefixes(role))] == []

    def test_internal_variables_begin_with_two_underscores(self, role: Path) -> None:
        ours = f"__{role.name.lstrip('_')}"
        path = role / "vars" / "main.yml"
        constants = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
        assigned = [name for task in tasks(role) for name in task.get("ansible.builtin.set_fact") or {}]
        registered = [task["register"] for task in tasks(role) if "register" in task]
        assert [name for name in registered if name != ours and not name.startswith(f"{ours}_")] == []
        allowed = (f"{ours}_", *prefixes(role))  # some of a role's own are for others to read
        assert [name for name in (*constants, *assigned) if name != "cacheable" and not name.startswith(allowed)] == []

    def test_tasks_have_names(self, role: Path) -> None:
        assert [task for task in tasks(role) if not task.get("name") and "block" not in task] == []

    def test_variables_are_described(self, role: Path) -> None:
        assert [name for name, spec in tool.options(role).items() if not spec.get("description")] == []

    def test_variables_are_used(self, role: Path) -> None:
        assert [name for name in tool.options(role) if not used(name, name.removeprefix(prefixes(role)[0]))] == []

    def test_entry_points_have_a_file(self, role: Path) -> None:
        assert [name for name in tool.specs(role) if not (role / "tasks" / f"{name}.yml").is_file()] == []

    def test_readme_shows_the_specs(self, role: Path) -> None:
        text = (role / "README.md").read_text(encoding="utf-8")
        assert text == tool.readme(role), "run tests/tools/role_readme.py"


def test_a_changed_spec_is_seen(tmp_path: Path) -> None:
    role = tmp_path / "step"
    (role / "meta").mkdir(parents=True)
    specs = role / "meta" / "argument_specs.yml"
    text = """
argument_specs:
  main:
    short_description: A step
    options:
      step_state: {type: str, choices: [present, absent], default: present, description: "Wanted | not, see V(x)."}
      step_proxy: {type: dict, description: Proxy., options: {http: {type: str, required: true, description: Address.}}}
"""
    specs.write_text(text, encoding="utf-8")
    before = tool.readme(role)
    assert '| `step_state` | str | `"present"` | Wanted \\| not, see `x`. One of `present`, `absent`. |' in before
    assert "| `step_proxy.http` | str | **required** | Address. |" in before
    (role / "README.md").write_text(before.replace("A step.", "My own words."), encoding="utf-8")
    assert tool.readme(role) == (role / "README.md").read_text(encoding="utf-8")
    specs.write_text(text.replace("default: present", "default: absent"), encoding="utf-8")
    assert tool.readme(role) != (role / "README.md").read_text(encoding="utf-8")
    assert "My own words." in tool.readme(role)


def test_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "argument_specs.yml").write_text("argument_specs: {main: {options: {}}}", encoding="utf-8")
    (tmp_path / "README.md").write_text("# mine\n", encoding="utf-8")
    with pytest.raises(ValueError, match="needs each of the lines"):
        tool.readme(tmp_path)


def test_the_shared_role_refuses_to_be_called() -> None:
    (refuse,) = yaml.safe_load((ROOT / "roles/_common/tasks/main.yml").read_text(encoding="utf-8"))
    assert "ansible.builtin.fail" in refuse
    text = (ROOT / "roles/_common/README.md").read_text(encoding="utf-8")
    assert text.startswith("# navilab.webui._common\n") and "Not to be called" in text


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_text_that_is_written_stays_a_text(role: Path) -> None:
    """Before ansible-core 2.19 a template makes a dict of what reads like one, as JSON does, unless it ends so."""
    modules = [part for task in tasks(role) for part in task.values() if isinstance(part, dict)]
    written = [part["content"] for part in modules if ".content " in str(part.get("content"))]
    assert [text for text in written if not text.endswith(".content | string }}")] == []
