"""The statuses of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import StatusPort
from alsek.storage.backends.records import FOR_EVER, StatusRecord, TaskStatus


class MemoryStatuses(StatusPort):
    """Statuses in a dict."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(
        self,
        uuid: str,
        status: TaskStatus,
        details: bytes | None = None,
        ttl: int = FOR_EVER,
        only_new: bool = False,
    ) -> bool:
        store = self._store
        with store.lock:
            if only_new and store.statuses.get(uuid) is not None:
                return False
            record = StatusRecord(uuid, TaskStatus(status), details or None, store.clock())
            store.statuses.put(uuid, record, ttl)
            store.publish(f"statuses:{uuid}", record.pack())
            return True

    def get(self, uuids: Sequence[str]) -> list[StatusRecord | None]:
        with self._store.lock:
            return [self._store.statuses.get(uuid) for uuid in uuids]

    def replace(self, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int = FOR_EVER) -> bool:
        with self._store.lock:
            stored = self._store.statuses.get(uuid)
            if stored is None or (stored.status, stored.timestamp) != (expected.status, expected.timestamp):
                return False
            return self.put(uuid, status, ttl=ttl)

    def delete(self, uuids: Sequence[str]) -> int:
        with self._store.lock:
            return sum(self._store.statuses.pop(uuid) is not None for uuid in uuids)

    def scan(self) -> Iterator[StatusRecord]:
        with self._store.lock:
            records = [record for _, record in self._store.statuses.items()]
        yield from records
