"""A backend in the memory of one process: the reference for all other backends, and a store for users' tests.

It keeps the whole promise of :mod:`alsek.storage.backends.ports` within one process: threads share the object, other
processes do not. Where the promise leaves a choice, other backends do what this one does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, ClassVar, NoReturn

from alsek.core.clock import now_ms
from alsek.defaults import DEFAULT_NAMESPACE
from alsek.exceptions import SerializationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.memory.locks import MemoryLocks
from alsek.storage.backends.memory.messages.groups.port import MemoryGroups
from alsek.storage.backends.memory.messages.port import MemoryMessages
from alsek.storage.backends.memory.results import MemoryResults
from alsek.storage.backends.memory.schedules import MemorySchedules
from alsek.storage.backends.memory.statuses import MemoryStatuses
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.memory.transfer import MemoryTransfer
from alsek.storage.backends.memory.values import MemoryValues
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
from alsek.storage.backends.records import Submission
from alsek.storage.backends.subscriptions import Subscription
from alsek.storage.serialization import Serializer

if TYPE_CHECKING:
    from alsek.storage.backends.drivers.loop_driver import LoopDriver

__all__ = ["MemoryBackend"]


class MemoryBackend(Backend):
    """A store in the memory of this process. Two objects are two stores.

    Values, results and payloads are kept as bytes, so they are serialized as they would be for a server: a value that
    can't be serialized fails in a test too.

    Args:
        namespace: As for every backend.
        serializer: Turns values into bytes and back; JSON by default.
        max_payload: As for every backend.
        clock: Returns the store's time in milliseconds; the wall clock by default. A test that gives its own clock
            decides when leases, delays and expiries end.
    """

    shared: ClassVar[bool] = False

    def __init__(
        self,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        serializer: Serializer | None = None,
        max_payload: int | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(namespace=namespace, serializer=serializer, max_payload=max_payload)
        self._store = MemoryStore(clock or now_ms)
        self._messages = MemoryMessages(self._store)
        self._results = MemoryResults(self._store)
        self._statuses = MemoryStatuses(self._store)
        self._locks = MemoryLocks(self._store)
        self._values = MemoryValues(self._store)
        self._groups = MemoryGroups(self._store, self._messages)
        self._schedules = MemorySchedules(self._store, self._messages)
        self._transfer = MemoryTransfer(self._store, self._messages)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(namespace={self.namespace!r})"

    def __reduce__(self) -> NoReturn:
        raise SerializationError(
            f"{self.describe()}, can't be pickled: another process has no part in it. Use SQLite or Redis, or make "
            "a MemoryBackend there"
        )

    @property
    def store(self) -> MemoryStore:
        """What the ports share."""
        return self._store

    @property
    def on_stored(self) -> Callable[[Submission], object] | None:
        """Called with each new message, under the store's lock; None for nothing. For a test kit."""
        return self._messages.table.on_stored

    @on_stored.setter
    def on_stored(self, call: Callable[[Submission], object] | None) -> None:
        self._messages.table.on_stored = call

    @property
    def identity(self) -> Hashable:
        # The store itself, not its id(): an id may be used again.
        return ("memory", self._store)

    def describe(self) -> str:
        return f"memory of this process, namespace {self.namespace!r}"

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
        """Do nothing: the memory of this process can always be reached."""

    def clear_namespace(self) -> int:
        store = self._store
        with store.lock:
            tables = (store.values, store.results, store.statuses, store.locks, store.failed_parents)
            self._transfer.clear()
            return self._messages.clear() + sum(table.clear() for table in tables)

    def publish(self, channel: str, data: bytes) -> None:
        with self._store.lock:
            self._store.publish(channel, data)

    def subscribe_to(self, channels: tuple[str, ...]) -> Subscription:
        return self._store.subscribe(channels)

    def _new_loop_driver(self) -> LoopDriver:
        from alsek.storage.backends.memory.loop_driver import MemoryLoopDriver  # here: it imports asyncio

        return MemoryLoopDriver(self, self._store)

    def close(self) -> None:
        """Do nothing: there are no connections."""
