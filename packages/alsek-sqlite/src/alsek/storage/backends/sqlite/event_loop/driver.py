"""The driver of a :class:`~alsek.storage.backends.sqlite.SQLiteBackend` for event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alsek.storage.backends.drivers.driver import AsyncSubscription
from alsek.storage.backends.drivers.executor import ExecutorDriver
from alsek.storage.backends.drivers.operation_threads import OperationThreads
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.event_loop.listener import SQLiteLoopListener

if TYPE_CHECKING:
    from alsek.storage.backends.abstract import Backend


class SQLiteLoopDriver(ExecutorDriver):
    """Carries out operations in a few threads, and receives what is published at one socket.

    Args:
        backend: The backend.
        database: The file and the namespace.
        threads: Those of the backend, for all event loops.
    """

    def __init__(self, backend: Backend, database: Database, threads: OperationThreads) -> None:
        super().__init__(backend, threads)
        self._notes = SQLiteLoopListener(database, backend.results, self.loop, threads)

    async def subscribe(self, *channels: str) -> AsyncSubscription:
        return await self._notes.subscribe(map(self.backend.short_name, channels))

    async def close(self) -> None:
        self._notes.close()

    def forget(self) -> None:
        self._notes.forget()
