"""How the webuis are confined: what engine, control groups and /proc tell of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _guard
from ansible_collections.navilab.webui.plugins.module_utils._docker import Engine
from ansible_collections.navilab.webui.plugins.module_utils._guard import RULES, gather_guard, same_rules
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import Tree

MAPS = "7f00-7f01 r-xp 00000000 08:01 9 /usr/lib/x86_64-linux-gnu/libc.so.6\n7f02-7f03 r-xp 0 08:01 8 {}\n"
TCMALLOC = "/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4.5.9"


def write(root: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Tree(str(root))


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        (
            {
                "proc/7/cgroup": "0::/system.slice/docker-c0.scope\n",
                "sys/fs/cgroup/system.slice/docker-c0.scope/memory.events": "low 0\noom 3\noom_kill 2\n",
            },
            2,
        ),
        (
            {
                "proc/7/cgroup": "5:cpu,cpuacct:/docker/c0\n4:memory:/docker/c0\n0::/docker/c0\n",
                "sys/fs/cgroup/memory/docker/c0/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
            },
            4,
        ),
        ({"proc/7/cgroup": "0::/gone\n"}, None),
        ({"proc/7/cgroup": "garbage\n::\n"}, None),
        ({}, None),
    ],
)
def test_killed_since_the_last_start(tmp_path: Path, files: dict[str, str], kills: int | None) -> None:
    seen = _guard.describe({"State": {"Pid": 7}}, write(tmp_path, files))
    assert seen["oom_kills"] == kills


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"proc/7/comm": "python3", "proc/7/maps": MAPS.format(TCMALLOC)}, TCMALLOC),
        ({"proc/7/comm": "python3", "proc/7/maps": MAPS.format("[heap]")}, ""),
        # A shell and sudo, which has taken LD_PRELOAD away, stand before it.
        (
            {
                "proc/7/comm": "bash",
                "proc/7/maps": MAPS.format(TCMALLOC),
                "proc/7/task/7/children": "8 9 ",
                "proc/8/comm": "tee",
                "proc/9/comm": "sudo",
                "proc/9/task/9/children": "10",
                "proc/10/comm": "python3.12",
                "proc/10/maps": MAPS.format("[stack]"),
            },
            "",
        ),
        ({"proc/7/comm": "webui", "proc/7/maps": MAPS.format(TCMALLOC)}, TCMALLOC),
        ({"proc/7/comm": "python3"}, None),
    ],
)
def test_tcmalloc_is_what_the_process_has_mapped(tmp_path: Path, files: dict[str, str], found: str | None) -> None:
    assert _guard.describe({"State": {"Pid": 7}}, write(tmp_path, files))["tcmalloc"] == found


def test_what_the_engine_says(engine: Callable[..., Any], inspected: Callable[..., dict[str, Any]]) -> None:
    container = inspected()
    container["HostConfig"].update(MemorySwap=16 << 30, PidsLimit=2048)
    container["NetworkSettings"] = {"Networks": {"navilab": {}, "bridge": {}}}
    routes: dict[str, Any] = {
        "/info": (200, {"SwapLimit": True, "PidsLimit": False}),
        "/networks/navilab": (200, {"Options": {"com.docker.network.bridge.name": "navilab0"}}),
        "/containers/webui/json": (200, container),
    }
    routes["/events"] = lambda handler: (200, b'{"status":"oom"}\n' if "c0ffee" in handler.path else b"")
    seen = _guard._ask(Engine(engine(routes).server_address), Tree("/nowhere"), ["webui", "webui-2"])
    assert (seen["limits"], seen["bridge"]) == ({"swap": True, "pids": False}, "navilab0")
    assert seen["containers"] == {
        "webui": {
            "memory_swap": 16 << 30, "pids_limit": 2048, "networks": ["bridge", "navilab"], "oom_kills": None,
            "oom_noted": True, "tcmalloc": None,
        },
        "webui-2": None,
    }  # fmt: skip


def test_what_is_not_there_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    silent: Any = {"containers": {}, "limits": {}, "bridge": None}
    monkeypatch.setattr(_guard, "_ask", lambda _engine, _tree, names: asked.append(names) or silent)
    docker: Any = {"running": True, "containers": {"webui": {}, "webui-2": None, "webui-3": {"id": "1"}}}
    found = gather_guard(Tree("/"), ["webui-2", "webui-3"], docker)
    assert asked == [["webui-3"]]
    assert found["containers"] == {"webui-2": None, "webui-3": None}


@pytest.mark.parametrize(("answer", "bridge"), [((404, {}), None), ((200, {"Options": None}), "")])
def test_the_bridge_of_our_network(engine: Callable[..., Any], answer: Any, bridge: str | None) -> None:
    seen = _guard._ask(Engine(engine({"/networks/navilab": answer}).server_address), Tree("/nowhere"), [])
    assert seen["bridge"] == bridge


@pytest.mark.parametrize("info", [[1], "x", None])
def test_an_engine_that_says_nonsense(engine: Callable[..., Any], info: Any) -> None:
    seen = _guard._ask(Engine(engine({"/info": (200, info)}).server_address), Tree("/nowhere"), ["webui"])
    assert seen["bridge"] is None


@pytest.mark.parametrize(
    ("listed", "same"),
    [
        (RULES, True),
        (RULES.replace("packets 0 bytes 0", "packets 12 bytes 720"), True),
        (RULES.replace("reject", "accept"), False),
        (RULES.replace("ct state established,related accept", "accept"), False),
        (RULES.replace("navilab0", "docker0", 1), False),
        ("", False),
    ],
)
def test_rules_are_compared_without_their_counters(listed: str, same: bool) -> None:
    assert same_rules(listed) is same


@pytest.mark.parametrize(
    ("rc", "out", "error", "rules"),
    [
        (0, b"table inet navilab_egress {\n}\n", b"", "table inet navilab_egress {\n}\n"),
        (1, b"", b"Error: No such file or directory\nlist table inet navilab_egress\n", ""),
        (1, b"", b"Operation not permitted (you must be root)\n", None),
    ],
)
def test_what_nft_lists(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, rc: int, out: bytes, error: bytes, rules: str | None
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **_: subprocess.CompletedProcess(args, rc, out, error))
    assert _guard._list(write(tmp_path, {"usr/sbin/nft": ""})) == rules
    assert _guard._list(Tree(str(tmp_path / "bare"))) == ""


def test_nft_is_asked_only_where_something_is_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(*_args: Any, **_named: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(subprocess, "run", never)
    docker: Any = {"running": False}
    assert gather_guard(write(tmp_path, {"usr/sbin/nft": ""}), [], docker)["rules"] == ""


@pytest.mark.parametrize(
    ("device", "size"),
    [("/dev/zram1", 128), ("/dev/zram0", 4096), ("/dev/zram7", None), ("", None)],
)
def test_our_compressed_swap_among_others(tmp_path: Path, device: str, size: int | None) -> None:
    swaps = "Filename Type Size Used Priority\n/dev/sda2 partition 999 0 -2\n"
    swaps += "/dev/zram0 partition 4194300 0 5\n/dev/zram1 partition 131068 0 100\n"
    files = {"proc/swaps": swaps, **({"run/navilab-zram/device": f"{device}\n"} if device else {})}
    docker: Any = {"running": False}
    assert gather_guard(write(tmp_path, files), [], docker)["zram_mib"] == size
