"""Connections for subscriptions, kept for the next one.

To connect takes about a millisecond, which is often longer than the wait for a result. So a subscription that is
closed leaves its connection here, and asks the server to end all subscriptions of that connection. It does not wait
for the answer: the next subscription reads up to that answer first, and so drops what was published to the one before.
Commands go over other connections, those of :class:`Link`: a published value can't be taken for an answer.

A connection is kept only if it is known what comes next on it. One on which a request or a reply may be incomplete
(after an error, or an exception that was set from outside) is closed instead.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any, Final

from alsek.core.clock import real_time as time
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.readiness import has_input
from alsek.storage.backends.redis.client.resp import encode

#: So many connections are kept at most.
MOST_KEPT: Final = 16

#: A connection that was not used for so long is closed when the next one is kept.
_KEPT_FOR_S: Final = 60.0

#: So many values for the subscriber before are read and dropped at most. With more of them a new connection is cheaper.
_MOST_DROPPED: Final = 100

#: A connection with more channels than this is closed: the server answers once for each channel.
_MOST_CHANNELS: Final = 100

_UNSUBSCRIBE: Final = encode(["UNSUBSCRIBE"])


class Listener:
    """A connection for subscriptions.

    Args:
        connection: Connected.
        lasting: Whether its timeouts are the usual ones, so that the next subscription can use it too.
    """

    __slots__ = ("_connection", "_dropped", "_lasting", "_pid", "_settled", "_unanswered", "kept_at")

    def __init__(self, connection: Any, lasting: bool) -> None:
        self._connection = connection
        self._lasting = lasting
        self._pid = os.getpid()
        self._settled = True
        self._unanswered = 0
        self._dropped = False
        self.kept_at = 0.0

    @property
    def ours(self) -> bool:
        """Whether this process opened it. A forked copy must only be closed."""
        return self._pid == os.getpid()

    @property
    def reusable(self) -> bool:
        """Whether the next subscription may use it."""
        return self._lasting and self._settled and self.ours

    def send(self, packed: bytes) -> None:
        """Send a command whose answer is recognized among the published values when it comes."""
        self._settled = False
        # redis-py's health check would send a PING, whose answer nobody expects.
        self._connection.send_packed_command((packed,), check_health=False)
        self._settled = True

    def ask(self, packed: bytes, answers: int) -> Any:
        """Send commands that have `answers` answers in all, and return the last one.

        What was published to the subscriber before is dropped. If the server refuses a command, that is raised, and
        this connection is not kept: there may be further answers.

        Raises:
            ConnectionResetError: Too much was published to the subscriber before.
            redis.RedisError, OSError: As redis-py raises them.
        """
        self._settled = False
        self._connection.send_packed_command((packed,), check_health=False)
        self._discard_stale()
        answer = None
        for _ in range(answers):
            answer = self._read()
        self._settled = True
        return answer

    def receive(self, seconds: float) -> Any:
        """The next published value or answer if one comes within `seconds`, else None."""
        if self._dropped:  # by another thread; redis-py would connect again
            raise ConnectionResetError("the connection was closed")
        self._settled = False
        reply = self._read() if has_input(self._connection, seconds) else None
        self._settled = True
        return reply

    def has_input(self) -> bool:
        """Whether something is there to be received, or the connection has ended.

        Raises:
            ConnectionResetError: The connection is closed on this side.
        """
        return has_input(self._connection, 0)

    def unsubscribe(self, channels: int) -> None:
        """Ask the server to end the subscriptions, which are to so many channels; don't wait for the answer."""
        self._unanswered = channels
        self.send(_UNSUBSCRIBE)

    def unsubscribe_and_ask(self, channels: int, packed: bytes) -> Any:
        """Unsubscribe, and in the same trip send a command that a subscriber may not send; return its answer."""
        self._unanswered = channels
        return self.ask(_UNSUBSCRIBE + packed, 1)

    def _read(self) -> Any:
        return self._connection.read_response(disable_decoding=True)

    def _discard_stale(self) -> None:
        """Read and drop all up to the answers to :meth:`unsubscribe`."""
        dropped = 0
        while self._unanswered:
            if self._read()[0] == b"unsubscribe":
                self._unanswered -= 1
            else:
                dropped += 1
                if dropped > _MOST_DROPPED:
                    raise ConnectionResetError("too much was published to the subscriber before")

    def drop(self) -> None:
        """Close it."""
        self._dropped = True
        self._connection.disconnect()


class IdleListeners:
    """The connections of one link for subscriptions that are not in use.

    Args:
        link: To the server.

    Attributes:
        may_read: Whether to read keys in the trip that subscribes; False once the server has refused that.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._kept: deque[Listener] = deque()
        self.may_read = True

    def __len__(self) -> int:
        return len(self._kept)

    def take(self) -> Listener | None:
        """The one that was used last, or None."""
        while self._kept:
            try:
                listener = self._kept.pop()
            except IndexError:  # another thread took it
                return None
            if listener.ours:
                return listener
            listener.drop()  # this process is a child: its parent uses the connection
        return None

    def connect(self, seconds: float) -> Listener:
        """A new one, with timeouts of at most `seconds`.

        Raises:
            redis.RedisError, OSError: As redis-py raises them.
        """
        usual = self._link.timeout / 2000
        most = min(usual, seconds)
        return Listener(self._link.connect(most, most), lasting=most == usual)

    def unsubscribe(self, listener: Listener, channels: int) -> None:
        """Keep one that is subscribed to so many channels for the next subscription, or close it."""
        if channels > _MOST_CHANNELS or not self._wants(listener):
            listener.drop()
            return
        try:
            listener.unsubscribe(channels)
        except CLIENT_ERRORS as error:
            listener.drop()
            let_through(error)
            return
        self.keep(listener)

    def keep(self, listener: Listener) -> None:
        """Keep one without subscriptions for the next subscription, or close it."""
        if not self._wants(listener):
            listener.drop()
            return
        listener.kept_at = time.monotonic()
        self._kept.append(listener)
        self._close_old(listener.kept_at - _KEPT_FOR_S)

    def _wants(self, listener: Listener) -> bool:
        return listener.reusable and len(self._kept) < MOST_KEPT

    def close(self) -> None:
        """Close all of them."""
        while (listener := self.take()) is not None:
            listener.drop()

    def _close_old(self, before: float) -> None:
        while self._kept and self._kept[0].kept_at < before:
            try:
                oldest = self._kept.popleft()
            except IndexError:
                return
            if oldest.kept_at >= before:  # another thread has closed the one that was old
                self._kept.appendleft(oldest)
                return
            oldest.drop()
