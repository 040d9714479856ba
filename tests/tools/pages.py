#!/usr/bin/env python3
"""Runs every command of README and of docs/docsite as a reader would: tests/tools/pages.py [PAGE ...]; all by default.

The reader sits at `desk`, a bare machine of a lab, with an account that may sudo, and has two machines with boards.
Pages are read in the order of their table of contents, each in one shell with a terminal. A command in a block is run,
one in a sentence where it is first met, and a block whose first line names a file of inventory/ is written there.
EXCUSED has what can't be run. tests/unit/test_docs.py knows when an entry there is of no use, and when a command has a
word of the page's that nobody gave a value.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import pexpect
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SITE = ROOT / "docs" / "docsite"
LAB = "pages"
HOSTS = {"desk": "bookworm:no-board", "node01": "bookworm:rx5500xt-8g", "node02": "bookworm:rx5700xt"}
REPOSITORY = "https://github.com/navilab/navilab.webui"
PATIENCE = 1500  # seconds for one command
SHELL = ("sh", "shell", "console", "bash")
OURS = re.compile(r"(sudo )?(\./navilab|(\.venv/bin/)?ansible-playbook|tests/run) ")

EXCUSED = {
    r"navilab lab (?!up --driver)": "starts a lab in a lab; the stages of tests/run begin so, and this one",
    r"lab up --driver qemu|-i inventory/sim": "takes half an hour where there is no KVM; the stage kernel does it",
    r"tests/run": "is what runs this",
    r"^ssh-copy-id ": "asks for the password of an account, which the lab's has not; its key is there",
    r"^ansible-builder ": "takes its base image from quay.io",
    r"^ansible-navigator ": "runs that image",
    r"pull_repository|^git (add|commit) |, and pulls from": "needs a git server; the stage pull has one",
}
"""Commands and files that are left out, each with its reason."""

VALUES = {
    r"HOST|BUILDER|node03": "node01",
    r"MIRROR": "node02",
    r"FILE": '"$(ls -t ~/navilab.webui/navilab-recording-*.tar.gz | head -n 1)"',
    r"COMMAND": "plan",
    r"SHELL": "bash",
    r"IMAGE": "navilab/webui:cpu",
    r"YOUR_PROJECT": "~/project",
    r"YOUR_INVENTORY": "~/navilab.webui/inventory/lab",
    r"/PATH/TO": "~/navilab.webui",
    r"/media/usb": "~/usb",
}
"""What the reader puts in place of a page's words."""
WORD = re.compile(r"(?<![\w$])[A-Z][A-Z_]+\b(?!=)")
"""A page's word."""

OTHER_IMAGE = r"""sed -Ei 's/^(image_extensions: \[)\{[^}]*\}, /\1/' inventory/lab/group_vars/all.yml"""
AROUND = {
    r"git clone": ("", "mkdir -p inventory/host_vars && cp ~/given.yml inventory/host_vars/localhost.yml"),
    r"navilab init": ("", "cat ~/given.yml >>inventory/lab/group_vars/all.yml && cp -a inventory/lab ~/kept"),
    r"cd YOUR_PROJECT": ("mkdir -p ~/project", ""),
    r"collection build": ("cd ~/navilab.webui && rm -f navilab-webui-*.tar.gz", ""),
    r"navilab record HOST": ("./navilab site", ""),
    r"^\./navilab upgrade$": (OTHER_IMAGE, ""),
    r"image build|bundle\.yml": ("sudo apt-get install --yes --quiet docker.io", ""),
    r"--limit unverified": ("rm -f .navilab/known/*node01*", ""),
}
"""What is done before and after a command: the lab's own things come in, and what a page takes for granted."""

ANSWERS = {
    r"Do you want to continue\?": "y",
    r"Names or addresses of the machines": "node01 node02",
    r"Account of theirs": "",
    r"May they be rebooted": "",
    r"BECOME password": "it needs none",
    r"[Vv]ault password.*:": "a password of the vault",
}
"""What the reader types."""


class Command(NamedTuple):
    """Of a page; `file` where it is text for a file."""

    page: str
    line: int
    text: str
    file: str = ""
    in_block: bool = True

    @property
    def excuse(self) -> str:
        return next((reason for words, reason in EXCUSED.items() if re.search(words, self.text)), "")

    def shell(self) -> str:
        """What the reader does."""
        text, path = filled_in(self.text), filled_in(self.file)
        if path:
            return f"mkdir -p $(dirname {path}) && cat >>{path} <<'EOF'\n{text}\nEOF"
        before, after = next((each for words, each in AROUND.items() if re.search(words, self.text)), ("", ""))
        return "\n".join(filter(None, [before, f"{{ {text}\n}}", after and f"(($? == 0)) && {after}"]))


def filled_in(text: str) -> str:
    """With the reader's own words."""

    def value(found: re.Match[str]) -> str:
        return next(value for words, value in VALUES.items() if re.fullmatch(words, found[0]))

    return re.sub(rf"(?<!\w)(?:{'|'.join(VALUES)})(?!\w)", value, text)


def pages() -> list[Path]:
    """In the order in which they are read."""
    sections = yaml.safe_load((SITE / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    return [README, *(SITE / "rst" / f"{name}.rst" for section in sections for name in section["toctree"])]


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    """Each block's language, its content, and the number of the content's first line."""
    text = page.read_text(encoding="utf-8")
    markdown = page.suffix == ".md"
    block = r"^```(\w*)\n(.*?)^```" if markdown else r"^\.\. code-block:: (\w+)\n\n((?:(?:   [^\n]*)?\n)+)"
    for found in re.finditer(block, text, re.MULTILINE | re.DOTALL):
        content = found[2] if markdown else re.sub(r"^    ?", "", found[2], flags=re.MULTILINE)
        yield found[1], content, text.count("\n", 0, found.start(2)) + 1


def literals(page: Path) -> Iterator[tuple[str, int]]:
    """What stands in backquotes, on one line, and the number of its first one."""
    text = page.read_text(encoding="utf-8")
    ticks = "`" if page.suffix == ".md" else "``"
    prose = re.sub(r"^```.*?^```", lambda found: "\n" * found[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)
    for found in re.finditer(rf"(?<!`){ticks}([^`]+){ticks}(?!`)", prose):
        yield " ".join(found[1].split()), prose.count("\n", 0, found.start()) + 1


def commands(page: Path) -> list[Command]:
    """Those of blocks, those in sentences that name ours, and files of the inventory, in the page's order."""
    found = [Command(page.name, line, words, in_block=False) for words, line in literals(page) if OURS.match(words)]
    for language, content, first in blocks(page):
        if language in SHELL:
            lines = enumerate(content.splitlines(), first)
            found += [Command(page.name, number, line) for number, line in lines if line.strip()]
        elif path := re.match(r"# (inventory/\S+)$", content, re.MULTILINE):
            found.append(Command(page.name, first, content.strip(), file=path[1]))
    return sorted(found, key=lambda each: each.line)


def to_run() -> dict[Path, list[Command]]:
    """What is run of each page. What stands in a sentence needs no second time."""
    known: set[str] = set()
    result: dict[Path, list[Command]] = {}
    for page in pages():
        for each in commands(page):
            bare = each.text.split("  #")[0].rstrip()
            if not each.excuse and (each.in_block or bare not in known):
                result.setdefault(page, []).append(each)
            known.add(bare)
    return {page: found for page, found in result.items() if not all(each.file for each in found)}


# -- the reader -------------------------------------------------------------------------------------------------------

BEGIN = r"""
export PATH=$PATH:$HOME/navilab.webui/.venv/bin
git() { [[ $1 = clone && -d navilab.webui ]] || command git "$@"; }  # one is enough for all pages
[[ ! -d kept ]] || { rm -rf navilab.webui/inventory/lab; cp -a kept navilab.webui/inventory/lab; }
"""


def give() -> None:
    """What a reader has who begins: machines that know the key; here a repository, sources and a model as well."""
    from navilab import lab
    from navilab.lab._common import STATE

    folder = STATE / LAB
    hosts = yaml.safe_load((folder / "hosts.yml").read_text(encoding="utf-8"))["lab"]
    shared = yaml.safe_load((ROOT / "inventory/sim/group_vars/all.yml").read_text(encoding="utf-8"))
    model = Path(hosts["vars"]["navilab_lab_model"])
    own = hosts["hosts"][f"{LAB}-desk"]
    given = {
        **{key: shared[key] for key in shared if key.startswith(("preflight_", "navilab_waive"))},
        **{key: value for key, value in own.items() if key.startswith(("image_", "webui_"))},
        "image_profiles": ["cpu"],
        "image_bundle_suites": ["bookworm"],
        "webui_models": [{**shared["webui_models"][0], "src": f"/home/lab/{model.name}"}],
    }
    key = (folder / "host_ed25519.pub").read_text(encoding="ascii")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        git = f"git --git-dir={home}/upstream --work-tree={ROOT} -c user.name=lab -c user.email=lab".split()
        for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=All that is here"]):
            subprocess.run([*git, *words], check=True, cwd=ROOT)
        (home / ".ssh").mkdir(mode=0o700)
        shutil.copy(folder / "id_ed25519", home / ".ssh")
        shutil.copy(model, home)
        files = {
            ".ssh/known_hosts": f"* {key}",
            ".gitconfig": f'[url "/home/lab/upstream"]\n\tinsteadOf = {REPOSITORY}\n',
            "given.yml": "".join(f"{name}: {json.dumps(value)}\n" for name, value in given.items()),
            "pip.conf": f"[global]\ncert = {given['image_ca_bundle']}\n",
        }
        for name, text in files.items():
            (home / name).write_text(text, encoding="ascii")
        packed = subprocess.run(["tar", "-c", "-C", home, "."], check=True, stdout=subprocess.PIPE).stdout
    unpack = "tar -x --no-same-owner && sudo mv pip.conf /etc/pip.conf"
    subprocess.run([*lab.ssh_command(LAB, "desk"), unpack], input=packed, check=True)
    known = "".join(f"{each['ansible_host']} {name.removeprefix(f'{LAB}-')}\n" for name, each in hosts["hosts"].items())
    for name in HOSTS:
        write = [*lab.ssh_command(LAB, name), "sudo tee --append /etc/hosts"]
        subprocess.run(write, input=known.encode(), check=True, stdout=subprocess.DEVNULL)


def read(page: Path, wanted: list[Command], log: TextIO) -> list[str]:
    """Run a page's commands; those that failed, or never came to their end."""
    from navilab import lab

    lines = [BEGIN, "" if any("git clone" in each.text for each in wanted) else "cd navilab.webui"]
    for number, each in enumerate(wanted):
        lines += [f"printf '\\036%d\\n' {number}", each.shell(), "printf '\\035%d\\n' $?"]
    ssh = lab.ssh_command(LAB, "desk")
    subprocess.run([*ssh, f"cat >{page.stem}.sh"], input="\n".join([*lines, ""]).encode(), check=True)
    words = [*ssh[1:-1], "-tt", ssh[-1], f"bash {page.stem}.sh"]
    child = pexpect.spawn(ssh[0], words, timeout=PATIENCE, encoding="utf-8", dimensions=(40, 140))
    child.logfile_read = log
    left = {number: f"{each.page}:{each.line}: {each.file or each.text}" for number, each in enumerate(wanted)}
    now, begin = -1, 0.0
    patterns = [pexpect.EOF, "\036(\\d+)\r\n", "\035(\\d+)\r\n", *ANSWERS, pexpect.TIMEOUT]
    while 0 < (found := child.expect(patterns)) < len(patterns) - 1:
        if found == 1:
            now, begin = int(child.match[1]), time.monotonic()
        elif found == 2:
            code = int(child.match[1])
            end = f"FAILED, exit code {code}" if code else "ok"
            print(f"{left[now]}: {end}, {time.monotonic() - begin:.0f} s", flush=True)
            if not code:
                del left[now]
        else:
            child.sendline([*ANSWERS.values()][found - 3])
    return [*left.values()]


def main(names: list[str]) -> int:
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "collections")]
    from navilab import lab
    from navilab.lab import real
    from navilab.lab.hosts import Host

    real.find_mirrors = lambda asked=None: None  # the small webui does here, and takes minutes less
    wanted = {page: found for page, found in to_run().items() if not names or page.stem in names}
    logs = ROOT / ".navilab" / "pages"
    logs.mkdir(parents=True, exist_ok=True)
    failed = []
    lab.up(LAB, [Host.parse(f"{name}={made}", "container") for name, made in HOSTS.items()], only=True, webui=lab.BUILT)
    try:
        give()
        for page, found in wanted.items():
            with (logs / f"{page.stem}.log").open("w", encoding="utf-8") as log:
                failed += read(page, found, log)
    finally:
        if not os.environ.get("NAVILAB_KEEP"):
            lab.down(LAB)
    excused = sum(bool(each.excuse) for page in pages() for each in commands(page))
    print(f"pages: {sum(map(len, wanted.values()))} run, {len(failed)} failed, {excused} excused; logs in {logs}")
    for line in failed:
        print(f"pages: failed: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="*", help="by its name without ending, e.g. guide_lab")
    sys.exit(main(parser.parse_args().page))
