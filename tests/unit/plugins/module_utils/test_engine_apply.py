"""Changes that can be taken back, with a systemctl and a journalctl of the test's own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _engine_apply
from ansible_collections.navilab.webui.plugins.module_utils._docker_config import public, render
from ansible_collections.navilab.webui.plugins.module_utils._engine_apply import ApplyError, replace, serve

OLD = '{"log-driver":   "journald"}'
NEW = {"log-driver": "json-file"}
# An engine that does not start where its daemon.json has "broken" in it.
SYSTEMCTL = """#!/bin/sh
cd {folder}
echo "$*" >> asked
up() {{
  if grep -q broken daemon.json 2>/dev/null; then echo failed > state; return 1; fi
  echo active > state
}}
case "$*" in
show*) echo "ActiveState=$(cat state)"; echo "UnitFileState=$(cat enabled)"; echo "NeedDaemonReload=$(cat need)"
  echo "ActiveEnterTimestamp=$(cat entered)";;
daemon-reload|*daemon-reload) echo no > need;;
*enable*) echo enabled > enabled;;
*reload*) test ! -e no-reload || {{ echo 'Job type reload is not applicable'; exit 1; }};;
*start*) up || {{ echo 'Job for docker.service failed because the control process exited with error code.'; exit 1; }};;
esac
"""
JOURNAL = """#!/bin/sh
cat <<'END'
-- Journal begins --
Starting docker.service - Docker Application Container Engine...
time="2026-11-26T02:32:50Z" level=info msg="Starting up"
time="2026-11-26T02:32:51Z" level=error msg="proxy \\"http://bob:s3cret@p\\" is bad"
docker.service: Main process exited, code=exited, status=1/FAILURE
END
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with daemon.json, and the state of docker.service in files."""
    for name, script in (("systemctl", SYSTEMCTL.format(folder=tmp_path)), ("journalctl", JOURNAL)):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)
    for name, text in {"state": "active", "enabled": "enabled", "need": "no", "asked": "", "entered": ""}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(_engine_apply, "BACKUP", str(tmp_path / "navilab" / "daemon.json.before"))
    monkeypatch.setattr(_engine_apply, "SETTLE_S", 0.1)
    monkeypatch.setattr(_engine_apply, "_answers", lambda: True)
    return tmp_path


@pytest.fixture
def daemon(host: Path) -> Path:
    path = host / "daemon.json"
    path.write_text(OLD)
    path.chmod(0o640)
    return path


def asked(host: Path) -> list[str]:
    return [line for line in (host / "asked").read_text().splitlines() if not line.startswith("show")]


def backup() -> Path:
    return Path(_engine_apply.BACKUP)


# -- daemon.json --


def test_replaced_with_the_old_one_kept(daemon: Path) -> None:
    done = replace(str(daemon), render(NEW), {})
    assert done.changed and json.loads(daemon.read_text()) == NEW
    assert (done.before, done.after) == (render({"log-driver": "journald"}), render(NEW))
    assert daemon.stat().st_mode & 0o777 == 0o640
    assert json.loads(backup().read_text())["text"] == OLD
    assert backup().stat().st_mode & 0o777 == 0o600
    assert not replace(str(daemon), render(NEW), {}).changed
    assert sorted(each.name for each in backup().parent.iterdir()) == [backup().name]


def test_check_mode_changes_nothing(daemon: Path) -> None:
    assert replace(str(daemon), render(NEW), {}, check=True).changed
    assert daemon.read_text() == OLD and not backup().exists()


def test_a_new_file_and_its_mode(host: Path) -> None:
    path = host / "daemon.json"
    assert replace(str(path), render(NEW), {}).before == ""
    assert path.stat().st_mode & 0o777 == 0o644
    assert replace(str(path), render(NEW), {}, mode="0600").changed
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_one(host: Path, daemon: Path) -> None:
    link = host / "link.json"
    link.symlink_to(daemon)
    replace(str(link), render(NEW), {})
    assert link.is_symlink() and json.loads(daemon.read_text()) == NEW


def test_secrets_are_put_in_on_the_host(daemon: Path) -> None:
    theirs = {"http-proxy": "http://bob:s3cret@p"}
    daemon.write_text(json.dumps({"proxies": theirs}))
    ours = {"log-driver": "splunk", "log-opts": {"splunk-token": "t0ken"}}
    done = replace(str(daemon), render(public({"proxies": theirs, **ours})), {"log-opts": ours["log-opts"]})
    assert json.loads(daemon.read_text()) == {"proxies": theirs, **ours}
    assert "s3cret" not in str(done) and "t0ken" not in str(done)
    with pytest.raises(ApplyError, match="log-opts is another"):
        replace(str(daemon), render(public({"log-opts": {"splunk-token": "0ther"}})), {})
    daemon.write_text("{")
    with pytest.raises(ApplyError, match="is not JSON"):
        replace(str(daemon), render(NEW), {})


def test_the_one_to_go_back_to_is_the_last_that_was_proved(daemon: Path) -> None:
    replace(str(daemon), render(NEW), {})
    replace(str(daemon), render({**NEW, "debug": True}), {})
    assert json.loads(backup().read_text())["text"] == OLD
    daemon.write_text('{"mine": 1}')  # somebody's since
    replace(str(daemon), render(NEW), {})
    assert json.loads(backup().read_text())["text"] == '{"mine": 1}'


# -- the service --


@pytest.mark.parametrize(
    ("state", "begins", "does"),
    [
        ("started", "active", []),
        ("started", "inactive", ["--no-ask-password start docker.service"]),
        ("restarted", "active", ["--no-ask-password restart docker.service"]),
        ("reloaded", "active", ["--no-ask-password reload docker.service"]),
        ("reloaded", "inactive", ["--no-ask-password start docker.service"]),
    ],
)
def test_what_is_done(host: Path, state: str, begins: str, does: list[str]) -> None:
    (host / "state").write_text(begins)
    assert serve(state, check=True) == (bool(does), "", "")
    assert asked(host) == []
    assert serve(state) == (bool(does), "", "")
    assert asked(host) == does


def test_units_are_read_again_and_the_boot_is_seen_to(host: Path) -> None:
    (host / "enabled").write_text("disabled")
    (host / "need").write_text("yes")
    assert serve("started").changed
    assert asked(host) == ["--no-ask-password daemon-reload", "--no-ask-password enable docker.service"]
    assert serve("restarted", daemon_reload=True).changed
    assert asked(host)[2:] == ["--no-ask-password daemon-reload", "--no-ask-password restart docker.service"]


@pytest.mark.parametrize("state", ["restarted", "reloaded"])
def test_at_boot_it_starts_where_that_is_asked_for(host: Path, state: str) -> None:
    (host / "enabled").write_text("disabled")
    serve(state)
    assert (host / "enabled").read_text() == "disabled"
    serve(state, enable=True)
    assert (host / "enabled").read_text() == "enabled\n"


def test_proved_by_a_start_alone(host: Path, daemon: Path) -> None:
    replace(str(daemon), render(NEW), {})
    serve("reloaded")
    serve("started")  # it is
    assert backup().exists()
    serve("restarted")
    assert not backup().exists()


@pytest.mark.parametrize(("started", "proved"), [(50, False), (100, True), (None, False)])
def test_a_package_may_have_started_it(
    host: Path, daemon: Path, monkeypatch: pytest.MonkeyPatch, started: int | None, proved: bool
) -> None:
    replace(str(daemon), render(NEW), {})
    os.utime(daemon, (100, 100))
    monkeypatch.setattr(_engine_apply, "PID", str(host / "docker.pid"))
    if started:
        (host / "docker.pid").write_text("1")
        os.utime(host / "docker.pid", (started, started))
    assert serve("started") == (False, "", "")
    assert backup().exists() is not proved


@pytest.mark.parametrize("state", ["active", "failed"])
@pytest.mark.parametrize(("second", "proved"), [(39, False), (41, True)])
def test_a_file_that_the_engine_came_up_with_is_never_taken_back(
    host: Path, daemon: Path, state: str, second: int, proved: bool
) -> None:
    replace(str(daemon), render({"broken": True}), {})  # a disk is full by now, say
    os.utime(daemon, (100, 100))
    (host / "entered").write_text(f"Thu 1970-01-01 00:01:{second} UTC")
    (host / "state").write_text(state)
    done = serve("restarted")
    assert (OLD in daemon.read_text()) is not proved
    assert "does not come up" in done.evidence and ("is back" in done.evidence) is not proved


def test_a_file_that_the_engine_came_up_with_is_the_one_to_go_back_to(host: Path, daemon: Path) -> None:
    replace(str(daemon), render(NEW), {})
    os.utime(daemon, (100, 100))
    (host / "entered").write_text("Thu 1970-01-01 00:01:41 UTC")
    replace(str(daemon), render({**NEW, "debug": True}), {})
    assert json.loads(backup().read_text())["text"] == render(NEW)


@pytest.mark.parametrize("state", ["restarted", "started", "reloaded"])
def test_an_engine_that_does_not_come_up_gets_its_old_file(host: Path, daemon: Path, state: str) -> None:
    (host / "state").write_text("active" if state == "restarted" else "inactive")
    replace(str(daemon), render({"broken": True}), {})
    done = serve(state)
    assert daemon.read_text() == OLD and daemon.stat().st_mode & 0o777 == 0o640
    assert (host / "state").read_text().strip() == "active"
    assert not backup().exists()
    assert 'proxy "http://sha256:' in done.evidence and "s3cret" not in done.evidence
    assert "is back, and the engine runs with it" in done.evidence and "docker_engine_daemon" in done.remedy
    assert asked(host)[-2:] == [
        "--no-ask-password reset-failed docker.service docker.socket",
        "--no-ask-password restart docker.service",
    ]


def test_where_there_was_none_there_is_none_again(host: Path) -> None:
    path = host / "daemon.json"
    replace(str(path), render({"broken": True}), {})
    assert "the engine runs with it" in serve("restarted").evidence
    assert not path.exists()


def test_neither_comes_up(host: Path, daemon: Path) -> None:
    daemon.write_text('{"broken": "before"}')
    replace(str(daemon), render({"broken": True}), {})
    assert "does not come up with that either" in serve("restarted").evidence
    assert daemon.read_text() == '{"broken": "before"}'


def test_without_an_old_file_it_only_says_so(host: Path, daemon: Path) -> None:
    daemon.write_text('{"broken": "theirs"}')
    done = serve("restarted")
    assert "does not come up" in done.evidence and "old" not in done.evidence
    assert daemon.read_text() == '{"broken": "theirs"}'
    replace(str(daemon), render({"broken": True}), {})
    daemon.write_text('{"broken": "and changed since"}')
    assert "old" not in serve("restarted").evidence
    assert daemon.read_text() == '{"broken": "and changed since"}'


def test_a_refused_reload_restarts_nothing(host: Path, daemon: Path) -> None:
    replace(str(daemon), render(NEW), {})
    (host / "no-reload").write_text("")
    done = serve("reloaded")
    assert "can't be reloaded: Job type reload is not applicable" in done.evidence
    assert asked(host) == ["--no-ask-password reload docker.service"]
    assert json.loads(daemon.read_text()) == NEW


def test_systemds_words_where_the_journal_has_none(host: Path, daemon: Path) -> None:
    (host / "bin/journalctl").write_text("#!/bin/sh\nexit 1\n")
    daemon.write_text('{"broken": 1}')
    assert "the control process exited" in serve("restarted").evidence


def test_without_systemctl(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(host))
    assert "systemctl: No such file" in serve("started").evidence


def test_a_damaged_backup_is_none(host: Path, daemon: Path) -> None:
    backup().parent.mkdir()
    for text in ("", "[]", "{", '{"path": 1}'):
        backup().write_text(text)
        daemon.write_text('{"broken": 1}')
        assert "old" not in serve("restarted").evidence


@pytest.mark.parametrize("answers", [True, False])
def test_an_engine_that_listens_elsewhere_is_up(host: Path, monkeypatch: pytest.MonkeyPatch, answers: bool) -> None:
    monkeypatch.setattr(_engine_apply, "_answers", lambda: answers)
    assert serve("restarted") == (True, "", "")
