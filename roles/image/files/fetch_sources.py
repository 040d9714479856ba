"""Fetch commits from git repositories and keep each as a tar of its tree, the same wherever it is made.

    fetch_sources.py CACHE <SOURCES.json     a list of {name, url, commit, prefix, exclude, prepare, path}

Prints a JSON list of what can't be had: the source's keys and `stderr`. Exit code 1 if there is any. A tar holds the
directories above the tree too, with the commit's time, so that unpacking it into an image changes no other time there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def git(*arguments: str, cwd: Path) -> bytes:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=True).stdout


def fetch(source: dict[str, Any], clone: Path) -> None:
    """The commit is in the clone; no more than it is asked for where the server allows that."""
    if not clone.exists():
        clone.mkdir(parents=True)
        git("init", "--quiet", "--bare", cwd=clone)
    wanted = f"{source['commit']}^{{commit}}"
    for refs in ([], ["--depth=1", source["commit"]], ["+refs/*:refs/upstream/*"]):
        try:
            if refs:
                git("fetch", "--quiet", "--no-tags", source["url"], *refs, cwd=clone)
            git("rev-parse", "--verify", "--quiet", wanted, cwd=clone)
            return
        except subprocess.CalledProcessError as error:
            failure = error
    if not failure.stderr:  # everything was fetched, and the commit is not in it
        failure.stderr = f"fatal: bad object {source['commit']}".encode()
    raise failure


def export(source: dict[str, Any], clone: Path, tree: Path, target: Path) -> None:
    """The commit's tree, below the source's prefix and without what it excludes, as a tar."""
    folder = tree / source["prefix"].lstrip("/")
    folder.mkdir(parents=True)
    archive = git("archive", source["commit"], cwd=clone)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, capture_output=True, check=True)
    for name in source["exclude"]:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if source["prepare"]:
        script = Path(__file__).with_name(source["prepare"])
        subprocess.run([sys.executable, str(script), str(folder)], capture_output=True, check=True)
    time = int(git("show", "--no-patch", "--format=%ct", source["commit"], cwd=clone))

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = time
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    new = target.with_name(f"{target.name}.new")
    with tarfile.open(new, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(tree.rglob("*")):
            tar.add(path, str(path.relative_to(tree)), recursive=False, filter=plain)
    new.replace(target)


def one(cache: Path, source: dict[str, Any]) -> dict[str, Any] | None:
    """None, or what is wrong."""
    clone, target = cache / "git" / source["name"], cache / source["path"]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch(source, clone)
        with tempfile.TemporaryDirectory(dir=cache) as tree:
            export(source, clone, Path(tree), target)
    except subprocess.CalledProcessError as error:
        return {**source, "stderr": error.stderr.decode(errors="replace").strip()}
    except OSError as error:
        return {**source, "stderr": str(error)}
    return None


def main() -> int:
    cache, sources = Path(sys.argv[1]), json.load(sys.stdin)
    with ThreadPoolExecutor(4) as pool:
        failed = [each for each in pool.map(lambda source: one(cache, source), sources) if each]
    json.dump(failed, sys.stdout, indent=1)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
