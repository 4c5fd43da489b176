"""The results, statuses and locks of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import LockPort, ResultPort, StatusPort
from alsek.storage.backends.records import FOR_EVER, LockRecord, ResultRecord, StatusRecord, TaskStatus


class MemoryResults(ResultPort):
    """Results in a dict."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> bool:
        with self._store.lock:
            stored = self._store.results.get(uuid)
            if stored is not None and stored[0].token > token:
                return False
            self.write(uuid, payload, ttl, token, progenitor)
            return True

    def write(self, uuid: str, payload: bytes, ttl: int, token: int, progenitor: str | None) -> None:
        """Store and publish the result of an accepted outcome, whatever was stored: its claim is the current one."""
        store = self._store
        record = ResultRecord(uuid, bytes(payload), store.clock(), token)
        store.results.put(uuid, (record, progenitor), ttl)
        store.publish(f"results:{uuid}")

    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        with self._store.lock:
            found = [self._store.results.get(uuid) for uuid in uuids]
        return [None if entry is None else entry[0] for entry in found]

    def descendants(self, uuid: str) -> list[ResultRecord]:
        with self._store.lock:
            entries = self._store.results.items()
        return [record for key, (record, progenitor) in entries if progenitor == uuid and key != uuid]

    def delete(self, uuids: Sequence[str]) -> int:
        with self._store.lock:
            return sum(self._store.results.pop(uuid) is not None for uuid in uuids)


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


class MemoryLocks(LockPort):
    """Locks in a dict. One counter serves the fences of all names, so none ever repeats."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def acquire(self, name: str, owner: str, ttl: int) -> LockRecord:
        store = self._store
        with store.lock:
            record = store.locks.get(name)
            if record is None:
                record = LockRecord(owner, store.clock() + ttl, next(store.numbers))
                store.locks.put(name, record, ttl)
            return record

    def release(self, name: str, owner: str) -> bool:
        store = self._store
        with store.lock:
            record = store.locks.get(name)
            if record is None or record.owner != owner:
                return False
            store.locks.pop(name)
            store.publish(f"locks:{name}")
            return True

    def extend(self, name: str, owner: str, ttl: int) -> LockRecord | None:
        store = self._store
        with store.lock:
            record = store.locks.get(name)
            if record is None or record.owner != owner:
                return None
            record = record._replace(expires_at=store.clock() + ttl)
            store.locks.put(name, record, ttl)
            return record

    def holder(self, name: str) -> LockRecord | None:
        with self._store.lock:
            return self._store.locks.get(name)
