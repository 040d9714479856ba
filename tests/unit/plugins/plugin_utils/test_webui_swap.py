"""How a webui comes to another image, and back: where a run may have been cut off, and what the record says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.plugin_utils import _answers, _selftest_record, _selftests
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _webui_swap, webui
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._webui_swap import TABLE, previous_of, tagged
from ansible_collections.navilab.webui.plugins.plugin_utils._went_back import went_back

BDF = "0000:0a:00.0"
OLD, NEW = "registry.example/webui@sha256:" + "a" * 64, "registry.example/webui@sha256:" + "b" * 64
NEWER, TAG = "registry.example/webui@sha256:" + "c" * 64, "registry.example/webui:1"


@pytest.fixture
def host(facts: dict[str, Any], settings: dict[str, Any]) -> Callable[..., Any]:
    """`host(webui=OLD, previous=None)` is one whose containers have these images, as the role would have made them."""

    def made(**images: Any) -> Any:
        facts["records"]["webui"] = {"containers": ["webui"], "images": [OLD, NEW]}
        facts["docker"]["images"] = {
            image: {"id": f"sha256:{image[-1]}", "digests": [], "size": 1} for image in (OLD, NEW, NEWER)
        }
        for path in ("", "/cache", "/webui_data"):
            facts["files"]["/home/lab/dockerx" + path] = {
                "exists": True, "kind": "dir", "mode": "0755", "uid": 1000, "gid": 1000, "size": 1, "mtime": 1.0,
                "sha256": None,
            }  # fmt: skip
        facts["http"] = {"webui": {"status": 200, "ready": True, "models": 1, "error": ""}}
        facts["docker"]["containers"] = {"webui": None, "webui-previous": None}
        for name, image in images.items():
            facts["docker"]["containers"][{"previous": "webui-previous"}.get(name, name)] = image and run(image)
        return facts

    def run(image: str) -> dict[str, Any]:
        bare = {**facts, "docker": {**facts["docker"], "containers": {}}, "records": {}}
        plain = {**settings, "image": image, "models": []}
        (instance,) = plan(bare, plain)["instances"]
        return {
            "labels": instance["container"]["labels"], "devices": instance["devices"], "image": image,
            "state": "running", "health": "healthy", "restart_policy": "unless-stopped", "memory": 0, "ports": [],
        }  # fmt: skip

    settings |= {"models": [], "selftest_waive": "not here"}
    return made


def plan(facts: Any, settings: dict[str, Any], **more: Any) -> Any:
    return webui.plan(facts, {**settings, **more})


def wants(settings: dict[str, Any], facts: Any, image: str, **more: Any) -> Any:
    return plan(facts, settings, image=image, **more)


def test_the_table_is_whole() -> None:
    kinds = ("none", "wanted", "other")
    assert set(TABLE) == set(product(kinds, kinds))


@pytest.mark.parametrize(
    ("cut_off", "images", "do"),
    [
        ("nothing was begun", {"webui": OLD}, "begin"),
        ("the old one was renamed", {"previous": OLD}, "go_on"),
        ("the new one was made", {"webui": NEW, "previous": OLD}, "go_on"),
        ("the old one was removed", {"webui": NEW}, ""),
        ("another image is wanted by now", {"webui": NEWER, "previous": OLD}, "redo"),
        ("the old image is wanted again", {"webui": OLD, "previous": NEW}, "return"),
        ("the old one is wanted again, and renamed", {"previous": NEW}, "return"),
        ("nothing is there", {}, ""),
    ],
)
def test_where_a_run_was_cut_off(host: Any, settings: Any, cut_off: str, images: dict[str, str], do: str) -> None:
    found = wants(settings, host(**images), NEW)
    assert found["instances"][0]["swap"] == do, cut_off
    assert [swap["do"] for swap in found["swaps"]] == ([do] if do else [])
    assert bool(found["act_on"]) == bool(do or not images)
    if do:
        assert found["swaps"][0]["images"][1] == NEW
        assert previous_of("webui") in found["record"]["containers"]


def test_what_is_put_aside_is_no_stale_container(host: Any, settings: Any) -> None:
    assert wants(settings, host(webui=NEW, previous=OLD), NEW)["remove_containers"] == []


def images_of(record: dict[str, Any]) -> list[str]:
    return [entry["image"] for entry in record["history"]["rocm7"]]


def test_the_record_names_what_ran_first_the_new_one_once_it_is_good(host: Any, settings: Any) -> None:
    found = wants(settings, host(webui=OLD), NEW)
    assert (images_of(found["record"]), images_of(found["settled"])) == ([OLD], [NEW, OLD])
    assert found["record"]["history"]["rocm7"][0]["id"] == "sha256:a"
    assert found["blamed"] == [NEW]


def ran(facts: Any, *images: str, **record: Any) -> Any:
    entries = [{"image": image, "id": "sha256:1", "since": "then"} for image in images]
    facts["records"]["webui"] |= {"history": {"rocm7": entries}, **record}
    return facts


ASIDE = {"why": "webui_healthy: no answer", "at": "then"}


def test_what_is_set_aside_is_not_taken_again_until_it_is_asked_for(host: Any, settings: Any) -> None:
    facts = ran(host(webui=OLD), OLD, aside={NEW: ASIDE})
    found = wants(settings, facts, NEW)
    assert (found["actions"], found["set_aside"], found["instances"][0]["image"]) == ([], [NEW], OLD)
    assert any("is set aside" in line and "no answer (then)" in line for line in found["warnings"])
    assert wants(settings, facts, NEWER)["set_aside"] == []
    again = wants(settings, facts, NEW, upgrade=True)
    assert (again["set_aside"], [swap["do"] for swap in again["swaps"]]) == ([], ["begin"])
    assert "aside" not in again["record"]


def test_a_container_that_somebody_removed_comes_back_with_its_own_image(host: Any, settings: Any) -> None:
    facts = ran(host(), OLD, aside={NEW: ASIDE})
    assert wants(settings, facts, NEW)["instances"][0]["image"] == OLD


def test_a_rollback_sets_aside_what_runs(host: Any, settings: Any) -> None:
    facts = ran(host(webui=NEW), NEW, OLD)
    found = wants(settings, facts, NEW, rollback=True)
    assert (found["problems"], found["instances"][0]["image"]) == ([], OLD)
    assert [*found["record"]["aside"]] == [NEW]
    assert images_of(found["settled"]) == [OLD, NEW]
    assert "aside" in found["settled"]


def test_a_rollback_sets_aside_what_the_inventory_names_too(host: Any, settings: Any) -> None:
    found = wants(settings, ran(host(webui=NEW), NEW, OLD), NEWER, rollback=True)
    assert sorted(found["record"]["aside"]) == [NEW, NEWER]
    assert found["instances"][0]["image"] == OLD


def test_there_may_be_nothing_to_roll_back_to(host: Any, settings: Any) -> None:
    found = wants(settings, host(webui=OLD), OLD, rollback=True)
    assert [check["id"] for check in found["problems"]] == ["webui_upgrade"]


def test_an_image_whose_self_test_failed_does_not_displace_another(host: Any, settings: Any) -> None:
    facts = host(webui=OLD)
    board = facts["boards"][0]
    entry = {
        "made_with": _selftest_record.made_with(facts, board, NEW), "profile": "rocm7", "bdf": BDF, "image": NEW,
        "usable": False, "precision": None, "first_cause": None, "evidence": "matmul: error 1", "remedy": "none",
    }  # fmt: skip
    facts["records"]["selftest"] = {"results": {f"rocm7 {BDF}": entry}}
    found = wants(settings, facts, NEW)
    assert (found["instances"][0]["image"], found["set_aside"], found["problems"]) == (OLD, [NEW], [])
    found = wants(settings, facts, NEW, upgrade=True)
    assert [check["id"] for check in found["problems"]] == ["webui_upgrade"]
    # Where it runs already, another profile may do.
    assert wants(settings, host(webui=NEW), NEW)["set_aside"] == []


@pytest.mark.parametrize(
    ("keep", "gone"), [(1, [NEW, OLD]), (2, [OLD]), (3, [])], ids=["the present one", "one to go back to", "all"]
)
def test_older_images_go(host: Any, settings: Any, keep: int, gone: list[str]) -> None:
    found = wants(settings, ran(host(webui=NEWER), NEWER, NEW, OLD), NEWER, keep_images=keep)
    assert found["remove_images"] == sorted(gone)
    assert bool(found["settled"]) == bool(gone)


def test_images_of_others_stay_and_so_do_all_where_none_ever_changed(host: Any, settings: Any) -> None:
    facts = ran(host(webui=NEWER), NEWER, NEW, OLD)
    facts["records"]["webui"]["images"] = [NEWER, NEW]
    assert wants(settings, facts, NEWER)["remove_images"] == []
    assert wants(settings, host(webui=NEWER), NEWER)["remove_images"] == []


def test_images_that_this_host_built_go_once_they_ran(host: Any, settings: Any) -> None:
    facts = ran(host(webui=NEWER), NEWER, NEW, OLD)
    pushed = f"127.0.0.1:5001/navilab/webui:{OLD.rpartition(':')[2]}"
    facts["records"] |= {
        "image": {"images": [OLD, "navilab/webui-base:1", pushed, "127.0.0.1:5001/navilab/webui:other"]}
    }
    facts["records"]["webui"]["images"] = []
    facts["docker"]["images"]["navilab/webui-base:1"] = {"id": "sha256:9", "digests": [], "size": 1}
    # By both its names, since the engine keeps an image that has one.
    assert wants(settings, facts, NEWER)["remove_images"] == [pushed, OLD]


def test_a_run_that_was_cut_off_before_its_last_word_is_ended(host: Any, settings: Any) -> None:
    found = wants(settings, ran(host(webui=NEW), OLD), NEW)
    assert found["actions"] == [f"keep in the record that profile rocm7 runs {NEW}"]
    assert images_of(found["settled"]) == [NEW, OLD]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (TAG, "registry.example/webui"),
        ("registry.example:5000/webui", "registry.example:5000/webui"),
        ("webui", "webui"),
        (OLD, ""),
        ("BAD ref", ""),
    ],
)
def test_what_a_digest_goes_behind(reference: str, name: str) -> None:
    assert tagged(reference) == name


def found_at(facts: Any, digest: str | None, status: str = "found") -> Any:
    facts["registry"][TAG] = {"status": status, "detail": "down", "digest": digest}
    return facts


def test_only_an_upgrade_asks_what_is_behind_a_tag(host: Any, settings: Any) -> None:
    facts = found_at(host(webui=TAG), None, "local")
    assert "tags" not in wants(settings, facts, TAG)["questions"]
    plans = {"webui": wants(settings, facts, TAG, upgrade=True)}
    assert _answers.questions(plans, facts) == {"images": [TAG]}
    assert _answers.questions(plans, found_at(facts, "sha256:" + "b" * 64)) == {}


def test_a_tag_is_pinned_to_what_an_upgrade_found(host: Any, settings: Any) -> None:
    facts = found_at(host(webui=TAG), "sha256:" + "b" * 64)
    facts["docker"]["images"][TAG] = {"id": "sha256:1", "digests": ["sha256:" + "a" * 64], "size": 1}
    found = wants(settings, facts, TAG, upgrade=True)
    assert (found["instances"][0]["image"], found["record"]["pinned"]) == (NEW, {TAG: NEW})
    assert wants(settings, facts, TAG)["actions"] == []
    facts["docker"]["images"][TAG]["digests"].append("sha256:" + "b" * 64)
    assert wants(settings, facts, TAG, upgrade=True)["actions"] == []
    facts["records"]["webui"]["pinned"] = {TAG: OLD}
    assert wants(settings, facts, TAG)["instances"][0]["image"] == OLD


def test_a_registry_that_is_down_stops_an_upgrade_alone(host: Any, settings: Any) -> None:
    facts = found_at(host(webui=TAG), None, "unreachable")
    facts["docker"]["images"][TAG] = {"id": "sha256:1", "digests": [], "size": 1}
    assert wants(settings, facts, TAG)["problems"] == []
    assert [check["id"] for check in wants(settings, facts, TAG, upgrade=True)["problems"]] == ["registry_reachable"]


@pytest.mark.parametrize("junk", ["x", 1, [], {"rocm7": "x"}, {"rocm7": ["x", {}, None]}, {"rocm7": [{"image": 1}]}])
def test_a_record_may_hold_anything(host: Any, settings: Any, junk: Any) -> None:
    for part in ("history", "aside", "pinned"):
        facts = host(webui=OLD)
        facts["records"]["webui"][part] = junk
        assert wants(settings, facts, NEW)["problems"] == [], part
        assert _webui_swap.history(facts, "rocm7")[0] == OLD


def test_the_self_test_of_an_earlier_image_still_counts(facts: Any) -> None:
    board = facts["boards"][0]

    def entry(image: str) -> dict[str, Any]:
        return {
            "made_with": _selftest_record.made_with(facts, board, image), "image": image, "usable": True,
            "precision": "full", "first_cause": None, "evidence": "", "remedy": "",
        }  # fmt: skip

    name = _selftest_record.slot("rocm7", board["bdf"])
    for image in (OLD, NEW):
        results = _selftest_record.with_results(facts, {name: entry(image)})
        facts["records"]["selftest"] = {"results": results}
    assert all(_selftest_record.kept(facts, board, "rocm7", image) for image in (OLD, NEW))
    assert _selftest_record.kept(facts, board, "rocm7", NEWER) is None


def test_what_was_pulled_in_between_stays_in_the_record(facts: Any) -> None:
    facts["records"]["webui"] = {"images": [OLD], "containers": ["webui"]}
    learned, _problems = _selftests.learn(facts, [], [{"item": NEW, "image": {"Id": "sha256:2"}}])
    assert learned["records"]["webui"] == {"images": [OLD, NEW], "containers": ["webui"]}


CAUSE = {
    "results": [
        {"failed": False, "msg": "fine"},
        {
            "failed": True,
            "msg": "long",
            "checks": [{"evidence": "webui is not ready after 20 s"}],
            "log": ["one", "one", "two"],
        },
    ]
}


@pytest.mark.parametrize(
    ("cause", "new", "answer", "says"),
    [
        (
            CAUSE,
            NEW,
            {"ready": True, "seconds": 4},
            f"ends with: one / two; {OLD} runs again, after 9 s without",
        ),
        ({"msg": "no\nspace"}, OLD, {"ready": True}, "webui with other settings is no good: no space;"),
        (CAUSE, NEW, {"ready": False, "msg": "dead"}, f"and {OLD}, which it had before, does not answer either: dead"),
    ],
)
def test_why_a_host_stays_with_what_it_had(cause: Any, new: str, answer: dict[str, Any], says: str) -> None:
    change = {"name": "webui", "from": OLD, "to": new, "downtime": 5, "back": True}
    (check,) = went_back(cause, [change], [answer])
    assert check["id"] == "webui_upgrade"
    assert says in check["evidence"]
