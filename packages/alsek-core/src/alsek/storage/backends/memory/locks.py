"""The locks of a :class:`~alsek.storage.backends.memory.MemoryBackend`."""

from __future__ import annotations

from alsek.storage.backends.memory.store import MemoryStore
from alsek.storage.backends.ports import LockPort
from alsek.storage.backends.records import LockRecord


class MemoryLocks(LockPort):
    """Locks in a dict. One counter gives out the fence numbers of all names, so none is given out twice."""

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
