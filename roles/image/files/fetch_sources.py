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


def below(folder: Path, name: str) -> Path:
    """The path of that name; ValueError if it is not below the folder, or behind a link that leads out of it."""
    path = folder / name
    if ".." in path.parts or folder.resolve() not in (path.parent.resolve() / path.name).parents:
        raise ValueError(f"'{name}' leads out of {folder.name}")
    return path


def has(clone: Path, commit: str) -> bool:
    """Whether the clone is one, and has it."""
    try:
        git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}", cwd=clone)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def fetch(source: dict[str, Any], clone: Path, new: Path) -> None:
    """The commit is in the clone, else CalledProcessError or ValueError; no more than it where the server allows that.

    A clone without it, or one that an interruption broke, is replaced by `new` once that has it.
    """
    commit = source["commit"]
    if has(clone, commit):
        return
    new.mkdir()
    git("init", "--quiet", "--bare", cwd=new)
    for refs in (["--depth=1", commit], ["+refs/*:refs/upstream/*"]):
        try:
            git("fetch", "--quiet", "--no-tags", source["url"], *refs, cwd=new)
            break
        except subprocess.CalledProcessError as error:
            failure = error
    else:
        raise failure
    if not has(new, commit):
        raise ValueError(f"fatal: bad object {commit}")
    shutil.rmtree(clone, ignore_errors=True)
    clone.parent.mkdir(parents=True, exist_ok=True)
    new.rename(clone)


def export(source: dict[str, Any], clone: Path, tree: Path, target: Path) -> None:
    """The commit's tree, below the source's prefix and without what it excludes, as a tar.

    ValueError if one of these names leads out of the tree.
    """
    folder = below(tree, source["prefix"].lstrip("/"))
    folder.mkdir(parents=True)
    archive = git("archive", source["commit"], cwd=clone)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, capture_output=True, check=True)
    for name in source["exclude"]:
        path = below(folder, name)
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
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
    try:
        clone, target = below(cache / "git", source["name"]), below(cache, source["path"])
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            fetch(source, clone, Path(work) / "clone")
            export(source, clone, Path(work) / "tree", target)
    except subprocess.CalledProcessError as error:
        return {**source, "stderr": error.stderr.decode(errors="replace").strip()}
    except (OSError, ValueError) as error:
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
