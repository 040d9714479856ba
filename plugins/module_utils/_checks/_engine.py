# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine, and whether it runs the webui's container with its GPU."""

from __future__ import annotations

from .._commands import run_site
from .._engines import obstacle
from .._images import damaged, remedy
from .._sysfs import UNKNOWN
from .._types import WantedWebui
from ._base import Case, Verdict, failed, ok, skipped


def docker_engine(case: Case) -> Verdict:
    """A Docker Engine runs as a unit of systemd's, its daemon.json can be read, and it answers."""
    docker = case.facts["docker"]
    if not case.complete:
        return skipped(UNKNOWN)
    site = run_site("docker_engine")
    found = obstacle(docker)
    if found:
        return failed(*found)
    if not docker["installed"]:
        return failed("no Docker engine is installed", site)
    if docker["config"] is None:
        path = docker["config_file"]
        return failed(
            f"{path} {docker['config_error']}",
            f"mend it (python3 -m json.tool {path} shows where), or move it away; then {site}",
        )
    if not docker["running"] or docker["error"]:
        if docker["error"].endswith("permission denied"):
            return failed(docker["error"], "ask as root (become: true): the engine's socket is root's")
        return failed(
            f"{docker['provider']} is installed, but does not answer: {docker['error'] or 'no socket'}",
            f"systemctl start docker, and see `journalctl -u docker -n 50` if it refuses; or {site}",
        )
    note = ""
    if docker["restart_pending"]:
        note = f"{docker['config_file']} is newer than the running engine: restart it when no picture is being drawn"
    return ok(
        f"{docker['provider']} {docker['version']}, interface {docker['api_version']}, {docker['root_dir']}", note
    )


def _container_running_one(case: Case, webui: WantedWebui) -> Verdict:
    name, container, docker = webui["name"], case.container(webui), case.facts["docker"]
    site, log = run_site("webui"), f"`docker logs --tail 50 {webui['name']}`"
    if container is None:
        if docker["error"] == UNKNOWN:
            return skipped(UNKNOWN)
        return failed(docker["error"] or "there is no such container", site)
    state = container["state"]
    # The engine keeps the mark of a container that it has started again: webui_memory tells of that.
    killed = f"killed for want of memory (limit {container['memory'] >> 20} MiB)" if container["oom_killed"] else ""
    if killed and state in ("exited", "dead", "restarting"):
        return failed(
            f"{state}, {killed}", f"give it more (webui_memory_mib, or RAM and swap for the host), then {site}"
        )
    if state != "running" and damaged(container["error"]):
        return failed(f"{state} ({container['error']})", remedy(container["image"] or "the image", name))
    if state != "running":
        details = [f"exit code {container['exit_code']}"] if state in ("exited", "dead", "restarting") else []
        details += [container["error"]] if container["error"] else []
        remedies = {
            "paused": f"docker unpause {name}",
            "created": f"docker start {name}, or {site}",
            "restarting": f"it dies at each start: see {log}, then {site}",
        }
        evidence = f"{state}{' (' + ', '.join(details) + ')' if details else ''}"
        return failed(evidence, remedies.get(state or "", f"see {log}, then {site}"))
    wanted, notes = webui.get("image"), []
    if wanted and container["image"] != wanted:
        image = docker["images"].get(wanted)
        if image and image["id"] != container["image_id"]:
            return failed(f"it runs {container['image']}, not {wanted}", site)
        notes += [] if image else [f"it runs {container['image']}, asked for was {wanted}"]
    if container["restart_count"]:
        notes.append(f"the engine restarted it {container['restart_count']} time(s)")
    return ok(f"running since {container['started_at']}", "; ".join(notes))


def container_running(case: Case) -> Verdict:
    """The webui's container runs, with the image that is wanted."""
    return case.each_webui(_container_running_one)


RENDER = "/dev/dri/renderD"


def _container_sees_gpu_one(case: Case, webui: WantedWebui) -> Verdict:
    container = case.container(webui)
    if container is None or container["state"] != "running":
        return skipped("it does not run")
    devices = webui.get("devices")
    if devices is None:
        devices = ["/dev/kfd", *(board["render_node"] for board in case.boards if board["render_node"])][:2]
    if not devices:
        return skipped("its profile uses no board")
    access = container["access"]
    if access is None:
        return skipped("the container's process can be seen by root alone")
    site = run_site("webui")
    for path in devices:
        seen = access["devices"].get(path)
        if seen is None or not seen["exists"]:
            return failed(f"{path} was not passed on", f"{site} (it makes the container again with its board's nodes)")
        if not seen["same_as_host"]:
            return failed(
                f"{path} in the container is another device than on the host",
                f"{site}: the numbers changed since it was made",
            )
        if not seen["rw"]:
            node = case.drm.get(path) or case.facts["kfd"]["device"]
            return failed(
                f"uid {access['uid']} with groups {access['groups']} may not open {path} "
                f"(group {node['gid']}, mode {node['mode']})",
                f"{site}: it passes the host's group numbers on (names differ between host and image)",
            )
    foreign = [
        path
        for path, seen in access["devices"].items()
        if webui.get("devices") and seen["exists"] and path.startswith(RENDER) and path not in devices
    ]
    if foreign:
        owner = {board["render_node"]: f" of {board['bdf']}" for board in case.facts["boards"]}
        named = ", ".join(f"{path}{owner.get(path, '')}" for path in foreign)
        return failed(f"it sees {named} too, beside {', '.join(devices)}", f"{site} (it makes the container again)")
    uid = webui.get("uid")
    note = f"it runs as uid {access['uid']}, not {uid}" if uid is not None and uid != access["uid"] else ""
    return ok(f"{', '.join(devices)} open to uid {access['uid']}", note)


def container_sees_gpu(case: Case) -> Verdict:
    """The process in the container may open the nodes of its own board, which are the host's, and sees no other
    board's."""
    return case.each_webui(_container_sees_gpu_one)
