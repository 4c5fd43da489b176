"""The SQLite backend: one file, many processes of one machine, no server."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from alsek.core.bounds import check_number
from alsek.core.clock import wall_clock_ms
from alsek.defaults import DEFAULT_NAMESPACE, DEFAULT_SUBMIT_TIMEOUT
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.ports import (
    GroupPort,
    LockPort,
    MessagePort,
    ResultPort,
    SchedulePort,
    StatusPort,
    TransferPort,
    ValuePort,
)
from alsek.storage.backends.sqlite.channels import fetch_data, publish_data
from alsek.storage.backends.sqlite.database import location
from alsek.storage.backends.sqlite.database.connection import Synchronous
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.examination import examine
from alsek.storage.backends.sqlite.groups import SQLiteGroups
from alsek.storage.backends.sqlite.locks import SQLiteLocks
from alsek.storage.backends.sqlite.messages.port import SQLiteMessages
from alsek.storage.backends.sqlite.namespace_clearing import clear
from alsek.storage.backends.sqlite.results import SQLiteResults
from alsek.storage.backends.sqlite.schedules import SQLiteSchedules
from alsek.storage.backends.sqlite.statuses import SQLiteStatuses
from alsek.storage.backends.sqlite.transfer.port import SQLiteTransfer
from alsek.storage.backends.sqlite.values import SQLiteValues
from alsek.storage.backends.sqlite.wakeup.subscription import SQLiteSubscription
from alsek.storage.backends.subscriptions import Subscription
from alsek.storage.serialization import Serializer

if TYPE_CHECKING:
    from alsek.storage.backends.drivers.loop_driver import LoopDriver

__all__ = ["SQLiteBackend"]


class SQLiteBackend(Backend):
    """A store in one SQLite file, shared by any number of processes of one machine.

    Nothing is opened before the first use. Beside the file are SQLite's ``-wal`` and ``-shm`` files, and a folder
    ``<file>-wake`` with the sockets through which sleeping workers are woken. The folder may be deleted when no process
    uses the store.

    Args:
        path: The file, on a local disk, in a folder that exists. It is created at the first use.
        namespace: As for every backend.
        serializer: Turns values into bytes and back; JSON by default.
        max_payload: As for every backend.
        synchronous: ``"NORMAL"``: a power cut may undo the last steps, but never half of a step. ``"FULL"``: a power
            cut loses no step that was answered, at the price of a disk flush for each step. With both, a process that
            is killed loses nothing.
        timeout: How long (ms) an operation waits for the write lock of the file.
        clock: Returns the store's time in Unix milliseconds; the wall clock by default. For tests.

    Raises:
        ValidationError: An argument is out of range, or the path is not that of a file.
    """

    shared: ClassVar[bool] = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serializer: Serializer | None = None,
        max_payload: int | None = None,
        synchronous: Synchronous = "NORMAL",
        timeout: int = DEFAULT_SUBMIT_TIMEOUT,
        clock: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(namespace=namespace, serializer=serializer, max_payload=max_payload)
        if synchronous not in ("NORMAL", "FULL"):
            raise ValidationError(f"synchronous {synchronous!r}: must be 'NORMAL' or 'FULL'")
        check_number("timeout", timeout, 1, type(self).__name__)
        self._path = location.resolved(path)
        self._synchronous: Synchronous = synchronous
        self._clock = clock
        self._timeout = timeout
        self._database = Database(self._path, namespace, synchronous, timeout, clock or wall_clock_ms)
        self._messages = SQLiteMessages(self._database)
        self._results = SQLiteResults(self._database)
        self._statuses = SQLiteStatuses(self._database)
        self._locks = SQLiteLocks(self._database)
        self._values = SQLiteValues(self._database)
        self._groups = SQLiteGroups(self._database)
        self._schedules = SQLiteSchedules(self._database)
        self._transfer = SQLiteTransfer(self._database)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r}, namespace={self.namespace!r})"

    @property
    def identity(self) -> Hashable:
        return ("sqlite", self._path, self.namespace)

    def within(self, timeout: int) -> SQLiteBackend:
        return self._again(timeout)()

    def durable(self) -> SQLiteBackend:
        return self._again(self._timeout)(synchronous="FULL")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path and the options: the copy opens the file itself."""
        return (self._again(self._timeout), ())

    def _again(self, timeout: int) -> Callable[..., SQLiteBackend]:
        """Return a function that makes another backend of the same store."""
        return partial(
            type(self),
            self._path,
            namespace=self.namespace,
            serializer=self.serializer,
            synchronous=self._synchronous,
            timeout=timeout,
            clock=self._clock,
        )

    def describe(self) -> str:
        return f"SQLite file {self._path}, namespace {self.namespace!r}"

    @property
    def messages(self) -> MessagePort:
        return self._messages

    @property
    def results(self) -> ResultPort:
        return self._results

    @property
    def statuses(self) -> StatusPort:
        return self._statuses

    @property
    def locks(self) -> LockPort:
        return self._locks

    @property
    def values(self) -> ValuePort:
        return self._values

    @property
    def groups(self) -> GroupPort:
        return self._groups

    @property
    def schedules(self) -> SchedulePort:
        return self._schedules

    @property
    def transfer(self) -> TransferPort:
        return self._transfer

    def ping(self) -> None:
        self._database.ping_as_writer()

    def examine(self) -> Iterator[Finding]:
        return examine(self._database)

    def clear_namespace(self) -> int:
        return clear(self._database)

    def publish(self, channel: str, data: bytes) -> None:
        self._database.ping()
        publish_data(self._database, channel, data)

    def subscribe_to(self, channels: tuple[str, ...]) -> Subscription:
        database = self._database
        database.ping()
        return SQLiteSubscription(
            database.notifier,
            channels,
            database.version,
            lambda row_id: fetch_data(database, row_id),
        )

    def _new_loop_driver(self) -> LoopDriver:
        from alsek.storage.backends.sqlite.event_loop.driver import (
            SQLiteLoopDriver,
        )  # here: it imports asyncio

        return SQLiteLoopDriver(self, self._database, self._threads_of_operations())

    def close(self) -> None:
        self._database.close()
