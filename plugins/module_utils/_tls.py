# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service of the host's own as its clients see it: over TLS and by its name, but without a name service."""

from __future__ import annotations

import http.client
import re
import socket
import ssl


def connect(
    name: str, address: str, port: int, timeout: float, cafile: str = "", ca: str = ""
) -> http.client.HTTPSConnection:
    """A connection to `address` that is asked by `name`. Its authority is the file `cafile` or the PEM text `ca`, with
    neither those of the system; OSError where it is not trusted or does not answer."""
    context = ssl.create_default_context(cafile=cafile or None, cadata=ca or None)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13 refuses CAs that browsers and the engine accept
    connection = http.client.HTTPSConnection(name, port, timeout=timeout, context=context)
    plain = socket.create_connection((address, port), timeout)
    try:
        connection.sock = context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise
    return connection


def reason(error: BaseException) -> str:
    """Why it did not go, without OpenSSL's and the system's numbers before it."""
    return re.sub(r"^\[[^\]]*\] ", "", str(error)) or type(error).__name__
