"""What the host's apt says, asked of a real apt-get with a root, a dpkg database and an archive of its own."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.navilab.webui.plugins.module_utils import _answers, _apt_simulate
from ansible_collections.navilab.webui.plugins.module_utils._apt_simulate import (
    Said,
    nothing,
    read_answer,
    simulate,
    trusted,
)
from ansible_collections.navilab.webui.plugins.module_utils._sysfs import UNKNOWN
from ansible_collections.navilab.webui.plugins.module_utils._types import AptQuestion, SourceFile

APT = pytest.mark.skipif(not shutil.which("apt-get"), reason="there is no apt-get here")
PACKAGES = [
    {"Package": "docker.io", "Depends": "containerd (>= 1.4~), runc", "Conflicts": "docker-ce"},
    {"Package": "containerd", "Version": "1.6", "Depends": "runc"},
    {"Package": "runc", "Depends": "libseccomp2 (>= 2)"},
    {"Package": "libseccomp2", "Version": "2"},
    {"Package": "podman-docker", "Conflicts": "docker.io"},
    {"Package": "docker-ce", "Conflicts": "moby-engine", "Depends": "libseccomp2 (>= 2)"},
    {"Package": "needs-much", "Depends": "nothing-has-it"},
]
INSTALLED = [
    {"Package": "containerd.io", "Version": "1.7", "Conflicts": "containerd, runc", "Provides": "containerd, runc"},
    {"Package": "kubelet", "Recommends": "containerd.io"},
    {"Package": "libseccomp2", "Version": "1"},
    {"Package": "moby-engine"},
]


def stanzas(packages: list[dict[str, str]], **more: str) -> str:
    common = {"Version": "1.0", "Architecture": "amd64", "Maintainer": "x", "Description": "x"}
    return "\n".join(
        "".join(f"{key}: {value}\n" for key, value in {**common, **more, **package}.items()) for package in packages
    )


class Host:
    """An apt of its own below a directory."""

    def __init__(self, home: Path) -> None:
        self.root = home / "root"
        self.archive = home / "archive"
        for path in (
            "etc/apt/sources.list.d", "etc/apt/preferences.d", "etc/apt/apt.conf.d", "var/lib/apt/lists/partial",
            "var/lib/dpkg", "var/cache/apt/archives/partial", "var/log/apt", "etc/apt/trusted.gpg.d",
        ):  # fmt: skip
            (self.root / path).mkdir(parents=True)
        self.status(INSTALLED)
        self.publish(PACKAGES)
        self.config = home / "apt.conf"
        self.config.write_text(
            f'Dir "{self.root}/";\nDir::State::status "{self.root}/var/lib/dpkg/status";\nAcquire::Languages "none";\n'
            f'APT::Architecture "amd64";\nAPT::Architectures {{ "amd64"; }};\nDir::Bin::dpkg "/usr/bin/dpkg";\n'
        )

    def status(self, packages: list[dict[str, str]]) -> None:
        text = stanzas(packages, Status="install ok installed")
        (self.root / "var/lib/dpkg/status").write_text(text)

    def publish(self, packages: list[dict[str, str]], place: str = "main", suite: str = "bookworm") -> None:
        folder = self.archive / f"dists/{suite}"
        (folder / place / "binary-amd64").mkdir(parents=True, exist_ok=True)
        text = stanzas([{"Filename": f"pool/{each['Package']}.deb", "Size": "1", **each} for each in packages])
        (folder / place / "binary-amd64/Packages").write_text(text)
        places = sorted(path.name for path in folder.iterdir() if path.is_dir())
        lines = ["Origin: Debian", f"Codename: {suite}", f"Components: {' '.join(places)}", "Architectures: amd64"]
        lines += ["Date: Sat, 09 Nov 2024 11:05:00 UTC", "SHA256:"]
        for path in sorted(folder.glob("*/*/Packages")):
            data = path.read_bytes()
            lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path.relative_to(folder)}")
        (folder / "Release").write_text("\n".join(lines) + "\n")

    def source(self, name: str = "sources.list", places: str = "main", uri: str = "") -> str:
        line = f"deb [trusted=yes] {uri or self.archive.as_uri()} bookworm {places}\n"
        (self.root / "etc/apt" / name).write_text(line)
        return line

    def update(self) -> None:
        subprocess.run(["apt-get", "update"], check=True, capture_output=True)

    def ask(self, *install: str, files: dict[str, str] | None = None) -> Any:
        sources: list[SourceFile] = [{"path": path, "content": text} for path, text in (files or {}).items()]
        return simulate({"install": [*install], "sources": sources})

    def tree(self) -> dict[str, tuple[float, bytes]]:
        """Every file with its time and content."""
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime, path.read_bytes()) for path in files}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    found = Host(tmp_path)
    monkeypatch.setenv("APT_CONFIG", str(found.config))
    forget()
    yield found
    forget()


def forget() -> None:
    _apt_simulate.box_in.cache_clear()
    _apt_simulate._host.cache_clear()


@APT
@pytest.mark.parametrize("more", ["", 'APT::Get::Purge "true";\n'])
def test_what_goes_away_and_what_changes(host: Host, more: str) -> None:
    host.config.write_text(host.config.read_text() + more)
    host.source()
    host.update()
    before = host.tree()
    assert host.ask("docker-ce") == {
        "removed": ["moby-engine"], "held": [], "missing": [], "changed": ["libseccomp2"], "error": "",
    }  # fmt: skip
    # Apt's solver gives up on what Kubernetes runs on, with words that name no way out.
    answer = host.ask("docker.io")
    assert (answer["removed"], answer["held"]) == (["containerd.io"], [])
    assert host.tree() == before, "something of the host's was written"


@APT
@pytest.mark.parametrize("status", ["hold ok config-files", "hold ok not-installed"])
def test_a_hold_on_what_is_not_installed(host: Host, status: str) -> None:
    host.source()
    host.update()
    host.status([{"Package": "docker.io", "Status": status}, {"Package": "libseccomp2", "Version": "2"}])
    assert host.ask("docker.io")["held"] == ["docker.io"]


@APT
def test_a_hold_on_what_would_go(host: Host) -> None:
    host.source()
    host.update()
    host.status([{**INSTALLED[0], "Status": "hold ok installed"}, *INSTALLED[1:]])
    answer = host.ask("docker.io")
    assert "containerd.io" in [*answer["held"], *answer["removed"]] or "held broken packages" in answer["error"]


@APT
def test_what_no_source_has(host: Host) -> None:
    host.source()
    host.update()
    assert host.ask("nonsuch", "nothing-either")["missing"] == ["nonsuch", "nothing-either"]
    assert host.ask("podman-docker=9")["missing"] == ["podman-docker"]
    assert "nothing-has-it" in host.ask("needs-much")["error"]


@APT
def test_a_new_source_is_read_beside_the_hosts(host: Host) -> None:
    host.source()
    host.update()
    host.publish([{"Package": "firmware-amd-graphics"}], "non-free-firmware")
    assert host.ask("firmware-amd-graphics")["missing"] == ["firmware-amd-graphics"]
    before = host.tree()
    line = f"deb [trusted=yes] {host.archive.as_uri()} bookworm non-free-firmware\n"
    files = {"/etc/apt/sources.list.d/navilab-firmware.list": line}
    answer = host.ask("firmware-amd-graphics", files=files)
    assert answer == {"removed": [], "held": [], "missing": [], "changed": [], "error": ""}
    assert host.tree() == before


@APT
def test_a_source_whose_key_is_not_there_yet(host: Host) -> None:
    host.source()
    host.update()
    host.publish([{"Package": "docker-ce"}], "stable", "trixie")
    line = f"deb [arch=amd64 signed-by=/nowhere/docker.asc] {host.archive.as_uri()} trixie stable\n"
    files = {"/etc/apt/sources.list.d/navilab-docker.list": line}
    answer = host.ask("docker-ce", files=files)
    assert (answer["missing"], answer["error"]) == ([], "")


@APT
@pytest.mark.skipif(not shutil.which("gpg"), reason="there is no gpg here")
def test_an_archive_whose_lists_outlived_its_key(host: Host, tmp_path: Path) -> None:
    gpg = ["gpg", "--homedir", str(tmp_path / "gpg"), "--batch", "--passphrase", "", "--pinentry-mode", "loopback"]
    (tmp_path / "gpg").mkdir(mode=0o700)
    subprocess.run([*gpg, "--quick-generate-key", "x", "rsa2048"], check=True, capture_output=True)
    release, key = host.archive / "dists/bookworm/Release", host.root / "etc/key.asc"
    subprocess.run([*gpg, "--clearsign", "--output", str(release.with_name("InRelease")), str(release)], check=True)
    key.write_bytes(subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout)
    subprocess.run(["gpgconf", "--homedir", str(tmp_path / "gpg"), "--kill", "all"], check=True)  # its agent stays else
    line = f"deb [signed-by={key}] {host.archive.as_uri()} bookworm main\n"
    source = host.root / "etc/apt/sources.list"
    source.write_text(line)
    host.update()
    source.unlink()
    key.unlink()
    other = f"deb [trusted=yes] {host.archive.as_uri()} trixie stable\n"
    host.publish([{"Package": "docker-ce"}], "stable", "trixie")
    assert host.ask("docker-ce", files={"/etc/apt/sources.list.d/y.list": other})["error"] == ""
    assert host.ask("podman-docker", files={"/etc/apt/sources.list.d/x.list": line})["error"] == ""


@APT
def test_no_room_for_a_cache(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_apt_simulate, "CACHE_BYTES", 1 << 60)
    host.source()
    assert host.ask("docker-ce")["removed"] == ["moby-engine"]
    assert not list(_apt_simulate.box_in("").path.glob("*.bin"))


@APT
def test_two_questions_are_asked_as_one(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless something is in the way: then apt says to each what it is."""
    monkeypatch.setattr(_answers.Tree, "ask", lambda _tree, _question, live, *_more: live())
    host.publish([{"Package": "firmware-amd-graphics"}], "non-free-firmware")
    host.source()
    line = f"deb [trusted=yes] {host.archive.as_uri()} bookworm non-free-firmware\n"
    firmware: AptQuestion = {
        "install": ["firmware-amd-graphics"],
        "sources": [{"path": "/etc/apt/sources.list.d/navilab-firmware.list", "content": line}],
    }
    calls: list[list[str]] = []
    run = _apt_simulate._run
    monkeypatch.setattr(
        _apt_simulate, "_run", lambda command, end, **more: calls.append([*command]) or run(command, end, **more)
    )

    def ask(package: str) -> tuple[list[Any], list[str]]:
        calls.clear()
        questions: list[AptQuestion] = [firmware, {"install": [package], "sources": []}]
        answers = [each["answer"] for each in _answers.answer(apt=questions)["apt"]]
        return answers, ["update" if "update" in call else "simulate" for call in calls if call[0] == "apt-get"]

    assert ask("podman-docker") == ([nothing(), nothing()], ["update", "simulate"])
    answers, made = ask("docker-ce")
    assert [answer["removed"] for answer in answers] == [[], ["moby-engine"]]
    assert made == ["simulate"] * 3, "what was read once serves all of them"


@APT
def test_what_was_read_is_kept_for_the_installation(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is in its way, and until the run lets the host go; the host's own lists stay as they are."""
    aside = host.root / "var/cache/navilab.webui"
    monkeypatch.setattr(_answers, "ASIDE", aside)
    host.source()
    before = host.tree()
    questions: list[AptQuestion] = [{"install": [name], "sources": []} for name in ("libseccomp2", "podman-docker")]
    kept = _answers.answer(apt=questions, keep_lists=True)["lists"]
    forget()
    assert Path(kept).parent.parent == aside
    command = ["apt-get", "-oDir::Log::Planner=/dev/null", "--simulate", "install", "libseccomp2", "podman-docker"]
    done = subprocess.run(command, env={**os.environ, "APT_CONFIG": kept}, capture_output=True, text=True, check=False)
    assert "Inst podman-docker" in done.stdout, done.stderr
    shutil.rmtree(aside)
    assert host.tree() == before
    box = _apt_simulate.Box(aside)
    box._read = {frozenset(): _apt_simulate.Lists("", "", [], True)}
    (box.path / "lists").mkdir()
    assert box.keep() == "", "half of them"
    os.utime(box.path, (1e9, 1e9))
    _apt_simulate.Box(aside)
    assert not box.path.exists(), "nobody has let the host go"
    for asked, keep in ((questions, False), (questions[:1], True)):  # nobody asked, and nothing to do at once
        assert _answers.answer(apt=asked, keep_lists=keep)["lists"] == ""
    removes: list[AptQuestion] = [*questions, {"install": ["docker-ce"], "sources": []}]
    forget()
    assert _answers.answer(apt=removes, keep_lists=True)["lists"] == ""
    forget()
    assert not aside.exists()
    # The host's own configuration has the last word.
    parts = host.root / "etc/apt/apt.conf.d"
    parts.mkdir(exist_ok=True)
    (parts / "99lists").write_text(f'Dir::State::lists "{host.root}/var/lib/apt/lists/";\n')
    assert _answers.answer(apt=questions, keep_lists=True)["lists"] == ""


def test_questions_that_contradict_each_other_stay_apart() -> None:
    one: AptQuestion = {"install": ["a"], "sources": [{"path": "/x", "content": "1"}]}
    other: AptQuestion = {"install": ["b"], "sources": [{"path": "/x", "content": "2"}]}
    assert _answers._together([one, other]) is None
    assert _answers._together([one]) is None
    gone: AptQuestion = {"install": ["b"], "sources": [{"path": "/y", "content": ""}]}
    assert _answers._together([one, gone]) is None, "it is there while the other's packages come in"
    assert _answers._together([one, {**one, "install": ["b", "a"]}]) == {**one, "install": ["a", "b"]}


@APT
def test_lists_that_are_not_there_are_read_elsewhere(host: Host) -> None:
    host.source()
    before = host.tree()
    assert host.ask("docker-ce")["removed"] == ["moby-engine"]
    assert host.tree() == before


@APT
def test_old_lists_are_read_anew(host: Host, start: Callable[..., Any]) -> None:
    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(host.archive))

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = start(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files), {})
    host.source(uri=f"http://127.0.0.1:{server.server_port}")
    os.utime(host.archive / "dists/bookworm/Release", (1e9, 1e9))  # what the server says of its age
    host.update()
    host.publish([*PACKAGES, {"Package": "new-here"}])
    assert host.ask("new-here")["missing"] == ["new-here"]
    lists = host.root / "var/lib/apt/lists"
    old = time.time() - 600  # a source may break at any time
    for path in (lists, lists / "partial"):
        os.utime(path, (old, old))
    before = host.tree()
    assert host.ask("new-here")["missing"] == []
    assert host.tree() == before


@APT
def test_a_source_that_has_broken_since_it_was_read(host: Host) -> None:
    host.source()
    host.update()
    gone = host.root / "etc/apt/sources.list.d/gone.list"
    gone.write_text((host.root / "etc/apt/sources.list").read_text().replace("bookworm", "nonsuch"))
    there = next((host.root / "var/lib/apt/lists").glob("*_Release"))
    shutil.copy(there, there.with_name(there.name.replace("bookworm", "nonsuch")))
    old = time.time() - 600
    for path in (host.root / "var/lib/apt/lists", host.root / "var/lib/apt/lists/partial"):
        os.utime(path, (old, old))
    assert "nonsuch" in host.ask("docker-ce")["error"]


@APT
def test_a_second_key_for_an_archive(host: Host) -> None:
    host.source()
    host.update()
    for name in ("a", "b"):
        key = host.root / f"etc/apt/trusted.gpg.d/{name}.asc"
        key.write_text("x")
        line = f"deb [trusted=yes signed-by={key}] {host.archive.as_uri()} bookworm main\n"
        (host.root / f"etc/apt/sources.list.d/{name}.list").write_text(line)
    assert "Conflicting values set for option Signed-By" in host.ask("docker.io")["error"]


@APT
def test_a_malformed_source(host: Host) -> None:
    host.source()
    (host.root / "etc/apt/sources.list.d/a.list").write_text("deb http://x bookworm\n")
    assert "Malformed" in host.ask("docker.io")["error"]


@APT
def test_a_disc_that_apt_was_not_told_of(host: Host) -> None:
    text = host.source()
    disc = "deb cdrom:[Debian GNU/Linux 12.8.0 _Bookworm_ - Official amd64 DVD]/ bookworm main\n"
    (host.root / "etc/apt/sources.list").write_text(disc + text)
    assert "cdrom:" in host.ask("docker.io")["error"]


@APT
def test_a_server_that_does_not_answer_matters_where_something_is_to_come_from_it(host: Host) -> None:
    host.source()
    host.update()
    host.source("sources.list.d/dead.list", uri="http://127.0.0.1:9/debian")
    assert host.ask("docker-ce")["error"] == ""
    answer = host.ask("nonsuch")
    assert (answer["missing"], "http://127.0.0.1:9" in answer["error"]) == ([], True)


@APT
def test_a_package_pinned_away(host: Host) -> None:
    host.source()
    host.update()
    (host.root / "etc/apt/preferences.d/x").write_text("Package: docker.io\nPin: origin *\nPin-Priority: -1\n")
    assert host.ask("docker.io")["missing"] == ["docker.io"]
    pin = {"/etc/apt/preferences.d/x": "Package: docker.io\nPin: origin *\nPin-Priority: 500\n"}
    assert host.ask("docker.io", files=pin)["missing"] == []


@APT
def test_hooks_of_the_host_are_not_run(host: Host, tmp_path: Path) -> None:
    host.source()
    mark = tmp_path / "run"
    hooks = "".join(f'APT::Update::{name} {{ "touch {mark}"; }};\n' for name in ("Pre-Invoke", "Post-Invoke"))
    (host.root / "etc/apt/apt.conf.d/99hooks").write_text(hooks)
    assert host.ask("podman-docker")["error"] == ""
    assert not mark.exists()


@APT
def test_what_an_interrupted_run_left(host: Host) -> None:
    host.source()
    host.update()
    status = stanzas([{"Package": "containerd", "Version": "1.6", "Depends": "runc", "Status": "install ok unpacked"}])
    (host.root / "var/lib/dpkg/status").write_text(status)
    answer = host.ask("podman-docker")
    assert (answer["error"], answer["removed"], answer["missing"]) == ("", [], [])


@APT
def test_a_time_that_is_over(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.source()
    host.update()
    monkeypatch.setattr(_apt_simulate, "TIME_S", 0.0)
    assert host.ask("docker.io")["error"] == UNKNOWN


@APT
def test_another_language(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    # Not in the process itself, whose C library would go on in German.
    monkeypatch.setattr(os, "environ", {**os.environ, "LANGUAGE": "de"})
    host.source()
    host.update()
    assert host.ask("nonsuch")["missing"] == ["nonsuch"]


def test_no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setenv("PATH", "/nowhere")
    assert simulate({"install": ["x"], "sources": []})["error"].startswith("apt-")
    forget()


# -- what apt's releases print -----------------------------------------------------------------------------------------

SOLVED = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages will be REMOVED:
  containerd.io
The following NEW packages will be installed:
  containerd docker.io
Remv containerd.io [1.6.33-1] [kubelet:amd64 ]
Remv libfoo:i386 [1]
Inst libseccomp2 [2.5.4-1] (2.5.4-1+deb12u1 Debian:12.8/stable [amd64]) []
Inst containerd (1.6.20 Debian:12 [amd64])
Inst docker.io (20.10 Debian:12 [amd64])
Conf docker.io (20.10 Debian:12 [amd64])
"""
UNMET = """\
The following packages have unmet dependencies:
 docker.io : Depends: containerd (>= 1.4~) but it is not going to be installed
             Depends: runc
"""


def status(**wants: str) -> str:
    return "\n\n".join(f"Package: {name}\nStatus: {want} ok installed" for name, want in wants.items())


def test_a_plan_of_apts() -> None:
    answer = read_answer(Said(0, SOLVED, ""), ["docker.io"], status(**{"containerd.io": "hold", "other": "hold"}))
    assert answer == {
        "removed": ["containerd.io", "libfoo"], "held": ["containerd.io"], "missing": [], "changed": ["libseccomp2"],
        "error": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("errors", "missing"),
    [
        ("E: Unable to locate package a\nE: Unable to locate package b\n", ["a", "b"]),
        ("E: Package 'a' has no installation candidate\n", ["a"]),
        ("E: Package a has no installation candidate\n", ["a"]),
        ("E: Version '1:2' for 'a' was not found\n", ["a"]),
        ("E: Unable to locate package g++\nE: Couldn't find any package by regex 'g++'\n", ["g++"]),
    ],
)
def test_words_for_what_is_missing(errors: str, missing: list[str]) -> None:
    answer = read_answer(Said(100, "", errors), ["a"], "")
    assert (answer["missing"], answer["error"]) == (missing, "")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            Said(100, UNMET, "E: Unable to correct problems, you have held broken packages.\n"),
            "Unable to correct problems, you have held broken packages.; docker.io : Depends: containerd (>= 1.4~) but "
            "it is not going to be installed; Depends: runc",
        ),
        (  # apt 3
            Said(100, "", "E: Unable to satisfy dependencies. Reached two conflicting decisions:\n   1. a is chosen\n"),
            "Unable to satisfy dependencies. Reached two conflicting decisions:; 1. a is chosen",
        ),
        (Said(100, "", "E: The repository 'http://me:s3cret@x y Release' is not signed.\n"), "http://x y Release"),
        (Said(2, "", ""), "apt-get ends with 2"),
        (Said(100, "", "E: \x1b[31mred\n"), " [31mred"),
    ],
)
def test_what_apt_refuses(said: Said, error: str) -> None:
    found = read_answer(said, ["docker.io"], status(runc="hold"))
    assert error.strip() in found["error"] and "s3cret" not in found["error"]
    assert found["held"] == (["runc"] if "runc" in error else [])


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.list", "deb [arch=amd64 signed-by=/no] x y z", "deb [arch=amd64 signed-by=/no trusted=yes] x y z"),
        ("a.list", "deb [signed-by=/etc/passwd] x y z", "deb [signed-by=/etc/passwd] x y z"),
        ("a.list", "deb [signed-by=CA8BB472] x y z", "deb [signed-by=CA8BB472] x y z"),
        ("a.list", "deb x y z", "deb x y z"),
        ("a.sources", "Types: deb\nsigned-by: /no\n", "Types: deb\nsigned-by: /no\nTrusted: yes\n"),
        ("a.sources", "Signed-By: /etc/passwd\n", "Signed-By: /etc/passwd\n"),
        ("a.sources", "Signed-By:\n -----BEGIN\n", "Signed-By:\n -----BEGIN\n"),
    ],
)
def test_sources_without_their_key(name: str, before: str, after: str) -> None:
    assert trusted({"path": f"/etc/apt/sources.list.d/{name}", "content": before}) == after


def test_what_is_in_the_way_of_a_transaction() -> None:
    text = "The following packages have unmet dependencies:\n containerd.io : Conflicts: containerd\n"
    text += " gone : Breaks: docker.io\n new:amd64 : Breaks: old (< 2)\n"
    here = status(**{"containerd.io": "install", "old": "install"})
    found = read_answer(
        Said(100, text, "E: Error, pkgProblemResolver::Resolve generated breaks\n"), ["docker.io"], here
    )
    assert found["removed"] == ["containerd.io", "old"]
