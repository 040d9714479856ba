"""How a person reaches the webuis of a lab from one desk."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.plugin_utils._reach import lines

INSTANCES = [{"port": 7860, "url": "http://127.0.0.1:7860"}, {"port": 7861, "url": "http://127.0.0.1:7861"}]


def test_each_host_has_local_ports_of_its_own() -> None:
    connection = {"inventory_hostname": "two", "ansible_play_hosts_all": ["one", "two"], "ansible_user": "lab"}
    one, two = lines(INSTANCES, connection)
    assert one == (
        "http://127.0.0.1:7860 on two. To bring it to your desk: ssh -N -L 7861:127.0.0.1:7860 lab@two "
        "and open http://127.0.0.1:7861"
    )
    assert "7862:127.0.0.1:7861" in two


def test_a_local_host_needs_no_ssh() -> None:
    found = lines(INSTANCES[:1], {"inventory_hostname": "here", "ansible_connection": "local"})
    assert found == ["http://127.0.0.1:7860 on here"]


def test_a_gateway_is_the_way() -> None:
    found = lines(INSTANCES, {"inventory_hostname": "one"}, "https://one.example/")
    assert found == ["https://one.example/ on one, with the login in gateway_user"]
