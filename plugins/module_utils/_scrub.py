# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Personal details in what a host says, each replaced by the same word wherever it stands, so that what belongs
together still does.

What is replaced: names of the host and its domain, of people, of servers that not everybody knows; addresses (IP, MAC,
e-mail); serial numbers, UUIDs and machine ids; keys; and what is a secret by its place or its form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Any

from ._docker_config import mask

# Names that tell nothing of anybody, or are words of paths, apt, dpkg, dockerd and the kernel; they stay.
_COMMON = frozenset(
    """
    admin administrator all alpine amd amd64 amdgpu any apt arch archive auto backports backup bin block bookworm boot
    bridge bullseye bus buster cdrom centos char class cloud cloud-init com component components conf config containerd
    contrib core cuda daemon data deb debian debug default demo deploy dev devices devuan directory disk dkms docker
    dockerd dpkg dri driver drivers drm enabled engine error etc example false fedora file firmware forky free fs
    generic gpu group groups guest hold home host hosts http https image images info install installed intel journald
    kali kernel kfd kms kube kubernetes lib link linux live lmde local localdomain localhost log lost+found main manager
    media microsoft mint mirror missing mnt mode module modules mount name navi navilab net network nfs nobody node
    nodes nogroup none nonexistent ntp null nvidia off offline on online opt options org package packages parameters
    path pci pi podman port proc proxmox ptx public pve python radeon raspberrypi release render repo root run running
    sbin security server service settings share shared sid snap socket source sources srv stable standard start stat
    state status stop storage sudo suite sys system systemd temp test testing tmp topology tree trixie true tty type
    ubuntu unit unknown unstable update updates user users usr vagrant var vendor version vfio video virtual volume
    volumes web webui www
    """.split()
)
# Options that a short name may be a part of: max-size, no-new-privileges.
_OPTION = re.compile(
    r"(?:add|allow|api|cgroup|cluster|cpu|data|default|dns|exec|fixed|group|host|init|insecure|ip|log|max|metrics|no"
    r"|node|oom|pid|raw|registry|seccomp|shutdown|storage|tls)-[a-z][a-z-]*"
)
_PUBLIC = re.compile(
    r"(?:.*\.)?(?:debian\.(?:org|net)|docker\.(?:com|io)|radeon\.com|amd\.com|github\.com|githubusercontent\.com"
    r"|ghcr\.io|gcr\.io|quay\.io|k8s\.io|huggingface\.co|proxmox\.com|linuxmint\.com|devuan\.org|kali\.org|mxrepo\.com"
    r"|mxlinux\.org|raspberrypi\.(?:org|com)|armbian\.com|nvidia\.com|microsoft\.com|google\.com|kernel\.org"
    r"|ubuntu\.com|launchpad\.net|launchpadcontent\.net|pytorch\.org|pypi\.org|gradio\.app|snapcraft\.io"
    r"|example(?:\.(?:com|net|org))?|localhost|invalid|test)",
    re.IGNORECASE,
)
_EFI = re.compile(r"/sys/firmware/efi/\S*")  # its GUIDs are the same on each machine

_WORD = (
    r"(?:passw(?:or)?d|passphrase|\bpwd\b|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential"
    r"|authorization|auth[_-]?key|cookie|\bauth\b)"
)
_KEY = re.compile(rf"(?<!no){_WORD}", re.IGNORECASE)
_MASK = re.compile(r"\bsha256:[0-9a-f]{8}(?![0-9a-f])")  # how facts show a secret: who guesses it would know
_PEM = re.compile(r"-----BEGIN (?!PGP SIGNED MESSAGE)[A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_LOGIN = re.compile(r"(://)([^/\s\"'<>]*|[^/\s:@\"'<>]+:(?!\d+(?:[/\s\"']|$))[^\s\"'<>]*?)@")
_ASSIGNED = re.compile(
    rf"((?<!no){_WORD}[\w.-]{{0,40}}\\?[\"']?\s*[=:]\s*)"
    r"(?:(\\?[\"'])(.*?)(?:\2)|((?:(?:Bearer|Basic|Token)\s+)?[^\s\"',;}\\]+))",
    re.IGNORECASE,
)
_FLAG = re.compile(rf"((?:^|\s)--?[\w-]{{0,40}}{_WORD}[\w-]{{0,40}}\s+)([^\s-]\S*)", re.IGNORECASE)
_LONE_FLAG = re.compile(rf"--?[\w-]*{_WORD}[\w-]*", re.IGNORECASE)
_QUERY = re.compile(r"([?&][\w.%-]{1,40}=)([^&\s\"'<>]{8,})")  # of a signed address, say
_BEARER = re.compile(r"\b((?:Bearer|Basic)\s+)([A-Za-z0-9._~+/=-]{8,})")
_SHAPED = re.compile(
    r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}|dckr_pat_[\w-]{10,}|AKIA[A-Z0-9]{12,}"
    r"|xox[abp]-[\w-]{10,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|sk-[\w-]{16,}|ssh-(?:rsa|ed25519)\s+[\w+/=]{20,})"
)
_BLOB = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{31,}")
_SERIAL = re.compile(
    r"\b((?:serial(?:[ _-]?(?:number|no))?|machine[_-]?id|boot_id|asset[ _-]?tag|(?:PART)?UUID|(?:PART)?LABEL)"
    r"\s*[=:]\s*\\?\"?|unique_id\s*[=: ]\s*)([^\s\"',;\\]+)",
    re.IGNORECASE,
)
_UUID = re.compile(r"(?<![0-9a-fA-F-])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F-])")
_MACHINE_ID = re.compile(r"(?<![0-9a-fA-F:])[0-9a-f]{32}(?![0-9a-fA-F])")
_MAC = re.compile(r"(?<![0-9a-fA-F:-])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![0-9a-fA-F:-])")
_PLAIN_MAC = re.compile(r"(?<=enx|wlx)[0-9a-f]{12}(?![0-9a-f])")
_IPV4 = re.compile(r"(?<![\w.~+-])(?:\d{1,3}\.){3}\d{1,3}(?![\w.~+]|-\w{0,20}[.~+])")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:.])")
_EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,}(?![\w-])")
_UNIT = re.compile(r"\.(?:service|socket|target|mount|timer|path|slice|scope|device|swap)$")

# Names that stand where a server's or a person's does.
_SERVER = re.compile(r"://(?:[^/\s\"'<>@]*@)?([A-Za-z0-9][\w.-]*)")
_EXPORT = re.compile(r"^([A-Za-z0-9][\w.-]*):/\S* /|^//([\w.-]+)/\S+ /", re.MULTILINE)
_QUALIFIED = re.compile(
    r"(?<![\w./@-])((?:[A-Za-z0-9-]+\.)+(?:lan|internal|intranet|corp|home|localdomain|private))(?![\w-]|\.\w)"
    r"|(?<![\w./@-])((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?=:\d{2,5}(?:\D|$))"
)
_REGISTRY = re.compile(
    r"/certs\.d/([\w.-]+)"
    r"|\"([a-z0-9-]+(?:\.[a-z0-9-]+)+)(?::\d+)?/[a-z0-9][a-z0-9._/-]*(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?\""
)
_INSECURE = re.compile(r"\"insecure-registries\"\s*:\s*\[([^\]]*)\]")
_HOME = re.compile(r"(?<![\w.])/(?:home|Users|media|run/media)/([^/\s:\"'\\,;]+)")
_ACCOUNT = re.compile(r"(?<![\w-])(?:user(?:name)?|domain|workgroup)=([^,\s\"']+)", re.IGNORECASE)


class Scrubber:
    """Replaces, and remembers what by what: `counts` by kind."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._words: dict[tuple[str, str], str] = {}
        self._names: dict[str, str] = {}  # in lower case, with its kind
        self._kept: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    # -- names ------------------------------------------------------------------------------------------------------

    def know(self, kind: str, names: Iterable[str]) -> None:
        """Words to be replaced wherever they stand; kind is host, domain, user, group, name (of a person),
        server or secret."""
        for name in names:
            plain = name.strip(". \t\n").lower()
            if plain and plain not in _COMMON and not plain.isdigit() and not _PUBLIC.fullmatch(plain):
                self._names.setdefault(plain, kind)
                self._pattern = None

    def keep(self, words: Iterable[str]) -> None:
        """Words that are everybody's, though a name may be in them: a host may be called `graphics`."""
        self._kept |= {word.lower() for word in words}

    def learn(self, text: str) -> None:
        """Names that a text gives away by where they stand in it."""
        servers = [match[1] for match in _SERVER.finditer(text)]
        for pattern in (_EXPORT, _QUALIFIED, _REGISTRY):
            servers += [match[1] or match[2] for match in pattern.finditer(text)]
        for match in _INSECURE.finditer(text):
            servers += [name.partition(":")[0] for name in re.findall(r"\"([\w.-]+)", match[1])]
        self.know("server", (name for name in servers if re.search("[A-Za-z]", name)))
        self.know("user", (match[1] for match in _HOME.finditer(text)))
        self.know("user", (match[1].rpartition("\\")[2] for match in _ACCOUNT.finditer(text)))

    def _named(self) -> re.Pattern[str]:
        if self._pattern is None:
            names = sorted(self._names, key=lambda name: (-len(name), name))
            self._pattern = re.compile("|".join(map(_form, names)) or r"(?!)", re.IGNORECASE)
        return self._pattern

    def _name(self, match: re.Match[str]) -> str:
        text = match[0].lower()
        plain = text if text in self._names else text.replace("--", "-")
        kind = self._names.get(plain, "name")
        if len(plain) < 6 and _OPTION.fullmatch(_around(match, r"[\w-]*").lstrip("-")):
            return match[0]  # a short one is a name only where nothing else is meant
        if kind != "secret" and _around(match, r"[\w.+-]*").lower() in self._kept:
            return match[0]
        return self._secret(match[0]) if kind == "secret" else self._word(kind, plain)

    def _word(self, kind: str, text: str) -> str:
        if (kind, text) not in self._words:
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self._words[kind, text] = _FORMS[kind](self.counts[kind])
        return self._words[kind, text]

    def _secret(self, text: str) -> str:
        """Facts know some secrets by their mask already: it gets the same word."""
        return text if text in self._words.values() else self._word("secret", mask(text))

    # -- texts ------------------------------------------------------------------------------------------------------

    def text(self, text: str, names: bool = True) -> str:
        """The text without personal details; without `names` where it can't have any."""
        text = _PEM.sub(lambda match: self._word("key", match[0]), text)
        text = _MASK.sub(lambda match: self._secret(match[0]), text)
        text = _LOGIN.sub(lambda match: f"{match[1]}{self._secret(match[2])}@", text)
        text = _ASSIGNED.sub(self._assigned, text)
        for pattern in (_FLAG, _BEARER, _QUERY):
            text = pattern.sub(lambda match: match[1] + self._secret(match[2]), text)
        text = _SHAPED.sub(lambda match: self._secret(match[0]), text)
        text = _EMAIL.sub(self._email, text)
        if names:
            text = self._named().sub(self._name, text)
        text = _SERIAL.sub(self._serial, text)
        well_known = [match.span() for match in _EFI.finditer(text)]
        text = _UUID.sub(lambda match: self._uuid(match, well_known), text)
        text = _MACHINE_ID.sub(lambda match: self._word("id", match[0]), text)
        text = _MAC.sub(lambda match: self._word("mac", match[0].lower()), text)
        text = _PLAIN_MAC.sub(lambda match: self._word("mac", match[0]).replace(":", ""), text)
        text = _IPV6.sub(lambda match: self._address("ipv6", match[0]), text)
        text = "\n".join(
            line if line.startswith("Version: ") else _IPV4.sub(lambda match: self._address("ipv4", match[0]), line)
            for line in text.split("\n")
        )
        return _BLOB.sub(self._blob, text)

    def _assigned(self, match: re.Match[str]) -> str:
        quote, secret = match[2] or "", match[3] if match[2] else match[4]
        if not secret or secret.lower() in _NO_SECRETS or secret[0] in "{[":
            return match[0]
        return f"{match[1]}{quote}{self._secret(secret)}{quote}"

    def _email(self, match: re.Match[str]) -> str:
        behind = match.string[: match.start()].endswith("sha256:")  # a login's word, before a server
        return match[0] if behind or _UNIT.search(match[0]) else self._word("email", match[0].lower())

    def _serial(self, match: re.Match[str]) -> str:
        value = match[2]
        if not value.strip("0-") or match[1].startswith(("Label", "label")) or _UUID.fullmatch(value):
            return match[0]
        return match[1] + self._word("number" if value.isdigit() else "serial", value)  # a number has to stay one

    def _uuid(self, match: re.Match[str], well_known: list[tuple[int, int]]) -> str:
        if any(start <= match.start() < end for start, end in well_known) or not match[0].strip("0-"):
            return match[0]
        return self._word("uuid", match[0].lower())

    def _address(self, kind: str, text: str) -> str:
        if kind == "ipv6" and "::" not in text and text.count(":") < 7:
            return text  # a time, or a device
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return text
        if address.is_loopback or address.is_unspecified or str(address).startswith("255."):
            return text
        return self._word(kind, str(address))

    def _blob(self, match: re.Match[str]) -> str:
        text = match[0]
        mixed = any(map(str.islower, text)) and any(map(str.isupper, text)) and any(map(str.isdigit, text))
        return self._secret(text) if mixed else text

    # -- values -----------------------------------------------------------------------------------------------------

    def value(self, value: Any, key: str = "") -> Any:
        """JSON without personal details; what stands under the name of a secret is one."""
        if isinstance(value, str):
            return self._secret(value) if value and _KEY.search(key) else self.text(value)
        if isinstance(value, list):
            found, flag = [], ""
            for each in value:
                found.append(self.value(each, flag or key))
                flag = each if isinstance(each, str) and _LONE_FLAG.fullmatch(each) else ""
            return found
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(each, str(name)) for name, each in value.items()}
        return value


def _around(match: re.Match[str], pattern: str) -> str:
    """The word that a match is in."""
    start, end = match.span()
    before = re.search(f"{pattern}$", match.string[max(0, start - 40) : start])
    after = re.match(pattern, match.string[end : end + 40])
    return f"{before[0] if before else ''}{match[0]}{after[0] if after else ''}"


def _form(name: str) -> str:
    """A pattern of a name: a long one is found within words, too."""
    text = re.escape(name)
    if "-" in name:  # the device mapper doubles the hyphens of a volume group's name
        text = f"(?:{text}|{re.escape(name.replace('-', '--'))})"
    if len(name) > 5:
        return text
    if len(name) > 2:
        return f"(?<![A-Za-z0-9]){text}(?![A-Za-z0-9])"
    return rf"(?<=/){text}(?=/|$|[:\s\"'])|(?<![\w.-]){text}(?=@)|(?<=\buser )(?<![\w.-]){text}(?![\w.-])"


_NO_SECRETS = frozenset(("files", "true", "false", "null", "none", "systemd", "compat", "0", "1", "yes", "no"))
_FORMS: dict[str, Callable[[int], str]] = {
    "host": lambda number: f"host{number}",
    "domain": lambda number: f"domain{number}.example",
    "user": lambda number: f"user{number}",
    "name": lambda number: f"name{number}",
    "group": lambda number: f"group{number}",
    "server": lambda number: f"server{number}.example",
    "secret": lambda number: f"sha256:{number:08d}",
    "key": lambda number: f"-----BEGIN KEY {number}----------END KEY {number}-----",
    "email": lambda number: f"mail{number}@example.org",
    "serial": lambda number: f"serial{number}",
    "number": lambda number: str(1000 + number),
    "uuid": lambda number: f"00000000-0000-4000-8000-{number:012d}",
    "id": lambda number: f"{number:032d}",
    "mac": lambda number: f"02:00:00:00:{number >> 8 & 255:02x}:{number & 255:02x}",
    "ipv4": lambda number: f"192.0.2.{number}" if number < 255 else f"198.51.{100 + (number >> 8)}.{number & 255}",
    "ipv6": lambda number: f"2001:db8::{number:x}",
}
