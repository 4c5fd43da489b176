"""The driver of an event loop for a Redis server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from alsek.storage.backends.drivers.driver import AsyncResultWatch, AsyncStatusWatch, AsyncSubscription
from alsek.storage.backends.drivers.executor import ExecutorDriver
from alsek.storage.backends.drivers.loop_driver import LoopDriver
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import exchange_of
from alsek.storage.backends.redis.event_loop.link import AsyncLink
from alsek.storage.backends.redis.event_loop.listener import LoopListener
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.wakeup.watched import result_from, result_reads, status_from

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend
    from alsek.storage.backends.drivers.operation_threads import OperationThreads

P = ParamSpec("P")
T = TypeVar("T")


class RedisLoopDriver(LoopDriver):
    """Asks the server over one connection of the event loop, and listens on another one.

    An operation that is no exchange is carried out in a thread.

    Args:
        backend: The backend.
        link: That of the backend.
        keys: The names.
        threads: Those of the backend.
    """

    def __init__(self, backend: Backend, link: Link, keys: Keys, threads: OperationThreads) -> None:
        super().__init__(backend)
        self._pid = os.getpid()
        self._keys = keys
        self._link = AsyncLink(link, lambda: threads.executor)
        self._listener = LoopListener(self._link, keys)
        self._others = ExecutorDriver(backend, threads)

    async def ask(self, operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        exchange = exchange_of(operation)
        if exchange is None:
            return await self._others.ask(operation, *args, **kwargs)
        return await self._link.carry_out(exchange(*args, **kwargs))

    def each(
        self, operation: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        return self._others.each(operation, *args, **kwargs)

    async def subscribe(self, *channels: str) -> AsyncSubscription:
        return await self._listener.subscribe(channels)

    async def watch_result(self, queue: str, uuid: str) -> AsyncResultWatch:
        news, found = await self._subscribe_and_read(f"results:{uuid}", result_reads(self._keys, queue, uuid))
        return AsyncResultWatch(news, *result_from(uuid, found))

    async def take_watched(self, news: AsyncSubscription, uuid: str) -> None:
        await news.close()
        await self._link.call("DEL", self._keys.result(uuid))

    async def watch_status(self, uuid: str) -> AsyncStatusWatch:
        news, found = await self._subscribe_and_read(f"statuses:{uuid}", (self._keys.status(uuid),))
        return AsyncStatusWatch(news, status_from(uuid, found))

    async def _subscribe_and_read(
        self, channel: str, reads: tuple[str, ...]
    ) -> tuple[AsyncSubscription, list[bytes | None]]:
        news = await self._listener.subscribe((channel,))
        try:
            found: list[bytes | None] = await self._link.call("MGET", *reads)
        except BaseException:
            await news.close()
            raise
        return news, found

    async def close(self) -> None:
        await self._listener.close()
        await self._link.close()
        await self._others.close()

    def forget(self) -> None:
        inherited = self._pid != os.getpid()
        self._listener.abandon(inherited)
        self._link.abandon(inherited)
        self._others.forget()
