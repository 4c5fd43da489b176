"""Closes transports: while their loop runs, after it was closed, and in a forked child.

asyncio closes a transport's socket in a callback of the loop. A loop that is closed runs no callbacks, and in a forked
child the loop's selector is the parent's: what it is told there is told to the parent.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Any, Final

#: Transports of the parent process. They are never collected, since a finalizer would tell the parent's selector.
_INHERITED: Final[list[object]] = []


def discard(transport: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Close a transport at once, in its loop's thread; what is still to be sent is dropped."""
    if not loop.is_closed():
        transport.abort()
        return
    lower: Any = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    for each in (transport, lower):
        with suppress(RuntimeError, AttributeError):  # "Event loop is closed"
            each.abort()
        with suppress(Exception):
            each._call_connection_lost(None)  # noqa: SLF001 - there is no other way to close its socket


def disown(transport: Any) -> None:
    """In a forked child: close this process's copy of the socket; neither the server nor the parent notices."""
    _INHERITED.append(transport)
    sock = transport.get_extra_info("socket")
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        return
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        os.dup2(nothing, number, inheritable=False)  # the number stays taken until its owner closes it
    finally:
        os.close(nothing)
