"""Fetch the wheels of an image with the builder's pip, for the image's Python; a directory that is there is complete.

    fetch_wheels.py CACHE <REQUEST.json

REQUEST: `python` of the image; `index` of torch and, for what else torch stands on, `other_index`; `resolve`, whether
torch's wheels stand on others of its index; `source_packages` that PyPI has no wheel of; `sets`, each with `name`,
`path` and `lock` or, for torch, `requirements`. Every package of a lock has to have one of its hashes.
Prints a JSON list of the sets that can't be had: `name`, `stdout`, `stderr`. Exit code 1 if there is any.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

PLATFORMS = (
    "manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64",
    "manylinux1_x86_64", "linux_x86_64", "any",
)  # fmt: skip
# A wheel built from a source package is the same whenever it is built: 1980, where the time of zip files begins.
ENVIRONMENT = os.environ | {"SOURCE_DATE_EPOCH": "315532800"}


def paragraphs(lock: str) -> list[str]:
    """A lock's packages, each with its hashes."""
    return re.findall(r"(?m)^[^\s#].*(?:\n +.*)*", lock)


def target_options(python: str) -> list[str]:
    """Wheels for that Python, whatever the builder's is."""
    tags = [f"--abi=cp{python.replace('.', '')}", "--abi=abi3", "--abi=none"]
    platforms = [f"--platform={name}" for name in PLATFORMS]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *tags, *platforms]


def commands(wanted: dict[str, Any], request: dict[str, Any], new: Path) -> list[list[str]]:
    """pip's arguments, one list a run; writes the requirements that they name beside the directory."""
    options = target_options(request["python"])
    if "lock" not in wanted:
        index = [f"--index-url={request['index']}"] if request["index"] else []
        if not request["resolve"]:
            return [["download", "--no-deps", f"--dest={new}", *options, *index, *wanted["requirements"]]]
        # Its index refuses every package that is not its own; those come from the other one, as the lock has them.
        pins = _write(new, "constraints", re.findall(r"(?m)^[^\s#=]+==[^\s\\]+", request["constraints"]))
        other = [f"--extra-index-url={request['other_index']}", f"--constraint={pins}"]
        return [["wheel", f"--wheel-dir={new}", *index, *other, *wanted["requirements"]]]
    lines = paragraphs(wanted["lock"])
    source = [line for line in lines if line.partition("==")[0] in request["source_packages"]]
    ready = _write(new, "wheels", [line for line in lines if line not in source])
    found = [["download", "--no-deps", "--require-hashes", f"--dest={new}", f"--requirement={ready}", *options]]
    if source:
        built = _write(new, "sources", source)
        hashed = ["--no-deps", "--require-hashes", f"--requirement={built}"]
        found.append(["wheel", "--use-pep517", *hashed, f"--wheel-dir={new}"])
    return found


def _write(new: Path, name: str, lines: list[str]) -> Path:
    path = new.with_name(f"{new.name}.{name}")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def own_python(cache: Path) -> Path:
    """The Python that has pip, in a virtual environment of the cache; CalledProcessError or OSError if it has none."""
    ready = cache / "pip"
    if not (ready / "bin" / "pip").exists():
        new = cache / "pip.new"  # renamed when complete
        venv.create(new, clear=True, with_pip=True)
        shutil.rmtree(ready, ignore_errors=True)
        new.rename(ready)
    return ready / "bin" / "python"


def one(cache: Path, request: dict[str, Any], wanted: dict[str, Any]) -> dict[str, str] | None:
    """None, or what is wrong."""
    new = cache / f"{wanted['path']}.new"
    log = new.with_name(f"{new.name}.log")  # it alone has what an index answers
    try:
        pip = [str(own_python(cache)), "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--retries=2"]
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for arguments in commands(wanted, request, new):
            command = [*pip, f"--log={log}", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
            if done.returncode:
                logged = log.read_text(errors="replace").splitlines() if log.exists() else []
                answers = [line for line in logged if "Could not fetch" in line]
                return {"name": wanted["name"], "stdout": "\n".join(answers), "stderr": done.stderr}
        new.replace(cache / wanted["path"])
    except subprocess.CalledProcessError as error:
        return {"name": wanted["name"], "stdout": "", "stderr": error.output.decode(errors="replace")}
    except OSError as error:
        return {"name": wanted["name"], "stdout": "", "stderr": str(error)}
    finally:
        for left in new.parent.glob(f"{new.name}.*"):
            left.unlink()
    return None


def main() -> int:
    cache, request = Path(sys.argv[1]), json.load(sys.stdin)
    failed = [each for wanted in request["sets"] if (each := one(cache, request, wanted))]
    json.dump(failed, sys.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
