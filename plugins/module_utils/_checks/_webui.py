# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The webui itself: its self-test, its answers, who can reach it, and whether it may write its data."""

from __future__ import annotations

import ipaddress
import time

from .._commands import run_site
from .._filesystems import unfit
from .._paths import model_folder, written
from .._sysfs import UNKNOWN
from .._types import Disk, GatewayAnswer, WantedWebui
from ._base import Case, Verdict, failed, ok, skipped


def selftest(case: Case) -> Verdict:
    """What the image computed on the board, in single and half precision, agrees with the processor. The verdict is
    the one that was kept when it was last tested."""

    def kept(_case: Case, webui: WantedWebui) -> Verdict:
        found = webui.get("selftest")
        return Verdict(**found) if found else skipped("no result was handed over")

    return case.each_webui(kept)


def _webui_healthy_one(case: Case, webui: WantedWebui) -> Verdict:
    name, container = webui["name"], case.container(webui)
    http = case.facts["http"].get(name) or {"ready": False, "status": None, "models": None, "error": "not asked"}
    if http["error"] == UNKNOWN:
        return skipped(UNKNOWN)
    url = f"http://127.0.0.1:{webui['port']}"
    if http["ready"]:
        return ok(f"{url} answers and lists {http['models']} model(s)")
    if http["models"] == 0:
        return failed(
            f"{url} answers, but lists no model",
            f"name one in webui_models and {run_site('webui')}, or put a file into {model_folder()} "
            f"below {webui.get('data_dir') or 'its data directory'} and docker restart {name}",
        )
    health = container["health"] if container else "none"
    if health == "starting":
        return failed(
            f"{url}: still starting ({http['error']})", f"wait a few minutes; `docker logs -f {name}` shows progress"
        )
    return failed(
        f"{url}: {http['error']} (health: {health})",
        f"see `docker logs --tail 50 {name}`, then docker restart {name} or {run_site('webui')}",
    )


def webui_healthy(case: Case) -> Verdict:
    """The webui answers on its port of 127.0.0.1 and lists at least one model."""
    return case.each_webui(_webui_healthy_one)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _webui_not_exposed_one(case: Case, webui: WantedWebui) -> Verdict:
    container, port = case.container(webui), webui["port"]
    # Published by the engine, even without a process that listens (userland-proxy: false); or the host's own network.
    addresses = {item["host_ip"] for item in (container["ports"] if container else ()) if item["host_port"] == port}
    addresses |= set((case.facts["ports"].get(str(port)) or {"listeners": []})["listeners"]) - {webui.get("listen")}
    wide = sorted(address for address in addresses if not _loopback(address))
    if wide:
        return failed(
            f"port {port} is open on {', '.join(wide)}",
            f"{run_site('webui')}, which publishes it on 127.0.0.1 alone; reach it through ssh -L, or by the "
            "gateway that webui_listen brings: whoever reaches the webui itself reads its settings and may run code",
        )
    return ok(f"port {port} is open on {', '.join(sorted(addresses)) or 'no address'}")


def webui_not_exposed(case: Case) -> Verdict:
    """Nothing but loopback listens on the webui's own port, neither by the engine nor by a process."""
    return case.each_webui(_webui_not_exposed_one)


def gateway_running(case: Case) -> Verdict:
    """The gateway answers by TLS with a certificate for its name."""
    wanted, seen = case.wanted.get("gateway"), _answer(case)
    if wanted is None or seen is None:
        return skipped("no gateway is wanted" if wanted is None else UNKNOWN)
    url = f"https://{wanted['name']}:{wanted['port']}"
    if seen["error"]:
        remedy = f"see `journalctl -u navilab-gateway`, then {run_site('gateway')}"
        return failed(f"{url}: {seen['error']}", remedy)
    days = int(((seen["ends"] or 0.0) - time.time()) // 86400)
    end = f"its certificate ends in {days} days"
    return ok(f"{url} answers, and {end}", end if days < 30 else "")


def gateway_login(case: Case) -> Verdict:
    """The gateway answers 401 to a request without a login."""
    wanted, seen = case.wanted.get("gateway"), _answer(case)
    if wanted is None or seen is None:
        return skipped("no gateway is wanted" if wanted is None else UNKNOWN)
    if seen["status"] != 401:
        evidence = f"port {wanted['port']} answers {seen['status']} to who has no login"
        return failed(evidence, f"systemctl stop navilab-gateway, then {run_site('gateway')}")
    return ok(f"port {wanted['port']} answers 401 to who has no login")


def _answer(case: Case) -> GatewayAnswer | None:
    wanted = case.wanted.get("gateway")
    return case.facts["gateways"].get(str(wanted["port"])) if wanted else None


def _disk_of(case: Case, path: str) -> Disk | None:
    """What was gathered of a path's file system, or of the nearest directory above it that was asked for."""
    above = [seen for seen in case.facts["disk"] if path == seen or path.startswith(seen.rstrip("/") + "/")]
    return case.facts["disk"][max(above, key=len)] if above else None


def _data_writable_one(case: Case, webui: WantedWebui) -> Verdict:
    data = (webui.get("data_dir") or "").rstrip("/")
    if not data:
        return skipped("no data directory was named")
    container = case.container(webui)
    access = container["access"] if container else None
    # The process decides, where there is one: an image of somebody else's has a user of its own.
    uid = access["uid"] if access else webui.get("uid")
    files = case.facts["files"]
    if data not in files:
        return skipped("its state was not gathered")
    if uid is None:
        return skipped("the webui's uid is not known")
    disk = _disk_of(case, data)
    if disk and disk["read_only"]:
        return failed(f"{data} lies on a read-only file system", "mount it read-write (see `dmesg` for a failing disk)")
    groups = {access["gid"], *access["groups"]} if access else set()
    kind = unfit(disk["fstype"]) if disk else ""
    elsewhere = f"set webui_data_dir to a disk of the host's own, since {data} lies on {kind}"
    site = elsewhere if kind else run_site("webui")
    for path in [data, *webui["writes"]] if "writes" in webui else written(data):
        seen = files.get(path)
        if seen is None or (not seen["exists"] and path != data):
            continue
        if not seen["exists"] or seen["kind"] not in ("dir", "link"):
            return failed(f"{path} is {'no directory' if seen['exists'] else 'missing'}", site)
        mode = int(seen["mode"] or "0", 8)
        shift = 6 if seen["uid"] == uid else 3 if seen["gid"] in groups else 0
        if seen["kind"] == "dir" and uid != 0 and mode >> shift & 3 != 3:
            return failed(
                f"{path} belongs to {seen['uid']}:{seen['gid']} with mode {seen['mode']}; the webui is uid {uid}",
                site if kind else f"{site}, or chown {uid} {path}",
            )
    return ok(f"{data} can be written by uid {uid}", f"it lies on {kind}" if kind else "")


def data_writable(case: Case) -> Verdict:
    """The data directory and those below that the webui writes belong to the user that it runs as, on a file system
    that can be written."""
    return case.each_webui(_data_writable_one)
