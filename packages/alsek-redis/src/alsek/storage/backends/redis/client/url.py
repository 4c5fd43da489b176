"""Checks urls of Redis servers when a backend is made. The errors show no password.

redis-py reads a database ``abc`` as 0, reports an unknown option only when it first connects, and its errors show parts
of a password that is not percent-encoded.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from alsek.exceptions import ValidationError

SCHEMES: Final = ("redis://", "rediss://", "unix://")
#: The forms of a url, for errors.
EXPECTED: Final = (
    "redis://host:port/db, rediss://… (TLS), unix://path?db=…, redis+sentinel://host:port,host:port/service/db or "
    "redis+cluster://host:port,host:port"
)
_SHOWN_OPTIONS: Final = ("db", "protocol")


def check_url(url: str) -> None:
    """Raise an error if this is not the url of a Redis server. Its options are checked by the caller.

    Raises:
        ValidationError: It says what is wrong and what is expected, and shows the url without secrets.
    """
    if not url.startswith(SCHEMES):
        scheme = url.split("://")[0] if "://" in url else None
        shown = f"the scheme {scheme!r}" if scheme is not None else "a text without a scheme"
        raise ValidationError(f"connection: {shown} is not a url of a Redis server; give {EXPECTED}")
    if re.search(r"\s", url):
        raise refuse(url, "it has white space in it")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refuse(url, "its port, or its host, can't be read") from None
    if port == 0:
        raise refuse(url, "a port is a number from 1 to 65535")
    if parts.scheme == "unix":
        if not parts.path:
            raise refuse(url, "it names no socket")
    elif not re.fullmatch(r"(/\d*)?/?", parts.path):
        raise refuse(url, "its database must be a number")
    for database in _values(parts, "db"):
        if not database.isdecimal():
            raise refuse(url, "its database must be a number")


def refuse(url: str, fault: str) -> ValidationError:
    """The error for a url that can't be used."""
    return ValidationError(
        f"connection {shown(url)!r}: {fault}; give {EXPECTED}. "
        f"Special characters in a user name or password must be percent-encoded."
    )


def shown(url: str) -> str:
    """A url without user name, password and the values of its options."""
    scheme, _, rest = url.partition("://")
    rest = rest.rpartition("@")[2]
    place, _, query = rest.partition("?")
    host, slash, path = place.partition("/")
    name, colon, port = host.rpartition(":")
    if colon and not port.isdecimal() and not host.endswith("]"):
        host = f"{name}:…"  # it may be a password without a host
    options = [
        f"{name}={value if name in _SHOWN_OPTIONS else '…'}"
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return f"{scheme}://{host}{slash}{path}{'?' if options else ''}{'&'.join(options)}"


def _values(parts: SplitResult, option: str) -> list[str]:
    return [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == option]
