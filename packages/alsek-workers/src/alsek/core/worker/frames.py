"""What a pool's processes say to each other over their sockets: length, then plain values as marshal writes them.

Both ends are processes of one pool on one machine, forked from one program. Only tuples of text, bytes, numbers and
None are sent; exceptions cross as text.
"""

from __future__ import annotations

import marshal
import socket
import struct
from typing import Any

from alsek.storage.backends.records import Died, Outcome, Retried, Submission, Succeeded

_LENGTH = struct.Struct("!I")
_KINDS: tuple[type[Outcome], ...] = (Succeeded, Retried, Died)


def pack(value: Any) -> bytes:
    """One frame."""
    body = marshal.dumps(value)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Takes frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More bytes have come."""
        self._buffer += data

    def take(self) -> Any:
        """The next frame's value; None if it has not come whole yet."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        value = marshal.loads(memoryview(self._buffer)[_LENGTH.size : end])  # noqa: S302  from a process of this pool
        del self._buffer[:end]
        return value


def receive(connection: socket.socket, frames: Frames) -> Any:
    """Wait for the next frame; None when the other end has closed."""
    while (value := frames.take()) is None:
        data = connection.recv(65536)
        if not data:
            return None
        frames.feed(data)
    return value


def outcome_to_wire(outcome: Outcome) -> tuple[Any, ...]:
    """An outcome as a plain tuple."""
    fields = [tuple(field) if isinstance(field, Submission) else field for field in outcome]
    return (_KINDS.index(type(outcome)), *fields)


def outcome_from_wire(wire: tuple[Any, ...]) -> Outcome:
    """What :func:`outcome_to_wire` made."""
    kind, fields = _KINDS[wire[0]], list(wire[1:])
    if kind is Succeeded and fields[-1] is not None:
        fields[-1] = Submission(*fields[-1])
    outcome: Outcome = kind(*fields)
    return outcome
