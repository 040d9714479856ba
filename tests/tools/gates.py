#!/usr/bin/env python3
"""Every gate that the sources and the tarball pass, by name: tests/tools/gates.py [GATE or STAGE ...], by default all.

GATES below is the only list. A stage of tests/run runs those of its own name; unit tests and the scenarios of molecule
are stages of their own there. Each gate says how many things it checked, and one that checked nothing has failed.

What other gates need has virtual environments under .navilab/gates, from the locks in tests/gates; ansible-test's own
lie there too. `ansible-test units` is left out: the unit tests of plugins use the driver and the recordings of the
checkout, which no tarball has. The stage `unit` runs them with what .venv has, the gates units-oldest, units-newest and
units-target by pytest on the others.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
OWN = ROOT / ".navilab" / "gates"
HOME = OWN / "home"  # ansible-test's virtual environments go there
SCRIPTS = ["bench/run"]  # Python without the ending
PATIENCE = 1800  # seconds for one command; a busy machine with two processors needs 500 for the longest
TARGET = "3.9"  # the oldest Python of a managed host
CONTROLLERS = ("3.13", "3.12", "3.11")
MISSING = 77  # the exit status of who can't do what is asked for, since something is not on this machine
OLDEST = ("3.11", "3.12")  # the controllers' Pythons that the oldest ansible-core admits

# What ansible-test takes for something else. ansible-lint's production profile refuses an ignore file in the sources.
MISTAKEN = """
plugins/plugin_utils/_recorded.py pylint:contextmanager-generator-missing-cleanup # contextmanager throws into it
plugins/plugin_utils/_steps/_webui_container.py replace-urlopen # a health check inside the container
roles/image/files/fetch_sources.py pylint:used-before-assignment # a for with an else; in each image's recipe
roles/image/files/selftest.py pylint:disallowed-name # Python's own word for nothing; in each image's recipe
roles/image/files/selftest.py shebang # a program, and in each image's recipe
roles/registry/files/registry_gc.py shebang # a program that people start
"""
# What flake8 says of ruff's format.
FORMAT = ("E203", "E704", "W503")


class MissingError(Exception):
    """What the gate needs is not on this machine."""


class FailedError(Exception):
    """The gate is red; what it said is printed already."""


def run(*command: object, cwd: Path = ROOT, path: Iterable[Path] = (), **environment: str) -> str:
    """What it said, printed as well."""
    search = os.pathsep.join([*map(str, path), os.environ["PATH"] if not path else "/usr/bin:/bin"])
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env=os.environ | {"PATH": search} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(str(error)) from error
    if done.returncode:
        print(done.stdout, end="", flush=True)
        raise FailedError(f"exit code {done.returncode}")
    return done.stdout


def number(pattern: str, text: str) -> int:
    return sum(int(found) for found in re.findall(pattern, text))


# -- what gates need --------------------------------------------------------------------------------------------------


@cache
def interpreter(version: str) -> Path:
    """A Python by its real path: a version manager's shim exists for Pythons that it can't run."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    for candidate in (f"python{version}", f"/usr/bin/python{version}", *sorted(pyenv.glob(f"{version}.*/bin/python3"))):
        command = [str(candidate), "-c", "import ensurepip, sys; print(sys.executable)"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return Path(done.stdout.strip())
    raise MissingError(f"no Python {version} with ensurepip")


def first(versions: Iterable[str]) -> str:
    """The first of them that is here."""
    for version in versions:
        try:
            interpreter(version)
        except MissingError:
            continue
        return version
    raise MissingError(f"none of Python {', '.join(versions)} with ensurepip")


@cache
def tools(lock: str, version: str) -> Path:
    """The programs of a lock of tests/gates, installed at the first call; a second process waits for the first."""
    wanted = (ROOT / "tests" / "gates" / f"{lock}.lock").read_text(encoding="utf-8") + version
    venv = OWN / lock
    stamp = venv / "lock"
    OWN.mkdir(parents=True, exist_ok=True)
    with (OWN / f"{lock}.busy").open("w", encoding="utf-8") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            run(interpreter(version), "-m", "venv", "--clear", venv)
            install = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run(*install, "--no-deps", "--require-hashes", "--requirement", f"tests/gates/{lock}.lock")
            stamp.write_text(wanted, encoding="utf-8")
    return venv / "bin"


@cache
def newest() -> tuple[Path, str]:
    """The gates' own tools with the newest ansible-core that a Python here admits, and that Python."""
    version = first(CONTROLLERS)
    return tools("requirements", version), version


@cache
def oldest() -> tuple[Path, str]:
    """The oldest ansible-core that meta/runtime.yml admits, with the collections of its time, and its Python."""
    version = first(OLDEST)
    return tools("oldest", version), version


@cache
def newest_controller() -> tuple[Path, str]:
    """The same ansible-core with the collections of its time, and that Python."""
    version = first(CONTROLLERS)
    return tools("newest", version), version


@cache
def target() -> Path:
    """pytest on the oldest target's Python, where what the newest ansible-core sends to hosts is to be imported."""
    (core,) = newest()[0].parent.glob("lib/python*/site-packages/ansible")
    tool = tools("target", TARGET)
    link = tool.parent / "lib" / f"python{TARGET}" / "site-packages" / "ansible"
    link.unlink(missing_ok=True)
    link.symlink_to(core)
    return tool


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="navilab-gates-")


@cache
def tarball() -> Path:
    """The collection as a user gets it."""
    made = Path(folder().name) / "dist"
    run(BIN / "ansible-galaxy", "collection", "build", "--output-path", made)
    return next(made.glob("*.tar.gz"))


@cache
def installation() -> Path:
    """The tarball, installed. Away from the checkout's link, which ansible-galaxy would take for an installation."""
    to = Path(folder().name) / "collections"
    install = [BIN / "ansible-galaxy", "collection", "install", tarball(), "--offline", "--no-deps", "-p", to]
    run(*install, ANSIBLE_COLLECTIONS_PATH=str(to))
    return to


# -- gates: each returns how many things it checked -------------------------------------------------------------------


def yamllint() -> int:
    run(BIN / "yamllint", "--strict", ".")
    return len(run(BIN / "yamllint", "--list-files", ".").splitlines())


def ansible_lint() -> int:
    return number(r"(\d+) files processed", run(BIN / "ansible-lint", "--offline", "--strict", "--nocolor"))


def ruff() -> int:
    run(BIN / "ruff", "check", ".", *SCRIPTS)
    return len(run(BIN / "ruff", "check", "--show-files", ".", *SCRIPTS).splitlines())


def ruff_format() -> int:
    return number(r"(\d+) files? already formatted", run(BIN / "ruff", "format", "--check", ".", *SCRIPTS))


def mypy() -> int:
    more = [*sorted(ROOT.glob("tests/tools/*.py")), *sorted(ROOT.glob("roles/image/files/*.py"))]
    text = run(BIN / "mypy") + run(BIN / "mypy", *SCRIPTS, *more)
    return number(r"no issues found in (\d+) source files?", text)


def collection_docs() -> int:
    text = run(BIN / "python", "tests/tools/collection_docs.py", installation())
    return number(r"(?m)^\w+: (\d+)$", text)


def _sanity(tool: Path, version: str, *arguments: str) -> int:
    """ansible-test on the installed tarball. It needs its Pythons in PATH, and pip without a host beside PyPI."""
    core = run(tool / "ansible-test", "--version").split()[-1]
    root = installation() / "ansible_collections" / "navilab" / "webui"
    (root / "tests" / "sanity").mkdir(parents=True, exist_ok=True)
    (root / "tests" / "config.yml").write_text(f'---\nmodules:\n  python_requires: ">={TARGET}"\n', encoding="utf-8")
    ignored = root / "tests" / "sanity" / f"ignore-{'.'.join(core.split('.')[:2])}.txt"
    ignored.write_text(MISTAKEN.lstrip(), encoding="utf-8")
    pythons = OWN / "pythons"
    pythons.mkdir(parents=True, exist_ok=True)
    link = pythons / f"python{version}"
    link.unlink(missing_ok=True)
    link.symlink_to(interpreter(version))
    # ansible-test fetches get-pip from a server of its own, where pip comes with Python.
    (code,) = tool.parent.glob("lib/python*/site-packages/ansible_test/_internal/python_requirements.py")
    cached = HOME / ".ansible" / "test" / "cache"
    cached.mkdir(parents=True, exist_ok=True)
    for pip in re.findall(r"pip='([\d.]+)'", code.read_text(encoding="utf-8")):
        script = cached / f"get_pip_{pip.replace('.', '_')}.py"
        script.write_text("import ensurepip\n\nensurepip.bootstrap()\n", encoding="utf-8")
    command = [tool / "ansible-test", "sanity", "--color", "no", "--python", version, *arguments]
    text = run(*command, cwd=root, path=[pythons, tool], HOME=str(HOME), ANSIBLE_COLLECTIONS_PATH="", ANSIBLE_CONFIG="")
    tests = len(re.findall(r'^Running sanity test "', text, re.MULTILINE))
    print(f"ansible-core {core}, Python {version}: {tests} tests", flush=True)
    return tests


def sanity_newest() -> int:
    return _sanity(*newest())


def sanity_target() -> int:
    tool, _version = newest()
    return _sanity(tool, TARGET, "--test", "compile", "--test", "import")


def sanity_oldest() -> int:
    tool, version = oldest()
    # What pylint and pep8 say depends on the collection alone; newer ones let a package of module_utils say something.
    left_out = [word for test in ("pylint", "pep8", "empty-init") for word in ("--skip-test", test)]
    return _sanity(tool, version, *left_out)


def _units(tool: Path, *parts: str) -> int:
    """Those of the plugins, in the checkout."""
    folders = [f"tests/unit/plugins/{part}" for part in parts]
    pytest = [tool / "python", "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "--tb=short"]
    text = run(*pytest, *folders, PYTHONDONTWRITEBYTECODE="1")
    lines = text.splitlines()
    said = [line for line in lines if line.startswith(("platform ", "ansible-core "))]
    print("\n".join([*said, lines[-1].strip("= ")]), flush=True)
    return number(r"\b(\d+) passed\b", text)


CONTROLLED = ("action", "cache", "callback", "filter", "modules", "plugin_utils")
"""What Ansible is inside of: all but module_utils."""


def units_oldest() -> int:
    """Those that see which ansible-core they have."""
    return _units(oldest()[0], *CONTROLLED)


def units_newest() -> int:
    """The same on the newest ansible-core that a Python here admits, and that Python."""
    return _units(newest_controller()[0], *CONTROLLED)


def units_target() -> int:
    """What runs on hosts. Its tests know themselves what is a controller's (the fixture `controller`)."""
    return _units(target(), "module_utils", "modules")


def galaxy_importer() -> int:
    """Without ansible-test, which has a gate, and without ansible-lint, whose profile here is a stricter one."""
    tool, _version = newest()
    work = Path(folder().name) / "importer"
    work.mkdir(exist_ok=True)
    config = work / "importer.cfg"
    off = "".join(f"{key} = False\n" for key in ("RUN_ANSIBLE_TEST", "RUN_ANSIBLE_LINT"))
    config.write_text(f"[galaxy-importer]\n{off}CHECK_REQUIRED_TAGS = True\nRUN_FLAKE8 = True\n", encoding="utf-8")
    text = run(
        tool / "python", "-m", "galaxy_importer.main", tarball(), cwd=work, path=[tool], ANSIBLE_COLLECTIONS_PATH="",
        ANSIBLE_CONFIG="", GALAXY_IMPORTER_CONFIG=str(config),
    )  # fmt: skip
    # It imports what it warns of.
    wrong = [line for line in text.splitlines() if line.startswith(("WARNING", "ERROR"))]
    if wrong := [line for line in wrong if not re.search(rf": (?:{'|'.join(FORMAT)}) ", line)]:
        print("\n".join(wrong), flush=True)
        raise FailedError(f"{len(wrong)} findings")
    return len(re.findall(r"^Loading ", text, re.MULTILINE))


def antsibull_docs() -> int:
    """With .venv's ansible-doc before its own: that one knows the collections that this one needs."""
    tool, _version = newest()
    root = installation() / "ansible_collections" / "navilab" / "webui"
    lint = [tool / "antsibull-docs", "lint-collection-docs", "--plugin-docs", "."]
    run(*lint, cwd=root, path=[BIN, tool], ANSIBLE_COLLECTIONS_PATH=str(installation()), ANSIBLE_CONFIG="")
    kinds = ("plugins/modules/*.py", "plugins/filter/*.py", "plugins/callback/*.py", "plugins/cache/*.py")
    return sum(len(list(root.glob(kind))) for kind in (*kinds, "roles/*/meta/argument_specs.yml"))


def antsibull_changelog() -> int:
    tool, _version = newest()
    run(tool / "antsibull-changelog", "lint")
    return len(list(ROOT.glob("changelogs/**/*.y*ml")))  # its settings too: a release leaves no fragment


def reuse() -> int:
    tool, _version = newest()
    return number(r"Files with license information: (\d+) /", run(tool / "reuse", "lint"))


class Gate(NamedTuple):
    stage: str
    check: Callable[[], int]
    things: str


GATES = {
    "yamllint": Gate("lint", yamllint, "files"),
    "ansible-lint": Gate("lint", ansible_lint, "files, profile production"),
    "ruff": Gate("lint", ruff, "files"),
    "ruff-format": Gate("lint", ruff_format, "files"),
    "mypy": Gate("lint", mypy, "files, strict"),
    "collection-docs": Gate("collection", collection_docs, "plugins and roles of the installed tarball"),
    "reuse": Gate("gates", reuse, "files"),
    "antsibull-changelog": Gate("gates", antsibull_changelog, "fragments"),
    "antsibull-docs": Gate("gates", antsibull_docs, "plugins and roles"),
    "galaxy-importer": Gate("gates", galaxy_importer, "plugins, playbooks and roles"),
    "sanity-newest": Gate("gates", sanity_newest, "tests, on the controller's Python and the newest ansible-core"),
    "sanity-target": Gate("gates", sanity_target, f"tests, on the oldest target's Python {TARGET}"),
    "sanity-oldest": Gate("gates", sanity_oldest, "tests, on the oldest ansible-core"),
    "units-target": Gate("gates", units_target, f"tests of what runs on hosts, on the oldest target's Python {TARGET}"),
    "units-oldest": Gate("gates", units_oldest, "tests of plugins, on the oldest ansible-core"),
    "units-newest": Gate(
        "gates", units_newest, "tests of plugins, on the controller's Python and the newest ansible-core"
    ),
}


def passed(name: str) -> bool:
    """Run one, and say what came out."""
    gate, begin = GATES[name], time.monotonic()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        count = gate.check()
        good = count > 0
        said = f"{count} {gate.things}" if good else "FAILED: it checked nothing"
    except MissingError as missing:
        good, said = True, f"skipped: {missing}"
    except FailedError as failed:
        good, said = False, f"FAILED: {failed}"
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    print(f"-- {name}: {said} ({time.monotonic() - begin:.0f} s, {spent:.0f} s of processor)", flush=True)
    return good


def where(tool: Callable[[], tuple[Path, str]]) -> int:
    """The folder of its programs; or why there is none, with an exit status that says so."""
    try:
        print(tool()[0])
    except MissingError as missing:
        print(missing)
        return MISSING
    except FailedError as failed:
        print(failed)
        return 1
    return 0


def main() -> int:
    stages = list(dict.fromkeys(gate.stage for gate in GATES.values()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="GATE", help=f"{', '.join(GATES)}; or of a stage: {', '.join(stages)}"
    )
    cores = {"oldest": oldest, "newest": newest_controller}
    parser.add_argument("--where", choices=cores, help="only say where that ansible-core is installed")
    given = parser.parse_args()
    if given.where:
        return where(cores[given.where])
    wanted = given.names or stages
    if strange := [name for name in wanted if name not in {*GATES, *stages}]:
        parser.error(f"no gate {strange[0]!r}; there are: {', '.join(GATES)}")
    try:
        results = [passed(name) for name, gate in GATES.items() if name in wanted or gate.stage in wanted]
    finally:
        shutil.rmtree(folder().name, ignore_errors=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
