"""What code that serves synchronous and asynchronous callers asks a store through.

Such code is written once, as a coroutine that awaits nothing but the methods of a driver (and of the subscriptions
that it returns). With a :class:`~alsek.storage.backends.drivers.blocking.BlockingDriver` each of them blocks, so the
coroutine never suspends, and ``run_blocking`` runs it without an event loop. With the driver that
:meth:`Backend.loop_driver <alsek.storage.backends.abstract.Backend.loop_driver>` returns, each of them lets the
event loop go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, ParamSpec, Self, TypeVar

from alsek.storage.backends.records import ResultRecord, StatusRecord
from alsek.storage.backends.subscriptions import Note

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend

P = ParamSpec("P")
T = TypeVar("T")


class AsyncSubscription(ABC):
    """Receives what is published on some channels: a :class:`~alsek.storage.backends.subscriptions.Subscription`.

    One coroutine waits at a time. A wait that is cancelled loses no note: the next one returns it.
    """

    @abstractmethod
    async def wait(self, timeout: int | None = None) -> Note | None:
        """The next note; None after `timeout` ms, and whenever a note may have been missed."""

    def has_note(self) -> bool:
        """Return True if a note is there: :meth:`Subscription.has_note`."""
        return False

    @abstractmethod
    async def close(self) -> None:
        """Unsubscribe. Closing twice is no error."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.close()


class AsyncResultWatch(NamedTuple):
    """A :class:`~alsek.storage.backends.subscriptions.ResultWatch` whose subscription is asynchronous."""

    news: AsyncSubscription
    record: ResultRecord | None
    may_have_failed: bool = True


class AsyncStatusWatch(NamedTuple):
    """A :class:`~alsek.storage.backends.subscriptions.StatusWatch` whose subscription is asynchronous."""

    news: AsyncSubscription
    record: StatusRecord | None


class Driver(ABC):
    """Carries out operations of one backend.

    Args:
        backend: The backend.

    Attributes:
        blocking: True if the methods block and never suspend.
    """

    blocking: ClassVar[bool] = False

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @abstractmethod
    def of(self, backend: Backend) -> Driver:
        """A driver of another backend, for the same kind of callers: blocking, or for the same event loop."""

    @abstractmethod
    async def ask(self, operation: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out an operation, and return its answer.

        If the caller is cancelled, the operation is carried out or not, never half, and its answer is dropped.

        Args:
            operation: A bound method of a port of this backend, such as ``backend.results.get``.
            args: Its arguments.
            kwargs: Likewise.

        Raises:
            Exception: What the operation raises.
        """

    async def ask_undoably(
        self,
        undo: Callable[[T], Coroutine[Any, Any, None]],
        operation: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Carry out an operation, and return its answer. If the caller is cancelled, nothing of it is left.

        Args:
            undo: Called with the answer of an operation that was carried out although the caller was cancelled.
            operation: As for :meth:`ask`.
            args: Likewise.
            kwargs: Likewise.
        """
        return await self.ask(operation, *args, **kwargs)

    async def complete(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, also if the caller is cancelled meanwhile; that is raised afterwards."""
        return await coroutine

    @abstractmethod
    def each(
        self, operation: Callable[P, Iterator[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> AsyncIterator[T]:
        """Carry out an operation that returns an iterator, and yield what that yields.

        Args:
            operation: A bound method of a port of this backend, such as ``backend.messages.dead_letters``.
            args: Its arguments.
            kwargs: Likewise.
        """

    @abstractmethod
    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function that may block and is no operation of a port, such as a user's; return what it returns."""

    @abstractmethod
    async def settle(self, returned: Any) -> Any:
        """Return what a user's function has returned; if that is awaitable, what it results in."""

    @abstractmethod
    async def subscribe(self, *channels: str) -> AsyncSubscription:
        """A subscription to what is published on `channels` from now on. Their names are without the namespace."""

    @abstractmethod
    async def sleep(self, ms: int) -> None:
        """Return after this time."""

    async def watch_result(self, queue: str, uuid: str) -> AsyncResultWatch:
        """Subscribe to the result of a message, then read it: :meth:`Backend.watch_result`."""
        news = await self.subscribe(f"results:{uuid}")
        try:
            return AsyncResultWatch(news, (await self.ask(self.backend.results.get, [uuid]))[0])
        except BaseException:
            await news.close()
            raise

    async def take_watched(self, news: AsyncSubscription, uuid: str) -> None:
        """Delete the result of a message after it was received, and close the subscription to it."""
        await self.ask(self.backend.results.delete, [uuid])
        await news.close()

    async def watch_status(self, uuid: str) -> AsyncStatusWatch:
        """Subscribe to the statuses of a message, then read the stored one: :meth:`Backend.watch_status`."""
        news = await self.subscribe(f"statuses:{uuid}")
        try:
            return AsyncStatusWatch(news, (await self.ask(self.backend.statuses.get, [uuid]))[0])
        except BaseException:
            await news.close()
            raise
