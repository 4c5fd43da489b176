"""Drivers for event loops: one for each loop of each process that uses a backend."""

from __future__ import annotations

import asyncio
import os
import threading
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from alsek.exceptions import EventLoopError
from alsek.storage.backends.drivers.driver import Driver

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend


P = ParamSpec("P")
T = TypeVar("T")


class LoopDriver(Driver):
    """A driver for one event loop. It is made, and used, in the loop's thread.

    Args:
        backend: The backend.

    Attributes:
        loop: The event loop that runs in this thread.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.loop: Final = asyncio.get_running_loop()

    def of(self, backend: Backend) -> Driver:
        return self if backend is self.backend else backend.loop_driver()

    async def complete(self, coroutine: Coroutine[Any, Any, T]) -> T:
        task = self.loop.create_task(coroutine)
        cancelled = await _ended(task)
        if cancelled is not None:
            raise cancelled from _error_of(task)
        return task.result()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.to_thread(function, *args)

    async def settle(self, returned: Any) -> Any:
        return await returned if isawaitable(returned) else returned

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def ask_undoably(
        self,
        undo: Callable[[T], Coroutine[Any, Any, None]],
        operation: Callable[P, T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        asking = self.loop.create_task(self.ask(operation, *args, **kwargs))
        # Whether it was carried out is known only once it is answered.
        cancelled = await _ended(asking)
        if cancelled is None:
            return asking.result()
        if asking.cancelled() or asking.exception() is not None:
            raise cancelled from _error_of(asking)
        undoing = self.loop.create_task(undo(asking.result()))
        await _ended(undoing)
        raise cancelled from _error_of(undoing)

    async def close(self) -> None:
        """Close connections and subscriptions, while the loop runs. The driver can still be used: it connects again.

        Called when the loop shuts down its asynchronous generators, as ``asyncio.run`` does before it closes it.
        """

    @abstractmethod
    def forget(self) -> None:
        """Close descriptors, and send nothing: the loop is closed, or this process is a forked child. Never fails."""


class LoopDrivers:
    """The drivers of one backend, one for each event loop that is open.

    Args:
        make: Makes one for the running loop.
    """

    def __init__(self, make: Callable[[], LoopDriver]) -> None:
        self._make = make
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._drivers: dict[asyncio.AbstractEventLoop, LoopDriver] = {}
        #: Closes the driver at the loop's end; kept as long as it.
        self._at_end: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    def current(self) -> LoopDriver:
        """Return the driver of the loop that runs in this thread.

        Raises:
            EventLoopError: None does.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise EventLoopError(
                "no event loop runs in this thread: call this in a coroutine, or use the method of the same name "
                "without the `a`"
            ) from None
        driver = self._drivers.get(loop)
        return driver if driver is not None and self._pid == os.getpid() else self._new(loop)

    def existing(self) -> LoopDriver | None:
        """Return the driver of the loop that runs in this thread if it has been used; else None."""
        loop = asyncio.get_running_loop()
        return self._drivers.get(loop) if self._pid == os.getpid() else None

    def _new(self, loop: asyncio.AbstractEventLoop) -> LoopDriver:
        if self._pid != os.getpid():
            stale = list(self._drivers.values())
            self._reset()
        else:
            with self._lock:
                closed = [known for known in self._drivers if known.is_closed()]
                stale = [self._drivers.pop(known) for known in closed]
                for known in closed:
                    self._at_end.pop(known, None)
        for driver in stale:
            driver.forget()
        new = self._make()
        with self._lock:
            self._drivers[loop] = new
            self._at_end[loop] = _at_loop_end(new.close)
        _start(self._at_end[loop])
        return new

    def forget(self) -> None:
        """Forget the drivers of loops that are closed, or of the parent process."""
        mine = self._pid == os.getpid()
        for loop, driver in list(self._drivers.items()):
            if not mine or loop.is_closed():
                self._drivers.pop(loop, None)
                self._at_end.pop(loop, None)
                driver.forget()


async def _ended(task: asyncio.Task[Any]) -> asyncio.CancelledError | None:
    """Return when the task has ended, however often the caller is cancelled meanwhile; return the cancellation."""
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


def _error_of(task: asyncio.Task[Any]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


async def _at_loop_end(close: Callable[[], Coroutine[Any, Any, None]]) -> AsyncGenerator[None]:
    """Call `close` when the loop shuts down its asynchronous generators."""
    try:
        yield
    finally:
        await close()


def _start(generator: AsyncGenerator[None]) -> None:
    """Run to the first ``yield``, at which the loop notes that there is this generator."""
    try:
        generator.__anext__().send(None)
    except StopIteration:
        return
