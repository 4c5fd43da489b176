"""Whether there is something to read on a connection of redis-py's.

Its own ``can_read`` answers False when an exception that is a ``TimeoutError`` is set in the thread while it waits: a
task's timeout would vanish without a trace.
"""

from __future__ import annotations

import math
import select
from typing import Any


def comes(connection: Any, seconds: float) -> bool:
    """Whether data (or the end of the connection) is there, or comes within so long.

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
    """Whether the parser has read more than it has given out: hiredis keeps it in a reader, redis-py in a buffer."""
    reader = getattr(parser, "_reader", None)
    if reader is not None:
        return bool(reader.has_data())
    unread = getattr(getattr(parser, "_buffer", None), "unread_bytes", None)
    return unread is not None and bool(unread())
