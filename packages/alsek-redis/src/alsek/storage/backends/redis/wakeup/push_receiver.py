"""Receives the messages that are claimed for a worker while it sleeps (``shared/pushes.lua``)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TypeAlias

from redis.exceptions import ResponseError

from alsek.core.loggers import guarded_logger
from alsek.storage.backends.records import Pushed
from alsek.storage.backends.redis.client.reply_reader import PlainReader, Push
from alsek.storage.backends.redis.client.resp import Argument, encode
from alsek.storage.backends.redis.wakeup.reading import next_reply

log = guarded_logger(__name__)

#: Makes a push of what was published; raises ValueError or IndexError for anything else.
ReadPush: TypeAlias = Callable[[bytes], Pushed]


class PushReceiver:
    """What is published to one worker, on the connection of its waiter.

    Args:
        channel: Where it is published; None to receive nothing.
        read_push: Makes a push of it.

    Attributes:
        subscribed: Whether the server sends what is published.
    """

    def __init__(self, channel: str | None, read_push: ReadPush) -> None:
        self._channel = channel
        name = b"" if channel is None else channel.encode()
        #: What is published begins with this, and the length of the text.
        self._head = b">3\r\n$7\r\nmessage\r\n$%d\r\n%b\r\n$" % (len(name), name)
        self._read_push = read_push
        self._pushed: list[Pushed] = []
        self.subscribed = False

    def subscribe(self, connected: socket.socket) -> bytes:
        """Subscribe on a new connection, which may block for its timeout, if the server and the user's rights allow it.

        Returns what came behind the answers: what was published meanwhile.

        Raises:
            OSError: The connection is lost, or the server does not answer.
            InvalidResponse: It answers with something that is no reply.
        """
        if self._channel is None:
            return b""
        replies = PlainReader(ResponseError)
        hello: tuple[Argument, ...] = (
            "HELLO",
            3,
        )  # RESP3: what is published is sent also while a command blocks
        for command, accepted in ((hello, list), (("SUBSCRIBE", self._channel), Push)):
            connected.sendall(encode(command))
            reply = next_reply(connected, replies)
            if type(reply) is not accepted:
                log.debug("a waiter receives no pushes: %r", reply)
                return b""
        self.subscribed = True
        return replies.rest()

    def take(self, received: bytes) -> int:
        """Take in what was published, if these bytes begin with all of it. Returns where it ends, or 0."""
        head = self._head
        if not received.startswith(head):
            return 0
        line_end = received.find(b"\r\n", len(head))
        if line_end < 0:
            return 0
        begin, length = line_end + 2, received[len(head) : line_end]
        if not length.isdigit():
            return 0
        end = begin + int(length)
        if len(received) < end + 2:
            return 0
        published = received[begin:end]
        try:
            self._pushed.append(self._read_push(published))
        except (ValueError, IndexError):
            log.warning("What was published on %s is no message: %.100r", self._channel, published)
        return end + 2

    def take_pushed(self) -> list[Pushed]:
        """Return the pushes since the last call."""
        pushed, self._pushed = self._pushed, []
        return pushed
