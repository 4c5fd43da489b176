"""Reads from the connections of waiters, which the server writes to at any time."""

from __future__ import annotations

import socket
from ssl import SSLSocket
from typing import Any, Final

from alsek.storage.backends.redis.client.reply_reader import NOT_YET, PlainReader

_PIECE: Final = 65_536


def what_is_there(connected: socket.socket) -> bytes:
    """All that can be read from a socket that does not block.

    Raises:
        OSError: The connection is lost.
    """
    received = b""
    try:
        while True:
            piece = connected.recv(_PIECE)
            if not piece:
                raise ConnectionResetError("the server closed the connection")
            received += piece
            if len(piece) < _PIECE and not isinstance(connected, SSLSocket):
                break  # that was all; with TLS, some may be decrypted that `poll` does not tell of
    except (BlockingIOError, InterruptedError):
        pass
    except OSError as error:
        # With TLS "no data yet" is an error too, a subclass of OSError.
        if type(error).__name__ not in ("SSLWantReadError", "SSLWantWriteError"):
            raise
    return received


def next_reply(connected: socket.socket, replies: PlainReader) -> Any:
    """The next reply, on a socket that blocks for its timeout.

    Raises:
        OSError: The connection is lost, or the server does not answer.
        InvalidResponse: It answers with something that is no reply.
    """
    while (reply := replies.gets()) is NOT_YET:
        piece = connected.recv(_PIECE)
        if not piece:
            raise ConnectionResetError("the server closed the connection")
        replies.feed(piece)
    return reply
