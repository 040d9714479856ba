# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large file at an address, from any byte on: what a server may answer, and which answers are refused.

Errors say which of two it is: `Broken` may go better when it is tried again, `Refused` won't. Neither shows a login.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import os
import re
import socket
import ssl
import stat
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ._escape import without_login

"host".encode("idna")  # which Python reads from its own files, that a process with fewer rights may not reach by then
TIMEOUT = 60.0
"""Seconds without a byte after which a connection counts as broken."""
WAIT_AT_MOST = 60.0
"""Seconds that a server may ask for before it is asked again (Retry-After)."""
_SCHEMES = ("http", "https")
_AGENT = "navilab.webui"
_GONE = "correct the address, or name another one"
_LOGIN = "give a login or token that may read it, or name another address"
_AGAIN = "run it again, which goes on where this ended, or name another address"
_NETWORK = "check the network, the proxy (https_proxy, no_proxy) and the host's name, or name another address"


class Broken(Exception):  # noqa: N818 -- no error yet: it is tried again
    """It may go better in a moment; `pause` is what the server asks for, `idle` that nothing answers at all."""

    def __init__(self, why: str, remedy: str = _AGAIN, pause: float = 0.0, idle: bool = False) -> None:
        super().__init__(why)
        self.remedy, self.pause, self.idle = remedy, pause, idle


class Misplaced(Broken):
    """It does not understand ranges: ask it for all."""


class Refused(Exception):  # noqa: N818 -- the next address may do
    """This address does not have it."""

    def __init__(self, why: str, remedy: str = _GONE) -> None:
        super().__init__(why)
        self.remedy = remedy


class Address(NamedTuple):
    """An address taken apart: `url` has no login, `shown` no query either, `host` is as in the address."""

    url: str
    shown: str
    scheme: str
    host: str
    login: str


class Answer(NamedTuple):
    """What a server sends: from which byte on, and how many bytes the whole file has (None: it does not tell)."""

    stream: Any
    offset: int
    total: int | None


def open_url(url: str) -> str:
    """An address as it may be shown: without login, query and fragment, where tokens are."""
    return re.sub(r"[?#].*", "", without_login(url), flags=re.DOTALL)


def parse(url: str) -> Address:
    """Take an address apart; ValueError says what is wrong with it, without what is secret in it."""
    shown = open_url(url)
    match = re.fullmatch(r"(https?)://(?:([^/\s]*)@)?([^/\s?#@]+)([/?][^\s]*)?", url, re.IGNORECASE)
    if match:
        scheme, login, host, rest = match.group(1).lower(), match.group(2) or "", match.group(3), match.group(4) or "/"
        user, _colon, password = login.partition(":")
        plain = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
        bare = f"{scheme}://{host}{urllib.parse.quote(rest.partition('#')[0], safe=_SAFE)}"
        with contextlib.suppress(ValueError):  # a port that is none, brackets around what is no IPv6 address
            if urllib.parse.urlsplit(bare).port != 0 and urllib.parse.urlsplit(bare).hostname:
                return Address(bare, shown, scheme, host, plain if login else "")
    if re.fullmatch(r"file:///\S.*", url, re.IGNORECASE | re.DOTALL):
        return Address(url, shown, "file", "this host", "")
    raise ValueError(f"{shown} is none that can be fetched: http, https and file:///PATH are known")


_SAFE = "/?&=%:@!$'()*+,;~[]-._"


def host_of(url: str) -> str:
    """The host of an address, for a sentence; the address as it may be shown where it has none."""
    try:
        return parse(url).host
    except ValueError:
        return open_url(url)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Only to http and https, and never from https to http. A login goes to the host that it is for alone."""

    max_redirections = 5
    max_repeats = 3

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.scheme not in _SCHEMES or new.username is not None:
            raise Refused(f"leads on to an address of kind {new.scheme or 'none'}" if new.scheme else "leads nowhere")
        if old.scheme == "https" and new.scheme == "http":
            raise Refused(f"leads from https to http ({new.netloc}), where anybody on the way can change it")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        login = req.unredirected_hdrs.get("Authorization")
        if request is not None and login and (old.scheme, old.netloc) == (new.scheme, new.netloc):
            request.add_unredirected_header("Authorization", login)
        return request


def opener(address: Address, cas: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """With the proxies of the environment. `cas` are authorities by `HOST:PORT`, PEM or the path of a file; each is
    trusted, beside the system's, at its own address alone."""
    context = ssl.create_default_context()
    # Python 3.13 refuses CAs that lack RFC 5280's extensions, which curl and Docker accept.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    ca = cas.get(address.host, "")
    try:
        if ca.startswith("/"):
            context.load_verify_locations(cafile=ca)
        elif ca.strip():
            context.load_verify_locations(cadata=ca)
    except (OSError, ValueError, TypeError) as error:  # ssl.SSLError is an OSError
        raise Refused(f"the CA of {address.host} can't be used ({reason(error)})", "correct it") from None
    proxy = urllib.request.ProxyHandler({} if _near(address.host) else None)
    return urllib.request.build_opener(proxy, _Redirects, urllib.request.HTTPSHandler(context=context))


def _near(host: str) -> bool:
    """Whether a host is a number of the lab's own network, which a proxy leads away from."""
    try:
        address = ipaddress.ip_address(urllib.parse.urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local


@contextlib.contextmanager
def opened(address: Address, offset: int, ranges: bool, cas: Mapping[str, str]) -> Iterator[Answer]:
    """The file from byte `offset` on, or from its start where the answer says so."""
    if address.scheme == "file":
        with _file(address, offset) as answer:
            yield answer
        return
    headers = {"User-Agent": _AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    if offset and ranges:
        headers["Range"] = f"bytes={offset}-"
    request = urllib.request.Request(address.url, headers=headers)  # noqa: S310 -- parse() admits http and https alone
    if address.login:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(address.login.encode()).decode()}")
    with _translated(), opener(address, cas).open(request, timeout=TIMEOUT) as reply:
        yield _answer(reply, offset)


def _answer(reply: Any, offset: int) -> Answer:
    encoding = reply.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("", "identity"):
        raise Refused(f"sends it packed ({encoding}), though that was not asked for")
    length = _number(reply.headers.get("Content-Length"))
    if reply.status == 206:
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", reply.headers.get("Content-Range", "").strip())
        if not match or int(match.group(1)) != offset:
            raise Misplaced("answers with another part than was asked for")
        total = _number(match.group(3))
        return Answer(reply, offset, offset + length if total is None and length is not None else total)
    if reply.status != 200:
        raise Refused(f"answers {reply.status}")
    return Answer(reply, 0, length)


def page(answer: Answer) -> bool:
    """Whether it is a page for people: a form to log in, or a proxy's."""
    headers = getattr(answer.stream, "headers", None)
    return headers is not None and str(headers.get("Content-Type", "")).lower().startswith("text/html")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


@contextlib.contextmanager
def _file(address: Address, offset: int) -> Iterator[Answer]:
    path = urllib.parse.unquote(re.sub(r"(?i)^file://", "", address.url))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise Refused(reason(error), "correct the path, or let its owner read it") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise Refused("is no file")
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        begin = offset if offset <= found.st_size else 0
        try:
            stream.seek(begin)
            yield Answer(stream, begin, found.st_size)
        except OSError as error:
            raise Broken(f"can't be read ({reason(error)})", "see to the disk that it lies on") from None


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The errors of the network as Broken or Refused; what the caller's own files raise must be none of these."""
    try:
        yield
    except urllib.error.HTTPError as error:
        with error:
            raise _status(error) from None
    except urllib.error.URLError as error:
        raise _unreachable(error.reason if isinstance(error.reason, BaseException) else error) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _unreachable(error) from None


def _status(error: urllib.error.HTTPError) -> Broken | Refused:
    code, said = error.code, f"answers {error.code}"
    if code in (401, 403, 407):
        return Refused(said, _LOGIN if code != 407 else "give the proxy's login in https_proxy")
    if code in (408, 425, 429) or code >= 500:
        pause = _number(error.headers.get("Retry-After"))
        return Broken(said, pause=min(float(pause or 0), WAIT_AT_MOST))
    if code == 416:
        return OutOfRange(_number(error.headers.get("Content-Range", "").rpartition("/")[2]))
    if 300 <= code < 400:
        return Refused("leads on without an end, or nowhere")
    return Refused(f"{said}{': there is no such file' if code in (404, 410) else ''}")


class OutOfRange(Refused):
    """The server's file ends before what was asked for; `total` is how large it is, if it tells."""

    def __init__(self, total: int | None) -> None:
        super().__init__("answers 416: its file is shorter")
        self.total = total


def _unreachable(error: BaseException) -> Broken | Refused:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted ({error.verify_message or 'verification failed'})"
        return Refused(why, "trust its CA (ca-certificates, or the registry's own), set the clock, or name another one")
    if isinstance(error, (socket.gaierror, ConnectionRefusedError)):
        return Broken(f"can't be reached ({reason(error)})", _NETWORK, idle=True)
    if isinstance(error, (TimeoutError, socket.timeout)):  # two classes before Python 3.10
        return Broken(f"sends nothing for {TIMEOUT:.0f} s", _NETWORK)
    if isinstance(error, (http.client.InvalidURL, UnicodeError)):
        return Refused("is no address that can be asked for")
    return Broken(f"the connection broke ({reason(error)})")


def reason(error: BaseException) -> str:
    """An error in words, without the address that some have in theirs."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, http.client.HTTPException):
        text = f"{type(error).__name__} {text}".strip()
    return re.sub(r"\S*://\S*", lambda match: open_url(match.group()), str(text))[:200]
