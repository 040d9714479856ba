"""What a person reads, through a filter."""

from __future__ import annotations

from ansible_collections.navilab.webui.plugins.filter._failure_text import failure_text
from ansible_collections.navilab.webui.plugins.filter._packages_kept import FilterModule as Kept
from ansible_collections.navilab.webui.plugins.filter.ssh_forward import FilterModule, ssh_forward


def test_failure_text_of_a_loop() -> None:
    assert (
        failure_text({"msg": "One or more items failed", "results": [{"failed": True, "msg": "this"}, {"msg": "fine"}]})
        == "this"
    )
    assert failure_text({"msg": "short", "stderr": "long"}) == "short\nlong"
    assert failure_text({}) == "the task failed and said nothing"


def test_packages_that_apt_was_kept_from_removing() -> None:
    kept = Kept().filters()["_packages_kept"]
    out = (
        "The following packages will be REMOVED:\n  containerd.io* zfs\n  libx:i386\nThe following NEW packages:\n  a\n"
    )
    error = "E: Packages need to be removed but remove is disabled.\n"
    (check,) = kept({"failed": True, "rc": 100, "stdout": out, "stderr": error})
    assert (check["id"], check["status"]) == ("packages_kept", "failed")
    assert "would remove containerd.io, zfs, libx, as it would not" in check["evidence"]
    assert "apt-get remove containerd.io zfs libx yourself" in check["remedy"]
    (check,) = kept({"stdout": "", "stderr": error})
    assert "apt-get remove" not in check["remedy"]
    assert kept({"failed": True, "stdout": out, "stderr": "E: no space"}) == [] == kept({"skipped": True})


def test_ssh_line() -> None:
    connection = {
        "ansible_host": "10.0.0.5",
        "ansible_user": "lab",
        "ansible_ssh_private_key_file": "/a key",
        "ansible_port": 2222,
    }
    assert ssh_forward(connection, 7861) == "ssh -N -L 7861:127.0.0.1:7861 -i '/a key' -p 2222 lab@10.0.0.5"
    assert "7862:127.0.0.1:7860" in ssh_forward({"inventory_hostname": "node3"}, 7860, local_port=7862)
    assert ssh_forward({"ansible_connection": "local"}, 7860) == ""
    assert FilterModule().filters() == {"ssh_forward": ssh_forward}
