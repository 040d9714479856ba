"""The roles' variables: all that is wrong with them, of all roles together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.plugin_utils import _variables
from ansible_collections.navilab.webui.plugins.plugin_utils._variables import DEFAULTS, KNOWN, RENAMED, nulls

ALL = [*KNOWN]
TEMPLATED = {  # what a template of a default gives, where the test has no templates
    "webui_user": "lab",
    "reboot_ok": False,
    "verify_min_memory_mib": 6000,
}


def read(roles: Iterable[str] = ALL, **own: Any) -> tuple[dict[str, dict[str, Any]], list[Any]]:
    return _variables.read(roles, {**TEMPLATED, **own}, lambda value: value)


def evidence(**own: Any) -> list[str]:
    _settings, problems = read(**own)
    assert all((check["id"], check["status"]) == ("variables", "failed") and check["remedy"] for check in problems)
    return [check["evidence"] for check in problems]


def test_nulls_are_named_however_deep() -> None:
    settings = {"image": None, "models": [{"name": "a", "url": None}], "images": {"cpu": ""}, "port": 0, "ok": False}
    assert nulls(settings) == ["image", "models.0.url"]
    assert nulls(None, "port") == ["port"]
    assert nulls("text") == nulls({}) == []


def test_defaults_are_right_and_without_prefix() -> None:
    settings, problems = read()
    assert problems == []
    assert settings["firmware"] == {"state": "present", "package": "firmware-amd-graphics"}
    assert settings["_common"] == {"waive": {}, "shortcut": True, "bundle": ""}
    assert settings["image"]["registry"] == ""
    assert "rocm7" in settings["image"]["profile_data"]  # of its constants this alone
    assert not [name for name in settings["image"] if name.startswith("__")]
    assert settings["webui"]["models"][0]["folder"] == "Stable-diffusion"
    assert settings["webui"]["profiles"]["cpu"]["gpu"] is False


def test_the_specs_type_what_a_user_wrote() -> None:
    settings, problems = read(
        webui_port="7900", navilab_shortcut="no", webui_extra_args="--a,--b", firmware_state="absent"
    )
    assert problems == []
    assert (settings["webui"]["port"], settings["_common"]["shortcut"]) == (7900, False)
    assert settings["webui"]["extra_args"] == ["--a", "--b"]


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ({"webui_images": {"cpu": {"name": "x"}, "rocm7": "x"}}, "webui_images.cpu: a text"),
        ({"webui_images": {"cpu": 5}}, "webui_images.cpu: a text"),
        ({"webui_profiles_extra": {"x": {"image": 5}}}, "webui_profiles_extra.x.image: a text"),
        ({"docker_engine_daemon": {"data-root": ["x"]}}, "docker_engine_daemon.data-root: a text"),
        ({"docker_engine_daemon": {"log-opts": "x"}}, "docker_engine_daemon.log-opts: a mapping"),
        ({"webui_profiles_extra": {"mine": "x"}}, "webui_profiles_extra.mine: a mapping"),
        ({"webui_profiles_extra": {"x": {"gfx_targets": True}}}, "webui_profiles_extra.x.gfx_targets: a list"),
        ({"webui_profiles_extra": {"x": {"gfx_targets": [[]]}}}, "webui_profiles_extra.x.gfx_targets.0: a text"),
        ({"webui_profiles_extra": {"x": {"requires": {"uid": "1"}}}}, "webui_profiles_extra.x.requires.uid: a number"),
        ({"webui_profiles_extra": {"x": {"gpu": "no"}}}, "webui_profiles_extra.x.gpu: true or false"),
        ({"docker_engine_registry_cas": {"r.example": ["PEM"]}}, "docker_engine_registry_cas.r.example: a text"),
        ({"docker_engine_proxy": 0}, "docker_engine_proxy: a mapping"),
    ],
)
def test_the_values_of_a_dict_are_of_one_kind(own: dict[str, Any], path: str) -> None:
    (text,) = evidence(**own)
    assert text == f"{path} is expected"


def test_a_profile_of_ones_own_may_have_more() -> None:
    own = {
        "rocm": 5.2,
        "gfx_targets": ["gfx1010"],
        "env": {"A": 1},
        "mine": {"any": [1]},
        "requires": {"memory_min_mib": 1},
    }
    assert evidence(webui_profiles_extra={"mine": own}) == []


def test_the_inventory_of_other_gateways() -> None:
    inventory = {"a": {"ansible_host": "192.0.2.1"}, "b": {"gateway_port": 8443, "gateway_ca_host": "b"}}
    known = {"hostvars": inventory, "inventory_hostname": "a", "image_builder": "a"}
    settings, problems = read(["gateway", "pull"], gateway_hosts=["a", "b", "none"], gateway_ca_host="none", **known)
    assert problems == []
    assert settings["gateway"]["peers"] == {
        "address": ["192.0.2.1", "", ""], "port": [443, 8443, 443], "names": [[], [], []], "hosts": [[], [], []],
        "ca_host": ["a", "b", "a"],
    }  # fmt: skip
    assert (settings["gateway"]["own"], settings["gateway"]["ca_known"], settings["pull"]["own"]) == ("a", False, "a")


def test_another_gateway_whose_variables_can_not_be_read() -> None:
    class Broken(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise ValueError(f"{key} is undefined")

    (text,) = evidence(gateway_hosts=["b"], hostvars={"b": Broken(gateway_names="{{ none }}")})
    assert text == "gateway_hosts: gateway_names is undefined"


def test_all_roles_are_reported_together() -> None:
    found = evidence(webui_port="many", firmware_state="gone", docker_engine_daemon="none", navilab_shortcut="perhaps")
    assert [line.partition(":")[0] for line in found] == ["navilab", "firmware", "docker_engine", "webui"]
    assert "value of firmware_state must be one of: present, absent, got: gone" in found[1]


def test_only_the_roles_that_are_asked_for_count() -> None:
    settings, problems = read(["firmware"], webui_port="many", image_profiles=7)
    assert (list(settings), problems) == (["firmware"], [])


@pytest.mark.parametrize(
    ("own", "path"),
    [
        ({"webui_port": None}, "webui_port"),
        ({"navilab_waive": {"kfd_open": None}}, "navilab_waive.kfd_open"),
        ({"docker_engine_daemon": {"log-opts": {"tag": None}}}, "docker_engine_daemon.log-opts.tag"),
        ({"webui_models": [{"name": "a", "url": None, "sha256": "0"}]}, "webui_models.0.url"),
        ({"image_registry": None}, "image_registry"),
    ],
)
def test_a_key_without_a_value_is_no_default(own: dict[str, Any], path: str) -> None:
    assert evidence(**own) == [f"{path}: it has no value"]


def test_an_option_that_nobody_set_is_not_there() -> None:
    settings, _problems = read(webui_models=[{"name": "a", "sha256": "0"}], docker_engine_proxy={"http": "http://p"})
    assert settings["webui"]["models"] == [{"name": "a", "sha256": "0", "folder": "Stable-diffusion"}]
    assert settings["docker_engine"]["proxy"] == {"http": "http://p"}


@pytest.mark.parametrize("old", RENAMED)
def test_a_renamed_variable_says_what_took_its_place(old: str) -> None:
    (line,) = evidence(**{old: {"kfd_open": "no driver"}})
    assert line.startswith(f"{old}: it is now navilab_waive")


def test_renamed_variables_are_nowhere_any_more() -> None:
    assert not set(RENAMED) & set(DEFAULTS)
    assert not any(old in role.specs for role in KNOWN.values() for old in RENAMED)


def test_a_template_that_fails_names_its_variable() -> None:
    def template(value: Any) -> Any:
        if isinstance(value, str) and "{{" in value:
            raise ValueError("'mine' is undefined")
        return value

    _settings, problems = _variables.read(["firmware"], {"firmware_package": "{{ mine }}"}, template)
    assert [check["evidence"] for check in problems] == ["firmware_package: 'mine' is undefined"]


@pytest.mark.parametrize("name", KNOWN)
def test_defaults_equal_specs(name: str) -> None:
    def documented(specs: Mapping[str, Any]) -> dict[str, Any]:
        return {key: spec["default"] for key, spec in specs.items() if spec.get("default") is not None}

    role = KNOWN[name]
    path = _variables.ROLES / name / "defaults" / "main.yml"
    assert role.defaults == (yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    # An expression is no default of a typed variable in a spec: see test_roles.py.
    plain = {key: value for key, value in role.defaults.items() if key in role.specs and "default" in role.specs[key]}
    assert plain == documented(role.specs)
    assert all(key.startswith(role.prefix) for key in role.specs)
    assert all(key.startswith((role.prefix, f"__{name}_")) for key in role.constants)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("webui_prot", "webui_port"),
        ("webui_model", "webui_models"),
        ("docker_engine_restart", "docker_engine_restart_ok"),
        ("navilab_serail", "navilab_serial"),
        ("webui_servers", ""),  # a variable of the user's own
        ("webui_port", ""),
        ("ansible_prot", ""),
        ("navilab_lab_model", ""),
    ],
)
def test_a_misspelt_variable_is_told(name: str, meant: str) -> None:
    found = _variables.misspelt([name, "inventory_hostname"])
    assert found == ([f"{name} is no variable of this collection: {meant} is"] if meant else [])


def test_no_variable_of_ours_is_misspelt() -> None:
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("playbooks", "roles", "inventory", "molecule", "src")
        for path in (_variables.ROLES.parent / folder).rglob("*")
        if path.suffix in (".yml", ".py")
    )
    names = set(re.findall(r"\b[a-z]+_[a-z0-9_]+\b", text)) - {"image_build", "navilab_record"}  # a check, a result
    assert not _variables.misspelt(names)


def test_variables_of_the_embedded_lab_are_not_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs each host's worker milliseconds."""
    monkeypatch.setattr(_variables.difflib, "get_close_matches", lambda name, *_more, **_options: [name])
    assert not _variables.misspelt(["navilab_lab_board"])
    assert _variables.misspelt(["navilab_labs"])
