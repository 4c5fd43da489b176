"""What a pool's processes say to each other over their sockets: length, then plain values as marshal writes them.

Both ends are processes of one pool on one machine, forked from one program. Only tuples of text, bytes, numbers and
None are sent; exceptions cross as text.
"""

from __future__ import annotations

import marshal
import operator
import socket
import struct
from typing import Any, SupportsIndex

from alsek.storage.backends.records import Died, Outcome, Retried, Submission, Succeeded

_LENGTH = struct.Struct("!I")
_KINDS: tuple[type[Outcome], ...] = (Succeeded, Retried, Died)


def pack(value: Any) -> bytes:
    """One frame.

    Raises:
        TypeError: There is something in `value` that is neither text, bytes, a number, None nor a tuple of these.
        ValueError: It is too large for a frame: some gigabytes.
    """
    try:
        body = marshal.dumps(value)
    except (
        ValueError
    ):  # what users hand over may be a kind of text or number of their own: an enum's member, say
        body = marshal.dumps(_plain(value))
    if len(body) > 0xFFFF_FFFF:
        raise ValueError(f"{len(body)} bytes are too many for one frame")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Takes frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More bytes have come."""
        self._buffer += data

    def take(self) -> Any:
        """The next frame's value; None if it has not come whole yet.

        Raises:
            ValueError, EOFError, TypeError: It is no frame: someone else has written to the socket.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        value = marshal.loads(memoryview(self._buffer)[_LENGTH.size : end])  # noqa: S302  from a process of this pool
        del self._buffer[:end]
        return value


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two connected sockets that block, whatever ``socket.setdefaulttimeout`` says.

    Raises:
        OSError: There can't be more files now.
    """
    pair = socket.socketpair()
    for end in pair:
        end.settimeout(None)
    return pair


def socket_of(descriptor: int) -> socket.socket:
    """The socket of a file descriptor. It blocks, whatever ``socket.setdefaulttimeout`` says."""
    connection = socket.socket(fileno=descriptor)
    connection.settimeout(None)
    return connection


def receive(connection: socket.socket, frames: FrameReader) -> Any:
    """Wait for the next frame; None when the other end has closed."""
    while (value := frames.take()) is None:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:  # it has closed without reading all that it was sent
            return None
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


def _plain(value: Any) -> Any:
    """`value` of just the types that marshal takes, as whatever is derived from them stands for."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # not str(): that of an enum's member is its name
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, SupportsIndex):
        return int.__index__(value) if isinstance(value, int) else operator.index(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    raise TypeError(f"{value!r} ({type(value).__name__}) can't be sent to another process")
