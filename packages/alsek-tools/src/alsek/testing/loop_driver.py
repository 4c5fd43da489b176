"""How event loops use the memory of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from alsek.storage.backends.drivers.driver import AsyncSubscription
from alsek.storage.backends.memory.loop_driver import MemoryLoopDriver
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import ResultPort
from alsek.storage.backends.subscriptions import Note
from alsek.testing.stand_in import Runs

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend

P = ParamSpec("P")
T = TypeVar("T")


class LoopDriverOfRuns(MemoryLoopDriver):
    """Before results are read or waited for, what is ready runs, on the caller's loop.

    Args:
        backend: The backend.
        store: Its store.
        runs: Runs messages.
    """

    def __init__(self, backend: Backend, store: MemoryStore, runs: Runs) -> None:
        super().__init__(backend, store)
        self._runs = runs

    async def ask(self, operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if isinstance(getattr(operation, "__self__", None), ResultPort):
            await self._runs.arun_ready()
        return await super().ask(operation, *args, **kwargs)

    async def subscribe(self, *channels: str) -> AsyncSubscription:
        return _SubscriptionOfRuns(await super().subscribe(*channels), self._runs)


class _SubscriptionOfRuns(AsyncSubscription):
    def __init__(self, subscription: AsyncSubscription, runs: Runs) -> None:
        self._subscription = subscription
        self._runs = runs

    async def wait(self, timeout: int | None = None) -> Note | None:
        until = self._runs.deadline(timeout)
        while (note := await self._subscription.wait(0)) is None:
            if not await self._runs.arun_ready(until):
                return await self._subscription.wait(timeout)
        return note

    async def close(self) -> None:
        await self._subscription.close()
