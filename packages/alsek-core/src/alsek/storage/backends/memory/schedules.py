"""The schedule port of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.memory.messages import schedules
from alsek.storage.backends.memory.messages.port import MemoryMessages
from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import SchedulePort
from alsek.storage.backends.records import Added, ScheduleRecord, Submission


class MemorySchedules(SchedulePort):
    """Schedules in a dict.

    Args:
        store: What the ports of the backend share.
        messages: The message port.
    """

    def __init__(self, store: MemoryStore, messages: MemoryMessages) -> None:
        self._lock = store.lock
        self._messages = messages
        self._table = messages.table

    def put(
        self, name: str, definition: bytes, revision: str, next_at: int | None, expected: str = ""
    ) -> ScheduleRecord | None:
        with self._lock:
            new = ScheduleRecord(name, revision, bytes(definition), next_at)
            stored = schedules.put(self._table, new, expected)
            self._messages.wake()
            return stored

    def get(self, names: Sequence[str] | None = None) -> list[ScheduleRecord]:
        with self._lock:
            return schedules.get(self._table, names)

    def fire(
        self,
        name: str,
        revision: str,
        tick: int,
        submissions: Sequence[Submission],
        request: str,
        next_at: int | None,
        last_at: int | None = None,
    ) -> list[Added] | None:
        with self._lock:
            read = ScheduleRecord(name, revision, b"", tick)
            answers = schedules.fire(self._table, read, submissions, request, next_at, last_at)
            self._messages.wake()
            return answers

    def pause(self, name: str, by: str) -> bool:
        with self._lock:
            return schedules.pause(self._table, name, by)

    def resume(self, name: str, revision: str, next_at: int | None) -> bool:
        with self._lock:
            resumed = schedules.resume(self._table, name, revision, next_at)
            self._messages.wake()
            return resumed

    def remove(self, name: str) -> bool:
        with self._lock:
            return self._table.schedules.pop(name, None) is not None
