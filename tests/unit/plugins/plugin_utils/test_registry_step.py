"""What the registry role decides: first run, convergence, each drift, certificates, ports, and the way back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from ansible_collections.navilab.webui.plugins.module_utils._lab_registry import (
    CA,
    CA_KEY,
    CERT,
    CERT_KEY,
    CONFIG,
    ENVIRONMENT,
    HTPASSWD,
    LOGIN,
)
from ansible_collections.navilab.webui.plugins.plugin_utils import _variables
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import STEPS, registry
from ansible_collections.navilab.webui.plugins.plugin_utils._steps import _registry_files as files
from ansible_collections.navilab.webui.plugins.plugin_utils._steps._base import FORGET
from registry_host import GID, STARTED, serve_registry

NOW = 1_800_000_000.0  # 2027-01-15
SETTINGS: dict[str, Any] = {
    "state": "present", "address": "192.0.2.11", "listen": "", "port": 5000, "push_port": 5001, "mirror_of": "",
    "mirror_port": 5002, "mirror_ca": "", "data_dir": "/var/lib/navilab-registry", "keep": 2, "max_mib": 0,
    "mirror_max_mib": 0, "ca_cert": "", "ca_key": "", "cert": "", "key": "", "now": NOW, "gateway": True,
}  # fmt: skip
MIRROR = {"mirror_of": "https://registry-1.docker.io"}
PULL, PUSH, MIRRORS = (f"navilab-registry@{name}.service" for name in ("pull", "push", "mirror"))
TIMER = "navilab-registry-gc.timer"


def plan(facts: Any, **changes: Any) -> Any:
    return STEPS["registry"].plan(facts, {**SETTINGS, **changes})


def states(found: Any) -> dict[str, str]:
    return {unit["name"]: unit["state"] for unit in found["units"]}


def paths(found: Any) -> list[str]:
    return [each["path"] for each in found["writes"]]


@pytest.fixture
def own(facts: dict[str, Any]) -> dict[str, Any]:
    """A bare host whose address is that of the registry."""
    facts["addresses"] = {"192.0.2.11": True}
    return facts


@pytest.fixture
def served(own: dict[str, Any], seen: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The host as the role leaves it, with these variables."""

    def of(**changes: Any) -> dict[str, Any]:
        found: dict[str, Any] = serve_registry(own, {**SETTINGS, **changes}, seen)
        return found

    return of


def test_a_bare_host(own: dict[str, Any]) -> None:
    found = plan(own)
    assert found["problems"] == []
    assert found["install"] == ["docker-registry", "python3-cryptography"]
    assert found["mask"] == registry.MASK
    assert found["tls"]["ca"] and found["tls"]["cert"] and found["login"] and found["seal"] and found["daemon_reload"]
    assert (found["tls"]["san"], found["address"]) == ("IP:192.0.2.11", "192.0.2.11:5000")
    assert states(found) == {PULL: "started", PUSH: "started", TIMER: "restarted"}
    record = found["record"]
    assert record["packages"] == ["docker-registry", "python3-cffi-backend", "python3-cryptography"]
    assert record["serves"] == {"address": "192.0.2.11", "listen": "192.0.2.11", "ports": {"pull": 5000, "push": 5001}}
    assert record["account"] and record["home"] and record["mask"] == registry.MASK
    assert "/var/lib/navilab-registry" in record["directories"]
    assert set(found["questions"]) == {"apt"}


@pytest.mark.parametrize("changes", [{}, MIRROR, {**MIRROR, "mirror_ca": "PEM\n"}, {"ca_cert": "C\n", "ca_key": "K\n"}])
def test_the_second_run_has_nothing_to_do(served: Callable[..., Any], changes: Any) -> None:
    found = plan(served(**changes), **changes)
    assert (found["actions"], found["problems"], found["warnings"], found["questions"]) == ([], [], [], {})
    assert found["record"] == served(**changes)["records"]["registry"]


def test_all_that_is_planned_from_is_wanted(served: Callable[..., Any]) -> None:
    changes = {**MIRROR, "mirror_ca": "PEM\n"}
    facts = served(**changes)
    wants = STEPS["registry"].wants({**SETTINGS, **changes})
    assert set(facts["files"]) <= set(wants["files"])
    assert (wants["groups"], wants["ports"], wants["addresses"]) == (
        ["docker-registry"],
        [5000, 5001, 5002],
        ["192.0.2.11"],
    )
    assert set(registry.PACKAGES) <= set(wants["packages"])


def configuration(instance: str, **changes: Any) -> Any:
    return yaml.safe_load(files.configuration({**SETTINGS, **changes}, "192.0.2.11", instance))


def test_pull_can_only_be_read() -> None:
    found = configuration("pull")
    assert found["storage"]["maintenance"]["readonly"] == {"enabled": True}
    assert found["http"]["addr"] == "192.0.2.11:5000" and found["http"]["tls"]["certificate"] == CERT
    assert "auth" not in found and "delete" not in found["storage"]
    assert f"{files.drop_in('pull')}/navilab.conf" not in files.files(
        SETTINGS, ""
    )  # ProtectSystem=strict does the rest


def test_push_is_on_loopback_behind_its_login() -> None:
    found = configuration("push")
    assert found["http"]["addr"] == "127.0.0.1:5001" and "tls" not in found["http"]
    assert found["auth"]["htpasswd"]["path"] == HTPASSWD
    assert found["storage"]["filesystem"] == configuration("pull")["storage"]["filesystem"]


def test_texts_of_ansible_are_texts() -> None:
    class Tagged(str):
        """As ansible-core 2.19 has them."""

    assert configuration("mirror", mirror_of=Tagged("https://x"))["proxy"] == {"remoteurl": "https://x"}


def test_mirror_has_a_storage_of_its_own() -> None:
    found = configuration("mirror", **MIRROR)
    assert found["proxy"] == {"remoteurl": MIRROR["mirror_of"]}
    assert found["storage"]["filesystem"] != configuration("pull")["storage"]["filesystem"]
    assert (
        configuration("mirror", **MIRROR, data_dir="/srv/r/")["storage"]["filesystem"]["rootdirectory"]
        == "/srv/r/mirror"
    )


@pytest.mark.parametrize(
    ("own", "listen", "expected"),
    [(True, "", "192.0.2.11"), (False, "", ""), (None, "", ""), (False, "198.51.100.1", "198.51.100.1")],
)
def test_where_it_listens(facts: dict[str, Any], own: bool | None, listen: str, expected: str) -> None:
    facts["addresses"] = {"192.0.2.11": own}
    found = plan(facts, listen=listen)
    assert found["record"]["serves"]["listen"] == expected
    (config,) = [each["content"] for each in found["writes"] if each["path"] == files.config_of("pull")]
    assert yaml.safe_load(config)["http"]["addr"] == f"{expected}:5000"


@pytest.mark.parametrize(
    ("address", "san", "shown"),
    [
        ("node1.lab", "DNS:node1.lab", "node1.lab:5000"),
        ("2001:db8::1", "IP:2001:db8::1", "[2001:db8::1]:5000"),
        ("10", "IP:10", "10:5000"),
    ],
)
def test_names_and_addresses(facts: dict[str, Any], address: str, san: str, shown: str) -> None:
    found = plan(facts, address=address)
    assert (found["tls"]["san"], found["address"]) == (san, shown)


STOP: dict[str, Callable[[dict[str, Any]], Any]] = {
    "stopped": lambda facts: (facts["files"].pop(f"{files.RUN}/pull"), facts["ports"]["5000"].update(listeners=[])),
    "deaf": lambda facts: facts["ports"]["5000"].update(listeners=[]),
    "settings": lambda facts: facts["files"][files.config_of("pull")].update(sha256="0"),
    "newer": lambda facts: facts["files"][CERT].update(mtime=STARTED + 1),
    "unit": lambda facts: facts["files"].pop(files.TEMPLATE),
    "boot": lambda facts: facts["files"].pop(files.enabled("pull")),
}


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        ("stopped", {PULL: "started"}),
        ("deaf", {PULL: "restarted"}),
        ("settings", {PULL: "restarted"}),
        ("newer", {PULL: "restarted"}),
        ("unit", {PULL: "restarted", PUSH: "restarted"}),
        ("boot", {PULL: "started"}),
    ],
)
def test_drift_of_an_instance(served: Callable[..., Any], drift: str, expected: dict[str, str]) -> None:
    facts = served()
    STOP[drift](facts)
    found = plan(facts)
    assert states(found) == expected
    assert found["actions"] and found["daemon_reload"] and not found["login"] and not found["tls"]["cert"]


@pytest.mark.parametrize("path", [CA, CA_KEY, CERT, CERT_KEY, LOGIN, HTPASSWD, ENVIRONMENT])
@pytest.mark.parametrize("drift", [{"sha256": "0"}, {"mode": "0666"}, {"uid": 7}, {"gid": 7}, None])
def test_drift_of_what_is_made_on_the_host(served: Callable[..., Any], path: str, drift: Any) -> None:
    facts = served()
    if drift is None:
        del facts["files"][path]
    else:
        facts["files"][path].update(drift)
    found = plan(facts)
    assert found["seal"] and found["actions"]
    assert found["tls"]["ca"] is (path in (CA, CA_KEY))
    assert found["tls"]["cert"] is (path in (CA, CA_KEY, CERT, CERT_KEY))
    assert found["login"] is (path in (LOGIN, HTPASSWD, ENVIRONMENT))
    left = " ".join(found["record"]["made"])
    assert (path in left, LOGIN in left) == (
        False,
        not found["login"],
    )  # an interrupted run keeps what is not concerned


def test_a_run_that_saw_it_not_serving_is_not_forgotten(served: Callable[..., Any]) -> None:
    facts = served()
    assert not plan(facts)["prove"]
    facts["records"]["registry"]["proven"] = False
    found = plan(facts)
    assert (found["prove"], found["units"], found["record"]["proven"]) == (True, [], False)
    assert found["actions"] == ["see whether it serves, which it did not in an earlier run"]
    assert plan(facts, state="absent")["prove"] is False


def test_gc_drift(served: Callable[..., Any]) -> None:
    facts = served()
    facts["files"][files.GC_SCRIPT]["sha256"] = "0"
    found = plan(facts)
    assert (paths(found), found["writes"][0]["source"], states(found)) == ([files.GC_SCRIPT], "registry_gc.py", {})
    assert paths(plan(served(), keep=3)) == [files.SETTINGS]
    facts = served()
    del facts["files"][files.TIMER_ENABLED]
    assert states(plan(facts)) == {TIMER: "started"}


def end_in(days: float) -> str:
    return datetime.fromtimestamp(NOW + days * 86400, UTC).strftime("%Y%m%d%H%M%SZ")


@pytest.mark.parametrize(
    ("ca", "cert", "expected"),
    [(3000, 800, (False, False)), (3000, 89, (False, True)), (179, 800, (True, True)), (3000, -1, (False, True))],
)
def test_certificates_near_their_end(
    served: Callable[..., Any], ca: int, cert: int, expected: tuple[bool, bool]
) -> None:
    facts = served()
    facts["records"]["registry"]["ends"] = {"ca": end_in(ca), "cert": end_in(cert)}
    tls = plan(facts)["tls"]
    assert (tls["ca"], tls["cert"]) == expected
    assert (tls["renew_ca"], tls["renew_cert"]) == (ca < 180, cert < 90)


def test_a_lost_record_makes_no_new_ca(served: Callable[..., Any]) -> None:
    facts = served()
    facts["records"]["registry"] = {}
    tls = plan(facts)["tls"]
    assert tls["ca"] and not tls["renew_ca"]  # the modules keep the key and the certificate that fit


def test_another_address_is_another_certificate_of_the_same_ca(served: Callable[..., Any]) -> None:
    facts = served()
    found = plan(facts, address="node1.lab")
    assert (found["tls"]["ca"], found["tls"]["cert"], found["tls"]["san"]) == (False, True, "DNS:node1.lab")
    assert states(found) == {PULL: "restarted"}


def test_certificates_of_ones_own(served: Callable[..., Any]) -> None:
    given = {"cert": "CERT\n", "key": "SECRET\n"}
    found = plan(served(), **given)
    assert not found["tls"]["cert"] and CA in found["files_absent"]
    assert [(each["path"], each["mode"], each["group"]) for each in found["writes"]] == [
        (CERT, "0644", "root"),
        (CERT_KEY, "0640", "docker-registry"),
    ]
    assert "SECRET" not in str(found) and found["seal"]
    assert states(found) == {PULL: "restarted"}


def test_a_ca_of_ones_own_signs_anew(served: Callable[..., Any]) -> None:
    found = plan(served(), ca_cert="C\n", ca_key="SECRET\n")
    assert (found["tls"]["ca"], found["tls"]["cert"]) == (False, True)
    assert [each["secret"] for each in found["writes"]] == ["registry_ca_cert", "registry_ca_key"]
    assert "SECRET" not in str(found)


def test_the_end_of_ones_own_certificate_is_told(served: Callable[..., Any]) -> None:
    given = {"cert": "CERT\n", "key": "KEY\n", "ca_cert": "CA\n"}
    facts = served(**given)
    assert plan(facts, **given)["warnings"] == []
    facts["records"]["registry"]["ends"] = {"ca": end_in(900), "cert": end_in(10)}
    found = plan(facts, **given)
    assert (found["actions"], found["warnings"]) == ([], ["the certificate in registry_cert ends in 10 days"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"address": ""}, "registry_address"),
        ({"data_dir": "/var"}, "registry_data_dir"),
        ({"data_dir": "/srv/a b"}, "registry_data_dir"),
        ({"push_port": 5000}, "registry_port"),
        ({"port": 0}, "registry_port"),
        ({**MIRROR, "mirror_port": 5001}, "registry_port"),
        ({"keep": 0}, "registry_keep"),
        ({"cert": "x"}, "registry_cert"),
        ({"key": "x"}, "registry_cert"),
        ({"ca_key": "x"}, "registry_ca_key"),
        ({"ca_cert": "x"}, "registry_ca_cert"),
        ({"mirror_of": "docker.io"}, "registry_mirror_of"),
    ],
)
def test_mistaken_variables(own: dict[str, Any], changes: Any, named: str) -> None:
    found = plan(own, **changes)
    assert [check["id"] for check in found["problems"]] == ["variables"]
    assert found["problems"][0]["evidence"].startswith(named) and found["actions"] == []


@pytest.mark.parametrize(
    ("port", "listeners", "named"),
    [
        ("5000", ["0.0.0.0"], "registry_port"),
        ("5000", ["192.0.2.11"], "registry_port"),
        ("5000", ["127.0.0.1"], None),
        ("5001", ["127.0.0.1"], "registry_push_port"),
        ("5001", ["192.0.2.11"], None),
        ("5002", ["::"], None),
    ],
)
def test_a_port_that_is_taken(own: dict[str, Any], port: str, listeners: list[str], named: str | None) -> None:
    own["ports"] = {
        port: {"listeners": listeners, "owner": "docker-registry"}
    }  # as the package's own service is called
    found = plan(own)
    assert [check["id"] for check in found["problems"]] == (["registry_port"] if named else [])
    assert not named or (
        named in found["problems"][0]["remedy"] and "docker-registry" in found["problems"][0]["evidence"]
    )


def test_a_new_port_of_an_instance_that_runs(served: Callable[..., Any]) -> None:
    facts = served()
    found = plan(facts, port=5001, push_port=5000)  # they change places
    assert found["problems"] == []
    assert states(found) == {PULL: "restarted", PUSH: "restarted"} and found["login"]
    facts["ports"]["6000"] = {"listeners": ["0.0.0.0"], "owner": "nginx"}
    assert [check["id"] for check in plan(facts, port=6000)["problems"]] == ["registry_port"]


def test_a_package_that_was_there(own: dict[str, Any]) -> None:
    own["dpkg"]["packages"]["docker-registry"] = {"installed": True, "version": "1", "held": False}
    own["groups"]["docker-registry"] = GID
    found = plan(own)
    assert (found["mask"], found["install"]) == ("", ["python3-cryptography"])
    assert "docker-registry" not in found["record"]["packages"]
    assert not found["record"]["account"] and not found["record"]["home"]


def test_a_mask_of_the_users_stays(own: dict[str, Any], seen: Callable[..., Any]) -> None:
    own["files"][registry.MASK] = seen("link")
    found = plan(own)
    assert (found["mask"], found["record"]["mask"]) == ("", "")


def test_a_directory_of_the_users_is_left_as_it_is(own: dict[str, Any], seen: Callable[..., Any]) -> None:
    own["files"]["/srv/registry"] = seen("dir", mode="0700", uid=1000)
    found = plan(own, data_dir="/srv/registry")
    assert "/srv/registry" not in [each["path"] for each in found["directories"]]
    assert "/srv/registry" not in found["record"]["directories"]
    assert "/srv/registry/store" in found["record"]["directories"]


def test_without_systemd(own: dict[str, Any]) -> None:
    own["init"] = "sysvinit"
    assert [check["id"] for check in plan(own)["problems"]] == ["systemd"]


def test_a_mirror_that_nobody_wants_any_more(served: Callable[..., Any]) -> None:
    facts = served(**MIRROR)
    found = plan(facts)
    assert states(found) == {MIRRORS: "stopped"}
    assert set(found["files_absent"]) == {
        files.config_of("mirror"), files.drop_in("mirror"), "/var/lib/navilab-registry/mirror",
    }  # fmt: skip
    assert not {"/var/lib/navilab-registry/mirror", files.drop_in("mirror")} & set(found["record"]["directories"])


def test_absent_takes_out_what_came_in(served: Callable[..., Any], seen: Callable[..., Any]) -> None:
    facts = served(**MIRROR)
    facts["files"][registry.HOME] = seen("dir")
    found = plan(facts, state="absent")
    assert set(states(found)) == {PULL, PUSH, MIRRORS, TIMER}
    gone = set(found["files_absent"])
    assert gone >= {CONFIG, "/var/lib/navilab-registry", files.GC_SCRIPT, files.TEMPLATE, files.drop_in("push")}
    assert not any(path.startswith(f"{each}/") for path in gone for each in gone)
    assert found["remove"] == ["docker-registry", "python3-cryptography"]
    assert (found["unmask"], found["account"]) == (registry.MASK, "docker-registry")
    assert found["empty_absent"] == ["/etc/navilab", registry.HOME]
    assert found["record"] == {} and found["daemon_reload"]


def test_what_makes_the_gateways_certificates_stays_while_that_does(served: Callable[..., Any]) -> None:
    facts = served()
    facts["records"]["gateway"] = {"packages": ["nginx"]}
    assert plan(facts, state="absent")["remove"] == ["docker-registry"]
    assert plan(facts, state="absent", gateway=False)["remove"] == ["docker-registry", "python3-cryptography"]


def test_what_came_in_with_the_gateway_is_in_both_records(own: dict[str, Any]) -> None:
    own["records"]["gateway"] = {"packages": ["nginx", "python3-cryptography"]}
    own["dpkg"]["packages"]["python3-cryptography"] = {"installed": True, "version": "1", "held": False}
    assert plan(own)["record"]["packages"] == ["docker-registry", "python3-cryptography"]


def test_absent_where_it_never_was(facts: dict[str, Any], seen: Callable[..., Any]) -> None:
    facts["files"][CONFIG] = seen("dir")
    found = plan(facts, state="absent")
    assert (found["actions"], found["files_absent"], found["units"]) == ([], [], [])
    facts["records"]["registry"] = {"files": ["/gone"]}
    facts["files"] = {}
    assert plan(facts, state="absent")["actions"] == [FORGET]


def test_no_secret_is_in_the_facts_that_are_compared() -> None:
    """The digest of a key, never the key: what is wanted of a file is its SHA-256."""
    key = "SECRET\n"
    assert hashlib.sha256(key.encode()).hexdigest() == registry.sha256(key)


def test_the_unit_binds_low_ports_only_where_it_must() -> None:
    assert "AmbientCapabilities=\n" in files.template(SETTINGS)
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in files.template({**SETTINGS, "port": 443})
    assert "ProtectHome=read-only\n" in files.template({**SETTINGS, "data_dir": "/home/lab/registry"})


def test_the_roles_paths_are_the_modules() -> None:
    constants = yaml.safe_load((_variables.ROLES / "registry/vars/main.yml").read_text(encoding="utf-8"))
    assert constants == {"__registry_tls": {"ca": CA, "ca_key": CA_KEY, "cert": CERT, "cert_key": CERT_KEY}}
