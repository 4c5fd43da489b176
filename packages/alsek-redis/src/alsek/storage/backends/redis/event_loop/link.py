"""Calls to the server from an event loop: what :class:`~alsek.storage.backends.redis.client.connection.Link` is for
threads.

All calls of a loop share one connection. One whose reply was lost is sent again under the same rules, with the same
pauses, for the same time, and with the same errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

from alsek.core.pauses import Pauses
from alsek.storage.backends.redis.client.address import refresh_nodes
from alsek.storage.backends.redis.client.connection import FIRST_PAUSE_S, LONGEST_PAUSE_S, Link
from alsek.storage.backends.redis.client.errors import (
    CLIENT_ERRORS,
    is_connection_lost,
    is_transient,
    unavailable,
)
from alsek.storage.backends.redis.client.exchange import ANSWERED, Exchange
from alsek.storage.backends.redis.client.resp import Argument, encode
from alsek.storage.backends.redis.event_loop.loop_time import LoopTime
from alsek.storage.backends.redis.event_loop.opening import open_pipeline
from alsek.storage.backends.redis.event_loop.pipeline import OnMessage, Pipeline
from alsek.storage.backends.redis.event_loop.shared_connection import SharedConnection

T = TypeVar("T")

_PING: Final = encode(["PING"])

#: A connection that was idle for longer is tested before a call that can't be repeated.
_TESTED_AFTER_S: Final = 15.0


class AsyncLink:
    """Calls to one server, from one event loop.

    Args:
        link: Its server, options, timeout and outages are those of these calls too.
        executor: Returns where to do what blocks; None for where the loop does it.
    """

    def __init__(self, link: Link, executor: Callable[[], Executor | None] = lambda: None) -> None:
        self._link = link
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._time = LoopTime(self._loop)
        self._connection = SharedConnection(self.open)
        self._looking: asyncio.Future[None] | None = None

    async def carry_out(self, exchange: Exchange[T]) -> T:
        """Send the requests of an exchange one after the other, and return what it returns."""
        try:
            request = next(exchange)
            while True:
                try:
                    reply = await self.send(*request)
                except ANSWERED as error:
                    request = exchange.throw(error)
                else:
                    request = exchange.send(reply)
        except StopIteration as end:
            result: T = end.value
            return result

    async def call(self, *arguments: Argument, repeat: bool = True) -> Any:
        """Send one command and return its reply, undecoded: :meth:`Link.call`.

        Raises:
            BackendUnavailableError, BackendError: Likewise.
        """
        return await self.send(arguments, None, repeat)

    async def send(self, arguments: Sequence[Argument], packed: bytes | None, repeat: bool = True) -> Any:
        """As :meth:`call`, of a command that may be packed already. ``NOSCRIPT`` errors pass unchanged."""
        if packed is None:
            packed = encode(arguments)
        if not repeat:  # let the loop look whether the server has closed the connection meanwhile
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        pipeline = self._connection.present
        if pipeline is not None and (repeat or pipeline.quiet_s < _TESTED_AFTER_S):
            try:
                reply = await pipeline.ask(packed)
            except CLIENT_ERRORS as error:
                self._drop_if_lost(pipeline, error)
                self._link.raise_permanent(error)
                await self._look_around()
                if not repeat:
                    raise unavailable(self._link.where, 0, error, sent=True) from error
            else:
                if self._link.outage_since is not None:
                    self._link.end_outage()
                return reply
        return await self.retry(lambda left: self._ask(packed, left, repeat))

    async def retry(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        """Call `attempt` with the seconds that are left until there is an answer, or `timeout` has passed.

        Time in which the loop stands still does not count.
        """
        with self._time:
            return await self._retry(attempt)

    async def _retry(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        link = self._link
        begun = self._time.now()
        pauses: Pauses | None = None
        while True:
            left = link.timeout / 1000 - max(self._time.now() - begun, 0.0)
            try:
                reply = await attempt(max(left, 0.05))
            except CLIENT_ERRORS as error:
                link.raise_permanent(error)
                await self._look_around()
                link.begin_outage(error)
                pauses = pauses or Pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
                nap = pauses.next()
                waited = self._time.now() - begun
                if waited + nap >= link.timeout / 1000:
                    raise unavailable(link.where, int(waited * 1000), error) from error
                await asyncio.sleep(nap)
                continue
            if link.outage_since is not None:
                link.end_outage()
            return reply

    async def close(self) -> None:
        """Close the connection. The next call opens a new one."""
        await self._connection.close()

    def abandon(self, inherited: bool) -> None:
        """Close the connection: :meth:`SharedConnection.abandon`."""
        self._connection.abandon(inherited)

    async def open(
        self, left: float, on_message: OnMessage | None = None, on_lost: Callable[[], None] | None = None
    ) -> Pipeline:
        """A further connection, opened within `left` seconds: :func:`open_pipeline`."""
        within_s = min(self._link.timeout / 2000, left)
        return await open_pipeline(self._link, within_s, self._executor(), on_message, on_lost)

    async def _look_around(self) -> None:
        """After an error: ask a cluster which node has which slots now; once for all calls that met one."""
        if not self._link.cluster:
            return
        if self._looking is None:
            self._looking = self._loop.run_in_executor(self._executor(), refresh_nodes, self._link.client)
            self._looking.add_done_callback(self._has_looked)
        await asyncio.shield(self._looking)

    def _has_looked(self, looking: asyncio.Future[None]) -> None:
        self._looking = None

    async def _ask(self, packed: bytes, left: float, repeat: bool) -> Any:
        """One attempt, on a connection that is known to live."""
        pipeline = await self._connection.get(left)
        if not repeat and pipeline.quiet_s >= _TESTED_AFTER_S:
            await self._answer(pipeline, _PING, left)
        try:
            return await self._answer(pipeline, packed, left)
        except CLIENT_ERRORS as error:
            if is_transient(error) and not repeat:
                raise unavailable(self._link.where, 0, error, sent=True) from error
            raise

    async def _answer(self, pipeline: Pipeline, packed: bytes, left: float) -> Any:
        answer = pipeline.ask(packed)
        self._loop.call_later(left, self._give_up, pipeline, answer, left)
        try:
            return await answer
        except CLIENT_ERRORS as error:
            self._drop_if_lost(pipeline, error)
            raise

    def _give_up(self, pipeline: Pipeline, answer: asyncio.Future[Any], after_s: float) -> None:
        """Fail a call if the server has said nothing for so long; what it answers to others takes its time."""
        if answer.done():
            return
        left = after_s - pipeline.quiet_s
        if left > 0:
            self._loop.call_later(left, self._give_up, pipeline, answer, after_s)
        else:
            answer.set_exception(TimeoutError("Timeout reading from socket"))

    def _drop_if_lost(self, pipeline: Pipeline, error: Exception) -> None:
        """After such an error no further call uses this connection; those that it carries may get their replies."""
        if is_connection_lost(error):
            self._connection.drop(pipeline)
