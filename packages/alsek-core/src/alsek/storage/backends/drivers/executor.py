"""The driver of event loops for backends that have only operations that block."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from alsek.storage.backends.drivers.driver import AsyncSubscription
from alsek.storage.backends.drivers.loop_driver import LoopDriver
from alsek.storage.backends.drivers.operation_threads import OperationThreads
from alsek.storage.backends.drivers.shared_listener import SharedListener

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend

P = ParamSpec("P")
T = TypeVar("T")

#: So many items of an iterator are taken at once.
_PIECE: Final = 100


class ExecutorDriver(LoopDriver):
    """Carries out operations in a few threads, and waits for what is published in one.

    Args:
        backend: The backend.
        threads: Those of the backend, for all event loops.
    """

    def __init__(self, backend: Backend, threads: OperationThreads) -> None:
        super().__init__(backend)
        self._threads = threads
        self._listener: SharedListener | None = None

    async def ask(self, operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(operation, *args, **kwargs)
        return await self.loop.run_in_executor(self._threads.executor, call)

    async def each(
        self, operation: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        items = iter(await self.ask(operation, *args, **kwargs))
        while piece := await self.ask(_next_of, items):
            for item in piece:
                yield item

    async def subscribe(self, *channels: str) -> AsyncSubscription:
        if self._listener is None:
            self._listener = SharedListener(self.backend, self.loop, self._threads)
        return await self._listener.subscribe(channels)

    async def close(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def forget(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()


def _next_of(items: Iterator[T]) -> list[T]:
    return list(islice(items, _PIECE))
