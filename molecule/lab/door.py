#!/usr/bin/env python3
"""A lab's door as its users and those who are none have it. Prints what was seen as JSON; the login comes on stdin.

paths   every path of the webui without a login, and what is closed with one
host    a foreign Host header, and a page of somebody else's
draw N  N pictures at once, each by a client of its own (the public client `webuiapi`)
guess   wrong passwords until no more are taken, the right one then, and a client that has logged in before
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import requests
import webuiapi

# The webui's endpoints by facts of v1.10.1, with what a person may try to get around the door.
GET = (
    "/ /internal/ping /internal/sysinfo /internal/sysinfo-download /internal/profile-startup /internal/pending-tasks "
    "/sdapi/v1/options /sdapi/v1/sd-models /sdapi/v1/memory /sdapi/v1/progress /sdapi/v1/cmd-flags /queue/status /info "
    "/config /file=config.json /file=modules/api/api.py /file/config.json /login /login_check /token /app_id "
    "/theme.css /startup-events /docs /redoc /openapi.json /proxy=http://127.0.0.1/ /%69nternal/sysinfo "
    "//internal/sysinfo /x/..%2finternal/sysinfo /file=x/../config.json /file=%2e%2e/config.json"
    " /file=http:/x.example/y.png /FILE=a.py"
).split()
POST = (
    "/sdapi/v1/txt2img /sdapi/v1/server-kill /sdapi/v1/server-stop /sdapi/v1/server-restart /internal/progress "
    "/upload /run/predict /login /reset"
).split()
CLOSED = [
    path for path in GET if any(word in path.lower() for word in ("sysinfo", "profile", "flags", "file", "proxy"))
]
CLOSED += ["/docs", "/redoc", "/openapi.json", "/config"]
# Known to give numbers: with others the small random model of the lab may not.
PICTURE: dict[str, Any] = {"prompt": "a room full of old boards, still useful", "seed": 5, "steps": 2}
SIZE = {"width": 128, "height": 96}


class Door:
    """One client, which keeps its cookies."""

    def __init__(self, url: str, ca: str, login: tuple[str, str] | None) -> None:
        self.url, self.session = url.rstrip("/"), requests.Session()
        self.session.verify, self.session.auth = ca, login
        self.session.trust_env = False

    def ask(self, path: str, method: str = "GET", **headers: str) -> int:
        """The status; 0 where it says nothing. The path goes as it stands."""
        request = self.session.prepare_request(requests.Request(method, self.url, headers=headers))
        request.url = self.url + path
        try:
            return int(self.session.send(request, timeout=60, verify=self.session.verify).status_code)
        except requests.exceptions.ConnectionError as error:
            if "RemoteDisconnected" not in repr(error):
                raise
            return 0


def paths(door: Door, stranger: Door) -> dict[str, Any]:
    without = {path: stranger.ask(path) for path in GET} | {path: stranger.ask(path, "POST") for path in POST}
    within = {path: door.ask(path) for path in CLOSED}
    return {
        "open": {path: status for path, status in without.items() if status not in (0, 401)},
        "not_closed": {path: status for path, status in within.items() if status not in (0, 404)},
        "page": door.ask("/"),
    }


def host(door: Door) -> dict[str, Any]:
    return {
        "foreign": door.ask("/", Host="evil.example"),
        "page_of_others": door.ask("/sdapi/v1/options", Origin="https://evil.example"),
        "own_page": door.ask("/sdapi/v1/options", Origin=door.url),
    }


def draw(url: str, ca: str, login: tuple[str, str], count: int) -> dict[str, Any]:
    def one(_number: int) -> str:
        where = urlsplit(url)
        api = webuiapi.WebUIApi(
            host=where.hostname, port=where.port or 443, use_https=True, username=login[0], password=login[1]
        )
        api.session.verify, api.session.trust_env = ca, False
        try:
            picture = api.txt2img(**PICTURE, **SIZE).image
        except (requests.exceptions.RequestException, RuntimeError) as error:
            return str(error)[:200]
        return "" if picture.size == (SIZE["width"], SIZE["height"]) else str(picture.size)

    with ThreadPoolExecutor(max_workers=count) as pool:
        failed = [why for why in pool.map(one, range(count)) if why]
    return {"drawn": count - len(failed), "failed": failed}


def guess(door: Door, url: str, ca: str, login: tuple[str, str]) -> dict[str, Any]:
    before = door.ask("/internal/ping")
    statuses = [Door(url, ca, (login[0], f"guess-{number}")).ask("/") for number in range(120)]
    return {
        "wrong": sorted(set(statuses)),
        "taken": statuses.count(401),
        "right": Door(url, ca, login).ask("/"),
        "before": before,
        "known": [door.ask("/internal/ping") for _ in range(100)].count(200),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("ca")
    parser.add_argument("what", choices=["paths", "host", "draw", "guess"])
    parser.add_argument("count", nargs="?", type=int, default=1)
    arguments = parser.parse_args()
    user, _colon, password = sys.stdin.read().strip().partition(":")
    # requests takes a text for latin-1.
    login: Any = (user.encode(), password.encode())
    door, stranger = Door(arguments.url, arguments.ca, login), Door(arguments.url, arguments.ca, None)
    if arguments.what == "paths":
        found = paths(door, stranger)
    elif arguments.what == "host":
        found = host(door)
    elif arguments.what == "draw":
        found = draw(arguments.url, arguments.ca, (user, password), arguments.count)
    else:
        found = guess(door, arguments.url, arguments.ca, login)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
