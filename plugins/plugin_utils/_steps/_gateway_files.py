# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the gateway: nginx's configuration, and the unit of an instance of its own.

An nginx that is there before serves on as it is: nothing of /etc/nginx is read or written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.navilab.webui.plugins.module_utils._gateway import CERT, CERT_KEY, CONFIG, HTPASSWD, KNOWN
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import endpoint

from ._base import Settings

PACKAGE, GROUP = "nginx", "www-data"
NAME = "navilab-gateway"
CONF = f"{CONFIG}/nginx.conf"
UNIT = f"/etc/systemd/system/{NAME}.service"
ENABLED = f"/etc/systemd/system/multi-user.target.wants/{NAME}.service"
RUN, CACHE = f"/run/{NAME}", f"/var/cache/{NAME}"
PID = f"{RUN}/nginx.pid"
"""Has a content from the start to the end, and is touched when the configuration is read again."""
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
HEADER = "# Written by navilab.webui.gateway.\n"


class Target(NamedTuple):
    """What is balanced: a webui of the host's own, or another host's gateway by `name`, which `ca` vouches for."""

    url: str
    name: str = ""
    ca: str = ""


def url_host(address: str) -> str:
    """An address as it stands in a URL, a Host header and nginx's listen."""
    return f"[{address}]" if ":" in address else address


# Forms that nginx and the webui could read differently: dots and slashes that are written as numbers, parts that go up.
_ODD = r"~*^[^?]*(?://|[/=]\.\.?(?:[/?]|$)|[\x5c]|%(?:[01]|2e|2f|5c|7f))"
# What the page fetches of files: its scripts and styles, which are the webui's own, and what it has drawn.
_FILES = "avif|bmp|css|gif|ico|jpe?g|js|mjs|mp3|mp4|ogg|png|ttf|wav|webm|webp|woff2?|zip"
_OPEN = rf"^/file=(?![a-z]+:)(?!.*/\.)[^.].*\.(?:{_FILES})$"
# What prints settings, serves the program's files, asks other servers, or ends the program.
_CLOSED = (
    r"^/(?:internal/(?:sysinfo|profile)|sdapi/v1/(?:cmd-flags|server-)|docs|redoc|openapi\.json|config/?$|"
    r"proxy=|file[=/])"
)
_DRAW = r"^/sdapi/v1/(?:txt2img|img2img|extra-single-image|extra-batch-images|interrogate|png-info)$"


def _block(name: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{name} {{", *(f"    {line}" for line in lines), "}"])


def _socket(target: Target) -> str:
    """By its name, which the log has then."""
    return f"unix:{RUN}/{target.name or 'webui-' + target.url.rpartition(':')[2]}.sock"


def _target(target: Target) -> str:
    """A server behind a socket: so each target has its own scheme, name and headers, and all are balanced alike."""
    lines = [f"listen {_socket(target)};", "client_max_body_size 0;", "access_log off;"]
    if target.name:
        lines += [
            f"proxy_set_header Host {target.name};",
            'proxy_set_header Cookie "$navilab_known; navilab_seat=$http_x_navilab_seat; $http_cookie";',
            'proxy_set_header Origin "";',
            "proxy_ssl_verify on;",
            "proxy_ssl_verify_depth 3;",
            f"proxy_ssl_trusted_certificate {target.ca};",
            "proxy_ssl_server_name on;",
            f"proxy_ssl_name {target.name};",
            "proxy_ssl_session_reuse on;",
        ]
    else:
        # Of the login the webui gets nothing, neither itself nor what proves it.
        lines += [
            "proxy_set_header Host $http_host;",
            'proxy_set_header Authorization "";',
            'proxy_set_header Cookie "";',
        ]
    lines += [
        'proxy_set_header X-Navilab-Seat "";',
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $navilab_connection;",
        "proxy_connect_timeout 5s;",
        f"location / {{ proxy_pass {target.url}; }}",
    ]
    return _block("server", lines)


def _upstream(name: str, method: str, targets: Sequence[Target]) -> str:
    servers = [f"server {_socket(target)} max_fails=1 fail_timeout=10s;" for target in targets]
    return _block(f"upstream {name}", [f"zone {name} 64k;", method, *servers])


def configuration(settings: Settings, targets: Sequence[Target]) -> str:
    """nginx.conf, for nginx 1.18 and later."""
    listen = f"{endpoint(settings['listen'], settings['port'])} ssl"
    everything = " ipv6only=off" if settings["listen"] == "::" else ""
    hosts = [url_host(name).lower() for name in settings["names"]]
    tries = settings["tries"]
    origins = "|".join(host.replace(".", r"\.").replace("[", r"\[").replace("]", r"\]") for host in hosts)
    server = [
        f"listen {listen};",
        f"server_name {' '.join(hosts)};",
        "merge_slashes off;",
        "if ($navilab_odd) { return 444; }",
        "if ($navilab_foreign) { return 444; }",
        'auth_basic "webui";',
        f"auth_basic_user_file {HTPASSWD};",
        f"limit_req zone=navilab_tries burst={tries} nodelay;",
        "limit_req_status 429;",
        f"client_max_body_size {settings['upload_mib']}m;",
        "root /nonexistent;",
        "add_header Set-Cookie $navilab_welcome;",
        "add_header Set-Cookie $navilab_sit;",
        "add_header X-Content-Type-Options nosniff;",
        "add_header X-Frame-Options SAMEORIGIN;",
        f'location ~* "{_OPEN}" {{ proxy_pass http://navilab_page; }}',
        f'location ~* "{_CLOSED}" {{ try_files /none =404; }}',  # after the login, which return would not be
        f'location ~ "{_DRAW}" {{',
        "    proxy_pass http://navilab_draw;",
        "    proxy_next_upstream error timeout http_404 http_502 http_503 http_504 non_idempotent;",
        "    proxy_next_upstream_tries 3;",
        "}",
        "location / { proxy_pass http://navilab_page; }",
    ]
    http = [
        "map_hash_bucket_size 256;",
        "server_names_hash_bucket_size 256;",
        "server_names_hash_max_size 4096;",
        f"include {KNOWN};",
        "default_type text/plain;",
        "server_tokens off;",
        *(f"{kind}_temp_path {CACHE}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")),
        # Without queries, where tokens may be, and without who has logged in.
        "log_format navilab '$remote_addr \"$request_method $uri\" $status $bytes_sent $request_time $upstream_addr';",
        "access_log syslog:server=unix:/dev/log,nohostname,tag=navilab_gateway navilab;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        f"ssl_certificate {CERT};",
        f"ssl_certificate_key {CERT_KEY};",
        "ssl_session_cache shared:navilab:1m;",
        "ssl_session_tickets off;",
        # A guess at the password is a request with one, of a client that has not logged in yet.
        'map $http_authorization $navilab_guess { default $navilab_stranger; "" ""; }',
        f"limit_req_zone $navilab_guess zone=navilab_tries:2m rate={tries}r/m;",
        f'map $request_uri $navilab_odd {{ default 0; "{_ODD}" 1; }}',
        # A page of somebody else's, whose requests would have the login along.
        rf'map $http_origin $navilab_foreign {{ default 1; "" 0; "~*^https://(?:{origins})(?::\d+)?$" 0; }}',
        # A page stays with its webui, which keeps what it shows; without a page, a client does.
        'map $cookie_navilab_seat $navilab_seat { default $cookie_navilab_seat; "" $navilab_new; }',
        'map $uri $navilab_new { default $remote_addr; "/" $request_id; }',
        'map "$uri $cookie_navilab_seat" $navilab_sit { default ""; "/ " "navilab_seat=$request_id; Path=/; Secure; '
        'HttpOnly; SameSite=Strict"; }',
        'map $http_upgrade $navilab_connection { default upgrade; "" close; }',
        "proxy_http_version 1.1;",
        "proxy_buffering off;",
        "proxy_read_timeout 1h;",
        "proxy_send_timeout 10m;",
        "proxy_socket_keepalive on;",
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Navilab-Seat $navilab_seat;",
        "proxy_set_header Upgrade $http_upgrade;",
        "proxy_set_header Connection $navilab_connection;",
        "proxy_next_upstream error timeout http_502 http_503 http_504;",
    ]
    parts = [
        _upstream("navilab_page", "hash $navilab_seat consistent;", targets),
        _upstream("navilab_draw", "least_conn;", targets),
        *map(_target, targets),
        _block("server", [f"listen {listen} default_server{everything};", "server_name _;", "return 444;"]),
        _block("server", server),
    ]
    text = "\n".join([*http, *parts]).replace("\n", "\n    ")
    return f"""{HEADER}user {GROUP};
worker_processes auto;
worker_shutdown_timeout 1h;
daemon off;
pid {PID};
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    {text}
}}
"""


UNIT_TEXT = f"""{HEADER}[Unit]
Description=Gateway to the webui
Wants=network-online.target
After=network-online.target docker.service
StartLimitIntervalSec=0

[Service]
Type=exec
Group={GROUP}
RuntimeDirectory={NAME}
RuntimeDirectoryMode=0750
ExecStart=/usr/sbin/nginx -c {CONF}
ExecReload=/usr/sbin/nginx -q -t -c {CONF}
ExecReload=/bin/kill -HUP $MAINPID
ExecReload=/usr/bin/touch {PID}
Restart=on-failure
RestartSec=2
TimeoutStopSec=30
LimitNOFILE=65536
NoNewPrivileges=true
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL
ProtectSystem=strict
ReadWritePaths={CACHE}
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
MemoryDenyWriteExecute=true
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
