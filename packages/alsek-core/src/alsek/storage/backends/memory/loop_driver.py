"""The driver of a :class:`~alsek.storage.backends.memory.MemoryBackend` for event loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from alsek.storage.backends.drivers.driver import AsyncSubscription
from alsek.storage.backends.drivers.loop_driver import LoopDriver
from alsek.storage.backends.drivers.mailbox import Mailbox
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.subscriptions import Note

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend

P = ParamSpec("P")
T = TypeVar("T")

#: Operations wait for nothing. After so many of them the loop has a turn, for whoever has many results to read.
_PIECE: Final = 50


class MemoryLoopDriver(LoopDriver):
    """Carries out operations in the loop's thread, for none of them waits.

    Args:
        backend: The backend.
        store: Its store.
    """

    def __init__(self, backend: Backend, store: MemoryStore) -> None:
        super().__init__(backend)
        self._store = store
        self._asked = 0

    async def ask(self, operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self._asked += 1
        if self._asked % _PIECE == 0:
            await asyncio.sleep(0)
        return operation(*args, **kwargs)

    async def each(
        self, operation: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        for item in operation(*args, **kwargs):
            yield item

    async def subscribe(self, *channels: str) -> AsyncSubscription:
        subscription = _MemoryLoopSubscription(self.loop, self._store, map(self.backend.short_name, channels))
        self._store.add_subscription(subscription)
        return subscription

    def forget(self) -> None:
        """Do nothing: there are no descriptors."""


class _MemoryLoopSubscription(AsyncSubscription):
    """A mailbox that the store fills while the subscription is open, in whatever thread it publishes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, store: MemoryStore, channels: Iterator[str]) -> None:
        self._store = store
        self._mailbox = Mailbox(loop)
        self.channels = frozenset(channels)

    def receive(self, note: Note) -> None:
        self._mailbox.put_from_thread(note)

    async def wait(self, timeout: int | None = None) -> Note | None:
        return await self._mailbox.take(timeout)

    def has_note(self) -> bool:
        return bool(self._mailbox)

    async def close(self) -> None:
        self._store.remove_subscription(self)
        self._mailbox.put(None)  # a wait() of another coroutine returns
