"""Fetching a model: from a server that breaks, ignores ranges, lies and leads away, into a directory of somebody's."""

from __future__ import annotations

import fcntl
import hashlib
import http.server
import os
import re
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _addresses, _model
from ansible_collections.navilab.webui.plugins.module_utils._model import Failure, Outcome, Wanted, part_name

SIZE = 3_000_000
BODY = bytes(range(251)) * (SIZE // 251) + b"end"
SHA = hashlib.sha256(BODY).hexdigest()
PART = part_name("m.safetensors", SHA)
ROOT = os.geteuid() == 0


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.body`; what goes wrong is in `server.faults`, one a request, and then in `server.always`."""

    server: Any

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        fault = server.faults.pop(0) if server.faults else server.always
        server.asked.append((self.path, asked, self.headers.get("Authorization")))
        kind, _, value = fault.partition(" ")
        body, begin = server.body, 0
        if kind == "status":
            return self.send_error(int(value))
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", value)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        match = re.fullmatch(r"bytes=(\d+)-", asked or "")
        if match and kind not in ("no-ranges", "break-no-ranges"):
            begin = int(match.group(1))
            if begin >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            shift = 7 if kind == "misplaced" else 0
            self.send_header("Content-Range", f"bytes {begin + shift}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        rest = body[begin:]
        length = len(rest) + (1000 if kind == "longer" else -1000 if kind == "shorter" else 0)
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        elif kind != "no-length":
            self.send_header("Content-Length", str(length))
        if kind == "page":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        if kind == "packed":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        if "break" in kind:
            rest = rest[: int(value)]
        if kind == "chunked":
            rest = b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest)
        if kind == "slow":
            for at in range(0, len(rest), 65536):
                self.wfile.write(rest[at : at + 65536])
                time.sleep(float(value))
            return None
        server.sent += len(rest)  # first: who has read it all may look at once
        self.wfile.write(rest)
        return None

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Callable[..., Any]]:
    """`server(faults, always, certificate)` is a server of the body, with the address `url`."""
    made: list[Any] = []

    def run(*faults: str, always: str = "", body: bytes = BODY, certificate: tuple[Path, Path] | None = None) -> Any:
        found: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        found.handle_error = lambda *_: None  # who breaks off is not news
        found.faults, found.always, found.body, found.asked, found.sent = list(faults), always, body, [], 0
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            found.socket = context.wrap_socket(found.socket, server_side=True)
        found.host = f"127.0.0.1:{found.server_address[1]}"
        found.url = f"{'https' if certificate else 'http'}://{found.host}/m.safetensors"
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        made.append(found)
        return found

    yield run
    for found in made:
        found.shutdown()
        found.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_model, "PAUSES", (0.01,))
    monkeypatch.setattr(_model, "STEP", 1000)
    monkeypatch.setattr(_model.os, "fsync", lambda _descriptor: None)  # slow, and no test cuts the power
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "m.safetensors"


def nothing(*_said: Any) -> None:
    pass


def have(path: Path, *urls: str, report: Any = nothing, **more: Any) -> Outcome:
    wanted = Wanted(str(path), more.pop("sha256", SHA), more.pop("size", len(BODY)), urls, **more)
    outcome = _model.new_outcome(wanted)
    try:
        _model.ensure(wanted, report, outcome)
    except Failure as failure:
        outcome["checks"] = failure.checks
    assert outcome["checks"] or more.get("check") or path.read_bytes() == BODY
    return outcome


def said(outcome: Outcome) -> list[str]:
    return [f"{check['id']}: {check['evidence']}. {check['remedy']}" for check in outcome["checks"]]


def left(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


# -- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown", "login"),
    [
        ("https://h/a", "https://h/a", ""),
        ("https://h", "https://h", ""),
        ("https://bob:p%40ss@h:1/a?token=T#f", "https://h:1/a", "bob:p@ss"),
        ("https://bob:p@ss#?:@h/a", "https://h/a", "bob:p@ss#?:"),
        ("https://token@h/a", "https://h/a", "token:"),
        ("HTTP://h/ä b".replace(" ", "%20"), "HTTP://h/ä%20b", ""),
        ("https://[::1]:5000/a", "https://[::1]:5000/a", ""),
    ],
)
def test_addresses(url: str, shown: str, login: str) -> None:
    found = _addresses.parse(url)
    assert (found.shown, found.login) == (shown, login)
    assert "bob" not in found.url and "#" not in found.url and found.url.isascii()


@pytest.mark.parametrize(
    "url",
    ["", "ftp://h/a", "h/a", "/etc/passwd", "https://", "https://h:S3CRET/a", "https://u:S3CRET@/a", "http://[h/a"],
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="none that can be fetched"):
        _addresses.parse(url)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (3 << 20, "3.0 MiB"), (300 << 20, "300 MiB"), (4265146304, "4.0 GiB")],
)
def test_sizes(size: int, text: str) -> None:
    assert _model.size_text(size) == text


# -- the straight way -----------------------------------------------------------------------------------------------


def test_fetched_once(server: Any, path: Path) -> None:
    one = server()
    outcome = have(path, one.url, mode=0o640)
    assert (outcome["changed"], outcome["how"], outcome["fetched"], outcome["resumed"]) == (
        True,
        "fetched",
        len(BODY),
        0,
    )
    assert (outcome["address"], outcome["size"], outcome["notes"]) == (one.url, len(BODY), [])
    assert left(path) == ["m.safetensors"] and stat.S_IMODE(path.stat().st_mode) == 0o640
    again = have(path, one.url, mode=0o640)
    assert (again["changed"], again["how"], again["fetched"], len(one.asked)) == (False, "present", 0, 1)


def test_only_the_mode_differs(server: Any, path: Path) -> None:
    path.write_bytes(BODY)
    path.chmod(0o600)
    outcome = have(path)
    assert (outcome["changed"], outcome["how"], stat.S_IMODE(path.stat().st_mode)) == (True, "attributes", 0o644)


@pytest.mark.parametrize("fault", ["", "chunked", "no-length"])
def test_without_a_known_size(server: Any, path: Path, fault: str) -> None:
    assert have(path, server(always=fault).url, size=None)["size"] == len(BODY)


def test_a_login_is_sent_and_not_shown(server: Any, path: Path) -> None:
    one = server()
    outcome = have(path, one.url.replace("://", "://bob:S3CRET@") + "?token=T0KEN")
    assert one.asked == [("/m.safetensors?token=T0KEN", None, "Basic Ym9iOlMzQ1JFVA==")]
    assert outcome["address"] == one.url and "S3CRET" not in str(outcome) and "T0KEN" not in str(outcome)


def test_what_is_there_and_wrong_is_replaced(server: Any, path: Path) -> None:
    path.write_bytes(b"another")
    assert have(path, server().url)["changed"]


def test_from_a_file_of_the_host(path: Path, tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(BODY)
    outcome = have(path, f"file://{tmp_path}/a%20b")
    assert (outcome["how"], outcome["fetched"]) == ("fetched", 0)
    for wrong, why in ((f"file://{tmp_path}", "is no file"), ("file:///no/such", "No such file")):
        path.unlink(missing_ok=True)
        assert why in said(have(path, wrong))[0]


def test_progress_is_told(server: Any, path: Path) -> None:
    seen: list[Any] = []
    have(path, server().url, report=lambda *each: seen.append(each))
    assert seen[0][0] == "fetching" and seen[-2][1:3] == (len(BODY), len(BODY)) and seen[-1][0].startswith("writing")
    assert [each[1] for each in seen] == sorted(each[1] for each in seen)


# -- connections that break -----------------------------------------------------------------------------------------


def test_a_broken_connection_goes_on_where_it_broke(server: Any, path: Path) -> None:
    one = server("break 1000000", "break 500000", "")
    outcome = have(path, one.url)
    assert outcome["fetched"] == one.sent == len(BODY)
    assert [asked[1] for asked in one.asked] == [None, "bytes=1000000-", "bytes=1500000-"]
    assert outcome["resumed"] == 0 and len(outcome["notes"]) == 2 and "too early" in outcome["notes"][0]


def test_the_next_run_goes_on_where_the_first_ended(server: Any, path: Path) -> None:
    one = server("break 2000000", always="status 503")
    outcome = have(path, one.url)
    (line,) = said(outcome)
    assert line.startswith(f"model_available: {one.url}: answers 503. run it again")
    assert outcome["fetched"] == 2000000 and len(one.asked) == 1 + _model.TRIES
    assert left(path) == [PART] and (path.parent / PART).stat().st_size == 2000000
    one.always = ""
    again = have(path, one.url)
    assert (again["fetched"], again["resumed"]) == (len(BODY) - 2000000, 2000000)
    assert one.sent == len(BODY) and left(path) == ["m.safetensors"]


def test_the_next_address_goes_on_where_the_first_broke(server: Any, path: Path) -> None:
    one, two = server("break 1000000", always="status 404"), server()
    outcome = have(path, one.url, two.url)
    assert (outcome["address"], outcome["fetched"]) == (two.url, len(BODY))
    assert two.asked[0][1] == "bytes=1000000-"
    assert any("answers 404" in note for note in outcome["notes"])


def test_who_always_breaks_is_given_up(server: Any, path: Path) -> None:
    one = server(always="break-no-ranges 50000")
    assert "too early" in said(have(path, one.url))[0]
    assert len(one.asked) == 1 + _model.TRIES  # the first was a step forward


def test_who_does_not_answer_is_asked_twice(path: Path, server: Any) -> None:
    gone = server()
    gone.shutdown()
    gone.server_close()
    seen: list[Any] = []
    (line,) = said(have(path, gone.url, report=lambda *each: seen.append(each)))
    assert "can't be reached (Connection refused). check the network" in line
    assert [each[0] for each in seen] == ["waiting to ask again"]
    assert left(path) == []


def test_a_server_that_says_nothing(path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_addresses, "TIMEOUT", 0.2)
    monkeypatch.setattr(_model, "TRIES", 2)
    monkeypatch.setattr(_model, "STEP", SIZE)
    assert "sends nothing for" in said(have(path, server(always="slow 0.5").url))[0]


# -- ranges ---------------------------------------------------------------------------------------------------------


def test_a_server_that_ignores_ranges_sends_all_again(server: Any, path: Path) -> None:
    one = server("break 1000000", "no-ranges")
    outcome = have(path, one.url)
    assert (outcome["fetched"], outcome["resumed"]) == (1000000 + len(BODY), 0)
    assert f"{one.host} sends all of it again, from its first byte on" in outcome["notes"]


def test_a_server_that_sends_another_range(server: Any, path: Path) -> None:
    one = server("break 1000000", "misplaced", "break 1000000", always="no-ranges")
    assert have(path, one.url)["how"] == "fetched"
    assert [asked[1] for asked in one.asked] == [None, "bytes=1000000-", None, None]


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_part_that_is_whole_needs_no_byte(server: Any, path: Path, size: int | None) -> None:
    (path.parent / PART).write_bytes(BODY)
    one = server()
    outcome = have(path, one.url, size=size)
    assert (outcome["fetched"], outcome["resumed"], outcome["how"]) == (0, len(BODY), "fetched")
    assert len(one.asked) == (size is None)  # 416, of a file that is as large as ours


@pytest.mark.parametrize("size", [None, len(BODY)])
@pytest.mark.parametrize("part", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 10)])
def test_a_part_of_another_file_is_begun_anew(server: Any, path: Path, part: bytes, size: int | None) -> None:
    (path.parent / PART).write_bytes(part)
    one = server()
    outcome = have(path, one.url, size=size)
    assert outcome["resumed"] == 0 and outcome["fetched"] <= 2 * len(BODY)


def test_a_shorter_file_than_what_is_here(server: Any, path: Path) -> None:
    (path.parent / PART).write_bytes(BODY[:2000000])
    short, good = server(body=BODY[:100]), server()
    outcome = have(path, short.url, good.url, size=None)
    assert (outcome["address"], outcome["fetched"]) == (good.url, 100 + len(BODY))
    assert any("shorter file" in note for note in outcome["notes"])


# -- wrong files ----------------------------------------------------------------------------------------------------


def test_a_wrong_checksum_is_named_and_nothing_is_left(server: Any, path: Path) -> None:
    other = BODY[:-1] + b"!"
    one, two = server(body=other), server(body=other)
    outcome = have(path, one.url, two.url)
    assert [line.split(":")[0] for line in said(outcome)] == ["model_checksum"] * 2
    assert hashlib.sha256(other).hexdigest() in said(outcome)[0] and one.url in said(outcome)[0]
    assert left(path) == [] and outcome["notes"] == []
    good = server()
    outcome = have(path, one.url, good.url)
    assert outcome["address"] == good.url and any("its sha256 is" in note for note in outcome["notes"])


@pytest.mark.parametrize(
    ("fault", "size", "why"),
    [
        ("longer", len(BODY), f"{len(BODY) + 1000} bytes, not {len(BODY)}"),
        ("shorter", len(BODY), f"{len(BODY) - 1000} bytes, not {len(BODY)}"),
        ("shorter", None, "its sha256 is"),
        ("page", None, "a page for people"),
        ("packed", None, "packed (gzip)"),
        ("status 401", None, "answers 401. give a login"),
        ("status 404", None, "there is no such file"),
        ("status 500", None, "answers 500"),
        ("to ftp://h/x", None, "302|ftp|leads"),
        ("to file:///etc/shadow", None, "leads"),
        ("to http://u:S3CRET@h/x", None, "leads"),
    ],
)
def test_what_an_address_may_answer(server: Any, path: Path, fault: str, size: int | None, why: str) -> None:
    one = server(always=fault)
    (line,) = said(have(path, one.url + "?token=S3CRET", size=size))
    assert any(each in line for each in why.split("|")) and one.url in line and "S3CRET" not in line
    assert not path.exists()
    # The next address has it all the same.
    assert have(path, one.url, server().url, size=size)["how"] == "fetched"


def test_less_than_it_says(server: Any, path: Path) -> None:
    one = server("longer")
    outcome = have(path, one.url, size=None)
    assert (outcome["how"], [asked[1] for asked in one.asked]) == ("fetched", [None, f"bytes={len(BODY)}-"])


def test_more_than_it_says(server: Any, path: Path) -> None:
    one = server(always="chunked", body=BODY + b"more")
    assert "sends more than" in said(have(path, one.url))[0]
    assert left(path) == []


def test_all_that_is_wrong_with_addresses_is_said_at_once(server: Any, path: Path) -> None:
    one, two = server(always="status 404"), server(body=b"x" * len(BODY))
    lines = said(have(path, "ftp://u:S3CRET@h/x", one.url, two.url))
    assert [line.split(":")[0] for line in lines] == ["model_available", "model_available", "model_checksum"]
    assert "S3CRET" not in str(lines) and "no address is known" in said(have(path))[0]


# -- redirects, TLS, proxies ----------------------------------------------------------------------------------------


def test_a_redirect_is_followed_without_the_login(server: Any, path: Path) -> None:
    store = server()
    one = server(always=f"to {store.url}?signed=1")
    have(path, one.url.replace("://", "://bob:S3CRET@"))
    assert one.asked[0][2] and store.asked == [("/m.safetensors?signed=1", None, None)]


def test_a_redirect_on_the_same_host_keeps_the_login_and_the_range(server: Any, path: Path) -> None:
    one = server("break 1000000", "to /other", "")
    have(path, one.url.replace("://", "://bob:S3CRET@"))
    assert [(asked[0], asked[1], bool(asked[2])) for asked in one.asked] == [
        ("/m.safetensors", None, True),
        ("/m.safetensors", "bytes=1000000-", True),
        ("/other", "bytes=1000000-", True),
    ]


def test_the_labs_authority(server: Any, path: Path, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    one = server(certificate=certificate)
    pem = certificate[0].read_text(encoding="ascii")
    for cas in ({}, {"127.0.0.1": pem}, {"another:1": pem}):
        line = said(have(path, one.url, cas=cas))[0]
        assert "its certificate is not trusted" in line and "trust its CA" in line
    assert said(have(path, one.url, cas={one.host: "rubbish"}))[0].split(": ")[2].startswith("the CA of")
    for ca in (pem, str(certificate[0])):
        path.unlink(missing_ok=True)
        assert have(path, one.url, cas={one.host: ca})["how"] == "fetched"


def test_never_from_https_to_http(server: Any, path: Path, certificate: tuple[Path, Path]) -> None:
    plain = server()
    one = server(certificate=certificate, always=f"to {plain.url}")
    (line,) = said(have(path, one.url, cas={one.host: str(certificate[0])}))
    assert "leads from https to http" in line and plain.asked == []


def test_the_environments_proxy_is_used_but_for_private_addresses(
    server: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, near = server(), server()
    monkeypatch.setenv("http_proxy", f"http://{proxy.host}")
    assert have(path, "http://mirror.invalid/m")["how"] == "fetched"
    assert proxy.asked == [("http://mirror.invalid/m", None, None)]
    path.unlink()
    have(path, near.url)
    assert len(near.asked) == len(proxy.asked) == 1


# -- the disk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_too_little_room_is_known_before_anything_is_written(
    server: Any, path: Path, size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, real = server(), os.fstatvfs
    free = len(BODY) - 1

    def full(descriptor: int) -> Any:
        seen = real(descriptor)
        return os.statvfs_result((seen.f_bsize, 1, *seen[2:4], free, *seen[5:10]))

    monkeypatch.setattr(_model.os, "fstatvfs", full)
    outcome = have(path, one.url, size=size)
    assert said(outcome) == [
        f"disk_space: {path.parent}: 2.9 MiB free, 2.9 MiB are needed for m.safetensors. free some there, or move the "
        "directory (webui_data_dir) to a larger disk; what was fetched stays"
    ]
    assert (len(one.asked), outcome["fetched"], left(path)) == (size is None, 0, [])
    # What a part has already need not be free.
    (path.parent / PART).write_bytes(BODY[:1])
    assert have(path, one.url, size=size)["how"] == "fetched"


def test_a_disk_that_fills_up_keeps_what_came(server: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def write(descriptor: int, data: Any, offset: int) -> int:
        if offset > 1000000:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(_model.os, "pwrite", write)
    one = server()
    assert said(have(path, one.url))[0].startswith(f"disk_space: {path.parent}: No space left")
    kept = (path.parent / PART).stat().st_size
    monkeypatch.undo()
    assert kept > 1000000 and have(path, one.url)["resumed"] == kept


def test_no_directory_and_check_mode(path: Path, server: Any) -> None:
    missing = path.parent / "not" / "here"
    assert said(have(missing))[0].startswith(f"data_writable: {missing.parent}: No such file")
    one = server()
    for where in (missing, path):
        outcome = have(where, one.url, check=True)
        assert (outcome["changed"], outcome["checks"]) == (True, [])
    assert one.asked == [] and left(path) == []
    path.write_bytes(BODY)
    path.chmod(0o644)
    assert not have(path, one.url, check=True)["changed"]


# -- what lies on the host ------------------------------------------------------------------------------------------


def test_a_candidate_with_the_same_owner_is_linked(path: Path, tmp_path: Path, server: Any) -> None:
    wrong, good, one = tmp_path / "wrong", tmp_path / "good", server()
    wrong.write_bytes(b"x" * len(BODY))
    good.write_bytes(BODY)
    good.chmod(0o644)
    (path.parent / PART).write_bytes(BODY[:5])
    outcome = have(path, one.url, candidates=["/no/such", "bad\0", str(tmp_path), str(wrong), str(good)])
    assert (outcome["how"], outcome["address"], outcome["fetched"], one.asked) == ("linked", str(good), 0, [])
    assert path.samefile(good) and left(path) == ["m.safetensors"]


def test_a_candidate_with_another_mode_is_copied(path: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.write_bytes(BODY)
    good.chmod(0o600)
    assert have(path, candidates=[str(good)])["how"] == "copied"
    assert not path.samefile(good) and stat.S_IMODE(good.stat().st_mode) == 0o600


def test_a_candidate_on_another_file_system_is_copied(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "good"
    good.write_bytes(BODY)
    good.chmod(0o644)

    def link(*_words: Any, **_more: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(_model.os, "link", link)
    assert have(path, candidates=[str(good)])["how"] == "copied"


# -- what somebody has planted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "hard", "target-link", "target-fifo"])
def test_nothing_is_written_through_what_was_planted(path: Path, tmp_path: Path, server: Any, kind: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    part = path if kind.startswith("target") else path.parent / PART
    if kind.endswith("link"):
        part.symlink_to(victim)
    elif kind == "dangling":
        part.symlink_to(tmp_path / "not-there")
    elif kind == "hard":
        os.link(victim, part)
    else:
        os.mkfifo(part)
    assert have(path, server().url)["how"] == "fetched"
    assert victim.read_bytes() == b"precious" and not (tmp_path / "not-there").exists()
    assert left(path) == ["m.safetensors"] and stat.S_ISREG(path.lstat().st_mode)


def test_a_users_own_link_to_the_right_file_stays(path: Path, tmp_path: Path) -> None:
    (tmp_path / "nas").write_bytes(BODY)
    path.symlink_to(tmp_path / "nas")
    assert not have(path)["changed"] and path.is_symlink()


def test_a_directory_in_the_way_is_named(path: Path) -> None:
    path.mkdir()
    assert "m.safetensors is a directory" in said(have(path))[0]


# -- two at once ----------------------------------------------------------------------------------------------------


def test_a_second_run_waits_and_takes_what_the_first_put_there(path: Path, server: Any) -> None:
    one = server(always="slow 0.01")
    seen: list[str] = []
    first: list[Outcome] = []
    thread = threading.Thread(target=lambda: first.append(have(path, one.url)))
    thread.start()
    while not (path.parent / PART).exists() or not one.asked:
        time.sleep(0.01)
    second = have(path, one.url, report=lambda what, *_: seen.append(what))
    thread.join()
    assert (first[0]["how"], second["how"], second["changed"]) == ("fetched", "present", False)
    assert "another run fetches it" in seen and len(one.asked) == 1 and left(path) == ["m.safetensors"]


def test_a_second_run_goes_on_where_the_first_died(path: Path, server: Any) -> None:
    part = path.parent / PART
    part.write_bytes(BODY[:1000])
    with part.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        timer = threading.Timer(0.3, held.close)
        timer.start()
        outcome = have(path, server().url)
    assert outcome["resumed"] == 1000 and "waited for" in outcome["notes"][0]


# -- with a user's rights, in a process of its own -----------------------------------------------------------------


CALL = """
import json, sys
from pathlib import Path
from ansible_collections.navilab.webui.plugins.module_utils import _background, _model
_background.FOLDER = Path(sys.argv[1]); _background.PATIENCE = float(sys.argv[3])
given = {key: spec.get("default") for key, spec in _model.ARGUMENTS.items()}
print(json.dumps(_model.attended({**given, **json.loads(sys.argv[2])}, False)))
"""


COLLECTIONS = Path(__file__).parents[4] / "collections"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(COLLECTIONS), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def call(tmp_path: Path, path: Path) -> Callable[..., dict[str, Any]]:
    import json

    def run(patience: float = 60, **arguments: Any) -> dict[str, Any]:
        given = json.dumps({"path": str(path), "sha256": SHA, "size": len(BODY), "job": "1", "slice": 10, **arguments})
        command = [sys.executable, "-c", CALL, str(tmp_path / "run" / "work"), given, str(patience)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=ENVIRONMENT)
        assert done.stderr == "", done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


@pytest.mark.skipif(not ROOT, reason="only root can take another account's rights")
def test_work_has_the_owners_rights(call: Any, path: Path, server: Any, tmp_path: Path) -> None:
    for each in (tmp_path, *list(tmp_path.parents)[:-2]):
        each.chmod(each.stat().st_mode | 0o055)
    one = server()
    refused = call(urls=[one.url], owner="nobody")
    assert [check["id"] for check in refused["checks"]] == ["data_writable"]
    os.chown(path.parent, 65534, 65534)
    done = call(urls=[one.url], owner="nobody", job="2")
    assert (done.get("how"), done.get("checks")) == ("fetched", [])
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    # A file of root's with the right content becomes the owner's, and nothing is fetched for it.
    path.unlink()
    path.write_bytes(BODY)
    done = call(urls=[one.url], owner="nobody", job="3")
    assert (done["how"], done["fetched"], path.stat().st_uid) == ("copied", 0, 65534)
    # Root could read this one.
    secret = tmp_path / "secret"
    secret.write_bytes(BODY)
    secret.chmod(0o600)
    path.unlink()
    assert call(candidates=[str(secret)], owner="nobody", job="4")["checks"][0]["id"] == "model_available"
    assert sorted(each.name for each in (tmp_path / "run" / "work").iterdir()) == []


@pytest.mark.skipif(not ROOT, reason="as another user the work is done at once")
def test_short_calls_follow_the_work(call: Any, path: Path, server: Any) -> None:
    one = server(always="slow 0.05")
    first = call(urls=[one.url], slice=1)
    assert first["running"]["what"] == "fetching" and 0 < first["running"]["done"] < len(BODY)
    assert call(urls=[one.url], slice=10)["how"] == "fetched"
    assert len(one.asked) == 1
    # Another run's call finds what is there, not the result of the first.
    assert call(urls=[one.url], job="2")["how"] == "present"


@pytest.mark.skipif(not ROOT, reason="as another user the work is done at once")
def test_work_that_nobody_asks_for_ends(call: Any, path: Path, server: Any) -> None:
    one = server(always="slow 0.2")
    assert "running" in call(urls=[one.url], slice=1, patience=2)
    time.sleep(4)
    size = (path.parent / PART).stat().st_size
    time.sleep(1)
    assert size == (path.parent / PART).stat().st_size < len(BODY)
    one.always = ""
    assert call(urls=[one.url], job="1")["resumed"] == size


@pytest.mark.skipif(not ROOT, reason="as another user the work is done at once")
def test_work_that_is_killed_is_said(call: Any, path: Path, server: Any, tmp_path: Path) -> None:
    one = server(always="slow 0.2")
    call(urls=[one.url], slice=1)
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(each.readlink()).startswith(str(tmp_path / "run")):
                os.kill(int(each.parts[2]), 9)
                break
        except OSError:
            continue
    assert call(urls=[one.url]) == {"died": True}


def test_arguments_that_are_none(call: Any) -> None:
    for wrong in ({"path": "m"}, {"path": "/x/.."}, {"sha256": "0"}, {"mode": "rw"}, {"owner": "no-such-account"}):
        assert [check["id"] for check in call(**wrong)["checks"]] == ["variables"]
