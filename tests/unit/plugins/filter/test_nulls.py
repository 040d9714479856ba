"""Keys without a value."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.filter.nulls import nulls


def test_nulls_are_named_however_deep() -> None:
    settings = {"image": None, "models": [{"name": "a", "url": None}], "images": {"cpu": ""}, "port": 0, "ok": False}
    assert nulls(settings) == ["image", "models.0.url"]
    assert nulls(None) == nulls("text") == nulls({}) == []
