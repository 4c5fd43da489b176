"""Waits until there is something to read on one of redis-py's connections.

redis-py's own ``can_read`` returns False if a ``TimeoutError`` is set in the thread while it waits: the timeout of a
task would be lost.
"""

from __future__ import annotations

import math
import select
from typing import Any


def has_input(connection: Any, seconds: float) -> bool:
    """Whether data, or the end of the connection, is there or comes within `seconds`.

    Raises:
        ConnectionResetError: The connection is closed on this side.
    """
    sock = connection._sock  # noqa: SLF001
    if sock is None:
        raise ConnectionResetError("the connection was closed")
    if _has_unread(connection._parser) or (hasattr(sock, "pending") and sock.pending()):  # noqa: SLF001
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(math.ceil(seconds * 1000)))


def _has_unread(parser: Any) -> bool:
    """Whether the parser has read more than it has returned: hiredis keeps that in a reader, redis-py in a buffer."""
    reader = getattr(parser, "_reader", None)
    if reader is not None:
        return bool(reader.has_data())
    unread = getattr(getattr(parser, "_buffer", None), "unread_bytes", None)
    return unread is not None and bool(unread())
