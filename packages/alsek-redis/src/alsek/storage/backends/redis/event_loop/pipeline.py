"""One connection of an event loop that many calls share.

Their commands are sent in the order in which they come, and the server answers in that order. A call that is cancelled
keeps its place: its reply is read, and dropped. What is sent within one turn of the loop is sent at once. Nothing here
is a task: a loop may end at any moment.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse
from redis.exceptions import TimeoutError as RedisTimeoutError

from alsek.storage.backends.redis.client.reply_reader import NOT_YET, ReplyReader
from alsek.storage.backends.redis.event_loop.transports import discard, disown

#: Takes a published value: the channel and the data.
OnMessage: TypeAlias = Callable[[bytes, bytes], None]


class Pipeline(asyncio.Protocol):
    """A connection, from when redis-py has logged in.

    Args:
        loop: The event loop.
        reader: Reads the replies.
        silence_s: If the server says nothing for so long, though it owes a reply, the connection counts as lost.
        on_message: Takes what is published, on a connection that subscribes.
        on_lost: Called when the connection is lost; not if :meth:`close` closed it.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: ReplyReader,
        silence_s: float,
        on_message: OnMessage | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._reader = reader
        self._silence_s = silence_s
        self._on_message = on_message
        self._on_lost = on_lost
        self._writer: asyncio.StreamWriter | None = None
        self._transport: Any = None
        self._unsent: list[tuple[bytes, asyncio.Future[Any] | None]] = []
        #: The calls whose replies are to come; None for a reply that nobody wants.
        self._asked: deque[asyncio.Future[Any] | None] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._quiet_since = loop.time()
        self._retired = False
        self._broken = False
        #: Done when the connection is closed.
        self.closed: asyncio.Future[None] = loop.create_future()

    def take_over(self, writer: asyncio.StreamWriter) -> None:
        """Use the connection of this writer, on which nothing is to come."""
        self._writer = writer  # it closes the transport when it is collected
        self._transport = writer.transport
        self._transport.set_protocol(self)

    @property
    def usable(self) -> bool:
        """Whether a command can be sent."""
        return not self._broken and not self._retired

    @property
    def quiet_s(self) -> float:
        """How long ago the server said something, or a reply began to be due."""
        return self._loop.time() - self._quiet_since

    def ask(self, packed: bytes) -> asyncio.Future[Any]:
        """Send a command that has one reply. The reply, or an error of redis-py's, is the result of the future."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._send(packed, future)
        return future

    def tell(self, packed: bytes) -> None:
        """Send a command that has one reply, which nobody wants."""
        self._send(packed, None)

    def _send(self, packed: bytes, future: asyncio.Future[Any] | None) -> None:
        if not self.usable:
            if future is not None:
                future.set_exception(RedisConnectionError("Connection closed"))
            return
        if not self._unsent and not self._asked:  # alone: it need not wait for others
            self._quiet_since = self._loop.time()
            if self._timer is None:
                self._timer = self._loop.call_later(self._silence_s, self._look)
            self._asked.append(future)
            self._transport.write(packed)
            return
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append((packed, future))

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._broken:
            return
        wanted = [(packed, future) for packed, future in unsent if future is None or not future.cancelled()]
        if not wanted:
            return
        if not self._asked:
            self._quiet_since = self._loop.time()
        self._asked.extend(future for _, future in wanted)
        if self._timer is None:
            self._timer = self._loop.call_later(self._silence_s, self._look)
        self._transport.writelines([packed for packed, _ in wanted])

    def data_received(self, data: bytes) -> None:
        """Give each reply to the call that it answers."""
        self._quiet_since = self._loop.time()
        asked, gets = self._asked, self._reader.gets
        try:
            self._reader.feed(data)
            while (reply := gets()) is not NOT_YET:
                if self._on_message is not None and _is_message(reply):
                    self._on_message(reply[1], reply[2])
                    continue
                future = asked.popleft()
                if future is None or future.done():
                    continue
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (InvalidResponse, IndexError) as error:
            self._break(RedisConnectionError(f"The server sent what is no reply: {error}"))
            return
        if self._retired and not asked and not self._unsent:
            self.close()

    def eof_received(self) -> None:
        """Fail the calls whose replies will not come."""
        self._break(RedisConnectionError("Connection closed by server."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Likewise."""
        self._break(RedisConnectionError(f"Connection closed by server: {exc or 'end of file'}"))
        if not self.closed.done() and not self._loop.is_closed():
            self.closed.set_result(None)

    def retire(self) -> None:
        """Take no further command; close when the replies that are due have come."""
        self._retired = True
        if not self._asked and not self._unsent:
            self.close()

    def close(self) -> None:
        """Close the connection. What is not answered by now fails."""
        self._on_lost = None
        self._break(RedisConnectionError("Connection closed"))

    def abandon(self, inherited: bool) -> None:
        """Close the connection of a loop that is closed, or that is the parent's in a forked child; tell nobody."""
        self._broken = True
        self._on_lost = None
        if inherited:
            disown(self._transport)
        else:
            discard(self._transport, self._loop)

    def _look(self) -> None:
        """Break the connection if the server owes a reply and has been silent for too long."""
        self._timer = None
        if not self._asked or self._broken:
            return
        left = self._silence_s - self.quiet_s
        if left <= 0:
            self._break(RedisTimeoutError("Timeout reading from socket"))
        else:
            self._timer = self._loop.call_later(left, self._look)

    def _break(self, error: Exception) -> None:
        if self._broken:
            return
        self._broken = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = [*self._asked, *(future for _, future in self._unsent)]
        self._asked.clear()
        self._unsent.clear()
        for future in waiting:
            if future is not None and not future.done():
                future.set_exception(error)
        discard(self._transport, self._loop)
        if self._on_lost is not None:
            self._on_lost()


def _is_message(reply: Any) -> bool:
    return isinstance(reply, list) and len(reply) == 3 and reply[0] == b"message"
