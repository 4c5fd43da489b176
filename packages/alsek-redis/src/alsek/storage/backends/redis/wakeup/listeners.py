"""Connections that listen, kept for whoever listens next.

To connect takes about a millisecond, and waiting for a result has often less to wait for than that. So a
subscription that is closed leaves its connection here, having asked the server to unsubscribe it from all. It does not
wait for the answer: whoever takes the connection next reads up to it, and by that drops whatever was still
told to the one before. Commands have connections of their own, in :class:`Link`: no note can be taken for an answer.

A connection is kept only if it is certain what comes next on it: one on which a request or a reply may have
been cut short (an error, an exception set from outside in the middle of it) is closed instead.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any, Final

from alsek.core.clock import real_time as time
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.readiness import comes
from alsek.storage.backends.redis.client.resp import encode

#: How many are kept, however many have listened at once.
MOST_KEPT: Final = 16

#: What nobody has needed for this long is closed when the next one is kept.
_KEPT_FOR_SECONDS: Final = 60.0

#: Notes to the subscriber before that are read and dropped; with more of them it is cheaper to connect.
_MOST_DROPPED: Final = 100

#: Each channel that was left is one answer to read: with more of them, too.
_MOST_CHANNELS: Final = 100

_UNSUBSCRIBE: Final = encode(["UNSUBSCRIBE"])


class Listener:
    """A connection that listens, or has listened.

    Args:
        connection: Connected.
        lasting: Whether its timeouts are the usual ones, so that others can use it too.
    """

    __slots__ = ("_connection", "_dropped", "_lasting", "_pid", "_settled", "_unanswered", "left_at")

    def __init__(self, connection: Any, lasting: bool) -> None:
        self._connection = connection
        self._lasting = lasting
        self._pid = os.getpid()
        self._settled = True
        self._unanswered = 0
        self._dropped = False
        self.left_at = 0.0

    @property
    def ours(self) -> bool:
        """Whether this process made it. A child's copy of it must only be closed."""
        return self._pid == os.getpid()

    @property
    def reusable(self) -> bool:
        """Whether the next subscriber may have it."""
        return self._lasting and self._settled and self.ours

    def send(self, packed: bytes) -> None:
        """Send a command whose answer will be told from notes when it comes."""
        self._settled = False
        # A check of the health would be a PING of which nobody knows.
        self._connection.send_packed_command((packed,), check_health=False)
        self._settled = True

    def ask(self, packed: bytes, answers: int) -> Any:
        """Send commands that have so many answers in all; the last of them.

        What was meant for the subscriber before is dropped. If the server refuses something, that is raised, and this
        connection is not kept: there may be further answers.

        Raises:
            ConnectionResetError: Too much was meant for the subscriber before.
        """
        self._settled = False
        self._connection.send_packed_command((packed,), check_health=False)
        self._skip()
        answer = None
        for _ in range(answers):
            answer = self._read()
        self._settled = True
        return answer

    def hear(self, seconds: float) -> Any:
        """The next note or answer, if one comes within so long; else None."""
        if self._dropped:  # by another thread; redis-py would connect anew
            raise ConnectionResetError("the connection was closed")
        self._settled = False
        reply = self._read() if comes(self._connection, seconds) else None
        self._settled = True
        return reply

    def leave(self, channels: int) -> None:
        """Ask to be unsubscribed from all channels, of which there are so many."""
        self._unanswered = channels
        self.send(_UNSUBSCRIBE)

    def leave_and_ask(self, channels: int, packed: bytes) -> Any:
        """The same, and in the same trip send a command that a subscriber may not; its answer."""
        self._unanswered = channels
        return self.ask(_UNSUBSCRIBE + packed, 1)

    def _read(self) -> Any:
        return self._connection.read_response(disable_decoding=True)

    def _skip(self) -> None:
        """Read up to the answers to :meth:`leave`."""
        dropped = 0
        while self._unanswered:
            if self._read()[0] == b"unsubscribe":
                self._unanswered -= 1
            else:
                dropped += 1
                if dropped > _MOST_DROPPED:
                    raise ConnectionResetError("too much was told to the subscriber before")

    def drop(self) -> None:
        """Close it."""
        self._dropped = True
        self._connection.disconnect()


class IdleListeners:
    """Those of one link that nobody uses at the moment.

    Args:
        link: To the server.

    Attributes:
        read_along: Whether to read in the trip that subscribes; False once the server, or its rules, refused it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._kept: deque[Listener] = deque()
        self.read_along = True

    def __len__(self) -> int:
        return len(self._kept)

    def take(self) -> Listener | None:
        """The one that was used last; None if there is none."""
        while self._kept:
            try:
                ear = self._kept.pop()
            except IndexError:  # another thread took it
                return None
            if ear.ours:
                return ear
            ear.drop()  # this is a child: the parent goes on with it
        return None

    def connect(self, seconds: float) -> Listener:
        """A new one, whose timeouts are not longer than this.

        Raises:
            redis.RedisError, OSError: As the client has them.
        """
        usual = self._link.timeout / 2000
        most = min(usual, seconds)
        return Listener(self._link.connect(most, most), lasting=most == usual)

    def leave(self, ear: Listener, channels: int) -> None:
        """Take back one that is subscribed to so many channels, or close it."""
        if channels > _MOST_CHANNELS or not self._wants(ear):
            ear.drop()
            return
        try:
            ear.leave(channels)
        except CLIENT_ERRORS as error:
            ear.drop()
            let_through(error)
            return
        self.keep(ear)

    def keep(self, ear: Listener) -> None:
        """Take back one that is subscribed to nothing any more, or close it."""
        if not self._wants(ear):
            ear.drop()
            return
        ear.left_at = time.monotonic()
        self._kept.append(ear)
        self._close_old(ear.left_at - _KEPT_FOR_SECONDS)

    def _wants(self, ear: Listener) -> bool:
        return ear.reusable and len(self._kept) < MOST_KEPT

    def close(self) -> None:
        """Close all that nobody uses."""
        while (ear := self.take()) is not None:
            ear.drop()

    def _close_old(self, before: float) -> None:
        while self._kept and self._kept[0].left_at < before:
            try:
                oldest = self._kept.popleft()
            except IndexError:
                return
            if oldest.left_at >= before:  # another thread closed the one that was seen
                self._kept.appendleft(oldest)
                return
            oldest.drop()
