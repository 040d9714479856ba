"""A Docker Engine that answers: the one that runs, or Debian's, installed and started."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import APIError, DockerException

from ._common import LabError, slow

PACKAGES = ("docker.io", "iptables", "apparmor", "mmdebstrap", "debian-archive-keyring", "openssh-client")
RUN = Path("/run/navilab")
STARTED = RUN / "engine"  # exists while an engine runs that we started: "systemd", or the PID of our dockerd
LOG = RUN / "dockerd.log"
USED = Path("/run/navilab.lock")
"""Shared by the commands that work with the engine, whichever checkout's; not in RUN, which goes with the engine."""
SOCKET = Path("/var/run/docker.sock")


def connect() -> docker.DockerClient | None:
    """The engine of DOCKER_HOST or of this machine, or None if none answers."""
    client = None
    try:
        client = docker.from_env(timeout=300)
        client.ping()
    except (DockerException, OSError) as error:
        if client is not None:
            client.close()
        if "Permission denied" in str(error):
            raise LabError(
                f"the Docker Engine at {SOCKET} does not admit this user",
                "run the command with sudo, or join the group docker and log in again",
            ) from error
        return None
    return client


def ensure() -> docker.DockerClient:
    """Connects; installs and starts what is missing for that, and what the base images are made with."""
    client = connect()
    if client is None and "DOCKER_HOST" in os.environ:
        raise LabError(
            f"no Docker Engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}",
            "start that engine, or unset DOCKER_HOST to use the one of this machine",
        )
    tools = {"mmdebstrap": "mmdebstrap", "openssh-client": "ssh"}
    wanted = [package for package, tool in tools.items() if not shutil.which(tool)]
    if client is None and not shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        wanted = list(PACKAGES)
    if wanted:
        install(wanted)
    if client is None:
        client = connect()
        if client is not None:  # where systemd runs, the package has started it
            RUN.mkdir(parents=True, exist_ok=True)
            STARTED.write_text("systemd\n", encoding="ascii")
        client = client or _start()
    if client.info().get("OSType") != "linux":
        raise LabError("the Docker Engine does not run Linux containers", "use an engine on Linux")
    return client


@contextmanager
def used() -> Iterator[None]:
    """No other command of a lab stops the engine meanwhile."""
    try:
        file = USED.open("a")
    except OSError:  # nor can this user start or stop one
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def stop_if_ours() -> str | None:
    """Stops the engine if we started it and nobody uses it any more; says which, None if it is not ours."""
    if not STARTED.exists() or "DOCKER_HOST" in os.environ:
        return None
    with USED.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "Docker Engine left running, another lab's command is at work"
        return _stop()


def _stop() -> str | None:
    client = connect()
    if client is None:
        return None
    running = [container["Names"][0].lstrip("/") for container in client.api.containers()]
    if running:
        return f"Docker Engine left running, it is in use by: {', '.join(running)}"
    client.close()
    how = STARTED.read_text(encoding="ascii").strip()
    if how == "systemd":
        _run(["systemctl", "stop", "docker.socket", "docker.service"])
    elif _is_dockerd(int(how)):
        os.kill(int(how), signal.SIGTERM)
        _wait(lambda: not _is_dockerd(int(how)), 30)
    shutil.rmtree(RUN, ignore_errors=True)
    return "Docker Engine stopped, since the lab had started it"


def _start() -> docker.DockerClient:
    _need_root("start the Docker Engine")
    RUN.mkdir(parents=True, exist_ok=True)
    with slow("starting the Docker Engine"):
        if Path("/run/systemd/system").is_dir():
            # A unit that was enabled and came up by itself is not ours to stop; this one was down.
            _run(["systemctl", "start", "docker.service"])
            STARTED.write_text("systemd\n", encoding="ascii")
        else:
            with LOG.open("ab") as log:
                # Its own session: neither Ctrl-C nor the end of this terminal reaches it.
                dockerd = subprocess.Popen(
                    [shutil.which("dockerd") or "/usr/sbin/dockerd", "--pidfile", str(RUN / "dockerd.pid")],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                )  # fmt: skip
            STARTED.write_text(f"{dockerd.pid}\n", encoding="ascii")
            _wait(lambda: dockerd.poll() is not None or connect() is not None, 60)
        client = connect()
    if client is None:
        tail = LOG.read_text(errors="replace").splitlines()[-3:] if LOG.exists() else []
        STARTED.unlink(missing_ok=True)
        raise LabError("the Docker Engine does not start: " + " / ".join(tail), f"see {LOG} or journalctl -u docker")
    return client


def install(packages: Sequence[str]) -> None:
    """Debian packages that the lab needs on this machine."""
    _need_root(f"install {' '.join(packages)}")
    if not shutil.which("apt-get"):
        raise LabError(
            f"missing: {' '.join(packages)}, and this is no Debian", "install them with the system's own tools"
        )
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with slow(f"installing {' '.join(packages)}"):
        _run(["apt-get", "update", "--quiet"], env)
        wait = ["--option", "DPkg::Lock::Timeout=600"]
        _run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *wait, *packages], env)


def _need_root(purpose: str) -> None:
    if os.geteuid() != 0:
        raise LabError(f"root is needed to {purpose}", "run the command with sudo")


def _run(command: Sequence[str], env: dict[str, str] | None = None) -> None:
    result = subprocess.run(command, env=env, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).strip().splitlines()
        raise LabError(f"{' '.join(command)} failed: {' / '.join(lines[-3:])}", "put that right and start again")


def _is_dockerd(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "(dockerd)" in status and ") Z " not in status


def _wait(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.2)


@contextmanager
def explained() -> Iterator[None]:
    """An engine's refusal becomes an error of the lab."""
    try:
        yield
    except APIError as error:
        raise _explain(error) from error


def _explain(error: APIError) -> LabError:
    """The refusal, with what to do about the ones that people meet."""
    text = str(error.explanation or error)
    for needle, remedy in (
        ("no space left", "free some space where the engine keeps its data (docker system df shows what takes it)"),
        ("is already in use by container", "another container has that name: remove it, or take another --name"),
        ("pool overlaps", "a network has that range already: docker network ls"),
        ("operation not permitted", "the engine may not give what a lab host needs: it must run as root, not rootless"),
    ):
        if needle in text.lower():
            return LabError(f"Docker: {text}", remedy)
    return LabError(f"Docker: {text}", "see the engine's log")
