# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a person reaches a webui that listens on its host's loopback."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any


def ssh_forward(connection: Mapping[str, Any], port: int, local_port: int | None = None) -> str:
    """The ssh command that forwards a port of the host's loopback to one's desk; empty for a local connection."""
    if connection.get("ansible_connection") in ("local", "community.docker.docker", "docker"):
        return ""
    words = ["ssh", "-N", "-L", f"{local_port or port}:127.0.0.1:{port}"]
    words += shlex.split(str(connection.get("ansible_ssh_common_args") or ""))
    if connection.get("ansible_ssh_private_key_file"):
        words += ["-i", str(connection["ansible_ssh_private_key_file"])]
    if connection.get("ansible_port"):
        words += ["-p", str(connection["ansible_port"])]
    user = connection.get("ansible_user")
    address = str(connection.get("ansible_host") or connection["inventory_hostname"])
    return shlex.join([*words, f"{user}@{address}" if user else address])


def lines(instances: Sequence[Mapping[str, Any]], connection: Mapping[str, Any], gateway: str = "") -> list[str]:
    """The address of the host's gateway, else one line a webui. Each host gets a local port of its own, so that the
    pages of a whole lab can be open side by side."""
    host = str(connection.get("inventory_hostname", ""))
    if gateway:
        return [f"{gateway} on {host}, with the login in gateway_user"]
    hosts = list(connection.get("ansible_play_hosts_all") or [host])
    number = hosts.index(host) if host in hosts else 0
    found = []
    for each in instances:
        local = each["port"] + number
        forward = ssh_forward(connection, each["port"], local)
        desk = f". To bring it to your desk: {forward} and open http://127.0.0.1:{local}" if forward else ""
        found.append(f"{each['url']} on {host}{desk}")
    return found
