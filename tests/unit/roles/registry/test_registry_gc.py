"""What the registry's garbage collection takes away, over a storage as a registry lays it out."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "roles/registry/files/registry_gc.py"
OCI = "application/vnd.oci.image.manifest.v1+json"
MIB = 1 << 20


@pytest.fixture(scope="module")
def gc() -> ModuleType:
    spec = importlib.util.spec_from_file_location("registry_gc", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Storage:
    """Writes what a registry would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = root / "docker/registry/v2"

    def blob(self, data: bytes, size: int | None = None) -> str:
        value = hashlib.sha256(data).hexdigest()
        path = self.base / "blobs/sha256" / value[:2] / value / "data"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if size:
            os.truncate(path, size)
        return f"sha256:{value}"

    def manifest(self, repository: str, *layers: str, **more: Any) -> str:
        document = {
            "mediaType": OCI,
            "config": {"digest": self.blob(b"{}")},
            "layers": [{"digest": each} for each in layers],
        }
        digest = self.blob(json.dumps({**document, **more}).encode())
        link = self.base / "repositories" / repository / "_manifests/revisions/sha256" / digest[7:] / "link"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(digest)
        return digest

    def tag(self, repository: str, name: str, digest: str, when: int) -> None:
        link = self.base / "repositories" / repository / "_manifests/tags" / name / "current/link"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(digest)
        os.utime(link, (when, when))

    def image(self, name: str, when: int, mib: int = 1) -> str:
        digest = self.manifest("navilab/webui", self.blob(name.encode(), mib * MIB))
        self.tag("navilab/webui", name, digest, when)
        return digest

    def model(self, letter: str, when: int, mib: int = 1) -> str:
        digest = self.manifest("navilab/models", self.blob(letter.encode(), mib * MIB))
        self.tag("navilab/models", letter * 64, digest, when)
        return digest


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def names(choice: Any) -> list[str]:
    return [tag.name[:20] for tag in choice.gone]


@pytest.mark.parametrize(
    ("keep", "limit", "gone"),
    [
        (2, 0, ["cpu-1"]),
        (1, 0, ["cpu-2", "cpu-1", "setsoft-pt2-1"]),
        (9, 0, []),
        (9, 100, []),
        (9, 6, ["cpu-1"]),
        (2, 5, ["cpu-1", "setsoft-pt2-1"]),
        (9, 4, ["cpu-1", "setsoft-pt2-1", "cpu-2"]),
        (9, 3, ["cpu-1", "setsoft-pt2-1", "cpu-2", "b" * 20]),
        (9, 1, ["cpu-1", "setsoft-pt2-1", "cpu-2", "b" * 20, "a" * 20]),  # never the newest of a profile
    ],
)
def test_what_goes(gc: ModuleType, storage: Storage, keep: int, limit: int, gone: list[str]) -> None:
    for name, when in (("cpu-1", 1), ("cpu-2", 3), ("cpu-3", 5), ("setsoft-pt2-1", 2), ("setsoft-pt2-2", 4)):
        storage.image(name, when)
    storage.model("a", 9)
    storage.model("b", 8)
    choice = gc.choose(gc.Store(storage.root), keep, limit)
    assert names(choice) == gone
    assert choice.rest_mib == 7 - len(gone)


def test_shared_layers_count_once(gc: ModuleType, storage: Storage) -> None:
    shared = storage.blob(b"shared", 8 * MIB)
    for number in (1, 2):
        digest = storage.manifest("navilab/webui", shared, storage.blob(b"%d" % number, MIB))
        storage.tag("navilab/webui", f"cpu-{number}", digest, number)
    assert gc.choose(gc.Store(storage.root), 2, 0).rest_mib == 10
    assert names(gc.choose(gc.Store(storage.root), 2, 9)) == ["cpu-1"]


def test_manifests_that_no_tag_leads_to(gc: ModuleType, storage: Storage) -> None:
    repository = "navilab/webui"
    old, new = storage.image("cpu-1", 1), storage.image("cpu-2", 2)
    storage.tag(repository, "cpu-3", old, 3)  # the same image under a newer recipe
    child, lost = (
        storage.manifest(repository, storage.blob(b"child")),
        storage.manifest(repository, storage.blob(b"lost")),
    )
    storage.tag(repository, "multi-1", storage.manifest(repository, manifests=[{"digest": child}]), 1)
    storage.tag("somebodys/image", "1", storage.manifest("somebodys/image", storage.blob(b"x")), 1)
    storage.manifest("somebodys/image", storage.blob(b"by digest"))
    store = gc.Store(storage.root)
    choice = gc.choose(store, 1, 0)
    assert sorted(names(choice)) == ["cpu-1", "cpu-2"]
    assert gc.doomed(store, choice.gone) == {
        repository: sorted([new, lost])
    }  # cpu-1 stays with cpu-3, child with its index


def test_nothing_is_there(gc: ModuleType, tmp_path: Path) -> None:
    store = gc.Store(tmp_path / "none")
    assert gc.choose(store, 2, 1) == ([], 0)
    assert (gc.doomed(store, []), store.is_quiet(0), store.all_mib()) == ({}, True, 0)


@pytest.mark.parametrize(
    "rubbish", [b"", b"[]", b"{", b'{"layers": 1, "manifests": [1, {"digest": 2}, {"digest": "x"}]}']
)
def test_a_damaged_manifest_is_no_end(gc: ModuleType, storage: Storage, rubbish: bytes) -> None:
    digest = storage.blob(rubbish)
    storage.tag("navilab/webui", "cpu-1", digest, 1)
    assert gc.Store(storage.root).needs(digest) == {digest}
    assert gc.Store(storage.root).needs("sha256:" + "0" * 64) == {"sha256:" + "0" * 64}


def test_an_index_that_names_itself_ends(gc: ModuleType, storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = "sha256:" + "1" * 64
    store = gc.Store(storage.root)
    monkeypatch.setattr(store, "_manifest", lambda _digest: {"manifests": [{"digest": digest}]})
    assert store.needs(digest) == {digest}


def test_quiet(gc: ModuleType, storage: Storage) -> None:
    storage.blob(b"x")
    (place,) = storage.base.glob("blobs/sha256/*/*")
    os.utime(place, (1000, 1000))
    store = gc.Store(storage.root)
    assert not store.is_quiet(1000 + 3600) and store.is_quiet(1000 + 3601)
    (storage.base / "repositories/navilab/webui/_uploads/1/hashstates").mkdir(parents=True)
    assert not store.is_quiet(10_000)


class Calls:
    """What was done to the host, in place of doing it."""

    def __init__(self, gc: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.fails = ""
        self.during: Callable[[], object] = lambda: None
        monkeypatch.setattr(gc.subprocess, "run", self.run)
        monkeypatch.setattr(gc, "_await", lambda _port: None)
        monkeypatch.setattr(
            gc, "delete", lambda _port, manifests: self.done.append(f"delete {sum(map(len, manifests.values()))}")
        )

    def run(self, command: list[str], **_options: Any) -> None:
        words = [word for word in command if word in ("start", "stop", "garbage-collect", "-delete")]
        self.done.append(" ".join([*words, *(word[17:21] for word in command if word.startswith("navilab-registry@"))]))
        if words == ["stop"]:
            self.during()
        if words == [self.fails]:
            raise subprocess.CalledProcessError(1, command)


@pytest.fixture
def calls(gc: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(gc, monkeypatch)


def settings(storage: Storage, **changes: Any) -> dict[str, Any]:
    own = {"store": str(storage.root), "mirror": "", "keep": 1, "max_mib": 0, "mirror_max_mib": 0, "push_port": 5001}
    return {**own, **changes}


def test_the_order_of_things(gc: ModuleType, storage: Storage, calls: Calls) -> None:
    storage.image("cpu-1", 1)
    storage.image("cpu-2", 2)
    report = gc.collect(settings(storage), True, 0, False)
    assert calls.done == ["start push", "delete 1", "stop push", "garbage-collect", "start push"]
    assert (report["deleted"], report["busy"]) == (["navilab/webui:cpu-1"], False)
    assert gc.lines(report) == ["deleted navilab/webui:cpu-1"]


def test_push_is_started_again_whatever_happens(gc: ModuleType, storage: Storage, calls: Calls) -> None:
    storage.image("cpu-1", 1)
    calls.fails = "garbage-collect"
    with pytest.raises(subprocess.CalledProcessError):
        gc.collect(settings(storage), True, 0, False)
    assert calls.done[-2:] == ["garbage-collect", "start push"]


def test_what_is_being_pushed_is_left_alone(gc: ModuleType, storage: Storage, calls: Calls) -> None:
    storage.image("cpu-1", 1)
    assert gc.collect(settings(storage), False, 0, False)["busy"] and calls.done == []
    for place in storage.base.glob("blobs/sha256/*/*"):
        os.utime(place, (1000, 1000))
    calls.during = lambda: storage.blob(b"in between")
    assert gc.collect(settings(storage), False, 0, False)["busy"]
    assert calls.done == ["start push", "delete 0", "stop push", "start push"]


def test_a_dry_run_does_nothing(gc: ModuleType, storage: Storage, calls: Calls) -> None:
    storage.image("cpu-1", 1)
    storage.image("cpu-2", 2)
    mirror = settings(storage, mirror=str(storage.root), mirror_max_mib=1)
    storage.image("cpu-3", 3, mib=4)
    (storage.root / "full").write_bytes(b"x" * 3 * MIB)
    report = gc.collect(mirror, True, 0, True)
    assert (len(report["deleted"]), report["emptied"], calls.done) == (2, True, [])


@pytest.mark.parametrize(("limit", "emptied"), [(0, False), (1, True), (100, False)])
def test_mirror(gc: ModuleType, storage: Storage, calls: Calls, tmp_path: Path, limit: int, emptied: bool) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "blob").write_bytes(os.urandom(3 * MIB))
    report = gc.collect(settings(storage, mirror=str(mirror), mirror_max_mib=limit), True, 0, False)
    assert report["emptied"] is emptied
    assert calls.done[5:] == (["stop mirr", "-delete", "start mirr"] if emptied else [])


def test_room_below_the_limit(gc: ModuleType, storage: Storage, calls: Calls) -> None:
    for number in (1, 2, 3):
        storage.image(f"cpu-{number}", number, mib=10)
    assert gc.collect(settings(storage, keep=9, max_mib=40), True, 0, True)["deleted"] == []
    assert gc.collect(settings(storage, keep=9, max_mib=40), True, 15, True)["deleted"] == ["navilab/webui:cpu-1"]
    report = gc.collect(settings(storage, keep=9, max_mib=40), True, 39, True)
    assert report["over_mib"] == 9 and "9 MiB over the limit" in gc.lines(report)[-1]


def test_without_settings_it_says_why(tmp_path: Path) -> None:
    code = f"import sys; sys.argv = ['gc']; sys.path.insert(0, {str(SCRIPT.parent)!r}); import registry_gc as gc\n"
    code += f"from pathlib import Path; gc.CONFIG = Path({str(tmp_path)!r}); sys.exit(gc.main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("navilab-registry-gc: ")
