"""The SQLite backend: one file, many processes of one machine, no server."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from typing import Any, ClassVar

from alsek.core.bounds import check_number
from alsek.defaults import DEFAULT_NAMESPACE, DEFAULT_SUBMIT_TIMEOUT
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend, Subscription
from alsek.storage.backends.ports import LockPort, MessagePort, ResultPort, StatusPort
from alsek.storage.backends.sqlite import channels as spooling
from alsek.storage.backends.sqlite.database import location
from alsek.storage.backends.sqlite.database.connection import Synchronous
from alsek.storage.backends.sqlite.database.database import Database, wall_clock
from alsek.storage.backends.sqlite.locks import SQLiteLocks
from alsek.storage.backends.sqlite.messages import dead_letters
from alsek.storage.backends.sqlite.messages.port import SQLiteMessages
from alsek.storage.backends.sqlite.namespace_clearing import clear
from alsek.storage.backends.sqlite.results import SQLiteResults
from alsek.storage.backends.sqlite.statuses import SQLiteStatuses
from alsek.storage.backends.sqlite.values import Values
from alsek.storage.backends.sqlite.wakeup.subscription import SQLiteSubscription
from alsek.storage.serialization import Serializer, dump

__all__ = ["SQLiteBackend"]


class SQLiteBackend(Backend):
    """A store in one SQLite file, which any number of processes of one machine share.

    Nothing is opened before the first use. Beside the file lie SQLite's own ``-wal`` and ``-shm``, and a folder
    ``<file>-wake`` in which sleeping workers are reached; the folder may be deleted when no process uses the store.

    Args:
        path: The file, in a folder that exists; it is created when it is first needed. On a local disk.
        namespace: As for every backend.
        serializer: Turns values into bytes and back; JSON by default.
        synchronous: ``"NORMAL"``: a power cut may undo the last moments, though never half of a step. ``"FULL"``: what
            was answered survives that as well, at the price of a disk flush for each step. A process that is killed
            loses nothing with either.
        timeout: How long an operation waits for its turn at the file, in milliseconds.
        clock: The store's time in Unix milliseconds; the wall clock by default. For tests.

    Raises:
        ValidationError: An argument is out of range, or the path names no file.
    """

    shared: ClassVar[bool] = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serializer: Serializer | None = None,
        synchronous: Synchronous = "NORMAL",
        timeout: int = DEFAULT_SUBMIT_TIMEOUT,
        clock: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(namespace=namespace, serializer=serializer)
        if synchronous not in ("NORMAL", "FULL"):
            raise ValidationError(f"synchronous {synchronous!r}: must be 'NORMAL' or 'FULL'")
        check_number("timeout", timeout, 1, type(self).__name__)
        self._path = location.resolved(path)
        self._synchronous: Synchronous = synchronous
        self._clock = clock
        self._timeout = timeout
        self._database = Database(self._path, namespace, synchronous, timeout, clock or wall_clock)
        self._messages = SQLiteMessages(self._database)
        self._results = SQLiteResults(self._database)
        self._statuses = SQLiteStatuses(self._database)
        self._locks = SQLiteLocks(self._database)
        self._values = Values(self._database)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r}, namespace={self.namespace!r})"

    @property
    def identity(self) -> Hashable:
        return ("sqlite", self._path, self.namespace)

    def within(self, timeout: int) -> SQLiteBackend:
        return self._again(timeout)()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as the path and the options: it opens the file anew."""
        return (self._again(self._timeout), ())

    def _again(self, timeout: int) -> Callable[[], SQLiteBackend]:
        """Makes another one of the same store."""
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

    def ping(self) -> None:
        self._database.ping()

    # --- values ------------------------------------------------------------------------------------

    def exists(self, name: str) -> bool:
        return self._values.get(self.short_name(name)) is not None

    def set(self, name: str, value: Any, *, nx: bool = False, ttl: int | None = None) -> bool:
        return self._values.set(self.short_name(name), dump(self.serializer, value), nx, ttl)

    def get(self, name: str, default: Any = None) -> Any:
        data = self._values.get(self.short_name(name))
        return default if data is None else self.serializer.reverse(data)

    def delete(self, name: str, missing_ok: bool = False) -> bool:
        found = self._values.delete(self.short_name(name))
        if not found and not missing_ok:
            raise KeyError(name)
        return found

    def scan(self, pattern: str = "*") -> Iterator[str]:
        return self._values.scan(self.short_name(pattern))

    def count(self, name: str) -> int:
        database = self._database
        collection, _, queue = self.short_name(name).partition(":")
        if queue and collection == "queues":
            return self._messages.count(queue)
        if queue and collection == "dead":
            return database.read(lambda tx: dead_letters.count(tx, queue))
        return int(self.exists(name))

    def clear_namespace(self) -> int:
        return clear(self._database)

    # --- channels ----------------------------------------------------------------------------------

    def pub(self, channel: str, value: Any = None) -> None:
        data = dump(self.serializer, value)
        self._database.ping()
        spooling.publish(self._database, self.short_name(channel), data)

    def subscribe(self, *channels: str) -> Subscription:
        database = self._database
        database.ping()
        names = tuple(self.short_name(channel) for channel in channels)
        return SQLiteSubscription(
            database.notifier,
            names,
            database.version,
            lambda number: spooling.fetch(database, number),
        )

    def close(self) -> None:
        self._database.close()
