"""Connections that are kept for calls: one system call sends a command, another one receives the reply.

(In the main thread, one between them waits.)

redis-py connects and logs in. What follows goes past its layers, which cost more than the two system calls: the socket
is used directly, and the reader of replies is one of our own (hiredis's if that is installed).
"""

from __future__ import annotations

import math
import select
import socket
import struct
import sys
import threading
from typing import Any, Final

from redis.exceptions import ConnectionError as ConnectionLostError
from redis.exceptions import TimeoutError as NoReplyError

from alsek.storage.backends.redis.client.readiness import has_input
from alsek.storage.backends.redis.client.reply_reader import NOT_YET, new_reply_reader

#: How many bytes are asked for at first: nearly all replies have fewer. Then how many at once.
_AT_FIRST: Final = 4_096
_MOST_AT_ONCE: Final = 65_536


class Wire:
    """A connection for calls, one after the other.

    Args:
        connection: One of redis-py's, connected. All that it has sent is answered.

    Attributes:
        unsent: The last command could not be sent whole, so the server has not carried it out.
    """

    __slots__ = ("_connection", "_poll", "_receive", "_replies", "_send", "_timeout_ms", "unsent")

    def __init__(self, connection: Any) -> None:
        sock = connection._sock  # noqa: SLF001
        if sock is None:
            raise ConnectionLostError("the connection was closed")
        self._poll: select.poll | None = None
        self._timeout_ms = 0
        seconds = sock.gettimeout()
        if sys.platform == "linux" and type(sock) is socket.socket and seconds:
            _let_the_kernel_wait(sock, seconds)
            self._poll = select.poll()
            self._poll.register(sock, select.POLLIN)
            self._timeout_ms = math.ceil(seconds * 1000)
        self._connection = connection
        self._send = sock.sendall
        self._receive = sock.recv
        self._replies = new_reply_reader(connection._parser.parse_error)  # noqa: SLF001
        self.unsent = False

    def ask(self, packed: bytes) -> Any:
        """Send a command, and return the reply to it, undecoded.

        Raises:
            redis.RedisError: The server answered with an error; or there was no answer, and the connection is closed.
            OSError: It is closed: the connection is broken, or something has interrupted this thread.
        """
        try:
            try:
                self._send(packed)
            except BaseException:
                self.unsent = True
                raise
            self._wait()
            data = self._receive(_AT_FIRST)
            if data == b":1\r\n":  # the answer to nearly all submissions
                return 1
            reply = self._read(data)
        except BaseException as error:
            self.close()
            if type(error) is BlockingIOError:
                raise NoReplyError("the server did not answer in time") from error
            raise
        if isinstance(reply, Exception):
            raise reply
        return reply

    def check(self) -> None:
        """Check that the server has not closed the connection, before a command that can't be repeated.

        Raises:
            ConnectionResetError: It has, or has sent what nobody asked for.
        """
        if has_input(self._connection, 0):
            self.unsent = True
            raise ConnectionResetError("the idle connection was closed")

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()

    def _wait(self) -> None:
        """Wait until there is something to receive, in the main thread. In others, the kernel waits as it receives.

        The main thread is the one to which signals come, and with each the kernel's timeout would begin anew: with a
        timer that rings more often, a call to a server that hangs would never end.
        """
        if self._poll is None or threading.get_ident() != threading.main_thread().ident:
            return
        if not self._poll.poll(self._timeout_ms):
            raise NoReplyError("the server did not answer in time")

    def _read(self, data: bytes) -> Any:
        """The reply that begins with these bytes; an error that the server answered is returned."""
        replies = self._replies
        while data:
            replies.feed(data)
            reply = replies.gets()
            if reply is not NOT_YET:
                return reply
            self._wait()
            data = self._receive(_MOST_AT_ONCE)
        raise ConnectionLostError("the server closed the connection")


def _let_the_kernel_wait(sock: socket.socket, seconds: float) -> None:
    """Give the socket's timeout to the kernel: Python asks ``poll`` before it sends or receives with one of its own.

    When it has passed, :class:`BlockingIOError` is raised.
    """
    whole = int(seconds)
    timeval = struct.pack("ll", whole, max(int((seconds - whole) * 1_000_000), 0 if whole else 1))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    sock.settimeout(None)
