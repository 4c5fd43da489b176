"""Frames: how the processes of a pool exchange values over their sockets. A length, then the value in marshal's format.

Both ends are processes of one pool on one machine, forked from one program. Only tuples of text, bytes, numbers and
None are sent; exceptions are sent as text.
"""

from __future__ import annotations

import marshal
import operator
import socket
import struct
import sys
from typing import Any, Final, SupportsIndex

#: What ``socket`` is made of.
_raw: Final[Any] = sys.modules.get("_socket", socket)
_LENGTH = struct.Struct("!I")


def pack(value: Any) -> bytes:
    """Return a value as one frame.

    Raises:
        TypeError: Something in `value` is neither text, bytes, a number, None nor a tuple of these.
        ValueError: It is larger than a frame can be: some gigabytes.
    """
    try:
        body = marshal.dumps(value)
    except ValueError:  # it may contain subclasses of text or numbers, such as a member of an enum
        body = marshal.dumps(_plain(value))
    if len(body) > 0xFFFF_FFFF:
        raise ValueError(f"{len(body)} bytes are too many for one frame")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Splits a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append bytes that were received."""
        self._buffer += data

    def take(self) -> Any:
        """Return the next frame's value; None if it is not complete yet.

        Raises:
            ValueError, EOFError, TypeError: The bytes are no frame: other code has written to the socket.
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
    """Return two connected sockets that block, whatever ``socket.setdefaulttimeout`` was set to.

    Raises:
        OSError: No further files can be opened now.
    """
    pair = socket.socketpair()
    for end in pair:
        end.settimeout(None)
    return pair


def raw_socket_pair() -> tuple[socket.socket, socket.socket]:
    """As :func:`socket_pair`, for one process more: without the layer of Python, which takes long after a fork.

    The two can send, receive and close; they are not of the class :class:`socket.socket`, but of the one below it.
    """
    pair: tuple[socket.socket, socket.socket] = _raw.socketpair()
    for end in pair:
        end.settimeout(None)
    return pair


def socket_of(descriptor: int) -> socket.socket:
    """Return the socket of a file descriptor. It blocks, whatever ``socket.setdefaulttimeout`` was set to."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
    connection.settimeout(None)
    return connection


def receive(connection: socket.socket, frames: FrameReader) -> Any:
    """Wait for the next frame and return its value; None when the other end has closed."""
    while (value := frames.take()) is None:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:  # it has closed without reading everything that it was sent
            return None
        if not data:
            return None
        frames.feed(data)
    return value


def _plain(value: Any) -> Any:
    """Return `value` with subclasses of text, bytes, numbers and tuples replaced by these types themselves."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # not str(), which returns the name of an enum's member
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, SupportsIndex):
        return int.__index__(value) if isinstance(value, int) else operator.index(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, tuple):
        return tuple(_plain(each) for each in value)
    raise TypeError(f"{value!r} ({type(value).__name__}) can't be sent to another process")
