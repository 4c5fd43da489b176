"""What a backend has for event loops: a driver for each, and a few threads for operations that block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend
    from alsek.storage.backends.drivers.driver import Driver
    from alsek.storage.backends.drivers.loop_driver import LoopDriver, LoopDrivers
    from alsek.storage.backends.drivers.operation_threads import OperationThreads


class UsableInLoops(ABC):
    """The part of a backend that event loops use."""

    #: The drivers of the event loops that have used this backend; None until one does.
    _loop_drivers: LoopDrivers | None = None
    _operation_threads: OperationThreads | None = None

    def loop_driver(self) -> Driver:
        """The driver for the event loop that runs in this thread: one for each loop of each process.

        Raises:
            RuntimeError: No event loop runs in this thread.
        """
        drivers = self._loop_drivers
        if drivers is None:
            from alsek.storage.backends.drivers.loop_driver import LoopDrivers  # here: it imports asyncio

            # Only one of two threads sets it.
            drivers = vars(self).setdefault("_loop_drivers", LoopDrivers(self._new_loop_driver))
        return drivers.current()

    def _new_loop_driver(self) -> LoopDriver:
        """A driver for the running event loop.

        A store that need not block a thread for an operation, or for what is published, overrides this method.
        """
        from alsek.storage.backends.drivers.executor import ExecutorDriver

        return ExecutorDriver(cast("Backend", self), self._threads_of_operations())

    def _threads_of_operations(self) -> OperationThreads:
        """The few threads in which event loops carry out operations that block."""
        if self._operation_threads is None:
            from alsek.storage.backends.drivers.operation_threads import OperationThreads

            vars(self).setdefault("_operation_threads", OperationThreads())
        threads = self._operation_threads
        assert threads is not None
        return threads

    async def aclose(self) -> None:
        """Close the connections of the event loop that runs in this thread, and :meth:`close` all others.

        Those of other event loops close when their loop ends, as by the end of ``asyncio.run``.
        """
        driver = None if self._loop_drivers is None else self._loop_drivers.existing()
        if driver is not None:
            await driver.close()
            await driver.ask(self.close)
        else:
            self.close()
        self._forget_loops()

    def _forget_loops(self) -> None:
        """Close what event loops have left that are closed, and end the threads of :meth:`_threads_of_operations`."""
        if self._loop_drivers is not None:
            self._loop_drivers.forget()
        if self._operation_threads is not None:
            self._operation_threads.stop()

    @abstractmethod
    def close(self) -> None:
        """Close the connections. The backend can still be used: it connects again."""
