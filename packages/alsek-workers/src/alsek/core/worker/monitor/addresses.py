"""Where a monitor listens: ports as users write them, and the sockets that are bound to them."""

from __future__ import annotations

import socket
from typing import Final, NamedTuple, TypeAlias

from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

#: A port, or ``"host:port"``.
Port: TypeAlias = int | str

_HIGHEST_PORT: Final = 65_535
#: How many connections may wait while the monitor is started again.
_BACKLOG: Final = 64


class Address(NamedTuple):
    """Where to listen.

    Attributes:
        host: The name or address of one interface; empty for all.
        port: 0 for any that is free.
    """

    host: str
    port: int


def parse_address(name: str, given: Port | None) -> Address | None:
    """Return where to listen; None if nothing was given.

    Args:
        name: Of the setting.
        given: Its value.

    Raises:
        ValidationError: It is neither a port nor ``"host:port"``.
    """
    if given is None:
        return None
    host, _, port = ("", "", given) if isinstance(given, int) else str(given).rpartition(":")
    if isinstance(given, bool) or not str(port).isdecimal() or not 0 <= int(port) <= _HIGHEST_PORT:
        raise ValidationError(
            f"{name}={shown(given)}: must be a port from 0 (any free one) to {_HIGHEST_PORT}, or 'host:port'"
        )
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def listen(name: str, address: Address) -> socket.socket:
    """Return a socket that listens.

    Args:
        name: Of the setting.
        address: Where to listen.

    Raises:
        ValidationError: The port is in use or not allowed, or the host is not one of this machine.
    """
    try:
        if address.host:
            found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            return socket.create_server(found[4][:2], family=found[0], backlog=_BACKLOG)
        if socket.has_dualstack_ipv6():
            return socket.create_server(
                ("", address.port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
        return socket.create_server(("", address.port), backlog=_BACKLOG)
    except OSError as error:
        where = f"{address.host or 'all interfaces'}, port {address.port}"
        reason = (error.strerror or str(error)).partition(" (while")[0]
        raise ValidationError(f"{name}: can't listen on {where}: {reason}") from error
