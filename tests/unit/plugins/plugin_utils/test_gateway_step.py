"""What the gateway role decides: who is refused, convergence, each drift, what is balanced, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.action import plan as action
from ansible_collections.navilab.webui.plugins.module_utils import _lab_registry
from ansible_collections.navilab.webui.plugins.module_utils._gateway import (
    CA,
    CA_KEY,
    CERT,
    CERT_KEY,
    HTPASSWD,
    KNOWN,
    token,
)
from ansible_collections.navilab.webui.plugins.plugin_utils import _variables
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS, gateway
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _gateway_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._base import FORGET
from gateway_host import GID, LOGIN, STARTED, WANTED, serve_gateway

UNIT = "navilab-gateway.service"
PEERS = {
    "hosts": ["node1", "node2", "node3"],
    "ca_host": "node1",
    "peers": {
        "address": ["192.0.2.11", "192.0.2.12", ""],
        "port": [443, 8443, 443],
        "names": [[], [], ["192.0.2.13", "rack3.example"]],
        "hosts": [["node1"], [], []],
        "ca_host": ["node1"] * 3,
    },
}
Given = Callable[..., dict[str, Any]]


@pytest.fixture
def given(variables: dict[str, dict[str, Any]], settings: dict[str, Any]) -> Given:
    """The settings of the step, with changes of the role's variables; `listen` is webui_listen."""

    def of(listen: str = "192.0.2.11", now: float = 0.0, **changes: Any) -> dict[str, Any]:
        variables["webui"]["listen"] = listen
        variables["gateway"].update({**WANTED, "peers": {}, **changes})
        found = STEPS["gateway"].settings(variables)
        return {**found, "now": now or found["now"]}

    return of


@pytest.fixture
def served(facts: dict[str, Any], given: Given, seen: Callable[..., Any]) -> Callable[..., Any]:
    return lambda **changes: serve_gateway(facts, given(**changes), seen)


def plan(facts: Any, settings: Any) -> Any:
    facts["addresses"].setdefault("192.0.2.11", True)
    return STEPS["gateway"].plan(facts, settings)


@pytest.mark.parametrize(
    ("listen", "changes", "wanted"),
    [
        ("127.0.0.1", {}, False),
        ("192.0.2.11", {}, True),
        ("0.0.0.0", {}, True),
        ("127.0.0.1", PEERS, True),  # and is refused
        ("0.0.0.0", {"state": "absent"}, False),
    ],
)
def test_it_is_wanted_where_the_network_is_to_reach_the_webui(
    facts: Any, given: Given, variables: Any, listen: str, changes: dict[str, Any], wanted: bool
) -> None:
    settings = given(listen, **changes)
    assert settings["wanted"] is wanted and bool(gateway.asked(variables)) is wanted
    assert bool(plan(facts, settings)["actions"] or plan(facts, settings)["problems"]) is wanted


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"user": ""}, "gateway_login", "gateway_user is empty"),
        ({"password": ""}, "gateway_login", "gateway_password is empty"),
        ({"user": "", "password": ""}, "gateway_login", "gateway_user and gateway_password is empty"),
        ({"password": "elevenchars"}, "gateway_login", "12 to 72"),
        ({"password": "ü" * 37}, "gateway_login", "12 to 72"),
        ({"password": "twelve\nor more"}, "gateway_login", "control"),
        ({"user": "a:b"}, "gateway_login", "colon"),
        ({"listen": "lab.example"}, "variables", "no address"),
        ({"listen": "127.0.0.2"}, "variables", "loopback"),
        ({"listen": "192.0.2.99"}, "variables", "none of this host's"),
        ({"listen": "127.0.0.1", **PEERS}, "variables", "loopback"),
        ({"port": 0}, "variables", "1 to 65535"),
        ({"port": 7860}, "variables", "webui_port"),
        ({"names": []}, "variables", "empty"),
        (
            {**PEERS, "peers": {**PEERS["peers"], "names": [[], ["lab.example"], ["lab.example"]]}},
            "variables",
            "each needs",
        ),
        ({"names": ["a b;"]}, "variables", "'a b;'"),
        ({"cert": "PEM"}, "variables", "go together"),
        ({"ca_cert": "PEM"}, "variables", "gateway_cert goes with it"),
        ({"upload_mib": 0}, "variables", "nothing in"),
        ({"tries": 0}, "variables", "nobody in"),
        ({"ca_host": "node9", "ca_known": False}, "variables", "no host of this inventory"),
        ({**PEERS, "peers": {**PEERS["peers"], "ca_host": ["node1", "", "node1"]}}, "variables", "node2 has a cert"),
        ({**PEERS, "peers": {**PEERS["peers"], "hosts": [[], ["node1"], []]}}, "variables", "asked in turn"),
        ({**PEERS, "peers": {**PEERS["peers"], "names": [[], ["192.0.2.12"], []]}}, "variables", "no name"),
        ({**PEERS, "peers": {**PEERS["peers"], "address": ["", "a; b", ""]}}, "variables", "node2 has an ansible_host"),
    ],
)
def test_what_is_refused(facts: Any, given: Given, changes: dict[str, Any], check: str, says: str) -> None:
    facts["addresses"]["192.0.2.99"] = False
    found = plan(facts, given(**changes))
    assert [each["id"] for each in found["problems"]] == [check] and says in found["problems"][0]["evidence"]
    assert found["actions"] == []


@pytest.mark.parametrize(
    ("listeners", "listen", "taken"),
    [
        (["0.0.0.0"], "192.0.2.11", True),
        (["192.0.2.11"], "0.0.0.0", True),
        (["127.0.0.1"], "192.0.2.11", False),
        ([], "0.0.0.0", False),
    ],
)
def test_a_port_of_somebody_elses(facts: Any, given: Given, listeners: list[str], listen: str, taken: bool) -> None:
    facts["ports"]["443"] = {"listeners": listeners, "owner": "apache2"}
    problems = plan(facts, given(listen))["problems"]
    assert [each["id"] for each in problems] == (["gateway_port"] if taken else [])
    assert not taken or "apache2" in problems[0]["evidence"]


def test_a_bare_host(facts: Any, given: Given) -> None:
    found = plan(facts, given())
    assert found["install"] == ["nginx", "python3-cryptography"] and found["mask"] == gateway.MASK
    assert found["tls"]["ca"] and found["tls"]["cert"] and found["login"] and found["seal"]
    assert found["tls"]["sans"] == ["IP:192.0.2.11", "DNS:node1"]
    assert found["units"] == [{"name": UNIT, "state": "started", "enabled": True}]
    assert found["url"] == "https://192.0.2.11/"
    assert found["probe"] == {"url": "https://192.0.2.11:443/", "host": "192.0.2.11"}
    assert {"nginx", "nginx-common", "python3-cryptography"} <= set(found["record"]["packages"])


def test_an_nginx_of_the_users_is_left_alone(facts: Any, given: Given) -> None:
    facts["dpkg"]["packages"]["nginx"] = {"installed": True, "version": "1", "held": False}
    found = plan(facts, given())
    assert "nginx" not in found["install"] and found["mask"] == ""
    assert not any("/etc/nginx" in str(value) for value in found.values())


def test_no_secret_is_in_a_plan_or_in_what_is_asked(facts: Any, given: Given) -> None:
    settings = given(cert="PEM", key="SECRET-KEY")
    for text in (json.dumps(plan(facts, settings)), json.dumps(STEPS["gateway"].wants(settings))):
        assert LOGIN["password"] not in text and "SECRET-KEY" not in text
        assert token(LOGIN["user"], LOGIN["password"]) not in text


CHANGES = [{}, {"listen": "0.0.0.0"}, {"cert": "PEM", "key": "KEY"}, PEERS, {"ca_host": "node2"}]


@pytest.mark.parametrize("changes", CHANGES)
def test_a_second_run_has_nothing_to_do(served: Any, given: Given, changes: dict[str, Any]) -> None:
    found = plan(served(**changes), given(**changes))
    assert (found["problems"], found["actions"]) == ([], [])


@pytest.mark.parametrize("changes", CHANGES)
def test_all_that_is_planned_from_is_wanted(served: Any, given: Given, changes: dict[str, Any]) -> None:
    wants = STEPS["gateway"].wants(given(**changes))
    facts = served(**changes)
    facts["files"] = {path: seen for path, seen in facts["files"].items() if path in wants["files"]}
    facts["dpkg"]["packages"] = {name: facts["dpkg"]["packages"].get(name) for name in wants["packages"]}
    facts["ports"] = {str(port): facts["ports"].get(str(port)) for port in wants["ports"]}
    facts["groups"] = {name: facts["groups"].get(name) for name in (*wants["groups"], "video", "render")}
    assert plan(facts, given(**changes))["actions"] == []


@pytest.mark.parametrize(
    ("path", "change", "says", "state"),
    [
        (HTPASSWD, {"mode": "0644"}, "make the login of lab", None),
        (HTPASSWD, {"sha256": "other"}, "make the login of lab", None),
        (KNOWN, {"sha256": "other"}, "make the login of lab", "reloaded"),
        (KNOWN, {"uid": 1000}, "make the login of lab", "reloaded"),
        (CERT, {"exists": False}, "make a certificate", "reloaded"),
        (CERT_KEY, {"mode": "0644"}, "make a certificate", "reloaded"),
        (CA, {"sha256": "other"}, "make a CA", "reloaded"),
        (files.CONF, {"sha256": "other"}, f"write {files.CONF}", "reloaded"),
        (files.CONF, {"mtime": STARTED + 1}, "reload", "reloaded"),
        (files.UNIT, {"sha256": "other"}, f"write {files.UNIT}", "restarted"),
        (files.UNIT, {"mtime": STARTED + 1}, "restart", "restarted"),
        (files.PID, {"size": 0}, "start navilab", "started"),
        (files.ENABLED, {"exists": False}, "at boot", "started"),
        (files.CACHE, {"exists": False, "kind": None}, "make /var/cache/navilab-gateway", None),
    ],
)
def test_each_drift(served: Any, given: Given, path: str, change: dict[str, Any], says: str, state: str | None) -> None:
    facts = served()
    facts["files"][path] = {**facts["files"][path], **change}
    if path == files.PID:
        facts["ports"]["443"]["listeners"] = []
    found = plan(facts, given())
    assert found["problems"] == [] and says in "; ".join(found["actions"])
    # nginx reads the htpasswd by itself; both files of the login are made together, though.
    assert [unit["state"] for unit in found["units"]] == ([state] if state else ["reloaded"] if found["login"] else [])


def test_one_that_does_not_listen_is_restarted(served: Any, given: Given) -> None:
    facts = served()
    facts["ports"]["443"]["listeners"] = []
    assert [unit["state"] for unit in plan(facts, given())["units"]] == ["restarted"]


def test_a_narrower_address_needs_a_restart(served: Any, given: Given) -> None:
    """nginx holds the wide one until the narrow one is bound, which it can't be."""
    host = served(listen="0.0.0.0")
    assert plan(host, given("192.0.2.11"))["units"][0]["state"] == "restarted"


def test_an_nginx_of_another_package_is_not_masked(facts: Any, given: Given) -> None:
    """nginx-light runs by the same unit."""
    facts["dpkg"]["packages"]["nginx-common"] = {"installed": True, "version": "1", "held": False}
    found = plan(facts, given())
    assert "nginx" in found["install"] and found["mask"] == ""


@pytest.mark.parametrize("changes", [{"password": "another-password"}, {"user": "other"}])
def test_another_login_is_made(served: Any, given: Given, changes: dict[str, Any]) -> None:
    found = plan(served(), given(**changes))
    assert found["login"] and not found["tls"]["cert"]
    assert not any(HTPASSWD in line for line in found["record"]["made"])


def test_another_name_needs_another_certificate(served: Any, given: Given) -> None:
    found = plan(served(), given(names=["node1.example"]))
    assert found["tls"]["cert"] and not found["tls"]["ca"] and not found["tls"]["renew_cert"]


@pytest.mark.parametrize(("which", "days", "ca", "cert"), [("ca", 170, True, True), ("cert", 80, False, True)])
def test_certificates_near_their_end_are_made_again(
    served: Any, given: Given, which: str, days: int, ca: bool, cert: bool
) -> None:
    facts, now = served(), 1_800_000_000.0
    end = datetime.fromtimestamp(now + days * 86400, UTC).strftime("%Y%m%d%H%M%SZ")
    facts["records"]["gateway"]["ends"][which] = end
    tls = plan(facts, given(now=now))["tls"]
    assert (tls["renew_ca"], tls["renew_cert"], tls["cert"]) == (ca, not ca, cert)


def test_a_certificate_of_ones_own_is_near_its_end(served: Any, given: Given) -> None:
    own = {"cert": "PEM", "key": "KEY"}
    facts, now = served(**own), 1_800_000_000.0
    facts["records"]["gateway"]["ends"]["cert"] = datetime.fromtimestamp(now + 864000, UTC).strftime("%Y%m%d%H%M%SZ")
    found = plan(facts, given(now=now, **own))
    assert found["warnings"] == ["the certificate in gateway_cert ends in 10 days"] and found["actions"] == []


def test_the_ca_of_the_labs_registry_is_taken_where_it_is(facts: Any, given: Given, seen: Callable[..., Any]) -> None:
    facts["files"] |= {_lab_registry.CA: seen("file", "CA"), _lab_registry.CA_KEY: seen("file", "KEY", mode="0600")}
    found = plan(facts, given())
    assert found["links"] == {CA: _lab_registry.CA, CA_KEY: _lab_registry.CA_KEY} and not found["tls"]["ca"]
    host = serve_gateway(facts, given(), seen)
    assert plan(host, given())["actions"] == []
    host["files"][_lab_registry.CA] = seen("file", "another CA")
    assert plan(host, given())["tls"]["cert"]
    del host["files"][_lab_registry.CA], host["files"][_lab_registry.CA_KEY]  # the registry is gone
    again = plan(host, given())
    assert again["tls"]["ca"] and again["files_absent"] == [CA, CA_KEY]


def test_another_hosts_ca_signs(facts: Any, given: Given) -> None:
    found = plan(facts, given(ca_host="node2"))
    assert found["tls"]["signer"] == "node2" and found["tls"]["cert"] and not found["tls"]["ca"]
    assert plan(facts, given(ca_host="node1"))["tls"]["signer"] == ""  # its own name


def test_a_run_of_the_hosts_own_gets_no_signature(facts: Any, given: Given, seen: Callable[..., Any]) -> None:
    """Its tasks for the host that signs would run on this one, whose own CA was deleted before."""
    (problem,) = plan(facts, given(ca_host="node2", ca_local=True))["problems"]
    assert (problem["id"], "node2" in problem["evidence"]) == ("gateway_ca_host", True)
    assert plan(facts, given(ca_host="node1", ca_local=True))["problems"] == []  # it is its own
    host = serve_gateway(facts, given(ca_host="node2"), seen)
    found = plan(host, given(ca_host="node2", ca_local=True))
    assert (found["problems"], found["actions"]) == ([], [])  # it has one


@pytest.mark.parametrize(
    ("own", "signer", "local"),
    [
        ("local", "local", True),
        ("ansible.builtin.local", "local", True),
        ("local", "ssh", False),  # the controller is a host of the lab
        ("local", None, False),
        (None, "local", False),
        (None, None, False),
    ],
)
def test_whether_another_hosts_tasks_would_run_here(own: str | None, signer: str | None, local: bool) -> None:
    hosts = {"node2": {} if signer is None else {"ansible_connection": signer}}
    known: dict[str, Any] = {"hostvars": hosts} | ({"ansible_connection": own} if own else {})
    assert [action._is_here(name, known) for name in ("node2", "", None, "node9")] == [local, False, False, False]
    assert not action._is_here("node2", {"ansible_connection": "local"})  # a recorded host has no lab


def test_what_is_balanced(facts: Any, given: Given) -> None:
    second = {**facts["boards"][0], "bdf": "0000:0d:00.0", "render_node": "/dev/dri/renderD129"}
    facts["boards"].append(second)
    own = [files.Target("http://127.0.0.1:7860"), files.Target("http://127.0.0.1:7861")]
    others = [
        files.Target("https://192.0.2.12:8443", "node2", CA),
        files.Target("https://node3:443", "rack3.example", CA),
    ]
    assert gateway._targets(facts, given()) == own
    assert gateway._targets(facts, given(**PEERS)) == [*own, *others]
    only = {**PEERS, "hosts": ["node2"], "peers": {key: value[1:2] for key, value in PEERS["peers"].items()}}  # type: ignore[attr-defined]
    assert gateway._targets(facts, given(**only)) == others[:1]
    signed = {**PEERS, "cert": "PEM", "key": "KEY"}
    assert gateway._targets(facts, given(**signed))[2].ca == files.SYSTEM_CAS


def pattern(text: str, name: str) -> re.Pattern[str]:
    """A regular expression of the configuration, as PCRE and Python both read it."""
    found = {"odd": files._ODD, "open": files._OPEN, "closed": files._CLOSED, "draw": files._DRAW}[name]
    assert f'"{found}"' in text
    return re.compile(found.removeprefix("~*"), 0 if name == "draw" else re.IGNORECASE)


@pytest.mark.parametrize(
    ("name", "there", "not_there"),
    [
        (
            "odd",
            "/a/../b /file=../x /file=x/../config.json /%2e%2e/ /x%2Fy /a//b //a /x%5cy /x%00 /a/. /a/./b /a/.. /%0d",
            "/ /a.b/c..d /file=/tmp/a.png /file=/x/100%25.png /file=a%20b.png /a?b=../c//%2e /queue/join",
        ),
        (
            "open",
            "/file=javascript/ui.js /file=style.css /file=/dockerx/webui_data/outputs/a.b/1.png /file=notification.mp3 "
            "/file=/tmp/gradio/x.PNG /file=extensions-builtin/a/javascript/b.mjs",
            "/file=config.json /file=modules/api/api.py /file=.git/x.png /file=a/.b/x.png /file=https:/x.example/y.png "
            "/file/style.css /file=x.svg /file=x.html /file=params.txt /file=a.js/b /file=m.safetensors",
        ),
        (
            "closed",
            "/internal/sysinfo /internal/sysinfo-download /internal/profile-startup /sdapi/v1/cmd-flags /docs /redoc "
            "/sdapi/v1/server-kill /openapi.json /config /config/ /proxy=http /file=config.json /file/x /docs/oauth2-x",
            "/ /internal/ping /internal/progress /sdapi/v1/options /sdapi/v1/txt2img /queue/join /config.js /upload",
        ),
        ("draw", "/sdapi/v1/txt2img /sdapi/v1/img2img /sdapi/v1/interrogate", "/sdapi/v1/options /sdapi/v1/txt2img/x"),
    ],
)
def test_which_paths_are_which(given: Given, name: str, there: str, not_there: str) -> None:
    matches = pattern(files.configuration(given(), [files.Target("http://127.0.0.1:7860")]), name)
    assert [path for path in there.split() if not matches.search(path)] == []
    assert [path for path in not_there.split() if matches.search(path)] == []


def test_the_configuration(given: Given) -> None:
    peer = files.Target("https://192.0.2.12:8443", "node2", CA)
    text = files.configuration(given("::", **PEERS), [files.Target("http://127.0.0.1:7860"), peer])
    assert text.count("listen [::]:443 ssl") == 2 and "default_server ipv6only=off" in text
    assert "server unix:/run/navilab-gateway/webui-7860.sock" in text and "/run/navilab-gateway/node2.sock" in text
    local, other = text.split("listen unix:/run/navilab-gateway/node2.sock")
    assert 'proxy_set_header Authorization ""' in local and 'proxy_set_header Authorization ""' not in other
    assert "proxy_ssl_verify on" in other and "proxy_ssl_name node2" in other and f"certificate {CA};" in other
    assert "server_name 192.0.2.11 node1;" in text
    origin = re.search(r'"~\*(\^https.*?)" 0', text)
    assert origin
    known = [
        each
        for each in ("https://node1", "https://NODE1:8443", "https://192.0.2.11")
        if re.match(origin[1], each, re.I)
    ]
    assert len(known) == 3
    assert not any(
        re.match(origin[1], each) for each in ("https://node1.evil", "http://node1", "null", "https://192x0.2.11")
    )


@pytest.mark.parametrize("line", files.configuration({**WANTED, "listen": "0.0.0.0"}, []).splitlines())
def test_every_line_ends_as_nginx_wants(line: str) -> None:
    assert not line.strip() or line.startswith("#") or line.rstrip()[-1] in ";{}"


def test_taken_out(served: Any, given: Given) -> None:
    facts = served()
    facts["files"] |= {files.RUN: facts["files"][files.CACHE]}
    found = plan(facts, given(state="absent"))
    assert found["units"] == [{"name": UNIT, "state": "stopped", "enabled": False}]
    assert found["files_absent"] == ["/etc/navilab/gateway", files.UNIT, files.CACHE, files.RUN]
    assert found["remove"] == ["nginx", "nginx-common", "python3-cryptography"] and found["unmask"] == gateway.MASK
    assert found["empty_absent"] == ["/etc/navilab"] and found["record"] == {}
    assert plan(facts, given("127.0.0.1"))["actions"] == found["actions"]  # nobody wants it any more


def test_what_makes_the_registrys_certificates_stays_while_that_does(served: Any, given: Given) -> None:
    facts = served()
    facts["records"]["registry"] = {"packages": ["docker-registry"]}
    assert plan(facts, given(state="absent"))["remove"] == ["nginx", "nginx-common"]


def test_what_came_in_with_the_registry_is_in_both_records(facts: Any, given: Given) -> None:
    facts["records"]["registry"] = {"packages": ["docker-registry", "python3-cryptography"]}
    facts["dpkg"]["packages"]["python3-cryptography"] = {"installed": True, "version": "1", "held": False}
    found = plan(facts, given())["record"]["packages"]
    assert "python3-cryptography" in found and "docker-registry" not in found


def test_an_nginx_that_is_in_use_by_now_stays(served: Any, given: Given) -> None:
    facts = served()
    del facts["files"][gateway.MASK]
    found = plan(facts, given(state="absent"))
    assert found["remove"] == ["python3-cryptography"] and found["warnings"]


def test_a_record_of_nothing_is_forgotten(facts: Any, given: Given) -> None:
    assert plan(facts, given(state="absent"))["actions"] == []
    facts["records"]["gateway"] = {"packages": []}
    assert plan(facts, given(state="absent"))["actions"] == [FORGET]


def test_the_roles_paths_are_the_modules() -> None:
    constants = yaml.safe_load((_variables.ROLES / "gateway/vars/main.yml").read_text(encoding="utf-8"))
    assert constants["__gateway_files"] == {"ca": CA, "ca_key": CA_KEY, "cert": CERT, "key": CERT_KEY}
    tasks = (_variables.ROLES / "gateway/tasks/serve.yml").read_text(encoding="utf-8")
    assert f"path: {files.RUN}\n" in tasks and f"dest: {files.CONF}\n" in tasks and GID
