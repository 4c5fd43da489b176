"""The driver for synchronous callers, and what runs coroutines over it. No event loop, no asyncio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, cast

from alsek.core.clock import real_time as time
from alsek.core.event_loops import finish
from alsek.storage.backends.drivers.driver import (
    AsyncResultWatch,
    AsyncStatusWatch,
    AsyncSubscription,
    Driver,
)
from alsek.storage.backends.subscriptions import Note, Subscription

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend

P = ParamSpec("P")
T = TypeVar("T")


class BlockingSubscription(AsyncSubscription):
    """A subscription whose methods block.

    Args:
        subscription: What it is made of.
    """

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription

    async def wait(self, timeout: int | None = None) -> Note | None:
        return self.subscription.wait(timeout)

    def has_note(self) -> bool:
        return self.subscription.has_note()

    async def close(self) -> None:
        self.subscription.close()


class BlockingDriver(Driver):
    """Carries out each operation at once, in the caller's thread, and never suspends."""

    blocking: ClassVar[bool] = True

    def of(self, backend: Backend) -> BlockingDriver:
        return BlockingDriver(backend)

    async def ask(self, operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return operation(*args, **kwargs)

    async def each(
        self, operation: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        for item in operation(*args, **kwargs):
            yield item

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    async def settle(self, returned: Any) -> Any:
        return finish(returned)

    async def subscribe(self, *channels: str) -> AsyncSubscription:
        return BlockingSubscription(self.backend.subscribe(*channels))

    async def sleep(self, ms: int) -> None:
        time.sleep(ms / 1000)

    async def watch_result(self, queue: str, uuid: str) -> AsyncResultWatch:
        news, record, may_have_failed = self.backend.watch_result(queue, uuid)
        return AsyncResultWatch(BlockingSubscription(news), record, may_have_failed)

    async def take_watched(self, news: AsyncSubscription, uuid: str) -> None:
        self.backend.take_watched(cast(BlockingSubscription, news).subscription, uuid)

    async def watch_status(self, uuid: str) -> AsyncStatusWatch:
        news, record = self.backend.watch_status(uuid)
        return AsyncStatusWatch(BlockingSubscription(news), record)


def run_blocking(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine over a :class:`BlockingDriver` to its end, and return its result.

    Raises:
        Exception: What the coroutine raises.
        RuntimeError: It has suspended, so it awaits something else than a blocking driver.
    """
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    coroutine.close()
    raise _suspended(coroutine)


def iterate_blocking(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Yield what an asynchronous generator over a :class:`BlockingDriver` yields; close it when this is closed."""
    try:
        while True:
            try:
                items.__anext__().send(None)
            except StopIteration as item:
                yield cast(T, item.value)
            except StopAsyncIteration:
                return
            else:
                raise _suspended(items)
    finally:
        run_blocking(items.aclose())


def _suspended(what: object) -> RuntimeError:
    return RuntimeError(f"{what!r} has suspended, though it has a blocking driver")
